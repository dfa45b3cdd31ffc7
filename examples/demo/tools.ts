/**
 * The tools of the demo, in no framework: each asks the operations service, with the lease of its own call.
 */
import { currentLease } from '@countersign/core';
import { z } from 'zod';

export interface DemoTool {
  readonly description: string;
  readonly schema: z.ZodObject;
  readonly run: (args: object) => Promise<unknown>;
}

export function demoTools(serviceUrl: string): Readonly<Record<string, DemoTool>> {
  const operation = (path: string) => async (args: object) => {
    const token = currentLease('operations').secret.reveal();
    const response = await fetch(`${serviceUrl}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(args),
      signal: AbortSignal.timeout(10_000),
    });
    if (!response.ok) throw new Error(`the operations service answered ${response.status}`);
    return response.json();
  };
  return {
    tickets_read: {
      description: 'Reads a support ticket.',
      schema: z.object({ ticket: z.number().int() }),
      run: operation('/tickets/read'),
    },
    tickets_comment: {
      description: 'Adds a comment that the customer sees.',
      schema: z.object({ ticket: z.number().int(), text: z.string() }),
      run: operation('/tickets/comment'),
    },
    customers_delete: {
      description: 'Deletes customers for good.',
      schema: z.object({ customer: z.string() }),
      run: operation('/customers/delete'),
    },
    deploy_production: {
      description: 'Deploys a version of a service to production.',
      schema: z.object({ service: z.string(), version: z.string() }),
      run: operation('/deployments/create'),
    },
  };
}
