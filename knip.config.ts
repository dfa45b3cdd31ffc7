import type { KnipConfig } from 'knip';

/** Started by `scripts/run.mjs` or `scripts/verify.mjs` under their command name. */
const commands = ['@arethetypeswrong/cli', 'oxfmt', 'publint'];

/** Imported by computed names. */
const computed = ['@auth/core'];

const config: KnipConfig = {
  ignoreDependencies: [...commands, ...computed],
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
        // Started by `bench/postgres.ts`.
        'bench/postgres-process.ts',
        'conformance/run.ts',
        'test/faults/{approver,main,worker}.ts',
        'test/chaos/{agent,desk,main,notifier}.ts',
        // Started by `bench/wake.ts`.
        'bench/wake-voter.ts',
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
    'packages/otlp': {
      // A process that a test starts.
      entry: ['test/**/*.test.ts', 'test/support/outbox-process.ts'],
      project: ['{src,test}/**/*.ts'],
    },
  },
};

export default config;
