/**
 * Records as the gate writes them, without its calls: many, quickly.
 */
import type { Store } from '@countersign/core';

type Draft = Parameters<Store['append']>[1][number];

export interface Made {
  readonly tenant?: string;
  readonly fields?: Readonly<Record<string, unknown>>;
  readonly time?: number;
}

let made = 0;

export function draft({ tenant = 'acme', fields = {}, time = Date.now() }: Made = {}): Draft {
  made += 1;
  const id = `rec_${process.pid.toString(16).padStart(8, '0')}${made.toString(16).padStart(24, '0')}`;
  const head = { id, tenant, time, kind: 'decision', event: 'allow' } as const;
  const call = `call-${made}`;
  const body = {
    v: 1,
    ...head,
    subject: 'pseudonym-of-alice',
    agent: 'support',
    run: 'run-1',
    call,
    tool: 'read',
    source: 'local',
    capability: 'tickets:ticket:read',
    risk: 'low',
    verdict: 'allow',
    code: 'permitted',
    ...fields,
  };
  return { ...head, call, body: JSON.stringify(body) };
}

/** Appends so many records and answers their ids. */
export async function appendRecords(store: Store, count: number, more: Made = {}): Promise<readonly string[]> {
  const ids: string[] = [];
  while (ids.length < count) {
    const drafts = Array.from({ length: Math.min(1000, count - ids.length) }, () => draft(more));
    await store.append(more.tenant ?? 'acme', drafts);
    ids.push(...drafts.map(({ id }) => id));
  }
  return ids;
}
