import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { createOutbox, readKeyFile } from '@countersign/core';
import { sqliteStore } from '@countersign/core/sqlite';
import { otlpSink } from '@countersign/otlp';
import { frameworkNames } from '../../examples/demo/frameworks/framework.ts';
import { placeIn, readJsonLines } from '../../examples/demo/place.ts';
import type { WrittenSpan } from '../../examples/demo/tracing.ts';
import { hasPhoenix, startPhoenix, withPhoenix, type Phoenix, type PhoenixSpan } from '../support/phoenix.ts';
import { repositoryRoot } from '../support/repository.ts';
import { verifies } from '../verifies.ts';

const timeout = 400_000;

/** What the demo made, by framework: the folder it kept, and the spans it wrote to its own file. */
interface Told {
  readonly folder: string;
  readonly spans: readonly WrittenSpan[];
}

describe('in Arize Phoenix', () => {
  let temporary: string;
  let phoenix: Phoenix | undefined;
  const told = new Map<string, Told>();
  let seen: readonly PhoenixSpan[] = [];

  async function tell(framework: string): Promise<void> {
    const home = mkdtempSync(join(temporary, `${framework}-`));
    const args = ['examples/demo/main.ts', '--scripted', '--keep', '--framework', framework];
    const child = spawn(process.execPath, args, {
      cwd: repositoryRoot,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env['PATH'], TMPDIR: home, OTEL_EXPORTER_OTLP_ENDPOINT: phoenix?.endpoint },
    });
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    const code = await new Promise((resolve) => child.once('close', resolve));
    if (code !== 0) throw new Error(`the demo on ${framework} ended with ${String(code)}: ${errors}`);
    const folder = join(home, readdirSync(home).find((name) => name.startsWith('countersign-demo-')) ?? '');
    told.set(framework, { folder, spans: readJsonLines<WrittenSpan>(placeIn(folder).spans) });
  }

  const using = withPhoenix;
  beforeAll(async () => {
    temporary = mkdtempSync(join(tmpdir(), 'countersign-phoenix-'));
    if (!hasPhoenix) return;
    phoenix = await startPhoenix();
    for (const framework of frameworkNames) await tell(framework);
    const ids = new Set([...told.values()].flatMap(({ spans }) => spans.map(({ span }) => span)));
    seen = await phoenix.spans((spans) => [...ids].every((id) => spans.some(({ context }) => context.span_id === id)));
  }, timeout);
  afterAll(async () => {
    await phoenix?.stop();
    rmSync(temporary, { recursive: true, force: true });
  });

  const ofFramework = (framework: string): readonly PhoenixSpan[] => {
    const ids = new Set(told.get(framework)?.spans.map(({ span }) => span));
    return seen.filter(({ context }) => ids.has(context.span_id));
  };
  const attribute = ({ attributes }: PhoenixSpan, name: string): unknown => attributes[name];

  for (const framework of frameworkNames) {
    verifies(
      'AUD-2',
      `the whole story on ${framework} is there: every span, in the trace of the application`,
      () => {
        const written = told.get(framework)?.spans ?? [];
        const shown = ofFramework(framework);
        expect(written.length).toBeGreaterThan(8);
        expect(new Set(shown.map(({ context }) => context.span_id))).toEqual(new Set(written.map(({ span }) => span)));
        for (const { span, trace, parent } of written) {
          const found = shown.find(({ context }) => context.span_id === span);
          expect([found?.context.trace_id, found?.parent_id ?? undefined]).toEqual([trace, parent]);
        }
      },
      { using, timeout },
    );

    verifies(
      'AUD-2',
      `on ${framework} tool calls are shown as tools, decisions and approvals as guardrails, with user and session`,
      () => {
        const shown = ofFramework(framework);
        // A framework that makes spans of its own makes them for calls that did not run, too.
        const tools = shown.filter(
          (span) => span.name.startsWith('execute_tool ') && attribute(span, 'countersign.outcome') === 'completed',
        );
        const guardrails = shown.filter(({ name }) => /^countersign\.(?:decide|approval)$/.test(name));
        expect(tools.map((span) => String(attribute(span, 'gen_ai.tool.name'))).toSorted()).toEqual([
          'deploy_production',
          'tickets_comment',
          'tickets_read',
        ]);
        expect(new Set(tools.map(({ span_kind }) => span_kind))).toEqual(new Set(['TOOL']));
        expect(new Set(guardrails.map(({ span_kind }) => span_kind))).toEqual(new Set(['GUARDRAIL']));
        const verdicts = guardrails.map((span) => attribute(span, 'countersign.decision'));
        for (const verdict of ['allow', 'deny', 'review']) expect(verdicts).toContain(verdict);
        const denied = guardrails.filter((span) => attribute(span, 'countersign.decision') === 'deny');
        expect(denied.map((span) => attribute(span, 'countersign.tool.name'))).toContain('customers_delete');
        for (const span of [...tools, ...guardrails]) {
          expect(span.attributes).toMatchObject({
            'session.id': expect.stringMatching(/^run_/),
            'enduser.pseudo.id': expect.any(String),
            'user.id': 'alice',
            'countersign.tenant': 'acme',
          });
        }
      },
      { using, timeout },
    );
  }

  verifies(
    'AUD-2',
    'its own pages find one session for each run',
    async () => {
      const runs = new Set(
        frameworkNames
          .flatMap((name) => ofFramework(name).map((span) => attribute(span, 'session.id')))
          .filter(Boolean),
      );
      expect(runs.size).toBe(frameworkNames.length);
      const answer = await phoenix?.graphql(
        '{ projects { edges { node { name sessions(first: 50) { edges { node { sessionId numTraces } } } } } } }',
      );
      const text = JSON.stringify(answer);
      for (const run of runs) expect(text).toContain(`"sessionId":"${String(run)}"`);
    },
    { using, timeout },
  );

  verifies(
    ['AUD-2', 'AUD-5'],
    'the outbox adds every record of the ledger once, below the live spans, also when it is delivered twice',
    async () => {
      for (const framework of frameworkNames) {
        const place = placeIn(told.get(framework)?.folder ?? '');
        const store = sqliteStore({ path: place.store });
        const stored = await store.records('acme', {});
        for (const name of ['first', 'again']) {
          const sink = otlpSink({ endpoint: phoenix?.endpoint ?? '', signals: ['traces'], name });
          const disclose = { key: readKeyFile(place.auditKey) };
          const report = await createOutbox({ store, sink, disclose }).tick();
          expect(report).toMatchObject({ delivered: stored.length, refused: 0, backlog: 0, problems: [] });
        }
        const hashes = stored.map(({ hash }) => hash).toSorted();
        const ofLedger = (spans: readonly PhoenixSpan[]): PhoenixSpan[] =>
          spans.filter((span) => hashes.includes(String(attribute(span, 'countersign.record.hash'))));
        const records = ofLedger((await phoenix?.spans((spans) => ofLedger(spans).length >= hashes.length)) ?? []);
        expect(records.map((span) => String(attribute(span, 'countersign.record.hash'))).toSorted()).toEqual(hashes);
        const live = new Set(ofFramework(framework).map(({ context }) => context.span_id));
        expect(records.filter(({ parent_id }) => parent_id !== null && live.has(parent_id)).length).toBeGreaterThan(0);
        expect(records.filter(({ context }) => live.has(context.span_id))).toEqual([]);
        await store.close();
      }
    },
    { using, timeout },
  );
});
