import { definePolicy, runnable, type Authorizer } from '@countersign/core';
import { jsonSchema, tool, type ModelMessage, type Tool, type ToolSet } from 'ai';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { verifies } from '../../../test/verifies.ts';
import { guardTools } from '../src/index.ts';
import { identifyTool } from '../src/tool-identity.ts';
import { document, fixture } from './support/fixture.ts';

type Execute = (input: unknown, options: object) => Promise<unknown>;

function executeOf(tools: ToolSet, name: string): Execute {
  return tools[name]?.execute as Execute;
}

function readTool(ran: unknown[]) {
  return { read: tool({ inputSchema: z.object({}), execute: () => ran.push('read') }) };
}

describe('a guarded tool', () => {
  test('is the tool with two members replaced: prototype, symbols and hidden members stay', () => {
    const mark = Symbol('mark');
    class Base {
      readonly inputSchema = z.object({});
      readonly [mark] = 'kept';
      execute(): number {
        return 1;
      }
    }
    const raw = Object.defineProperty(new Base(), 'hidden', { value: 'kept too' });
    const { read } = guardTools({ read: raw } as unknown as ToolSet, fixture().gate) as unknown as {
      read: Base & { hidden: string };
    };
    expect(read).toBeInstanceOf(Base);
    expect([read[mark], read.hidden, read.inputSchema]).toEqual(['kept', 'kept too', raw.inputSchema]);
    expect(Object.keys(read)).toEqual(['inputSchema', 'execute', 'needsApproval']);
    expect(raw.execute()).toBe(1);
  });

  test('cannot be given its body back', () => {
    const ran: unknown[] = [];
    const raw = readTool(ran);
    const guarded = guardTools(raw, fixture().gate) as unknown as { read: { execute: unknown } };
    expect(() => {
      guarded.read.execute = raw.read.execute;
    }).toThrow(TypeError);
  });

  test('works in a loop that takes execute off the tool and passes the message of the call itself, as WorkflowAgent does', async () => {
    const ran: unknown[] = [];
    const execute = executeOf(guardTools(readTool(ran), fixture().gate), 'read');
    const messages: ModelMessage[] = [
      { role: 'assistant', content: [{ type: 'tool-call', toolCallId: 'c1', toolName: 'read', input: {} }] },
    ];
    await expect(execute({}, { toolCallId: 'c1', messages })).resolves.toBe(1);
    await expect(
      execute({}, { toolCallId: 'c1', messages: [...messages, { role: 'user', content: 'again' }] }),
    ).resolves.toBe(1);
    expect(ran).toEqual(['read']);
  });

  verifies(
    ['ADP-6', 'CAP-3'],
    'denies calls that are malformed in any way, and never throws where the SDK would let that end the run',
    async () => {
      const ran: unknown[] = [];
      const { read } = guardTools(readTool(ran), fixture().gate) as unknown as {
        read: { execute: Execute; needsApproval: Execute };
      };
      const circular: Record<string, unknown> = {};
      circular['self'] = circular;
      const hostile = new Proxy(
        {},
        {
          ownKeys: () => {
            throw new Error('gotcha');
          },
        },
      );
      const options = { toolCallId: 'c1', messages: [] };
      const cases: readonly [unknown, object][] = [
        [circular, options],
        [hostile, options],
        [{ run: () => 1 }, options],
        [JSON.parse('{"__proto__":{"a":1}}'), options],
        [{ size: Number.NaN }, options],
        [{}, { toolCallId: '', messages: [] }],
        [{}, { toolCallId: 'x'.repeat(5_000), messages: [] }],
        [{}, { toolCallId: 7, messages: [] }],
        [{}, { messages: [] }],
      ];
      for (const [input, given] of cases) {
        await expect(read.needsApproval(input, given)).resolves.toBe(false);
        await expect(read.execute(input, given)).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED_TOOL_CALL' });
      }
      expect(ran).toEqual([]);
    },
  );

  verifies(
    'CAP-3',
    'runs with the arguments that were decided on, whatever becomes of the object that they came in',
    async () => {
      const input = { amount: 5 };
      const policy = definePolicy(document);
      const decide: Authorizer['decide'] = (...question) => {
        const decision = policy.decide(...question);
        input.amount = 1_000_000;
        return decision;
      };
      const { gate } = fixture({ policy: { ...policy, decide } });
      const pay = tool({ inputSchema: z.object({ amount: z.number() }), execute: ({ amount }) => amount });
      await expect(
        executeOf(guardTools({ pay }, gate), 'pay')(input, { toolCallId: 'c1', messages: [] }),
      ).resolves.toBe(5);
      expect(input.amount).toBe(1_000_000);
    },
  );

  verifies(
    ['ADP-1', 'APR-4'],
    'that streams answers a replay with its stored result, which is its last value',
    async () => {
      let runs = 0;
      const read = tool({
        inputSchema: z.object({}),
        async *execute() {
          runs += 1;
          yield 'half';
          yield 'whole';
        },
      });
      const guarded = guardTools({ read }, fixture().gate);
      const stream = guarded.read.execute as unknown as (input: unknown, options: object) => AsyncIterable<unknown>;
      const collected: unknown[][] = [];
      for (let time = 0; time < 2; time += 1) {
        const values: unknown[] = [];
        for await (const value of stream({}, { toolCallId: 'c1', messages: [] })) values.push(value);
        collected.push(values);
      }
      expect(collected).toEqual([['half', 'whole'], ['whole']]);
      expect(runs).toBe(1);
    },
  );

  test('that needs the context of the SDK is not given to workers; the others are, without showing it', () => {
    const { gate } = fixture();
    const contextual = tool({ inputSchema: z.object({}), contextSchema: z.object({}), execute: () => 1 });
    const guarded = guardTools({ ...readTool([]), contextual }, gate);
    expect([runnable in guarded.read, runnable in guarded.contextual]).toEqual([true, false]);
    expect(JSON.stringify(guarded.read)).not.toContain('identity');
  });
});

