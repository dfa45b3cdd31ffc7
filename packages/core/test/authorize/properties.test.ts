import fc from 'fast-check';
import { test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import type { Risk, Verdict } from '../../src/call.ts';
import { definePolicy } from '../../src/authorize/policy.ts';
import type { GrantEntry, PolicyDocument, RiskCondition } from '../../src/authorize/policy-document.ts';

const capabilities = ['svc:a:x', 'svc:b:x', 'database:row:insert'];
const agents = ['one', 'two', 'three'];
const users = ['alice', 'bob'];
const tools = ['t0', 't1', 't2', 't3'];
const runs = { numRuns: 150 };
const riskOrder: Readonly<Record<Risk, number>> = { low: 0, medium: 1, high: 2 };
const strictness: Readonly<Record<Verdict, number>> = { allow: 0, review: 1, deny: 2 };

const amount = fc.integer({ min: 0, max: 4 });
const constraint = amount.map((maximum) => ({
  properties: { amount: { type: 'number', maximum } },
  required: ['amount'],
}));
const condition: fc.Arbitrary<RiskCondition> = fc.record({
  arguments: amount.map((minimum) => ({ properties: { amount: { minimum } } })),
  risk: fc.constantFrom('medium', 'high'),
});
const grant: fc.Arbitrary<GrantEntry> = fc
  .tuple(fc.constantFrom(...capabilities), fc.option(constraint), fc.option(condition))
  .map(([capability, limits, when]) =>
    limits === null && when === null
      ? capability
      : { capability, ...(limits === null ? {} : { arguments: limits }), ...(when === null ? {} : { when: [when] }) },
  );
const grants = fc.array(grant, { minLength: 1, maxLength: 4 });
const tool = fc
  .tuple(fc.constantFrom(...capabilities), fc.option(fc.constantFrom('medium', 'high')), fc.option(condition))
  .map(([capability, risk, when]) => ({
    capability,
    ...(risk === null ? {} : { risk }),
    ...(when === null ? {} : { when: [when] }),
  }));

function every<Value>(names: readonly string[], value: fc.Arbitrary<Value>): fc.Arbitrary<Record<string, Value>> {
  return fc
    .tuple(...names.map(() => value))
    .map((values) => Object.fromEntries(names.map((name, at) => [name, values[at]!])));
}

const holder = grants.map((list) => ({ capabilities: list }));
const document: fc.Arbitrary<PolicyDocument> = fc
  .record({
    tools: every(tools, tool),
    agents: every(agents, holder),
    users: every(users, holder),
    low: fc.boolean(),
  })
  .map(({ low, ...sections }) => ({
    countersign: 1,
    name: 'p',
    version: '1',
    tenants: ['t'],
    capabilities: low ? { 'svc:a:x': { risk: 'low' }, 'svc:b:x': { risk: 'low' } } : {},
    ...sections,
  }));
const subject = fc.record({
  tenant: fc.constant('t'),
  user: fc.constantFrom(...users),
  agent: fc.constantFrom(...agents),
  delegation: fc.array(fc.constantFrom(...agents), { maxLength: 3 }),
});
const question = fc.record({ subject, tool: fc.constantFrom(...tools), args: fc.record({ amount }) });

type Question = typeof question extends fc.Arbitrary<infer Value> ? Value : never;

function strict(policy: PolicyDocument, { subject: who, tool: name, args }: Question): number {
  return strictness[definePolicy(policy).decide(who, { name, source: 'local' }, args).verdict];
}

verifies(['IDN-6'], 'adding a link to the delegation never adds a permission', () => {
  fc.assert(
    fc.property(document, question, fc.constantFrom(...agents), fc.nat(3), (policy, asked, link, position) => {
      const delegation = asked.subject.delegation.toSpliced(position, 0, link);
      const longer = { ...asked, subject: { ...asked.subject, delegation } };
      return strict(policy, longer) >= strict(policy, asked);
    }),
    runs,
  );
});

verifies(['IDN-6'], 'a sub-agent may never do what its delegating agent or user may not', () => {
  fc.assert(
    fc.property(document, question, fc.constantFrom(...agents), (policy, asked, lead) => {
      const alone = { ...asked, subject: { ...asked.subject, agent: lead, delegation: [] } };
      const delegated = { ...asked, subject: { ...asked.subject, delegation: [lead] } };
      return strict(policy, delegated) >= strict(policy, alone);
    }),
    runs,
  );
});

verifies(['CAP-1'], 'removing a grant never turns a denial into anything else', () => {
  const section = fc.constantFrom('agents' as const, 'users' as const);
  fc.assert(
    fc.property(document, question, section, fc.nat(2), fc.nat(3), (policy, asked, part, who, which) => {
      const names = part === 'agents' ? agents : users;
      const name = names[who % names.length]!;
      const list = policy[part][name]?.capabilities ?? [];
      // An agent keeps a capability that no tool needs, because one without any is refused.
      const fewer = { capabilities: [...list.toSpliced(which % list.length, 1), 'svc:spare:x'] };
      const smaller = { ...policy, [part]: { ...policy[part], [name]: fewer } };
      return strict(policy, asked) < strictness.deny || strict(smaller, asked) === strictness.deny;
    }),
    runs,
  );
});

verifies(['CAP-4'], 'raising any risk never lowers the verdict', () => {
  const higher = fc.constantFrom<Risk>('medium', 'high');
  fc.assert(
    fc.property(
      document,
      question,
      higher,
      fc.constantFrom('tool', 'capability', 'condition'),
      (policy, asked, risk, where) => {
        const entry = policy.tools[asked.tool]!;
        const known = policy.capabilities?.[entry.capability];
        const raised = (current: Risk | undefined) =>
          current !== undefined && riskOrder[current] >= riskOrder[risk] ? current : risk;
        const condition_ = { arguments: {}, risk: risk === 'medium' ? 'medium' : 'high' } as const;
        // Without any statement the risk is high already, so only one that is known can be raised.
        if (where !== 'condition' && entry.risk === undefined && known?.risk === undefined) return true;
        const changed =
          where === 'tool'
            ? { tools: { ...policy.tools, [asked.tool]: { ...entry, risk: raised(entry.risk ?? known?.risk) } } }
            : where === 'condition'
              ? { tools: { ...policy.tools, [asked.tool]: { ...entry, when: [...(entry.when ?? []), condition_] } } }
              : everyToolOf(policy, entry.capability, raised(known?.risk ?? entry.risk));
        return strict({ ...policy, ...changed }, asked) >= strict(policy, asked);
      },
    ),
    runs,
  );
});

/** The capability's entry raised, and the tools that stated less with it: a lower statement would be refused. */
function everyToolOf(policy: PolicyDocument, capability: string, risk: Risk): Partial<PolicyDocument> {
  const raisedTools = Object.entries(policy.tools).map(([name, entry]) => {
    const low = entry.capability === capability && entry.risk !== undefined && riskOrder[entry.risk] < riskOrder[risk];
    return [name, low ? { ...entry, risk } : entry];
  });
  return { tools: Object.fromEntries(raisedTools), capabilities: { ...policy.capabilities, [capability]: { risk } } };
}

verifies(['CAP-1'], 'anything unknown denies', () => {
  const stranger = fc.oneof(
    fc.string().filter((name) => ![...agents, ...users, ...tools, 't'].includes(name)),
    fc.constantFrom('__proto__', 'constructor', 'toString', 'ONE', 'alice ', 'аlice'),
  );
  fc.assert(
    fc.property(
      document,
      question,
      stranger,
      fc.constantFrom('tenant', 'user', 'agent', 'delegation', 'tool', 'source'),
      (policy, asked, name, part) => {
        const who = { ...asked.subject, ...(part === 'delegation' ? { delegation: [name] } : { [part]: name }) };
        const identity = { name: part === 'tool' ? name : asked.tool, source: part === 'source' ? name : 'local' };
        return definePolicy(policy).decide(who, identity, asked.args).verdict === 'deny';
      },
    ),
    runs,
  );
});

test('the tools of a principal are those that some arguments get past the capabilities', () => {
  const missing = new Set(['capability_missing', 'capability_missing_user', 'capability_missing_delegation']);
  fc.assert(
    fc.property(document, subject, (source, who) => {
      const policy = definePolicy(source);
      const held = tools.filter((name) => {
        const { reasons } = policy.decide(who, { name, source: 'local' }, {});
        return !missing.has(reasons[0]!.code);
      });
      return JSON.stringify(held) === JSON.stringify(policy.permittedTools(who));
    }),
    runs,
  );
});

test('the same question under the same policy gets an equal decision', () => {
  fc.assert(
    fc.property(document, question, (source, { subject: who, tool: name, args }) => {
      const answer = () => JSON.stringify(definePolicy(source).decide(who, { name, source: 'local' }, args));
      return answer() === answer();
    }),
    { numRuns: 30 },
  );
});
