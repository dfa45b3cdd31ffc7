/** The cases of the contract suite: what the model does, what people and processes do, and what may come of it. */
import type { ScriptedReply } from '../support/scripted-model.ts';
import { approvalCases, pauseCases } from './approval-cases.ts';
import { callCases } from './call-cases.ts';
import type { Answer, Forgery, Job, Verdict } from './harness.ts';
import { inputCases } from './input-cases.ts';
import { pathCases, pathPauseCases } from './path-cases.ts';
import type { ToolName } from './tools.ts';

/** What happens, in order. A resume of a run that does not wait is left out. */
export type Step =
  /** The user asks. `vote`: meanwhile somebody decides on what waits, for frameworks that wait inside the run. */
  | { readonly do: 'start'; readonly elsewhere?: boolean; readonly vote?: Verdict }
  /** A person decides at the approvals service. Natively there is none: whoever resumes says what was decided. */
  | { readonly do: 'vote'; readonly verdict: Verdict; readonly tool?: ToolName }
  | {
      readonly do: 'resume';
      readonly answer: Answer;
      /** In another process. */
      readonly elsewhere?: boolean;
      /** In two other processes at once. */
      readonly together?: boolean;
      /** From the state that was stored first, whatever happened since. */
      readonly replay?: boolean;
      readonly times?: number;
      readonly user?: string;
      readonly forge?: Forgery;
    }
  /** A worker runs what was approved. `killed`: in a process that is killed (-9) while the body runs. */
  | { readonly do: 'work'; readonly elsewhere?: boolean; readonly killed?: boolean }
  | { readonly do: 'wait'; readonly hours: number };

export interface Expectation {
  /** How often each `<tool> <amount>` runs. What is not named must not run. */
  readonly executed: Readonly<Record<string, number | 'at most once'>>;
  readonly onceInAll?: boolean;
  readonly onlyWhatWasAsked?: boolean;
  /** Call ids that the model must get an answer to. */
  readonly answered?: readonly string[];
  /** Prompts that people get. */
  readonly asks?: number;
  /** `done` (default): with the model's last word. `done or waiting`: it may wait (again). `anyhow`: a typed error is as good. */
  readonly ends?: 'done' | 'done or waiting' | 'anyhow';
  /** How often it runs without a gate depends on who is faster. */
  readonly races?: boolean;
}

export interface Case {
  readonly id: string;
  readonly title: string;
  /** What the model answers, request by request. After that it says `done`. */
  readonly turns: readonly ScriptedReply[];
  readonly tools: readonly ToolName[];
  readonly shape?: Job['shape'];
  readonly stream?: boolean;
  readonly more?: Partial<Pick<Job, 'fault' | 'rewriteTo' | 'abortAfterMs' | 'toolTimeoutMs'>>;
  readonly steps: readonly Step[];
  readonly expect: Expectation;
}

export const cases: readonly Case[] = [
  ...callCases,
  ...pauseCases,
  ...approvalCases,
  ...pathCases,
  ...pathPauseCases,
  ...inputCases,
];
