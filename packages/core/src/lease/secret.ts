/**
 * A value that hides itself: printing, JSON, inspection, string coercion and structured clone show a placeholder or nothing.
 * @module
 */
const placeholder = '[secret]';
const inspectSymbol = Symbol.for('nodejs.util.inspect.custom');

/** Wraps a secret text. The only way to it is {@link Secret.reveal}, so that uses can be found by searching for it. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    if (typeof value !== 'string' || value.length === 0) throw new TypeError('a secret must be a non-empty string');
    this.#value = value;
    Object.freeze(this);
  }

  /** The plain text. Keep it in a local variable, hand it to the service, and nowhere else. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return placeholder;
  }

  toJSON(): string {
    return placeholder;
  }

  get [Symbol.toStringTag](): string {
    return 'Secret';
  }

  [Symbol.toPrimitive](): string {
    return placeholder;
  }

  static {
    Object.defineProperty(this.prototype, inspectSymbol, { value: () => placeholder });
  }
}
