/**
 * Shell, patch and computer tools: the SDK runs them through an executor of yours that is told neither the call nor its
 * id. The call is known from the event that the SDK emits just before, by the very object that the executor gets.
 * @module
 */
import { notPermitted, type Outcome } from '@countersign/core';
import {
  computerTool,
  type ApplyPatchTool,
  type Computer,
  type ComputerTool,
  type RunContext,
  type ShellTool,
} from '@openai/agents';
import { pausesFor, sentenceFor } from './answer.ts';
import { callOf, gateFor, type ToolSite } from './call-site.ts';

interface StartedCall {
  readonly context: RunContext<unknown>;
  readonly callId: string;
  /** Actions of a computer call that were begun. */
  actions: number;
}

/** Which call an action belongs to. */
export interface StartedCalls {
  started(context: RunContext<unknown>, toolCall: object): void;
  of(action: object): StartedCall | undefined;
  /** The computer call of a run that started last; the SDK runs them one after the other. */
  computer(context: RunContext<unknown>): StartedCall | undefined;
}

interface AnyToolCall {
  readonly type?: string;
  readonly callId?: string;
  readonly action?: object;
  readonly operation?: object;
}

export function createStartedCalls(): StartedCalls {
  const byAction = new WeakMap<object, StartedCall>();
  const computers = new WeakMap<object, StartedCall>();
  return {
    started(context, toolCall) {
      const { type, callId, action, operation } = toolCall as AnyToolCall;
      if (callId === undefined) return;
      const call: StartedCall = { context, callId, actions: 0 };
      if (type === 'computer_call') computers.set(context, call);
      for (const part of [action, operation]) if (part !== undefined) byAction.set(part, call);
    },
    of: (action) => byAction.get(action),
    computer: (context) => computers.get(context),
  };
}

type Ask = (context: RunContext<unknown>, action: unknown, callId: string) => Promise<boolean>;
type Body<Result> = (action: unknown) => Result | PromiseLike<Result>;

/** The gate's answer, or what the executor answered. */
async function through<Result>(
  site: ToolSite,
  call: StartedCall | undefined,
  action: unknown,
  callId: string,
  body: Body<Result>,
): Promise<Outcome<Result>> {
  const gate = await gateFor(site, call?.context, site.identity.name, callId);
  if (gate === undefined || call === undefined)
    return { status: 'denied', reason: 'principal_missing', message: notPermitted };
  return gate.execute(callOf(site, call.context, { callId, arguments: plain(action) }), body);
}

/** Actions are JSON of the model; members that are `undefined` are left out as they would be there. */
function plain(action: unknown): unknown {
  return JSON.parse(JSON.stringify(action)) as unknown;
}

function needsApproval(site: ToolSite, own: Ask, idOf = (callId: string, _action: object): string => callId): Ask {
  return async (context, action, callId) => {
    const asked = Boolean(await own(context, action, callId));
    const gate = await gateFor(site, context, site.identity.name, callId);
    if (gate === undefined) return false;
    const id = idOf(callId, action as object);
    const checked = await gate.check(callOf(site, context, { callId: id, arguments: plain(action) }), {
      pauses: asked,
    });
    return checked.decision.verdict !== 'deny' && (asked || pausesFor(site, id, checked));
  };
}

function resultOrThrow<Result>(outcome: Outcome<Result>): Result {
  if (outcome.status === 'completed') return outcome.result;
  throw outcome.status === 'failed' ? outcome.error : new Error(sentenceFor(outcome));
}

/** `onApproval` is dropped: code does not answer for a person. */
export function guardShellTool(site: ToolSite, original: ShellTool, calls: StartedCalls): ShellTool {
  const { onApproval: _, shell, ...rest } = original;
  if (shell === undefined) return original;
  return {
    ...rest,
    needsApproval: needsApproval(site, original.needsApproval as Ask) as ShellTool['needsApproval'],
    shell: {
      async run(action) {
        const call = calls.of(action);
        const outcome = await through(site, call, action, call?.callId ?? '', (copy) =>
          shell.run(copy as typeof action),
        );
        if (outcome.status === 'completed') return outcome.result;
        if (outcome.status === 'failed') throw outcome.error;
        return { output: [{ stdout: '', stderr: sentenceFor(outcome), outcome: { type: 'exit', exitCode: null } }] };
      },
    },
  } as ShellTool;
}

type Editor = ApplyPatchTool['editor'];

