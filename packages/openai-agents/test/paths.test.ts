/** Every way to a tool that does not go through `agent.tools`: each is behind the gate, or refused. */
import {
  Agent,
  RunContext,
  RunState,
  Runner,
  applyPatchTool,
  attachClientToolSearchExecutor,
  codeInterpreterTool,
  computerTool,
  handoff,
  hostedMcpTool,
  setTracingDisabled,
  shellTool,
  toolSearchTool,
  webSearchTool,
  type Computer,
  type FunctionTool,
  type MCPServer,
} from '@openai/agents';
import { ScriptedModel, assistantMessage } from '@openai/agents/testing';
import { ToolNotGovernable } from '@countersign/core';
import { describe, expect, test } from 'vitest';
import { verifies } from '../../../test/verifies.ts';
import { guardAgent, inventoryOf } from '../src/index.ts';
import { fixture, recording, serve } from './support/fixture.ts';

setTracingDisabled(true);

const call = (name: string, args: unknown = { amount: 1 }, id = 'c1') => ({ calls: [{ name, id, args }] });
const quiet = { toolNotFoundBehavior: 'return_error_to_model' } as const;

function mcpServer(name: string, ran: unknown[]): MCPServer {
  const content = [{ type: 'text', text: `${name} answered` }];
  return {
    name,
    cacheToolsList: false,
    connect: async () => undefined,
    close: async () => undefined,
    invalidateToolsCache: async () => undefined,
    listTools: async () => [
      {
        name: 'echo',
        description: 'echoes',
        inputSchema: {
          type: 'object',
          properties: { amount: { type: 'number' } },
          required: [],
          additionalProperties: false,
        },
      },
    ],
    callTool: async (tool: string, args: unknown) => {
      ran.push([name, tool, args]);
      return content;
    },
  } as unknown as MCPServer;
}

describe('MCP servers', () => {
  verifies(
    'ADP-2',
    'a tool of the named server runs, the same tool of another server is denied; natively both run',
    async () => {
      for (const guarded of [false, true]) {
        const ran: unknown[] = [];
        for (const name of ['demo', 'evil']) {
          const agent = new Agent({ name: 'A', mcpServers: [mcpServer(name, ran)] });
          if (guarded) guardAgent(agent, fixture().gate);
          const served = await serve([call('echo'), 'done']);
          await served.runner.run(agent, 'go');
        }
        expect(ran).toEqual(
          guarded
            ? [['demo', 'echo', { amount: 1 }]]
            : [
                ['demo', 'echo', { amount: 1 }],
                ['evil', 'echo', { amount: 1 }],
              ],
        );
      }
    },
  );

  verifies(
    ['ADP-2', 'APR-4'],
    'an approved call cannot be resumed on another server: the server is part of the call',
    async () => {
      const policyOf = (f: ReturnType<typeof fixture>) => f.options.policy;
      const base = fixture();
      const policy = {
        ...policyOf(base),
        decide: (subject: never, tool: { source: string }, args: never) =>
          policyOf(base).decide(subject, { name: 'deploy', source: 'local', real: tool.source } as never, args),
      } as never;
      const f = fixture({ options: { policy } });
      const ran: unknown[] = [];
      const agent = (server: string) =>
        guardAgent(new Agent({ name: 'A', mcpServers: [mcpServer(server, ran)] }), f.gate);
      const served = await serve([call('echo'), 'done'], quiet);
      const first = await served.runner.run(agent('demo'), 'go').catch((error: unknown) => error);
      void first;
      const permitted = { ...(policy as object), permittedTools: () => ['echo'] } as never;
      const g = fixture({ options: { policy: permitted }, store: f.store });
      const make = (server: string) =>
        guardAgent(new Agent({ name: 'A', mcpServers: [mcpServer(server, ran)] }), g.gate);
      const again = await serve([call('echo', { amount: 2 }, 'c2'), 'done', 'done']);
      const paused = await again.runner.run(make('demo'), 'go');
      expect(paused.interruptions).toHaveLength(1);
      await g.decide('approve');
      for (const server of ['evil', 'demo']) {
        const state = await RunState.fromString(make(server), paused.state.toString());
        for (const item of state.getInterruptions()) state.approve(item);
        await again.runner.run(make(server), state);
        expect(ran).toEqual(server === 'evil' ? [] : [['demo', 'echo', { amount: 2 }]]);
      }
    },
  );
});

