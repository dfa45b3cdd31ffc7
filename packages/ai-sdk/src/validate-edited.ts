/**
 * Arguments that an approver edited, against the schema that the SDK holds a model's against.
 * @module
 */
import { ArgumentsError } from '@countersign/core';
import { asSchema } from 'ai';
import type { AnyTool } from './tool-kind.ts';

/** What runs is the approver's own text: a schema that would turn it into something else only looks at it here. */
export function validateEdited({ inputSchema }: AnyTool): (args: unknown) => Promise<void> {
  return async (args) => {
    const { validate } = asSchema(inputSchema as Parameters<typeof asSchema>[0]);
    if (validate === undefined) throw new ArgumentsError('the schema of this tool checks nothing');
    const result = await validate(args);
    if (!result.success)
      throw new ArgumentsError('the schema of this tool does not permit them', { cause: result.error });
  };
}