export function guardApplyPatchTool(site: ToolSite, original: ApplyPatchTool, calls: StartedCalls): ApplyPatchTool {
  const { onApproval: _, editor, ...rest } = original;
  const guard = <Method extends keyof Editor>(method: Method): Editor[Method] => {
    const guarded = async (operation: object, context: unknown): Promise<unknown> => {
      const call = calls.of(operation);
      const body = editor[method].bind(editor) as (operation: unknown, context: unknown) => Promise<object | void>;
      const outcome = await through(site, call, operation, call?.callId ?? '', (copy) => body(copy, context));
      if (outcome.status === 'completed') return outcome.result;
      if (outcome.status === 'failed') throw outcome.error;
      return { status: 'failed', output: sentenceFor(outcome) };
    };
    return guarded as unknown as Editor[Method];
  };
  return {
    ...rest,
    needsApproval: needsApproval(site, original.needsApproval as Ask) as ApplyPatchTool['needsApproval'],
    editor: { createFile: guard('createFile'), updateFile: guard('updateFile'), deleteFile: guard('deleteFile') },
  };
}

/** What each method of a computer is asked to do, as the model would have written it. */
const actionsOf = {
  click: (x: unknown, y: unknown, button: unknown) => ({ type: 'click', x, y, button }),
  doubleClick: (x: unknown, y: unknown) => ({ type: 'double_click', x, y }),
  drag: (path: unknown) => ({ type: 'drag', path: (path as [number, number][]).map(([x, y]) => ({ x, y })) }),
  keypress: (keys: unknown) => ({ type: 'keypress', keys }),
  move: (x: unknown, y: unknown) => ({ type: 'move', x, y }),
  scroll: (x: unknown, y: unknown, scrollX: unknown, scrollY: unknown) => ({
    type: 'scroll',
    x,
    y,
    scroll_x: scrollX,
    scroll_y: scrollY,
  }),
  type: (text: unknown) => ({ type: 'type', text }),
  wait: () => ({ type: 'wait' }),
} as const;

const argumentsOf: Readonly<Record<string, (action: Record<string, unknown>) => unknown[]>> = {
  click: ({ x, y, button }) => [x, y, button],
  double_click: ({ x, y }) => [x, y],
  drag: ({ path }) => [(path as { x: number; y: number }[]).map(({ x, y }) => [x, y])],
  keypress: ({ keys }) => [keys],
  move: ({ x, y }) => [x, y],
  scroll: (action) => [action['x'], action['y'], action['scroll_x'], action['scroll_y']],
  type: ({ text }) => [text],
  wait: () => [],
};

type AnyMethod = (...args: unknown[]) => unknown;

/** Every action is a call of its own. Taking the picture that the model is shown is not: it follows every action. */
export function guardComputerTool(site: ToolSite, original: ComputerTool, calls: StartedCalls): ComputerTool {
  const ids = new WeakMap<object, string>();
  const counts = new Map<string, number>();
  const own = original.needsApproval as unknown as Ask;
  const idOf = (callId: string, action: object): string => {
    const known = ids.get(action);
    if (known !== undefined) return known;
    const index = (counts.get(callId) ?? -1) + 1;
    counts.set(callId, index);
    ids.set(action, `${callId}:${index}`);
    return `${callId}:${index}`;
  };
  const wrap = (computer: Computer): Computer => guardComputer(site, computer, calls);
  return computerTool({
    name: original.name,
    ...(original.onSafetyCheck === undefined ? {} : { onSafetyCheck: original.onSafetyCheck }),
    needsApproval: needsApproval(site, own, idOf) as never,
    computer: guardInitializer(original.computer, wrap) as never,
  }) as unknown as ComputerTool;
}

function guardInitializer(computer: unknown, wrap: (computer: Computer) => Computer): unknown {
  if (typeof computer === 'function')
    return async (input: unknown) => wrap((await (computer as AnyMethod)(input)) as Computer);
  const provider = computer as { create?: AnyMethod; dispose?: AnyMethod };
  if (typeof provider.create !== 'function') return wrap(computer as Computer);
  return { ...provider, create: async (input: unknown) => wrap((await provider.create?.(input)) as Computer) };
}

function guardComputer(site: ToolSite, computer: Computer, calls: StartedCalls): Computer {
  return new Proxy(computer, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      const method = value as AnyMethod;
      const describe = Object.hasOwn(actionsOf, name)
        ? (actionsOf[name as keyof typeof actionsOf] as AnyMethod)
        : undefined;
      if (describe === undefined) return method.bind(target);
      return async (...args: unknown[]) => {
        const context = args.at(-1) as RunContext<unknown>;
        const call = typeof context === 'object' && context !== null ? calls.computer(context) : undefined;
        const callId = call === undefined ? '' : `${call.callId}:${call.actions++}`;
        const outcome = await through(site, call, describe(...args), callId, (copy) => {
          const action = copy as Record<string, unknown>;
          return method.apply(target, [...(argumentsOf[String(action['type'])]?.(action) ?? []), context]);
        });
        return resultOrThrow(outcome);
      };
    },
  });
}