describe('hand-offs', () => {
  const script = (agent: string) => [
    call(`transfer_to_${agent}`, {}),
    call('pay', { amount: 5000 }, 'c2'),
    call('pay', { amount: 1 }, 'c3'),
    'done',
  ];

  verifies(
    'ADP-2',
    'a permitted hand-off happens, and the tools of its target are guarded; natively they just run',
    async () => {
      for (const guarded of [false, true]) {
        const ran: unknown[] = [];
        const billing = new Agent({ name: 'billing', tools: [recording('pay', ran)] });
        const agent = new Agent({ name: 'A', handoffs: [billing] });
        if (guarded) guardAgent(agent, fixture().gate);
        const result = await (await serve(script('billing'))).runner.run(agent, 'go');
        expect(result.lastAgent?.name).toBe('billing');
        expect(ran).toEqual(guarded ? [{ amount: 1 }] : [{ amount: 5000 }, { amount: 1 }]);
      }
    },
  );

  verifies(['ADP-2', 'ADP-6'], 'one under review stays with the agent, and the run goes on', async () => {
    const board = new Agent({ name: 'board' });
    const agent = guardAgent(new Agent({ name: 'A', handoffs: [board] }), fixture().gate);
    const result = await (await serve([call('transfer_to_board', {}), 'stayed'])).runner.run(agent, 'go');
    expect([result.finalOutput, result.lastAgent?.name]).toEqual(['stayed', 'A']);
  });

  test('one that answers an agent nobody mentioned gets that agent guarded', async () => {
    const ran: unknown[] = [];
    const hidden = new Agent({ name: 'hidden', tools: [recording('pay', ran)] });
    const entry = handoff(new Agent({ name: 'billing' }));
    entry.onInvokeHandoff = async () => hidden as never;
    const agent = guardAgent(new Agent({ name: 'A', handoffs: [entry] }), fixture().gate);
    const result = await (
      await serve([call('transfer_to_billing', {}), call('pay', { amount: 5000 }, 'c2'), 'done'])
    ).runner.run(agent, 'go');
    expect([result.lastAgent?.name, ran]).toEqual(['hidden', []]);
  });

  test('the same hand-off works again in the next run of the conversation', async () => {
    const agent = guardAgent(new Agent({ name: 'A', handoffs: [new Agent({ name: 'billing' })] }), fixture().gate);
    for (const _ of [1, 2])
      expect(
        (await (await serve([call('transfer_to_billing', {}), 'done'])).runner.run(agent, 'go')).lastAgent?.name,
      ).toBe('billing');
  });
});

describe('agents as tools', () => {
  const inner = (ran: unknown[]) =>
    new Agent({ name: 'inner', tools: [recording('pay', ran), recording('deploy', ran)] });
  const tool = (agent: Agent) => agent.asTool({ toolName: 'helper', toolDescription: 'helps' });

  verifies(
    'ADP-2',
    'an unguarded agent behind a tool is refused at start-up, and left out when added later',
    async () => {
      const f = fixture();
      expect(() => guardAgent(new Agent({ name: 'A', tools: [tool(inner([]))] }), f.gate)).toThrow(ToolNotGovernable);
      const agent = guardAgent(new Agent({ name: 'A' }), f.gate);
      agent.tools.push(tool(inner([])));
      expect(await agent.getAllTools(new RunContext({}))).toEqual([]);
    },
  );

  verifies('ADP-2', 'the inner agent is guarded; natively its tools just run', async () => {
    for (const guarded of [false, true]) {
      const ran: unknown[] = [];
      const f = fixture();
      const sub = inner(ran);
      if (guarded) guardAgent(sub, f.gate);
      const agent = new Agent({ name: 'A', tools: [tool(sub)] });
      if (guarded) guardAgent(agent, f.gate);
      const served = await serve([
        call('helper', { input: 'pay' }),
        call('pay', { amount: 5000 }, 'i1'),
        'inner done',
        'done',
      ]);
      expect((await served.runner.run(agent, 'go')).finalOutput).toBe('done');
      expect(ran).toEqual(guarded ? [] : [{ amount: 5000 }]);
    }
  });

  verifies(
    ['ADP-2', 'APR-8'],
    'a review inside pauses the outer run, and is resumed from its state, once',
    async () => {
      const f = fixture();
      const ran: unknown[] = [];
      const make = () => guardAgent(new Agent({ name: 'A', tools: [tool(guardAgent(inner(ran), f.gate))] }), f.gate);
      const served = await serve([
        call('helper', { input: 'deploy' }),
        call('deploy', { amount: 1 }, 'i1'),
        'inner done',
        'done',
        'inner done',
        'done',
      ]);
      const first = await served.runner.run(make(), 'go');
      expect(first.interruptions.map((item) => [item.agent.name, item.name])).toEqual([['inner', 'deploy']]);
      await f.decide('approve');
      for (const _ of [1, 2]) {
        const agent = make();
        const state = await RunState.fromString(agent, first.state.toString());
        for (const item of state.getInterruptions()) state.approve(item);
        expect((await served.runner.run(agent, state)).finalOutput).toBe('done');
      }
      expect(ran).toEqual([{ amount: 1 }]);
    },
  );
});