describe('the digest of a tool', () => {
  const digest = (found: Partial<Tool>): string | undefined => identifyTool('t', found as Tool)().schemaDigest;
  const properties = { a: { type: 'string' }, b: { type: 'number' } } as const;

  test('is the same for one schema however it is written, and another for another schema or description', () => {
    const written = jsonSchema({ type: 'object', properties });
    const forms: readonly Partial<Tool>[] = [
      { inputSchema: written },
      { inputSchema: () => written },
      { inputSchema: jsonSchema(() => ({ properties: { b: properties.b, a: properties.a }, type: 'object' })) },
    ];
    const digests = forms.map(digest);
    expect(digests[0]).toMatch(/^[\w-]{43}$/);
    expect(new Set(digests).size).toBe(1);
    const others = [
      digest({ inputSchema: written, description: 'other' }),
      digest({ inputSchema: jsonSchema({ type: 'object', properties: { a: properties.a } }) }),
      digest({ inputSchema: z.object({ a: z.string(), b: z.number() }) }),
      digests[0],
    ];
    expect(new Set(others).size).toBe(4);
    expect(others).not.toContain(undefined);
  });

  test('does not depend on a description that is made per request, and is absent where there is no schema to read at once', () => {
    const inputSchema = z.object({});
    expect(digest({ inputSchema, description: () => 'a' })).toBe(digest({ inputSchema, description: () => 'b' }));
    expect(digest({ inputSchema: jsonSchema(Promise.resolve({ type: 'object' as const })) })).toBeUndefined();
    expect(digest({ inputSchema: z.object({ date: z.date() }) })).toBeUndefined();
    expect(digest({ inputSchema: undefined as never })).toBeUndefined();
  });

  test('is not computed before the tool is used', () => {
    let read = 0;
    const inputSchema = () => {
      read += 1;
      return jsonSchema({ type: 'object' });
    };
    const guarded = guardTools({ read: tool({ inputSchema, execute: () => 1 }) }, fixture().gate);
    expect([read, guarded.read.inputSchema]).toEqual([0, inputSchema]);
  });
});
