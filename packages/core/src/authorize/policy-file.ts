/**
 * Policies from files. The only part of authorization that touches the file system.
 * @module
 */
import { readFileSync } from 'node:fs';
import { PolicyError } from '../errors.ts';
import { parsePolicy } from './parse-policy.ts';
import type { Policy } from './policy.ts';

/** Reads a policy in YAML or JSON. Throws {@link PolicyError}, also when the file cannot be read or is no UTF-8. */
export function policyFile(path: string): Policy {
  return parsePolicy(readText(path));
}

function readText(path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path));
  } catch (error) {
    const message = `the file ${JSON.stringify(path)} cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    throw new PolicyError([{ path: '', message }], { cause: error });
  }
}
