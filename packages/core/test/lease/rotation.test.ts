import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import {
  ConfigurationError,
  CountersignError,
  createKeyFile,
  encryptedFileProvider,
  leaseFetch,
  LeaseError,
  memoryStore,
  registerSecret,
  sealSecretsFile,
  Secret,
  type Countersign,
  type CredentialProvider,
  type Store,
} from '../../src/index.ts';
import { dueAt } from '../../src/lease/rotation-state.ts';
import { callTo } from '../support/fixture.ts';
import { keyService, type KeyService } from './key-service.ts';
import { dayMs, installation, rotated, type InstallationOptions, type RotatorInput } from './rotator.ts';

let folder: string;
let service: KeyService;
let store: Store;
let now: number;
const first = { id: 'first', value: 'canary-key-first' };
const place = { tenant: 'acme', id: 'tickets/support' };
const order = { ...place, by: 'carol', reason: 'asked for' };

beforeEach(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'countersign-rotation-'));
  service = await keyService(first);
  store = memoryStore();
  now = Date.now();
  createKeyFile(path.join(folder, 'key'));
  await sealSecretsFile(secretsFile(), [
    { ...rotated, value: new Secret(first.value), expiresAt: now + 80 * dayMs, keyId: first.id },
  ]);
});
afterEach(async () => {
  await service.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

const secretsFile = () => ({ path: path.join(folder, 'secrets'), key: { keyFile: path.join(folder, 'key') } });
const open = (options: InstallationOptions = {}): Countersign =>
  installation(folder, service.origin, { store, now: () => now, ...options });

async function use(countersign: Countersign): Promise<unknown> {
  const gate = countersign.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'run-1' });
  const outcome = await gate.execute(callTo('secret', { n: Math.random() }), async () => {
    const response = await leaseFetch('tickets')(`${service.origin}/use`);
    if (!response.ok) throw new Error(`turned away with ${response.status}`);
    return response.status;
  });
  return outcome.status === 'completed' ? outcome.result : outcome;
}