describe('tools that run at the provider', () => {
  verifies(['ADP-2', 'ADP-5'], 'are refused at start-up, and left out when added later', async () => {
    const f = fixture();
    const mcp = hostedMcpTool({ serverLabel: 'crm', serverUrl: 'https://crm.example' });
    const container = shellTool({ environment: { type: 'container_auto' } });
    for (const tool of [webSearchTool(), codeInterpreterTool(), mcp, container]) {
      expect(() => guardAgent(new Agent({ name: 'A', tools: [tool] }), f.gate)).toThrow(ToolNotGovernable);
      const agent = guardAgent(new Agent({ name: 'A' }), f.gate);
      agent.tools.push(tool);
      expect(await agent.getAllTools(new RunContext({}))).toEqual([]);
    }
    expect(() => guardAgent(new Agent({ name: 'A', tools: [mcp] }), f.gate, { allowHosted: ['crm'] })).toThrow(
      'approval',
    );
  });

  verifies('ADP-2', 'one that is named is offered only to a principal who holds its capability', async () => {
    const f = fixture();
    const agent = guardAgent(
      new Agent<{ user: string }>({ name: 'A', tools: [webSearchTool() as never] }),
      ({ context }) => f.countersign.gate({ tenant: 'acme', user: context.user, agent: 'support', run: 'r' }),
      { allowHosted: ['web_search'] },
    );
    const offered = async (user: string) =>
      (await agent.getAllTools(new RunContext({ user }), undefined as never)).map(({ name }) => name);
    expect([await offered('alice'), await offered('nobody')]).toEqual([['web_search'], []]);
  });

  verifies('ADP-2', 'a hosted MCP server asks the gate before every call, and a review is a refusal', async () => {
    const f = fixture();
    const tool = hostedMcpTool({
      serverLabel: 'crm',
      serverUrl: 'https://crm.example',
      requireApproval: 'always',
      onApproval: async () => ({ approve: true }),
    });
    const agent = guardAgent(new Agent({ name: 'A', tools: [tool] }), f.gate, { allowHosted: ['crm'] });
    const context = new RunContext({});
    expect(await agent.getAllTools(context)).toEqual([]);
    const [guarded] = await agent.getAllTools(context, undefined as never);
    const onApproval = (
      guarded as unknown as { providerData: { on_approval: (context: unknown, item: unknown) => Promise<unknown> } }
    ).providerData.on_approval;
    await agent.getSystemPrompt(context);
    const ask = (name: string, args: string, id: string) =>
      onApproval(context, {
        rawItem: { type: 'hosted_tool_call', name, providerData: { id, name, arguments: args, server_label: 'crm' } },
      });
    expect(await ask('lookup', '{"id":1}', 'm1')).toEqual({ approve: true });
    expect(await ask('lookup', '{"id":1}', 'm1')).toMatchObject({ approve: false });
    expect(await ask('erase', '{"id":1}', 'm2')).toMatchObject({
      approve: false,
      reason: expect.stringContaining('approves'),
    });
    expect(await ask('other', '{}', 'm3')).toMatchObject({ approve: false });
    expect(await ask('lookup', '{bad', 'm4')).toMatchObject({ approve: false });
  });

  verifies('ADP-2', 'tools that a client-side search finds are guarded', async () => {
    const ran: unknown[] = [];
    const search = toolSearchTool({ execution: 'client' } as never);
    attachClientToolSearchExecutor(search as never, async () => [recording('pay', ran), webSearchTool()] as never);
    const agent = guardAgent(new Agent({ name: 'A', tools: [search] }), fixture().gate);
    const context = new RunContext({});
    const [guarded] = await agent.getAllTools(context, undefined as never);
    const { getClientToolSearchExecutor } = await import('@openai/agents');
    const found = (await getClientToolSearchExecutor(guarded as never)?.({} as never)) as unknown as FunctionTool[];
    expect(found.map(({ name }) => name)).toEqual(['pay']);
    await agent.getSystemPrompt(context);
    const text = '{"amount":5000}';
    await found[0]?.invoke(context, text, {
      toolCall: { type: 'function_call', name: 'pay', callId: 'c', arguments: text },
    });
    expect(ran).toEqual([]);
  });
});

