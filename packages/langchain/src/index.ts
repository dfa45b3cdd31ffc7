/**
 * Countersign for LangChain and LangGraph.
 * @module
 */
export { guardTool, guardTools } from './guard-tools.ts';
export type { Guarded, GuardOptions } from './guard-tools.ts';
export { guardAgent } from './guard-agent.ts';
export type { AgentOptions } from './guard-agent.ts';
export { recordAnswer } from './recorded-answers.ts';
export { countersignMiddleware } from './middleware.ts';
export type { MiddlewareOptions } from './middleware.ts';
export { CountersignCallbackHandler } from './callback-handler.ts';
export { inventoryOf } from './inventory-of.ts';
export type { CountersignInterrupt } from './run-guarded.ts';
export type { ToolContext, ToolGateSource } from './tool-context.ts';