describe('rotation', () => {
  verifies(
    'CRD-6',
    'gives new leases the new key, keeps the old one for the overlap, and then retires it',
    async () => {
      const countersign = open();
      expect(await use(countersign)).toBe(200);
      expect(await countersign.credentials.rotateDue()).toMatchObject([{ ...place, status: 'rotated', retired: 0 }]);
      expect(service.live()).toHaveLength(2);
      expect(await use(countersign)).toBe(200);
      expect([...service.uses.values()]).toEqual([1, 1]);
      now += 59_999;
      expect(await countersign.credentials.rotateDue()).toMatchObject([{ status: 'fresh' }]);
      expect(service.live()).toContain('first');
      now += 1;
      await countersign.maintain();
      expect(service.live()).toHaveLength(1);
      expect(service.live()).not.toContain('first');
      expect(await use(countersign)).toBe(200);
      expect(service.rejected).toEqual([]);
      const records = await store.records('acme', { kind: 'credential', limit: 100 });
      expect(records.map(({ event }) => event)).toEqual(expect.arrayContaining(['rotated', 'retired']));
    },
  );

  verifies('CRD-6', 'is due after 30 days, or seven days before the end, and not before', () => {
    const state = { rotatedAt: 0, superseded: [] };
    const due = (expiresAt?: number, everyDays?: number) =>
      dueAt({ ...rotated, ...(everyDays && { everyDays }) }, { ...state, ...(expiresAt && { expiresAt }) }) / dayMs;
    expect(due()).toBeGreaterThan(26.9);
    expect(due()).toBeLessThanOrEqual(30);
    expect(due(20 * dayMs)).toBe(13);
    expect(due(8 * dayMs)).toBe(4);
    expect(due(90 * dayMs)).toBe(due());
    expect(due(undefined, 1)).toBeLessThanOrEqual(1);
    expect(dueAt(rotated, { superseded: [] })).toBe(0);
    const many = Array.from({ length: 50 }, (_, index) => dueAt({ ...rotated, agent: `bot-${index}` }, state));
    expect(new Set(many).size).toBeGreaterThan(40);
  });

  test('cannot be configured so that it does not happen', () => {
    for (const everyDays of [31, 0, -1, NaN, Infinity]) {
      expect(() => open({ rotation: { credentials: [{ ...rotated, everyDays }] } })).toThrow(ConfigurationError);
    }
    expect(() => open({ rotation: { credentials: [{ ...rotated, service: 'nobody' }] } })).toThrow('no provider');
    expect(() => open({ rotation: { credentials: [rotated, rotated] } })).toThrow('twice');
    expect(() => open({ rotation: { overlapMs: -1 } })).toThrow(ConfigurationError);
  });

  verifies('CRD-6', 'on demand rotates what is not due, and records who ordered it', async () => {
    const countersign = open();
    await countersign.credentials.rotateDue();
    expect(await countersign.credentials.rotate(order)).toMatchObject({ status: 'rotated' });
    expect(service.issues).toBe(2);
    const [record] = await store.records('acme', { kind: 'administration' });
    expect(record?.event).toBe('credential_rotation_ordered');
    await expect(countersign.credentials.rotate({ ...order, id: 'tickets' })).rejects.toThrow(LeaseError);
    await expect(countersign.credentials.rotate({ ...order, tenant: 'globex' })).rejects.toThrow(LeaseError);
    await expect(countersign.credentials.rotate({ ...order, reason: ' ' })).rejects.toThrow(ConfigurationError);
    await expect(countersign.credentials.rotate({ ...order, by: '' })).rejects.toThrow(CountersignError);
    expect(service.issues).toBe(2);
  });

  verifies('CRD-6', 'on compromise leaves no old key valid, those in their overlap included', async () => {
    const countersign = open();
    await countersign.credentials.rotateDue();
    expect(service.live()).toHaveLength(2);
    const result = await countersign.credentials.rotate({ ...order, compromised: true });
    expect(result).toMatchObject({ status: 'rotated', retired: 2, unretired: 0 });
    expect(service.live()).toHaveLength(1);
    expect(await use(countersign)).toBe(200);
  });

  verifies('CRD-6', 'on compromise waits for a worker that is at it, and is recorded once', async () => {
    const slow = open();
    service.latencyMs = 0;
    const held = Promise.withResolvers<void>();
    const provider: CredentialProvider = {
      ...{ name: 'slow', services: ['tickets'], maxLifetimeMs: dayMs, revocable: false, findable: false },
      get: () => Promise.reject(new LeaseError('none')),
      provision: async () => {},
      revoke: async () => {},
      rotate: () => held.promise,
    };
    const begun = open({ more: { credentials: [provider] } }).credentials.rotateDue();
    await sleep(50);
    expect(await slow.credentials.rotate(order)).toMatchObject({ status: 'busy' });
    const compromised = slow.credentials.rotate({ ...order, compromised: true });
    await sleep(50);
    held.resolve();
    expect(await begun).toMatchObject([{ status: 'rotated' }]);
    expect(await compromised).toMatchObject({ status: 'rotated', unretired: 0 });
    const ordered = await store.records('acme', { kind: 'administration' });
    expect(new Set(ordered.map(({ body }) => body)).size).toBe(ordered.length);
    expect((await slow.ledger.verify('acme')).ok).toBe(true);
  });

  verifies(['CRD-6', 'REL-3'], 'that fails leaves the old key in use, and is tried again', async () => {
    const countersign = open();
    service.broken = true;
    expect(await countersign.credentials.rotateDue()).toMatchObject([{ status: 'failed' }]);
    expect(await use(countersign)).toBe(200);
    expect(await countersign.maintain()).toMatchObject({ rotatedCredentials: 0, failedRotations: 1 });
    service.broken = false;
    expect(await countersign.maintain()).toMatchObject({ rotatedCredentials: 1, failedRotations: 0 });
    now += 60_000;
    service.broken = true;
    expect(await countersign.credentials.rotateDue()).toMatchObject([{ status: 'failed' }]);
    expect(service.live()).toContain('first');
    service.broken = false;
    await countersign.credentials.rotateDue();
    expect(service.live()).toHaveLength(1);
  });

  verifies(['CRD-6', 'REL-3'], 'by a provider that hangs, throws or lies ends in time, without its words', async () => {
    const faults: readonly Partial<CredentialProvider>[] = [
      { rotate: () => new Promise(() => {}) },
      {
        rotate: () => {
          throw new Error('canary-of-the-vendor');
        },
      },
      { rotate: async () => ({ expiresAt: 1, superseded: [] }) },
      { rotate: async () => ({ superseded: 'all' as never }) },
      { rotate: async () => ({ superseded: [7 as never] }) },
    ];
    for (const [index, fault] of faults.entries()) {
      const provider: CredentialProvider = {
        ...{ name: 'faulty', services: ['tickets'], maxLifetimeMs: dayMs, revocable: false, findable: false },
        get: () => Promise.reject(new LeaseError('none')),
        provision: async () => {},
        revoke: async () => {},
        rotate: async () => {},
        ...fault,
      };
      const more = { credentials: [provider], timeouts: { credentialMs: 20 } };
      const [result] = await open({ store: memoryStore(), more }).credentials.rotateDue();
      expect([index, result?.status]).toEqual([index, 'failed']);
      expect(JSON.stringify(result)).not.toContain('canary');
    }
  });

  verifies('CRD-6', 'in two processes at once happens once', async () => {
    const results = await Promise.all(Array.from({ length: 5 }, () => open().credentials.rotateDue()));
    const statuses = results.flat().map(({ status }) => status);
    expect(statuses.filter((status) => status === 'rotated')).toHaveLength(1);
    expect(service.issues).toBe(1);
  });

  test('whose note was lost is found again by its name: one key, not two', async () => {
    let writes = 0;
    const failing: Store = {
      ...store,
      putEntry: (input) =>
        input.kind === 'credential' && (writes += 1) === 2
          ? Promise.reject(new Error('disk full'))
          : store.putEntry(input),
    };
    expect(await open({ store: failing }).credentials.rotateDue()).toMatchObject([{ status: 'failed' }]);
    expect(await open().credentials.rotateDue()).toMatchObject([{ status: 'rotated' }]);
    now += 60_000;
    await open().credentials.rotateDue();
    expect(service.live()).toHaveLength(1);
    expect(service.issues).toBe(1);
  });

  verifies(
    ['CRD-4', 'CRD-6'],
    'attack: of two scopes of one agent, neither gets the key of the other from an issuer that finds keys by name',
    async () => {
      const scopes = [{ access: 'read' }, { access: 'admin' }];
      const wide = { ...rotated, expiresAt: now + dayMs };
      await sealSecretsFile(
        secretsFile(),
        scopes.map((scope) => ({ ...wide, scope, value: new Secret(`canary-${scope.access}-old`) })),
      );
      const keys = new Map<string, string>();
      const provider = encryptedFileProvider({
        ...{ ...secretsFile(), services: ['tickets'], onExpiring: () => undefined },
        issuers: {
          tickets: {
            async issue({ rotation, scope }) {
              const value = keys.get(rotation) ?? `canary-${String(scope?.['access'])}-new`;
              keys.set(rotation, value);
              return { keyId: rotation, value: new Secret(value), expiresAt: now + dayMs };
            },
            retire: async () => undefined,
          },
        },
      });
      for (const _attempt of [1, 2]) await provider.rotate({ ...rotated, rotation: 'r1' });
      for (const scope of scopes) {
        const answer = await provider.get({
          ...{ ...rotated, leaseId: 'l', user: 'ada', run: 'r', callKey: 'k', tool: 't', capability: 'a:b' },
          ...{ argumentsDigest: 'd', scope, ttlMs: 1000 },
        });
        expect('secret' in answer && answer.secret.reveal()).toBe(`canary-${scope.access}-new`);
      }
      expect(keys.size).toBe(2);
    },
  );

  test('leaves alone what somebody registered by hand meanwhile', async () => {
    const byHand = { ...rotated, value: new Secret('canary-by-hand'), expiresAt: now + dayMs, keyId: 'by-hand' };
    const provider = encryptedFileProvider({
      ...{ ...secretsFile(), services: ['tickets'], onExpiring: () => undefined },
      issuers: {
        tickets: {
          async issue({ rotation }) {
            await registerSecret(secretsFile(), byHand);
            return { keyId: rotation, value: new Secret('canary-rotated'), expiresAt: now + dayMs };
          },
          retire: async () => undefined,
        },
      },
    });
    await expect(provider.rotate({ ...rotated, rotation: 'r1' })).rejects.toThrow('changed while');
    const answer = await provider.get({
      ...{ ...rotated, leaseId: 'l', user: 'ada', run: 'r', callKey: 'k', tool: 't', capability: 'a:b' },
      ...{ argumentsDigest: 'd', scope: {}, ttlMs: 1000 },
    });
    expect('secret' in answer && answer.secret.reveal()).toBe('canary-by-hand');
  });

  verifies('CRD-7', 'keeps no key in the store in the clear, and shows none', async () => {
    const countersign = open();
    await countersign.credentials.rotateDue();
    const entries = await store.entries('acme', 'credential');
    expect(entries).toHaveLength(1);
    const shown = JSON.stringify([
      entries,
      await countersign.credentials.list('acme'),
      await store.records('acme', { limit: 100 }),
    ]);
    expect(shown).not.toContain('canary');
    expect(shown).not.toContain('"first"');
    expect(await countersign.credentials.list('globex')).toEqual({ rotated: [], leases: [] });
  });

  verifies('CRD-6', 'by the clock, until it is stopped', async () => {
    const countersign = open();
    const seen: string[] = [];
    const schedule = countersign.credentials.schedule({
      ...{ pattern: '* * * * * *', jitterMs: 5 },
      onRotated: (results) => void seen.push(...results.map(({ status }) => status)),
    });
    expect(schedule.next()?.getTime()).toBeGreaterThan(Date.now() - 1_000);
    for (let waited = 0; seen.length < 2 && waited < 400; waited += 1) await sleep(25);
    schedule.stop();
    expect(seen.slice(0, 2)).toEqual(['rotated', 'fresh']);
    const count = seen.length;
    await sleep(1_200);
    expect(seen).toHaveLength(count);
    expect(schedule.next()).toBeUndefined();
    expect(() => countersign.credentials.schedule({ pattern: 'sometimes' })).toThrow(ConfigurationError);
  });
});

