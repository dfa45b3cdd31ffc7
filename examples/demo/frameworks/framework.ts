/**
 * What the demo needs of an agent framework, and the table of those it knows. A framework is one file here.
 */
import type { GateSource, RunnableTools } from '@countersign/core';
import type { DemoTool } from '../tools.ts';

export interface AgentRun {
  readonly text: string;
  /** Plain JSON: all that a later process needs to go on. */
  readonly state: unknown;
  /** Whether the run is suspended until a person approves. */
  readonly suspended: boolean;
}

export interface AgentSettings {
  /** Address of the scripted model; absent: the real API. */
  readonly modelUrl: string | undefined;
  readonly instructions: string;
  readonly tools: Readonly<Record<string, DemoTool>>;
  readonly gate: GateSource<unknown>;
  /** For frameworks whose suspended runs can be signed. */
  readonly stateKey: Uint8Array;
  /** One line for the person who watches. */
  readonly say: (line: string) => void;
}

export interface DemoFramework {
  /** A new run. */
  start(settings: AgentSettings, prompt: string): Promise<AgentRun>;
  /** Goes on with a suspended run, in any process, telling the framework that it may. */
  resume(settings: AgentSettings, state: unknown): Promise<AgentRun>;
  /** The guarded tools, for a worker. */
  runnableTools(settings: Pick<AgentSettings, 'tools' | 'gate'>): RunnableTools | Promise<RunnableTools>;
}

const frameworks: Readonly<Record<string, () => Promise<DemoFramework>>> = {
  'ai-sdk': async () => (await import('./ai-sdk.ts')).aiSdk,
  'openai-agents': async () => (await import('./openai-agents.ts')).openaiAgents,
  langchain: async () => (await import('./langchain.ts')).langchain,
};

export const frameworkNames: readonly string[] = Object.keys(frameworks);

export async function frameworkNamed(name: string): Promise<DemoFramework> {
  const load = Object.hasOwn(frameworks, name) ? frameworks[name] : undefined;
  if (load === undefined) throw new Error(`no framework ${name}; there are: ${frameworkNames.join(', ')}`);
  return load();
}
