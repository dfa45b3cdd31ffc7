/** What the tests run in a process of its own: `node store-process.ts <role> <path or URL of a store> …`. */
import { writeSync } from 'node:fs';
import { once } from 'node:events';
import process from 'node:process';
import { sqliteStore } from '../../src/store/sqlite.ts';
import { openStore } from '../faults/victim.ts';
import { claimInput, newApproval, newCall, newDraft, tenant } from '../../src/testing/store-fixtures.ts';

const [role = '', path = '', argument = ''] = process.argv.slice(2);
/** Written before the next statement runs, whatever happens to the process then. */
function say(line: string): void {
  for (;;) {
    try {
      writeSync(1, `${line}\n`);
      return;
    } catch (error) {
      // A full pipe: the reader is slower.
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error;
    }
  }
}

const callAt = (index: number) =>
  newCall({ slot: `slot-${index}`, key: `key-${index}`, argumentsDigest: `arguments-${index}` });

/** Claims the same keys as every other racer, from the same moment on, and says which it got. */
async function race(): Promise<void> {
  const store = await openStore(path);
  say('ready');
  await once(process.stdin, 'data');
  for (let index = 0; index < Number(argument); index += 1) {
    const { status } = await store.claim(claimInput(callAt(index)));
    if (status === 'claimed') say(String(index));
  }
  await store.close();
  process.exit();
}

/** The same for grants: call `index` was approved by approval `apr-index`. */
async function raceForGrants(): Promise<void> {
  const store = await openStore(path);
  say('ready');
  await once(process.stdin, 'data');
  for (let index = 0; index < Number(argument); index += 1) {
    const { id, digest } = newApproval({ id: `apr-${index}`, digest: 'digest' });
    const { status } = await store.claim(claimInput(callAt(index), { now: 3000, approval: { id, digest } }));
    if (status === 'claimed') say(String(index));
  }
  await store.close();
  process.exit();
}

/** Claims and settles until it is killed, and says what it was told is durable. */
async function work(): Promise<void> {
  const store = await openStore(path);
  for (let index = Number(argument); ; index += 1) {
    const call = callAt(index);
    await store.claim(claimInput(call, { records: [newDraft({ event: 'claimed', call: call.key })] }));
    say(`claimed ${call.key}`);
    const records = [newDraft({ kind: 'outcome', event: 'completed', call: call.key })];
    await store.settle({
      claim: 'attempt',
      call,
      now: 2000,
      outcome: { status: 'completed' },
      closedLeases: [],
      records,
    });
    say(`settled ${call.key}`);
  }
}

/** Opens the store as a user who may only read it. */
function openUnprivileged(): void {
  if (process.getuid?.() === 0) {
    process.setgid?.(65_534);
    process.setuid?.(65_534);
  }
  try {
    void sqliteStore({ path }).append(tenant, []);
    say('opened');
  } catch (error) {
    say(error instanceof Error ? `${error.name} ${error.message}` : String(error));
  }
}

if (role === 'race') await race();
else if (role === 'race-for-grants') await raceForGrants();
else if (role === 'work') await work();
else if (role === 'open-unprivileged') openUnprivileged();
else throw new Error(`unknown role ${role}`);
