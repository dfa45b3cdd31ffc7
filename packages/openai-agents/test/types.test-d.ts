/** Types in, types out: checked by the compiler. */
import { Agent, Runner } from '@openai/agents';
import { RealtimeAgent } from '@openai/agents/realtime';
import { SandboxAgent } from '@openai/agents/sandbox';
import { z } from 'zod';
import { guardAgent, resumeRunState } from '../src/index.ts';

interface Context {
  readonly user: string;
}

const typed = guardAgent(
  new Agent<Context, z.ZodObject<{ total: z.ZodNumber }>>({ name: 'A', outputType: z.object({ total: z.number() }) }),
  (call) => {
    const user: string = call.context.user;
    void user;
    // @ts-expect-error the resolver sees no arguments
    void call.arguments;
    return undefined;
  },
);

export async function outputs(): Promise<number | undefined> {
  const result = await new Runner().run(typed, 'go', { context: { user: 'alice' } });
  return result.finalOutput?.total;
}

export const sandbox: SandboxAgent = guardAgent(new SandboxAgent({ name: 'S' }), () => undefined);
export const realtime: RealtimeAgent = guardAgent(new RealtimeAgent({ name: 'R' }), () => undefined);

export async function resumed(signed: string, key: Uint8Array): Promise<number | undefined> {
  // @ts-expect-error the context is of the agent's type
  await resumeRunState(typed, signed, { key, context: { user: 1 } });
  const state = await resumeRunState(typed, signed, { key, context: { user: 'alice' } });
  const result = await new Runner().run(typed, state);
  return result.finalOutput?.total;
}

// @ts-expect-error not an agent
guardAgent({ name: 'x' }, () => undefined);
