/** What a model should not send, and sends. */
import type { Case } from './cases.ts';
import { approve, call, calls, resume, start } from './script.ts';

/** Never run, never shown to a person, never the end of a run. */
const garbage = { executed: {}, answered: ['c1'], asks: 0 } as const;

export const inputCases: readonly Case[] = [
  {
    id: 'malformed-arguments',
    title: 'Arguments that are no JSON: nobody is asked, nothing runs, the model is told',
    turns: [calls(call('deploy', '{"amount": 1'))],
    tools: ['deploy'],
    steps: [start],
    expect: garbage,
  },
  {
    id: 'malformed-arguments-streamed',
    title: 'Arguments that are no JSON, streamed: nothing runs, the model is told',
    turns: [calls(call('read', '{"amount": 1'))],
    tools: ['read'],
    stream: true,
    steps: [start],
    expect: garbage,
  },
  {
    id: 'invalid-arguments',
    title: 'Arguments that the schema does not allow: nobody is asked, nothing runs, the model is told',
    turns: [calls(call('deploy', { amount: 'x' }))],
    tools: ['deploy'],
    steps: [start],
    expect: garbage,
  },
  {
    id: 'duplicate-ids',
    title: 'Two calls with one id in one step: one of them runs at most',
    turns: [calls(call('read', 1, 'c1'), call('read', 2, 'c1'))],
    tools: ['read'],
    steps: [start],
    expect: { executed: { 'read 1': 'at most once', 'read 2': 'at most once' }, onceInAll: true, ends: 'anyhow' },
  },
  {
    id: 'duplicate-ids-approved',
    title: 'Two calls with one id that need a person: one of them runs at most, and it is one that the person saw',
    turns: [calls(call('deploy', 1, 'c1'), call('deploy', 2, 'c1'))],
    tools: ['deploy'],
    steps: [start, approve, resume],
    expect: {
      executed: { 'deploy 1': 'at most once', 'deploy 2': 'at most once' },
      onceInAll: true,
      onlyWhatWasAsked: true,
      ends: 'anyhow',
    },
  },
  {
    id: 'id-of-an-earlier-step',
    title: 'A later step reuses an id: neither call runs twice',
    turns: [calls(call('read', 1, 'c1')), calls(call('read', 2, 'c1'))],
    tools: ['read'],
    steps: [start],
    expect: { executed: { 'read 1': 1, 'read 2': 'at most once' }, ends: 'anyhow' },
  },
  {
    id: 'no-id',
    title: 'A call with an empty id runs once at most',
    turns: [calls(call('read', 1, ''))],
    tools: ['read'],
    steps: [start],
    expect: { executed: { 'read 1': 'at most once' }, ends: 'anyhow' },
  },
];
