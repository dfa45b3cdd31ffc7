/**
 * Runs tests of the OpenAI Agents SDK with this repository's adapter in front of every tool: `docs/upstream-suites.md` says
 * how. It is started at the root of a checkout of `openai/openai-agents-js`.
 * @module
 */
import { readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

const checkout = process.cwd();
const core = resolve(checkout, 'packages/agents-core');
const sources = join(core, 'src');
const guardedSdk = join(import.meta.dirname, 'guarded-sdk.ts');
const prefix = '\0guarded:';
const internal = '\0internal';
const verdict = process.env['VERDICT'];
const guarding = verdict === 'allow' || verdict === 'deny';

interface Manifest {
  readonly exports: Readonly<Record<string, { readonly import?: string; readonly node?: { readonly import: string } }>>;
}

/** What stands in the place of the SDK's own, by the module that exports it. */
const replaced: ReadonlyMap<string, readonly string[]> = new Map([
  [join(sources, 'index.ts'), ['Agent', 'tool']],
  [join(sources, 'agent.ts'), ['Agent']],
  [join(sources, 'tool.ts'), ['tool']],
]);

const { exports } = JSON.parse(readFileSync(join(core, 'package.json'), 'utf8')) as Manifest;
const entryPoints = new Map(
  Object.entries(exports).map(([path, target]) => {
    const built = target.import ?? target.node?.import ?? '';
    return [
      `@openai/agents-core${path.slice(1)}`,
      resolve(core, built.replace('./dist/', './src/').replace(/\.mjs$/, '.ts')),
    ];
  }),
);

const guardTools = {
  name: 'guard-tools',
  enforce: 'pre',
  resolveId(source: string, importer: string | undefined): string | undefined {
    if (source === '@openai/agents-core/utils/internal') return internal;
    if (source === '@openai/agents') return join(sources, 'index.ts');
    const entryPoint = entryPoints.get(source);
    if (entryPoint !== undefined) return entryPoint;
    if (!guarding || importer?.startsWith(join(core, 'test')) !== true || !source.startsWith('.')) return undefined;
    const path = resolve(dirname(importer), source);
    const module = [`${path}.ts`, join(path, 'index.ts')].find((each) => replaced.has(each));
    return module === undefined ? undefined : `${prefix}${module}`;
  },
  load(id: string): string | undefined {
    if (id === internal) return internalModule();
    if (!id.startsWith(prefix)) return undefined;
    const path = id.slice(prefix.length);
    const original = JSON.stringify(path);
    return [
      `import * as original from ${original};`,
      `import { replacements } from ${JSON.stringify(guardedSdk)};`,
      `export * from ${original};`,
      ...(replaced.get(path) ?? []).map((name) => `export const ${name} = replacements.${name}(original.${name});`),
    ].join('\n');
  },
};

/** Three functions that the adapter uses became an entry point after this version; one of them did not exist. */
function internalModule(): string {
  return [
    `export * from ${JSON.stringify(join(sources, 'utils/internal.ts'))};`,
    `export { prepareFunctionToolInput, setFunctionToolPreparedInput } from ${JSON.stringify(join(sources, 'tool.ts'))};`,
    `export const getFunctionToolApprovalInput = (value) => { try { return structuredClone(value); } catch { return value; } };`,
  ].join('\n');
}

export default {
  root: core,
  plugins: [guardTools],
  test: {
    name: basename(core),
    pool: 'threads',
    setupFiles: [
      resolve(checkout, 'helpers/tests/console-guard.ts'),
      ...(guarding ? [join(import.meta.dirname, '../ai/count-per-test.ts')] : []),
    ],
    globalSetup: resolve(checkout, 'helpers/tests/setup.ts'),
  },
};
