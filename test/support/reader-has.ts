/**
 * What a reader of the documents is taken to have: names that their blocks of code use without saying where they come from.
 * Ours, and those of the reader's own application as far as they meet ours.
 */
export const readerHas = `
declare const countersign: import('@countersign/core').Countersign;
declare const gate: import('@countersign/core').Gate;
declare const approvals: import('@countersign/core').Approvals;
declare const policy: import('@countersign/core').Policy;
declare const store: import('@countersign/core').Store;
declare const approvalsPublicKey: string;
declare const signingKey: import('node:crypto').KeyObject;
declare const key: Uint8Array;
declare const signal: AbortSignal;
declare const url: string;
declare const service: import('@countersign/core').Approvals;
declare const signIn: import('@countersign/console').SignIn;
declare const audit: { readonly key: Uint8Array };
declare const run: string;
declare const apiKey: string;
declare const clientSecret: string;
declare const vault: import('@countersign/core').CredentialProvider;
declare const encryptedFile: import('@countersign/core').CredentialProvider;

declare const app: import('hono').Hono;
declare const server: import('node:http').Server;
declare const people: ReadonlyMap<string, import('@countersign/core').Approver>;
declare const directory: { find(issuer: string, sub: string): Promise<import('@countersign/core').Approver | undefined> };
declare const log: { warn(cause: unknown): void };
declare const session: { readonly user: string; readonly approverToken: string };
declare const chat: { readonly run: string };
declare function sessionOf(request: Request): { tenant: string; user: string; session: string } | undefined;
declare const body: string;
declare const text: string;

declare function save(text: string): void;
`;

/** Names whose types depend on the framework of a document. A block that makes one itself does without. */
export const frameworkHas: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'packages/ai-sdk/README.md': {
    model: "Parameters<typeof import('ai').wrapLanguageModel>[0]['model']",
    tools: "import('ai').ToolSet",
    messages: "import('ai').ModelMessage[]",
  },
  'packages/langchain/README.md': {
    model: "import('@langchain/core/language_models/chat_models').BaseChatModel",
    tools: "import('@langchain/core/tools').StructuredTool[]",
    messages: "import('@langchain/core/messages').BaseMessage[]",
    middleware: "import('langchain').AgentMiddleware[]",
    checkpointer: "import('@langchain/langgraph').MemorySaver",
  },
  'packages/openai-agents/README.md': {
    tools: "import('@openai/agents').Tool<{ gate: import('@countersign/core').Gate }>[]",
    handoffs: "import('@openai/agents').Agent<{ gate: import('@countersign/core').Gate }>[]",
    agent: "import('@openai/agents').Agent<{ gate: import('@countersign/core').Gate }>",
    runner: "import('@openai/agents').Runner",
    result: "Awaited<ReturnType<typeof runner.run<typeof agent, { gate: import('@countersign/core').Gate }>>>",
    input: 'string',
    saved: 'string',
  },
};
