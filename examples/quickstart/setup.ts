/**
 * What an application has already: a model, a ticket service, keys, and a folder with a policy. Everything here is
 * local and is removed again.
 */
import { generateKeyPairSync } from 'node:crypto';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createOpenAI } from '@ai-sdk/openai';
import { LLMock } from '@copilotkit/aimock';
import { tool, type LanguageModel, type Tool } from 'ai';
import { z } from 'zod';
import {
  argumentsDigest,
  createKeyFile,
  createVoteSigner,
  readKeyFile,
  tokenMinter,
  verifyMintedToken,
  type CredentialProvider,
  type Ledger,
} from '@countersign/core';

const folder = mkdtempSync(join(tmpdir(), 'countersign-quickstart-'));
copyFileSync(new URL('policy.yaml', import.meta.url), join(folder, 'policy.yaml'));
process.chdir(folder);
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

// #region keys
createKeyFile('audit.key'); // seals arguments, results and users; agents and the approvals service have it
createKeyFile('votes.key'); // signs votes; only the approvals service has it
const votePublicKey = createVoteSigner(readKeyFile('votes.key')).publicKey;
// #endregion
export { votePublicKey };

/** As it would be kept with the conversation's messages. */
export const conversation = { run: 'run_7' } as const;

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const revoked = new Set<string>();
const issuer = 'https://agents.example';
const audience = 'https://tickets.example';

export const minter: CredentialProvider = tokenMinter({
  name: 'tickets',
  services: ['tickets'],
  issuer,
  audience,
  signingKey: privateKey,
  revocations: { add: (lease) => void revoked.add(lease) },
});

const seen: string[] = [];

interface Ticket {
  readonly ticket: number;
}

export const ticketService = {
  async read(args: Ticket, token: string): Promise<object> {
    const capability = 'tickets:ticket:read';
    const expected = { keys: publicKey, issuer, audience, capability, argumentsDigest: argumentsDigest(args) };
    const { agent } = await verifyMintedToken({
      ...expected,
      token,
      revocations: { has: (lease) => revoked.has(lease) },
    });
    seen.push(`read by ${agent}`);
    return { ...args, title: 'The printer is on fire' };
  },
};

/** A tool that the agent of the policy may not use. */
export const closeTicket: Tool<Ticket, Ticket> = tool({
  inputSchema: z.object({ ticket: z.number() }),
  execute(args) {
    seen.push('closed');
    return args;
  },
});

const server = new LLMock({ port: 0, host: '127.0.0.1', strict: true });
server.addFixture({
  match: { predicate: () => true },
  response({ messages }) {
    const results = messages.filter(({ role }) => role === 'tool');
    const [first, second] = results.map(({ content }) => (typeof content === 'string' ? content : ''));
    if (first === undefined) return { toolCalls: [{ id: 'call_1', name: 'readTicket', arguments: '{"ticket":7}' }] };
    if (second === undefined) return { toolCalls: [{ id: 'call_2', name: 'closeTicket', arguments: '{"ticket":7}' }] };
    return { content: `I read: ${first} I could not close it: ${second}` };
  },
});
await server.start();
export const model: LanguageModel = createOpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none-needed' })('gpt-5-mini');

interface Result {
  readonly text: string;
  readonly verification: Awaited<ReturnType<Ledger['verify']>>;
}

/** The example asserts its own outcome. */
export function assertOutcome({ text, verification }: Result): void {
  const right =
    text.includes('The printer is on fire') &&
    text.includes('This call is not permitted') &&
    seen.join() === 'read by support' &&
    revoked.size === 1 &&
    verification.ok &&
    verification.records > 0;
  process.stdout.write(right ? `As promised: ${verification.records} records, ledger verified.\n` : 'WRONG\n');
  void server.stop();
  process.exitCode = right ? 0 : 1;
}
