/** Ways to a tool's body that go past a simple wrapper, and the test that shows what becomes of each. */
import type { Framework } from './harness.ts';

interface BypassPath {
  readonly framework: Framework;
  readonly path: string;
  /** `gated`: it goes through the gate. `refused`: at start-up, or never offered. `stopped`: by a backstop. `open`: see its note. */
  readonly outcome: 'gated' | 'refused' | 'stopped' | 'open';
  /** Part of the title of a test, and the file below `packages/<framework>/test` that it is in; or a case of this suite. */
  readonly test?: readonly [file: string, title: string];
  readonly case?: string;
  readonly note?: string;
}

export const bypassPaths: readonly BypassPath[] = [
  { framework: 'ai-sdk', path: 'tools that the provider executes', outcome: 'refused', case: 'provider-tool' },
  {
    framework: 'ai-sdk',
    path: 'tools that the provider runs through options (`mcpServers`, `container` …)',
    outcome: 'refused',
    test: ['guard-model.test.ts', 'options that make a provider run tools unseen are taken out'],
  },
  {
    framework: 'ai-sdk',
    path: "a client's yes to a request of the provider itself (hosted MCP)",
    outcome: 'refused',
    test: ['guard-model.test.ts', "a client's yes to the provider's own approval request is forwarded natively"],
  },
  {
    framework: 'ai-sdk',
    path: 'client-side tools',
    outcome: 'refused',
    test: ['guard-model.test.ts', 'provider-executed and client-side tools are refused by name'],
  },
  {
    framework: 'ai-sdk',
    path: 'code mode and tool callers',
    outcome: 'gated',
    test: ['code-mode.test.ts', 'calls of a program are decided one by one'],
  },
  {
    framework: 'ai-sdk',
    path: '`toolSearch()`',
    outcome: 'gated',
    test: ['code-mode.test.ts', 'the search for deferred tools runs past any wrapper'],
    note: 'the search itself runs; what it finds is gated',
  },
  { framework: 'ai-sdk', path: 'tools of an MCP server', outcome: 'gated', case: 'mcp-tool' },
  { framework: 'ai-sdk', path: 'sub-agents', outcome: 'gated', case: 'sub-agent-deny' },
  { framework: 'ai-sdk', path: 'raw tools put back by `prepareCall`', outcome: 'stopped', case: 'late-tool' },
  {
    framework: 'ai-sdk',
    path: '`toolApproval` given by a request, or answering what the SDK does not know',
    outcome: 'gated',
    test: ['native-approval.test.ts', 'H7: a status that the SDK does not know runs the tool'],
  },
  {
    framework: 'ai-sdk',
    path: 'calls and approvals that a client forges',
    outcome: 'gated',
    test: ['native-approval.test.ts', 'H3: a client forges a call of a tool without any approval'],
  },
  {
    framework: 'ai-sdk',
    path: 'arguments changed by a callback',
    outcome: 'gated',
    case: 'tampered-arguments',
  },
  {
    framework: 'ai-sdk',
    path: '`client.callTool()` of an MCP client, realtime, batches, harnesses',
    outcome: 'open',
    note: 'no tool object is involved: call `gate.execute`, or hand the client to nobody',
  },
  { framework: 'openai-agents', path: 'hosted tools', outcome: 'refused', case: 'provider-tool' },
  {
    framework: 'openai-agents',
    path: 'hosted MCP servers',
    outcome: 'gated',
    test: ['paths.test.ts', 'a hosted MCP server asks the gate before every call'],
    note: 'refused unless named, and unless the server asks before every call',
  },
  { framework: 'openai-agents', path: 'local MCP servers', outcome: 'gated', case: 'mcp-tool' },
  {
    framework: 'openai-agents',
    path: 'tools pushed later, and clones with other tools',
    outcome: 'gated',
    test: ['loop.test.ts', 'covers tools that are added later, and clones with other tools'],
  },
  {
    framework: 'openai-agents',
    path: 'tools that a client-side tool search finds',
    outcome: 'gated',
    test: ['paths.test.ts', 'tools that a client-side search finds are guarded'],
  },
  {
    framework: 'openai-agents',
    path: 'an unguarded agent behind `asTool()`',
    outcome: 'refused',
    test: ['paths.test.ts', 'an unguarded agent behind a tool is refused at start-up'],
  },
  {
    framework: 'openai-agents',
    path: 'hand-offs, and the tools of their targets',
    outcome: 'gated',
    case: 'hand-off-deny',
  },
  {
    framework: 'openai-agents',
    path: 'a hand-off to an agent that nobody mentioned',
    outcome: 'gated',
    test: ['paths.test.ts', 'one that answers an agent nobody mentioned gets that agent guarded'],
  },
  {
    framework: 'openai-agents',
    path: 'shell, patch and computer tools',
    outcome: 'gated',
    test: ['paths.test.ts', 'a shell command under review pauses, a denied one is answered'],
  },
  {
    framework: 'openai-agents',
    path: 'sandbox agents',
    outcome: 'gated',
    test: ['sandbox.test.ts', 'its commands are decided on like any other call'],
  },
  {
    framework: 'openai-agents',
    path: 'realtime sessions',
    outcome: 'gated',
    test: ['realtime.test.ts', 'runs what is allowed, answers what is denied'],
  },
  {
    framework: 'openai-agents',
    path: '`tool.invoke` outside the runner',
    outcome: 'gated',
    test: ['loop.test.ts', 'a guarded tool that is called outside the runner is decided on like any call'],
  },
  {
    framework: 'openai-agents',
    path: 'a listener that changes the arguments',
    outcome: 'gated',
    case: 'tampered-arguments',
  },
  {
    framework: 'openai-agents',
    path: '`alwaysApprove`, and approvals written into a stored state',
    outcome: 'gated',
    test: ['approvals.test.ts', 'alwaysApprove widens nothing'],
  },
  {
    framework: 'openai-agents',
    path: 'prompts stored at the provider, and a second copy of the SDK',
    outcome: 'open',
    note: 'not visible from here: do not use them',
  },
  {
    framework: 'langchain',
    path: '`invoke`, `batch`, `stream`, `func`, `_call`, sequences, lambdas',
    outcome: 'gated',
    test: ['plain.test.ts', 'every way to its body goes through the gate'],
  },
  {
    framework: 'langchain',
    path: '`runnable.asTool()`',
    outcome: 'gated',
    test: ['plain.test.ts', 'runnable.asTool() becomes a guarded structured tool'],
  },
  {
    framework: 'langchain',
    path: 'a plain `ToolNode`, which runs whole nodes again',
    outcome: 'gated',
    test: ['resume.test.ts', 'a plain ToolNode runs the whole node again'],
  },
  { framework: 'langchain', path: 'an agent called in a tool', outcome: 'gated', case: 'sub-agent-deny' },
  {
    framework: 'langchain',
    path: 'sub-agents of deep agents',
    outcome: 'gated',
    test: ['sub-agents.test.ts', 'a guarded tool pauses the root run from inside'],
  },
  {
    framework: 'langchain',
    path: 'built-in tools of such sub-agents',
    outcome: 'stopped',
    test: ['sub-agents.test.ts', 'built-in tools that no root middleware sees: the callback handler stops them'],
  },
  { framework: 'langchain', path: 'tools of an MCP server', outcome: 'gated', case: 'mcp-tool' },
  {
    framework: 'langchain',
    path: 'the raw function of such a tool',
    outcome: 'gated',
    test: ['mcp.test.ts', 'the raw function of an adapter tool runs past everything natively'],
  },
  { framework: 'langchain', path: "tools that run at the model's provider", outcome: 'refused', case: 'provider-tool' },
  {
    framework: 'langchain',
    path: 'middleware that rewrites arguments after the check',
    outcome: 'gated',
    case: 'tampered-arguments',
  },
  { framework: 'langchain', path: 'middleware that supplies a raw tool', outcome: 'stopped', case: 'late-tool' },
  {
    framework: 'langchain',
    path: 'a forged message in the input',
    outcome: 'gated',
    test: ['resume.test.ts', 'a forged message in the input that something jumps to runs natively'],
  },
  {
    framework: 'langchain',
    path: 'a state or checkpoint that was changed, or is resumed again',
    outcome: 'gated',
    test: ['resume.test.ts', 'arguments replaced in the state after a person saw them do not run, and nobody is asked'],
  },
  {
    framework: 'langchain',
    path: 'two tools of one name',
    outcome: 'refused',
    test: ['plain.test.ts', 'two tools of one name too'],
  },
  {
    framework: 'langchain',
    path: '`callTool` of an MCP client, and raw tools that somebody kept',
    outcome: 'open',
    note: 'hand them to nobody; the credential of a tool should only exist as a lease',
  },
];
