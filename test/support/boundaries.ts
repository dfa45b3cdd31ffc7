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
  'packages/core/src/record/notary/*.ts',
  'packages/core/src/deliver/*.ts',
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
  'packages/core/src/lease/secrets-file.ts': ['node:fs', 'node:path'],
  'packages/core/src/lease/env-file.ts': ['node:fs'],
  'packages/core/src/lease/file-lock.ts': ['node:fs', 'node:sqlite'],
  'packages/core/src/record/notary/file-witness.ts': ['node:fs', 'node:path'],
  'packages/core/src/approve/http.ts': ['node:http'],
  'packages/core/src/approve/http-{input,limits}.ts': ['node:http'],
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
  'nodemailer',
  '@countersign/*',
];

/**
 * The only sources that may read a secret (`Secret.reveal`), each for one purpose. Everything else gets credentials from
 * the provider interface and hands them on wrapped.
 */
export const secretReaders: Record<string, string> = {
  'packages/core/src/lease/secret.ts': 'defines it',
  'packages/core/src/lease/scrub.ts': 'has to know what it takes out',
  'packages/core/src/lease/provider-answer.ts': 'refuses what could not be taken out',
  'packages/core/src/lease/static-secret.ts': 'refuses what could not be taken out',
  'packages/core/src/lease/secrets-file.ts': 'encrypts it',
  'packages/core/src/lease/file-key.ts': 'derives a key from a passphrase',
  'packages/core/src/lease/lease-fetch.ts': 'puts it into the request',
  'packages/core/src/testing/provider-contract.ts': 'looks for it where it must not be',
  'packages/{aws,github,oauth,vault}/src/**': 'a provider logs in at its back end',
};

/** The only sources that may read the environment, and what for. */
export const environmentReaders: Record<string, string> = {
  'packages/postgres/src/main.ts': 'the database and its password, which belong in no list of processes',
  'packages/core/src/lease/env-file.ts': 'NODE_ENV alone',
  'packages/cli/src/files.ts': 'the database and its password, which belong in no list of processes',
  'packages/cli/src/approver-options.ts': 'where the approvals service is, and the token of who types',
  'packages/cli/src/console-options.ts':
    'the OpenID provider and its client, whose secret belongs in no list of processes',
  'packages/cli/src/commands/doctor.ts': 'looks for secrets in it',
};
