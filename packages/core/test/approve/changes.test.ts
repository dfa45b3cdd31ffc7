import { getEventListeners } from 'node:events';
import { expect } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { createChanges } from '../../src/approve/changes.ts';

verifies('APR-3', 'who watches for hours under one signal leaves nothing behind on it', async () => {
  const changes = createChanges({});
  const { signal } = new AbortController();
  for (let round = 0; round < 3; round += 1) {
    const next = changes.next('acme', [], signal);
    changes.tell('acme');
    await next;
  }
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});
