/**
 * The form of a capability: `service:resource:action`, two or more parts, always an exact name.
 * @module
 */

/** Also the pattern of the published JSON Schema. */
export const capabilityPattern = '^[a-z0-9][a-z0-9_.-]*(?::[a-z0-9][a-z0-9_.-]*)+$';
export const maxCapabilityLength = 256;

const form = new RegExp(capabilityPattern, 'u');

/** What is wrong with a capability; `undefined` for a good one. */
export function capabilityProblem(value: string): string | undefined {
  const quoted = JSON.stringify(value.slice(0, 80));
  if (/[*?]/.test(value)) return `wildcards are refused, name each capability that is meant, got ${quoted}`;
  if (value.length > maxCapabilityLength) return `a capability has at most ${maxCapabilityLength} characters`;
  if (form.test(value)) return undefined;
  return `a capability has two or more parts like "service:resource:action" in [a-z0-9_.-], got ${quoted}`;
}
