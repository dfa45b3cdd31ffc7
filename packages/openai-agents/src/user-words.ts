/**
 * What the user wrote, in the input with which the SDK starts an agent: a tool is not shown it. A run that is restored from
 * a stored state starts no agent, so nothing is known of it then.
 * @module
 */
export interface UserWords {
  /** An agent starts with this input. */
  started(context: object, input: unknown): void;
  of(context: object | undefined): readonly string[];
}

interface Item {
  readonly role?: unknown;
  readonly content?: unknown;
}

interface Part {
  readonly type?: unknown;
  readonly text?: unknown;
}

export function createUserWords(): UserWords {
  const words = new WeakMap<object, readonly string[]>();
  return {
    started: (context, input) => void words.set(context, wordsIn(input)),
    of: (context) => (context === undefined ? [] : (words.get(context) ?? [])),
  };
}

function wordsIn(input: unknown): readonly string[] {
  if (typeof input === 'string') return [input];
  return itemsIn<Item>(input).flatMap(({ role, content }) => {
    if (role !== 'user') return [];
    if (typeof content === 'string') return [content];
    return itemsIn<Part>(content).flatMap(({ type, text }) =>
      type === 'input_text' && typeof text === 'string' ? [text] : [],
    );
  });
}

function itemsIn<Entry extends object>(value: unknown): readonly Entry[] {
  const items: readonly unknown[] = Array.isArray(value) ? value : [];
  return items.filter((item): item is Entry => typeof item === 'object' && item !== null);
}
