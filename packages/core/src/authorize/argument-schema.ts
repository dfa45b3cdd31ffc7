/**
 * Argument schemas: JSON Schema 2020-12, compiled once per distinct text, with regular expressions in linear time.
 *
 * Taken are the keywords that `inspect-schema.ts` lists. Not taken, because they would not hold or not end: `format` (an
 * annotation in 2020-12), `$ref` to anything but `#/$defs/<name>`, recursion, `uniqueItems` without a small `maxItems`.
 * @module
 */
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { PolicyIssue } from '../errors.ts';
import { compilePattern, inspectSchema } from './inspect-schema.ts';
import type { ArgumentSchema } from './policy-document.ts';

const maxSchemaLength = 65_536;
const tooLong: PolicyIssue = { path: '', message: `the schema is longer than ${maxSchemaLength} characters` };

/** One function, `errors` set after it answered false. */
export interface ArgumentCheck {
  (args: unknown): boolean;
  errors?: readonly ArgumentError[] | null;
}

export interface ArgumentError {
  readonly instancePath: string;
  readonly keyword: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly message?: string;
}

/**
 * `constraint`: what must match for a call to pass; it has to say the types it means. `condition`: what raises the
 * risk when it matches; without types, a value of another type matches too.
 */
export type SchemaUse = 'constraint' | 'condition';

export interface SchemaCompiler {
  /** Answers the compiled schema, or reports into `issues` with paths below `path` and answers `undefined`. */
  compile(schema: ArgumentSchema, use: SchemaUse, path: string, issues: PolicyIssue[]): ArgumentCheck | undefined;
}

/** One compiler per policy: an engine keeps what it compiled for as long as it lives. */
export function createSchemaCompiler(): SchemaCompiler {
  const engines: Readonly<Record<SchemaUse, Ajv2020>> = {
    constraint: createEngine({ strictTypes: true }),
    condition: createEngine({ strictTypes: false }),
  };
  const compiled = new Map<string, Compiled>();

  return {
    compile(schema, use, path, issues) {
      const text = JSON.stringify(schema);
      const known = compiled.get(`${use} ${text}`) ?? compileOnce(engines[use], schema, text, use);
      compiled.set(`${use} ${text}`, known);
      for (const issue of known.issues) issues.push({ path: `${path}${issue.path}`, message: issue.message });
      return known.check;
    },
  };
}

interface Compiled {
  readonly check: ArgumentCheck | undefined;
  readonly issues: readonly PolicyIssue[];
}

function compileOnce(engine: Ajv2020, schema: ArgumentSchema, text: string, use: SchemaUse): Compiled {
  let issues = text.length > maxSchemaLength ? [tooLong] : inspectSchema(schema);
  if (issues.length === 0) issues = checkKeywords(schema);
  if (issues.length > 0) return { check: undefined, issues };
  try {
    // Arguments are an object; a constraint on their members must not pass where there are none.
    const root = use === 'constraint' && !Object.hasOwn(schema, 'type') ? { type: 'object', ...schema } : schema;
    return { check: engine.compile(root) as ArgumentCheck, issues };
  } catch (error) {
    return { check: undefined, issues: [{ path: '', message: explainCompileError(error) }] };
  }
}

let metaSchema: Ajv2020 | undefined;

/** What the meta-schema says about the values of keywords. */
function checkKeywords(schema: ArgumentSchema): PolicyIssue[] {
  metaSchema ??= new Ajv2020({ logger: false });
  if (metaSchema.validateSchema(schema) === true) return [];
  const [error] = metaSchema.errors ?? [];
  metaSchema.errors = null;
  return [{ path: error?.instancePath ?? '', message: error?.message ?? 'this is no JSON Schema' }];
}

function createEngine({ strictTypes }: { strictTypes: boolean }): Ajv2020 {
  const linear = Object.assign((pattern: string) => compilePattern(pattern), { code: 'linear' });
  return new Ajv2020({
    strict: true,
    strictTypes,
    strictRequired: false,
    allowUnionTypes: true,
    ownProperties: true,
    // Done in `checkKeywords`, by an engine that all policies share.
    validateSchema: false,
    meta: false,
    addUsedSchema: false,
    logger: false,
    code: { regExp: linear },
  });
}

function explainCompileError(error: unknown): string {
  const message = (error instanceof Error ? error.message : String(error)).replace('strict mode: ', '').slice(0, 500);
  return message.startsWith('missing type') ? `${message}: without it, a value of another type would pass` : message;
}
