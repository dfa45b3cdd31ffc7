/**
 * What a reader of the documents is taken to have: names that their blocks of code use without saying where they come from.
 * Ours with their types; those of the reader's own application without.
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

declare const model: any;
declare const tools: any;
declare const messages: any;
declare const middleware: any;
declare const checkpointer: any;
declare const handoffs: any;
declare const agent: any;
declare const runner: any;
declare const result: any;
declare const input: any;
declare const saved: any;
declare function save(text: string): void;
`;
