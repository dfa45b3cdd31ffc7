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

export function createSchemaCompiler(): SchemaCompiler {
  const compiled = new Map<string, Compiled>();

  return {
    compile(schema, use, path, issues) {
      const text = JSON.stringify(schema);
      const known = compiled.get(`${use} ${text}`) ?? compileOnce(schema, text, use);
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

/** Making an engine costs more than most schemas, so they are shared; each forgets a schema once it is compiled. */
const engines = new Map<SchemaUse, Ajv2020>();

function engineFor(use: SchemaUse): Ajv2020 {
  const engine = engines.get(use) ?? createEngine({ strictTypes: use === 'constraint' });
  engines.set(use, engine);
  return engine;
}

function compileOnce(schema: ArgumentSchema, text: string, use: SchemaUse): Compiled {
  const issues = text.length > maxSchemaLength ? [tooLong] : inspectSchema(schema);
  if (issues.length > 0) return { check: undefined, issues };
  // Arguments are an object; a constraint on their members must not pass where there are none.
  const root = use === 'constraint' && !Object.hasOwn(schema, 'type') ? { type: 'object', ...schema } : { ...schema };
  try {
    return { check: engineFor(use).compile(root) as ArgumentCheck, issues };
  } catch (error) {
    return { check: undefined, issues: [{ path: '', message: explainCompileError(error) }] };
  } finally {
    engineFor(use).removeSchema(root);
  }
}

function createEngine({ strictTypes }: { strictTypes: boolean }): Ajv2020 {
  const linear = Object.assign((pattern: string) => compilePattern(pattern), { code: 'linear' });
  return new Ajv2020({
    strict: true,
    strictTypes,
    strictRequired: false,
    allowUnionTypes: true,
    ownProperties: true,
    addUsedSchema: false,
    logger: false,
    code: { regExp: linear },
  });
}

function explainCompileError(error: unknown): string {
  const message = (error instanceof Error ? error.message : String(error)).replace('strict mode: ', '').slice(0, 500);
  return message.startsWith('missing type') ? `${message}: without it, a value of another type would pass` : message;
}
