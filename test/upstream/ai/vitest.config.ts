/**
 * Runs tests of the AI SDK with this repository's adapter in front of every tool: `docs/upstream-suites.md` says how. It
 * is started in `packages/ai` of a checkout of `vercel/ai`.
 * @module
 */
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

interface UpstreamConfig {
  readonly test: object;
}

interface Upstream {
  createVitestConfig(environment: string): UpstreamConfig;
}

const checkout = process.cwd();
const guardedCall = join(import.meta.dirname, 'guarded-call.ts');
const core = resolve(import.meta.dirname, '../../../packages/core/src');
const prefix = '\0guarded:';

/** The functions that get tools, by their module. */
const guarded: ReadonlyMap<string, string> = new Map([
  [resolve(checkout, 'src/generate-text/generate-text'), 'generateText'],
  [resolve(checkout, 'src/generate-text/stream-text'), 'streamText'],
]);

const configuration = (await import(pathToFileURL(resolve(checkout, 'vitest.config.js')).href)) as Upstream;
const upstream = configuration.createVitestConfig('node');

/** Tests and the SDK's own agents import these modules without extension, the replacement with it. */
const guardCalls = {
  name: 'guard-calls',
  enforce: 'pre',
  resolveId(source: string, importer: string | undefined): string | null {
    if (importer === undefined || !source.startsWith('.')) return null;
    const path = resolve(dirname(importer), source);
    return guarded.has(path) ? `${prefix}${path}` : null;
  },
  load(id: string): string | null {
    if (!id.startsWith(prefix)) return null;
    const path = id.slice(prefix.length);
    const name = guarded.get(path);
    const original = JSON.stringify(`${path}.ts`);
    return [
      `import { ${name} as original } from ${original};`,
      `import { guardedCall } from ${JSON.stringify(guardedCall)};`,
      `export * from ${original};`,
      `export const ${name} = guardedCall(original);`,
    ].join('\n');
  },
  // One test replaces the global clock by one that may be read twice: the gate keeps its own.
  transform(code: string, id: string): string | null {
    return id.startsWith(core) ? `import { performance } from 'node:perf_hooks';\n${code}` : null;
  },
};

export default {
  ...upstream,
  plugins: [guardCalls],
  test: {
    ...upstream.test,
    typecheck: { enabled: false },
    setupFiles: [join(import.meta.dirname, 'count-per-test.ts')],
  },
};
