/**
 * The files of a git work tree, as git knows them.
 * @module
 */
import { execFileSync } from 'node:child_process';
import { CommandFailure } from '../exit-codes.ts';

export interface WorkTree {
  /** Absolute. */
  readonly root: string;
  /** Relative to the root. */
  readonly tracked: readonly string[];
  /** Files that git ignores or does not know yet; what is inside an ignored folder is not listed. */
  readonly untracked: readonly string[];
}

/** @throws CommandFailure where git knows no work tree: what cannot be looked at is not fine */
export function workTreeOf(folder: string): WorkTree {
  const root = git(folder, 'rev-parse', '--show-toplevel')[0]?.trim() ?? '';
  const tracked = git(root, 'ls-files', '-z', '--cached');
  const others = git(root, 'ls-files', '-z', '--others', '--directory');
  return { root, tracked, untracked: others.filter((file) => !file.endsWith('/')) };
}

function git(folder: string, ...args: readonly string[]): readonly string[] {
  try {
    const output = execFileSync('git', ['-C', folder, ...args], {
      encoding: 'utf8',
      maxBuffer: 256 * 1024 * 1024,
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 60_000,
    });
    return output.split(args.includes('-z') ? '\0' : '\n').filter((line) => line !== '');
  } catch {
    throw new CommandFailure('unreachable', `${folder} is not in a git work tree, or git is not installed`);
  }
}
