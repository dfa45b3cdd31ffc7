/** Secrets of every provider of the core through every adapter, and a search for them in all that Countersign writes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect } from 'vitest';
import { frameworkNames } from '../../examples/demo/frameworks/framework.ts';
import { scriptedModel } from '../support/scripted-model.ts';
import { verifies } from '../verifies.ts';
import type { AgentInput } from './agent.ts';

const services = ['file', 'env', 'minted', 'issued', 'hidden'];
const deeds = ['return', 'throw', 'spawn'];
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-leaks-'));
  mkdirSync(join(folder, 'private'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

interface Place {
  readonly name: string;
  readonly text: string;
}

/** Runs the agent, and answers every place where a secret must not be. */
async function placesAfter(framework: string): Promise<{ readonly places: readonly Place[]; readonly code: unknown }> {
  const names = services.flatMap((service) => deeds.map((deed) => `${deed}_${service}`));
  const calls = names.map((name) => ({ name, id: `call-${name}`, args: { amount: 1 } }));
  await using model = await scriptedModel(({ turn }) => (turn === 0 ? { calls } : 'done'));
  const input: AgentInput = { framework, folder, modelUrl: model.url };
  const file = join(import.meta.dirname, 'agent.ts');
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', file, JSON.stringify(input)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] },
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('latin1').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('latin1').on('data', (text: string) => (output.stderr += text));
  const [code] = (await once(child, 'close')) as [unknown];
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.endsWith('private'))
    .map(({ parentPath, name }) => join(parentPath, name));
  return {
    code,
    places: [
      { name: 'messages to the model', text: model.seen() },
      ...Object.entries(output).map(([name, text]) => ({ name, text })),
      ...files.map((path) => ({ name: relative(folder, path), text: readFileSync(path, 'latin1') })),
    ],
  };
}

/** Every form of every secret; of base64 what does not depend on the bytes beside it. */
function formsOf(secret: string): readonly string[] {
  const bytes = Buffer.from(secret);
  const shifted = [0, 1, 2].map((offset) =>
    Buffer.concat([Buffer.alloc(offset), bytes])
      .toString('base64')
      .slice(4, -4),
  );
  const forms = [
    secret,
    bytes.toString('hex'),
    bytes.join(','),
    encodeURIComponent(secret),
    JSON.stringify(secret),
    ...shifted,
  ];
  return [...forms, ...forms.map((form) => form.replaceAll('+', '-').replaceAll('/', '_'))];
}

function secrets(): readonly string[] {
  const lines = readFileSync(join(folder, 'private', 'secrets'), 'utf8')
    .split('\n')
    .filter(Boolean);
  const parts = lines.flatMap((line) => (line.startsWith('{') ? Object.values(JSON.parse(line) as object) : [line]));
  return [...new Set([...lines, ...(parts as string[])])];
}

describe('secrets of the providers of the core', () => {
  for (const framework of frameworkNames) {
    verifies(
      ['CRD-7', 'CRD-8', 'ADP-4'],
      `leave no trace with ${framework}: messages, results, errors, spans, ledger, store, output, child processes`,
      async () => {
        const { places, code } = await placesAfter(framework);
        const textOf = (name: string): string => places.find((place) => place.name === name)?.text ?? '';
        expect([code, textOf('stderr'), textOf('stdout')]).toEqual([0, '', '']);
        // The search finds nothing for the right reason: every tool ran, held its secret, and was scrubbed.
        expect(
          textOf('ledger')
            .split('\n')
            .filter((line) => line.includes('"event":"issued"')),
        ).toHaveLength(15);
        expect(readFileSync(join(folder, 'private', 'echoed'), 'utf8')).toContain('Bearer CANARY/hidden');
        expect(
          textOf('children')
            .split('\n')
            .filter((line) => line.includes('PATH')),
        ).toHaveLength(5);
        for (const service of services) expect(textOf('messages to the model')).toContain(`[secret:${service}]`);
        expect(places.map(({ name }) => name)).toEqual(
          expect.arrayContaining([
            'store.sqlite',
            'in-use-store.sqlite',
            'in-use-store.sqlite-wal',
            'spans',
            'state',
            'said',
          ]),
        );
        const wanted = secrets();
        expect(wanted.length).toBeGreaterThanOrEqual(8);
        const found = wanted.flatMap((secret) =>
          formsOf(secret).flatMap((form) =>
            places.filter(({ text }) => text.includes(form)).map(({ name }) => `${secret.slice(0, 12)} in ${name}`),
          ),
        );
        expect(found).toEqual([]);
      },
      { timeout: 120_000 },
    );
  }

  verifies('CRD-7', 'would be found by this search, in each of its forms', () => {
    const secret = `CANARY/x+${'aZ09'.repeat(6)}=`;
    const bytes = Buffer.from(secret);
    for (const text of [
      `a ${secret} b`,
      Buffer.from(`xx${secret}yy`).toString('base64'),
      Buffer.from(`x${secret}`).toString('base64url'),
      bytes.toString('hex'),
      encodeURIComponent(secret),
      JSON.stringify([...bytes]),
    ]) {
      expect(formsOf(secret).some((form) => text.includes(form))).toBe(true);
    }
  });
});
