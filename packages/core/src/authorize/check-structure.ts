/**
 * Checks the form of a policy document against its JSON Schema, with messages for people.
 * @module
 */
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ErrorObject, ValidateFunction } from 'ajv/dist/2020.js';
import type { PolicyIssue } from '../errors.ts';
import { capabilityProblem } from './capability.ts';
import { pointer } from './plain-document.ts';
import { policySchema } from './policy-schema.ts';

let validator: ValidateFunction | undefined;

/** Every way in which the document differs from the format; empty for a well-formed one. */
export function checkStructure(document: unknown): PolicyIssue[] {
  validator ??= new Ajv2020({
    strict: true,
    strictRequired: false,
    allowUnionTypes: true,
    allErrors: true,
    verbose: true,
    ownProperties: true,
    logger: false,
  }).compile(policySchema);
  if (validator(document)) return [];
  const errors = validator.errors ?? [];
  // The validator lives on; the document it saw must not.
  validator.errors = null;
  return errors.filter(({ keyword }) => !derived.has(keyword)).map(describe);
}

/** Keywords whose errors only repeat those of the schemas inside them. */
const derived: ReadonlySet<string> = new Set(['if', 'propertyNames']);

const messages: Readonly<Record<string, (error: ErrorObject) => string>> = {
  additionalProperties: ({ parentSchema }) =>
    `unknown key; known here: ${Object.keys((parentSchema?.['properties'] ?? {}) as object).join(', ')}`,
  required: ({ params }) => `missing key "${String(params['missingProperty'])}"`,
  type: ({ params, data }) => `expected ${[params['type']].flat().join(' or ')}, got ${typeName(data)}`,
  const: ({ params, data }) => `expected ${String(params['allowedValue'])}, got ${quote(data)}`,
  enum: ({ params, data }) => `expected one of ${(params['allowedValues'] as string[]).join(', ')}, got ${quote(data)}`,
  pattern: describeForm,
  maxLength: ({ params }) => `at most ${String(params['limit'])} characters are taken`,
  minItems: ({ params }) => `needs at least ${String(params['limit'])} item`,
  uniqueItems: ({ params, data }) => `lists ${quote((data as unknown[])[params['j'] as number])} twice`,
};

function describe(error: ErrorObject): PolicyIssue {
  const text = Object.hasOwn(messages, error.keyword) ? messages[error.keyword]?.(error) : error.message;
  const unknownKey = (error.params['additionalProperty'] as string | undefined) ?? error.propertyName;
  const path = unknownKey === undefined ? error.instancePath : pointer(error.instancePath, unknownKey);
  return { path, message: text ?? `fails "${error.keyword}"` };
}

function describeForm({ data, schemaPath, parentSchema }: ErrorObject): string {
  const problem = schemaPath.startsWith('#/$defs/capability/') ? capabilityProblem(String(data)) : undefined;
  return problem ?? `expected ${String(parentSchema?.['description'])}, got ${quote(data)}`;
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

function quote(value: unknown): string {
  return (JSON.stringify(value) ?? typeName(value)).slice(0, 80);
}
