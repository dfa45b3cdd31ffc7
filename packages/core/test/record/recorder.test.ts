import { describe, expect, test } from 'vitest';
import { openRecord } from '../../src/record/open-record.ts';
import type { RecordDraft, RecordEvent, StoredRecord } from '../../src/record/record.ts';
import type { SubjectKey } from '../../src/record/sealing.ts';
import { verifies } from '../../../../test/verifies.ts';
import { createBench } from './support.ts';
import type { Bench } from './support.ts';

const everything: RecordEvent = {
  kind: 'approval',
  event: 'approved',
  tenant: 'acme',
  agent: 'assistant',
  delegation: ['planner'],
  run: 'run-1',
  call: 'call-key',
  parent: 'rec_0',
  tool: 'send_email',
  source: 'local',
  capability: 'mail:send',
  risk: 'medium',
  verdict: 'review',
  code: 'risk_requires_approval',
  detail: 'rule 3: medium risk',
  policyVersion: 'v7',
  ruleDigest: 'digest-of-rules',
  approval: 'apr_1',
  channel: 'chat',
  approver: 'grace@example.com',
  lease: 'lease_1',
  service: 'smtp',
  durationMs: 12.5,
  count: 3,
  argumentsDigest: 'digest-of-arguments',
  resultDigest: 'digest-of-result',
  arguments: { to: 'bob@example.com', password: 'hunter2' },
  trace: '0af7651916cd43dd8448eb211c80319c',
  span: 'b7ad6b7169203331',
};

function stored(draft: RecordDraft): StoredRecord {
  const { tenant, time, kind, event, call, body } = draft;
  return { tenant, writer: 'one', seq: 1, time, kind, event, call, body, hash: '' };
}

async function draftAs(
  event: RecordEvent,
  bench: Bench = createBench(),
): Promise<{ draft: RecordDraft; key: SubjectKey }> {
  const key = await bench.sealer.subject('acme', 'ada@example.com');
  return { draft: bench.recorder.draft(event, key), key };
}

describe('a record', () => {
  verifies('AUD-1', 'has exactly these fields in the clear, in exactly this order', async () => {
    const { draft, key } = await draftAs(everything);
    const body = JSON.parse(draft.body) as Record<string, unknown>;
    expect(Object.keys(body)).toEqual([
      'v', 'id', 'tenant', 'time', 'kind', 'event', 'subject', 'agent', 'delegation', 'run', 'call', 'parent', 'tool',
      'source', 'capability', 'risk', 'verdict', 'code', 'policyVersion', 'ruleDigest', 'approval', 'channel', 'lease',
      'service', 'durationMs', 'count', 'trace', 'span', 'argumentsCommitment', 'resultCommitment', 'sealed',
    ]); // prettier-ignore
    expect(draft.body).toBe(JSON.stringify(body));
    const { sealed, argumentsCommitment, resultCommitment, ...clear } = body;
    expect(clear).toEqual({
      v: 1,
      id: draft.id,
      tenant: 'acme',
      time: 1_800_000_000_000,
      kind: 'approval',
      event: 'approved',
      subject: key.pseudonym,
      agent: 'assistant',
      delegation: ['planner'],
      run: 'run-1',
      call: 'call-key',
      parent: 'rec_0',
      tool: 'send_email',
      source: 'local',
      capability: 'mail:send',
      risk: 'medium',
      verdict: 'review',
      code: 'risk_requires_approval',
      policyVersion: 'v7',
      ruleDigest: 'digest-of-rules',
      approval: 'apr_1',
      channel: 'chat',
      lease: 'lease_1',
      service: 'smtp',
      durationMs: 12.5,
      count: 3,
      trace: '0af7651916cd43dd8448eb211c80319c',
      span: 'b7ad6b7169203331',
    });
    const plaintext = key.open(String(sealed), `acme|approval|${draft.id}`);
    expect(Object.keys(JSON.parse(plaintext) as object)).toEqual([
      'user', 'approver', 'detail', 'argumentsDigest', 'resultDigest', 'salt', 'arguments',
    ]); // prettier-ignore
    expect([argumentsCommitment, resultCommitment]).toEqual([
      expect.stringMatching(/^[\w-]{43}$/),
      expect.stringMatching(/^[\w-]{43}$/),
    ]);
  });

  verifies('AUD-1', 'opens again to everything that happened, with arguments redacted', async () => {
    const { draft, key } = await draftAs(everything);
    const { arguments: _args, ...rest } = everything;
    expect(openRecord(stored(draft), key)).toMatchObject({
      ...rest,
      arguments: { to: 'bob@example.com', password: '[redacted]' },
      sealedState: 'open',
    });
  });

  test('shows no user, approver, detail, argument or digest in the clear', async () => {
    const { draft } = await draftAs(everything);
    for (const secret of ['ada@', 'grace@', 'rule 3', 'bob@', 'hunter2', 'digest-of-arguments', 'digest-of-result']) {
      expect(draft.body).not.toContain(secret);
    }
    expect(JSON.stringify({ ...draft, body: '' })).not.toMatch(/ada@|grace@|bob@|hunter2/);
  });

  test('cannot be given fields by a hostile value', async () => {
    const hostile = 'x","verdict":"allow","tenant":"other","kind":"outcome';
    const { draft } = await draftAs({
      kind: 'decision',
      event: 'deny',
      tenant: 'acme',
      verdict: 'deny',
      tool: hostile,
    });
    expect(JSON.parse(draft.body)).toMatchObject({ tenant: 'acme', kind: 'decision', verdict: 'deny', tool: hostile });
    expect(draft.body.match(/"verdict":/g)).toHaveLength(1);
    const extra = {
      kind: 'decision',
      event: 'deny',
      tenant: 'acme',
      sealed: 'mine',
      id: 'mine',
      time: 1,
      v: 9,
      foo: 1,
    };
    const body = JSON.parse((await draftAs(extra as RecordEvent)).draft.body) as Record<string, unknown>;
    expect(Object.keys(body)).toEqual(['v', 'id', 'tenant', 'time', 'kind', 'event', 'subject']);
    expect(body).toMatchObject({ v: 1, time: 1_800_000_000_000 });
  });

  test('is refused when a field is not what it has to be', async () => {
    const bad: Record<string, unknown>[] = [
      { kind: 'rumour' },
      { event: undefined },
      { tenant: 'a/b' },
      { tool: { toJSON: () => 'lie' } },
      { tool: 7n },
      { delegation: 'planner' },
      { delegation: [['planner']] },
      { durationMs: Number.NaN },
      { durationMs: -1 },
      { call: 7 },
      { detail: {} },
    ];
    for (const change of bad) {
      await expect(draftAs({ ...everything, ...change } as RecordEvent)).rejects.toThrow(/must|unknown kind|needs/);
    }
  });

  test('takes hostile arguments and over-long names without growing or failing', async () => {
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    for (const args of [cycle, 10n, 'x'.repeat(1e6), Array.from({ length: 1e5 }, () => 'y'), undefined]) {
      const { draft } = await draftAs({
        ...everything,
        arguments: args,
        detail: 'd'.repeat(1e6),
        tool: 't'.repeat(1e6),
      });
      expect(draft.body.length).toBeLessThan(24_000);
    }
    const names = await Promise.all(['a', 'b'].map((end) => draftAs({ ...everything, tool: 't'.repeat(5000) + end })));
    const [first, second] = names.map(({ draft }) => (JSON.parse(draft.body) as { tool: string }).tool);
    expect(first).not.toBe(second);
  });

  test('with parts to seal and no key is refused; without such parts it needs none', () => {
    const { recorder } = createBench();
    const bare: RecordEvent = { kind: 'credential', event: 'issued', tenant: 'acme', lease: 'l1' };
    expect(JSON.parse(recorder.draft(bare, undefined).body)).not.toHaveProperty('sealed');
    for (const part of [{ detail: 'x' }, { approver: 'x' }, { argumentsDigest: 'x' }, { arguments: {} }]) {
      expect(() => recorder.draft({ ...bare, ...part }, undefined)).toThrow(
        expect.objectContaining({ code: 'ERR_LEDGER' }),
      );
    }
  });

  test('commits to equal arguments differently each time', async () => {
    const bodies = await Promise.all([0, 1].map(async () => (await draftAs(everything)).draft.body));
    const [first, second] = bodies.map(
      (body) => (JSON.parse(body) as { argumentsCommitment: string }).argumentsCommitment,
    );
    expect(first).not.toBe(second);
  });

  test('of a decision is keyed by policy version and verdict, and no other is', async () => {
    expect((await draftAs({ ...everything, kind: 'decision' })).draft.decision).toBe('v7:review');
    expect((await draftAs(everything)).draft.decision).toBeUndefined();
  });

  test('ids are unique and sort by time', async () => {
    const bench = createBench();
    const ids = Array.from({ length: 2000 }, (_, index) => {
      bench.setTime(1_800_000_000_000 + index);
      return bench.recorder.draft({ kind: 'claim', event: 'claimed', tenant: 'acme' }, undefined).id;
    });
    expect(new Set(ids).size).toBe(2000);
    expect(ids.toSorted()).toEqual(ids);
  });
});

