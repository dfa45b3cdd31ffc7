/**
 * What `countersign doctor` finds. Never the secret itself, nor a part of it.
 * @module
 */

export type Check = 'policy' | 'prompt' | 'tracked' | 'environment' | 'key-file';

export interface Finding {
  readonly check: Check;
  /** `file:line:column`, a file, or the name of a variable. */
  readonly place: string;
  readonly message: string;
}
