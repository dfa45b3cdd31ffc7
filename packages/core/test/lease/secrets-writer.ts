/**
 * A process that registers one secret for each agent and says so when it is written.
 *
 * argv: JSON of `SecretsWriterInput`.
 */
import { registerSecret, Secret } from '../../src/index.ts';

export interface SecretsWriterInput {
  readonly path: string;
  readonly keyFile: string;
  readonly agents: readonly string[];
}

const { path, keyFile, agents } = JSON.parse(process.argv[2] ?? '') as SecretsWriterInput;
for (const agent of agents) {
  const value = new Secret(`canary-of-${agent}`);
  const secret = { tenant: 'acme', service: 'github', agent, value, expiresAt: Date.now() + 30 * 86_400_000 };
  await registerSecret({ path, key: { keyFile } }, secret);
  process.stdout.write(`${agent}\n`);
}
