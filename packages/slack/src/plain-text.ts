/**
 * Text from models and users as Slack's `plain_text`: it links, mentions, formats and draws nothing.
 * @module
 */
import type { PlainTextElement } from '@slack/types';
import { visible } from '@countersign/core/channel';

/** Slack decodes these three, and nothing else, in every text object ("Formatting message text", escaping). */
const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };
const nothing = '–';
const more = '…';

/**
 * As it may be sent: hidden characters, line breaks among them, made visible; cut to `max` UTF-16 units without breaking a
 * character or an entity.
 */
export function plainText(text: string, max: number): PlainTextElement {
  return element(pieces(visible(text.toWellFormed()), max, 1)[0] ?? nothing);
}

/** A label of ours, and beneath it what somebody else may have written. */
export function labelled(label: string, value: string, max: number): PlainTextElement {
  const room = max - label.length - 1;
  return element(`${label}\n${pieces(visible(value.toWellFormed()), room, 1)[0] ?? nothing}`);
}

/** A long text in at most `count` elements; the last says when there was more. */
export function plainTexts(text: string, max: number, count: number): readonly PlainTextElement[] {
  const found = pieces(visible(text.toWellFormed()), max, count);
  return (found.length === 0 ? [nothing] : found).map(element);
}

/** What Slack hands back of a text that was sent: as it was before. */
export function decoded(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
}

function element(text: string): PlainTextElement {
  // Otherwise `:name:` becomes a picture.
  return { type: 'plain_text', text, emoji: false };
}

function pieces(text: string, max: number, count: number): readonly string[] {
  const found: string[] = [];
  let piece = '';
  for (const character of text) {
    const sent = entities[character] ?? character;
    const isLast = found.length === count - 1;
    if (piece.length + sent.length > (isLast ? max - more.length : max)) {
      if (isLast) return [...found, piece + more];
      found.push(piece);
      piece = '';
    }
    piece += sent;
  }
  return piece === '' ? found : [...found, piece];
}
