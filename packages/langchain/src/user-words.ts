/**
 * What the user wrote, in the messages of the state that a graph hands to a tool's task.
 * @module
 */
import { HumanMessage } from '@langchain/core/messages';
import { attemptOf } from './recorded-answers.ts';
import type { ToolConfig } from './tool-context.ts';

/** Messages that LangChain's own middleware put there, such as summaries, are left out. */
export function userWords(config: ToolConfig | undefined): readonly string[] {
  const input = attemptOf(config)?.currentTaskInput;
  if (typeof input !== 'object' || input === null) return [];
  const items: readonly unknown[] = Array.isArray(input) ? input : Object.values(input).flat();
  return items.flatMap((item) =>
    HumanMessage.isInstance(item) && item.additional_kwargs['lc_source'] === undefined ? [item.text] : [],
  );
}
