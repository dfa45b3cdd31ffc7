/**
 * Countersign for the Vercel AI SDK: the gate in front of every tool.
 * @module
 */
export { guardTools } from './guard-tools.ts';
export type { GuardToolsOptions } from './guard-tools.ts';
export { guardToolApproval } from './guard-tool-approval.ts';
export type { ToolContext } from './guard-tool.ts';
export { guardModel } from './guard-model.ts';
export type { GuardModelOptions, ModelContext } from './guard-model.ts';
export { detectUnguarded } from './detect-unguarded.ts';
export type { DetectUnguardedOptions } from './detect-unguarded.ts';
export { recordApprovalResponses } from './record-approval-responses.ts';
export type { RecordApprovalResponsesInput, RecordedResponse } from './record-approval-responses.ts';
export { inventoryOf } from './inventory-of.ts';