describe('shell, patch and computer tools', () => {
  const run = async (agent: Agent, item: object) => {
    const model = new ScriptedModel([[item as never], [assistantMessage('done')]]);
    return new Runner({ model, tracingDisabled: true }).run(agent, 'go');
  };
  const shellCall = (commands: string[]) => ({
    type: 'shell_call',
    callId: 's1',
    status: 'completed',
    action: { commands },
  });

  verifies('ADP-2', 'a shell command under review pauses, a denied one is answered; natively both run', async () => {
    // The policy of `pay` wants an amount, which a shell command does not have.
    for (const name of ['danger', 'pay']) {
      for (const guarded of [false, true]) {
        const ran: unknown[] = [];
        const shell = {
          run: async (action: unknown) => {
            ran.push(action);
            return { output: [] };
          },
        };
        const agent = new Agent({ name: 'A', tools: [shellTool({ name, shell })] });
        if (guarded) guardAgent(agent, fixture().gate);
        const result = await run(agent, shellCall(['ls']));
        expect([name, guarded, ran.length, result.interruptions.length]).toEqual([
          name,
          guarded,
          guarded ? 0 : 1,
          guarded && name === 'danger' ? 1 : 0,
        ]);
        if (guarded && name === 'pay') expect(JSON.stringify(result.history)).toContain('not permitted');
      }
    }
  });

  verifies(
    'ADP-2',
    'approvals of the SDK do not run a shell command: not sticky ones, not in another state',
    async () => {
      for (const approved of [false, true]) {
        const f = fixture();
        const ran: unknown[] = [];
        const shell = {
          run: async (action: unknown) => {
            ran.push(action);
            return { output: [] };
          },
        };
        const make = () =>
          guardAgent(
            new Agent({
              name: 'A',
              tools: [shellTool({ name: 'danger', shell, onApproval: async () => ({ approve: true }) })],
            }),
            f.gate,
          );
        const first = await run(make(), shellCall(['rm']));
        expect(first.interruptions).toHaveLength(1);
        if (approved) await f.decide('approve');
        for (const _ of [1, 2]) {
          const agent = make();
          const state = await RunState.fromString(agent, first.state.toString());
          for (const item of state.getInterruptions()) state.approve(item, { alwaysApprove: true });
          await new Runner({ model: new ScriptedModel([[assistantMessage('done')]]), tracingDisabled: true }).run(
            agent,
            state,
          );
        }
        expect(ran).toHaveLength(approved ? 1 : 0);
      }
    },
  );

  test('a shell command that is allowed runs once, on a private copy', async () => {
    const ran: unknown[] = [];
    const shell = {
      run: async (action: unknown) => {
        ran.push(action);
        return { output: [] };
      },
    };
    const result = await run(
      guardAgent(new Agent({ name: 'A', tools: [shellTool({ shell })] }), fixture().gate),
      shellCall(['ls']),
    );
    expect([result.finalOutput, ran]).toEqual(['done', [{ commands: ['ls'] }]]);
  });

  test('an executor of a guarded shell or editor that is called directly refuses', async () => {
    const ran: unknown[] = [];
    const shell = {
      run: async (action: unknown) => {
        ran.push(action);
        return { output: [] };
      },
    };
    const editor = {
      createFile: async (operation: unknown) => void ran.push(operation),
      updateFile: async () => undefined,
      deleteFile: async () => undefined,
    };
    const agent = guardAgent(
      new Agent({
        name: 'A',
        tools: [shellTool({ shell }), applyPatchTool({ name: 'patch', editor: editor as never })],
      }),
      fixture().gate,
    );
    const [guardedShell, patch] = (await agent.getAllTools(new RunContext({}))) as never as [
      { shell: typeof shell },
      { editor: typeof editor },
    ];
    expect(JSON.stringify(await guardedShell.shell.run({ commands: ['ls'] }))).toContain('not permitted');
    expect(await patch.editor.createFile({ type: 'create_file', path: 'x', diff: '' })).toMatchObject({
      status: 'failed',
    });
    expect(ran).toEqual([]);
  });

  test('a patch runs through the gate', async () => {
    const ran: unknown[] = [];
    const editor = {
      createFile: async (operation: unknown) => void ran.push(operation),
      updateFile: async () => undefined,
      deleteFile: async () => undefined,
    };
    const operation = { type: 'create_file', path: 'x', diff: '+1' };
    const item = { type: 'apply_patch_call', callId: 'a1', status: 'completed', operation };
    const result = await run(
      guardAgent(
        new Agent({ name: 'A', tools: [applyPatchTool({ name: 'patch', editor: editor as never })] }),
        fixture().gate,
      ),
      item,
    );
    expect([result.finalOutput, ran]).toEqual(['done', [operation]]);
  });

  test('every action of a computer is a call of its own', async () => {
    const ran: unknown[] = [];
    const noted =
      (name: string) =>
      async (...args: unknown[]) =>
        void ran.push([name, ...args.slice(0, -1)]);
    const computer = {
      environment: 'browser',
      dimensions: [1, 1],
      screenshot: async () => 'x',
      click: noted('click'),
      doubleClick: noted('doubleClick'),
      drag: noted('drag'),
      keypress: noted('keypress'),
      move: noted('move'),
      scroll: noted('scroll'),
      type: noted('type'),
      wait: noted('wait'),
    } as unknown as Computer;
    const f = fixture();
    const item = {
      type: 'computer_call',
      callId: 'k1',
      status: 'completed',
      action: { type: 'click', x: 1, y: 2, button: 'left' },
      actions: [
        { type: 'click', x: 1, y: 2, button: 'left' },
        { type: 'type', text: 'hi' },
      ],
    };
    await run(guardAgent(new Agent({ name: 'A', tools: [computerTool({ computer })] }), f.gate), item);
    expect(ran).toEqual([
      ['click', 1, 2, 'left'],
      ['type', 'hi'],
    ]);
    expect((await f.store.records('acme', { kind: 'claim' })).length).toBe(2);
  });
});

describe('the inventory', () => {
  verifies('ADP-5', 'names every tool and hand-off, and what no gate can stand in front of', async () => {
    const f = fixture();
    const billing = new Agent({ name: 'billing', tools: [recording('pay', []), webSearchTool()] });
    const agent = new Agent({
      name: 'A',
      tools: [recording('read', []), recording('unmapped', [])],
      handoffs: [billing],
      mcpServers: [mcpServer('demo', [])],
    });
    expect((await inventoryOf(agent)).every(({ ungovernable }) => ungovernable !== undefined)).toBe(true);
    billing.tools.pop();
    guardAgent(agent, f.gate);
    billing.tools.push(webSearchTool());
    const found = await inventoryOf(agent, { context: {} });
    const { governed, ungoverned } = f.countersign.inventory('acme', found);
    expect(governed).toEqual(['read', 'echo', 'transfer_to_billing', 'pay']);
    expect(ungoverned).toEqual(['unmapped', 'web_search']);
  });
});
