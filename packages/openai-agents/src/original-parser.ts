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

/** Parsed inputs of calls that were not executed yet. */
const maxKept = 100;

export interface OriginalParser {
  /** For `tool({ parameters })`. */
  readonly parameters: Parameters;
  /** What the original's parser makes of the JSON value that the model sent. Kept, because the SDK hands on copies. */
  prepare(value: unknown): Prepared | undefined;
  /** The same, for the one execution that it is for. */
  take(value: unknown): Prepared | undefined;
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
  const latest = new Map<string, Prepared>();
  const parse = (text: string): Prepared | undefined =>
    prepareFunctionToolInput({ invoke: original.invoke, needsApproval: still() }, text);
  const refuse = (): Prepared | undefined => parse('');
  const refused = (error: unknown): Prepared | undefined => {
    const prepared = refuse();
    return prepared && { ...prepared, result: { success: false, error } };
  };
  /** @param known what an earlier look at the same input found, where it may be used */
  const look = (value: unknown, known: (text: string) => Prepared | undefined, keep: boolean): Prepared | undefined => {
    try {
      const text = jsonText(value);
      const prepared = known(text) ?? parse(text);
      latest.delete(text);
      if (keep && prepared?.result.success === true) latest.set(text, prepared);
      const [oldest] = latest.size > maxKept ? latest.keys() : [];
      if (oldest !== undefined) latest.delete(oldest);
      return prepared;
    } catch (error) {
      return refused(error);
    }
  };
  const earlier = (text: string): Prepared | undefined => latest.get(text);
  const validate = (value: unknown): { value: unknown } => {
    const prepared = look(value, () => undefined, true);
    parsed(value);
    if (prepared?.result.success === false) throw prepared.result.error;
    return { value };
  };
  const schema = (): object => ({ type: 'object', properties: {}, required: [], additionalProperties: false });
  const standard = { version: 1, vendor: 'countersign', validate, jsonSchema: { input: schema, output: schema } };
  return {
    parameters: { '~standard': standard } as unknown as Parameters,
    prepare: (value) => look(value, earlier, true),
    take: (value) => look(value, earlier, false),
    refuse,
  };
}

/** JSON that `JSON.parse` read, as text again. Numbers out of range would silently become `null`. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) => {
    if (typeof member === 'number' && !Number.isFinite(member)) throw new TypeError('a number is out of range');
    return member;
  });
}
