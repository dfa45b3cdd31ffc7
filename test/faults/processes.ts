/** The processes of a run: started again whenever they end. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface Respawned {
  /** Ends it at once; another takes its place. */
  kill(): void;
  /** It stands still for so long, with its connections open and its locks held. */
  pause(ms: number): Promise<void>;
  send(message: object): void;
  /** It ends by itself and is not started again. Killed when it does not. */
  end(patienceMs: number): Promise<void>;
  /** Resolves when the process that runs now is at work. */
  readonly ready: () => Promise<void>;
}

/** `argumentsFor`: asked at every start. */
export function respawn(file: URL, argumentsFor: () => readonly string[]): Respawned {
  const path = fileURLToPath(file);
  let ending = false;
  let child: ChildProcess;
  let ready: Promise<void>;
  const start = (): void => {
    child = fork(path, [...argumentsFor()], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    const begun = child;
    ready = Promise.race([once(begun, 'message'), once(begun, 'exit')]).then(() => undefined);
    begun.once('exit', () => {
      if (!ending) start();
    });
    begun.on('error', () => undefined);
  };
  start();
  return {
    kill: () => void child.kill('SIGKILL'),
    async pause(ms) {
      const paused = child;
      paused.kill('SIGSTOP');
      await new Promise((resolve) => setTimeout(resolve, ms));
      paused.kill('SIGCONT');
    },
    send(message) {
      if (child.connected) child.send(message, () => undefined);
    },
    async end(patienceMs) {
      ending = true;
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      const impatience = setTimeout(() => child.kill('SIGKILL'), patienceMs);
      await ended;
      clearTimeout(impatience);
    },
    ready: () => ready,
  };
}
