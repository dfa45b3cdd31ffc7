/**
 * The ambient principal: opened on the server around a request, read by gates that are resolved per call.
 * @module
 */
import type { Gate } from '../gate.ts';
import { processState } from '../process-state.ts';

/** Runs `task` with the gate as the ambient one. Nested scopes replace it; it ends with the task's asynchronous context. */
export function withinScope<Result>(gate: Gate, task: () => Result): Result {
  return processState().scope.run(gate, task);
}

/** The gate of the innermost scope, if there is one. */
export function ambientGate(): Gate | undefined {
  const gate = processState().scope.getStore();
  return isGate(gate) ? gate : undefined;
}

/** Whether this very object was made by a Countersign instance of this process; a look-alike is not. */
export function isGate(value: unknown): value is Gate {
  return typeof value === 'object' && value !== null && processState().gates.has(value);
}
