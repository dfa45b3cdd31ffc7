/**
 * The tripwire: a callback handler that lets only guarded tools run. Callbacks do not see every way to a tool, so it
 * stands behind the guarded tools and never instead of them.
 * @module
 */
import { randomUUID } from 'node:crypto';
import { resolveGate, ToolNotGovernable } from '@countersign/core';
import { BaseCallbackHandler } from '@langchain/core/callbacks/base';
import { registerConfigureHook, setContextVariable } from '@langchain/core/context';
import { isMarked, langchainState } from './guarded-state.ts';
import { textOf, type ToolGateSource } from './tool-context.ts';

type ToolStart = Parameters<NonNullable<BaseCallbackHandler['handleToolStart']>>;

/**
 * Blocks every structured tool that is not guarded, and has the gate record the denial. Pass it to `invoke` as
 * `callbacks: [handler]`, or register it first thing at start-up.
 *
 * Callbacks see neither `configurable` nor the graph's context: a resolver can use `threadId` and the ambient scope.
 */
export class CountersignCallbackHandler extends BaseCallbackHandler {
  /** Handlers of one name replace each other, so nobody may guess it. */
  readonly name: string = `countersign:${randomUUID()}`;
  readonly #source: ToolGateSource;

  constructor(source: ToolGateSource) {
    // As an option and not as a member: only so does LangChain await the handler and let it stop the tool.
    super({ raiseError: true });
    this.#source = source;
  }

  /** @throws ToolNotGovernable for a tool that is not guarded. */
  override async handleToolStart(...start: ToolStart): Promise<void> {
    const [, input, runId, , , metadata = {}, runName, toolCallId] = start;
    if (isMarked(metadata)) return;
    const threadId = textOf(metadata['thread_id']);
    const name = textOf(runName)?.slice(0, 256) ?? 'unnamed';
    const gate = await resolveGate(this.#source, {
      configurable: {},
      context: undefined,
      threadId,
      toolName: name,
      toolCallId,
    });
    await gate?.check({
      tool: { name, source: 'unguarded' },
      callId: textOf(toolCallId)?.slice(0, 256) ?? runId,
      step: `unguarded ${runId}`,
      origin: 'model',
      arguments: { input: String(input).slice(0, 4096).toWellFormed() },
    });
    throw unguarded(name);
  }

  /**
   * Installs it for everything that starts in this asynchronous context: call it first thing at start-up. Servers and
   * promises made earlier do not see it, and neither does code inside another callback handler.
   */
  registerProcessWide(): void {
    registerConfigureHook({ contextVar: this.name, inheritable: true });
    setContextVariable(this.name, this);
  }
}

/**
 * What the middleware sets while a tool call of its agent runs: middleware after it may put another tool in place of the
 * guarded one. What a guarded body does inside is that body's own.
 */
export class ReplacedToolHandler extends BaseCallbackHandler {
  readonly name: string = `countersign:${randomUUID()}`;

  constructor() {
    super({ raiseError: true });
  }

  /** @throws ToolNotGovernable for a tool that is not guarded and that no guarded body calls. */
  override handleToolStart(...start: ToolStart): void {
    const [, , , , , metadata, runName] = start;
    if (isMarked(metadata) || langchainState().frame.getStore() !== undefined) return;
    throw unguarded(textOf(runName) ?? 'unnamed');
  }
}

function unguarded(name: string): ToolNotGovernable {
  return new ToolNotGovernable(`The tool "${name}" is not guarded, so it was not run.`);
}
