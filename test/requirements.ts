/** One promise of Countersign. `test/requirements.test.ts` compares this list with what the tests cite. */
export interface Requirement {
  /** The promise in one sentence. */
  must: string;
  /** `asked` for by users from the start, or `beyond` that and just as real. */
  kind: 'asked' | 'beyond';
  /** `planned`: no test may cite it yet. `partial` and `built`: at least one test must. */
  status: 'planned' | 'partial' | 'built';
  /** What a partial one still lacks. */
  missing?: string;
}

const list = {
  'IDN-1': {
    must: 'Every agent is registered in the store with an id, name, tenant, owner, capabilities and public key; one without capabilities is refused.',
    kind: 'asked',
    status: 'planned',
  },
  'IDN-2': {
    must: 'Agents prove themselves to each other with short-lived tokens, each for one audience and one channel, with a random id and the chain of delegation.',
    kind: 'asked',
    status: 'planned',
  },
  'IDN-3': {
    must: 'A token counts only after its signature, algorithm, type, issuer, audience, times, claims, replay and revocation were checked, and no API skips that.',
    kind: 'asked',
    status: 'planned',
  },
  'IDN-4': {
    must: 'Signing keys are asymmetric and live apart from the agents, are published and rotated with overlap; an exposed key file is refused.',
    kind: 'asked',
    status: 'planned',
  },
  'IDN-5': {
    must: 'Tokens travel over HTTP, a message queue and gRPC, and one agent cannot speak as another on any of them.',
    kind: 'asked',
    status: 'planned',
  },
  'IDN-6': {
    must: 'Each link of a delegation can only narrow what the user or the owner may do; the outermost actor decides and the chain is recorded.',
    kind: 'asked',
    status: 'partial',
    missing: 'users, agents and delegation narrow in the policy; single-action tokens and the token chain are missing',
  },
  'IDN-7': {
    must: 'One action can have its own single-use token, bound to tool, arguments and audience, that a resource server burns in one call.',
    kind: 'asked',
    status: 'planned',
  },
  'IDN-8': {
    must: 'A stolen agent token is useless, because its holder must prove possession of a key.',
    kind: 'beyond',
    status: 'planned',
  },
  'CAP-1': {
    must: 'Capabilities are exact names; everything not granted, unknown, malformed, failing or late is denied.',
    kind: 'asked',
    status: 'built',
  },
  'CAP-2': {
    must: 'Wildcard grants are refused when the policy is loaded, whoever they are for.',
    kind: 'asked',
    status: 'built',
  },
  'CAP-3': {
    must: 'The check runs on every call before any credential is fetched or tool runs; tools without a policy entry are denied and listed at start-up.',
    kind: 'asked',
    status: 'built',
  },
  'CAP-4': {
    must: 'Every tool has a risk that can only rise; unknown is high, high is never approved by code, and a catalogue of common operations ships.',
    kind: 'asked',
    status: 'built',
  },
  'CAP-5': {
    must: 'Constraints hold on the arguments that will run, and read paths, URLs, addresses, money, commands and SQL as their target does.',
    kind: 'asked',
    status: 'partial',
    missing:
      'JSON Schema with linear-time patterns only; the matchers for paths, URLs, money, shell words and SQL are missing',
  },
  'CAP-6': {
    must: 'An agent learns nothing about the permissions of others, neither from the gate nor from a denial.',
    kind: 'asked',
    status: 'built',
  },
  'CAP-7': {
    must: 'Each agent has its list of tools, also from agent definition files, and its model is offered no others.',
    kind: 'asked',
    status: 'partial',
    missing: 'tools that are not permitted are not offered; agent definition files are missing',
  },
  'CAP-8': {
    must: 'Tenant and user are part of every key, query and cache; users are validated on each call and stored data is encrypted per tenant.',
    kind: 'asked',
    status: 'partial',
    missing:
      'tenants in keys, stores and caches, row-level security, encryption per subject, and a user directory interface; the directory has no cache',
  },
  'CAP-9': {
    must: 'Policy is a versioned document with a schema; decisions pin it, reloads are atomic and a broken file changes nothing.',
    kind: 'beyond',
    status: 'partial',
    missing: 'version, digest and JSON Schema; hot reload is missing',
  },
  'CAP-10': {
    must: 'A decision tells the operator which rule and constraint made it and what would make it pass.',
    kind: 'beyond',
    status: 'built',
  },
  'CAP-11': {
    must: 'Teams can observe without enforcing, derive a policy from the ledger, simulate a candidate and unit-test a policy.',
    kind: 'beyond',
    status: 'planned',
  },
  'CAP-12': {
    must: 'Argument values are traced to where they came from, and rules can require or distrust a source.',
    kind: 'beyond',
    status: 'partial',
    missing:
      'a trusted tool that reads back what another process or an earlier run stored, or that decodes or joins what it was given, is not found out',
  },
  'CAP-13': {
    must: 'Rules can limit totals over a time window across processes, and sequences such as untrusted source then external sink.',
    kind: 'beyond',
    status: 'planned',
  },
  'CAP-14': {
    must: 'AuthZEN, Cedar and OPA can decide too, and any trouble with them denies.',
    kind: 'beyond',
    status: 'planned',
  },
  'APR-1': {
    must: 'High risk waits for a person, medium is filed and runs later once, low runs; the policy of each level is printed.',
    kind: 'asked',
    status: 'built',
  },
  'APR-2': {
    must: 'A rejection, a time-out, silence, a crash or a lost message never approves.',
    kind: 'asked',
    status: 'built',
  },
  'APR-3': {
    must: 'People are asked by Slack, e-mail, webhook, terminal and web inbox, several at once, and one decision settles all.',
    kind: 'asked',
    status: 'partial',
    missing: 'all five ways are built; Slack was run against a stand-in of its Web API only',
  },
  'APR-4': {
    must: 'An approval yields a single-use, expiring grant for exactly one call, checked again under the current policy when it is claimed.',
    kind: 'beyond',
    status: 'built',
  },
  'APR-5': {
    must: "Approvals live in the server's store; what a framework carries only wakes a run up and proves nothing.",
    kind: 'beyond',
    status: 'built',
  },
  'APR-6': {
    must: 'Only authenticated, eligible approvers decide, with groups, quorum, escalation and delegation; opening a link decides nothing.',
    kind: 'beyond',
    status: 'partial',
    missing: 'a membership can be handed on for a time in the approver file only',
  },
  'APR-7': {
    must: 'Edited arguments pass schema and policy again under a new digest, and the audit keeps both versions.',
    kind: 'beyond',
    status: 'built',
  },
  'APR-8': {
    must: 'The pause of each framework is used where there is one and survives a restart in another process, streaming included.',
    kind: 'asked',
    status: 'built',
  },
  'APR-9': {
    must: 'What the approver sees is what runs, with provenance, warnings about deceptive text and the difference from last time.',
    kind: 'beyond',
    status: 'partial',
    missing: 'look-alikes and the difference from the last approved call are in the console only',
  },
  'APR-10': {
    must: 'The outcome of every gate is recorded, also when it approved by itself.',
    kind: 'asked',
    status: 'built',
  },
  'APR-11': {
    must: 'The load that approvals put on people is measured, rubber-stamping included.',
    kind: 'beyond',
    status: 'built',
  },
  'APR-12': {
    must: 'Pending requests are capped per run and user, and chat and mail show redacted summaries.',
    kind: 'beyond',
    status: 'built',
  },
  'CRD-1': {
    must: 'Credentials come through one provider interface, and no code reads a raw secret around it.',
    kind: 'asked',
    status: 'built',
  },
  'CRD-2': {
    must: 'A lease is issued just in time for one consumed grant, narrow and short, and is revoked after use and after a crash.',
    kind: 'asked',
    status: 'built',
  },
  'CRD-3': {
    must: 'Vault or OpenBao, AWS, an encrypted file and, in development only, an env file serve as back ends.',
    kind: 'asked',
    status: 'partial',
    missing:
      'Vault and OpenBao (tested on OpenBao), AWS (on moto, which enforces no policy), the encrypted file and .env: moto is no proof of narrowing',
  },
  'CRD-4': {
    must: 'API keys are scoped per agent and service, expire with a warning, and spending limits are enforced.',
    kind: 'asked',
    status: 'partial',
    missing:
      'static keys with an expiry, budgets for model keys, GitHub App tokens (on a stand-in) and fine-grained tokens; GitHub itself was never asked',
  },
  'CRD-5': {
    must: "Users' OAuth tokens are obtained with consent, kept encrypted, refreshed once at a time, exchanged and revoked.",
    kind: 'asked',
    status: 'built',
  },
  'CRD-6': {
    must: 'Credentials rotate on schedule, on demand and on compromise, with overlap and by one worker at a time.',
    kind: 'asked',
    status: 'built',
  },
  'CRD-7': {
    must: 'A secret appears in no argument, prompt, message, result, error, span, record, log or child environment.',
    kind: 'asked',
    status: 'built',
  },
  'CRD-8': {
    must: 'Tools find the credential in a per-call context or a fetch for allowed hosts, never in an argument.',
    kind: 'asked',
    status: 'built',
  },
  'CRD-9': {
    must: 'The doctor refuses literal secrets in policies, prompts, tracked files and shared environment variables.',
    kind: 'asked',
    status: 'built',
  },
  'AUD-1': {
    must: 'Every check, decision, approval, credential access and execution leaves one structured, redacted record.',
    kind: 'asked',
    status: 'partial',
    missing:
      'a call of a hidden tool in a realtime session of OpenAI Agents; a call for which no principal was found has no ledger; a process that is killed loses the decision on a call that was checked seconds before and never ran',
  },
  'AUD-2': {
    must: "Records appear as OpenTelemetry spans in the application's own trace and in the tools that teams run.",
    kind: 'asked',
    status: 'partial',
    missing:
      'Jaeger, Datadog and Elastic: a real collector accepts the configurations, and they were not run against these tools; a live span and the record of the same thing are two spans',
  },
  'AUD-3': {
    must: 'No tool runs before its intent is durably recorded; an unwritable ledger denies.',
    kind: 'asked',
    status: 'built',
  },
  'AUD-4': {
    must: 'Agents cannot change the ledger unnoticed: a public key is enough to find edits, deletions, truncation, reordering and roll-back.',
    kind: 'asked',
    status: 'built',
  },
  'AUD-5': {
    must: 'Records reach the collector at least once, across crashes and outages.',
    kind: 'beyond',
    status: 'built',
  },
  'AUD-6': {
    must: 'The ledger answers who did what for whom and when, exports, and is pruned in segments that stay verifiable.',
    kind: 'asked',
    status: 'built',
  },
  'AUD-7': {
    must: 'Changes to policy, registry, approvers, keys and retention are authenticated and recorded, and closed to agents.',
    kind: 'beyond',
    status: 'partial',
    missing:
      'erasure, holds, archives and pruning are recorded and out of reach of a gate; changes of policy, registry, approvers and keys are not recorded, and who orders an act is stated, not authenticated',
  },
  'ADP-1': {
    must: 'Every kind of tool of the Vercel AI SDK is guarded with its types kept, and provider-executed tools need an allow-list.',
    kind: 'asked',
    status: 'built',
  },
  'ADP-2': {
    must: 'Every path to a tool of the OpenAI Agents SDK is guarded, and hosted tools need an allow-list.',
    kind: 'asked',
    status: 'partial',
    missing:
      'a call of a hidden tool in a realtime session leaves no denial in the ledger; nested deferred tools lose their pause when a state of the SDK 0.17 is restored',
  },
  'ADP-3': {
    must: 'Every path to a tool of LangChain is guarded, and what is not guarded is blocked and audited.',
    kind: 'asked',
    status: 'partial',
    missing:
      'provider tools that middleware behind `countersignMiddleware` adds at run time are offered unseen; `guardAgent` sees them',
  },
  'ADP-4': {
    must: "One contract suite runs on all adapters and shows where a framework's own approval fails.",
    kind: 'beyond',
    status: 'built',
  },
  'ADP-5': {
    must: 'Tools that are not governed are listed at start-up and refused when enforcing.',
    kind: 'beyond',
    status: 'built',
  },
  'ADP-6': {
    must: 'A denial reaches the model as a clean message and never crashes a run.',
    kind: 'beyond',
    status: 'partial',
    missing: 'on OpenAI Agents the call of a computer that is not permitted ends the run',
  },
  'ADP-7': {
    must: 'The gate also stands in front of MCP servers, the Claude Agent SDK and Mastra.',
    kind: 'beyond',
    status: 'planned',
  },
  'ADP-8': {
    must: 'A plain function can require a capability, and throws a typed error without it.',
    kind: 'asked',
    status: 'built',
  },
  'OPS-1': {
    must: 'A report of identities, credentials, capabilities and risks, flow and audit schema is printed from a running configuration.',
    kind: 'asked',
    status: 'planned',
  },
  'OPS-2': {
    must: 'One command line covers set-up, diagnosis, policy, agents, approvals, credentials, audit and the console.',
    kind: 'beyond',
    status: 'partial',
    missing:
      'approvals, console, audit, hold, credentials, outbox, doctor, policy check and show; init, policy test, suggest and simulate, and agents are missing',
  },
  'OPS-3': {
    must: 'A web console shows approvals, ledger and policy, by keyboard, in the dark and on a phone.',
    kind: 'beyond',
    status: 'built',
  },
  'OPS-4': {
    must: 'A fresh machine runs the main job and every test with one command each, without account or key.',
    kind: 'asked',
    status: 'partial',
    missing:
      'the demo is tested in an installed tree; that both commands work on a machine with nothing but Node and npm is shown by .ci/run and by no test',
  },
  'REL-1': {
    must: 'One SQLite file or a shared Postgres hold the state under the same contract, with several processes on one store.',
    kind: 'beyond',
    status: 'built',
  },
  'REL-2': {
    must: 'Killed at any point, no tool runs twice, no effect lacks its intent and no grant is reusable.',
    kind: 'beyond',
    status: 'built',
  },
  'REL-3': {
    must: 'A part that is down, slow or lying makes calls fail closed, in bounded time, and recovers without a restart.',
    kind: 'beyond',
    status: 'built',
  },
  'REL-4': {
    must: 'Hostile input of any kind is a clear error and executes nothing.',
    kind: 'beyond',
    status: 'partial',
    missing: 'arguments, call ids, names, tokens; the path and URL bypass lists are missing',
  },
  'PRF-1': {
    must: 'The cost of the gate is a small, published part of a tool round, flat in agents and tools, and scales with processes.',
    kind: 'beyond',
    status: 'planned',
  },
} satisfies Record<string, Requirement>;

export type RequirementId = keyof typeof list;

export const requirements: Readonly<Record<RequirementId, Requirement>> = list;
