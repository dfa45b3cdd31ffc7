/** A real Arize Phoenix for one test file: an observability tool that teams run, on free ports, with nothing kept. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { part, type Register } from './parts.ts';
import { freePort } from './postgres.ts';
import { pythonPrograms, startServerProcess } from './server-process.ts';

/** A span as Phoenix's REST API answers it. */
export interface PhoenixSpan {
  readonly name: string;
  readonly context: { readonly trace_id: string; readonly span_id: string };
  readonly parent_id: string | null;
  /** The OpenInference kind by which Phoenix shows the span: `TOOL`, `GUARDRAIL`, `UNKNOWN` … */
  readonly span_kind: string;
  readonly status_code: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}

export interface Phoenix {
  /** Base address, as in `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  readonly endpoint: string;
  /** All spans, once `enough` says so. */
  spans(enough: (spans: readonly PhoenixSpan[]) => boolean): Promise<readonly PhoenixSpan[]>;
  /** An answer of the GraphQL API, which its own pages use. */
  graphql(query: string): Promise<unknown>;
  stop(): Promise<void>;
}

const program = join(pythonPrograms, 'phoenix');

export const hasPhoenix: boolean = existsSync(program);

/** Registers tests that need the server. */
export const withPhoenix: Register = part(
  'Arize Phoenix',
  hasPhoenix,
  'no .venv/bin/phoenix; scripts/provision installs it',
);

/** Phoenix stores what it was sent a moment after it has answered. */
const storedWithinMs = 30_000;
const page = 500;
/** It loads much. */
const startMs = 180_000;

export async function startPhoenix(): Promise<Phoenix> {
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const server = await startServerProcess({
    program,
    args: ['serve'],
    env: {
      PHOENIX_HOST: '127.0.0.1',
      PHOENIX_PORT: String(port),
      PHOENIX_GRPC_PORT: String(await freePort()),
      PHOENIX_SQL_DATABASE_URL: 'sqlite:///:memory:',
      PHOENIX_TELEMETRY_ENABLED: 'false',
    },
    readyUrl: `${endpoint}/healthz`,
    startMs,
  });
  return {
    endpoint,
    async spans(enough) {
      const until = performance.now() + storedWithinMs;
      for (;;) {
        const found = await allSpans(endpoint);
        if (enough(found) || performance.now() > until) return found;
        await sleep(250);
      }
    },
    async graphql(query) {
      const response = await fetch(`${endpoint}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query }),
      });
      return response.json();
    },
    stop: () => server.stop(),
  };
}

interface Page {
  readonly data: readonly PhoenixSpan[];
  readonly next_cursor: string | null;
}

async function allSpans(endpoint: string): Promise<readonly PhoenixSpan[]> {
  const spans: PhoenixSpan[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const query = new URLSearchParams({ limit: String(page), ...(cursor === '' ? {} : { cursor }) });
    const response = await fetch(`${endpoint}/v1/projects/default/spans?${query.toString()}`);
    if (!response.ok) throw new Error(`Phoenix answered ${response.status}: ${await response.text()}`);
    const { data, next_cursor } = (await response.json()) as Page;
    spans.push(...data);
    cursor = next_cursor;
  }
  return spans;
}
