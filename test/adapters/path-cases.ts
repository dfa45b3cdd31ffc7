/** Ways to a tool that are not the plain one. */
import type { Case } from './cases.ts';
import { call, calls, resume, start } from './script.ts';

const delegated = { shape: 'sub-agent', steps: [start] } as const;

/** Sub-agents of one framework take an amount, of another a text. */
const help = calls({ name: 'helper', id: 'h1', args: { amount: 1, input: 'help' } });

export const pathCases: readonly Case[] = [
  {
    id: 'sub-agent-allow',
    title: 'Agent as a tool: a permitted call runs once',
    turns: [help, calls(call('read')), 'inner', 'done'],
    tools: ['read'],
    ...delegated,
    expect: { executed: { 'read 1': 1 }, answered: ['h1', 'c1'] },
  },
  {
    id: 'sub-agent-deny',
    title: 'Agent as a tool: a call with arguments over the limit does not run',
    turns: [help, calls(call('pay', 500)), 'inner', 'done'],
    tools: ['pay'],
    ...delegated,
    expect: { executed: { 'pay 500': 0 }, answered: ['h1', 'c1'] },
  },
  {
    id: 'hand-off-allow',
    title: 'Hand-off: a permitted call of the new agent runs once',
    turns: [calls(call('transfer_to_specialist', {}, 'h1')), calls(call('read'))],
    tools: ['read'],
    shape: 'hand-off',
    steps: [start],
    expect: { executed: { 'read 1': 1 }, answered: ['h1', 'c1'] },
  },
  {
    id: 'hand-off-deny',
    title: 'Hand-off: a call with arguments over the limit does not run',
    turns: [calls(call('transfer_to_specialist', {}, 'h1')), calls(call('pay', 500))],
    tools: ['pay'],
    shape: 'hand-off',
    steps: [start],
    expect: { executed: { 'pay 500': 0 }, answered: ['h1', 'c1'] },
  },
  {
    id: 'late-tool',
    title: 'A tool that is added after the agent was guarded does not run unguarded',
    turns: [calls(call('late'))],
    tools: ['read', 'late'],
    steps: [start],
    expect: { executed: { 'late 1': 0 } },
  },
  {
    id: 'mcp-tool',
    title: 'Of the tools of an MCP server the permitted one runs once, the other does not',
    turns: [calls(call('echo', 1, 'c1')), calls(call('erase', 1, 'c2'))],
    tools: ['mcp'],
    steps: [start],
    expect: { executed: { 'echo 1': 1, 'erase 1': 0 }, answered: ['c1'] },
  },
  {
    id: 'provider-tool',
    title: 'A tool that runs at the provider is refused at start-up, or not offered',
    turns: [],
    tools: ['read', 'search'],
    steps: [start],
    expect: { executed: {}, ends: 'anyhow' },
  },
];

/** Pauses on such ways. */
export const pathPauseCases: readonly Case[] = [
  {
    id: 'sub-agent-approved',
    title: 'Agent as a tool: a call that needs a person runs once when it was approved',
    turns: [help, calls(call('deploy')), 'inner', 'done'],
    tools: ['deploy'],
    shape: 'sub-agent',
    steps: [{ do: 'start', vote: 'approve' }, resume],
    expect: { executed: { 'deploy 1': 1 }, answered: ['h1', 'c1'] },
  },
  {
    id: 'hand-off-approved',
    title: 'Hand-off: a call that needs a person suspends the run, and runs once when it was approved',
    turns: [calls(call('transfer_to_specialist', {}, 'h1')), calls(call('deploy'))],
    tools: ['deploy'],
    shape: 'hand-off',
    steps: [start, { do: 'vote', verdict: 'approve' }, resume],
    expect: { executed: { 'deploy 1': 1 }, answered: ['h1', 'c1'] },
  },
];
