/**
 * The decision alone, against the hand-written floor (two lookups in interned tables and a compiled validator), from 10
 * to 100,000 agents; Casbin and Cedar beside it on one agent's fifty policies.
 */
import { Ajv2020 } from 'ajv/dist/2020.js';
import { newEnforcer, newModelFromString, type Enforcer } from 'casbin';
import * as cedar from '@cedar-policy/cedar-wasm/nodejs';
import { definePolicy, type Policy, type PolicyDocument } from '@countersign/core';
import { interval, measure, nanoseconds, median, one, printSection, ratio, type Case, type Line } from './measure.ts';

const teams = 100;
const capabilitiesPerTeam = 50;
const requests = 4_096;

const constraint = {
  type: 'object',
  properties: {
    repository: { enum: ['web', 'api', 'docs', 'infra', 'mobile'] },
    title: { type: 'string', maxLength: 256 },
    base: { enum: ['main', 'next'] },
  },
  required: ['repository', 'title', 'base'],
} as const;

const capability = (team: number, index: number): string => `team-${team}:item-${index}:update`;
const toolOf = (team: number, index: number): string => `update_${team}_${index}`;
const hot = 25;

interface Request {
  readonly agent: string;
  readonly team: number;
  readonly tool: string;
  readonly args: Readonly<Record<string, unknown>>;
}

/** Nine of ten are allowed; texts are fresh from `JSON.parse`, as they would be in a request. */
function requestsFor(agents: number): Request[] {
  return Array.from({ length: requests }, (_, index) => {
    const agent = (index * 7919) % agents;
    const args = { repository: index % 10 === 0 ? 'other' : 'web', title: `Change number ${index}`, base: 'main' };
    const team = agent % teams;
    return JSON.parse(JSON.stringify({ agent: `agent-${agent}`, team, tool: toolOf(team, hot), args })) as Request;
  });
}

function policyFor(agents: number): Policy {
  const grants = Array.from({ length: teams }, (_, team) => [
    `team-${team}`,
    Array.from({ length: capabilitiesPerTeam }, (_item, index) => ({
      capability: capability(team, index),
      arguments: constraint,
    })),
  ]);
  const tools = Array.from({ length: teams }, (_, team) =>
    Array.from({ length: capabilitiesPerTeam }, (_item, index) => [
      toolOf(team, index),
      { capability: capability(team, index), risk: 'low' },
    ]),
  ).flat();
  const all = Array.from({ length: teams }, (_, team) => `plain-${team}`);
  const plain = Array.from({ length: teams }, (_, team) => [
    `plain-${team}`,
    Array.from({ length: capabilitiesPerTeam }, (_item, index) => capability(team, index)),
  ]);
  return definePolicy({
    countersign: 1,
    name: 'bench',
    version: '1',
    tenants: ['acme'],
    tools: Object.fromEntries(tools),
    grants: Object.fromEntries([...grants, ...plain]),
    agents: Object.fromEntries(
      Array.from({ length: agents }, (_, index) => [
        `agent-${index}`,
        { owner: 'user:alice', include: [`team-${index % teams}`] },
      ]),
    ),
    users: { alice: { include: all } },
  } as PolicyDocument);
}

/** What a guard written by hand for one application would do, and nothing else. */
function floorFor(agents: number): (request: Request) => boolean {
  const validate = new Ajv2020().compile(constraint);
  const tables = Array.from(
    { length: teams },
    (_, team) =>
      new Map(Array.from({ length: capabilitiesPerTeam }, (_item, index) => [toolOf(team, index), validate] as const)),
  );
  const byAgent = new Map<string, (typeof tables)[number] | undefined>(
    Array.from({ length: agents }, (_, index) => [`agent-${index}`, tables[index % teams]] as const),
  );
  return ({ agent, tool, args }) => byAgent.get(agent)?.get(tool)?.(args) === true;
}

function caseOf(name: string, list: readonly Request[], decide: (request: Request) => boolean): Case {
  const expected = list.filter((request) => request.args['repository'] === 'web').length;
  const allowed = list.filter(decide).length;
  if (allowed !== expected) throw new Error(`${name}: allowed ${allowed} of ${list.length}, expected ${expected}`);
  return {
    name,
    run(operations) {
      for (let done = 0; done < operations; done += 1) decide(list[done % list.length] as Request);
    },
  };
}

