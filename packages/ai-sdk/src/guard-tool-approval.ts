/**
 * A request's own `toolApproval` in front of guarded tools. The SDK asks it in place of the tools' `needsApproval`, so
 * the gate would not hear of the calls that it pauses, would take them for invented ones when they resume, and could not
 * pause a call itself.
 * @module
 */
import type { ModelMessage, ToolApprovalConfiguration, ToolApprovalStatus, ToolSet } from 'ai';
import { pausedByRequest } from './guard-tool.ts';
import { isGuarded } from './guarded-state.ts';
import type { AnyTool } from './tool-kind.ts';

interface RuleOptions {
  readonly toolCallId: string;
  readonly messages: ModelMessage[];
  readonly toolContext?: unknown;
}

type Rule = ToolApprovalStatus | ((input: unknown, options: RuleOptions) => unknown);

interface Event {
  readonly toolCall: { readonly toolName: string; readonly toolCallId: string; readonly input: unknown };
  readonly tools?: ToolSet | undefined;
  readonly toolsContext?: Readonly<Record<string, unknown>> | undefined;
  readonly messages: ModelMessage[];
}

/**
 * The same rules, of the same kind, with two additions for guarded tools: a call that they pause is known to the gate and
 * can resume, and a call that they would let through still pauses where the policy or the tool itself wants that. What
 * they deny stays denied. Rules that throw end the run, as they do in the SDK.
 */
export function guardToolApproval<Tools extends ToolSet, RuntimeContext>(
  tools: Tools,
  rules: ToolApprovalConfiguration<NoInfer<Tools>, RuntimeContext>,
): ToolApprovalConfiguration<Tools, RuntimeContext> {
  const guarded = typeof rules === 'function' ? forAllTools(rules as never) : forEachTool(tools, rules);
  return guarded as ToolApprovalConfiguration<Tools, RuntimeContext>;
}

function forAllTools(rules: (event: Event) => unknown): (event: Event) => Promise<ToolApprovalStatus> {
  return async (event) => {
    const { toolCall, tools = {}, toolsContext = {}, messages } = event;
    const { toolName, toolCallId, input } = toolCall;
    const status = (await rules(event)) as ToolApprovalStatus;
    const tool = ownMember(tools, toolName);
    if (tool === undefined || !isGuarded(tool)) return status;
    return decide(tool, status, input, { toolCallId, messages, toolContext: ownMember(toolsContext, toolName) });
  };
}

/** As a record, so that the SDK checks each tool's context against its schema before it asks. */
function forEachTool(tools: ToolSet, rules: object): object {
  const guarded = Object.entries(tools).filter(([, tool]) => isGuarded(tool));
  const asked = guarded.map(([name, tool]) => {
    const rule = ownMember(rules as Readonly<Record<string, Rule>>, name);
    const ask = async (input: unknown, options: RuleOptions): Promise<ToolApprovalStatus> => {
      const status = typeof rule === 'function' ? await rule(input, options) : (rule ?? undefined);
      return decide(tool, status as ToolApprovalStatus, input, options);
    };
    return [name, ask];
  });
  return { ...rules, ...Object.fromEntries(asked) };
}

async function decide(
  { needsApproval }: AnyTool,
  status: ToolApprovalStatus,
  input: unknown,
  { toolCallId, messages, toolContext }: RuleOptions,
): Promise<ToolApprovalStatus> {
  const type = typeof status === 'object' ? status.type : status;
  if (type === 'denied' || typeof needsApproval !== 'function') return status;
  const paused = type === 'user-approval';
  const options = { toolCallId, messages, context: toolContext as never, [pausedByRequest]: paused };
  return (await needsApproval(input, options)) && !paused ? 'user-approval' : status;
}

/** Names come from the model: `constructor` is no tool. */
function ownMember<Value>(record: Readonly<Record<string, Value>>, name: string): Value | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}
