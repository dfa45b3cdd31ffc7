/**
 * The session policy of one operation: what its scope asks for, cut down to what its service's template allows. AWS then
 * intersects it with the policies of the role, so neither can add to the other.
 * @module
 */
import { ConfigurationError, LeaseError } from '@countersign/core';
import type { LeaseRequest } from '@countersign/core';

/** The most that any operation of a service may ever get. */
export interface TemplateStatement {
  /** For example `s3:GetObject`; `*` inside stands for any text, as in IAM. */
  readonly actions: readonly string[];
  /** ARNs with `*` and `?` as in IAM, or `*` for actions that know no resource. `{tenant}`, `{user}` and `{agent}` stand for ids. */
  readonly resources: readonly string[];
  /** An IAM `Condition` block, put into every statement that comes from this one. */
  readonly conditions?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
}

interface Statement {
  readonly Effect: 'Allow';
  readonly Action: readonly string[];
  readonly Resource: readonly string[];
  readonly Condition?: TemplateStatement['conditions'];
}

/** Most characters of a session policy in plain text (AWS STS, AssumeRole, `Policy`). */
const maxPolicyLength = 2_048;

const exactAction = /^[a-z0-9-]+:[A-Za-z0-9]+$/;
const actionPattern = /^[a-z0-9-]+:[A-Za-z0-9*]+$/;
/** No `$`: policy variables, `${*}` among them, would mean something else to AWS than to the check here. */
const resourcePattern = /^(?:\*|arn:[!#%-~]{1,1500})$/;
const placeholder = /\{(tenant|user|agent)\}/g;
const id = /^[A-Za-z0-9_-]{1,128}$/;

type Ids = Pick<LeaseRequest, 'tenant' | 'agent'> & { readonly user?: string };

/** Throws `ConfigurationError` for a template that is empty or not understood. */
export function checkTemplate(what: string, template: readonly TemplateStatement[]): void {
  const sound = template.every(
    ({ actions, resources }) =>
      actions.length > 0 &&
      resources.length > 0 &&
      actions.every((action) => actionPattern.test(action)) &&
      resources.every((resource) => resourcePattern.test(resource)),
  );
  if (sound && template.length > 0) return;
  throw new ConfigurationError(
    `${what}: expected statements of actions such as s3:GetObject and resources that are ARNs without $, or *`,
  );
}

/**
 * The policy as JSON text. Throws `LeaseError` for a scope that is not exactly `actions` and `resources`, for an action or
 * a resource of which the template allows nothing, and for a policy that is too long for AWS.
 */
export function sessionPolicy(
  what: string,
  template: readonly TemplateStatement[],
  request: Ids & Pick<LeaseRequest, 'scope'>,
): string {
  const { actions, resources } = readScope(what, request.scope);
  const wanted = resources.map((resource) => fill(resource, request));
  const statements = actions.flatMap((action) => statementsFor(what, template, action, wanted, request));
  for (const resource of wanted) {
    if (!statements.some(({ from }) => from.has(resource))) throw beyond(what, resource);
  }
  const policy = JSON.stringify({ Version: '2012-10-17', Statement: join(statements) });
  if (policy.length <= maxPolicyLength) return policy;
  throw new LeaseError(
    `${what}: the session policy has ${policy.length} characters, AWS takes ${maxPolicyLength}; ask for fewer actions and resources`,
  );
}

function readScope(
  what: string,
  scope: LeaseRequest['scope'],
): { actions: readonly string[]; resources: readonly string[] } {
  const { actions, resources, ...others } = scope;
  const listed = (value: unknown, form: RegExp): value is readonly string[] =>
    Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === 'string' && form.test(each));
  if (Object.keys(others).length === 0 && listed(actions, exactAction) && listed(resources, resourcePattern)) {
    return { actions, resources };
  }
  throw new LeaseError(
    `${what}: expected a scope of exactly actions (no wildcard) and resources (ARNs without $), neither empty`,
  );
}

interface Candidate {
  readonly statement: Statement;
  /** The resources of the scope that it came from. */
  readonly from: ReadonlySet<string>;
}

function statementsFor(
  what: string,
  template: readonly TemplateStatement[],
  action: string,
  wanted: readonly string[],
  ids: Ids,
): Candidate[] {
  const found = template
    .filter(({ actions }) => actions.some((allowed) => covers(allowed.toLowerCase(), action.toLowerCase())))
    .flatMap(({ resources, conditions }) => {
      const allowed = resources.map((resource) => fill(resource, ids));
      const pairs = wanted.flatMap((asked) =>
        allowed.flatMap((most) => {
          const common = intersect(asked, most);
          return common === undefined ? [] : [{ asked, common }];
        }),
      );
      if (pairs.length === 0) return [];
      const statement: Statement = {
        Effect: 'Allow',
        Action: [action],
        Resource: [...new Set(pairs.map(({ common }) => common))],
        ...(conditions === undefined ? {} : { Condition: conditions }),
      };
      return [{ statement, from: new Set(pairs.map(({ asked }) => asked)) }];
    });
  if (found.length === 0) throw beyond(what, action);
  return found;
}

/** What both patterns match, where one lies within the other; two that merely overlap have nothing in common here. */
function intersect(asked: string, most: string): string | undefined {
  if (covers(most, asked)) return asked;
  return covers(asked, most) ? most : undefined;
}

/**
 * Whether everything that `inner` matches is matched by `outer`. A wildcard in `inner` may become any text, so only a `*`
 * in `outer` can stand for it (and `?` for `?`). In linear space, without backtracking further than the last `*`.
 */
export function covers(outer: string, inner: string): boolean {
  let at = 0;
  let position = 0;
  let star = -1;
  let mark = 0;
  while (position < inner.length) {
    const have = inner[position];
    const want = outer[at];
    if (want === '*') {
      star = at;
      mark = position;
      at += 1;
    } else if (want !== undefined && (want === have || want === '?') && have !== '*') {
      at += 1;
      position += 1;
    } else if (star >= 0) {
      mark += 1;
      position = mark;
      at = star + 1;
    } else return false;
  }
  while (outer[at] === '*') at += 1;
  return at === outer.length;
}

/** One statement for each set of resources and conditions. */
function join(candidates: readonly Candidate[]): Statement[] {
  const groups = Map.groupBy(candidates, ({ statement: { Resource, Condition } }) =>
    JSON.stringify([Resource, Condition ?? null]),
  );
  return [...groups.values()].flatMap(([first, ...others]) => {
    if (first === undefined) return [];
    const actions = [first, ...others].flatMap(({ statement }) => statement.Action);
    return [{ ...first.statement, Action: [...new Set(actions)] }];
  });
}

function fill(resource: string, ids: Ids): string {
  return resource.replaceAll(placeholder, (_whole, name: keyof Ids) => {
    const value = ids[name];
    if (typeof value === 'string' && id.test(value)) return value;
    throw new LeaseError(`${name} id: expected 1 to 128 letters, digits, _ and - to use it in an ARN`);
  });
}

function beyond(what: string, part: string): LeaseError {
  return new LeaseError(`${what}: ${part} goes beyond the template of the service; change the scope or the template`);
}
