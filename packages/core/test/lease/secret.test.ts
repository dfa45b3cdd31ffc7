import { Console } from 'node:console';
import { Writable } from 'node:stream';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { Secret } from '../../src/lease/secret.ts';

const value = 'canary-9f31c07e';
const secret = new Secret(value);
const nested = { list: [secret], map: new Map([[secret, secret]]), deep: { deeper: { deepest: { secret } } } };

function printed(...items: unknown[]): string {
  let text = '';
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString();
      done();
    },
  });
  new Console(stream).log('%s %o %O %j', ...items);
  return text;
}

const showings: Readonly<Record<string, () => string>> = {
  'String()': () => String(secret),
  'a template': () => `${secret as unknown as string}`,
  concatenation: () => '' + (secret as unknown as string),
  'JSON.stringify': () => JSON.stringify(secret) + JSON.stringify(nested),
  inspect: () => inspect(secret) + inspect(nested, { depth: Infinity }),
  'inspect with hidden members': () =>
    inspect(nested, { depth: Infinity, showHidden: true, getters: true, showProxy: true }),
  'inspect without custom inspection': () => inspect(secret, { customInspect: false, showHidden: true }),
  'console.log formats': () => printed(secret, secret, secret, secret) + printed(nested, nested, nested, 1),
  structuredClone: () => inspect(structuredClone(secret), { showHidden: true }) + inspect(structuredClone({ secret })),
  entries: () =>
    JSON.stringify([Object.entries(secret), Reflect.ownKeys(secret), Object.getOwnPropertyDescriptors(secret)]),
  spread: () => inspect({ ...(secret as object) }, { showHidden: true }),
  'an error message': () =>
    inspect(new Error(`cannot use ${secret as unknown as string}`, { cause: secret }), { showHidden: true }),
  'for in': () => {
    let text = '';
    for (const key in secret) text += key + String(Reflect.get(secret, key));
    return text;
  },
};

describe('a secret', () => {
  for (const [name, show] of Object.entries(showings)) {
    verifies(['CRD-7'], `is not shown by ${name}`, () => {
      expect(show()).not.toContain(value);
    });
  }

  test('is given by reveal() and by nothing else', () => {
    expect(secret.reveal()).toBe(value);
    const members = Object.getOwnPropertyNames(Secret.prototype).filter(
      (name) => name !== 'reveal' && name !== 'constructor',
    );
    for (const name of members)
      expect(String(Reflect.apply(Reflect.get(secret, name) as () => unknown, secret, []))).not.toContain(value);
  });

  test('cannot be opened by a subclass or through a look-alike', () => {
    class Open extends Secret {
      peek(): unknown {
        return [...Object.values(this), JSON.stringify(this)];
      }
    }
    expect(JSON.stringify(new Open(value).peek())).not.toContain(value);
    const lookalike = Object.create(Secret.prototype) as Secret;
    expect(() => lookalike.reveal()).toThrow(TypeError);
  });

  test('cannot be given another face after it was made', () => {
    expect(() => Object.assign(secret, { toJSON: () => secret.reveal() })).toThrow(TypeError);
  });

  test.each([
    ['an empty text', ''],
    ['a number', 7],
    ['nothing', undefined],
  ])('refuses %s', (_name, wrong) => {
    expect(() => new Secret(wrong as string)).toThrow(TypeError);
  });
});
