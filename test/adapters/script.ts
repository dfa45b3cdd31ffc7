/** Short forms for the scripts of cases. */
import type { ScriptedCall, ScriptedReply } from '../support/scripted-model.ts';
import type { Step } from './cases.ts';

/** A call of a tool with an amount, or with arguments as they come over the wire. */
export function call(name: string, amount: number | string | object = 1, id = 'c1'): ScriptedCall {
  return { name, id, args: typeof amount === 'number' ? { amount } : amount };
}

export function calls(...made: readonly ScriptedCall[]): ScriptedReply {
  return { calls: made };
}

export const start: Step = { do: 'start' };
export const approve: Step = { do: 'vote', verdict: 'approve' };
export const reject: Step = { do: 'vote', verdict: 'reject' };
export const resume: Step = { do: 'resume', answer: 'approve' };
