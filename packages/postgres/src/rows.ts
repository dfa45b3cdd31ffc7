/**
 * Rows as JSON with the names and shapes of the store's interface, built by the server. A column that is NULL becomes a
 * member that is absent.
 * @module
 */

/** `c`: calls. */
const facts = `'tenant', c.tenant, 'run', c.run, 'subject', c.subject, 'agent', c.agent, 'delegation', c.delegation,
  'tool', json_build_object('name', c.tool, 'source', c.source, 'schemaDigest', c.schema_digest),
  'slot', c.slot, 'key', c.key, 'argumentsDigest', c.arguments_digest`;

export const callJson: string = `json_strip_nulls(json_build_object(${facts}, 'state', c.state, 'approval', c.approval,
  'outcome', CASE WHEN c.status IS NOT NULL THEN json_build_object('status', c.status, 'sealed', c.sealed) END,
  'claimedAt', c.claimed_at, 'claim', c.claim, 'settledAt', c.settled_at))`;

const voteJson = `json_build_object('tenant', v.tenant, 'approval', v.approval, 'approver', v.approver,
  'verdict', v.verdict, 'time', v.time, 'signature', v.signature, 'keyId', v.key_id, 'sealedReason', v.sealed_reason)`;

const approvalFields = `'id', a.id, 'ruleDigest', a.rule_digest, 'policyVersion', a.policy_version,
  'capability', a.capability, 'risk', a.risk, 'mode', a.mode, 'createdAt', a.created_at, 'expiresAt', a.expires_at,
  'call', json_build_object(${facts}), 'state', a.state, 'epoch', a.epoch, 'consumedAt', a.consumed_at`;

/** `a`: approvals, `c`: their calls. */
export const approvalJson: string = `json_strip_nulls(json_build_object(${approvalFields},
  'digest', a.digest, 'rule', a.rule, 'sealedArguments', a.sealed_arguments,
  'sealedProvenance', a.sealed_provenance,
  'edit', CASE WHEN a.edited_digest IS NOT NULL
    THEN json_build_object('argumentsDigest', a.edited_digest, 'sealedArguments', a.edited_arguments) END,
  'votes', (SELECT coalesce(json_agg(${voteJson} ORDER BY v.time, v.approver), '[]')
    FROM countersign.votes v WHERE v.tenant = a.tenant AND v.approval = a.id)))`;

/** To be counted, and nothing else: an empty digest matches no vote and no claim. */
export const pendingJson: string = `json_strip_nulls(json_build_object(${approvalFields},
  'digest', '', 'rule', '', 'sealedArguments', '', 'votes', '[]'::json))`;

/** `l`: leases. */
export const leaseJson: string = `json_strip_nulls(json_build_object('tenant', l.tenant, 'callKey', l.call_key, 'id', l.id,
  'service', l.service, 'provider', l.provider, 'expiresAt', l.expires_at, 'state', l.state,
  'sealedHandle', l.sealed_handle))`;

/** `e`: entries. */
export const entryJson: string = `json_build_object('tenant', e.tenant, 'kind', e.kind, 'id', e.id, 'version', e.version,
  'value', e.value, 'updatedAt', e.updated_at)`;

export const approvalsWithCalls: string =
  'countersign.approvals a JOIN countersign.calls c ON c.tenant = a.tenant AND c.run = a.run AND c.slot = a.slot';
