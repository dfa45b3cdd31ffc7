import { loadMcpTools } from '@langchain/mcp-adapters';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { verifies } from '../../../test/verifies.ts';
import { guardTools, inventoryOf } from '../src/index.ts';
import { fixture } from './support/fixture.ts';

async function mcpTools(runs: string[]) {
  const server = new McpServer({ name: 'demo', version: '1' });
  for (const name of ['echo', 'nuke']) {
    server.registerTool(name, { description: `Does ${name}`, inputSchema: { text: z.string() } }, async ({ text }) => {
      runs.push(`${name}:${text}`);
      return { content: [{ type: 'text', text }] };
    });
  }
  const client = new Client({ name: 'test', version: '1' });
  const [near, far] = InMemoryTransport.createLinkedPair();
  await Promise.all([server.connect(far), client.connect(near)]);
  onTestFinished(() => client.close());
  return loadMcpTools('demo', client as never);
}

describe('tools of an MCP server', () => {
  verifies(
    'ADP-3',
    'carry the name of their server, as the developer declares it: the policy of that server decides',
    async () => {
      const f = fixture();
      const runs: string[] = [];
      const tools = await mcpTools(runs);
      const ask = (name: string, args: object) =>
        ({ type: 'tool_call', name, id: `c_${name}`, args: args as Record<string, unknown> }) as const;
      const guarded = guardTools(tools, f.source, { source: 'mcp:demo' });
      const [echo, nuke] = guarded;
      expect(await echo?.invoke(ask('echo', { text: 'hi' }))).toMatchObject({ content: 'hi', status: 'success' });
      expect(await nuke?.invoke(ask('nuke', { text: 'hi' }))).toMatchObject({ status: 'error' });
      for (const source of ['local', 'mcp:other']) {
        const [elsewhere] = guardTools(await mcpTools(runs), f.source, { source });
        expect(await elsewhere?.invoke(ask('echo', { text: 'hi' }))).toMatchObject({ status: 'error' });
      }
      expect(runs).toEqual(['echo:hi']);
      expect(inventoryOf(guarded)).toMatchObject([
        { name: 'echo', source: 'mcp:demo' },
        { name: 'nuke', source: 'mcp:demo' },
      ]);
    },
  );

  test('the raw function of an adapter tool runs past everything natively; the guarded one does not', async () => {
    const f = fixture();
    const runs: string[] = [];
    const tools = await mcpTools(runs);
    const raw = tools[1] as unknown as { func(args: object): Promise<unknown> };
    await raw.func({ text: 'raw' });
    const guarded = guardTools(tools, f.source, { source: 'mcp:demo' })[1] as unknown as typeof raw;
    await expect(guarded.func({ text: 'guarded' })).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED_TOOL_CALL' });
    expect(runs).toEqual(['nuke:raw']);
  });
});
