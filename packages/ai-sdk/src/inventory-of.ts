/**
 * A tool set as `countersign.inventory` takes it.
 * @module
 */
import type { InventoryTool } from '@countersign/core';
import type { ToolSet } from 'ai';
import { kindOf, sourceOf, whyUngovernable } from './tool-kind.ts';

/** Works on raw and on guarded tools. What runs at the provider or in the client is listed as ungovernable. */
export function inventoryOf(tools: ToolSet): readonly InventoryTool[] {
  return Object.keys(tools).flatMap((name): InventoryTool[] => {
    const tool = tools[name];
    if (tool === undefined) return [];
    const kind = kindOf(tool);
    const found = { name, source: sourceOf(tool) };
    return [kind === 'executable' ? found : { ...found, ungovernable: whyUngovernable[kind] }];
  });
}
