import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { createVoteSigner, createVoteVerifier } from '../../src/approve/votes.ts';
import { KeyError } from '../../src/index.ts';
import type { StoredApproval, Vote } from '../../src/store/store.ts';

const signer = createVoteSigner(generateKeyPairSync('ed25519').privateKey);
const stranger = createVoteSigner(generateKeyPairSync('ed25519').privateKey);
const verifier = createVoteVerifier([signer.publicKey]);

function vote(more: Partial<Vote> = {}, by = signer, digest = 'digest'): Vote {
  const content = { tenant: 'acme', approval: 'apr', approver: 'carol', verdict: 'approve', time: 1, ...more } as const;
  return { ...content, ...by.sign(content, digest) };
}

function approval(votes: readonly Vote[], quorum: unknown = 1): StoredApproval {
  const rule = JSON.stringify({ quorum });
  return { id: 'apr', digest: 'digest', rule, votes } as unknown as StoredApproval;
}

const requester = { tenant: 'acme', user: 'alice' };

verifies('APR-6', 'a signed vote to approve approves', () => {
  expect(verifier.approves(approval([vote()]), requester)).toBe(true);
});

verifies('APR-6', 'as many different people must have signed as the quorum says', () => {
  const two = [vote(), vote({ approver: 'dave' })];
  expect(verifier.approves(approval(two, 2), requester)).toBe(true);
  expect(verifier.approves(approval(two, 3), requester)).toBe(false);
  expect(verifier.approves(approval([vote(), vote({ time: 2 })], 2), requester)).toBe(false);
  expect(verifier.approves(approval([vote(), vote({ approver: 'alice' })], 2), requester)).toBe(false);
  for (const quorum of [0, -1, null, 'x', Number.NaN]) {
    expect(verifier.approves(approval(two, quorum), requester)).toBe(false);
  }
});

verifies(
  'APR-6',
  'a name in other letters is the same person: neither a second vote nor another than the requester',
  () => {
    const twice = [vote(), vote({ approver: 'Carol' })];
    expect(verifier.approves(approval(twice, 2), requester)).toBe(false);
    expect(verifier.approves(approval([vote({ approver: 'ALICE' })]), requester)).toBe(false);
  },
);

describe('nothing else approves', () => {
  const cases: readonly [string, readonly Vote[]][] = [
    ['no vote', []],
    ['a rejection', [vote({ verdict: 'reject' })]],
    ['an approval beside a rejection', [vote(), vote({ approver: 'dave', verdict: 'reject' })]],
    ['a rejection turned into an approval in the store', [{ ...vote({ verdict: 'reject' }), verdict: 'approve' }]],
    ['the requester', [vote({ approver: 'alice' })]],
    ['the requester under the name of another', [{ ...vote({ approver: 'alice' }), approver: 'carol' }]],
    ['a vote over another digest', [vote({}, signer, 'other')]],
    ['a vote on another approval', [vote({ approval: 'apr2' })]],
    ['a vote on another approval, relabelled', [{ ...vote({ approval: 'apr2' }), approval: 'apr' }]],
    ['a vote of another tenant', [vote({ tenant: 'globex' })]],
    ['a vote of another tenant, relabelled', [{ ...vote({ tenant: 'globex' }), tenant: 'acme' }]],
    ['a key nobody configured', [vote({}, stranger)]],
    ['a key nobody configured, under the id of one that is', [{ ...vote({}, stranger), keyId: signer.keyId }]],
    ['an empty signature', [{ ...vote(), signature: '' }]],
    ['another time than was signed', [{ ...vote(), time: 2 }]],
  ];
  for (const [name, votes] of cases) {
    verifies(['APR-5', 'APR-6'], `not ${name}`, () => {
      expect(verifier.approves(approval(votes), requester)).toBe(false);
    });
  }
});

test('keys of another kind are refused', () => {
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  expect(() => createVoteSigner(ec.privateKey)).toThrow(KeyError);
  expect(() => createVoteSigner(generateKeyPairSync('ed25519').publicKey)).toThrow(KeyError);
  expect(() => createVoteSigner(new Uint8Array(31))).toThrow(KeyError);
  expect(() => createVoteVerifier([ec.publicKey])).toThrow(KeyError);
  expect(() => createVoteVerifier(['no key'])).toThrow(KeyError);
  const seed = new Uint8Array(32).fill(7);
  expect(createVoteSigner(seed).keyId).toBe(createVoteSigner(seed).keyId);
});
