import { readFileSync } from 'node:fs';
import { matchesGlob } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  driverFiles,
  environmentReaders,
  forbiddenInCore,
  pureNodeModules,
  secretReaders,
  stageFiles,
} from './support/boundaries.ts';
import { filesOfRepository, repositoryRoot } from './support/repository.ts';
import { verifies } from './verifies.ts';

const files = filesOfRepository();
const coreSources = files.filter((file) => /^packages\/core\/src\/.*\.ts$/.test(file));
const sources = files.filter((file) => /^packages\/[^/]+\/src\/.*\.ts$/.test(file));

/** Host names of package registries: nothing here may depend on where packages were fetched from. */
const registryHosts = [
  ['registry', 'npmjs', 'org'],
  ['registry', 'yarnpkg', 'com'],
  ['npm', 'pkg', 'github', 'com'],
  ['pypi', 'org'],
  ['files', 'pythonhosted', 'org'],
  ['deb', 'debian', 'org'],
  ['security', 'debian', 'org'],
  ['proxy', 'golang', 'org'],
  ['static', 'crates', 'io'],
  ['index', 'crates', 'io'],
].map((labels) => labels.join('.'));

function textOf(file: string): string {
  return readFileSync(`${repositoryRoot}/${file}`, 'utf8');
}

/** Each line that holds a forbidden word, as `word: file:line`. */
function forbiddenWordsIn(file: string, text: string, root = repositoryRoot): string[] {
  const found: string[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const at = `${file}:${index + 1}`;
    for (const host of registryHosts) if (line.includes(host)) found.push(`${host}: ${at}`);
    // A checkout directly below the root of the file system has too common a path to search for.
    if (root.split('/').length > 2 && line.includes(root)) found.push(`path of this checkout: ${at}`);
    if (/\/(?:Users|home)\/[\w.-]+\/(?:src|code|projects|Documents|Desktop)\//.test(line))
      found.push(`path of a machine: ${at}`);
    if (/\b(?:issue|fix(?:e[sd])?|close[sd]?|resolve[sd]?) #\d+/i.test(line)) found.push(`issue number: ${at}`);
    if (/^(?:<{7}|>{7}) /.test(line)) found.push(`merge conflict: ${at}`);
  }
  return found;
}

function importsOf(source: string): string[] {
  const pattern =
    /^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]|\bimport\s*\(?\s*['"]([^'"]+)['"]|\brequire\(\s*['"]([^'"]+)['"]/gm;
  return [...source.matchAll(pattern)].map(([, from, direct, required]) => from ?? direct ?? required ?? '');
}

/** The `node:` modules that a file of the core may import. */
function allowedNodeModules(file: string): string[] {
  const own = Object.entries(driverFiles).filter(([glob]) => matchesGlob(file, glob));
  if (own.length > 0) return [...pureNodeModules, ...own.flatMap(([, modules]) => modules)];
  return stageFiles.some((glob) => matchesGlob(file, glob)) ? pureNodeModules : [];
}

/** Each import that the core may not have, as `file imports module`. */
function forbiddenImportsIn(file: string, source: string): string[] {
  return importsOf(source)
    .filter((name) =>
      name.startsWith('node:')
        ? !allowedNodeModules(file).includes(name)
        : forbiddenInCore.some((glob) => glob === name || (glob.endsWith('/*') && name.startsWith(glob.slice(0, -1)))),
    )
    .map((name) => `${file} imports ${name}`);
}

/** Comments and the texts of messages may speak of it; code may not. */
function codeOf(source: string): string {
  return source.replaceAll(/\/\*[\s\S]*?\*\/|(?<![:'"`\\])\/\/.*$/gm, '');
}

/** Each line where code that is not listed reads a secret, or the environment. */
function readersIn(file: string, source: string): string[] {
  const listed = (files: Record<string, string>): boolean => Object.keys(files).some((glob) => matchesGlob(file, glob));
  return codeOf(source)
    .split('\n')
    .flatMap((line, index) => [
      ...(/\breveal\b/.test(line) && !listed(secretReaders) ? [`reveal: ${file}:${index + 1}`] : []),
      ...(/\bprocess\b[^;]*\benv\b|from 'node:process'/.test(line) && !listed(environmentReaders)
        ? [`environment: ${file}:${index + 1}`]
        : []),
    ]);
}

verifies('CRD-1', 'no code reads a raw secret around the provider interface, nor one from the environment', () => {
  expect(sources.flatMap((file) => readersIn(file, textOf(file)))).toEqual([]);
  const core = Object.keys(secretReaders).filter((file) => !file.includes('{'));
  // Who is listed and reads none any more goes from the list.
  expect(core.filter((file) => !/\breveal\b/.test(codeOf(textOf(file))))).toEqual([]);
  expect(Object.keys(environmentReaders).filter((file) => !codeOf(textOf(file)).includes('process.env'))).toEqual([]);
});

test('no file names a registry host, a path of a machine or an issue number', () => {
  const text = files.filter((file) => !/\.(?:png|jpe?g|gif|ico|webp|woff2?|pdf|wasm|gz)$/.test(file));
  expect(text.flatMap((file) => forbiddenWordsIn(file, textOf(file)))).toEqual([]);
});

test('the core imports no framework, and `node:` modules only where they are allowed', () => {
  expect(coreSources.flatMap((file) => forbiddenImportsIn(file, textOf(file)))).toEqual([]);
});

test('no package re-exports everything of a module', () => {
  expect(sources.filter((file) => /^\s*export\s+(?:type\s+)?\*/m.test(textOf(file)))).toEqual([]);
});

describe('the rules see', () => {
  test('a registry host', () => {
    expect(forbiddenWordsIn('a', `x\nhttps://${registryHosts[0]}/x`, '/')).toEqual([`${registryHosts[0]}: a:2`]);
  });

  test('paths of a machine', () => {
    expect(forbiddenWordsIn('a', 'see /somewhere/deep/x', '/somewhere/deep')).toEqual(['path of this checkout: a:1']);
    expect(forbiddenWordsIn('a', ['', 'home', 'me', 'code', 'x'].join('/'), '/')).toEqual(['path of a machine: a:1']);
  });

  test('issue numbers and merge conflicts', () => {
    expect(forbiddenWordsIn('a', `fixes ${'#'}12\n${'<'.repeat(7)} HEAD`, '/')).toEqual([
      'issue number: a:1',
      'merge conflict: a:2',
    ]);
  });

  test.each([
    ['a static import', `import { tool } from 'ai';`],
    ['a type import', `import type { Tool } from 'ai/internal';`],
    ['an import over several lines', `import {\n  a,\n  b,\n} from '@langchain/core';`],
    ['a re-export', `export { a } from '@openai/agents';`],
    ['a dynamic import', `const a = await import('langchain');`],
    ['an import for its effects', `import '@ai-sdk/openai';`],
    ['a require', `const a = require('openai');`],
    ['a module of Node', `import fs from 'node:fs';`],
  ])('%s that is forbidden', (_, source) => {
    expect(forbiddenImportsIn('packages/core/src/gate.ts', source)).toHaveLength(1);
  });

  test.each([
    'const value = lease.secret.reveal();',
    'const value = lease.secret?.reveal?.();',
    "const value = secret['reveal']();",
    'const { reveal } = Secret.prototype;',
    "Reflect.get(secret, 'reveal').call(secret);",
    'const token = process.env.TOKEN;',
    "const token = process['env']['TOKEN'];",
    'const { env } = process; const { env: all } = globalThis.process; process.stdout, env;',
  ])('a secret that is read around the interface: %s', (source) => {
    expect(readersIn('packages/core/src/gate.ts', source)).toHaveLength(1);
    expect(readersIn('packages/core/src/gate.ts', `// ${source}`)).toEqual([]);
  });

  test('which file may import what', () => {
    const found = (file: string, name: string) =>
      forbiddenImportsIn(`packages/core/src/${file}`, `import a from '${name}';`);
    expect(found('lease/lease.ts', 'node:crypto')).toEqual([]);
    expect(found('lease/lease.ts', 'node:fs')).toHaveLength(1);
    expect(found('store/sqlite.ts', 'node:sqlite')).toEqual([]);
    expect(found('store/sqlite.ts', 'node:http')).toHaveLength(1);
    expect(found('gate.ts', 'jose')).toEqual([]);
  });
});
