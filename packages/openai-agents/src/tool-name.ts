/**
 * What a policy calls a tool: its name, after its namespace where it has one (`crm.lookup`).
 * @module
 */
import type { Tool } from '@openai/agents';
import { getFunctionToolDisplayName } from '@openai/agents-core/utils';
import { hostedName } from './hosted-tool.ts';

export function nameOf(tool: Tool<unknown>): string {
  if (tool.type === 'hosted_tool') return hostedName(tool);
  return tool.type === 'function' ? (getFunctionToolDisplayName(tool) ?? tool.name) : tool.name;
}
