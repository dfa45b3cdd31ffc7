import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { KeyError } from '../src/errors.ts';
import { createKeyFile, readKeyFile } from '../src/key-file.ts';

let folder: string;
let file: string;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'countersign-key-'));
  file = path.join(folder, 'key');
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

function refusal(run: () => unknown): KeyError {
  try {
    run();
  } catch (error) {
    if (error instanceof KeyError) return error;
    throw error;
  }
  throw new Error('expected a refusal, got none');
}

describe('a key file', () => {
  test('is created with mode 0600 under the most open umask, and read back', () => {
    const before = process.umask(0);
    try {
      createKeyFile(file);
    } finally {
      process.umask(before);
    }
    expect(fs.statSync(file).mode & 0o777).toBe(0o600);
    expect(readKeyFile(file).export()).toHaveLength(32);
    createKeyFile(`${file}2`);
    expect(readKeyFile(file).equals(readKeyFile(`${file}2`))).toBe(false);
  });

  test('is never overwritten, not even through a dangling link', () => {
    createKeyFile(file);
    const before = fs.readFileSync(file, 'utf8');
    expect(refusal(() => createKeyFile(file)).message).toContain('never overwritten');
    expect(fs.readFileSync(file, 'utf8')).toBe(before);
    fs.symlinkSync(path.join(folder, 'elsewhere'), `${file}-link`);
    refusal(() => createKeyFile(`${file}-link`));
    expect(fs.existsSync(path.join(folder, 'elsewhere'))).toBe(false);
  });

  test.each([0o640, 0o620, 0o604, 0o602, 0o610, 0o644, 0o666])('of mode %o is refused with the remedy', (mode) => {
    createKeyFile(file);
    fs.chmodSync(file, mode);
    const { message } = refusal(() => readKeyFile(file));
    expect(message).toContain('0600');
    expect(message).toContain(mode.toString(8));
    expect(message).toContain(`chmod 600 ${file}`);
  });

  test('of mode 0400 is read', () => {
    createKeyFile(file);
    fs.chmodSync(file, 0o400);
    expect(readKeyFile(file).symmetricKeySize).toBe(32);
  });

  const right = Buffer.alloc(32, 7).toString('base64url');
  test.each([
    ['empty', ''],
    ['blank', '\n'],
    ['31 bytes', Buffer.alloc(31, 7).toString('base64url')],
    ['33 bytes', Buffer.alloc(33, 7).toString('base64url')],
    ['padded', `${right}=`],
    ['two lines', `${right}\n${right}\n`],
    ['a blank in front', ` ${right}`],
    ['hexadecimal', Buffer.alloc(32, 7).toString('hex')],
    ['plain base64', Buffer.alloc(32, 255).toString('base64')],
    ['bits behind the last byte', `${right.slice(0, -1)}d`],
    ['too long to be one', right.repeat(100)],
  ])('that is %s is refused and not quoted', (_name, text) => {
    fs.writeFileSync(file, text, { mode: 0o600 });
    const error = refusal(() => readKeyFile(file));
    const quoted = text.trim() === '' ? right : text.trim().slice(0, 20);
    expect(`${error.message}${error.stack}`).not.toContain(quoted);
  });

  test('with a line end of either kind is read', () => {
    for (const end of ['', '\n', '\r\n']) {
      fs.writeFileSync(file, `${right}${end}`, { mode: 0o600 });
      expect(readKeyFile(file).export()).toEqual(Buffer.alloc(32, 7));
    }
  });

  test('that is a directory, a device, a pipe or missing is refused without waiting', () => {
    execFileSync('mkfifo', ['-m', '600', path.join(folder, 'pipe')]);
    for (const each of [folder, '/dev/null', path.join(folder, 'pipe'), path.join(folder, 'missing')])
      refusal(() => readKeyFile(each));
  });

  test('is read through a link of its own user, as orchestrators mount secrets', () => {
    createKeyFile(file);
    fs.symlinkSync(file, `${file}-link`);
    expect(readKeyFile(`${file}-link`).equals(readKeyFile(file))).toBe(true);
  });

  test.runIf(process.geteuid?.() === 0)(
    'of another user is refused, also behind a link, and so is the link of another user',
    () => {
      createKeyFile(file);
      fs.symlinkSync(file, `${file}-link`);
      fs.lchownSync(`${file}-link`, 65_534, 65_534);
      refusal(() => readKeyFile(`${file}-link`));
      fs.symlinkSync(file, `${file}-own-link`);
      fs.chownSync(file, 65_534, 65_534);
      refusal(() => readKeyFile(file));
      refusal(() => readKeyFile(`${file}-own-link`));
    },
  );

  test('does not show its key when printed or serialised', () => {
    createKeyFile(file);
    const key = readKeyFile(file);
    const text = fs.readFileSync(file, 'utf8').trim();
    expect(JSON.stringify({ key })).toBe('{"key":{}}');
    expect(inspect(key, { showHidden: true })).not.toContain(text);
  });
});

describe('a key file for signing, inside a git work tree', () => {
  function gitTree(): string {
    const tree = path.join(folder, 'tree', 'deep');
    fs.mkdirSync(tree, { recursive: true });
    fs.mkdirSync(path.join(folder, 'tree', '.git'));
    return tree;
  }

  test('is refused when created and when read, tracked or not', () => {
    const inside = path.join(gitTree(), 'key');
    expect(refusal(() => createKeyFile(inside, { outsideGitTree: true })).message).toContain('git work tree');
    expect(fs.existsSync(inside)).toBe(false);
    createKeyFile(inside);
    refusal(() => readKeyFile(inside, { outsideGitTree: true }));
    expect(readKeyFile(inside).symmetricKeySize).toBe(32);
  });

  test('is refused behind a link from outside, and in a linked work tree', () => {
    const tree = gitTree();
    createKeyFile(path.join(tree, 'key'));
    fs.symlinkSync(path.join(tree, 'key'), path.join(folder, 'link'));
    refusal(() => readKeyFile(path.join(folder, 'link'), { outsideGitTree: true }));
    fs.symlinkSync(tree, path.join(folder, 'folder-link'));
    refusal(() => createKeyFile(path.join(folder, 'folder-link', 'other'), { outsideGitTree: true }));
    fs.mkdirSync(path.join(folder, 'linked'));
    fs.writeFileSync(path.join(folder, 'linked', '.git'), 'gitdir: elsewhere');
    refusal(() => createKeyFile(path.join(folder, 'linked', 'key'), { outsideGitTree: true }));
  });

  test('is accepted outside, also under a name that looks like one', () => {
    fs.mkdirSync(path.join(folder, '.github'));
    const outside = path.join(folder, '.github', 'key');
    createKeyFile(outside, { outsideGitTree: true });
    expect(readKeyFile(outside, { outsideGitTree: true }).symmetricKeySize).toBe(32);
  });
});
