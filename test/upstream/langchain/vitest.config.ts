/**
 * Runs tests of LangChain with this repository's adapter in front of every tool: `docs/upstream-suites.md` says how. It is
 * started in `libs/langchain` of a checkout of `langchain-ai/langchainjs`.
 * @module
 */
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

interface UpstreamConfig {
  readonly test: object;
}

const checkout = process.cwd();
const repository = resolve(import.meta.dirname, '../../..');
const guardedAgent = join(import.meta.dirname, 'guarded-agent.ts');
const index = resolve(checkout, 'src/agents/index');
const rootIndex = resolve(checkout, 'src/index');
const prefix = '\0guarded:';

const configuration = (await import(pathToFileURL(resolve(checkout, 'vitest.config.ts')).href)) as {
  readonly default: (env: { readonly mode: string }) => UpstreamConfig;
};
const upstream = configuration.default({ mode: 'test' });

interface Resolving {
  resolve(source: string, importer: string): Promise<unknown>;
}

const guardAgents = {
  name: 'guard-agents',
  enforce: 'pre',
  async resolveId(this: Resolving, source: string, importer: string | undefined): Promise<unknown> {
    if (importer === undefined) return null;
    // The adapter works with the checkout's LangChain, whatever this repository has installed.
    if (importer.startsWith(`${repository}/`) && !importer.includes('node_modules')) {
      if (source === 'langchain') return `${rootIndex}.ts`;
      if (source.startsWith('@langchain/')) return this.resolve(source, `${rootIndex}.ts`);
    }
    if (!/\.test\.tsx?$/.test(importer) || !source.startsWith('.')) return null;
    const path = resolve(dirname(importer), source).replace(/\.js$/, '');
    return path === index || path === rootIndex ? `${prefix}${path}` : null;
  },
  load(id: string): string | null {
    if (!id.startsWith(prefix)) return null;
    const original = JSON.stringify(`${id.slice(prefix.length)}.ts`);
    return [
      `import { createAgent as original } from ${original};`,
      `import { guardedCreateAgent } from ${JSON.stringify(guardedAgent)};`,
      `export * from ${original};`,
      'export const createAgent = guardedCreateAgent(original);',
    ].join('\n');
  },
};

export default {
  ...upstream,
  plugins: [guardAgents],
  test: {
    ...upstream.test,
    typecheck: { enabled: false },
    setupFiles: ['dotenv/config', join(import.meta.dirname, 'count-per-test.ts')],
  },
};
