/**
 * Guarded copies of tools: the only place that every way to a tool passes through.
 * @module
 */
import { ConfigurationError, runnable, ToolNotGovernable, type RunnableTool } from '@countersign/core';
import type { CallbackManagerForToolRun } from '@langchain/core/callbacks/manager';
import { patchConfig, type RunnableToolLike } from '@langchain/core/runnables';
import { DynamicStructuredTool } from '@langchain/core/tools';
import { isGuarded, langchainState, markKey } from './guarded-state.ts';
import { resultCodec } from './result-codec.ts';
import { runGuarded, type GuardedBody } from './run-guarded.ts';
import type { ToolConfig, ToolGateSource } from './tool-context.ts';
import { identifyTool } from './tool-identity.ts';
import { isRunnableTool, isStructured, serverToolName, type AnyTool, type ToolWithBody } from './tool-kind.ts';
import { validateEdited } from './validate-edited.ts';

export interface GuardOptions {
  /** Where the tools come from, as the policy names it: `local` (default), or `mcp:<server>` for tools of an MCP server. */
  readonly source?: string;
  /**
   * Wait in process for a blocking approval where no graph can pause: plain `tool.invoke`, or no checkpointer. Default
   * false: the call is answered as pending.
   */
  readonly wait?: boolean;
  /**
   * Run calls that come out of the state of a graph although no answer of a model is on record for them: whoever can write
   * input messages or checkpoints can then have calls made that need no approval. Default false: they are denied.
   */
  readonly allowUnrecordedCalls?: boolean;
  /**
   * The human messages in the state of the graph are this user's own words: nothing retrieved, summarised or
   * written by a model is ever put into them. They then count where a rule or an approver asks where a value came from.
   * Default false: only what the gate's `heard` says counts. Inside guarded calls and for delegates it always is so.
   */
  readonly trustUserMessages?: boolean;
}

/** The guarded kind of a tool: the tool's own type, except that `runnable.asTool()` becomes a structured tool. */
export type Guarded<Tool> = (Tool extends RunnableToolLike ? DynamicStructuredTool : Tool) & {
  readonly [runnable]: RunnableTool;
};

/**
 * The same tool behind the gate. The original is left as it is, so keep it to yourself. A tool that is guarded already
 * is returned as it is.
 * @throws ToolNotGovernable for a tool that runs at the model's provider.
 */
export function guardTool<Tool extends AnyTool>(
  tool: Tool,
  source: ToolGateSource,
  options: GuardOptions = {},
): Guarded<Tool> {
  if (isGuarded(tool)) return tool as unknown as Guarded<Tool>;
  if (isStructured(tool)) return guardBody(tool, source, options) as unknown as Guarded<Tool>;
  if (isRunnableTool(tool)) return guardBody(structured(tool), source, options) as unknown as Guarded<Tool>;
  throw new ToolNotGovernable(`expected a tool that runs here, got the provider's tool "${serverToolName(tool)}"`);
}

/**
 * {@link guardTool} for a list.
 * @throws ConfigurationError when two tools have one name: LangChain would silently run the first.
 */
export function guardTools<const Tools extends readonly AnyTool[]>(
  tools: Tools,
  source: ToolGateSource,
  options: GuardOptions = {},
): { -readonly [Index in keyof Tools]: Guarded<Tools[Index]> } {
  const guarded = tools.map((tool) => guardTool(tool, source, options));
  const names = guarded.map(({ name }) => String(name));
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new ConfigurationError(`expected tools with different names, got "${twice}" twice`);
  return guarded as never;
}

function guardBody(tool: ToolWithBody, source: ToolGateSource, options: GuardOptions): ToolWithBody {
  const state = langchainState();
  const identity = identifyTool(tool, options.source ?? 'local');
  const body: GuardedBody = {
    source,
    identity,
    artifact: tool.responseFormat === 'content_and_artifact',
    wait: options.wait === true,
    unrecorded: options.allowUnrecordedCalls === true,
    trustUserMessages: options.trustUserMessages === true,
    validate: validateEdited(tool),
    run: (args, runManager, config) => tool._call(args, runManager, config),
  };
  const run = async (args: unknown, runManager?: CallbackManagerForToolRun, config?: ToolConfig): Promise<unknown> =>
    runGuarded(body, args, runManager, config);
  const mark = Object.freeze({});
  const detached: RunnableTool = {
    get identity() {
      return identity();
    },
    run: async (args) => resultOfBody(await tool._call(args)),
    codec: resultCodec,
    validate: body.validate,
  };
  const guarded = Object.create(tool) as ToolWithBody;
  Object.defineProperties(guarded, {
    _call: { value: run },
    ...(tool.func === undefined ? {} : { func: { value: run } }),
    metadata: { value: { ...tool.metadata, [markKey]: mark }, enumerable: true },
    [runnable]: { value: detached },
  });
  state.marks.add(mark);
  state.tools.add(guarded);
  return guarded;
}

/** A worker has nobody to stream to. */
async function resultOfBody(answered: unknown): Promise<unknown> {
  if (typeof answered !== 'object' || answered === null || !(Symbol.asyncIterator in answered) || !('next' in answered))
    return answered;
  const pieces = answered as AsyncGenerator<unknown, unknown, void>;
  for (;;) {
    const step = await pieces.next();
    if (step.done === true) return step.value;
  }
}

/** `runnable.asTool()` has no body to override and fires no tool callbacks; as a structured tool it has both. */
function structured(tool: RunnableToolLike): ToolWithBody {
  const { name, description = '', schema } = tool;
  return new DynamicStructuredTool({
    name,
    description,
    schema,
    func: async (args: unknown, runManager?: CallbackManagerForToolRun, config?: ToolConfig) =>
      tool.invoke(
        args as never,
        patchConfig(config, runManager === undefined ? {} : { callbacks: runManager.getChild() }),
      ),
  }) as unknown as ToolWithBody;
}
