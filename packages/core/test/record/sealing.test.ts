import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { KeyError } from '../../src/errors.ts';
import { createSealer } from '../../src/record/sealing.ts';
import type { SubjectKey } from '../../src/record/sealing.ts';
import { verifies } from '../../../../test/verifies.ts';
import { createTestStore, masterKey } from './support.ts';

const context = 'acme|decision|rec_1';

function thrownBy(action: () => unknown): KeyError {
  try {
    action();
  } catch (error) {
    if (error instanceof KeyError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

async function keyOf(tenant = 'acme', user = 'ada'): Promise<SubjectKey> {
  return createSealer({ masterKey, keys: createTestStore() }).subject(tenant, user);
}

describe('a sealed text', () => {
  test('opens under its own key and context', async () => {
    const key = await keyOf();
    for (const text of ['', 'a', 'grüße 🦉 \u0000', 'x'.repeat(100_000)]) {
      expect(key.open(key.seal(text, context), context)).toBe(text);
    }
  });

  test('never stands in the clear and is never the same twice', async () => {
    const key = await keyOf();
    const sealed = key.seal('attack at dawn', context);
    expect(Buffer.from(sealed, 'base64url').toString('latin1')).not.toContain('attack');
    expect(sealed).toMatch(/^[A-Za-z0-9_-]+$/);
    expect(new Set(Array.from({ length: 1000 }, () => key.seal('x', context).slice(12, 28))).size).toBe(1000);
  });

  test('moved to another record, kind or tenant does not open', async () => {
    const key = await keyOf();
    const sealed = key.seal('secret', context);
    for (const elsewhere of ['acme|decision|rec_2', 'acme|approval|rec_1', 'other|decision|rec_1', '']) {
      expect(thrownBy(() => key.open(sealed, elsewhere)).erased).toBe(false);
    }
  });

  test('with any byte changed does not open', async () => {
    const key = await keyOf();
    const bytes = Buffer.from(key.seal('secret', context), 'base64url');
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(() => key.open(changed.toString('base64url'), context)).toThrow(KeyError);
    }
  });

  test('cut short, empty or not one at all does not open', async () => {
    const key = await keyOf();
    const sealed = key.seal('secret', context);
    for (const text of ['', 'AQ', '💥', '{"v":1}', sealed.slice(0, 20), sealed.slice(0, -1), sealed.slice(0, -8)]) {
      expect(() => key.open(text, context)).toThrow(KeyError);
    }
  });

  test('with a shortened authentication tag does not open', async () => {
    const key = await keyOf();
    const bytes = Buffer.from(key.seal('a long enough text to cut the tag from', context), 'base64url');
    for (const tag of [12, 8, 4]) {
      expect(() => key.open(bytes.subarray(0, bytes.length - (16 - tag)).toString('base64url'), context)).toThrow(
        KeyError,
      );
    }
  });
});

describe('subject keys', () => {
  verifies('CAP-8', 'neither another user nor another tenant opens what was sealed for one user', async () => {
    const sealer = createSealer({ masterKey, keys: createTestStore() });
    const ada = await sealer.subject('acme', 'ada');
    const sealed = ada.seal('secret', context);
    for (const [tenant, user] of [
      ['acme', 'bob'],
      ['other', 'ada'],
      ['acmea', 'da'],
    ] as const) {
      const key = await sealer.subject(tenant, user);
      expect(() => key.open(sealed, context)).toThrow(KeyError);
      expect(key.pseudonym).not.toBe(ada.pseudonym);
    }
    expect(() => sealer.tenant('acme').open(sealed, context)).toThrow(KeyError);
  });

  verifies('CAP-8', 'a cached key of one tenant is never served to another, whatever the ids', async () => {
    const sealer = createSealer({ masterKey, keys: createTestStore() });
    const first = await sealer.subject('ab', 'c');
    const second = await sealer.subject('a', 'bc');
    expect(second.pseudonym).not.toBe(first.pseudonym);
    expect(sealer.subject('a', 'bc')).toBe(second);
    expect(sealer.subject('ab', 'c')).toBe(first);
  });

  test('the user id stands nowhere in the clear: not in the store, the pseudonym or the sealed text', async () => {
    const store = createTestStore();
    const sealer = createSealer({ masterKey, keys: store });
    const key = await sealer.subject('acme', 'ada.lovelace');
    const kept = [...store.tables.keys].flat().map((text) => text + Buffer.from(text, 'base64url').toString('latin1'));
    expect(`${kept.join()}${key.pseudonym}`).not.toContain('lovelace');
    expect(Buffer.from(key.pseudonym, 'base64url').length).toBeGreaterThanOrEqual(16);
  });

  test('the pseudonym cannot be computed from the user id without the master key', async () => {
    const other = createSealer({ masterKey: new Uint8Array(32).fill(8), keys: createTestStore() });
    expect(other.pseudonym('acme', 'ada')).not.toBe((await keyOf()).pseudonym);
  });

  test('survive a restart, and two processes that make the key at once agree on it', async () => {
    const store = createTestStore();
    const [first, second] = await Promise.all(
      [0, 1].map(async () => createSealer({ masterKey, keys: store }).subject('acme', 'ada')),
    );
    expect(second?.open(first?.seal('hello', context) ?? '', context)).toBe('hello');
    const later = await createSealer({ masterKey, keys: store }).subject('acme', 'ada');
    expect(later.open(second?.seal('again', context) ?? '', context)).toBe('again');
  });

  test('a wrapped key copied to another subject or tenant in the store is refused', async () => {
    const store = createTestStore();
    const sealer = createSealer({ masterKey, keys: store });
    const ada = await sealer.subject('acme', 'ada');
    const wrapped = store.tables.keys.get(`acme/${ada.pseudonym}`) ?? '';
    for (const [tenant, user] of [
      ['acme', 'mallory'],
      ['other', 'ada'],
    ] as const) {
      store.tables.keys.set(`${tenant}/${sealer.pseudonym(tenant, user)}`, wrapped);
      await expect(sealer.subject(tenant, user)).rejects.toThrow(KeyError);
    }
  });

  test('the wrong master key is an error and not a fresh start', async () => {
    const store = createTestStore();
    await createSealer({ masterKey, keys: store }).subject('acme', 'ada');
    const before = store.tables.keys.size;
    const wrong = createSealer({ masterKey: new Uint8Array(32).fill(9), keys: store });
    await expect(wrong.subject('acme', 'ada')).rejects.toMatchObject({ code: 'ERR_KEY', erased: false });
    await expect(wrong.bySubject('acme', 'any')).rejects.toThrow(/master key/);
    await expect(wrong.check('acme')).rejects.toThrow(KeyError);
    expect(store.tables.keys.size).toBe(before);
  });

  test('a master key of the wrong size or never filled is refused', () => {
    const keys = createTestStore();
    for (const bad of [new Uint8Array(16).fill(1), new Uint8Array(32), 'x'.repeat(32), undefined]) {
      expect(() => createSealer({ masterKey: bad as Uint8Array, keys })).toThrow(KeyError);
    }
  });

  test('clearing the caller’s copy of the master key changes nothing', async () => {
    const own = new Uint8Array(32).fill(7);
    const sealer = createSealer({ masterKey: own, keys: createTestStore() });
    own.fill(0);
    expect(sealer.pseudonym('acme', 'ada')).toBe((await keyOf()).pseudonym);
  });

  test('a malformed tenant or user is refused before the store is asked', async () => {
    const store = createTestStore();
    const sealer = createSealer({ masterKey, keys: store });
    for (const [tenant, user] of [
      ['', 'ada'],
      ['a/b', 'ada'],
      ['acme', ''],
      ['acme', 'a b'],
      ['acme', 'key/check'],
    ] as const) {
      await expect(async () => sealer.subject(tenant, user)).rejects.toMatchObject({ code: 'ERR_IDENTIFIER' });
    }
    expect([...store.tables.keys.keys()].filter((place) => !place.endsWith('/key-check'))).toEqual([]);
  });

  test('keys do not show when a sealer or a key is printed', async () => {
    const key = await keyOf();
    const printed = inspect([createSealer({ masterKey, keys: createTestStore() }), key], {
      depth: 9,
      showHidden: true,
    });
    expect(printed).not.toMatch(/07 07|7, 7|Buffer|KeyObject/);
  });
});

describe('erasure', () => {
  test('makes what was sealed unreadable for good, and tells erased from wrong', async () => {
    const store = createTestStore();
    const sealer = createSealer({ masterKey, keys: store });
    const before = await sealer.subject('acme', 'ada');
    const sealed = before.seal('personal', context);
    await store.eraseSubject('acme', before.pseudonym, []);
    sealer.forget('acme', 'ada');
    expect(await sealer.bySubject('acme', before.pseudonym)).toBeUndefined();
    const after = await sealer.subject('acme', 'ada');
    expect(thrownBy(() => after.open(sealed, context)).erased).toBe(true);
  });

  test('a store that keeps erased subjects erased answers with an erased key, not with a new one', async () => {
    const keys = {
      subjectKey: async (_: string, subject: string, candidate?: string) =>
        subject === 'key-check' ? candidate : undefined,
    };
    const sealer = createSealer({ masterKey, keys });
    await expect(sealer.subject('acme', 'ada')).rejects.toMatchObject({ code: 'ERR_KEY', erased: true });
  });

  test('by another process takes effect when the cache entry expires', async () => {
    let time = 0;
    const store = createTestStore();
    const sealer = createSealer({ masterKey, keys: store, cacheSeconds: 60, elapsed: () => time });
    const first = await sealer.subject('acme', 'ada');
    store.tables.keys.delete(`acme/${first.pseudonym}`);
    time = 59_999;
    expect(sealer.subject('acme', 'ada')).toBe(first);
    time = 60_000;
    const later = sealer.subject('acme', 'ada');
    expect(later).toBeInstanceOf(Promise);
    expect(await later).not.toBe(first);
  });

  test('during a load does not leave the erased key in the cache', async () => {
    const store = createTestStore();
    await createSealer({ masterKey, keys: store }).subject('acme', 'ada');
    const gate = Promise.withResolvers<void>();
    const slow: typeof store.subjectKey = async (tenant, subject, candidate) => {
      const stored = await store.subjectKey(tenant, subject, candidate);
      if (subject !== 'key-check') await gate.promise;
      return stored;
    };
    const sealer = createSealer({ masterKey, keys: { subjectKey: slow } });
    const loading = sealer.subject('acme', 'ada');
    await new Promise((resolve) => setImmediate(resolve));
    sealer.forget('acme', 'ada');
    gate.resolve();
    await loading;
    expect(sealer.subject('acme', 'ada')).toBeInstanceOf(Promise);
  });
});

describe('the cache', () => {
  test('is bounded: the oldest user makes room', async () => {
    const sealer = createSealer({ masterKey, keys: createTestStore(), cacheSize: 2 });
    for (const user of ['a', 'b', 'c']) await sealer.subject('acme', user);
    expect(sealer.subject('acme', 'c')).not.toBeInstanceOf(Promise);
    expect(sealer.subject('acme', 'a')).toBeInstanceOf(Promise);
  });

  test('a failure of the store is not remembered', async () => {
    const store = createTestStore();
    let down = true;
    const keys: Pick<typeof store, 'subjectKey'> = {
      subjectKey: (...input) => (down ? Promise.reject(new Error('down')) : store.subjectKey(...input)),
    };
    const sealer = createSealer({ masterKey, keys });
    await expect(sealer.subject('acme', 'ada')).rejects.toThrow('down');
    down = false;
    expect((await sealer.subject('acme', 'ada')).user).toBe('ada');
  });

  test('a load that hangs holds up no other load of the same user', async () => {
    const store = createTestStore();
    let hang = true;
    const keys: Pick<typeof store, 'subjectKey'> = {
      subjectKey: (...input) => (hang ? new Promise(() => {}) : store.subjectKey(...input)),
    };
    const sealer = createSealer({ masterKey, keys });
    void sealer.subject('acme', 'ada');
    hang = false;
    expect((await sealer.subject('acme', 'ada')).user).toBe('ada');
  });
});
