/**
 * What the suite asks of a framework: to run one request of a conversation, from nothing but data, in any process.
 * The three harnesses do it with the framework's own loop and its own HTTP provider, unguarded with the framework's own
 * approval, or guarded.
 */
import type { InstallationData } from './installation.ts';
import type { ToolName } from './tools.ts';

export const frameworks = ['ai-sdk', 'openai-agents', 'langchain'] as const;
export type Framework = (typeof frameworks)[number];

export const columns = ['native', 'guarded'] as const;
export type Column = (typeof columns)[number];

export type Verdict = 'approve' | 'reject';

/** One answer for everything that waits, or one for each tool. */
export type Answer = Verdict | Readonly<Partial<Record<ToolName, Verdict>>>;

/** What somebody who can write the stored state makes of it. */
export type Forgery = 'other-arguments' | { readonly tool: ToolName; readonly id: string };

export interface Job {
  readonly framework: Framework;
  readonly guarded: boolean;
  /** Store, log of executions and checkpoints are in here. */
  readonly directory: string;
  readonly installation: InstallationData;
  readonly modelUrl: string;
  readonly mcpUrl: string;
  readonly tools: readonly ToolName[];
  /** `plain`: one agent. `sub-agent`: an agent that is a tool of another has the tools. `hand-off`: an agent handed off to has. */
  readonly shape: 'plain' | 'sub-agent' | 'hand-off';
  readonly stream: boolean;
  readonly user: string;
  /** What goes wrong while the policy, or the framework's own rule, is asked. */
  readonly fault?: 'throws' | 'hangs';
  /** Something between check and execution rewrites the amount of every call. */
  readonly rewriteTo?: number;
  readonly abortAfterMs?: number;
  readonly toolTimeoutMs?: number;
  /** For how long a body waits for another to run beside it. */
  readonly overlapMs?: number;
  readonly action:
    | { readonly kind: 'start' }
    | {
        readonly kind: 'resume';
        readonly state: string;
        readonly answer: Answer;
        /** How often the answer is given. */
        readonly times: number;
        /** From this very state, whatever happened since. */
        readonly replay: boolean;
        readonly forge?: Forgery;
      }
    /** Runs what was approved, as a worker. */
    | { readonly kind: 'work' }
    /** Lists the tools, as JSON of an `Inventory`, and then guards them. */
    | { readonly kind: 'inventory' };
}

export interface Report {
  /** The final text. Absent while the run waits, and when it failed. */
  readonly text?: string;
  /** What a person is asked to approve. */
  readonly waiting: readonly string[];
  /** What the framework stores while the run waits. */
  readonly state?: string;
  /** Name of what the framework threw. */
  readonly error?: string;
  /** The framework's and Countersign's own spans. */
  readonly spans: string;
}

export type Harness = (job: Job) => Promise<Report>;

export function answerFor(answer: Answer, tool: string): Verdict {
  return typeof answer === 'string' ? answer : (answer[tool as ToolName] ?? 'reject');
}

/** The name that says most: of the error itself, or of the reason that a wrapper carries. */
export function nameOfError(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const constructorName = error.constructor.name.replace(/^_+/, '');
  return error.name === 'Error' ? constructorName : error.name;
}

/** How a step ends that should not throw. */
export function failure(step: () => unknown): { error?: string } {
  try {
    step();
    return {};
  } catch (error) {
    return { error: nameOfError(error) };
  }
}
