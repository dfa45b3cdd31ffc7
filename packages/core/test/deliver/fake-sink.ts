/**
 * A receiver in memory: takes records by id, and may refuse, fail, lie or hang. The wire is tested in the packages of
 * the real sinks.
 */
import type { Delivery, OutgoingRecord, RecordSink } from '../../src/index.ts';

export interface FakeSink extends RecordSink {
  /** How often each record was taken, by id. */
  readonly taken: ReadonlyMap<string, number>;
  readonly deliveries: readonly (readonly OutgoingRecord[])[];
  answer: (records: readonly OutgoingRecord[], signal: AbortSignal) => Delivery | Promise<Delivery> | undefined;
}

export function fakeSink({ name = 'fake', maxRecords = 100 } = {}): FakeSink {
  const taken = new Map<string, number>();
  const deliveries: (readonly OutgoingRecord[])[] = [];
  const sink: FakeSink = {
    name,
    maxRecords,
    taken,
    deliveries,
    answer: () => undefined,
    async deliver(records, signal) {
      deliveries.push(records);
      const answer = (await sink.answer(records, signal)) ?? { status: 'accepted' };
      const got =
        answer.status === 'accepted'
          ? records.filter(({ seq }) => !(answer.refused ?? []).some((refused) => refused.seq === seq))
          : records.slice(0, answer.status === 'later' ? (answer.accepted ?? 0) : 0);
      for (const { id } of got) taken.set(id, (taken.get(id) ?? 0) + 1);
      return answer;
    },
  };
  return sink;
}
