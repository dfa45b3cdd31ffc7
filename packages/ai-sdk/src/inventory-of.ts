/**
 * A tool set as `countersign.inventory` takes it.
 * @module
 */
import type { InventoryTool } from '@countersign/core';
import type { ToolSet } from 'ai';
import { sourceOf, whyUngovernable } from './tool-kind.ts';

/**
 * Works on raw and on guarded tools. What runs at the provider or in the client is listed as ungovernable. `wait` as for
 * `guardTools`, on the paths where the SDK cannot pause.
 */
export function inventoryOf(tools: ToolSet, options: { readonly wait?: boolean } = {}): readonly InventoryTool[] {
  const review = options.wait === true ? 'waits' : 'pauses';
  return Object.keys(tools).flatMap((name): InventoryTool[] => {
    const tool = tools[name];
    if (tool === undefined) return [];
    const found = { name, source: sourceOf(tool) };
    const ungovernable = whyUngovernable(tool);
    return [ungovernable === undefined ? { ...found, review } : { ...found, ungovernable }];
  });
}
