/** The ledger at rest: sealing and verifying it, record by record. `--million` for a million records. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createNoteSigner, createNotary, verifyLedger, type Store } from '@countersign/core';
import { sqliteStore } from '@countersign/core/sqlite';
import { createClock } from '../packages/core/src/record/clock.ts';
import { createRecorder } from '../packages/core/src/record/recorder.ts';
import { createSealer } from '../packages/core/src/record/sealing.ts';

const batch = 500;

export async function benchLedger(quick: boolean): Promise<void> {
  const wanted = process.argv.includes('--million') ? 1_000_000 : quick ? 3000 : 30_000;
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
  const path = join(folder, 'ledger.sqlite');
  const store = sqliteStore({ path });
  try {
    const written = await timed(() => write(store, wanted));
    const signer = createNoteSigner('bench', randomBytes(32));
    const sealed = await timed(() => createNotary({ store, signer }).seal('acme'));
    const chains = await timed(() => verifyLedger(store, 'acme'));
    const seals = await timed(() => verifyLedger(store, 'acme', { seals: { verifier: signer, kept: [] } }));
    const { records } = sealed.result;
    if (!chains.result.ok || !seals.result.ok || seals.result.writers[0]?.provenUpTo !== records) {
      throw new Error('the ledger does not verify');
    }
    const rate = (seconds: number): string => `${Math.round(records / seconds).toLocaleString('en')} records/s`;
    process.stdout.write(
      `\nledger: ${records.toLocaleString('en')} records, ${Math.round(statSync(path).size / records)} bytes each\n` +
        `  written in batches   ${written.seconds.toFixed(1)} s, ${rate(written.seconds)}\n` +
        `  sealed               ${sealed.seconds.toFixed(1)} s, ${rate(sealed.seconds)}\n` +
        `  verified, chains     ${chains.seconds.toFixed(1)} s, ${rate(chains.seconds)}\n` +
        `  verified, with seals ${seals.seconds.toFixed(1)} s, ${rate(seals.seconds)}\n` +
        `  memory, at most      ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB\n`,
    );
  } finally {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Records as a call leaves them, with sealed arguments, in larger steps than calls take. */
async function write(store: Store, count: number): Promise<void> {
  const recorder = createRecorder({ clock: createClock() });
  const key = await createSealer({ masterKey: randomBytes(32), keys: store }).subject('acme', 'alice');
  const draft = (index: number) =>
    recorder.draft(
      {
        ...({ kind: 'decision', event: 'allow', verdict: 'allow', risk: 'low', tenant: 'acme' } as const),
        ...{
          agent: 'support',
          delegation: [],
          run: `run-${index % 1000}`,
          call: randomBytes(32).toString('base64url'),
        },
        ...{ tool: 'read', source: 'local', capability: 'tickets:ticket:read', argumentsDigest: 'x'.repeat(43) },
        ...{ policyVersion: `1+${'y'.repeat(43)}`, ruleDigest: 'z'.repeat(43), arguments: { ticket: index } },
      },
      key,
    );
  for (let done = 0; done < count; done += batch) {
    const size = Math.min(batch, count - done);
    await store.append(
      'acme',
      Array.from({ length: size }, (_, index) => draft(done + index)),
    );
  }
}

async function timed<Result>(
  task: () => Promise<Result>,
): Promise<{ readonly result: Result; readonly seconds: number }> {
  const start = performance.now();
  const result = await task();
  return { result, seconds: (performance.now() - start) / 1000 };
}
