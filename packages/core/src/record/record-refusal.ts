/**
 * Writes down that an identity was refused: where the tenant is one of the policy's, in its ledger.
 * @module
 */
import { describeError } from '../describe-error.ts';
import type { Runtime } from '../runtime.ts';
import type { RecordEvent } from './record.ts';

const idLike = /^[A-Za-z0-9][A-Za-z0-9._@:+-]{0,127}$/;

/**
 * Runs `check`. When it throws, that is recorded, and thrown on. The record is not waited for: nothing runs because of
 * it, and a ledger that cannot be written denies every call anyway.
 * @param claimed who they say they are; may be anything
 */
export function recordRefusal<Result>(runtime: Runtime, claimed: unknown, check: () => Result): Result {
  try {
    return check();
  } catch (error) {
    void append(runtime, claimed, error).catch(() => undefined);
    throw error;
  }
}

async function append(runtime: Runtime, claimed: unknown, error: unknown): Promise<void> {
  const { tenant, agent, user } = membersOf(claimed);
  // A ledger is opened for no tenant that somebody made up.
  if (tenant === undefined || runtime.asked.authorizer.version(tenant) === undefined) return;
  await runtime.ready();
  await runtime.sealer.check(tenant);
  const event: RecordEvent = {
    kind: 'identity',
    event: 'refused',
    tenant,
    verdict: 'deny',
    code: 'principal_missing',
    detail: `${user === undefined ? '' : `user ${user}: `}${describeError(error)}`,
    ...(agent === undefined ? {} : { agent }),
    ...runtime.telemetry.active(),
  };
  await runtime.store.append(tenant, [runtime.recorder.draft(event, runtime.sealer.tenant(tenant))]);
}

type Claimed = Partial<Record<'tenant' | 'agent' | 'user', string>>;

/** Only what has the form of an id. Reading a stranger's object may throw. */
function membersOf(claimed: unknown): Claimed {
  if (typeof claimed !== 'object' || claimed === null) return {};
  const entries = (['tenant', 'agent', 'user'] as const).map((name): [string, unknown] => [
    name,
    (claimed as Readonly<Record<string, unknown>>)[name],
  ]);
  return Object.fromEntries(entries.filter(([, value]) => typeof value === 'string' && idLike.test(value))) as Claimed;
}
