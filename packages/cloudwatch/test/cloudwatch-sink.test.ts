import {
  CloudWatchLogsClient,
  GetLogEventsCommand,
  PutLogEventsCommand,
  type PutLogEventsCommandInput,
} from '@aws-sdk/client-cloudwatch-logs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ConfigurationError, createOutbox, memoryStore, type OutgoingRecord, type RecordSink } from '@countersign/core';
import { hasMoto, startMoto, withMoto, type Moto } from '../../../test/support/moto.ts';
import { verifies } from '../../../test/verifies.ts';
import { appendRecords, draft } from '../../otlp/test/support/records.ts';
import { cloudWatchSink } from '../src/index.ts';
import { splitBatch } from '../src/split-batch.ts';

const never = new AbortController().signal;

function record(seq: number, more: Partial<OutgoingRecord> = {}): OutgoingRecord {
  const time = 1_795_000_000_000 + seq;
  return {
    id: `rec_${seq}`,
    tenant: 'acme',
    writer: 'w_1',
    seq,
    time,
    hash: 'h',
    kind: 'claim',
    event: 'claimed',
    ...more,
  };
}

describe('against moto', () => {
  let moto: Moto | undefined;
  let client: CloudWatchLogsClient;
  beforeAll(async () => {
    if (!hasMoto) return;
    moto = await startMoto();
    client = new CloudWatchLogsClient({
      endpoint: moto.endpoint,
      region: 'eu-central-1',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    });
  });
  afterAll(async () => {
    client?.destroy();
    await moto?.stop();
  });

  async function messages(group: string, stream: string): Promise<readonly string[]> {
    const found: string[] = [];
    for (let token: string | undefined; ;) {
      const command = { logGroupName: group, logStreamName: stream, startFromHead: true, nextToken: token };
      const { events = [], nextForwardToken } = await client.send(new GetLogEventsCommand(command));
      found.push(...events.map(({ message }) => message ?? ''));
      if (events.length === 0 || nextForwardToken === token) return found;
      token = nextForwardToken;
    }
  }

  verifies(
    ['AUD-2', 'AUD-5'],
    'every record stands in the stream of its chain, as JSON, and the cursor goes on from there',
    async () => {
      const store = memoryStore();
      const ids = [...(await appendRecords(store, 4_500))];
      const sink = cloudWatchSink({ client, group: '/countersign/ledger', createGroup: true });
      const outbox = createOutbox({ store, sink });
      expect(await outbox.tick()).toMatchObject({ delivered: 4_500, refused: 0, backlog: 0, problems: [] });
      ids.push(...(await appendRecords(store, 10)));
      expect(await outbox.tick()).toMatchObject({ delivered: 10, backlog: 0 });
      const found = (await messages('/countersign/ledger', `acme/${store.writer}`)).map(
        (text) => JSON.parse(text) as OutgoingRecord,
      );
      expect(found).toHaveLength(4_510);
      expect(new Set(found.map(({ id }) => id))).toEqual(new Set(ids));
      expect(found[0]).toMatchObject({
        kind: 'decision',
        verdict: 'allow',
        tool: 'read',
        subject: 'pseudonym-of-alice',
      });
    },
    { using: withMoto, timeout: 120_000 },
  );

  verifies(
    'AUD-5',
    'records that CloudWatch is too late for are set aside by name, and the others arrive',
    async () => {
      const store = memoryStore();
      const month = 30 * 24 * 3_600_000;
      await store.append('acme', [
        draft({ time: Date.now() - month }),
        draft(),
        draft({ time: Date.now() - month }),
        draft(),
      ]);
      const sink = cloudWatchSink({ client, group: '/countersign/late', createGroup: true });
      expect(await createOutbox({ store, sink }).tick()).toMatchObject({ delivered: 2, refused: 2, backlog: 0 });
      expect(await messages('/countersign/late', `acme/${store.writer}`)).toHaveLength(2);
      const [notice] = await store.entries('acme', 'notice');
      expect(JSON.parse(notice?.value ?? '')).toMatchObject({
        refused: [
          { from: 1, to: 1 },
          { from: 3, to: 3 },
        ],
      });
    },
    { using: withMoto, timeout: 120_000 },
  );

  verifies(
    'AUD-5',
    'without its log group nothing is dropped: the records wait',
    async () => {
      const store = memoryStore();
      await appendRecords(store, 3);
      const wait = createOutbox({ store, sink: cloudWatchSink({ client, group: '/countersign/none' }) });
      expect(await wait.tick()).toMatchObject({
        delivered: 0,
        backlog: 3,
        problems: [expect.stringContaining('ResourceNotFound')],
      });
      const made = createOutbox({
        store,
        sink: cloudWatchSink({ client, group: '/countersign/none', createGroup: true }),
      });
      expect(await made.tick()).toMatchObject({ delivered: 3, backlog: 0 });
    },
    { using: withMoto, timeout: 120_000 },
  );
});

