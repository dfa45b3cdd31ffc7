/**
 * How results of LangChain tools are kept: plain data, messages and graph commands. Anything else is not kept, and then
 * asking again answers `unknown`.
 * @module
 */
import { plainCodec, type ResultCodec } from '@countersign/core';
import {
  BaseMessage,
  mapChatMessagesToStoredMessages,
  mapStoredMessagesToChatMessages,
  type StoredMessage,
} from '@langchain/core/messages';
import { Command, isCommand, Send } from '@langchain/langgraph';

const tag = '\u0001countersign/langchain';

type CommandFields = ConstructorParameters<typeof Command>[0];

export const resultCodec: ResultCodec<unknown> = {
  encode: (result) => plainCodec.encode(pack(result)),
  decode: (text) => unpack(plainCodec.decode(text)),
};

function pack(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (BaseMessage.isInstance(value))
    return { [tag]: 'message', value: pack({ ...mapChatMessagesToStoredMessages([value])[0] }) };
  if (isCommand(value)) {
    const { graph, update, resume, goto } = value;
    return { [tag]: 'command', value: pack(withoutUndefined({ graph, update, resume, goto })) };
  }
  if (value instanceof Send)
    return { [tag]: 'send', value: pack(withoutUndefined({ node: value.node, args: value.args })) };
  if (Array.isArray(value)) return value.map(pack);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  if (Object.hasOwn(value, tag)) throw new TypeError(`a result with the member ${JSON.stringify(tag)} is not kept`);
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, pack(member)]));
}

function unpack(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(unpack);
  if (typeof value !== 'object' || value === null || value instanceof Date || value instanceof URL) return value;
  const kind: unknown = (value as Record<string, unknown>)[tag];
  const fields = Object.fromEntries(
    Object.entries(kind === undefined ? value : (value as { value: object }).value).map(([key, member]) => [
      key,
      unpack(member),
    ]),
  );
  switch (kind) {
    case undefined:
      return fields;
    case 'message':
      return mapStoredMessagesToChatMessages([fields as unknown as StoredMessage])[0];
    case 'command':
      return new Command(fields as CommandFields);
    case 'send':
      return new Send(String(fields['node']), fields['args']);
    default:
      throw new TypeError('a kept result of an unknown kind');
  }
}

function withoutUndefined(fields: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
