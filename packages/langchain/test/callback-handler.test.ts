import { BaseCallbackHandler } from '@langchain/core/callbacks/base';
import { AIMessage, type BaseMessage } from '@langchain/core/messages';
import { RunnableLambda, RunnableSequence } from '@langchain/core/runnables';
import { tool } from '@langchain/core/tools';
import { MemorySaver } from '@langchain/langgraph';
import { ToolNode } from '@langchain/langgraph/prebuilt';
import { createAgent } from 'langchain';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { verifies } from '../../../test/verifies.ts';
import { CountersignCallbackHandler, guardTool, guardTools } from '../src/index.ts';
import { fixture, thread } from './support/fixture.ts';
import { results, ScriptedChat, toolbox } from './support/tools.ts';

const reply = new AIMessage({
  content: '',
  tool_calls: [{ name: 'read', args: { x: 1 }, id: 'c1', type: 'tool_call' }],
});

describe('the callback handler', () => {
  verifies(
    ['ADP-3', 'ADP-5'],
    'blocks what is not guarded on every way that callbacks see, and lets guarded tools run',
    async () => {
      const f = fixture();
      const { runs, tools } = toolbox();
      const raw = tools['read']!;
      const config = { callbacks: [new CountersignCallbackHandler(f.source)] };
      const args = { x: 1 };
      const ways: readonly (() => Promise<unknown>)[] = [
        async () => raw.invoke(args, config),
        async () => raw.call(args, config),
        async () => raw.batch([args], config),
        async () => raw.stream(args, config),
        async () => raw.withConfig({ runName: 'read', tags: ['guarded'] }).invoke(args, config),
        async () => RunnableSequence.from([RunnableLambda.from(() => args), raw]).invoke('go', config),
        async () => RunnableLambda.from(async () => raw.invoke(args)).invoke('go', config),
        async () => raw.invoke(args, { ...config, metadata: { 'countersign/1/langchain/mark': {}, guarded: true } }),
      ];
      for (const way of ways) await expect(way()).rejects.toMatchObject({ code: 'ERR_TOOL_NOT_GOVERNABLE' });
      const { messages } = (await new ToolNode([raw]).invoke({ messages: [reply] }, config)) as {
        messages: BaseMessage[];
      };
      expect(results({ messages })).toEqual([expect.stringContaining('not guarded')]);
      expect(runs).toEqual([]);
      expect(await guardTool(raw, f.source).invoke(args, config)).toBe('read 1 ok');
      expect(runs).toEqual(['read:1']);
    },
  );

  test('metadata that look like those of a guarded tool are none', async () => {
    const f = fixture();
    const mark = Symbol.for('countersign/1/langchain/mark');
    for (const forged of [{}, Object.freeze({}), true, 'guarded']) {
      const { runs, tools } = toolbox();
      const raw = tools['read']!;
      raw.metadata = { [mark]: forged };
      await expect(raw.invoke({ x: 1 }, { callbacks: [new CountersignCallbackHandler(f.source)] })).rejects.toThrow(
        'not guarded',
      );
      expect(runs).toEqual([]);
    }
  });

  verifies(
    ['ADP-3', 'AUD-1'],
    'has each blocked run recorded as a denial, also of a tool that the policy permits',
    async () => {
      const f = fixture();
      const { tools } = toolbox();
      const callbacks = [new CountersignCallbackHandler(f.source)];
      await expect(tools['read']!.invoke({ x: 1 }, { callbacks })).rejects.toThrow('not guarded');
      await expect(tools['send']!.invoke({ x: 1 }, { callbacks })).rejects.toThrow('not guarded');
      expect(await f.kinds()).toEqual(['decision:deny', 'decision:deny']);
      expect(await f.pending()).toEqual([]);
      expect(await f.records()).toMatchObject([
        { tool: 'read', source: 'unguarded', verdict: 'deny' },
        { tool: 'send', source: 'unguarded', verdict: 'deny' },
      ]);
    },
  );

  verifies('CAP-1', 'blocks also when nobody is behind the call, and when the gate cannot be asked', async () => {
    const { runs, tools } = toolbox();
    const f = fixture();
    for (const source of [
      () => undefined,
      () => {
        throw new Error('down');
      },
    ]) {
      await expect(
        tools['read']!.invoke({ x: 1 }, { callbacks: [new CountersignCallbackHandler(source)] }),
      ).rejects.toThrow('not guarded');
    }
    await f.countersign.close();
    await expect(
      tools['read']!.invoke({ x: 1 }, { callbacks: [new CountersignCallbackHandler(f.source)] }),
    ).rejects.toThrow('not guarded');
    expect(runs).toEqual([]);
  });

  test('a raw tool inside the body of a guarded one is blocked too: it does not inherit the mark', async () => {
    const f = fixture();
    const { runs, tools } = toolbox();
    const outer = guardTool(
      tool(async () => tools['read']!.invoke({ x: 1 }), { name: 'task', description: 'd', schema: z.object({}) }),
      f.source,
    );
    await expect(outer.invoke({}, { callbacks: [new CountersignCallbackHandler(f.source)] })).rejects.toThrow(
      'not guarded',
    );
    expect(runs).toEqual([]);
  });

  test('another handler of the same name cannot take its place: the name is random', () => {
    const f = fixture();
    const names = [new CountersignCallbackHandler(f.source).name, new CountersignCallbackHandler(f.source).name];
    expect(new Set(names).size).toBe(2);
  });

  test('LangChain lets a handler stop a tool only by its constructor option: a member set later does not block', async () => {
    const { runs, tools } = toolbox();
    class Late extends BaseCallbackHandler {
      override readonly name = 'late';
      override raiseError = false;
      override handleToolStart(): void {
        throw new Error('denied');
      }
    }
    await tools['read']!.invoke({ x: 1 }, { callbacks: [new Late()] });
    expect(runs).toEqual(['read:1']);
    class Early extends Late {
      constructor() {
        super({ raiseError: true });
        this.raiseError = true;
      }
    }
    await expect(tools['read']!.invoke({ x: 2 }, { callbacks: [new Early()] })).rejects.toThrow('denied');
    expect(runs).toEqual(['read:1']);
  });

  test('registered for the process, it blocks where no callbacks are passed at all', async () => {
    const f = fixture();
    const { runs, tools } = toolbox();
    await RunnableLambda.from(async () => {
      new CountersignCallbackHandler(f.source).registerProcessWide();
      await expect(tools['read']!.invoke({ x: 1 })).rejects.toThrow('not guarded');
      await expect(
        createAgent({
          model: new ScriptedChat([{ name: 'read', args: { x: 1 } }]),
          tools: [tools['read']!],
          checkpointer: new MemorySaver(),
        }).invoke({ messages: [] }, thread()),
      ).resolves.toMatchObject({
        messages: expect.arrayContaining([expect.objectContaining({ status: 'error' })]) as unknown,
      });
      expect(await guardTools([tools['read']!], f.source)[0].invoke({ x: 2 })).toBe('read 2 ok');
    }).invoke('go');
    expect(runs).toEqual(['read:2']);
  });
});
