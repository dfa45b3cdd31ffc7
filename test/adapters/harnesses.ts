/** The harnesses, each loaded when it is first asked: a process that serves one framework does not load the others. */
import type { Framework, Harness } from './harness.ts';

const loaders: Readonly<Record<Framework, () => Promise<Harness>>> = {
  'ai-sdk': async () => (await import('./ai-sdk-harness.ts')).aiSdkHarness,
  'openai-agents': async () => (await import('./openai-agents-harness.ts')).openaiAgentsHarness,
  langchain: async () => (await import('./langchain-harness.ts')).langchainHarness,
};

export function harnessOf(framework: Framework): Promise<Harness> {
  return loaders[framework]();
}
