/**
 * Characters that would show a reader something else than what is there.
 * @module
 */
import { visible } from '@countersign/core';

/** A piece of a text, and why it needs a mark: `hidden` is not shown or reorders text, `alike` looks like another letter. */
export interface TextPiece {
  readonly text: string;
  readonly mark?: 'hidden' | 'alike';
  /** Code points of what is marked, e.g. `U+0430`. */
  readonly codes?: string;
  /** How many characters are marked. */
  readonly count?: number;
}

/** What may still be shown of texts that strangers wrote: each that is shown takes its part. */
export interface Room {
  /** Of HTML. */
  characters: number;
  marks: number;
  /** There was more than `characters`: what came after is not shown. */
  cut: boolean;
  /** There were more than `marks`: what came after is shown without. */
  unmarked: boolean;
}

export const maxMarks = 10_000;
/** As long as everything that is meant to be read: a million letters of arguments, and what is written around them. */
const maxCharacters = 3_000_000;
/** What the HTML of one mark takes. */
const markLength = 100;
const maxCodes = 4;

export function createRoom(characters: number = maxCharacters): Room {
  return { characters, marks: maxMarks, cut: false, unmarked: false };
}

/** Scripts with letters that many fonts draw like Latin ones (Unicode UTS #39, confusables). */
const confusable = /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}\p{Script=Cherokee}\p{Script=Lisu}]/u;
const latin = /\p{Script=Latin}/u;
/** Cyrillic, Greek and Armenian letters that are drawn like Latin ones: a word of nothing else passes for a Latin word. */
const twins = /^[аеорсухіјѕһԁԛԝвнкмтАВЕКМНОРСТУХІЈЅԌԚԜαοινρυκχτΑΒΕΖΗΙΚΜΝΟΡΤΥΧոսօհ]+$/u;
const plain = /^[\n -~]*$/;
/** Words, and what else may be hidden. */
const suspects = /[\p{L}\p{M}\p{N}_]+|[^\n -~\p{L}\p{M}\p{N}]+/gu;
const isWord = /^[\p{L}\p{M}\p{N}_]/u;

/**
 * Cuts a text into pieces, so that each deceptive one can be marked. Joined, the pieces of no mark are the text itself, as
 * far as there is room for it.
 */
export function deceptivePieces(text: string, room: Room = createRoom()): readonly TextPiece[] {
  const pieces: TextPiece[] = [];
  let end = 0;
  for (const run of runsIn(text)) {
    if (room.cut) return pieces;
    if (room.marks === 0) {
      room.unmarked = true;
      break;
    }
    room.marks -= 1;
    put(pieces, { text: text.slice(end, run.start) }, room);
    put(pieces, pieceOf(text, run), room);
    end = run.end;
  }
  const rest = text.slice(end);
  put(pieces, { text: room.unmarked ? rest.replaceAll(/[^\n]+/g, (line) => visible(line)) : rest }, room);
  return pieces;
}

function put(pieces: TextPiece[], piece: TextPiece, room: Room): void {
  if (piece.text === '' || room.cut) return;
  const cost = piece.text.length + 5 * (piece.text.match(/[&<>"']/g)?.length ?? 0);
  room.characters -= piece.mark === undefined ? 0 : markLength;
  room.cut = cost > room.characters;
  if (!room.cut) {
    room.characters -= cost;
    pieces.push(piece);
    return;
  }
  // Never longer than there is room for, whatever stands in it. Half a character is none.
  const fitting = cost === piece.text.length ? room.characters : room.characters / 6;
  const text = piece.text.slice(0, Math.max(0, Math.floor(fitting))).replace(/[\ud800-\udbff]$/, '');
  if (text !== '') pieces.push({ ...piece, text });
}

/** How many characters of each kind a text has. */
export function countDeceptive(text: string): { readonly hidden: number; readonly alike: number } {
  const found = { hidden: 0, alike: 0 };
  for (const { mark, count } of runsIn(text)) found[mark] += count;
  return found;
}

interface Deceptive {
  readonly start: number;
  readonly character: string;
  readonly mark: 'hidden' | 'alike';
}

/** Neighbours of one mark. */
interface Run {
  readonly start: number;
  end: number;
  readonly mark: Deceptive['mark'];
  count: number;
  readonly codes: Set<string>;
}

function* runsIn(text: string): Iterable<Run> {
  let run: Run | undefined;
  for (const { start, character, mark } of deceptiveIn(text)) {
    if (run === undefined || run.end !== start || run.mark !== mark) {
      if (run !== undefined) yield run;
      run = { start, end: start, mark, count: 0, codes: new Set() };
    }
    run.end += character.length;
    run.count += 1;
    if (run.codes.size <= maxCodes) run.codes.add(codeOf(character));
  }
  if (run !== undefined) yield run;
}

function pieceOf(text: string, { start, end, mark, count, codes }: Run): TextPiece {
  const own = text.slice(start, end);
  const named = [...codes].slice(0, maxCodes).join(', ');
  return {
    text: mark === 'hidden' ? visible(own) : own,
    ...{ mark, codes: codes.size > maxCodes ? `${named} and others` : named, count },
  };
}

function* deceptiveIn(text: string): Iterable<Deceptive> {
  if (plain.test(text)) return;
  for (const { 0: characters, index } of text.matchAll(suspects)) {
    if (plain.test(characters)) continue;
    const isAlike = isWord.test(characters) ? alikeIn(characters) : () => false;
    let start = index;
    for (const character of characters) {
      if (visible(character) !== character) yield { start, character, mark: 'hidden' };
      else if (isAlike(character)) yield { start, character, mark: 'alike' };
      start += character.length;
    }
  }
}

/** Which letters of a word look like others. */
function alikeIn(letters: string): (character: string) => boolean {
  const suspicious = (latin.test(letters) && confusable.test(letters)) || twins.test(letters);
  return (character) => (suspicious && confusable.test(character)) || isDressed(character);
}

function codeOf(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}

/** Full-width, mathematical and other forms of an ASCII character (compatibility equivalents, UAX #15). */
function isDressed(character: string): boolean {
  return character > '\u007f' && /^[\u0021-\u007e]+$/.test(character.normalize('NFKC'));
}
