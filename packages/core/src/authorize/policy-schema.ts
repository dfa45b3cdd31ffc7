/**
 * The JSON Schema of the policy document. `packages/core/policy.schema.json` is this object, written out.
 * A `description` completes the sentence "expected …" in the message about a value of the wrong form.
 * @module
 */
import { capabilityPattern, maxCapabilityLength } from './capability.ts';

type SchemaNode = Readonly<Record<string, unknown>>;

function object(properties: SchemaNode, required: readonly string[] = []): SchemaNode {
  return { type: 'object', properties, required, additionalProperties: false };
}

function mapOf(name: string, value: SchemaNode): SchemaNode {
  return { type: 'object', propertyNames: reference(name), additionalProperties: value };
}

function form(pattern: string, description: string, maxLength: number): SchemaNode {
  return { type: 'string', maxLength, pattern, description };
}

function reference(name: string): SchemaNode {
  return { $ref: `#/$defs/${name}` };
}

function listOf(name: string, bounds: SchemaNode = {}): SchemaNode {
  return { type: 'array', items: reference(name), ...bounds };
}

const holder = {
  include: listOf('label', { uniqueItems: true }),
  capabilities: listOf('grant'),
};

const forms: SchemaNode = {
  label: form('^[A-Za-z0-9][A-Za-z0-9._ +-]*$', 'a label of letters, digits and ". _ + -"', 64),
  tenantId: form('^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$', 'a tenant id of letters, digits, "_" and "-"', 64),
  principalId: form('^[A-Za-z0-9][A-Za-z0-9._@:+-]{0,127}$', 'an id of letters, digits and ". _ @ : + -"', 128),
  owner: form('^(?:user|service):[A-Za-z0-9][A-Za-z0-9._@:+-]{0,127}$', 'an owner like "user:alice"', 136),
  toolName: form('^[A-Za-z0-9_][A-Za-z0-9_.:/-]*$', 'the name of a tool: letters, digits and "_ . : / -"', 128),
  capability: form(capabilityPattern, 'a capability like "service:resource:action"', maxCapabilityLength),
  service: form('^[a-z0-9][a-z0-9_.-]*$', 'the name of a service in [a-z0-9_.-]', 64),
  source: form('^(?:local|[a-z][a-z0-9-]*:[A-Za-z0-9][A-Za-z0-9._@/-]*)$', 'a source like "local" or "mcp:files"', 160),
  duration: form('^[1-9][0-9]{0,5}(?:ms|s|m|h|d)$', 'a duration like "30s", "5m" or "2h"', 8),
  path: form('^(?:/(?:[^~/]|~[01])*){1,16}$', 'a path of arguments like "/card/number" or "/items/*/price"', 512),
  clock: form('^(?:[01][0-9]|2[0-3]):[0-5][0-9]$', 'a time of day like "09:00"', 5),
  risk: { enum: ['low', 'medium', 'high'] },
  origin: form('^https?://[a-z0-9.:\\[\\]_-]+$', 'an origin like "https://api.example.com"', 256),
  headerName: form('^[a-z][a-z0-9-]*$', 'the name of a header in lower case', 64),
  currency: form('^[A-Z]{3}$', 'a currency like "USD"', 3),
  amount: { type: 'number', exclusiveMinimum: 0, maximum: 1_000_000_000 },
};

const entries: SchemaNode = {
  condition: object({ arguments: { type: 'object' }, risk: { enum: ['medium', 'high'] } }, ['arguments', 'risk']),
  provenance: object(
    { at: reference('path'), require: { enum: ['user', 'trusted'] }, otherwise: { enum: ['deny', 'medium', 'high'] } },
    ['at', 'require'],
  ),
  credential: object(
    {
      service: reference('service'),
      scope: { type: 'object' },
      ttl: reference('duration'),
      acceptResidual: { type: 'boolean' },
      fetch: reference('credentialFetch'),
      budget: reference('budget'),
    },
    ['service'],
  ),
  credentialFetch: object(
    {
      origins: listOf('origin', { minItems: 1, maxItems: 20, uniqueItems: true }),
      header: reference('headerName'),
      prefix: { type: 'string', maxLength: 32, pattern: '^[!-~]+ ?$' },
    },
    ['origins'],
  ),
  budget: object(
    {
      limit: reference('amount'),
      currency: reference('currency'),
      window: { enum: ['day', 'month'] },
      cost: reference('amount'),
      per: { enum: ['tenant', 'agent'] },
    },
    ['limit', 'currency', 'window', 'cost'],
  ),
  grant: {
    type: ['string', 'object'],
    if: { type: 'string' },
    // oxlint-disable-next-line unicorn/no-thenable -- the keyword of JSON Schema
    then: reference('capability'),
    else: reference('constrainedGrant'),
  },
  constrainedGrant: object(
    { capability: reference('capability'), arguments: { type: 'object' }, when: listOf('condition') },
    ['capability'],
  ),
  tool: object(
    {
      capability: reference('capability'),
      risk: reference('risk'),
      source: reference('source'),
      when: listOf('condition'),
      arguments: { type: 'object' },
      provenance: listOf('provenance', { minItems: 1, maxItems: 50 }),
      trusted: { type: 'boolean' },
      credential: reference('credential'),
      credentials: listOf('credential'),
      idempotent: { type: 'boolean' },
      orchestrates: { type: 'boolean' },
      retain: { enum: ['run', 'none'] },
      redact: object({ hide: listOf('path'), digest: listOf('path'), keep: listOf('path') }),
      approval: reference('approval'),
    },
    ['capability'],
  ),
  capabilityEntry: object({ risk: reference('risk'), when: listOf('condition'), approval: reference('approval') }),
  approval: object({
    expires: reference('duration'),
    groups: listOf('label', { minItems: 1, uniqueItems: true }),
    quorum: { type: 'integer', minimum: 1, maximum: 10 },
    reason: { enum: ['optional', 'required'] },
    edit: { type: 'boolean' },
    hours: object(
      {
        zone: { type: 'string', minLength: 1, maxLength: 64 },
        days: {
          type: 'array',
          items: { enum: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] },
          minItems: 1,
          uniqueItems: true,
        },
        from: reference('clock'),
        to: reference('clock'),
      },
      ['zone', 'from', 'to'],
    ),
    escalate: {
      type: 'array',
      items: object({ after: reference('duration'), groups: listOf('label', { minItems: 1 }) }, ['after', 'groups']),
      maxItems: 10,
    },
  }),
  agent: object({ owner: reference('owner'), name: { type: 'string', minLength: 1, maxLength: 128 }, ...holder }),
  user: object({ active: { type: 'boolean' }, ...holder }),
};

export const policySchema: SchemaNode = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Countersign policy',
  ...object(
    {
      countersign: { const: 1 },
      name: reference('label'),
      version: reference('label'),
      tenants: listOf('tenantId', { minItems: 1, uniqueItems: true }),
      tools: mapOf('toolName', reference('tool')),
      capabilities: mapOf('capability', reference('capabilityEntry')),
      approvals: object({ medium: reference('approval'), high: reference('approval') }),
      grants: mapOf('label', listOf('grant', { minItems: 1 })),
      agents: mapOf('principalId', reference('agent')),
      users: mapOf('principalId', reference('user')),
    },
    ['countersign', 'name', 'version', 'tenants', 'tools', 'agents', 'users'],
  ),
  $defs: { ...forms, ...entries },
};