describe('rotation under load', () => {
  verifies(
    'CRD-6',
    '200 calls a second through four rotations: no call fails, and no key but the last stays valid',
    async () => {
      service.latencyMs = 60;
      const overlapMs = 10_000;
      let ahead = 0;
      const countersign = open({ now: () => Date.now() + ahead, rotation: { overlapMs } });
      const inFlight = new Set<Promise<unknown>>();
      const seen = new Set<unknown>();
      let rotationsDone = false;
      const load = async (): Promise<void> => {
        const began = performance.now();
        for (let sent = 0; sent < 800 || !rotationsDone; sent += 1) {
          // Behind its plan, on a busy machine, it waits for answers instead of piling up.
          await sleep(Math.max(1, began + sent * 5 - performance.now()));
          while (inFlight.size > 60) await sleep(1);
          const call = use(countersign).then((answer) => void seen.add(answer));
          inFlight.add(call);
          void call.finally(() => inFlight.delete(call));
        }
        await Promise.all(inFlight);
      };
      const statuses: string[] = [];
      const rotate = async (): Promise<void> => {
        for (let round = 0; round < 4; round += 1) {
          while (service.uses.size <= round) await sleep(5);
          statuses.push((await countersign.credentials.rotate(order)).status);
          // An overlap is longer than any call: it ends when those have ended that began before, however slow they are
          // here, and while younger ones are on their way.
          await Promise.all(inFlight);
          ahead += overlapMs;
          await countersign.credentials.rotateDue();
        }
        while (service.uses.size < 5) await sleep(5);
        rotationsDone = true;
      };
      await Promise.all([load(), rotate()]);
      expect(statuses).toEqual(['rotated', 'rotated', 'rotated', 'rotated']);
      expect([...seen]).toEqual([200]);
      expect(service.rejected).toEqual([]);
      expect(service.uses.size).toBe(5);
      expect(service.live()).toHaveLength(1);
    },
    { timeout: 60_000 },
  );

  test('without an overlap calls in flight do fail: the test above would notice', { timeout: 30_000 }, async () => {
    service.latencyMs = 100;
    const countersign = open({ now: Date.now });
    const calls = Array.from({ length: 10 }, () => use(countersign));
    await sleep(50);
    await countersign.credentials.rotate({ ...order, compromised: true });
    await Promise.all(calls);
    expect(service.rejected.length).toBeGreaterThan(0);
  });
});

