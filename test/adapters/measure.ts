/**
 * Runs one case on one framework, natively or guarded, and answers what was seen: in the log of executions, on the wire
 * to the model, in what the framework stored and traced.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Inventory } from '@countersign/core';
import { scriptedModel, type ScriptedModel } from '../support/scripted-model.ts';
import type { Case, Step } from './cases.ts';
import { harnessOf } from './harnesses.ts';
import type { Column, Framework, Job, Report } from './harness.ts';
import { conversation, newInstallation, openInstallation, type NewInstallation, type Person } from './installation.ts';
import { startMcpServer, type RunningMcpServer } from './mcp-server.ts';
import { otherProcess, type OtherProcess } from './other-process.ts';
import { canary, executionsIn, logOf } from './tools.ts';

export interface Seen {
  /** How often each `<tool> <amount>` was executed. */
  readonly executed: Readonly<Record<string, number>>;
  /** What people were asked to approve, `<tool> <amount>`. */
  readonly asked: readonly string[];
  /** Calls of the model, by id, that the model was given an answer to. */
  readonly answered: readonly string[];
  readonly error?: string;
  readonly text?: string;
  readonly waits: boolean;
  /** Where the secret was found. */
  readonly leaks: readonly string[];
  /** Tools that the model's provider was told to run by itself. */
  readonly offered: readonly string[];
}

export interface Bench {
  measure(theCase: Case, framework: Framework, column: Column): Promise<Seen>;
  /** What the ledger holds of each tool when the case was played behind the gate. */
  recorded(theCase: Case, framework: Framework): Promise<Readonly<Record<string, readonly string[]>>>;
  /** What the inbox of the run says of each asynchronous call in the end, to a process that took no part. */
  heard(theCase: Case, framework: Framework): Promise<Heard>;
  /** What the inventory says before anything runs, and how guarding the same tools ends. */
  inventory(framework: Framework, tools: Case['tools']): Promise<Listed>;
  close(): void;
}

export interface Heard extends Pick<Seen, 'executed' | 'answered' | 'text'> {
  /** `<tool> <status, or the reason of a denial>`, oldest first. */
  readonly inbox: readonly string[];
}

export interface Listed {
  readonly governed: readonly string[];
  readonly ungoverned: readonly string[];
  /** Name of what guarding threw. */
  readonly guarding: string | undefined;
}

/** What a run may take before it counts as hanging. */
const patienceMs = { hanging: 4_000, other: 60_000 } as const;

/** How long a body waits for one beside it. Natively there is one, so the wait ends early however slow the machine is. */
const overlapMs = { native: 30_000, guarded: 1_500 } as const;

export async function openBench(): Promise<Bench> {
  let log = '';
  const mcp = await startMcpServer(() => log);
  const processes = [otherProcess(), otherProcess()] as const;
  const withWorld = async <Result>(
    about: Omit<Setting, 'directory' | 'model' | 'mcp' | 'processes'>,
    task: (world: World) => Promise<Result>,
  ): Promise<Result> => {
    const directory = mkdtempSync(join(tmpdir(), 'countersign-conformance-'));
    log = logOf({ directory });
    const { turns } = about.theCase;
    const model = await scriptedModel(({ turn }) => turns[turn] ?? 'done');
    try {
      return await task(new World({ ...about, directory, model, mcp, processes }));
    } finally {
      await model.close();
      rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
    }
  };
  return {
    measure: (theCase, framework, column) =>
      withWorld({ theCase, framework, column }, async (world) => {
        await world.play();
        return world.seen();
      }),
    recorded: (theCase, framework) =>
      withWorld({ theCase, framework, column: 'guarded' }, async (world) => {
        await world.play();
        return world.recorded();
      }),
    heard: (theCase, framework) =>
      withWorld({ theCase, framework, column: 'guarded' }, async (world) => {
        await world.play();
        const { executed, answered, text } = await world.seen();
        return { inbox: await world.inbox(), executed, answered, ...(text === undefined ? {} : { text }) };
      }),
    inventory: (framework, tools) =>
      withWorld(
        {
          theCase: { id: 'inventory', title: '', turns: [], tools, steps: [], expect: { executed: {} } },
          framework,
          column: 'guarded',
        },
        (world) => world.inventory(),
      ),
    close() {
      mcp.close();
      for (const each of processes) each.close();
    },
  };
}

