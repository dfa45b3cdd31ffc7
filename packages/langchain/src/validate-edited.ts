/**
 * Arguments that an approver edited, against the schema that LangChain holds a model's against.
 * @module
 */
import { ArgumentsError } from '@countersign/core';
import { Validator, type JSONSchema } from '@langchain/core/utils/json_schema';
import { interopSafeParseAsync, isInteropZodSchema } from '@langchain/core/utils/types';
import type { ToolWithBody } from './tool-kind.ts';

/** What runs is the approver's own text: a schema that would turn it into something else only looks at it here. */
export function validateEdited({ schema }: ToolWithBody): (args: unknown) => Promise<void> {
  return async (args) => {
    const fits = isInteropZodSchema(schema)
      ? (await interopSafeParseAsync(schema, args)).success
      : new Validator(schema as JSONSchema).validate(args).valid;
    if (!fits) throw new ArgumentsError('the schema of this tool does not permit them');
  };
}