describe('kill -9 of the rotating process', () => {
  const inChild = async (input: Omit<RotatorInput, 'folder' | 'origin'>): Promise<string> => {
    const argument = JSON.stringify({ folder, origin: service.origin, ...input });
    const file = path.join(import.meta.dirname, 'rotator.ts');
    const child = spawn(process.execPath, [file, argument], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    await once(child, 'close');
    return child.signalCode ?? output;
  };

  for (const killAt of ['before-issue', 'after-issue', 'after-file', 'before-retire', 'after-retire']) {
    verifies(
      ['CRD-6', 'REL-2'],
      `${killAt}: the next worker ends it, no call fails, and one key is left`,
      async () => {
        const retiring = killAt.endsWith('retire');
        if (retiring) await inChild({ killAt: 'never' });
        expect(await inChild({ killAt, ahead: retiring ? 120_000 : 0 })).toBe('SIGKILL');
        // The dead worker's lock ends by itself.
        const later = 600_000;
        const results = JSON.parse(await inChild({ killAt: 'never', ahead: later })) as { status: string }[];
        expect(results).toMatchObject([{ status: retiring ? 'fresh' : 'rotated' }]);
        await inChild({ killAt: 'never', ahead: later + 120_000 });
        expect(service.live()).toHaveLength(1);
        expect(service.live()).not.toContain('first');
        expect(service.issues).toBe(killAt === 'after-issue' ? 2 : 1);
      },
      { timeout: 60_000 },
    );
  }
});
