/** Cases that a framework does not have, and why. Nothing else may be left out. */
import type { Column, Framework } from './harness.ts';

interface NotApplicable {
  readonly case: string;
  readonly frameworks: readonly Framework[];
  readonly columns: readonly Column[];
  readonly reason: string;
}

const both = ['native', 'guarded'] as const;

const list: readonly NotApplicable[] = [
  {
    case: 'medium-pending',
    frameworks: ['ai-sdk', 'openai-agents', 'langchain'],
    columns: ['native'],
    reason: 'its approval always suspends the run',
  },
  {
    case: 'generator-tool',
    frameworks: ['openai-agents'],
    columns: both,
    reason: 'its tools answer once',
  },
  {
    case: 'tool-times-out',
    frameworks: ['langchain'],
    columns: both,
    reason: 'it has a time limit for a run, none for a tool',
  },
  ...['hand-off-allow', 'hand-off-deny', 'hand-off-approved'].map((name) => ({
    case: name,
    frameworks: ['ai-sdk', 'langchain'] as const,
    columns: both,
    reason: 'it has no hand-offs of its own',
  })),
];

export function whyNotApplicable(name: string, framework: Framework, column: Column): string | undefined {
  return list.find(
    (entry) => entry.case === name && entry.frameworks.includes(framework) && entry.columns.includes(column),
  )?.reason;
}

/** For the check that every entry is about a case. */
export const namedCases: readonly string[] = list.map((entry) => entry.case);
