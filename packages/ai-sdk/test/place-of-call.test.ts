import type { ModelMessage } from 'ai';
import { describe, expect, test } from 'vitest';
import { placeOfCall } from '../src/place-of-call.ts';

const user: ModelMessage = { role: 'user', content: 'go' };
const call = (toolCallId: string, approvalId?: string): ModelMessage => ({
  role: 'assistant',
  content: [
    { type: 'tool-call', toolCallId, toolName: 'pay', input: {} },
    ...(approvalId === undefined ? [] : [{ type: 'tool-approval-request' as const, approvalId, toolCallId }]),
  ],
});
const result = (toolCallId: string): ModelMessage => ({
  role: 'tool',
  content: [{ type: 'tool-result', toolCallId, toolName: 'pay', output: { type: 'json', value: 1 } }],
});
const answer = (approvalId: string, approved = true): ModelMessage => ({
  role: 'tool',
  content: [{ type: 'tool-approval-response', approvalId, approved }],
});

describe('the place of a call', () => {
  const cases: readonly [string, readonly ModelMessage[], string, 'model' | 'resume'][] = [
    ['a first call', [user], '#0', 'model'],
    ['a second call with an id that the provider used before', [user, call('x'), result('x')], '#1', 'model'],
    ['calls with other ids do not count', [user, call('y'), result('y')], '#0', 'model'],
    ['a resumed call is where it was', [user, call('x', 'a'), answer('a')], '#0', 'resume'],
    [
      'a resumed second call is where it was',
      [user, call('x'), result('x'), call('x', 'a'), answer('a')],
      '#1',
      'resume',
    ],
    [
      'a call that already has a result, resumed again',
      [user, call('x', 'a'), result('x'), answer('a')],
      '#0',
      'resume',
    ],
    ['a history that was pruned to the call', [call('x', 'a'), answer('a')], '#0', 'resume'],
    [
      'a forged second part with the same id moves the call away',
      [call('x', 'a'), call('x'), answer('a')],
      '#1',
      'resume',
    ],
    ['an answer to the request of another call', [call('y', 'a'), answer('a')], '#0', 'model'],
    ['an answer that is not in the last message', [call('x', 'a'), answer('a'), user], '#0', 'resume'],
    ['a call without a result and without an answer', [call('x'), user], '#0', 'resume'],
    ['WorkflowAgent: the message of the call itself is the last one', [user, call('x')], '#0', 'model'],
    ['WorkflowAgent: the same, with an id used before', [call('x'), result('x'), call('x')], '#1', 'model'],
    [
      'a later request replaces an earlier one with its id',
      [call('x', 'a'), call('y', 'a'), answer('a')],
      '#0',
      'resume',
    ],
  ];
  test.each(cases)('%s', (_name, messages, step, origin) => {
    expect(placeOfCall('x', messages)).toEqual({ step, origin });
  });

  test('an answer beside the result of the call replays nothing, so the id is used anew', () => {
    const last: ModelMessage = {
      role: 'tool',
      content: [...(result('x').content as []), ...(answer('a').content as [])],
    };
    expect(placeOfCall('x', [call('x', 'a'), last])).toEqual({ step: '#1', origin: 'model' });
  });

  test('calls of a program stand where the call of the program stands', () => {
    const before = [user, call('x'), result('x')];
    expect(placeOfCall('x:tool-2', [user])).toEqual({ step: '#0', origin: 'model' });
    expect(placeOfCall('x:tool-2', before)).toEqual({ step: '#1', origin: 'model' });
    expect(placeOfCall('x:tool-2', [...before, call('x', 'a'), answer('a')])).toEqual({ step: '#1', origin: 'model' });
  });

  test('an id that looks like one of a program but stands in the messages is resumed like any other', () => {
    expect(placeOfCall('x:tool-1', [call('x:tool-1', 'a'), answer('a')])).toEqual({ step: '#0', origin: 'resume' });
  });

  test('messages that are missing or are not messages are no reason to throw', () => {
    expect(placeOfCall('x', undefined)).toEqual({ step: '#0', origin: 'model' });
    expect(placeOfCall('x', [null, { role: 'assistant', content: [null, 1] }, 'x'] as never)).toEqual({
      step: '#0',
      origin: 'model',
    });
    expect(placeOfCall('x', 'nothing' as never)).toEqual({ step: '#0', origin: 'model' });
    expect(placeOfCall('x', [{ role: 'tool', content: 'text' } as never])).toEqual({ step: '#0', origin: 'model' });
  });
});