interface Setting {
  readonly theCase: Case;
  readonly framework: Framework;
  readonly column: Column;
  readonly directory: string;
  readonly model: ScriptedModel;
  readonly mcp: RunningMcpServer;
  readonly processes: readonly [OtherProcess, OtherProcess];
}

class World {
  readonly #setting: Setting;
  readonly #installation: NewInstallation;
  readonly #reports: Report[] = [];
  readonly #states: string[] = [];
  #ahead = 0;
  #spans = '';

  constructor(setting: Setting) {
    this.#setting = setting;
    const store = join(setting.directory, 'store');
    mkdirSync(store);
    this.#installation = newInstallation(store);
  }

  async play(): Promise<void> {
    for (const step of this.#setting.theCase.steps) await this.#take(step);
  }

  async #take(step: Step): Promise<void> {
    switch (step.do) {
      case 'start':
        return this.#start(step);
      case 'vote':
        return this.#vote(step);
      case 'resume':
        return this.#resume(step);
      case 'work':
        return step.killed === true ? this.#workAndDie() : this.#work(step);
      case 'wait':
        this.#ahead += step.hours * 3_600_000;
    }
  }

  async #work({ elsewhere }: Extract<Step, { do: 'work' }>): Promise<void> {
    this.#keep(await this.#run(this.#job({ kind: 'work' }), elsewhere === true ? 1 : undefined));
  }

  async #workAndDie(): Promise<void> {
    const [, worker] = this.#setting.processes;
    const before = executionsIn(logOf(this.#setting)).length;
    // Alone, so that its body waits for another one as long as it may.
    const working = worker.run({ ...this.#job({ kind: 'work' }), overlapMs: patienceMs.other });
    const died = working.then(
      () => expectKilled(),
      () => undefined,
    );
    while (executionsIn(logOf(this.#setting)).length === before) await sleep(20);
    await worker.kill();
    await died;
  }

  async #start(step: Extract<Step, { do: 'start' }>): Promise<void> {
    const running = this.#run(this.#job({ kind: 'start' }), step.elsewhere === true ? 0 : undefined);
    if (step.vote === undefined) return this.#keep(await running);
    let ended = false;
    const report = running.finally(() => {
      ended = true;
    });
    while (!ended) {
      await sleep(100);
      await this.#vote({ do: 'vote', verdict: step.vote });
    }
    this.#keep(await report);
  }

  async #vote({ verdict, tool }: Extract<Step, { do: 'vote' }>): Promise<void> {
    if (this.#setting.column === 'guarded') await this.#withPerson((person) => person.vote(verdict, tool));
  }

  async #withPerson<Result>(task: (person: Person) => Promise<Result>): Promise<Result> {
    const person = this.#installation.person({ ahead: this.#ahead });
    try {
      return await task(person);
    } finally {
      await person.close();
    }
  }

  async #resume(step: Extract<Step, { do: 'resume' }>): Promise<void> {
    const state = step.replay === true ? this.#states[0] : this.#waiting();
    if (state === undefined) return;
    const job = this.#job(
      {
        kind: 'resume',
        state,
        answer: step.answer,
        times: step.times ?? 1,
        replay: step.replay === true,
        ...(step.forge === undefined ? {} : { forge: step.forge }),
      },
      step.user,
    );
    if (step.together !== true) return this.#keep(await this.#run(job, step.elsewhere === true ? 1 : undefined));
    const racing = { ...job, overlapMs: overlapMs[this.#setting.column] };
    for (const report of await Promise.all([this.#run(racing, 0), this.#run(racing, 1)])) this.#keep(report);
  }

  /** The state of the run as it was stored last, if it still waits. */
  #waiting(): string | undefined {
    return this.#reports.at(-1)?.state;
  }

  #job(action: Job['action'], user = 'alice'): Job {
    const { theCase, framework, column, directory, model, mcp } = this.#setting;
    const { tools, shape = 'plain', stream = false, more = {} } = theCase;
    const installation = { ...this.#installation.data, ahead: this.#ahead };
    return {
      framework,
      guarded: column === 'guarded',
      directory,
      installation,
      modelUrl: model.url,
      mcpUrl: mcp.url,
      tools,
      shape,
      stream,
      user,
      ...more,
      action,
    };
  }

  async #run(job: Job, elsewhere?: 0 | 1): Promise<Report> {
    const { column, processes } = this.#setting;
    if (elsewhere !== undefined) return processes[elsewhere].run(job);
    const hanging = new AbortController();
    const harness = await harnessOf(job.framework);
    const given = sleep(
      patienceMs[job.fault === 'hangs' && column === 'native' ? 'hanging' : 'other'],
      { waiting: [], error: 'hangs', spans: '' },
      { signal: hanging.signal },
    );
    const report = await Promise.race([harness(job), given]);
    hanging.abort();
    await given.catch(() => undefined);
    return report;
  }

  #keep(report: Report): void {
    this.#reports.push(report);
    if (report.state !== undefined) this.#states.push(report.state);
    this.#spans += report.spans;
  }

  async inventory(): Promise<Listed> {
    const { text = '{}', error } = await this.#run(this.#job({ kind: 'inventory' }));
    const { governed, ungoverned } = JSON.parse(text) as Inventory;
    return { governed, ungoverned, guarding: error };
  }

  async inbox(): Promise<readonly string[]> {
    const { countersign, close } = await openInstallation(this.#job({ kind: 'work' }));
    try {
      const entries = await countersign.inbox({ tenant: 'acme', user: 'alice', run: conversation });
      return entries.map(({ tool, outcome }) => `${tool} ${'reason' in outcome ? outcome.reason : outcome.status}`);
    } finally {
      await close();
    }
  }

  recorded(): Promise<Readonly<Record<string, readonly string[]>>> {
    return this.#installation.recorded();
  }

  async seen(): Promise<Seen> {
    const { directory, model, column } = this.#setting;
    const executed: Record<string, number> = {};
    for (const line of executionsIn(logOf({ directory }))) executed[line] = (executed[line] ?? 0) + 1;
    const last = this.#reports.findLast(({ text, state }) => text !== undefined || state !== undefined);
    const error = this.#reports.find((report) => report.error !== undefined)?.error;
    return {
      executed,
      asked:
        column === 'guarded'
          ? await this.#withPerson((person) => person.asked())
          : this.#reports.flatMap(({ waiting }) => waiting),
      answered: answeredIn(model),
      waits: last?.state !== undefined,
      leaks: this.#leaks(),
      offered: offeredIn(model),
      ...(error === undefined ? {} : { error }),
      ...(last?.text === undefined ? {} : { text: last.text }),
    };
  }

  #leaks(): string[] {
    const { directory, model } = this.#setting;
    const places: [string, string][] = [
      ['messages', model.seen()],
      ['state', [...this.#states, textsIn(directory, (name) => name.startsWith('checkpoints'))].join('\n')],
      ['spans', this.#spans],
      ['ledger', textsIn(join(directory, 'store'))],
    ];
    return places.filter(([, text]) => text.includes(canary)).map(([place]) => place);
  }
}

function textsIn(directory: string, wanted: (name: string) => boolean = () => true): string {
  const files = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isFile() && wanted(entry.name));
  return files.map(({ name }) => readFileSync(join(directory, name), 'latin1')).join('\n');
}

interface WireBody {
  readonly input?: readonly { readonly type?: string; readonly call_id?: string }[];
  readonly tools?: readonly { readonly type?: string }[];
}

function bodiesOf(model: ScriptedModel): WireBody[] {
  return model.requests().map(({ body }) => JSON.parse(body) as WireBody);
}

function answeredIn(model: ScriptedModel): string[] {
  const items = bodiesOf(model).flatMap(({ input }) => (Array.isArray(input) ? input : []));
  return [...new Set(items.filter(({ type }) => type === 'function_call_output').map(({ call_id }) => call_id ?? ''))];
}

function offeredIn(model: ScriptedModel): string[] {
  const tools = bodiesOf(model).flatMap((body) => body.tools ?? []);
  return [...new Set(tools.map(({ type }) => type ?? '').filter((type) => type !== 'function'))];
}

function expectKilled(): never {
  throw new Error('the worker ended by itself before it was killed');
}
