/**
 * Countersign: a checkpoint in front of every tool call of an AI agent.
 * @module
 */
export { createCountersign } from './countersign.ts';
export type {
  ApprovalOptions,
  AuditOptions,
  Countersign,
  CountersignOptions,
  RunInput,
  TimeoutOptions,
} from './countersign.ts';
export type { CheckOptions, Gate } from './gate.ts';
export { maxRisk } from './call.ts';
export type {
  ApprovalMode,
  ApprovalState,
  AskedCall,
  CheckResult,
  CredentialRequest,
  Decision,
  Outcome,
  Reason,
  ReasonCode,
  RefusalCode,
  Risk,
  ToolCall,
  ToolIdentity,
  ToolRule,
  Verdict,
} from './call.ts';
export {
  ApprovalConflict,
  ApprovalNotFound,
  ApproverError,
  ArgumentsError,
  CallPending,
  CallUnknown,
  ConfigurationError,
  ConsentRequired,
  CountersignError,
  IdentifierError,
  KeyError,
  LeaseError,
  LedgerError,
  PolicyError,
  PrincipalError,
  StoreError,
  ToolNotGovernable,
  UnauthorizedToolCall,
} from './errors.ts';
export type { ErrorCode, PolicyIssue } from './errors.ts';

export { ambientGate } from './identify/scope.ts';
export { resolveGate } from './identify/resolve-gate.ts';
export type { GateResolver, GateSource } from './identify/resolve-gate.ts';
export type { Principal, PrincipalInput } from './identify/principal.ts';
export { listInventory } from './identify/inventory.ts';
export type { Inventory, InventoryEntry, InventoryTool, ReviewPath } from './identify/inventory.ts';

export { definePolicy } from './authorize/policy.ts';
export type { Policy, PolicyRule } from './authorize/policy.ts';
export type { PolicyAgent, PolicyHolding } from './authorize/policy-agents.ts';
export { parsePolicy } from './authorize/parse-policy.ts';
export { policyFile } from './authorize/policy-file.ts';
export { combinePolicies } from './authorize/combine-policies.ts';
export { riskCatalogue } from './authorize/catalogue.ts';
export type { PolicyDocument } from './authorize/policy-document.ts';
export type { Heard, HeardSource, Observed } from './authorize/heard.ts';
export type { OriginKind, ValueOrigin } from './authorize/provenance.ts';
export type { Authorizer, Provenance, Subject, UserDirectory } from './authorize/authorize.ts';

export { createApprovals } from './approve/approvals.ts';
export type { Approvals, CreateApprovalsOptions } from './approve/approvals.ts';
export type { ApprovalsService } from './approve/approvals-service.ts';
export type { ApprovalOutline } from './approve/approval-outline.ts';
export type { ApprovalQuery, ApproverSession, DecideInput, EditRequest } from './approve/approver-session.ts';
export { approvalLoad } from './approve/open-load.ts';
export type {
  ApprovalLoad,
  ApproverLoad,
  Delays,
  LoadBucket,
  LoadQuery,
  RequestCounts,
  ToolLoad,
  VoteCounts,
} from './approve/approval-load.ts';
export type { LedgerAccess, Oversight } from './approve/oversight.ts';
export { isEligible, isWithinHours } from './approve/approval-rule.ts';
export type { ApprovalRule, EscalationStep, Weekday, WorkingHours } from './approve/approval-rule.ts';
export type {
  ApprovalChannel,
  ApprovalNotice,
  ApprovalView,
  Approver,
  ApproverDirectory,
  ShownOrigin,
} from './approve/approve.ts';
export { approverFile, createApproverToken } from './approve/approver-file.ts';
export type { ApproverEntry, LentGroup } from './approve/approver-file.ts';
export type { RefusedRequest } from './approve/refused-requests.ts';
export { approvalsHttp } from './approve/http.ts';
export { terminalChannel } from './approve/terminal-channel.ts';
export type { TerminalChannelOptions } from './approve/terminal-channel.ts';
export type { ApprovalsHttpOptions } from './approve/http.ts';
export type { RateLimit, RateLimitTaken } from './approve/rate-limit.ts';
export { askInTerminal, describeApproval, describeRule } from './approve/terminal.ts';
export { visible } from './approve/visible.ts';
export type { Notifier, NotifierOptions } from './approve/notifier.ts';
export { createVoteSigner } from './approve/votes.ts';
export type { VoteSigner } from './approve/votes.ts';
export { runnable } from './approve/run-approved.ts';
export type { ApprovalRuns, RunnableTool, RunnableTools } from './approve/run-approved.ts';
export type { InboxEntry, InboxInput } from './approve/inbox.ts';
export type { Worker, WorkerOptions } from './approve/worker.ts';

