/**
 * A middleware for `wrapLanguageModel`: offers a model only the tools that its principal may use, and keeps the provider
 * from running tools of its own.
 * @module
 */
import { resolveGate, type Gate, type GateSource } from '@countersign/core';
import type { LanguageModelMiddleware } from 'ai';
import { withoutToolRunning } from './provider-options.ts';

/** What a gate resolver may look at. */
export interface ModelContext {
  readonly provider: string;
  readonly modelId: string;
}

export interface GuardModelOptions {
  /**
   * Tools of the provider (`openai.tools.webSearch()` …), by name, that may be offered to principals who are permitted a
   * tool of this name. No approval stands in front of what they do.
   */
  readonly allowProviderTools?: readonly string[];
  /** Told about each call that the provider made by itself without being allowed to. It has happened by then. */
  readonly onBlocked?: (blocked: { readonly toolName: string; readonly toolCallId: string }) => void;
}

type TransformParams = NonNullable<LanguageModelMiddleware['transformParams']>;
type Params = Parameters<TransformParams>[0]['params'];
type ModelTool = NonNullable<Params['tools']>[number];
type Generated = Awaited<ReturnType<NonNullable<LanguageModelMiddleware['wrapGenerate']>>>;
type StreamPart =
  Awaited<ReturnType<NonNullable<LanguageModelMiddleware['wrapStream']>>>['stream'] extends ReadableStream<infer Part>
    ? Part
    : never;
type ResponsePart = Generated['content'][number] | StreamPart;

/**
 * `source` is a gate or resolves one, as for `guardTools`. Without a gate the model is offered no tool at all.
 *
 * Calls that the provider executed and that are not allowed are taken out of the response, with their results, and the
 * ledger gets a denial. Answers to the provider's own approval requests are turned into refusals.
 */
export function guardModel(source: GateSource<ModelContext>, options: GuardModelOptions = {}): LanguageModelMiddleware {
  const access = async ({ provider, modelId }: ModelContext): Promise<Access> =>
    accessOf(await resolveGate(source, { provider, modelId }), options);
  return {
    specificationVersion: 'v4',
    transformParams: async ({ params, model }) => restrict(params, await access(model)),
    async wrapGenerate({ doGenerate, model }) {
      const filter = createFilter(await access(model), model.provider, options);
      const result = await doGenerate();
      const content: Generated['content'] = [];
      for (const part of result.content) if (await filter(part)) content.push(part);
      return { ...result, content };
    },
    async wrapStream({ doStream, model }) {
      const filter = createFilter(await access(model), model.provider, options);
      const { stream, ...rest } = await doStream();
      const filtered = new TransformStream<StreamPart, StreamPart>({
        async transform(part, controller) {
          if (await filter(part)) controller.enqueue(part);
        },
      });
      return { ...rest, stream: stream.pipeThrough(filtered) };
    },
  };
}

interface Access {
  readonly gate: Gate | undefined;
  /** Tools that are executed here. */
  readonly permitted: ReadonlySet<string>;
  /** Tools that the provider may execute. */
  readonly atProvider: ReadonlySet<string>;
}

function accessOf(gate: Gate | undefined, { allowProviderTools = [] }: GuardModelOptions): Access {
  const permitted = new Set(gate?.permittedTools() ?? []);
  return { gate, permitted, atProvider: new Set(allowProviderTools.filter((name) => permitted.has(name))) };
}

function restrict(params: Params, { permitted, atProvider }: Access): Params {
  const offered = (tool: ModelTool): boolean => (tool.type === 'function' ? permitted : atProvider).has(tool.name);
  const { tools: _, toolChoice, providerOptions, ...rest } = params;
  const tools = params.tools?.filter(offered) ?? [];
  const options = withoutToolRunning(providerOptions);
  const chosen =
    toolChoice?.type === 'tool' && !tools.some(({ name }) => name === toolChoice.toolName) ? undefined : toolChoice;
  return {
    ...rest,
    prompt: params.prompt.map(withoutConsent),
    ...(tools.length === 0 ? {} : { tools, ...(chosen === undefined ? {} : { toolChoice: chosen }) }),
    ...(options === undefined ? {} : { providerOptions: options }),
  };
}

/** The SDK forwards only answers to the provider's own requests, and forwards the client's word unchecked. */
function withoutConsent(message: Params['prompt'][number]): Params['prompt'][number] {
  if (message.role !== 'tool') return message;
  const content = message.content.map((part) =>
    part.type === 'tool-approval-response' ? { ...part, approved: false, reason: 'not permitted' } : part,
  );
  return { ...message, content };
}

/** Answers whether a part of the response is passed on. */
function createFilter(
  access: Access,
  provider: string,
  { onBlocked }: GuardModelOptions,
): (part: ResponsePart) => Promise<boolean> {
  const blocked = new Set<string>();
  return async (part) => {
    switch (part.type) {
      case 'tool-input-start':
        if (part.providerExecuted !== true || access.atProvider.has(part.toolName)) return true;
        blocked.add(part.id);
        return false;
      case 'tool-input-delta':
      case 'tool-input-end':
        return !blocked.has(part.id);
      case 'tool-call':
        if (part.providerExecuted !== true || access.atProvider.has(part.toolName)) return true;
        blocked.add(part.toolCallId);
        await recordBlocked(access.gate, provider, part);
        report(onBlocked, part);
        return false;
      case 'tool-result':
        return access.atProvider.has(part.toolName) && !blocked.has(part.toolCallId);
      case 'tool-approval-request':
        return !blocked.has(part.toolCallId);
      default:
        return true;
    }
  };
}

interface ProviderCall {
  readonly toolName: string;
  readonly toolCallId: string;
  readonly input: string;
}

/** No policy entry has this source, so the decision is a denial, and it stands in the ledger. */
async function recordBlocked(
  gate: Gate | undefined,
  provider: string,
  { toolName, toolCallId, input }: ProviderCall,
): Promise<void> {
  await gate?.check({
    tool: { name: toolName, source: `unallowed-provider:${provider}` },
    callId: toolCallId,
    step: 'provider',
    origin: 'model',
    arguments: parsed(input),
  });
}

function parsed(input: string): unknown {
  try {
    return JSON.parse(input) as unknown;
  } catch {
    return { input };
  }
}

function report(onBlocked: GuardModelOptions['onBlocked'], { toolName, toolCallId }: ProviderCall): void {
  try {
    onBlocked?.({ toolName, toolCallId });
  } catch {
    // An alarm that fails changes nothing: the part stays blocked.
  }
}
