/**
 * Which tool this is: name, source, and a digest of what the model is told about it, so that a tool that changed after
 * it was approved is another tool.
 * @module
 */
import { createHash } from 'node:crypto';
import type { ToolIdentity } from '@countersign/core';
import { toJsonSchema } from '@langchain/core/utils/json_schema';
import type { ToolWithBody } from './tool-kind.ts';

/** Reads the schema on the first call only: lazy schemas stay lazy until the tool is used. */
export function identifyTool(tool: ToolWithBody, source: string): () => ToolIdentity {
  let known: ToolIdentity | undefined;
  return () => {
    known ??= identityOf(tool, source);
    return known;
  };
}

function identityOf(tool: ToolWithBody, source: string): ToolIdentity {
  const { name, description } = tool;
  const schema = jsonSchemaOf(tool.schema);
  if (schema === undefined) return { name, source };
  const text = JSON.stringify(['countersign/langchain/tool/1', description, schema], sortMembers);
  return { name, source, schemaDigest: createHash('sha256').update(text).digest('base64url') };
}

/** MCP servers may list the members of a schema in another order every time. */
function sortMembers(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)));
}

/** `undefined` where a schema has no JSON form. */
function jsonSchemaOf(schema: unknown): unknown {
  try {
    return toJsonSchema(schema as Parameters<typeof toJsonSchema>[0]);
  } catch {
    return undefined;
  }
}
