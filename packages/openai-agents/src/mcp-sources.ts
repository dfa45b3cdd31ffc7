/**
 * Which MCP server a tool came from: the SDK builds function tools from what servers list and keeps the server to itself.
 * A guardrail that the SDK copies onto every tool of a server tells.
 * @module
 */
import type { Agent, FunctionTool, MCPServer, RunContext, Tool } from '@openai/agents';

const marks = new WeakMap<object, string>();
const marked = new WeakMap<MCPServer, MCPServer>();

type Guardrails = NonNullable<FunctionTool<unknown>['inputGuardrails']>;

/** `agent.getMcpTools`, with every server replaced by one that marks its tools. */
export function markedMcpTools(agent: Agent<unknown>): Agent<unknown>['getMcpTools'] {
  const getMcpTools = Reflect.get(agent, 'getMcpTools');
  return async (context: RunContext<unknown>, ...rest) => {
    const servers = agent.mcpServers.map(markServer);
    // The agent itself for the SDK, but for this one member.
    const view = new Proxy(agent, {
      get: (target, name): unknown => (name === 'mcpServers' ? servers : Reflect.get(target, name, target)),
    });
    return getMcpTools.call(view, context, ...rest);
  };
}

/** The tool without the mark, and the name of its server. */
export function takeMark(tool: Tool<unknown>): { readonly tool: Tool<unknown>; readonly server?: string } {
  if (tool.type !== 'function') return { tool };
  const mark = tool.inputGuardrails?.find((guardrail) => marks.has(guardrail));
  if (mark === undefined) return { tool };
  const inputGuardrails = tool.inputGuardrails?.filter((guardrail) => guardrail !== mark);
  return { tool: { ...tool, inputGuardrails } as Tool<unknown>, server: marks.get(mark) ?? '' };
}

function markServer(server: MCPServer): MCPServer {
  const known = marked.get(server);
  if (known !== undefined) return known;
  const mark: Guardrails[number] = {
    type: 'tool_input',
    name: 'countersign',
    run: async () => ({ behavior: { type: 'allow' } }),
  } as never;
  marks.set(mark, server.name);
  const proxy = new Proxy(server, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (name === 'toolInputGuardrails') return [...((value as Guardrails | undefined) ?? []), mark];
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
    },
  });
  marked.set(server, proxy);
  return proxy;
}
