/** A realtime session asks the same methods of its agent. */
import { setTracingDisabled } from '@openai/agents';
import { RealtimeAgent, RealtimeSession } from '@openai/agents/realtime';
import { ScriptedRealtimeTransport } from '@openai/agents/realtime/testing';
import { describe, expect, test } from 'vitest';
import { verifies } from '../../../test/verifies.ts';
import { guardAgent } from '../src/index.ts';
import { fixture, recording, type Fixture } from './support/fixture.ts';

setTracingDisabled(true);

interface Session {
  readonly outputs: Record<string, string>;
  readonly asked: string[];
  call(name: string, args: string, callId: string): Promise<void>;
  readonly session: RealtimeSession;
}

async function open(f: Fixture | undefined, ran: unknown[], names: readonly string[]): Promise<Session> {
  const agent = new RealtimeAgent({ name: 'R', tools: names.map((name) => recording(name, ran)) as never });
  if (f !== undefined) guardAgent(agent, f.gate);
  const transport = new ScriptedRealtimeTransport();
  const session = new RealtimeSession(agent, { transport, tracingDisabled: true });
  const asked: string[] = [];
  session.on('tool_approval_requested', (_context, _agent, request) => {
    asked.push(request.type);
    pending.push(request.approvalItem as never);
  });
  session.on('error', () => undefined);
  await session.connect({ apiKey: 'k' });
  const outputs: Record<string, string> = {};
  const settle = async (): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, 60));
    for (const each of transport.calls) {
      const { method, toolCall, output } = each as { method: string; toolCall?: { callId: string }; output?: string };
      if (method === 'sendFunctionCallOutput' && toolCall !== undefined) outputs[toolCall.callId] = output ?? '';
    }
  };
  return {
    outputs,
    asked,
    session,
    async call(name, args, callId) {
      transport.emit('function_call', { type: 'function_call', name, callId, arguments: args, responseId: 'r' });
      await settle();
    },
  };
}

const pending: never[] = [];

describe('a realtime session', () => {
  verifies('ADP-2', 'runs what is allowed, answers what is denied; natively both run', async () => {
    for (const f of [undefined, fixture()]) {
      const ran: unknown[] = [];
      const session = await open(f, ran, ['pay']);
      await session.call('pay', '{"amount":5}', 'c1');
      await session.call('pay', '{"amount":5000}', 'c2');
      expect(ran).toEqual(f === undefined ? [{ amount: 5 }, { amount: 5000 }] : [{ amount: 5 }]);
      if (f !== undefined) expect(session.outputs['c2']).toContain('not permitted');
    }
  });

  verifies('ADP-2', 'pauses for a blocking review and runs it once after a signed vote', async () => {
    const f = fixture();
    const ran: unknown[] = [];
    const session = await open(f, ran, ['deploy']);
    pending.length = 0;
    await session.call('deploy', '{"amount":5}', 'c1');
    expect([session.asked, ran]).toEqual([['function_approval'], []]);
    await f.decide('approve');
    await session.session.approve(pending[0] as never);
    await expect.poll(() => ran).toEqual([{ amount: 5 }]);
  });

  test('approved in the session alone, it does not run', async () => {
    const f = fixture();
    const ran: unknown[] = [];
    const session = await open(f, ran, ['deploy']);
    pending.length = 0;
    await session.call('deploy', '{"amount":5}', 'c1');
    await session.session.approve(pending[0] as never);
    await session.call('deploy', '{bad', 'c2');
    expect(ran).toEqual([]);
  });

  verifies('REL-4', 'malformed arguments ask nobody and run nothing', async () => {
    const ran: unknown[] = [];
    const session = await open(fixture(), ran, ['deploy']);
    for (const [index, args] of ['{bad', '[1]', '{"amount":"x"}', '{bad'].entries())
      await session.call('deploy', args, `c${index}`);
    expect([session.asked, ran]).toEqual([[], []]);
  });

  test('offers only what the principal may use', async () => {
    const session = await open(fixture(), [], ['vault']);
    await session.call('vault', '{"amount":1}', 'c1');
    expect(session.outputs).toEqual({ c1: 'Tool vault not found' });
  });
});
