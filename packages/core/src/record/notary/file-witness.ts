/**
 * A witness in a directory, one file for each log: on another machine, on write-once storage, or at least under a user
 * that the agents are not.
 * @module
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { LedgerError } from '../../errors.ts';
import { flushDirectory } from '../../key-file.ts';
import type { NoteVerifier } from './signed-note.ts';
import { checkSubmission, type Witness } from './witness.ts';

const extension = '.checkpoint';
const lockExtension = '.lock';

export interface FileWitnessOptions {
  /** Created when it is missing. */
  readonly directory: string;
  readonly verifier: NoteVerifier;
}

/** Every write is on the device before it counts. Throws `LedgerError` when the directory cannot be used. */
export function fileWitness({ directory, verifier }: FileWitnessOptions): Witness {
  attempt(directory, () => mkdirSync(directory, { recursive: true, mode: 0o700 }));
  const fileOf = (origin: string): string => path.join(directory, `${encodeURIComponent(origin)}${extension}`);
  const read = (origin: string): string | undefined => attempt(directory, () => readIfThere(fileOf(origin)));
  return {
    newest: async (origin) => read(origin),
    async origins() {
      const names = attempt(directory, () => readdirSync(directory));
      return names
        .filter((name) => name.endsWith(extension))
        .map((name) => decodeURIComponent(name.slice(0, -extension.length)));
    },
    async add(submission) {
      const file = fileOf(submission.origin);
      // Check and write are one step: two notaries must not both replace the same checkpoint.
      attempt(directory, () =>
        locked(`${file}${lockExtension}`, () => {
          checkSubmission(read(submission.origin), submission, verifier);
          writeDurably(file, submission.note);
        }),
      );
    },
  };
}

function locked(lock: string, task: () => void): void {
  closeSync(openSync(lock, 'wx', 0o600));
  try {
    task();
  } finally {
    rmSync(lock, { force: true });
  }
}

function writeDurably(file: string, text: string): void {
  const descriptor = openSync(`${file}.new`, 'w', 0o600);
  try {
    writeFileSync(descriptor, text);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(`${file}.new`, file);
  flushDirectory(file);
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function attempt<Result>(directory: string, task: () => Result): Result {
  try {
    return task();
  } catch (cause) {
    if (cause instanceof LedgerError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new LedgerError(
      `the witness in ${directory} cannot be used: ${reason}; if a process died there, remove its ${lockExtension} file`,
      { cause },
    );
  }
}
