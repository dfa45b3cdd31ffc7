/**
 * Votes: what an approver decided, signed by the approvals service with a key that the agent runtime does not hold.
 * Ed25519 (RFC 8032) over a domain tag and a JSON array of the vote's fields.
 * @module
 */
import { createHash, createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import { ed25519PrivateKey } from '../ed25519-key.ts';
import { KeyError } from '../errors.ts';
import { parseApprovalRule } from './approval-rule.ts';
import { samePerson } from '../store/same-person.ts';
import type { StoredApproval, Vote } from '../store/store.ts';

type VoteContent = Pick<Vote, 'tenant' | 'approval' | 'approver' | 'verdict' | 'time'>;

function voteBytes(vote: VoteContent, digest: string): Buffer {
  const fields = ['countersign/vote/1', vote.tenant, vote.approval, digest, vote.approver, vote.verdict, vote.time];
  return Buffer.from(JSON.stringify(fields));
}

/** Short name of a public key: the first 16 bytes of SHA-256 over its DER form, base64url. */
function voteKeyId(publicKey: KeyObject): string {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest()
    .subarray(0, 16)
    .toString('base64url');
}

export interface VoteSigner {
  readonly keyId: string;
  /** The public half, PEM (SPKI): what the agent runtime is configured with. */
  readonly publicKey: string;
  sign(vote: VoteContent, digest: string): { readonly signature: string; readonly keyId: string };
}

/**
 * @param key an Ed25519 private key, or its 32-byte seed as kept in a key file
 * @throws KeyError for anything else
 */
export function createVoteSigner(key: KeyObject | Uint8Array): VoteSigner {
  const privateKey = ed25519PrivateKey(key, 'a vote key');
  const publicKey = createPublicKey(privateKey);
  const keyId = voteKeyId(publicKey);
  return {
    keyId,
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    sign: (vote, digest) => ({
      signature: sign(null, voteBytes(vote, digest), privateKey).toString('base64url'),
      keyId,
    }),
  };
}

export interface VoteVerifier {
  /** Whether the votes of an approval, counted by their signatures alone, approve it for this tenant and requester. */
  approves(approval: StoredApproval, requester: { readonly tenant: string; readonly user: string }): boolean;
}

/** @throws KeyError unless every key is an Ed25519 public key (PEM or KeyObject). */
export function createVoteVerifier(keys: readonly (string | KeyObject)[]): VoteVerifier {
  const known = new Map(keys.map((key) => readPublicKey(key)).map((key) => [voteKeyId(key), key]));
  const signed = (vote: Vote, digest: string): boolean => {
    const key = known.get(vote.keyId);
    return key !== undefined && verify(null, voteBytes(vote, digest), key, Buffer.from(vote.signature, 'base64url'));
  };
  return {
    approves(approval, { tenant, user }) {
      const mine = approval.votes.filter((vote) => vote.approval === approval.id && vote.tenant === tenant);
      const valid = mine.filter((vote) => !samePerson(vote.approver, user) && signed(vote, approval.digest));
      const approving = valid.filter((vote) => vote.verdict === 'approve');
      const agreed = new Set(approving.map((vote) => vote.approver.toLowerCase()));
      // The rule stands under the digest that was signed, so that nobody can lower the quorum afterwards.
      const { quorum } = parseApprovalRule(approval.rule);
      return quorum >= 1 && agreed.size >= quorum && !valid.some((vote) => vote.verdict === 'reject');
    },
  };
}

function readPublicKey(key: string | KeyObject): KeyObject {
  let publicKey: KeyObject;
  try {
    publicKey = typeof key === 'string' ? createPublicKey(key) : key;
  } catch (cause) {
    throw new KeyError('a vote key must be an Ed25519 public key in PEM form', { cause });
  }
  if (publicKey.type === 'public' && publicKey.asymmetricKeyType === 'ed25519') return publicKey;
  throw new KeyError(
    `a vote key must be an Ed25519 public key, got ${publicKey.type} ${publicKey.asymmetricKeyType ?? ''}`,
  );
}
