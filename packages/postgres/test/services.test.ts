/** What runs beside the agents, each process with the role that the documents give it and no other. */
import { describe, expect } from 'vitest';
import { createNotary, createNoteSigner, createOutbox, verifyLedger, type ApprovalNotice } from '@countersign/core';
import { withPostgres } from '../../../test/support/postgres.ts';
import { verifies } from '../../../test/verifies.ts';
import { fakeSink } from '../../core/test/deliver/fake-sink.ts';
import { install } from './support/installation.ts';
import { useServer } from './support/server.ts';

const used = useServer();
const options = { using: withPostgres, timeout: 120_000 };
const signer = createNoteSigner('audit.example.com/test', Buffer.alloc(32, 3));

describe('the process of the notary and the outbox', () => {
  verifies(
    'AUD-4',
    'seals the records of every tenant, by name or all, again after more came, and what it signed verifies',
    async () => {
      const { open, call } = await install(used().databases);
      for (const tenant of ['acme', 'globex']) await call(tenant, 'read');
      const [sealer, reader] = [await open('sealer'), await open('reader')];
      const notary = createNotary({ store: sealer, signer, segmentRecords: 2 });
      expect(await notary.seal('acme')).toMatchObject({ tenant: 'acme', records: 3, segments: 2 });
      expect(await notary.sealAll()).toMatchObject({
        sealed: [
          { tenant: 'acme', records: 0 },
          { tenant: 'globex', records: 3 },
        ],
        failed: [],
      });
      await call('acme', 'read');
      const { note } = await notary.seal('acme');
      const seals = { verifier: signer, kept: [note ?? ''] };
      expect(await verifyLedger(reader, 'acme', { seals })).toMatchObject({ ok: true });
    },
    options,
  );

  verifies(
    'AUD-5',
    'delivers the records of every tenant, past one that the receiver refuses, and says which that was',
    async () => {
      const { open, call } = await install(used().databases);
      for (const tenant of ['acme', 'globex']) await call(tenant, 'read');
      const [sealer, reader] = [await open('sealer'), await open('reader')];
      const sink = fakeSink();
      sink.answer = (records) => ({
        status: 'accepted',
        refused: records
          .filter(({ seq, tenant }) => seq === 2 && tenant === 'acme')
          .map(({ seq }) => ({ seq, reason: 'no' })),
      });
      const outbox = createOutbox({ store: sealer, sink });
      expect(await outbox.tick()).toEqual({
        delivered: 5,
        refused: 1,
        backlog: 0,
        busy: 0,
        problems: [],
        retryAfterMs: undefined,
      });
      expect(await reader.entries('acme', 'notice')).toMatchObject([{ id: expect.stringMatching(/^outbox\/fake\//) }]);
      expect(await outbox.tick()).toMatchObject({ delivered: 0, problems: [] });
    },
    options,
  );

  verifies(
    ['AUD-4', 'APR-3'],
    'takes back nothing that it signed, and can neither silence a notifier, hold it up, nor write of a credential',
    async () => {
      const { open, call } = await install(used().databases);
      await call('acme', 'read');
      const sealer = await open('sealer');
      await createNotary({ store: sealer, signer }).seal('acme');
      const at = { tenant: 'acme', now: 1, records: [] } as const;
      for (const kind of ['checkpoint', 'segment'] as const) {
        const [known] = await sealer.entries('acme', kind);
        const gone = { ...at, kind, id: known?.id ?? '', expected: known?.version, value: undefined };
        await expect(sealer.putEntry(gone)).rejects.toThrow(/has not the role/);
      }
      for (const [kind, id] of [
        ['notice', 'chat/apr-1'],
        ['lock', 'notices'],
        ['lock', 'rotation/github'],
        ['credential', 'github'],
        ['hold', 'tenant'],
      ] as const)
        await expect(sealer.putEntry({ ...at, kind, id, expected: undefined, value: 'v' })).rejects.toThrow(
          /has not the role/,
        );
    },
    options,
  );
});

describe('the notifier of the approvals service', () => {
  verifies(
    'APR-3',
    'tells the people of every tenant when it was given no list of them, and learns only their names',
    async () => {
      const { database, approvals, call } = await install(used().databases);
      const filed = [];
      for (const tenant of ['acme', 'globex']) filed.push(await call(tenant, 'deploy'));
      const told: string[] = [];
      const channel = {
        name: 'chat',
        opened: async ({ tenant, id }: ApprovalNotice) => void told.push(`${tenant} ${id}`),
        closed: async () => undefined,
      };
      expect(await approvals.notifier({ channels: [channel] }).tick()).toBe(2);
      const ids = filed.map((outcome) => (outcome.status === 'pending' ? outcome.approval : outcome.status));
      expect(told.toSorted()).toEqual([`acme ${ids[0]}`, `globex ${ids[1]}`]);
      const across = (what: string) => database.sql('approver', `SET LOCAL countersign.across_tenants = 'on'; ${what}`);
      const rows = `SELECT count(DISTINCT tenant)::int AS seen FROM countersign.`;
      for (const table of ['calls', 'approvals', 'entries']) expect(await across(rows + table)).toEqual([{ seen: 1 }]);
    },
    options,
  );
});
