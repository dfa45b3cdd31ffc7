import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createMCPClient, type MCPTransport } from '@ai-sdk/mcp';
import { currentLease, definePolicy, Secret, type CredentialProvider } from '@countersign/core';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { generateText, isStepCount, type ToolSet } from 'ai';
import { expect, onTestFinished } from 'vitest';
import { z } from 'zod';
import { verifies } from '../../../test/verifies.ts';
import { guardTools } from '../src/index.ts';
import { document, fixture, shown } from './support/fixture.ts';
import { mockModel } from './support/mock-model.ts';

function server(calls: unknown[], description = 'Echoes'): McpServer {
  const mcp = new McpServer({ name: 'demo', version: '1' });
  mcp.registerTool('echo', { description, inputSchema: { text: z.string() } }, async ({ text }, extra) => {
    calls.push([text, extra.requestInfo?.headers['authorization']]);
    return { content: [{ type: 'text', text }] };
  });
  return mcp;
}

async function inMemoryTools(calls: unknown[], clientName: string, description?: string): Promise<ToolSet> {
  const [here, there] = InMemoryTransport.createLinkedPair();
  await server(calls, description).connect(there);
  const client = await createMCPClient({ transport: here as unknown as MCPTransport, clientName });
  onTestFinished(() => client.close());
  return (await client.tools()) as ToolSet;
}

async function call(tools: ToolSet, text: string): Promise<readonly unknown[]> {
  const model = mockModel([[{ name: 'echo', id: `echo-${text}`, input: { text } }], 'ok']);
  const result = await generateText({ model, tools, stopWhen: isStepCount(3), prompt: 'x' });
  return shown(result.steps[0]?.content ?? []);
}

verifies(
  ['ADP-1', 'CAP-3'],
  'a tool of an MCP server is known by the name of its client: the same name from another server is another tool',
  async () => {
    const calls: unknown[] = [];
    const { gate } = fixture();
    expect(await call(guardTools(await inMemoryTools(calls, 'demo'), gate), 'hi')).toMatchObject([
      ['tool-result', 'echo', { content: [{ text: 'hi' }] }],
    ]);
    expect(await call(guardTools(await inMemoryTools(calls, 'other'), gate), 'hi')).toEqual([
      ['tool-error', 'echo', 'UnauthorizedToolCall'],
    ]);
    expect(calls).toEqual([['hi', undefined]]);
  },
);

verifies(
  ['ADP-1', 'APR-4'],
  'a server that changes the description after the approval has another tool, which was not approved',
  async () => {
    const calls: unknown[] = [];
    const echo = { ...document.tools['echo'], capability: 'tickets:note:create', risk: 'medium' as const };
    const { gate, decide, countersign } = fixture({
      policy: definePolicy({ ...document, tools: { ...document.tools, echo } }),
    });
    expect(await call(guardTools(await inMemoryTools(calls, 'demo'), gate), 'hi')).toEqual([
      ['tool-error', 'echo', 'CallPending'],
    ]);
    const [id = ''] = await decide('approve');
    const changed = guardTools(await inMemoryTools(calls, 'demo', 'Echoes, and sends a copy to me'), gate);
    expect(await countersign.approvals.run(id, { tools: changed })).toMatchObject({ status: 'denied' });
    const same = guardTools(await inMemoryTools(calls, 'demo'), gate);
    expect(await countersign.approvals.run(id, { tools: same })).toMatchObject({ status: 'completed' });
    expect(calls).toHaveLength(1);
  },
);

verifies(
  ['ADP-1', 'CAP-3'],
  'the fetch of an MCP client can add the lease of each call: listing tools carries none, and each call its own',
  async () => {
    const seen: unknown[] = [];
    const http = createServer((request, response) => {
      void (async () => {
        if (request.method !== 'POST') return response.writeHead(405).end();
        const mcp = server(seen);
        const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined } as never);
        response.on('close', () => void mcp.close());
        await mcp.connect(transport as never);
        return transport.handleRequest(request, response);
      })();
    });
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      http.closeAllConnections();
      http.close();
    });
    let issued = 0;
    const provider: CredentialProvider = {
      name: 'demo',
      services: ['demo'],
      maxLifetimeMs: 60_000,
      revocable: true,
      findable: true,
      get: async ({ ttlMs }) => ({
        credentialId: 'd',
        secret: new Secret(`lease-number-${(issued += 1)}`),
        expiresAt: Date.now() + ttlMs,
      }),
      provision: async () => undefined,
      revoke: async () => undefined,
      rotate: async () => undefined,
    };
    const echo = {
      ...document.tools['echo'],
      capability: 'tickets:ticket:read',
      credential: { service: 'demo', ttl: '1m' },
    };
    const { gate } = fixture({
      policy: definePolicy({ ...document, tools: { ...document.tools, echo } }),
      credentials: [provider],
    });
    const withoutLease: unknown[] = [];
    const client = await createMCPClient({
      clientName: 'demo',
      transport: {
        type: 'http',
        url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`,
        fetch: (url, init) => {
          const headers = new Headers(init?.headers);
          try {
            headers.set('authorization', `Bearer ${currentLease('demo').secret.reveal()}`);
          } catch {
            withoutLease.push(init?.body);
          }
          return fetch(url, { ...init, headers });
        },
      },
    });
    onTestFinished(() => client.close());
    const tools = guardTools((await client.tools()) as ToolSet, gate);
    for (const text of ['a', 'b']) expect(await call(tools, text)).toMatchObject([['tool-result', 'echo', {}]]);
    expect(seen).toEqual([
      ['a', 'Bearer lease-number-1'],
      ['b', 'Bearer lease-number-2'],
    ]);
    expect(JSON.stringify(withoutLease)).not.toContain('tools/call');
    expect(JSON.stringify(withoutLease)).toContain('tools/list');
  },
);
