/**
 * Countersign for the OpenAI Agents SDK.
 * @module
 */
export { guardAgent } from './guard-agent.ts';
export type { AgentShape, ContextOf } from './guard-agent.ts';
export type { CallContext, GuardOptions, PendingCall } from './call-site.ts';
export { inventoryOf } from './inventory-of.ts';
export { resumeRunState, signRunState } from './run-state.ts';
export type { ResumeRunStateOptions, SignRunStateOptions } from './run-state.ts';
export { runnableTools } from './runnable-tools.ts';
