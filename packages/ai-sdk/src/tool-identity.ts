/**
 * Which tool this is: name, source, and a digest of what the model is told about it, so that a tool that changed after
 * it was approved is another tool.
 * @module
 */
import { createHash } from 'node:crypto';
import type { ToolIdentity } from '@countersign/core';
import { sourceOf, type AnyTool } from './tool-kind.ts';

/** Reads the schema on the first call only: lazy schemas stay lazy until the tool is used. */
export function identifyTool(name: string, tool: AnyTool): () => ToolIdentity {
  let known: ToolIdentity | undefined;
  return () => {
    known ??= identityOf(name, tool);
    return known;
  };
}

function identityOf(name: string, tool: AnyTool): ToolIdentity {
  const source = sourceOf(tool);
  const schema = jsonSchemaOf(tool.inputSchema);
  if (schema === undefined) return { name, source };
  // A description that is a function depends on the request; what it says cannot be part of an identity.
  const description = typeof tool.description === 'string' ? tool.description : null;
  const text = JSON.stringify(['countersign/ai-sdk/tool/1', description, schema], sortMembers);
  return { name, source, schemaDigest: createHash('sha256').update(text).digest('base64url') };
}

/** MCP servers may list the members of a schema in another order every time. */
function sortMembers(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)));
}

interface SchemaShape {
  readonly jsonSchema?: unknown;
  readonly '~standard'?: { readonly jsonSchema?: { input(options: { target: string }): unknown } };
  toJSONSchema?(options: { io: string }): unknown;
}

/** `undefined` where the schema has no JSON form, makes it asynchronously, or fails to. */
function jsonSchemaOf(schema: unknown): object | undefined {
  try {
    const shape = (typeof schema === 'function' && !('~standard' in schema) ? schema() : schema) as SchemaShape;
    const standard = shape['~standard']?.jsonSchema;
    const json =
      'jsonSchema' in shape
        ? shape.jsonSchema
        : (standard?.input({ target: 'draft-07' }) ?? shape.toJSONSchema?.({ io: 'input' }));
    return typeof json === 'object' && json !== null && !('then' in json) ? json : undefined;
  } catch {
    return undefined;
  }
}
