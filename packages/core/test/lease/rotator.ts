/**
 * An installation whose key at the key service is rotated; as a process it rotates what is due, and kills itself at a point.
 *
 * argv: JSON of `RotatorInput`. Prints the results.
 */
import {
  createCountersign,
  definePolicy,
  encryptedFileProvider,
  type Countersign,
  type CountersignOptions,
  type RotationOptions,
  type Store,
} from '../../src/index.ts';
import { sqliteStore } from '../../src/store/sqlite.ts';
import { document } from '../support/fixture.ts';
import { keyIssuer } from './key-service.ts';

export interface RotatorInput {
  readonly folder: string;
  readonly origin: string;
  readonly killAt: string;
  /** Milliseconds by which the clock is ahead. */
  readonly ahead?: number;
}

export const dayMs = 86_400_000;
export const rotated = { tenant: 'acme', service: 'tickets', agent: 'support' } as const;

function rotationPolicy(origin: string): ReturnType<typeof definePolicy> {
  const credentials = [{ service: 'tickets', ttl: '1m', acceptResidual: true, fetch: { origins: [origin] } }];
  const secret = { ...document.tools['secret'], credentials };
  return definePolicy({ ...document, tools: { ...document.tools, secret } } as typeof document);
}

export interface InstallationOptions {
  readonly store?: Store;
  readonly rotation?: Partial<RotationOptions>;
  readonly more?: Partial<CountersignOptions>;
  readonly reach?: (point: string) => void;
  readonly now?: () => number;
}

export function installation(folder: string, origin: string, options: InstallationOptions = {}): Countersign {
  const { reach = () => undefined, now = Date.now } = options;
  const provider = encryptedFileProvider({
    path: `${folder}/secrets`,
    key: { keyFile: `${folder}/key` },
    services: ['tickets'],
    onExpiring: () => undefined,
    issuers: { tickets: keyIssuer(origin, 60 * dayMs, reach) },
    clock: now,
  });
  const kept: typeof provider = {
    ...provider,
    async rotate(input) {
      const answer = await provider.rotate(input);
      reach('after-file');
      return answer;
    },
  };
  return createCountersign({
    policy: rotationPolicy(origin),
    store: options.store ?? sqliteStore({ path: `${folder}/store.sqlite` }),
    audit: { key: new Uint8Array(32).fill(7) },
    credentials: [kept],
    rotation: { credentials: [rotated], overlapMs: 60_000, ...options.rotation },
    now,
    ...options.more,
  });
}

if (import.meta.main) {
  const { folder, origin, killAt, ahead = 0 } = JSON.parse(process.argv[2] ?? '{}') as RotatorInput;
  const reach = (point: string): void => {
    if (point === killAt) process.kill(process.pid, 'SIGKILL');
  };
  const countersign = installation(folder, origin, { reach, now: () => Date.now() + ahead });
  process.stdout.write(JSON.stringify(await countersign.credentials.rotateDue()));
  await countersign.close();
}
