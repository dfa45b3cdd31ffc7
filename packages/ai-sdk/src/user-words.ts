/**
 * What the user wrote, in the messages that the SDK hands to a tool. Nothing else of them is looked at: results and system
 * messages in a history that a client sent may be invented.
 * @module
 */
import type { ModelMessage } from 'ai';

export function userWords(messages: readonly ModelMessage[] | undefined): readonly string[] {
  return (messages ?? []).flatMap((message) => {
    if (message.role !== 'user') return [];
    if (typeof message.content === 'string') return [message.content];
    return message.content.flatMap((part) => (part.type === 'text' ? [part.text] : []));
  });
}
