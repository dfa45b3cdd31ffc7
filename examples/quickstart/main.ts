/**
 * The lines of the README, run against a real service and a scripted model. `setup.ts` makes what they take for granted.
 */
import { assertOutcome, closeTicket, conversation, minter, model, ticketService, votePublicKey } from './setup.ts';
// #region readme
import { guardTools } from '@countersign/ai-sdk';
import { createCountersign, currentLease, policyFile, readKeyFile } from '@countersign/core';
import { sqliteStore } from '@countersign/core/sqlite';
import { generateText, isStepCount, tool } from 'ai';
import { z } from 'zod';

const countersign = createCountersign({
  policy: policyFile('policy.yaml'),
  store: sqliteStore({ path: 'countersign.sqlite' }),
  credentials: [minter],
  approvals: { keys: [votePublicKey] },
  audit: { key: readKeyFile('audit.key') },
});

const readTicket = tool({
  inputSchema: z.object({ ticket: z.number() }),
  execute: (args) => ticketService.read(args, currentLease('tickets').secret.reveal()),
});

// After your own authentication. A run is one conversation: make its id once (countersign.newRun()) and keep it.
const gate = countersign.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: conversation.run });
const tools = guardTools({ readTicket, closeTicket }, gate);
const { text } = await generateText({ model, tools, stopWhen: isStepCount(5), prompt: 'Read ticket 7 and close it.' });
// #endregion

process.stdout.write(`${text}\n`);
const verification = await countersign.ledger.verify('acme');
await countersign.close();
assertOutcome({ text, verification });
