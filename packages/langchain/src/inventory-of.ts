/**
 * Tools as `countersign.inventory` takes them.
 * @module
 */
import { runnable, type InventoryTool, type RunnableTool } from '@countersign/core';
import type { GuardOptions } from './guard-tools.ts';
import { kindOf, serverToolName, type AnyTool } from './tool-kind.ts';

/** Works on raw and on guarded tools. Tools that run at the model's provider are listed as ungovernable. */
export function inventoryOf(
  tools: readonly AnyTool[],
  options: Pick<GuardOptions, 'source'> = {},
): readonly InventoryTool[] {
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
    return { name: String(tool['name' as never]), source: guarded?.identity.source ?? options.source ?? 'local' };
  });
}
