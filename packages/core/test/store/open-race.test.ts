import { expect } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { startProcess } from './child-process.ts';
import { sqliteStorage } from './sqlite-storage.ts';

verifies('REL-1', 'processes that open one new file at the same time all get the store', async () => {
  for (let round = 0; round < 3; round += 1) {
    const storage = sqliteStorage();
    const openers = Array.from({ length: 6 }, () => startProcess('race', storage.path, '0'));
    const said = await Promise.all(openers.map((opener) => opener.nextLine()));
    expect(said).toEqual(openers.map(() => 'ready'));
    for (const { child } of openers) child.stdin?.write('go\n');
    await Promise.all(openers.map(({ ended }) => ended));
    await storage.remove();
  }
});
