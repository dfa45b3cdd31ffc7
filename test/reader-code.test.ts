/**
 * Code in the documents is what people copy: it compiles, as TypeScript in strict mode, with nothing but what `readerHas` lists.
 */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { expect, test } from 'vitest';
import { frameworkHas, readerHas } from './support/reader-has.ts';
import { filesOfRepository, repositoryRoot } from './support/repository.ts';

function givenTo(document: string, code: string): string {
  const names = Object.entries(frameworkHas[document] ?? {});
  const missing = names.filter(([name]) => !new RegExp(`^const ${name}\\b`, 'm').test(code));
  return missing.map(([name, type]) => `declare const ${name}: ${type};\n`).join('');
}

const documents = filesOfRepository().filter((file) => /^(README|docs\/[^/]+|packages\/[^/]+\/README)\.md$/.test(file));

const blocks = documents.flatMap((document) => {
  const text = readFileSync(join(repositoryRoot, document), 'utf8');
  // Those that come from the examples compile there.
  return [...text.matchAll(/^(?<!^<!-- examples\/\S+ -->\n+)```ts\n(.*?)^```$/gms)].map(({ 1: code = '', index }) => {
    const line = text.slice(0, index).split('\n').length;
    return { name: `${document.replaceAll('/', '-')}-line-${line}.ts`, code: `${givenTo(document, code)}${code}` };
  });
});

/** What any of our packages depends on: a reader installs what a block imports. */
function installInto(folder: string): void {
  for (const found of globSync('{.,packages/*}/node_modules/{[!.@]*,@*/*}', { cwd: repositoryRoot })) {
    const place = join(folder, found.slice(found.indexOf('node_modules')));
    if (existsSync(place)) continue;
    mkdirSync(dirname(place), { recursive: true });
    symlinkSync(join(repositoryRoot, found), place);
  }
}

/** With the packages that this repository has installed. */
function compile(files: readonly { readonly name: string; readonly code: string }[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'reader-code-'));
  try {
    for (const { name, code } of files) writeFileSync(join(folder, name), `${code}\nexport {};\n`);
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
    writeFileSync(join(folder, 'reader-has.d.ts'), readerHas);
    installInto(folder);
    const compilerOptions = {
      ...{
        noEmit: true,
        strict: true,
        target: 'es2024',
        lib: ['es2024'],
        module: 'nodenext',
        types: ['node'],
        skipLibCheck: true,
      },
      ...{ allowImportingTsExtensions: true, exactOptionalPropertyTypes: true },
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'], exclude: [] }));
    const tsc = join(repositoryRoot, 'node_modules', 'typescript', 'bin', 'tsc');
    const { stdout, stderr } = spawnSync(process.execPath, [tsc, '--project', '.', '--pretty', 'false'], {
      ...{ cwd: folder, encoding: 'utf8' },
    });
    return stdout + stderr;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test('every block of TypeScript in the documents compiles', { timeout: 120_000 }, () => {
  expect(blocks.length).toBeGreaterThan(20);
  expect(compile(blocks)).toBe('');
});

test('a block that does not compile is seen', { timeout: 120_000 }, () => {
  expect(compile([{ name: 'wrong.ts', code: 'const wrong: string = store;' }])).toContain(
    'wrong.ts(1,7): error TS2322',
  );
});