async function casbinOf(list: readonly Request[]): Promise<(request: Request) => boolean> {
  const model = newModelFromString(`
[request_definition]
r = sub, obj, act, repository
[policy_definition]
p = sub, obj, act
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.sub == p.sub && r.obj == p.obj && r.act == p.act && r.repository == "web"
`);
  const enforcer: Enforcer = await newEnforcer(model);
  const agent = list[0]?.agent ?? '';
  for (let index = 0; index < capabilitiesPerTeam; index += 1)
    await enforcer.addPolicy(agent, toolOf(list[0]?.team ?? 0, index), 'call');
  return ({ tool, args }) => enforcer.enforceSync(agent, tool, 'call', args['repository']);
}

function cedarOf(list: readonly Request[]): (request: Request) => boolean {
  const agent = list[0]?.agent ?? '';
  const text = Array.from(
    { length: capabilitiesPerTeam },
    (_, index) =>
      `permit(principal == Agent::"${agent}", action == Action::"call", resource == Tool::"${toolOf(list[0]?.team ?? 0, index)}") ` +
      'when { ["web", "api", "docs", "infra", "mobile"].contains(context.repository) && context has title && ["main", "next"].contains(context.base) };',
  ).join('\n');
  const parsed = cedar.preparsePolicySet('bench', { staticPolicies: text });
  if (parsed.type !== 'success') throw new Error(JSON.stringify(parsed));
  return ({ tool, args }) => {
    const answer = cedar.statefulIsAuthorized({
      principal: { type: 'Agent', id: agent },
      action: { type: 'Action', id: 'call' },
      resource: { type: 'Tool', id: tool },
      context: args as Record<string, string>,
      preparsedPolicySetId: 'bench',
      entities: [],
    });
    return answer.type === 'success' && answer.response.decision === 'allow';
  };
}

export async function benchDecision(quick: boolean): Promise<void> {
  const sizes = [10, 100_000];
  const cases: Case[] = [];
  for (const agents of sizes) {
    const policy = policyFor(agents);
    const list = requestsFor(agents);
    const subjects = new Map(
      list.map(({ agent }) => [agent, { tenant: 'acme', user: 'alice', agent, delegation: [] }]),
    );
    const prepared = list.map((request) => ({
      ...request,
      subject: subjects.get(request.agent),
      identity: { name: request.tool, source: 'local' },
    }));
    cases.push(caseOf(`floor, ${agents} agents`, list, floorFor(agents)));
    cases.push(
      caseOf(`decide, ${agents} agents`, prepared, (request) => {
        const { subject, identity, args } = request as (typeof prepared)[number];
        return subject !== undefined && policy.decide(subject, identity, args).verdict === 'allow';
      }),
    );
  }
  const measured = await measure(cases, { rounds: quick ? 10 : 40, operations: 100_000 });

  const single = requestsFor(1);
  const peers = await measure(
    [
      caseOf('casbin, 50 policies', single, await casbinOf(single)),
      caseOf('cedar, 50 policies preparsed', single, cedarOf(single)),
      caseOf('floor of one agent', single, floorFor(1)),
    ],
    { rounds: quick ? 3 : 8, operations: 2_000 },
  );

  const lines: Line[] = [...measured.values(), ...peers.values()].map(({ name, perOperation }) => ({
    what: name,
    measured: nanoseconds(median(perOperation)),
  }));
  for (const agents of sizes) {
    const times = ratio(measured, `decide, ${agents} agents`, `floor, ${agents} agents`);
    lines.push({
      what: `decide / floor, ${agents} agents`,
      measured: interval(times),
      goal: '≤ 3',
      met: times.median <= 3,
    });
  }
  const growth = (name: string): number =>
    median(one(measured, `${name}, 100000 agents`).perOperation) /
    median(one(measured, `${name}, 10 agents`).perOperation);
  const relative = growth('decide') / growth('floor');
  lines.push({
    what: 'growth 10 → 100,000 agents, decide / floor',
    measured: relative.toFixed(2),
    goal: '≤ 1.25',
    met: relative <= 1.25,
  });
  printSection('Decision', lines);
}
