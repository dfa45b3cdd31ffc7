import { defineConfig } from 'oxlint';
import type { OxlintOverride } from 'oxlint';
import { driverFiles, forbiddenInCore, pureNodeModules, stageFiles } from './test/support/boundaries.ts';

const frameworks = {
  group: forbiddenInCore,
  message: 'core knows no framework: translate in an adapter package',
};

/** Files of the core, and the only `node:` modules that they may import. */
function coreFiles(files: string[], allowed: string[]): OxlintOverride {
  const node = {
    group: ['node:*', 'node:*/*', ...allowed.map((name) => `!${name}`)],
    message: 'see test/support/boundaries.ts',
  };
  return { files, rules: { 'no-restricted-imports': ['error', { patterns: [frameworks, node] }] } };
}

export default defineConfig({
  plugins: ['typescript', 'import', 'unicorn', 'oxc', 'promise', 'vitest'],
  categories: { correctness: 'error' },
  ignorePatterns: ['**/dist/**', '**/coverage/**', '.venv/**'],
  rules: {
    'no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
    'typescript/no-floating-promises': 'error',
    'typescript/no-misused-promises': 'error',
    'typescript/await-thenable': 'error',
    'typescript/switch-exhaustiveness-check': [
      'error',
      { considerDefaultExhaustiveForUnions: true, allowDefaultCaseForExhaustiveSwitch: true },
    ],
    'typescript/only-throw-error': 'error',
    'typescript/no-explicit-any': 'error',
    'import/no-cycle': 'error',
    'import/no-self-import': 'error',
    eqeqeq: 'error',
    'no-var': 'error',
    'prefer-const': 'error',
    'no-eval': 'error',
    'unicorn/no-useless-spread': 'off',
    // `verifies` and `part` register tests under other names.
    'vitest/expect-expect': 'off',
    'vitest/no-standalone-expect': 'off',
  },
  overrides: [
    {
      files: ['packages/*/src/**/*.ts'],
      rules: {
        'max-lines': ['error', { max: 300, skipBlankLines: true, skipComments: true }],
        'max-lines-per-function': ['error', { max: 60, skipBlankLines: true, skipComments: true }],
        'import/no-default-export': 'error',
        'no-console': 'error',
      },
    },
    { files: ['packages/cli/src/**/*.ts'], rules: { 'no-console': 'off' } },
    coreFiles(['packages/core/src/**/*.ts'], []),
    coreFiles(stageFiles, pureNodeModules),
    ...Object.entries(driverFiles).map(([file, modules]) => coreFiles([file], [...pureNodeModules, ...modules])),
    {
      // These register tests for others.
      files: ['test/verifies.ts', 'test/support/*.ts'],
      rules: { 'vitest/valid-title': 'off', 'vitest/no-conditional-tests': 'off', 'vitest/no-disabled-tests': 'off' },
    },
  ],
});
