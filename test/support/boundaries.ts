/**
 * What `packages/core/src` may import, kept once: the linter reads it, and a house rule test holds it a second time.
 * Paths are relative to the root of the repository.
 */

/** Touch no file, socket or process: these may import `pureNodeModules` and no other `node:` module. */
export const stageFiles: string[] = [
  'packages/core/src/*.ts',
  'packages/core/src/identify/*.ts',
  'packages/core/src/authorize/*.ts',
  'packages/core/src/approve/*.ts',
  'packages/core/src/lease/*.ts',
  'packages/core/src/execute/*.ts',
  'packages/core/src/record/*.ts',
  'packages/core/src/store/sqlite.ts',
  'packages/core/src/store/*-file*.ts',
];

export const pureNodeModules: string[] = [
  'node:crypto',
  'node:async_hooks',
  'node:buffer',
  'node:timers/promises',
  'node:util',
];

/** The drivers that touch the machine, and the modules each may use besides `pureNodeModules`. */
export const driverFiles: Record<string, string[]> = {
  'packages/core/src/store/sqlite*.ts': ['node:fs', 'node:path', 'node:sqlite'],
  'packages/core/src/lease/encrypted-file.ts': ['node:fs', 'node:fs/promises', 'node:path'],
  'packages/core/src/approve/http.ts': ['node:http'],
  'packages/core/src/approve/terminal.ts': ['node:readline', 'node:readline/promises', 'node:process'],
  'packages/core/src/key-file.ts': ['node:fs', 'node:path'],
  'packages/core/src/approve/approver-file.ts': ['node:fs'],
  'packages/core/src/authorize/policy-file.ts': ['node:fs', 'node:fs/promises', 'node:path'],
};

/** Frameworks and vendors: the core may never import them, nor the packages that do. */
export const forbiddenInCore: string[] = [
  'ai',
  'ai/*',
  '@ai-sdk/*',
  '@openai/*',
  'openai',
  'openai/*',
  'langchain',
  'langchain/*',
  '@langchain/*',
  '@modelcontextprotocol/*',
  'node-vault',
  '@aws-sdk/*',
  '@octokit/*',
  '@countersign/*',
];
