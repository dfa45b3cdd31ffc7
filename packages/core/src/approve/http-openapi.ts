/**
 * The OpenAPI 3.1 description of the approvals API, made from its routes. `packages/core/openapi.json` is this object,
 * written out by `npm run openapi`.
 * @module
 */
import { commonErrors, routes, type Route } from './http-routes.ts';
import { approvalId, schemas, type SchemaName, type SchemaNode } from './http-schemas.ts';
import { titleOf } from './problem.ts';

export const documentPath = '/openapi.json';

export function openApiDocument(): SchemaNode {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) (paths[route.path] ??= {})[route.method.toLowerCase()] = operationOf(route);
  paths[documentPath] = { get: documentOperation };
  return {
    openapi: '3.1.1',
    info: {
      title: 'Countersign approvals',
      version: '1.0.0',
      license: { name: 'MIT', identifier: 'MIT' },
      description:
        'Lists, shows and decides what waits for people. GET and HEAD change nothing. Who asks is shown by a bearer token; an answer concerns the approver’s own tenant only.',
    },
    servers: [{ url: '/', description: 'Where the service is mounted.' }],
    security: [{ bearer: [] }],
    tags: [{ name: 'approvals' }],
    paths,
    components: {
      schemas,
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', description: 'RFC 6750.' } },
      headers,
    },
  };
}

const headers: Readonly<Record<string, SchemaNode>> = {
  RateLimit: headerOf('What is left: draft-ietf-httpapi-ratelimit-headers-10, e.g. `"decisions";r=59`.', 'string'),
  'RateLimit-Policy': headerOf('The quota `q` in a window of `w` seconds, e.g. `"decisions";q=60;w=60`.', 'string'),
  'Retry-After': headerOf('Seconds to wait.', 'integer'),
  'WWW-Authenticate': headerOf('RFC 6750, section 3.', 'string'),
  Allow: headerOf('The methods that there are.', 'string'),
};

function headerOf(description: string, type: string): SchemaNode {
  return { description, schema: { type } };
}

const headersOfStatus: Readonly<Record<number, readonly string[]>> = {
  200: ['RateLimit', 'RateLimit-Policy'],
  401: ['WWW-Authenticate'],
  405: ['Allow'],
  429: ['Retry-After', 'RateLimit', 'RateLimit-Policy'],
};

function operationOf({ operation, summary, path, query, body, answer, errors }: Route): SchemaNode {
  const statuses = [...new Set([...errors, ...commonErrors])].toSorted((left, right) => left - right);
  const problems = statuses.map((status) => [String(status), responseOf(status, titleOf(status), 'Problem')]);
  const parameters = [
    ...(path.includes('{id}') ? [{ name: 'id', in: 'path', required: true, schema: approvalId }] : []),
    ...Object.entries(query).map(([name, schema]) => ({ name, in: 'query', schema })),
  ];
  return {
    operationId: operation,
    summary,
    tags: ['approvals'],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: contentOf('application/json', body.schema) } }),
    responses: { '200': responseOf(200, 'OK', answer), ...Object.fromEntries(problems) },
  };
}

const documentOperation: SchemaNode = {
  operationId: 'showDocument',
  summary: 'This document. It needs no token.',
  tags: ['approvals'],
  security: [],
  responses: { '200': { description: 'OK', content: contentOf('application/json', 'OpenApi') } },
};

function responseOf(status: number, description: string, schema: SchemaName): SchemaNode {
  const names = headersOfStatus[status] ?? [];
  const type = schema === 'Problem' ? 'application/problem+json' : 'application/json';
  const sent = Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
  return { description, ...(names.length === 0 ? {} : { headers: sent }), content: contentOf(type, schema) };
}

function contentOf(type: string, schema: SchemaName): SchemaNode {
  return { [type]: { schema: { $ref: `#/components/schemas/${schema}` } } };
}
