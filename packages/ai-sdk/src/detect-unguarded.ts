/**
 * A backstop, as a telemetry integration of the SDK: raises an alarm for tools that are not guarded, and blocks them.
 * It is not the boundary: telemetry can be turned off per call, and does not see the calls of code mode.
 * @module
 */
import { ToolNotGovernable } from '@countersign/core';
import type { Telemetry } from 'ai';
import { isGuarded } from './guarded-state.ts';
import { isToolSearch } from './tool-kind.ts';

export interface DetectUnguardedOptions {
  /** Told once per generation which of its tools are not guarded. */
  readonly onUnguarded?: (found: { readonly callId: string; readonly tools: readonly string[] }) => void;
}

type Tools = Readonly<Record<string, { readonly execute?: unknown }>>;

/** Pass it to `registerTelemetry`, and to every `telemetry.integrations` that replaces the registered ones. */
export function detectUnguarded({ onUnguarded }: DetectUnguardedOptions = {}): Telemetry {
  const unguarded = new Map<string, ReadonlySet<string>>();
  const forget = (event: unknown): void => {
    const callId = (event as { callId?: unknown } | null)?.callId;
    if (typeof callId === 'string') unguarded.delete(callId);
  };
  return {
    onStart(event) {
      const { callId, tools } = event as { readonly callId: string; readonly tools?: Tools | undefined };
      const names = namesOfUnguarded(tools);
      unguarded.set(callId, new Set(names));
      if (names.length > 0) onUnguarded?.({ callId, tools: names });
    },
    // A generation whose start was not seen, or a call without a name: nothing says that the tool is guarded.
    async executeTool({ callId, toolCall, execute }) {
      const known = unguarded.get(callId);
      const name = toolCall?.toolName;
      if (known === undefined || name === undefined || known.has(name)) {
        throw new ToolNotGovernable('This tool is not guarded, so it was not run.');
      }
      return execute();
    },
    onEnd: forget,
    onAbort: forget,
    onError: forget,
  };
}

function namesOfUnguarded(tools: Tools | undefined): readonly string[] {
  return Object.entries(tools ?? {})
    .filter(([, tool]) => tool.execute !== undefined && !isGuarded(tool) && !isToolSearch(tool))
    .map(([name]) => name);
}
