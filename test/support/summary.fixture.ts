import { expect, test } from 'vitest';
import { part } from './parts.ts';

const withDatabase = part('database', false, 'no server answers');
const withNode = part('node', true, 'never said');

withDatabase('needs the database', () => {
  throw new Error('ran without its part');
});
withNode('needs what is there', () => {
  expect(1).toBe(1);
});
test('needs nothing', () => {
  expect(1).toBe(1);
});
test.skip('is switched off', () => {});
