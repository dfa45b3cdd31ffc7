/** Tools for the tests. */
import { tool } from '@openai/agents';
import { z } from 'zod';

/** A tool that notes the arguments of every execution. */
export function recording(name: string, ran: unknown[], more: object = {}) {
  return tool({
    name,
    description: `The tool ${name}`,
    parameters: z.object({ amount: z.number() }),
    execute: (input) => {
      ran.push(input);
      return `${name} ran with ${input.amount}`;
    },
    ...more,
  });
}
