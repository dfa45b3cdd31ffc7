import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { exitCodes } from '../packages/cli/src/exit-codes.ts';
import { requirements } from './requirements.ts';
import { filesOfRepository, repositoryRoot } from './support/repository.ts';

const documents = filesOfRepository().filter(
  (file) =>
    /^(README|CONTRIBUTING|SECURITY|docs\/.*|packages\/[^/]+\/README)(\.md)?$/.test(file.replace(/\.md$/, '')) &&
    file.endsWith('.md'),
);
const textOf = (file: string): string => readFileSync(join(repositoryRoot, file), 'utf8');

/** A file, or the lines of it between `#region name` and `#endregion`. */
function sourceOf(reference: string): string {
  const [file = '', region] = reference.split('#');
  const text = textOf(file);
  if (region === undefined) return text;
  const lines = text.split('\n');
  const from = lines.indexOf(`// #region ${region}`);
  const to = lines.indexOf('// #endregion', from);
  if (from < 0 || to < 0) throw new Error(`${file} has no region ${region}`);
  return lines.slice(from + 1, to).join('\n');
}

/** Code blocks that say where they are from: `<!-- file#region -->` above them. */
function embeddedIn(document: string): { readonly reference: string; readonly code: string }[] {
  const pattern = /^<!-- (examples\/\S+) -->\n+```\w+\n(.*?)^```$/gms;
  return [...textOf(document).matchAll(pattern)].map(([, reference = '', code = '']) => ({ reference, code }));
}

describe('README', () => {
  const embedded = embeddedIn('README.md');

  test.each(embedded)('shows $reference as it runs', ({ reference, code }) => {
    expect(code.trim()).toBe(sourceOf(reference).trim());
  });

  test('embeds every block that it says it does', () => {
    expect(embedded).toHaveLength(textOf('README.md').split('<!-- examples/').length - 1);
    expect(embedded.map(({ reference }) => reference)).toContain('examples/quickstart/main.ts#readme');
  });

  test('needs about fifteen lines of code for the whole gate, imports aside', () => {
    const lines = sourceOf('examples/quickstart/main.ts#readme').split('\n');
    expect(lines.filter((line) => line.trim() !== '' && !/^(import|\/\/)/.test(line)).length).toBeLessThanOrEqual(16);
  });
});

test('the README says of every planned requirement that it is not there yet, and of no other one', () => {
  const [, said = ''] = /^Not there yet:(.*?)\. And in part:/ms.exec(textOf('README.md')) ?? [];
  const ids = [...said.matchAll(/([A-Z]{3})-(\d+)(?: to [A-Z]{3}-(\d+))?/g)].flatMap(([, group, from, to = from]) =>
    Array.from({ length: Number(to) - Number(from) + 1 }, (_, index) => `${group}-${Number(from) + index}`),
  );
  const planned = Object.entries(requirements).flatMap(([id, { status }]) => (status === 'planned' ? [id] : []));
  expect(ids.toSorted()).toEqual(planned.toSorted());
});

describe.each(['docs/credentials.md', 'packages/core/README.md'])('%s', (document) => {
  const embedded = embeddedIn(document);
  test('embeds its examples', () => expect(embedded.length).toBeGreaterThan(0));
  test.each(embedded)('shows $reference as it runs', ({ reference, code }) => {
    expect(code.trim()).toBe(sourceOf(reference).trim());
  });
});

test.each(documents)('every link of %s leads to a file that is there', (document) => {
  const links = [...textOf(document).matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)].map(([, link = '']) => link);
  expect(links.filter((link) => !existsSync(join(repositoryRoot, dirname(document), link)))).toEqual([]);
});

test('docs/cli.md documents every exit code and every command', () => {
  const text = textOf('docs/cli.md');
  const documented = [...text.matchAll(/^\| (\d) /gm)].map(([, code]) => Number(code));
  expect(documented).toEqual(Object.values(exitCodes));
  const commands = filesOfRepository().flatMap(
    (file) => /^packages\/cli\/src\/commands\/([a-z]+)-([a-z]+)\.ts$/.exec(file)?.slice(1, 3).join(' ') ?? [],
  );
  expect(commands).not.toEqual([]);
  expect(commands.filter((command) => !text.includes(`\`${command}`))).toEqual([]);
});