/** What no server here does: moto neither throttles nor counts bytes. */
describe('an answer of CloudWatch that moto never gives', () => {
  class Named extends Error {
    constructor(name: string) {
      super('a request with AKIA1234');
      this.name = name;
    }
  }
  type Send = (input: PutLogEventsCommandInput, count: number) => unknown;
  function sinkWith(send: Send): RecordSink {
    let count = 0;
    const client = {
      send: (command: unknown) =>
        Promise.resolve().then(() => (command instanceof PutLogEventsCommand ? send(command.input, (count += 1)) : {})),
    };
    return cloudWatchSink({ client: client as unknown as CloudWatchLogsClient, group: 'g' });
  }
  const throwing = (name: string) => () => {
    throw new Named(name);
  };

  for (const name of ['ThrottlingException', 'ServiceUnavailableException', 'AccessDeniedException', 'TimeoutError'])
    verifies('AUD-5', `${name}: it is tried again, and nothing of the request is repeated`, async () => {
      const answer = await sinkWith(throwing(name)).deliver([record(1)], never);
      expect(answer).toMatchObject({ status: 'later', reason: expect.stringContaining(name) });
      expect(JSON.stringify(answer)).not.toContain('AKIA');
    });

  verifies(
    'AUD-5',
    'InvalidParameterException is about the data; DataAlreadyAccepted means that it has them',
    async () => {
      expect(await sinkWith(throwing('InvalidParameterException')).deliver([record(1)], never)).toMatchObject({
        status: 'refused',
      });
      expect(await sinkWith(throwing('DataAlreadyAcceptedException')).deliver([record(1)], never)).toMatchObject({
        status: 'accepted',
      });
    },
  );

  verifies('AUD-5', 'records from a clock that is ahead wait until CloudWatch takes them', async () => {
    const sink = sinkWith(() => ({ rejectedLogEventsInfo: { tooNewLogEventStartIndex: 1 } }));
    expect(await sink.deliver([record(1), record(2), record(3)], never)).toMatchObject({
      status: 'later',
      reason: expect.stringContaining('2 records'),
    });
  });

  verifies('AUD-5', 'what it took before it was busy is not sent again', async () => {
    const records = [record(1), record(2), record(3, { time: 1_795_000_000_000 + 30 * 24 * 3_600_000 })];
    const sink = sinkWith((_input, count) => (count === 1 ? {} : throwing('ThrottlingException')()));
    expect(await sink.deliver(records, never)).toMatchObject({ status: 'later', accepted: 2 });
  });

  verifies('AUD-5', 'expired and too old ones are named, by the order in which they were sent', async () => {
    const sink = sinkWith(() => ({ rejectedLogEventsInfo: { expiredLogEventEndIndex: 1, tooOldLogEventEndIndex: 2 } }));
    const now = Date.now();
    const records = [record(1, { time: now }), record(2, { time: now - 2 }), record(3, { time: now - 1 })];
    const answer = await sink.deliver(records, never);
    expect(answer).toMatchObject({ status: 'accepted', refused: [{ seq: 2 }, { seq: 3 }] });
  });
});

describe('the requests', () => {
  verifies('AUD-5', 'hold every record once, and keep to the limits of PutLogEvents', () => {
    const day = 24 * 3_600_000;
    const records = [
      ...Array.from({ length: 10_500 }, (_, index) => record(index + 1)),
      ...Array.from({ length: 40 }, (_, index) => record(20_000 + index, { detail: 'ü'.repeat(100_000) })),
      record(30_000, { time: 1_795_000_000_000 + day * 3 }),
      record(30_001, { time: 1_795_000_000_000 + day * 4 - 1 }),
      record(30_002, { time: 1_795_000_000_000 + day * 4 }),
      record(30_003, { detail: 'x'.repeat(1_100_000) }),
    ];
    const { requests, tooLarge } = splitBatch(records);
    expect(tooLarge).toEqual([30_003]);
    expect(
      requests
        .flat()
        .map(({ seq }) => seq)
        .toSorted((a, b) => a - b),
    ).toEqual(records.slice(0, -1).map(({ seq }) => seq));
    for (const request of requests) {
      const times = request.map(({ timestamp }) => timestamp);
      expect(request.length).toBeLessThanOrEqual(10_000);
      expect(request.reduce((sum, { message }) => sum + Buffer.byteLength(message) + 26, 0)).toBeLessThanOrEqual(
        1_048_576,
      );
      expect(Math.max(...times) - Math.min(...times)).toBeLessThan(day);
      expect(times).toEqual(times.toSorted((a, b) => a - b));
    }
  });
});

test('a group that is no name, or no client, is refused', () => {
  const client = new CloudWatchLogsClient({ region: 'eu-central-1' });
  for (const group of ['', 'a b', 'a:b', 'x'.repeat(513)])
    expect(() => cloudWatchSink({ client, group })).toThrow(ConfigurationError);
  expect(() => cloudWatchSink({ client: undefined as never, group: 'g' })).toThrow(ConfigurationError);
});
