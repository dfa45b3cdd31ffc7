/**
 * Where a demo run keeps its state: a folder of its own, with one folder for each role's secrets. Processes are told
 * the folder and nothing else; no secret is in an argument or in the environment.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createApproverToken, createKeyFile, createVoteSigner, readKeyFile, readPrivateFile } from '@countersign/core';

export const tenant = 'acme';
export const user = 'alice';
export const agent = 'support-agent';
export const approver = 'carol';
export const leaseIssuer = 'https://countersign.demo.example';
export const leaseAudience = 'https://operations.demo.example';
export const policyPath: string = fileURLToPath(new URL('policy.yaml', import.meta.url));

export interface Place {
  readonly folder: string;
  /** One SQLite file, shared by agent, worker and approvals service. */
  readonly store: string;
  readonly auditKey: string;
  /** Only the approvals service reads these two. */
  readonly voteKey: string;
  readonly approvers: string;
  /** Only the approver's own processes read this one. */
  readonly approverToken: string;
  /** Only agent and worker read this one. */
  readonly leaseKey: string;
  /** Only the agent reads this one: it signs what a suspended run leaves behind, where a framework can. */
  readonly stateKey: string;
  readonly votePublicKey: string;
  readonly leasePublicKey: string;
  readonly revocations: string;
  readonly serviceLog: string;
  readonly spans: string;
  /** What the agent leaves behind when it is suspended. */
  readonly suspended: string;
  readonly moduleCache: string;
}

export function placeIn(folder: string): Place {
  const at = (...names: string[]): string => join(folder, ...names);
  return {
    folder,
    store: at('countersign.sqlite'),
    auditKey: at('shared', 'audit.key'),
    voteKey: at('approvals', 'votes.key'),
    approvers: at('approvals', 'approvers.json'),
    approverToken: at('approver', 'token'),
    leaseKey: at('agent', 'lease.pem'),
    stateKey: at('agent', 'state.key'),
    votePublicKey: at('public', 'votes.pem'),
    leasePublicKey: at('public', 'lease.pem'),
    revocations: at('revocations.log'),
    serviceLog: at('service.jsonl'),
    spans: at('spans.jsonl'),
    suspended: at('agent', 'suspended.json'),
    moduleCache: at('module-cache'),
  };
}

/** Makes the folder and its keys. */
export function createPlace(): Place {
  const place = placeIn(mkdtempSync(join(tmpdir(), 'countersign-demo-')));
  for (const name of ['shared', 'approvals', 'approver', 'agent', 'public'])
    mkdirSync(join(place.folder, name), { mode: 0o700 });
  createKeyFile(place.auditKey);
  createKeyFile(place.voteKey);
  createKeyFile(place.stateKey);
  writeFileSync(place.votePublicKey, createVoteSigner(readKeyFile(place.voteKey)).publicKey);
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  writePrivately(place.leaseKey, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
  writeFileSync(place.leasePublicKey, publicKey.export({ type: 'spki', format: 'pem' }));
  const { token, entry } = createApproverToken(tenant, approver);
  writePrivately(place.approverToken, token);
  writePrivately(place.approvers, JSON.stringify([entry]));
  for (const log of [place.revocations, place.serviceLog, place.spans]) writePrivately(log, '');
  return place;
}

export function writePrivately(path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o600 });
}

export function readLeaseKey(place: Place): KeyObject {
  return createPrivateKey(readPrivateFile(place.leaseKey, 1024));
}

export function readLeasePublicKey(place: Place): KeyObject {
  return createPublicKey(readFileSync(place.leasePublicKey));
}

export function readJsonLines<Row>(path: string): Row[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Row);
}
