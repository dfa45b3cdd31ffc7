import { test } from 'vitest';
import type { Register } from './support/parts.ts';
import { requirements } from './requirements.ts';
import type { RequirementId } from './requirements.ts';

interface Options {
  /** Registers the test: `part(…)` for a test that needs a real part. */
  using?: Register;
  /** Milliseconds until a hang counts as a failure. */
  timeout?: number;
}

/** A test that shows requirements to hold; its title carries their ids: `[CAP-1] …`. Write the ids as literals. */
export function verifies(
  ids: RequirementId | readonly RequirementId[],
  name: string,
  body: () => unknown,
  { using, timeout }: Options = {},
): void {
  const cited: readonly string[] = typeof ids === 'string' ? [ids] : ids;
  for (const id of cited) if (!Object.hasOwn(requirements, id)) throw new Error(`unknown requirement ${id}: "${name}"`);
  const title = `${cited.map((id) => `[${id}]`).join(' ')} ${name}`;
  if (using !== undefined) using(title, body, timeout);
  else test(title, timeout === undefined ? {} : { timeout }, async () => void (await body()));
}
