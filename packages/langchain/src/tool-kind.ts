/**
 * Which tools a gate can stand in front of, read from their structure: the ESM and CommonJS builds of LangChain have
 * different classes of the same name.
 * @module
 */
import type { RunnableToolLike } from '@langchain/core/runnables';
import type { ClientTool, ServerTool, StructuredToolInterface } from '@langchain/core/tools';

export type AnyTool = ClientTool | ServerTool;

/** `structured`: has a body here. `runnable`: made by `runnable.asTool()`. `server`: runs at the model's provider. */
export type ToolKind = 'structured' | 'runnable' | 'server';

/** Tools with a body: what `StructuredTool.call` runs after parsing. `func` is what the dynamic kinds call in it. */
export type ToolWithBody = StructuredToolInterface & {
  _call(args: unknown, runManager?: unknown, config?: unknown): unknown;
  readonly func?: unknown;
  readonly metadata?: Record<string, unknown>;
  readonly responseFormat?: string;
};

export function isStructured(tool: AnyTool): tool is ToolWithBody {
  return typeof (tool as { _call?: unknown })._call === 'function';
}

export function isRunnableTool(tool: AnyTool): tool is RunnableToolLike {
  const { lc_runnable: isRunnable, name, invoke, schema } = tool as Record<string, unknown>;
  return (
    isRunnable === true &&
    typeof name === 'string' &&
    typeof invoke === 'function' &&
    schema !== undefined &&
    !isStructured(tool)
  );
}

export function kindOf(tool: AnyTool): ToolKind {
  if (isStructured(tool)) return 'structured';
  return isRunnableTool(tool) ? 'runnable' : 'server';
}

/** How a tool of a provider is named in policies: its `type`, and for hosted MCP servers also their label. */
export function serverToolName(tool: AnyTool): string {
  const { type, name, server_label: label } = tool as Record<string, unknown>;
  const kind = typeof type === 'string' ? type : typeof name === 'string' ? name : 'unknown';
  return kind === 'mcp' && typeof label === 'string' ? `mcp:${label}` : kind;
}
