/**
 * What Slack documents of Block Kit: its limits, and what a reader sees of a block and what a client acts on.
 * Sources: docs.slack.dev, reference of blocks, elements, composition objects and modal views; `@slack/types`.
 */

type Json = Readonly<Record<string, unknown>>;

/** What is wrong with the blocks of a message or the view of a form; nothing: it is within Slack's limits. */
export function problemsOfBlocks(blocks: unknown, surface: 'message' | 'modal'): readonly string[] {
  const problems: string[] = [];
  const check = (holds: boolean, what: string): void => void (holds || problems.push(what));
  if (!Array.isArray(blocks)) return ['blocks is no list'];
  const most = surface === 'message' ? 50 : 100;
  check(blocks.length > 0 && blocks.length <= most, `between 1 and ${most} blocks, got ${blocks.length}`);
  const ids = blocks.map((block) => objectOf(block)['block_id']).filter((id) => id !== undefined);
  check(new Set(ids).size === ids.length, 'a block_id twice');
  check(
    ids.every((id) => isText(id, 1, 255)),
    'a block_id of 1 to 255 characters',
  );
  blocks.forEach((block, index) =>
    checkBlock(objectOf(block), surface, (holds, what) => check(holds, `${index}: ${what}`)),
  );
  return problems;
}

export function problemsOfView(view: Json): readonly string[] {
  const problems = [...problemsOfBlocks(view['blocks'], 'modal')];
  const check: Check = (holds, what) => void (holds || problems.push(what));
  check(view['type'] === 'modal', 'the type of a view is modal');
  checkPlain(view['title'], 24, check, 'title');
  for (const name of ['submit', 'close']) if (view[name] !== undefined) checkPlain(view[name], 24, check, name);
  const hasInput = (view['blocks'] as Json[]).some(({ type }) => type === 'input');
  check(!hasInput || view['submit'] !== undefined, 'must define submit to use an input block in modals');
  check(
    view['private_metadata'] === undefined || isText(view['private_metadata'], 0, 3000),
    'private_metadata to 3000',
  );
  check(view['callback_id'] === undefined || isText(view['callback_id'], 1, 255), 'callback_id to 255');
  return problems;
}

type Check = (holds: boolean, what: string) => void;

function checkBlock(block: Json, surface: 'message' | 'modal', check: Check): void {
  switch (block['type']) {
    case 'header':
      return checkPlain(block['text'], 150, check, 'header');
    case 'divider':
      return;
    case 'section':
      return checkSection(block, check);
    case 'context': {
      const elements = listOf(block['elements']);
      check(elements.length >= 1 && elements.length <= 10, '1 to 10 elements in a context');
      return elements.forEach((each) => checkText(each, 3000, check, 'context'));
    }
    case 'actions': {
      const elements = listOf(block['elements']);
      check(elements.length >= 1 && elements.length <= 25, '1 to 25 elements in an actions block');
      const actions = elements.map(({ action_id }) => action_id);
      check(new Set(actions).size === actions.length, 'an action_id twice in a block');
      return elements.forEach((each) => checkButton(each, check));
    }
    case 'input':
      check(surface === 'modal' || block['dispatch_action'] !== undefined, 'an input stands in a modal');
      return checkInput(block, check);
    default:
      return check(false, `unknown block ${String(block['type'])}`);
  }
}

function checkSection({ text, fields, accessory }: Json, check: Check): void {
  check(text !== undefined || fields !== undefined, 'a section has text or fields');
  check(accessory === undefined, 'accessories are not known here');
  if (text !== undefined) checkText(objectOf(text), 3000, check, 'section');
  if (fields === undefined) return;
  const each = listOf(fields);
  check(each.length >= 1 && each.length <= 10, '1 to 10 fields');
  each.forEach((field) => checkText(field, 2000, check, 'field'));
}

