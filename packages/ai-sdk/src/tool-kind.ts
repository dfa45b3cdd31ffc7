/**
 * Which tools a gate can stand in front of, read from their structure: no class of the SDK is asked, so that tools of
 * another copy or version of `ai` are understood too.
 * @module
 */
import type { ToolSet } from 'ai';

/** A tool of any kind. */
export type AnyTool = ToolSet[string];

/** `executable`: here, whatever else the tool says of itself. `provider`: executed by the model's provider. `client`: executed by whoever reads the stream. */
export type ToolKind = 'executable' | 'provider' | 'client';

/** What the adapter reads of a tool. Wider than the SDK's type: earlier versions write some members differently. */
interface ToolShape {
  readonly type?: string | undefined;
  readonly id?: string | undefined;
  readonly execute?: unknown;
  readonly metadata?: { readonly clientName?: unknown } | undefined;
}

const providerTypes: readonly (string | undefined)[] = ['provider', 'provider-defined'];

export function kindOf(tool: AnyTool): ToolKind {
  const shape: ToolShape = tool;
  // A body here can be run here, also where the tool says that its provider runs it: the SDK asks the model's call.
  if (typeof shape.execute === 'function') return 'executable';
  return providerTypes.includes(shape.type) ? 'provider' : 'client';
}

/** Where a tool comes from, as policies name it: `local`, `mcp:<client>`, `provider-defined:<id>`, `provider:<id>`. */
export function sourceOf(tool: AnyTool): string {
  const shape: ToolShape = tool;
  if (providerTypes.includes(shape.type))
    return `${kindOf(tool) === 'provider' ? 'provider' : 'provider-defined'}:${shape.id ?? ''}`;
  const client = shape.metadata?.clientName;
  return typeof client === 'string' && client !== '' ? `mcp:${client}` : 'local';
}

const reasons: Readonly<Record<ToolKind, string | undefined>> = {
  executable: undefined,
  provider: 'runs at the model provider: no gate can stand in front of it',
  client: 'has no execute function: it runs in the client, where no gate can stand in front of it',
};

/** Why no gate can stand in front of a tool, where that is so. */
export function whyUngovernable(tool: AnyTool): string | undefined {
  return isToolSearch(tool)
    ? 'names deferred tools of the same set; the SDK replaces its execute function'
    : reasons[kindOf(tool)];
}

/** `toolSearch()` of the SDK, which replaces its own `execute` on every step. It only names tools of the same set. */
export function isToolSearch(tool: object): boolean {
  return (tool as { [searchMark]?: unknown })[searchMark] === true;
}

const searchMark: unique symbol = Symbol.for('vercel.ai.toolSearch') as never;
