/** An MCP server over HTTP with two tools, one of which the policy permits. */
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { z } from 'zod';

export interface RunningMcpServer {
  readonly url: string;
  close(): void;
}

/** Executions become lines of `log`. */
export async function startMcpServer(log: () => string): Promise<RunningMcpServer> {
  const listening = createServer((request, response) => {
    if (request.method !== 'POST') return void response.writeHead(405).end();
    const server = serverOf(log());
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined } as never);
    response.on('close', () => void server.close());
    void server.connect(transport as never).then(() => transport.handleRequest(request, response));
  });
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  const { port } = listening.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    close() {
      listening.closeAllConnections();
      listening.close();
    },
  };
}

function serverOf(log: string): McpServer {
  const server = new McpServer({ name: 'demo', version: '1' });
  for (const name of ['echo', 'erase']) {
    server.registerTool(name, { description: name, inputSchema: { amount: z.number() } }, async ({ amount }) => {
      appendFileSync(log, `${name} ${amount}\n`);
      return { content: [{ type: 'text', text: `${name} ran with ${amount}` }] };
    });
  }
  return server;
}
