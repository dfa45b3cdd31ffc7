import { describe, expect, test } from 'vitest';
import { memoryStore } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/store.ts';
import { storeContract, type StoreUnderTest } from '../../src/testing/index.ts';
import { sqliteStorage } from './sqlite-storage.ts';

const oneProcess = 'a memory store cannot be opened twice: it is gone with the object that holds it';

const drivers: Readonly<Record<string, StoreUnderTest>> = {
  memory: {
    async createStorage() {
      const opened: Store[] = [];
      return {
        async open() {
          if (opened.length > 0) throw new Error('a second instance of a memory store');
          const store = memoryStore();
          opened.push(store);
          return store;
        },
        async remove() {
          for (const store of opened) await store.close();
        },
      };
    },
    skip: {
      'of many claims of one key in two instances, exactly one runs': oneProcess,
      'of claims with one approval in two instances, exactly one runs': oneProcess,
      'of two instances that replace one entry at once, one does': oneProcess,
      'what was written is there when the storage is opened anew': oneProcess,
      'each opened store writes a chain of its own': oneProcess,
    },
  },
  'sqlite, process': { createStorage: async () => sqliteStorage({ durability: 'process' }) },
  'sqlite, power': { createStorage: async () => sqliteStorage({ durability: 'power' }) },
};

describe.each(Object.entries(drivers))('the store contract on %s', (_, driver) => {
  test.for(storeContract(driver))('$name', async ({ skipped, run }, { skip }) => {
    skip(skipped !== undefined, skipped);
    await run();
  });
});

describe('declare or fail', () => {
  const createStorage = drivers['memory']?.createStorage ?? expect.fail();

  test('a skip of a case that does not exist is refused', () => {
    expect(() => storeContract({ createStorage, skip: { 'no such case': 'reason' } })).toThrow(/no case/);
    expect(() => storeContract({ createStorage, skip: { toString: 'reason' } })).toThrow(/no case/);
  });

  test('a skip without a reason is refused', () => {
    const name = 'a released call is claimed again';
    expect(() => storeContract({ createStorage, skip: { [name]: ' ' } })).toThrow(/needs a reason/);
  });
});
