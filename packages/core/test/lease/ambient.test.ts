import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { LeaseError } from '../../src/errors.ts';
import { currentCall, currentLease, openCallContext, runInCall } from '../../src/lease/ambient.ts';
import { Secret } from '../../src/lease/secret.ts';

const call = {
  callKey: 'key-1',
  idempotencyKey: 'key-1',
  tenant: 'acme',
  user: 'ada',
  agent: 'bot',
  run: 'run-1',
  tool: 'push',
};
const lease = { id: 'lease-1', service: 'github', secret: new Secret('canary-secret'), expiresAt: 2_000 };

function open(overrides: { now?: () => number; tool?: string; leases?: readonly (typeof lease)[] } = {}) {
  const { now = () => 1_000, tool = 'push', leases = [lease] } = overrides;
  return openCallContext({ call: { ...call, tool }, leases, clock: now });
}

describe('the ambient context of a call', () => {
  verifies(['CRD-8'], 'gives the body its call and its lease, across awaits and timers', async () => {
    const context = open();
    await runInCall(context, async () => {
      await sleep(1);
      expect(currentCall()).toEqual(call);
      expect(currentLease('github').secret.reveal()).toBe('canary-secret');
    });
  });

  test('is not there outside a guarded call', () => {
    expect(() => currentCall()).toThrow(LeaseError);
    expect(() => currentLease('github')).toThrow(LeaseError);
  });

  test.each(['aws', '', '__proto__', 'constructor', 'GitHub'])(
    'has no lease for %j, which its policy does not name',
    (service) => {
      expect(() => runInCall(open(), () => currentLease(service))).toThrow(LeaseError);
    },
  );

  verifies(['CRD-2'], 'a body that leaks a promise and reads the lease after the call finds nothing', async () => {
    const context = open();
    let proceed = (): void => {};
    const gate = new Promise<void>((resolve) => (proceed = resolve));
    const leaked = runInCall(context, async () => {
      await gate;
      return currentLease('github');
    });
    const timer = runInCall(context, () => sleep(5).then(() => currentCall()));
    context.close();
    context.close();
    proceed();
    await expect(leaked).rejects.toThrow(LeaseError);
    await expect(timer).rejects.toThrow(LeaseError);
  });

  test('has no lease that has expired while the body was running', () => {
    let now = 1_999;
    runInCall(open({ now: () => now }), () => {
      expect(currentLease('github').id).toBe('lease-1');
      now = 2_000;
      expect(() => currentLease('github')).toThrow('expired');
    });
  });

  test('of a nested call hides the leases of the outer one, and gives them back', () => {
    runInCall(open(), () => {
      runInCall(open({ tool: 'inner', leases: [] }), () => {
        expect(currentCall().tool).toBe('inner');
        expect(() => currentLease('github')).toThrow(LeaseError);
      });
      expect(currentLease('github').id).toBe('lease-1');
    });
  });

  test('of two calls at once are not mixed up', async () => {
    const one = (name: string): Promise<boolean> => {
      const secret = new Secret(`secret-of-${name}`);
      return runInCall(open({ leases: [{ ...lease, secret }] }), async () => {
        await sleep(Math.random() * 5);
        return currentLease('github').secret === secret;
      });
    };
    const results = await Promise.all(Array.from({ length: 50 }, (_, index) => one(String(index))));
    expect(results.every(Boolean)).toBe(true);
  });

  test('cannot be changed by the body', () => {
    runInCall(open(), () => {
      expect(() => Object.assign(currentCall(), { tenant: 'other' })).toThrow(TypeError);
      expect(() => Object.assign(currentLease('github'), { expiresAt: Infinity })).toThrow(TypeError);
    });
  });

  test('shows no secret when printed', () => {
    runInCall(open(), () => expect(JSON.stringify([currentCall(), currentLease('github')])).not.toContain('canary'));
  });
});
