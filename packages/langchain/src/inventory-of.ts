/**
 * Tools as `countersign.inventory` takes them.
 * @module
 */
import { runnable, type InventoryTool, type RunnableTool } from '@countersign/core';
import type { GuardOptions } from './guard-tools.ts';
import { kindOf, serverToolName, type AnyTool } from './tool-kind.ts';

/**
 * Works on raw and on guarded tools. Tools that run at the model's provider are listed as ungovernable. `source` and `wait`
 * as for `guardTools`; `checkpointer` says that the graph has one, without which it cannot pause.
 */
export function inventoryOf(
  tools: readonly AnyTool[],
  options: Pick<GuardOptions, 'source' | 'wait'> & { readonly checkpointer?: boolean } = {},
): readonly InventoryTool[] {
  const review = options.wait === true ? 'waits' : options.checkpointer === true ? 'pauses' : 'pending';
  return tools.map((tool): InventoryTool => {
    if (kindOf(tool) === 'server') {
      const name = serverToolName(tool);
      return {
        name,
        source: `provider:${name}`,
        ungovernable: 'runs at the model provider: no gate can stand in front of it',
      };
    }
    const guarded = (tool as { readonly [runnable]?: RunnableTool })[runnable];
    return {
      name: String(tool['name' as never]),
      source: guarded?.identity.source ?? options.source ?? 'local',
      review,
    };
  });
}
