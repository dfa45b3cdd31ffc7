/**
 * Characters that would show a reader something else than what is there.
 * @module
 */
import { visible } from '@countersign/core';

/** A piece of a text, and why it needs a mark: `hidden` is not shown or reorders text, `alike` looks like another letter. */
export interface TextPiece {
  readonly text: string;
  readonly mark?: 'hidden' | 'alike';
  /** Code points, e.g. `U+0430`. */
  readonly codes?: string;
}

/** Scripts with letters that many fonts draw like Latin ones (Unicode UTS #39, confusables). */
const confusable = /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}\p{Script=Cherokee}\p{Script=Lisu}]/u;
const latin = /\p{Script=Latin}/u;
/** Cyrillic, Greek and Armenian letters that are drawn like Latin ones: a word of nothing else passes for a Latin word. */
const twins = /^[аеорсухіјѕһԁԛԝвнкмтАВЕКМНОРСТУХІЈЅԌԚԜαοινρυκχτΑΒΕΖΗΙΚΜΝΟΡΤΥΧոսօհ]+$/u;
const word = /[\p{L}\p{M}\p{N}_]+/gu;

/** Cuts a text into pieces, so that each deceptive one can be marked. Joined, the pieces of no mark are the text itself. */
export function deceptivePieces(text: string): readonly TextPiece[] {
  const pieces: TextPiece[] = [];
  let plain = '';
  const flush = (): void => {
    if (plain !== '') pieces.push({ text: plain });
    plain = '';
  };
  const alike = alikePlaces(text);
  let place = 0;
  for (const character of text) {
    const mark = isHidden(character) ? 'hidden' : alike.has(place) ? 'alike' : undefined;
    place += character.length;
    if (mark === undefined) {
      plain += character;
      continue;
    }
    flush();
    pieces.push({ text: mark === 'hidden' ? visible(character) : character, mark, codes: codeOf(character) });
  }
  flush();
  return pieces;
}

/** How many characters of each kind a text has. */
export function countDeceptive(text: string): { readonly hidden: number; readonly alike: number } {
  const marks = deceptivePieces(text).map(({ mark }) => mark);
  return {
    hidden: marks.filter((mark) => mark === 'hidden').length,
    alike: marks.filter((mark) => mark === 'alike').length,
  };
}

function isHidden(character: string): boolean {
  return character !== '\n' && visible(character) !== character;
}

function codeOf(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}

/** Where, in UTF-16 units, characters stand that look like others. */
function alikePlaces(text: string): ReadonlySet<number> {
  const places = new Set<number>();
  for (const { 0: letters, index } of text.matchAll(word)) {
    const suspicious = (latin.test(letters) && confusable.test(letters)) || twins.test(letters);
    let place = index;
    for (const character of letters) {
      if ((suspicious && confusable.test(character)) || isDressed(character)) places.add(place);
      place += character.length;
    }
  }
  return places;
}

/** Full-width, mathematical and other forms of an ASCII character (compatibility equivalents, UAX #15). */
function isDressed(character: string): boolean {
  return character > '\u007f' && /^[\u0021-\u007e]+$/.test(character.normalize('NFKC'));
}
