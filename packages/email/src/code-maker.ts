/**
 * How the letters of a code come about, and how many wrong ones are taken.
 * @module
 */
import { createHash, createHmac, KeyObject, timingSafeEqual } from 'node:crypto';
import { KeyError } from '@countersign/core';
import { codeOf } from '@countersign/core/channel';

export const placeLength = 4;
const personLength = 12;
const checkLength = 4;
const form = /^[0-9A-HJKMNP-TV-Z]{20}$/;
const keyLength = 32;
const maxWrong = 10;

export interface CodeSubject {
  readonly tenant: string;
  readonly id: string;
  readonly digest: string;
}

export interface CodeMaker {
  /** The first letters: which request. They let a request be found without trying all of them. */
  place(tenant: string, id: string): string;
  /** The whole code. */
  make(subject: CodeSubject, approver: string, window: number): string;
  /** Whether it was made with this key, for whatever that was: a guess is refused without asking the store. */
  isOurs(code: string): boolean;
}

/** @throws KeyError unless the key has 32 bytes */
export function createCodeMaker(key: KeyObject | Uint8Array): CodeMaker {
  const bytes = key instanceof KeyObject && key.type === 'secret' ? key.export() : key;
  if (!(bytes instanceof Uint8Array) || bytes.length !== keyLength)
    throw new KeyError(`the key of mail codes has ${keyLength} bytes`);
  const letters = (length: number, ...fields: readonly (string | number)[]): string => {
    const text = JSON.stringify(['countersign/mail-code/1', ...fields]);
    return codeOf(createHmac('sha256', bytes).update(text).digest().subarray(0, length));
  };
  const place = (tenant: string, id: string): string => letters(placeLength, 'place', tenant, id);
  const check = (front: string): string => letters(checkLength, 'check', front);
  return {
    place,
    make({ tenant, id, digest }, approver, window) {
      const front = place(tenant, id) + letters(personLength, 'person', tenant, id, digest, approver, window);
      return front + check(front);
    },
    isOurs(code) {
      return form.test(code) && isSame(check(code.slice(0, -checkLength)), code.slice(-checkLength));
    },
  };
}

export function isSame(left: string, right: string): boolean {
  const [one, other] = [Buffer.from(left), Buffer.from(right)];
  return one.length === other.length && timingSafeEqual(one, other);
}

export interface Tries {
  /** Whether another code that begins so is looked at. */
  isLeft(place: string): boolean;
  wrong(place: string): void;
}

/** Wrong codes are counted by their first letters, so that guessing for one request locks nobody out of another. */
export function createTries(periodMs: number, now: () => number): Tries {
  let period = -1;
  // As many as four letters can say: guesses cannot make it grow.
  const counts = new Uint8Array(32 ** placeLength);
  const slot = (place: string): number => {
    const current = Math.floor(now() / periodMs);
    if (current !== period) counts.fill(0);
    period = current;
    return createHash('sha256').update(place).digest().readUInt32BE() % counts.length;
  };
  return {
    isLeft: (place) => (counts[slot(place)] ?? maxWrong) < maxWrong,
    wrong(place) {
      const at = slot(place);
      counts[at] = Math.min((counts[at] ?? 0) + 1, maxWrong);
    },
  };
}
