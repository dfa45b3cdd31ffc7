/**
 * Arguments as an approver reads them: over several lines, deceptive characters marked, differences shown.
 * @module
 */
import { visible, type ApprovalView } from '@countersign/core';
import { diffArrays } from 'diff';
import { countDeceptive, createRoom, maxMarks, type Room } from './deceptive-text.ts';
import { html, type Html } from './html.ts';
import { shown } from './layout.ts';
import { jsonLines, prettyJson } from './pretty-json.ts';

/** Lines that differ at most; beyond it a difference is neither readable nor cheap to find. */
const maxDifference = 1_000;
/** Characters of both texts that are compared at most, and of HTML that shows it. */
const maxCompared = 200_000;
const maxShownDifference = 1_000_000;
/** Characters that a field is offered for. */
const maxEditable = 200_000;
/** What the HTML around one line takes. */
const lineLength = 150;

export function argumentsView(canonical: string, label = 'Arguments', room: Room = createRoom()): Html {
  return html`<pre
      class="arguments"
      tabindex="0"
      role="region"
      aria-label="${label}"
    ><code>${shown(prettyJson(canonical), room)}</code></pre>
    ${cutNote(room)}`;
}

function cutNote({ cut }: Room): Html | undefined {
  if (!cut) return undefined;
  return html`<p class="problem" role="note">Not all of it is shown: it is too long for this page.</p>`;
}

type Origin = NonNullable<ApprovalView['provenance']>[number];

/** The same, with a mark beside each value that says where it came from. What is not known is said to be unknown. */
export function originsView(canonical: string, origins: readonly Origin[], room: Room = createRoom()): Html {
  const byPointer = new Map(origins.map((origin) => [origin.pointer, origin]));
  const lines: Html[] = [];
  for (const { text, origin } of linesWithOrigins(canonical, byPointer)) {
    if (room.cut) break;
    room.characters -= lineLength;
    lines.push(html`<span class="line">${shown(text, room)}${origin}${'\n'}</span>`);
  }
  return html`<pre
      class="arguments"
      tabindex="0"
      role="region"
      aria-label="Arguments, and where each value came from"
    ><code>${lines}</code></pre>
    ${cutNote(room)}
    <p class="note">
      Where each value came from, by what this server saw. A value that only the model knows of may be made up, or come
      from a text that somebody planted.
    </p>`;
}

/** Lines that are marked one by one, of those without a known origin; what follows shares a mark. */
const maxSingle = 2_000;

interface LineWithOrigin {
  readonly text: string;
  readonly origin?: Html;
}

function* linesWithOrigins(canonical: string, origins: ReadonlyMap<string, Origin>): Iterable<LineWithOrigin> {
  let single = 0;
  let together: string[] = [];
  const flush = (): LineWithOrigin => {
    const text = together.join('\n');
    together = [];
    return { text, origin: html` ${originMark(undefined)} <span class="note">(each value of these lines)</span>` };
  };
  for (const { text, pointer } of jsonLines(canonical)) {
    const origin = pointer === undefined ? undefined : origins.get(pointer);
    if (origin === undefined && single >= maxSingle) {
      together.push(text);
      continue;
    }
    if (together.length > 0) yield flush();
    if (origin === undefined) single += 1;
    yield pointer === undefined ? { text } : { text, origin: originMark(origin) };
  }
  if (together.length > 0) yield flush();
}

function originMark(origin: Origin | undefined): Html {
  const look = origin?.trusted === true ? 'low' : origin?.origin === 'tool' ? 'high' : 'medium';
  return html` <span class="origin look-${look}">${originWords(origin)}</span>`;
}

function originWords(origin: Origin | undefined): Html | string {
  switch (origin?.origin) {
    case 'user':
      return 'from the user';
    case 'tool':
      return html`from tool ${shown(origin.tool ?? 'unknown')}, ${origin.trusted ? 'trusted' : 'not trusted'}`;
    case 'system':
      return 'from the instructions';
    case 'approver':
      return 'from an approver';
    case 'model':
      return 'from the model';
    default:
      return 'unknown origin';
  }
}

/** What to look out for, or nothing. */
export function deceptionWarning(canonical: string, { unmarked }: Pick<Room, 'unmarked'>): Html | undefined {
  const { hidden, alike } = countDeceptive(canonical);
  if (hidden === 0 && alike === 0) return undefined;
  const found = [
    ...(hidden === 0 ? [] : [`${hidden} hidden ${hidden === 1 ? 'character' : 'characters'}`]),
    ...(alike === 0 ? [] : [`${alike} that ${alike === 1 ? 'looks' : 'look'} like another letter`]),
  ];
  return html`<p class="warning" role="note">
    <b>Deceptive text.</b> These arguments hold ${found.join(' and ')}, marked below.
    ${
      unmarked &&
      html`<b>Only the first ${maxMarks.toLocaleString('en')} places are marked.</b> After them a hidden character
        stands as its code, and nothing shows which letters look like others.`
    }
  </p>`;
}

/** Both texts as one list of lines; `undefined` when they are the same. */
export function differenceView(before: string, after: string): Html | undefined {
  if (before === after) return undefined;
  if (before.length + after.length > maxCompared) return tooLong();
  const [old, fresh] = [before, after].map((text) => prettyJson(text).split('\n'));
  const changes = diffArrays(old ?? [], fresh ?? [], { maxEditLength: maxDifference });
  if (changes === undefined) return html`<p class="note">They differ in too many lines to compare them here.</p>`;
  const room = createRoom(maxShownDifference);
  const lines: Html[] = [];
  for (const { value, added, removed } of changes) {
    for (const line of value) {
      if (room.cut) return tooLong();
      room.characters -= lineLength;
      lines.push(
        added
          ? html`<ins>+ ${shown(line, room)}</ins>${'\n'}`
          : removed
            ? html`<del>- ${shown(line, room)}</del>${'\n'}`
            : html`<span>${'  '}${shown(line, room)}</span>${'\n'}`,
      );
    }
  }
  if (room.cut) return tooLong();
  return html`<pre class="difference" tabindex="0" role="region" aria-label="Difference"><code>${lines}</code></pre>`;
}

function tooLong(): Html {
  return html`<p class="note">They differ, and are too long to compare here.</p>`;
}

/**
 * JSON of the same value, with every character that would not be shown as an escape: for a field to edit it in.
 * `undefined` when it is too long for one.
 */
export function editableJson(canonical: string): string | undefined {
  const text = prettyJson(canonical);
  if (text.length > maxEditable) return undefined;
  return text.replaceAll(/[^\n]/gu, (character) =>
    visible(character) === character
      ? character
      : Array.from(
          { length: character.length },
          (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`,
        ).join(''),
  );
}
