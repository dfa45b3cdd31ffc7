/**
 * Looks at every subschema of an argument schema before anything is compiled: known keywords only, patterns that match
 * in linear time, no reference that leaves the schema, recurses or multiplies.
 * @module
 */
import { RE2JS } from 're2js';
import type { PolicyIssue } from '../errors.ts';
import { pointer } from './plain-document.ts';
import type { ArgumentSchema } from './policy-document.ts';

const maxDepth = 32;
/** Subschemas after every `$ref` is followed, so that a few definitions cannot stand for millions. */
const maxExpanded = 10_000;
const maxPatternLength = 1_000;
const maxUniqueItems = 1_000;

/** What a keyword holds: a plain value, one schema, a list or a map of schemas, a pattern, a map by pattern … */
type Holds = 'value' | 'schema' | 'members' | 'pattern' | 'patterns' | 'unique' | 'reference' | 'definitions';

const keywords: Readonly<Record<string, Holds>> = {
  ...every('value', ['title', 'description', '$comment', 'default', 'examples', 'type', 'const', 'enum']),
  ...every('value', ['multipleOf', 'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum']),
  ...every('value', ['minLength', 'maxLength', 'minItems', 'maxItems', 'minContains', 'maxContains']),
  ...every('value', ['minProperties', 'maxProperties', 'required', 'dependentRequired']),
  ...every('schema', ['not', 'if', 'then', 'else', 'items', 'contains', 'propertyNames']),
  ...every('schema', ['additionalProperties', 'unevaluatedProperties', 'unevaluatedItems']),
  ...every('members', ['allOf', 'anyOf', 'oneOf', 'prefixItems', 'properties', 'dependentSchemas']),
  pattern: 'pattern',
  patternProperties: 'patterns',
  uniqueItems: 'unique',
  $ref: 'reference',
  $defs: 'definitions',
};

function every(holds: Holds, names: readonly string[]): Record<string, Holds> {
  return Object.fromEntries(names.map((name) => [name, holds]));
}

/** The regular expression in linear time (RE2). Throws for what cannot be done so: look-around, back-references. */
export function compilePattern(pattern: string): RE2JS {
  return RE2JS.compile(RE2JS.translateRegExp(pattern));
}

interface Inspection {
  readonly issues: PolicyIssue[];
  readonly definitions: Readonly<Record<string, unknown>>;
  /** Expanded size of each definition; `undefined` while it is being measured. */
  readonly sizes: Map<string, number | undefined>;
}

/** What is refused in a schema, with paths from its root. */
export function inspectSchema(root: ArgumentSchema): PolicyIssue[] {
  const definitions = isRecord(root['$defs']) ? root['$defs'] : {};
  const inspection: Inspection = { issues: [], definitions, sizes: new Map() };
  const size = measureSchema(inspection, root, '', 0);
  for (const name of Object.keys(definitions)) measureDefinition(inspection, name);
  if (size > maxExpanded) refuse(inspection, '', `the schema stands for more than ${maxExpanded} subschemas`);
  return inspection.issues;
}

function refuse({ issues }: Inspection, path: string, message: string): 0 {
  issues.push({ path, message });
  return 0;
}

function measureSchema(inspection: Inspection, schema: unknown, path: string, depth: number): number {
  if (depth > maxDepth) return refuse(inspection, path, `the schema is deeper than ${maxDepth} levels`);
  if (typeof schema === 'boolean') return 1;
  if (!isRecord(schema)) return refuse(inspection, path, 'expected a schema: an object, true or false');
  const sizes = Object.keys(schema).map((keyword) => measureKeyword(inspection, schema, keyword, path, depth));
  return sizes.reduce((sum, size) => sum + size, 1);
}

function measureKeyword(
  inspection: Inspection,
  schema: ArgumentSchema,
  keyword: string,
  parent: string,
  depth: number,
): number {
  const value = schema[keyword];
  const path = pointer(parent, keyword);
  switch (Object.hasOwn(keywords, keyword) ? keywords[keyword] : undefined) {
    case 'value':
      return 0;
    case 'schema':
      return measureSchema(inspection, value, path, depth + 1);
    case 'members':
      return measureMembers(inspection, value, path, depth);
    case 'pattern':
      return checkPattern(inspection, value, path);
    case 'patterns':
      for (const name of isRecord(value) ? Object.keys(value) : []) checkPattern(inspection, name, pointer(path, name));
      return measureMembers(inspection, value, path, depth);
    case 'unique':
      return checkUnique(inspection, schema, path);
    case 'reference':
      return measureReference(inspection, value, path);
    case 'definitions':
      return depth === 0 ? 0 : refuse(inspection, path, '$defs is taken at the root of the schema only');
    default:
      return refuse(inspection, path, `${JSON.stringify(keyword.slice(0, 40))} is not taken in argument schemas`);
  }
}

function measureMembers(inspection: Inspection, value: unknown, path: string, depth: number): number {
  if (typeof value !== 'object' || value === null) return refuse(inspection, path, 'expected schemas');
  return Object.entries(value)
    .map(([name, schema]) => measureSchema(inspection, schema, pointer(path, name), depth + 1))
    .reduce((sum, size) => sum + size, 0);
}

function checkPattern(inspection: Inspection, value: unknown, path: string): 0 {
  const pattern = String(value);
  if (pattern.length > maxPatternLength) {
    return refuse(inspection, path, `a pattern has at most ${maxPatternLength} characters`);
  }
  try {
    compilePattern(pattern);
    return 0;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return refuse(inspection, path, `${JSON.stringify(pattern)} cannot be matched in linear time: ${reason}`);
  }
}

/** Comparing every item with every other is quadratic. */
function checkUnique(inspection: Inspection, schema: ArgumentSchema, path: string): 0 {
  const limit = schema['maxItems'];
  if (schema['uniqueItems'] !== true || (typeof limit === 'number' && limit <= maxUniqueItems)) return 0;
  return refuse(inspection, path, `uniqueItems needs maxItems of at most ${maxUniqueItems} beside it`);
}

function measureReference(inspection: Inspection, value: unknown, path: string): number {
  const name = typeof value === 'string' ? /^#\/\$defs\/([A-Za-z0-9_-]+)$/.exec(value)?.[1] : undefined;
  if (name === undefined)
    return refuse(inspection, path, `only "#/$defs/<name>" is taken, got ${JSON.stringify(value)}`);
  if (!Object.hasOwn(inspection.definitions, name)) return refuse(inspection, path, `there is no definition "${name}"`);
  measureDefinition(inspection, name);
  return inspection.sizes.get(name) ?? refuse(inspection, path, `the definition "${name}" refers to itself`);
}

function measureDefinition(inspection: Inspection, name: string): void {
  if (inspection.sizes.has(name)) return;
  inspection.sizes.set(name, undefined);
  inspection.sizes.set(name, measureSchema(inspection, inspection.definitions[name], pointer('/$defs', name), 1));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
