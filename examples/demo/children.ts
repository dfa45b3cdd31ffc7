/**
 * The processes of the demo, seen from outside. Each is ended by its own id, whatever happens.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const command = fileURLToPath(new URL('../../packages/cli/src/main.ts', import.meta.url));
const readyTimeoutMs = 30_000;
const runTimeoutMs = 120_000;
const endTimeoutMs = 3_000;

/** The parts that make spans. */
const traced: ReadonlySet<string> = new Set(['agent', 'worker']);

export interface Child {
  /** What it reported first. */
  readonly ready: Readonly<Record<string, unknown>>;
}

export interface Finished {
  readonly exitCode: number;
  readonly output: string;
  readonly errors: string;
  readonly reports: readonly Readonly<Record<string, unknown>>[];
}

export interface Children {
  /** Starts a part that stays, and waits until it says that it is ready: its first report. */
  serve(part: string, folder: string, onReport?: (report: Readonly<Record<string, unknown>>) => void): Promise<Child>;
  /** Starts a part and waits until it has ended. */
  run(
    part: string,
    folder: string,
    args?: readonly string[],
    onReport?: (report: Readonly<Record<string, unknown>>) => void,
  ): Promise<Finished>;
  /** Runs the `countersign` command, in this terminal or with its output kept. */
  command(args: readonly string[], terminal?: 'terminal'): Promise<Finished>;
  endAll(): Promise<void>;
}

/** @param cache folder where Node keeps compiled modules, so that later processes start faster */
export function createChildren(cache: string): Children {
  const running = new Set<ChildProcess>();
  let ending = false;

  function start(
    script: string,
    args: readonly string[],
    stdio: 'inherit' | 'pipe',
    environment: NodeJS.ProcessEnv = {},
  ): ChildProcess {
    if (ending) throw new Error('the demo is ending');
    const child = spawn(process.execPath, [script, ...args], {
      stdio: stdio === 'inherit' ? 'inherit' : ['ignore', 'pipe', 'pipe', 'ipc'],
      env: {
        PATH: process.env['PATH'],
        NODE_OPTIONS: '--disable-warning=ExperimentalWarning',
        NODE_COMPILE_CACHE: cache,
        ...environment,
      },
    });
    running.add(child);
    child.once('exit', () => running.delete(child));
    return child;
  }

  const startPart = (part: string, folder: string, args: readonly string[]): ChildProcess => {
    const environment = {
      ...(part === 'agent' ? { OPENAI_API_KEY: process.env['OPENAI_API_KEY'] } : {}),
      ...(traced.has(part) ? { OTEL_EXPORTER_OTLP_ENDPOINT: process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] } : {}),
    };
    return start(fileURLToPath(new URL(`${part}.ts`, import.meta.url)), [folder, ...args], 'pipe', environment);
  };

  return {
    async serve(part, folder, onReport = () => undefined) {
      const child = startPart(part, folder, []);
      child.on('message', (report) => onReport(report as Child['ready']));
      const errors = collect(child.stderr);
      const { promise, resolve, reject } = Promise.withResolvers<Child>();
      child.once('message', (ready) => resolve({ ready: ready as Child['ready'] }));
      child.once('exit', (code) => reject(new Error(`${part} ended with ${code} before it was ready: ${errors()}`)));
      const timer = setTimeout(() => reject(new Error(`${part} was not ready in time: ${errors()}`)), readyTimeoutMs);
      return promise.finally(() => clearTimeout(timer));
    },
    run: (part, folder, args = [], onReport = () => undefined) => finish(startPart(part, folder, args), onReport),
    command: (args, terminal) =>
      finish(start(command, args, terminal === undefined ? 'pipe' : 'inherit'), () => undefined, terminal),
    async endAll() {
      ending = true;
      await Promise.all([...running].map(end));
    },
  };
}

function finish(
  child: ChildProcess,
  onReport: (report: Finished['reports'][number]) => void,
  terminal?: 'terminal',
): Promise<Finished> {
  const output = collect(child.stdout);
  const errors = collect(child.stderr);
  const reports: Finished['reports'][number][] = [];
  child.on('message', (message) => {
    reports.push(message as Finished['reports'][number]);
    onReport(message as Finished['reports'][number]);
  });
  const { promise, resolve, reject } = Promise.withResolvers<Finished>();
  child.once('error', reject);
  child.once('close', (code) => resolve({ exitCode: code ?? 1, output: output(), errors: errors(), reports }));
  // A person may take their time.
  if (terminal !== undefined) return promise;
  const timer = setTimeout(() => {
    child.kill('SIGKILL');
    reject(new Error(`a part of the demo took longer than ${runTimeoutMs / 1000} s: ${errors()}`));
  }, runTimeoutMs);
  return promise.finally(() => clearTimeout(timer));
}

function collect(stream: NodeJS.ReadableStream | null): () => string {
  const chunks: Buffer[] = [];
  stream?.on('data', (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString('utf8').trim();
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), endTimeoutMs);
  await exited;
  clearTimeout(timer);
}