export { Secret } from './lease/secret.ts';
export { currentCall, currentLease, leaseFetch, reportSpend } from './lease/ambient.ts';
export type { LeaseFetch } from './lease/lease-fetch.ts';
export type { CurrentCall } from './lease/ambient.ts';
export { encryptedFileProvider } from './lease/encrypted-file.ts';
export type { EncryptedFileProviderOptions, KeyIssuer } from './lease/encrypted-file.ts';
export { registerSecret, rekeySecretsFile, removeSecret, sealSecretsFile } from './lease/secrets-file.ts';
export type { EncryptedFileOptions } from './lease/secrets-file.ts';
export type { RegisteredSecret } from './lease/static-secret.ts';
export { envFileProvider } from './lease/env-file.ts';
export type { EnvFileProviderOptions } from './lease/env-file.ts';
export type { CredentialOrder, Credentials, CredentialsView } from './lease/credentials.ts';
export type { RevokeAllInput, RevokeAllResult } from './lease/revoke-all.ts';
export type { RotationOptions, RotationResult, RotationView } from './lease/rotation.ts';
export type { RotatedCredential } from './lease/rotation-state.ts';
export type { RotationSchedule, RotationScheduleOptions } from './lease/rotation-schedule.ts';
export { credentialChain } from './lease/credential-chain.ts';
export { keepLogin } from './lease/login.ts';
export type { KeptLogin, Login, LoginOptions } from './lease/login.ts';
export { memoryRevocationList, tokenMinter } from './lease/token-minter.ts';
export type { RevocationList, TokenMinterOptions } from './lease/token-minter.ts';
export { verifyMintedToken } from './lease/verify-minted-token.ts';
export type { MintedTokenClaims, VerifyMintedTokenInput } from './lease/verify-minted-token.ts';
export type { KeyFileOptions } from './key-file.ts';
export type { Maintained } from './maintain.ts';
export type { StoredApproval } from './store/store.ts';
export { createKeyFile, readKeyFile, readPrivateFile } from './key-file.ts';
export type {
  Consent,
  Credential,
  CredentialProvider,
  Lease,
  LeaseRequest,
  RetireRequest,
  RotateRequest,
  Rotation,
} from './lease/lease.ts';

export { argumentsDigest } from './execute/arguments-digest.ts';
export { notPermitted } from './messages.ts';
export { callSlot } from './execute/prepare-call.ts';
export { requireCapability, resultOf } from './execute/require-capability.ts';
export { plainCodec } from './execute/codec.ts';
export type { ResultCodec } from './execute/codec.ts';
export type { Body, ExecuteOptions, StreamBody } from './execute/run-body.ts';

export { memoryStore } from './store/memory.ts';
export type { Store } from './store/store.ts';
export type { Hold, HoldRequest, Holds, HoldTarget } from './holds.ts';
export type { ArchivePlace, Ledger, LedgerQuery } from './record/ledger.ts';
export { fileWitness } from './record/notary/file-witness.ts';
export { createNotary } from './record/notary/notary.ts';
export type { Notary, NotaryOptions, Sealed } from './record/notary/notary.ts';
export { createNoteSigner } from './record/notary/note-signer.ts';
export { findRecord, proveRecord, verifyProof } from './record/notary/proof.ts';
export type { ProvenRecord } from './record/notary/proof.ts';
export { formatVerifierKey, parseVerifierKey } from './record/notary/signed-note.ts';
export type { NoteSigner, NoteVerifier } from './record/notary/signed-note.ts';
export type { Witness } from './record/notary/witness.ts';
export { ocsfEvent } from './record/ocsf.ts';
export type { LedgerStats } from './record/stats.ts';
export { openHolds, openLedger } from './record/open-ledger.ts';
export { createOutbox } from './deliver/outbox.ts';
export type { Outbox, OutboxOptions, OutboxReport, StartOptions } from './deliver/outbox.ts';
export { forgetReceiver, outboxStatus } from './deliver/receivers.ts';
export type { OutboxStatus } from './deliver/receivers.ts';
export type { DeliveryOptions } from './deliver/backlog.ts';
export { recordAttributes } from './deliver/record-attributes.ts';
export type { Delivery, OutgoingRecord, RecordSink, RefusedRecord } from './deliver/sink.ts';
export type { OpenLedgerOptions } from './record/open-ledger.ts';
export type { OpenedRecord } from './record/open-record.ts';
export type { CallProgress, TimelineCall } from './record/call-states.ts';
export type { RunTimeline, TimelineQuery, TimelineRecord } from './record/run-timeline.ts';
export type { ChainHead } from './record/record.ts';
export { verifyLedger } from './record/verify.ts';
export type { Verification, VerifyOptions } from './record/verify.ts';
export { findLiteralSecrets, namesSecret } from './record/secret-forms.ts';
export type { LiteralSecret } from './record/secret-forms.ts';
export type { TelemetryOptions } from './record/telemetry.ts';
