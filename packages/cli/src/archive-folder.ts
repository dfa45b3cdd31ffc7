/**
 * Exported segments as files of a folder. Each is on the device before it counts, and none is ever replaced by another.
 * @module
 */
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { ArchivePlace } from '@countersign/core';
import { CommandFailure } from './exit-codes.ts';

export function archiveFolder(folder: string): ArchivePlace {
  const read = async (name: string): Promise<string | undefined> => {
    try {
      return await readFile(join(folder, basename(name)), 'utf8');
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
      throw new CommandFailure('unreachable', `${name} in ${folder} cannot be read: ${String(error)}`);
    }
  };
  return {
    read,
    async write(name, contents) {
      const before = await read(name);
      if (before === contents) return;
      if (before !== undefined)
        throw new CommandFailure('refused', `${name} in ${folder} is another file: move it away`);
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      writeDurably(folder, basename(name), contents);
    },
  };
}

function writeDurably(folder: string, name: string, contents: string): void {
  const file = join(folder, name);
  const descriptor = openSync(`${file}.new`, 'w', 0o600);
  try {
    writeFileSync(descriptor, contents);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(`${file}.new`, file);
  const directory = openSync(folder, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
