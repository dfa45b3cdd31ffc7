/** A sandbox agent runs on clones of itself, with tools of its capabilities that are in no list. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Runner, setTracingDisabled } from '@openai/agents';
import { SandboxAgent, shell } from '@openai/agents/sandbox';
import { UnixLocalSandboxClient } from '@openai/agents/sandbox/local';
import { ScriptedModel, assistantMessage, functionCall } from '@openai/agents/testing';
import { definePolicy } from '@countersign/core';
import { describe, expect, onTestFinished } from 'vitest';
import { verifies } from '../../../test/verifies.ts';
import { guardAgent } from '../src/index.ts';
import { fixture } from './support/fixture.ts';
import { document } from './support/policy.ts';

setTracingDisabled(true);

const capability = 'tickets:ticket:read';
const command = { type: 'object', properties: { cmd: { enum: ['echo allowed'] } }, required: ['cmd'] } as const;
const policy = definePolicy({
  ...document,
  tools: { ...document.tools, exec_command: { capability, risk: 'low', arguments: command } },
});

describe('a sandbox agent', () => {
  verifies('ADP-2', 'its commands are decided on like any other call; natively all run', async () => {
    for (const guarded of [false, true]) {
      const folder = mkdtempSync(join(tmpdir(), 'countersign-'));
      onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
      const agent = new SandboxAgent({ name: 'S', capabilities: [shell()] });
      if (guarded) guardAgent(agent, fixture({ options: { policy } }).gate);
      const model = new ScriptedModel([
        [functionCall('exec_command', { cmd: 'echo allowed' }, { callId: 'c1' })],
        [functionCall('exec_command', { cmd: 'echo denied' }, { callId: 'c2' })],
        [assistantMessage('done')],
      ]);
      const runner = new Runner({
        model,
        tracingDisabled: true,
        sandbox: { client: new UnixLocalSandboxClient() } as never,
      });
      const result = await runner.run(agent, 'go');
      const outputs = JSON.stringify(
        result.newItems.filter(({ type }) => type === 'tool_call_output_item').map((item) => item.rawItem),
      );
      expect(outputs).toContain('allowed\\');
      expect(outputs.includes('not permitted')).toBe(guarded);
    }
  });
});
