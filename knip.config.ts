import type { KnipConfig } from 'knip';

/** Started by `scripts/run.mjs` or `scripts/verify.mjs` under their command name. */
const commands = ['@arethetypeswrong/cli', 'oxfmt', 'publint'];

/** Installed for tests, examples and benchmarks that are still to come: take a name out when the first import arrives. */
const awaited = [
  '@ai-sdk/code-mode',
  '@ai-sdk/mcp',
  '@ai-sdk/openai',
  '@ai-sdk/otel',
  '@cedar-policy/cedar-wasm',
  '@copilotkit/aimock',
  '@countersign/*',
  '@langchain/core',
  '@langchain/langgraph',
  '@langchain/openai',
  '@modelcontextprotocol/sdk',
  '@openai/agents',
  '@opentelemetry/sdk-node',
  '@opentelemetry/sdk-trace',
  'ai',
  'casbin',
  'countersign',
  'fast-check',
  'langchain',
  'tinybench',
  'zod',
];

const config: KnipConfig = {
  ignoreDependencies: [...commands, ...awaited],
  // Of the machine; a test that needs one says when it is missing.
  ignoreBinaries: ['mkfifo', 'script'],
  ignoreExportsUsedInFile: { interface: true, type: true },
  workspaces: {
    '.': {
      entry: [
        'scripts/*.mjs',
        'examples/**/main.ts',
        // Processes that `main.ts` starts.
        'examples/demo/{agent,approvals,approver,model,service,worker}.ts',
        'bench/run.ts',
        'conformance/run.ts',
        'test/support/fixture.config.ts',
        'test/support/*.fixture.ts',
        // Loaded by the test runner of another checkout.
        'test/upstream/*/*.ts',
      ],
      project: ['*.ts', 'scripts/**', '{test,examples,bench,conformance}/**/*.ts'],
    },
    'packages/*': {
      entry: ['test/**/*.test.ts'],
      project: ['{src,test}/**/*.ts'],
    },
  },
};

export default config;
