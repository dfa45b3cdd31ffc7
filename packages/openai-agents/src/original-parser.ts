/**
 * The SDK keeps the parser of a tool's input in a registry keyed by its `invoke` function. A guarded tool gets an `invoke`
 * made by the SDK itself, registered with a parser that asks the original's: so the SDK still validates before it asks
 * for approval, and still redacts what does not validate.
 * @module
 */
import type { FunctionTool, tool } from '@openai/agents';
import { prepareFunctionToolInput, type FunctionToolPreparedInput } from '@openai/agents-core/utils/internal';

export type Prepared = FunctionToolPreparedInput;
type Parameters = NonNullable<globalThis.Parameters<typeof tool>[0]['parameters']>;

export interface OriginalParser {
  /** For `tool({ parameters })`. */
  readonly parameters: Parameters;
  /** What the original's parser makes of the JSON value that the model sent; parses at most once per value. */
  prepare(value: unknown): Prepared | undefined;
  /** A preparation that belongs to the original, for input that must not be parsed again. */
  refuse(): Prepared | undefined;
}

/**
 * @param still a `needsApproval` that the SDK knows to be static: for the others it copies the parsed value first
 * @param parsed told after each validation, before the SDK looks at the result
 */
export function originalParser(
  original: FunctionTool<unknown>,
  still: () => FunctionTool<unknown>['needsApproval'],
  parsed: (value: unknown) => void,
): OriginalParser {
  const known = new WeakMap<object, Prepared>();
  const parse = (text: string): Prepared | undefined =>
    prepareFunctionToolInput({ invoke: original.invoke, needsApproval: still() }, text);
  const refuse = (): Prepared | undefined => parse('');
  const prepare = (value: unknown): Prepared | undefined => {
    const before = isObject(value) ? known.get(value) : undefined;
    if (before !== undefined) return before;
    try {
      return parse(jsonText(value));
    } catch (error) {
      const refused = refuse();
      return refused && { ...refused, result: { success: false, error } };
    }
  };
  const validate = (value: unknown): { value: unknown } => {
    const prepared = prepare(value);
    parsed(value);
    if (prepared?.result.success === false) throw prepared.result.error;
    if (prepared !== undefined && isObject(value)) known.set(value, prepared);
    return { value };
  };
  const schema = (): object => ({ type: 'object', properties: {}, required: [], additionalProperties: false });
  const standard = { version: 1, vendor: 'countersign', validate, jsonSchema: { input: schema, output: schema } };
  return { parameters: { '~standard': standard } as unknown as Parameters, prepare, refuse };
}

/** JSON that `JSON.parse` read, as text again. Numbers out of range would silently become `null`. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) => {
    if (typeof member === 'number' && !Number.isFinite(member)) throw new TypeError('a number is out of range');
    return member;
  });
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
