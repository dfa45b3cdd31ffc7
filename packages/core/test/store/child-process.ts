import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('store-process.ts', import.meta.url));

export interface StoreProcess {
  readonly child: ChildProcess;
  /** Every line so far. */
  readonly lines: readonly string[];
  /** Resolves with the next line. */
  nextLine(): Promise<string>;
  /** Resolves with all output when the process has ended. */
  readonly ended: Promise<string>;
}

/** Runs `store-process.ts` with a role and the path of a store. */
export function startProcess(role: string, path: string, ...more: readonly string[]): StoreProcess {
  const child = spawn(process.execPath, ['--no-warnings', script, role, path, ...more], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (line) => lines.push(line));
  const ended = new Promise<string>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => resolve(lines.join('\n')));
  });
  return {
    child,
    lines,
    ended,
    nextLine: () =>
      new Promise((resolve, reject) => {
        reader.once('line', resolve);
        child.once('close', (status) => reject(new Error(`the process ended with ${status} and said no more`)));
      }),
  };
}
