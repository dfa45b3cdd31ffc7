/**
 * Countersign, as the agent and the worker of the demo run it.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { createCountersign, policyFile, readKeyFile, tokenMinter, type Countersign } from '@countersign/core';
import { sqliteStore } from '@countersign/core/sqlite';
import { leaseAudience, leaseIssuer, policyPath, readLeaseKey, type Place } from './place.ts';

export function createDemoCountersign(place: Place): Countersign {
  return createCountersign({
    policy: policyFile(policyPath),
    store: sqliteStore({ path: place.store }),
    // Users are named in the clear in this demo's traces, so that a person finds theirs.
    audit: { key: readKeyFile(place.auditKey), telemetry: { userId: true } },
    approvals: { keys: [readFileSync(place.votePublicKey, 'utf8')] },
    credentials: [
      tokenMinter({
        name: 'demo-minter',
        services: ['operations'],
        issuer: leaseIssuer,
        audience: leaseAudience,
        signingKey: readLeaseKey(place),
        revocations: { add: (lease) => appendFileSync(place.revocations, `${lease}\n`) },
      }),
    ],
  });
}
