/** Processes beside this one. They are started when first needed, and told everything as data. */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Job, Report } from './harness.ts';

const program = fileURLToPath(new URL('agent-process.ts', import.meta.url));

export interface OtherProcess {
  run(job: Job): Promise<Report>;
  /** Kills it (-9) as it is. The next job gets a new one. */
  kill(): Promise<void>;
  close(): void;
}

export function otherProcess(): OtherProcess {
  let child: ChildProcess | undefined;
  return {
    run(job) {
      const running =
        child ?? fork(program, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: ['--no-warnings'] });
      child = running;
      return new Promise((resolve, reject) => {
        const failed = (code: number | null): void => reject(new Error(`the other process ended with ${code}`));
        running.once('exit', failed);
        running.once('message', (report) => {
          running.off('exit', failed);
          resolve(report as Report);
        });
        running.send(job);
      });
    },
    async kill() {
      const running = child;
      child = undefined;
      if (running === undefined) return;
      const gone = new Promise((resolve) => running.once('exit', resolve));
      running.kill('SIGKILL');
      await gone;
    },
    close() {
      child?.disconnect();
    },
  };
}
