/** `node population-process.ts <store> <key> <issuer> <seed> <operations>`, with the signing key on standard input. */
import process from 'node:process';
import fc from 'fast-check';
import { sqliteStore } from '@countersign/core/sqlite';
import { live, operation } from './population.ts';

const [path = '', key = '', issuer = '', seed = '', count = ''] = process.argv.slice(2);
const chunks: Buffer[] = [];
for await (const chunk of process.stdin as AsyncIterable<Buffer>) chunks.push(chunk);
const store = sqliteStore({ path });
const signingKey = Buffer.concat(chunks).toString();
const operations = fc.sample(operation, { seed: Number(seed), numRuns: Number(count) });
const lived = await live({ store, key: Buffer.from(key, 'hex'), issuer, signingKey }, operations, 8);
await store.close();
process.stdout.write(JSON.stringify(lived));
