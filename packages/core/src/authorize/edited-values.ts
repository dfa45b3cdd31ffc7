/**
 * Whose the values of a call are that an approver edited. Only what occurred nowhere in the call is the approver's: a
 * value that moved, changed its type or its spelling, or was cut out of a text was chosen by whoever sent it.
 * @module
 */
import { wholeNumbersOf } from './any-number.ts';
import { isTelling } from './literal-match.ts';
import { leavesOf, traceLimits, type ValueOrigin } from './provenance.ts';
import { createGiven, soughtOf } from './repetition.ts';

/**
 * @param sent what the call was filed with
 * @param before where that came from; `undefined` when it is not known
 */
export function originsOfEdited(
  sent: unknown,
  before: readonly ValueOrigin[] | undefined,
  edited: unknown,
): readonly ValueOrigin[] {
  const known = new Map(before?.map((origin) => [origin.pointer, origin]));
  const values = new Map(leavesOf(sent, Infinity, Infinity).map(({ pointer, value }) => [pointer, value]));
  const placesOf = createPlaces(values, { left: traceLimits.maxWork });
  return leavesOf(edited, traceLimits.maxValues).flatMap(({ pointer, value }): readonly ValueOrigin[] => {
    const kept = values.has(pointer) && values.get(pointer) === value;
    const places = kept ? [pointer] : placesOf(value);
    if (places?.length === 0) return [{ pointer, origin: 'approver', trusted: true }];
    if (before === undefined) return [];
    const [origin] = (places ?? []).map((place) => known.get(place) ?? untraced).toSorted(byTrust);
    return [{ ...(origin ?? untraced), pointer }];
  });
}

/** A value that was not traced is the model's. */
const untraced: ValueOrigin = { pointer: '', origin: 'model', trusted: false };
const ranks: readonly ValueOrigin['origin'][] = ['model', 'tool', 'system', 'user', 'approver'];

/** The least trusted first. */
function byTrust(one: ValueOrigin, other: ValueOrigin): number {
  return Number(one.trusted) - Number(other.trusted) || ranks.indexOf(one.origin) - ranks.indexOf(other.origin);
}

/**
 * Where a value stood, as a whole or as a part of a text. Of a number only the whole counts: small ones are in many texts.
 * `undefined`: there is more to compare than anybody does.
 */
function createPlaces(
  values: ReadonlyMap<string, unknown>,
  work: { left: number },
): (value: unknown) => readonly string[] | undefined {
  const stood = [...values].map(([place, value]) => {
    const text = String(value);
    return { place, text, given: createGiven(text, wholeNumbersOf, work) };
  });
  return (value) => {
    const wanted = String(value);
    const sought = soughtOf(value, work);
    const comparable = { ...sought, pattern: isTelling(wanted) ? sought.pattern : undefined };
    const places = stood
      .filter(({ text, given }) => text === wanted || (work.left > 0 && given.holds(comparable)))
      .map(({ place }) => place);
    return work.left > 0 ? places : undefined;
  };
}
