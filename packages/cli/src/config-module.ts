/**
 * The module that makes the running configuration: `export default createCountersign(…)`, or a function that does.
 * Commands that need providers load it, because nothing else knows them.
 * @module
 */
import { pathToFileURL } from 'node:url';
import { resolve } from 'node:path';
import type { Countersign } from '@countersign/core';
import { CommandFailure } from './exit-codes.ts';
import { requireFile } from './files.ts';

/** Runs `task` on the configured instance, and closes it whatever happens. */
export async function withConfiguration<Result>(
  path: string,
  task: (countersign: Countersign) => Promise<Result>,
): Promise<Result> {
  const countersign = await load(resolve(requireFile('configuration module', path)));
  try {
    return await task(countersign);
  } finally {
    await countersign.close();
  }
}

async function load(path: string): Promise<Countersign> {
  const module = (await import(pathToFileURL(path).href)) as { readonly default?: unknown };
  const made: unknown =
    typeof module.default === 'function' ? await (module.default as () => unknown)() : module.default;
  const isInstance = typeof made === 'object' && made !== null && 'credentials' in made && 'close' in made;
  if (isInstance) return made as Countersign;
  throw new CommandFailure('usage', `${path}: expected a Countersign instance as its default export, or a function`);
}
