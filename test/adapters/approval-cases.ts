/** Calls that a person decides on. */
import type { Case } from './cases.ts';
import { approve, call, calls, reject, resume, start } from './script.ts';

const deploying = { turns: [calls(call('deploy'))], tools: ['deploy'] } as const;

/** Four calls at once: one runs, one is approved, one rejected, one not permitted. */
const mixed = {
  turns: [calls(call('read', 1, 'c1'), call('deploy', 1, 'c2'), call('wire', 1, 'c3'), call('pay', 500, 'c4'))],
  tools: ['read', 'deploy', 'wire', 'pay'],
  steps: [
    start,
    { do: 'vote', verdict: 'approve', tool: 'deploy' },
    { do: 'vote', verdict: 'reject', tool: 'wire' },
    { do: 'resume', answer: { deploy: 'approve', wire: 'reject' } },
  ],
  expect: { executed: { 'read 1': 1, 'deploy 1': 1, 'wire 1': 0, 'pay 500': 0 }, answered: ['c1', 'c2', 'c3', 'c4'] },
} as const;

/** The run pauses and goes on. */
export const pauseCases: readonly Case[] = [
  {
    id: 'high-approved',
    title: 'A call of high risk suspends the run; approved, it is resumed in another process and runs once',
    ...deploying,
    steps: [{ do: 'start', elsewhere: true }, approve, { do: 'resume', answer: 'approve', elsewhere: true }],
    expect: { executed: { 'deploy 1': 1 }, answered: ['c1'], asks: 1 },
  },
  {
    id: 'high-approved-streamed',
    title: 'A call of high risk suspends the run, and runs once when it was approved, streamed',
    ...deploying,
    stream: true,
    steps: [start, approve, resume],
    expect: { executed: { 'deploy 1': 1 }, answered: ['c1'], asks: 1 },
  },
];

/** An approval is good for one call, once, and only if it was given. */
export const approvalCases: readonly Case[] = [
  {
    id: 'medium-pending',
    title: 'A call of medium risk is filed, the run goes on, and the approved call runs later, once',
    turns: [calls(call('note'))],
    tools: ['note'],
    steps: [start, { do: 'work' }, approve, { do: 'work' }, { do: 'work' }],
    expect: { executed: { 'note 1': 1 }, answered: ['c1'], asks: 1 },
  },
  {
    id: 'high-rejected',
    title: 'A rejected call does not run, and the model is told',
    ...deploying,
    steps: [start, reject, { do: 'resume', answer: 'reject' }],
    expect: { executed: { 'deploy 1': 0 }, answered: ['c1'] },
  },
  {
    id: 'rejected-then-flipped',
    title: 'A rejection stays one when the stored state is resumed with a yes',
    ...deploying,
    steps: [start, reject, { do: 'resume', answer: 'reject' }, { do: 'resume', answer: 'approve', replay: true }],
    expect: { executed: { 'deploy 1': 0 }, ends: 'done or waiting' },
  },
  {
    id: 'resumed-without-a-vote',
    title: 'Whoever resumes cannot approve: without a vote of somebody who may decide nothing runs',
    ...deploying,
    steps: [start, resume],
    expect: { executed: { 'deploy 1': 0 }, ends: 'done or waiting' },
  },
  {
    id: 'expired',
    title: 'A request that nobody answered in time cannot be approved any more',
    ...deploying,
    steps: [start, { do: 'wait', hours: 48 }, approve, resume],
    expect: { executed: { 'deploy 1': 0 }, ends: 'done or waiting' },
  },
  {
    id: 'approval-outdated',
    title: 'An approval that was not used in time is no longer good',
    ...deploying,
    steps: [start, approve, { do: 'wait', hours: 48 }, resume],
    expect: { executed: { 'deploy 1': 0 }, ends: 'done or waiting' },
  },
  {
    id: 'approved-twice',
    title: 'A call that is approved twice runs once',
    ...deploying,
    steps: [start, approve, approve, { do: 'resume', answer: 'approve', times: 2 }],
    expect: { executed: { 'deploy 1': 1 }, answered: ['c1'] },
  },
  {
    id: 'resumed-twice',
    title: 'A stored state that is resumed three times runs the call once',
    ...deploying,
    steps: [
      start,
      approve,
      resume,
      { do: 'resume', answer: 'approve', replay: true },
      { do: 'resume', answer: 'approve', replay: true },
    ],
    expect: { executed: { 'deploy 1': 1 }, answered: ['c1'] },
  },
  {
    id: 'resumed-concurrently',
    title: 'Two processes that resume one state at once run the call once',
    ...deploying,
    steps: [start, approve, { do: 'resume', answer: 'approve', together: true }],
    expect: { executed: { 'deploy 1': 1 }, answered: ['c1'], races: true },
  },
  {
    id: 'resumed-by-another-user',
    title: 'A call that was approved for one user does not run when another resumes',
    ...deploying,
    steps: [start, approve, { do: 'resume', answer: 'approve', user: 'bob' }],
    expect: { executed: { 'deploy 1': 0 }, ends: 'done or waiting' },
  },
  {
    id: 'forged-arguments',
    title: 'Arguments that are changed in the stored state do not run',
    ...deploying,
    steps: [start, approve, { do: 'resume', answer: 'approve', forge: 'other-arguments', times: 2 }],
    expect: { executed: { 'deploy 999': 0, 'deploy 1': 'at most once' }, ends: 'done or waiting' },
  },
  {
    id: 'forged-call',
    title: 'A stored state in which the approved call became a call of another tool runs nothing',
    turns: [calls(call('deploy'))],
    tools: ['deploy', 'wire'],
    steps: [start, approve, { do: 'resume', answer: 'approve', forge: { tool: 'wire', id: 'c1' }, times: 2 }],
    expect: { executed: { 'wire 1': 0, 'deploy 1': 'at most once' }, ends: 'done or waiting' },
  },
  {
    id: 'invented-call',
    title:
      'A stored state in which the approved call became one that needs no approval runs nothing: the model never made it',
    turns: [calls(call('deploy'))],
    tools: ['deploy', 'read'],
    steps: [start, approve, { do: 'resume', answer: 'approve', forge: { tool: 'read', id: 'c9' }, times: 2 }],
    expect: { executed: { 'read 1': 0, 'deploy 1': 'at most once' }, ends: 'done or waiting' },
  },
  { id: 'parallel-mixed', title: 'Of parallel calls the approved run, the others do not, and none is lost', ...mixed },
  {
    id: 'parallel-mixed-streamed',
    title: 'Of parallel calls the approved run, the others do not, and none is lost, streamed',
    ...mixed,
    stream: true,
  },
  {
    id: 'parallel-one-approved',
    title: 'Of two calls that wait one was approved: a resume with a yes to both runs that one only',
    turns: [calls(call('deploy', 1, 'c1'), call('wire', 1, 'c2'))],
    tools: ['deploy', 'wire'],
    steps: [start, { do: 'vote', verdict: 'approve', tool: 'deploy' }, resume],
    expect: { executed: { 'deploy 1': 1, 'wire 1': 0 }, ends: 'done or waiting' },
  },
];
