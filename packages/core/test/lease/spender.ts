/**
 * A process that makes calls with a budget of 20 at a cost of 1 each, and prints how many ran.
 *
 * argv: JSON of `SpenderInput`. The store is a SQLite file that all of them share.
 */
import { createCountersign, definePolicy, reportSpend } from '../../src/index.ts';
import { sqliteStore } from '../../src/store/sqlite.ts';
import { callTo, document } from '../support/fixture.ts';
import { fakeProvider } from './fake-provider.ts';

export interface SpenderInput {
  readonly folder: string;
  readonly calls: number;
  readonly killAt: 'never' | 'before-lease' | 'in-body' | 'after-report';
}

const budget = { limit: 20, currency: 'USD', window: 'month', cost: 1 } as const;

export async function spendInProcess({ folder, calls, killAt }: SpenderInput): Promise<number> {
  const reach = (point: SpenderInput['killAt']): void => {
    if (point === killAt) process.kill(process.pid, 'SIGKILL');
  };
  const provider = fakeProvider({
    ...{ now: Date.now, services: ['tickets'], maxLifetimeMs: 300_000 },
    before: () => reach('before-lease'),
  });
  const secret = { ...document.tools['secret'], credentials: [{ service: 'tickets', budget }] };
  const countersign = createCountersign({
    policy: definePolicy({ ...document, tools: { secret } } as typeof document),
    store: sqliteStore({ path: `${folder}/store.sqlite` }),
    audit: { key: new Uint8Array(32).fill(7) },
    credentials: [provider],
  });
  const gate = countersign.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: `run-${process.pid}` });
  const outcomes = await Promise.all(
    Array.from({ length: calls }, (_, index) =>
      gate.execute(callTo('secret', { index, process: process.pid }), () => {
        reach('in-body');
        reportSpend('tickets', killAt === 'never' ? 1 : 0.1);
        reach('after-report');
      }),
    ),
  );
  await countersign.close();
  return outcomes.filter(({ status }) => status === 'completed').length;
}

if (import.meta.main) {
  process.stdout.write(String(await spendInProcess(JSON.parse(process.argv[2] ?? '{}') as SpenderInput)));
}