describe('reading a record', () => {
  test('whose key was erased says so and keeps the rest', async () => {
    const { draft } = await draftAs(everything);
    const opened = openRecord(stored(draft), undefined);
    expect(opened).toMatchObject({ sealedState: 'erased', agent: 'assistant', verdict: 'review' });
    expect(opened.arguments ?? opened.detail ?? opened.user).toBeUndefined();
  });

  test('with a key that was made after the erasure reads as erased too', async () => {
    const { draft } = await draftAs(everything);
    const { key: another } = await draftAs(everything, createBench());
    expect(openRecord(stored(draft), another).sealedState).toBe('erased');
  });

  test('whose sealed part was taken from another record reads as damaged', async () => {
    const bench = createBench();
    const { draft: first, key } = await draftAs(everything, bench);
    const { draft: second } = await draftAs(everything, bench);
    const moved = {
      ...(JSON.parse(first.body) as object),
      sealed: (JSON.parse(second.body) as { sealed: string }).sealed,
    };
    expect(openRecord({ ...stored(first), body: JSON.stringify(moved) }, key).sealedState).toBe('damaged');
  });

  test('whose commitment does not fit its digest reads as damaged', async () => {
    const { draft, key } = await draftAs(everything);
    const changed = { ...(JSON.parse(draft.body) as object), argumentsCommitment: 'A'.repeat(43) };
    expect(openRecord({ ...stored(draft), body: JSON.stringify(changed) }, key).sealedState).toBe('damaged');
  });

  test('whose body is not one is an error that names the record', () => {
    const record = stored({
      id: 'x',
      tenant: 'acme',
      time: 1,
      kind: 'claim',
      event: 'claimed',
      call: undefined,
      body: '',
    });
    const newer = '{"v":2,"id":"x","tenant":"acme","time":1,"kind":"claim","event":"claimed"}';
    for (const body of [newer, '', 'null', '[]', '{}', '{"v":2}', '{"v":1,"id":"x"}']) {
      expect(() => openRecord({ ...record, body }, undefined)).toThrow(/record 1 of writer one/);
    }
  });
});
