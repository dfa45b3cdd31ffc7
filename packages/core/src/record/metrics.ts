/**
 * OpenTelemetry metrics of the gate and the outbox. What each one counts: docs/telemetry.md.
 *
 * Attributes are few and bounded: no tenant, user, agent, tool or id is among them. The API has no provider that stands
 * in until one is registered, as it has for traces: so each use asks which one is registered now. Nothing of it may
 * reach a call.
 * @module
 */
import { diag, metrics as api } from '@opentelemetry/api';
import type { Attributes, Counter, Gauge, Histogram, MeterProvider } from '@opentelemetry/api';
import type { ApprovalState, Outcome } from '../call.ts';
import type { NewApproval, Vote } from '../store/store.ts';
import { own } from './attributes.ts';

interface Instrument {
  readonly kind: 'counter' | 'histogram' | 'gauge';
  readonly name: string;
  /** UCUM; what is counted stands in braces. */
  readonly unit: string;
  readonly description: string;
  readonly boundaries?: readonly number[];
}

type InstrumentId =
  | 'decisions'
  | 'denials'
  | 'unknown'
  | 'gateDuration'
  | 'approvalsOpened'
  | 'approvalWait'
  | 'approvalVote'
  | 'leaseFailures'
  | 'outboxBacklog'
  | 'outboxDelivered'
  | 'outboxRefused'
  | 'outboxFailures';

export const instruments: Readonly<Record<InstrumentId, Instrument>> = {
  decisions: {
    kind: 'counter',
    name: 'countersign.decisions',
    unit: '{decision}',
    description: 'Authorizations, each time a call is evaluated.',
  },
  denials: {
    kind: 'counter',
    name: 'countersign.denials',
    unit: '{call}',
    description: 'Evaluations that ended in a denial, by any stage.',
  },
  unknown: {
    kind: 'counter',
    name: 'countersign.calls.unknown',
    unit: '{call}',
    description: 'Calls that may have run and whose outcome is not known.',
  },
  gateDuration: {
    kind: 'histogram',
    name: 'countersign.gate.duration',
    unit: 's',
    description: 'From the call until its body may begin, or until it was stopped.',
    boundaries: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  },
  approvalsOpened: {
    kind: 'counter',
    name: 'countersign.approval.opened',
    unit: '{approval}',
    description: 'Approvals that were requested: what people are asked.',
  },
  approvalWait: {
    kind: 'histogram',
    name: 'countersign.approval.wait',
    unit: 's',
    description: 'From the request of an approval until a person decided it, or it expired.',
    boundaries: [1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14_400, 28_800, 86_400],
  },
  approvalVote: {
    kind: 'histogram',
    name: 'countersign.approval.vote',
    unit: 's',
    description: 'From the request of an approval until each vote on it.',
    // Below two seconds nobody has read it.
    boundaries: [0.5, 1, 2, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 14_400, 86_400],
  },
  leaseFailures: {
    kind: 'counter',
    name: 'countersign.lease.failures',
    unit: '{lease}',
    description: 'Credentials that could not be issued or revoked.',
  },
  outboxBacklog: {
    kind: 'gauge',
    name: 'countersign.outbox.backlog',
    unit: '{record}',
    description: 'Records that the receiver does not have yet, over all tenants.',
  },
  outboxDelivered: {
    kind: 'counter',
    name: 'countersign.outbox.delivered',
    unit: '{record}',
    description: 'Records that the receiver has accepted.',
  },
  outboxRefused: {
    kind: 'counter',
    name: 'countersign.outbox.refused',
    unit: '{record}',
    description: 'Records that the receiver will never take; they stay in the ledger.',
  },
  outboxFailures: {
    kind: 'counter',
    name: 'countersign.outbox.failures',
    unit: '{delivery}',
    description: 'Deliveries that failed and are tried again.',
  },
};

export interface Metrics {
  /** Adds to a counter, writes to a histogram, sets a gauge. Never throws. */
  record(instrument: InstrumentId, value: number, attributes?: Attributes): void;
}

type Writer = (value: number, attributes?: Attributes) => void;

/** @param provided default: the provider that is registered globally, also when that happens later */
export function createMetrics(provided?: MeterProvider): Metrics {
  let provider: MeterProvider | undefined;
  let writers = new Map<InstrumentId, Writer>();

  return {
    record(id, value, attributes) {
      try {
        const current = provided ?? api.getMeterProvider();
        if (current !== provider) {
          provider = current;
          writers = new Map();
        }
        let write = writers.get(id);
        if (write === undefined) {
          write = writerFor(current, instruments[id]);
          writers.set(id, write);
        }
        write(value, attributes);
      } catch (error) {
        warn(error);
      }
    },
  };
}

function writerFor(provider: MeterProvider, { kind, name, unit, description, boundaries }: Instrument): Writer {
  const meter = provider.getMeter('@countersign/core');
  switch (kind) {
    case 'counter': {
      const counter: Counter = meter.createCounter(name, { unit, description });
      return (value, attributes) => counter.add(value, attributes);
    }
    case 'histogram': {
      const advice = boundaries === undefined ? {} : { advice: { explicitBucketBoundaries: [...boundaries] } };
      const histogram: Histogram = meter.createHistogram(name, { unit, description, ...advice });
      return (value, attributes) => histogram.record(value, attributes);
    }
    case 'gauge': {
      const gauge: Gauge = meter.createGauge(name, { unit, description });
      return (value, attributes) => gauge.record(value, attributes);
    }
    default:
      throw new TypeError(`unknown kind of instrument: ${String(kind satisfies never)}`);
  }
}

/** Of an evaluation that has ended; anything but a denial counts nothing. */
export function countDenial(metrics: Metrics, outcome: Outcome | undefined): void {
  if (outcome?.status === 'denied') metrics.record('denials', 1, { [own.code]: outcome.reason });
}

/** An approval that is pending no more. */
export function measureApproval(
  metrics: Metrics,
  { createdAt, risk, mode }: Pick<NewApproval, 'createdAt' | 'risk' | 'mode'>,
  state: Exclude<ApprovalState, 'pending'>,
  now: number,
): void {
  const attributes = { [own.approvalState]: state, [own.risk]: risk, [own.approvalMode]: mode };
  metrics.record('approvalWait', Math.max(0, now - createdAt) / 1000, attributes);
}

/** A request that people are asked to decide. */
export function countOpened(metrics: Metrics, { risk, mode }: Pick<NewApproval, 'risk' | 'mode'>): void {
  metrics.record('approvalsOpened', 1, { [own.risk]: risk, [own.approvalMode]: mode });
}

/** A vote that the store took. */
export function measureVote(
  metrics: Metrics,
  { createdAt, risk }: Pick<NewApproval, 'createdAt' | 'risk'>,
  { verdict, time }: Pick<Vote, 'verdict' | 'time'>,
): void {
  const attributes = { [own.voteVerdict]: verdict, [own.risk]: risk };
  metrics.record('approvalVote', Math.max(0, time - createdAt) / 1000, attributes);
}

function warn(error: unknown): void {
  try {
    diag.warn('countersign: metrics failed', error);
  } catch {
    // A logger that throws cannot be told about it.
  }
}
