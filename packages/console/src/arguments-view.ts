/**
 * Arguments as an approver reads them: over several lines, deceptive characters marked, differences shown.
 * @module
 */
import { visible, type ApprovalView } from '@countersign/core';
import { diffArrays } from 'diff';
import { countDeceptive } from './deceptive-text.ts';
import { html, type Html } from './html.ts';
import { shown } from './layout.ts';
import { jsonLines, prettyJson } from './pretty-json.ts';

/** Lines that differ at most; beyond it a difference is neither readable nor cheap to find. */
const maxDifference = 2_000;

export function argumentsView(canonical: string, label = 'Arguments'): Html {
  return html`<pre
    class="arguments"
    tabindex="0"
    role="region"
    aria-label="${label}"
  ><code>${shown(prettyJson(canonical))}</code></pre>`;
}

type Origin = NonNullable<ApprovalView['provenance']>[number];

/** The same, with a mark beside each value that says where it came from. What is not known is said to be unknown. */
export function originsView(canonical: string, origins: readonly Origin[]): Html {
  const byPointer = new Map(origins.map((origin) => [origin.pointer, origin]));
  return html`<pre
      class="arguments"
      tabindex="0"
      role="region"
      aria-label="Arguments, and where each value came from"
    ><code>${Array.from(
      jsonLines(canonical),
      ({ text, pointer }) =>
        html`<span class="line"
          >${shown(text)}${pointer !== undefined && originMark(byPointer.get(pointer))}${'\n'}</span
        >`,
    )}</code></pre>
    <p class="note">
      Where each value came from, by what this server saw. A value that only the model knows of may be made up, or come
      from a text that somebody planted.
    </p>`;
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
export function deceptionWarning(canonical: string): Html | undefined {
  const { hidden, alike } = countDeceptive(canonical);
  if (hidden === 0 && alike === 0) return undefined;
  const found = [
    ...(hidden === 0 ? [] : [`${hidden} hidden ${hidden === 1 ? 'character' : 'characters'}`]),
    ...(alike === 0 ? [] : [`${alike} that ${alike === 1 ? 'looks' : 'look'} like another letter`]),
  ];
  return html`<p class="warning" role="note">
    <b>Deceptive text.</b> These arguments hold ${found.join(' and ')}, marked below.
  </p>`;
}

/** Both texts as one list of lines; `undefined` when they are the same. */
export function differenceView(before: string, after: string): Html | undefined {
  if (before === after) return undefined;
  const [old, fresh] = [before, after].map((text) => prettyJson(text).split('\n'));
  const changes = diffArrays(old ?? [], fresh ?? [], { maxEditLength: maxDifference });
  if (changes === undefined) return html`<p class="note">They differ in too many lines to compare them here.</p>`;
  const kinds = { added: ['ins', '+ '], removed: ['del', '- '], same: ['same', '  '] } as const;
  return html`<pre class="difference" tabindex="0" role="region" aria-label="Difference"><code>${changes.flatMap(
    ({ value, added, removed }) => {
      const [name, sign] = kinds[added ? 'added' : removed ? 'removed' : 'same'];
      return value.map((line) =>
        name === 'ins'
          ? html`<ins>${sign}${shown(line)}</ins>${'\n'}`
          : name === 'del'
            ? html`<del>${sign}${shown(line)}</del>${'\n'}`
            : html`<span>${sign}${shown(line)}</span>${'\n'}`,
      );
    },
  )}</code></pre>`;
}

/** JSON of the same value, with every character that would not be shown as an escape: for a field to edit it in. */
export function editableJson(canonical: string): string {
  return prettyJson(canonical).replaceAll(/[^\n]/gu, (character) =>
    visible(character) === character
      ? character
      : Array.from(
          { length: character.length },
          (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`,
        ).join(''),
  );
}
