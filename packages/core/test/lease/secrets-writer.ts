/**
 * A process that registers one secret for each agent and says so when it is written.
 *
 * argv: JSON of `{ path, keyFile, agents }`.
 */
import { registerSecret, Secret } from '../../src/index.ts';

const { path, keyFile, agents } = JSON.parse(process.argv[2] ?? '') as {
  readonly path: string;
  readonly keyFile: string;
  readonly agents: readonly string[];
};
for (const agent of agents) {
  const value = new Secret(`canary-of-${agent}`);
  const secret = { tenant: 'acme', service: 'github', agent, value, expiresAt: Date.now() + 30 * 86_400_000 };
  await registerSecret({ path, key: { keyFile } }, secret);
  process.stdout.write(`${agent}\n`);
}
