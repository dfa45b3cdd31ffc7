/** Tools that write down that they ran, and a model that asks for them. */
import { BaseChatModel } from '@langchain/core/language_models/chat_models';
import { AIMessage, ToolMessage, type BaseMessage } from '@langchain/core/messages';
import { tool, type DynamicStructuredTool } from '@langchain/core/tools';
import type { ChatResult } from '@langchain/core/outputs';
import { z } from 'zod';

export interface ScriptedCall {
  readonly name: string;
  readonly args?: Record<string, unknown>;
  readonly id?: string | undefined;
}

type Script = (messages: readonly BaseMessage[], turn: number) => readonly ScriptedCall[] | string;

/** Answers from a function of the messages, so that a resumed or forked run gets the same answers. */
export class ScriptedChat extends BaseChatModel {
  readonly offered: string[][] = [];
  readonly #script: Script;

  constructor(script: Script | readonly ScriptedCall[]) {
    super({});
    this.#script =
      typeof script === 'function' ? script : (messages) => (messages.some(isToolMessage) ? 'done' : script);
  }

  override _llmType(): string {
    return 'scripted';
  }

  override bindTools(tools: readonly unknown[]): this {
    this.offered.push(
      tools.map((each) => String((each as { name?: string; type?: string }).name ?? (each as { type?: string }).type)),
    );
    return this;
  }

  override async _generate(messages: BaseMessage[]): Promise<ChatResult> {
    const turn = messages.filter((message) => AIMessage.isInstance(message)).length;
    const reply = this.#script(messages, turn);
    const message =
      typeof reply === 'string'
        ? new AIMessage(reply)
        : new AIMessage({
            content: '',
            tool_calls: reply.map(({ name, args = {}, id }, index) => ({
              name,
              args,
              type: 'tool_call' as const,
              ...(id === '' ? {} : { id: id ?? `c_${turn}_${index}` }),
            })),
          });
    return { generations: [{ text: message.text, message }] };
  }
}

function isToolMessage(message: BaseMessage): boolean {
  return ToolMessage.isInstance(message);
}

export interface Toolbox {
  /** `name:argument` of every run of a body. */
  readonly runs: string[];
  readonly tools: Readonly<Record<string, DynamicStructuredTool>>;
  list(...names: string[]): DynamicStructuredTool[];
}

export function toolbox(body: (name: string, x: number) => unknown = (name, x) => `${name} ${x} ok`): Toolbox {
  const runs: string[] = [];
  const make = (name: string): DynamicStructuredTool =>
    tool(
      async ({ x }: { x: number }) => {
        runs.push(`${name}:${x}`);
        return body(name, x);
      },
      { name, description: `Does ${name}`, schema: z.object({ x: z.number() }) },
    ) as unknown as DynamicStructuredTool;
  const names = ['read', 'note', 'send', 'wipe', 'nuke', 'bounded', 'leased', 'task', 'again', 'unmapped', 'echo'];
  const tools = Object.fromEntries(names.map((name) => [name, make(name)]));
  return { runs, tools, list: (...wanted) => wanted.map((name) => tools[name] as DynamicStructuredTool) };
}

/** `id status content` of every tool message. */
export function results(state: { readonly messages: readonly BaseMessage[] }): string[] {
  return state.messages
    .filter((message) => ToolMessage.isInstance(message))
    .map((message) => `${message.tool_call_id} ${message.status ?? 'success'} ${message.text}`);
}

export interface Interrupted {
  readonly __interrupt__?: readonly { readonly id?: string; readonly value?: unknown }[];
}

export function interrupts(state: object): readonly { readonly id: string; readonly value: Record<string, unknown> }[] {
  return ((state as Interrupted).__interrupt__ ?? []) as never;
}