function checkButton(button: Json, check: Check): void {
  const { type, text, action_id, value, url, style, confirm } = button;
  check(type === 'button', `unknown element ${String(type)}`);
  checkPlain(text, 75, check, 'button');
  check(isText(action_id, 1, 255), 'an action_id of 1 to 255 characters');
  check(value === undefined || isText(value, 1, 2000), 'a value of 1 to 2000 characters');
  check(url === undefined || (isText(url, 1, 3000) && URL.canParse(url as string)), 'a url of at most 3000 characters');
  check(style === undefined || style === 'primary' || style === 'danger', 'a known style');
  if (confirm === undefined) return;
  const dialog = objectOf(confirm);
  checkPlain(dialog['title'], 100, check, 'title of a confirm');
  checkText(objectOf(dialog['text']), 300, check, 'text of a confirm');
  for (const name of ['confirm', 'deny']) checkPlain(dialog[name], 30, check, name);
}

function checkInput({ label, hint, element }: Json, check: Check): void {
  checkPlain(label, 2000, check, 'label');
  if (hint !== undefined) checkPlain(hint, 2000, check, 'hint');
  const { type, action_id, min_length, max_length, initial_value } = objectOf(element);
  check(type === 'plain_text_input', `unknown input ${String(type)}`);
  check(isText(action_id, 1, 255), 'an action_id of 1 to 255 characters');
  for (const length of [min_length, max_length]) {
    check(
      length === undefined || (typeof length === 'number' && length >= 1 && length <= 3000),
      'a length of 1 to 3000',
    );
  }
  check(initial_value === undefined || isText(initial_value, 0, 3000), 'an initial value of at most 3000 characters');
}

function checkPlain(text: unknown, max: number, check: Check, where: string): void {
  check(objectOf(text)['type'] === 'plain_text', `${where}: only plain_text`);
  checkText(objectOf(text), max, check, where);
}

function checkText({ type, text, emoji, verbatim }: Json, max: number, check: Check, where: string): void {
  check(type === 'plain_text' || type === 'mrkdwn', `${where}: a text object`);
  check(isText(text, 1, max), `${where}: 1 to ${max} characters`);
  check(emoji === undefined || type === 'plain_text', `${where}: emoji is of plain_text`);
  check(verbatim === undefined || type === 'mrkdwn', `${where}: verbatim is of mrkdwn`);
}

function isText(value: unknown, min: number, max: number): boolean {
  return typeof value === 'string' && value.isWellFormed() && value.length >= min && value.length <= max;
}

/** What a reader sees, and everything that a client would do more with than show it. */
export interface Rendered {
  readonly text: string;
  readonly active: readonly string[];
}

export function render(blocks: unknown): Rendered {
  const texts: string[] = [];
  const active: string[] = [];
  const walk = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(walk);
    const { type, text, url, value: carried, ...rest } = objectOf(value);
    if (typeof text === 'string') {
      const shown = type === 'plain_text' ? renderPlain(text, rest['emoji'] !== false) : renderMarkup(text);
      texts.push(shown.text);
      active.push(...shown.active);
    } else if (text !== undefined) walk(text);
    for (const each of [url, carried]) if (typeof each === 'string') active.push(each);
    Object.values(rest)
      .filter((each) => typeof each === 'object')
      .forEach(walk);
  };
  walk(blocks);
  return { text: texts.join('\n'), active };
}

const emoji = /:[a-z0-9_+'-]+:/gi;

/** Only the three entities are decoded; only an emoji can be more than text. */
function renderPlain(text: string, drawsEmoji: boolean): Rendered {
  return { text: decode(text), active: drawsEmoji ? (text.match(emoji) ?? []) : [] };
}

/** Slack's markup: links and mentions in angle brackets, addresses that become links by themselves, emphasis. */
export function renderMarkup(text: string): Rendered {
  const marks = [/<[^>]+>/g, emoji, /\bhttps?:\/\/\S+|\b[\w-]+\.[a-z]{2,}\b/gi, /([*_~`]).+?\1/g];
  return { text: decode(text), active: marks.flatMap((mark) => text.match(mark) ?? []) };
}

function decode(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
}

function objectOf(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}

function listOf(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.map(objectOf) : [];
}
