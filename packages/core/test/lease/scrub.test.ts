import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { CountersignError, LeaseError } from '../../src/errors.ts';
import { createScrubber } from '../../src/lease/scrub.ts';
import { Secret } from '../../src/lease/secret.ts';

const service = 'github';
/** With characters that every encoding has to treat. */
const value = 'p+ss/w"rd ü\\n\n=%&<canary>~()!';
const plainValue = 'ghs_canary0123456789ABCDEF';
const shown = '[secret:github]';

function scrubberFor(...values: string[]) {
  return createScrubber(values.map((each) => ({ service, secret: new Secret(each) })));
}

const bytes = Buffer.from(value);
const encoded: Readonly<Record<string, string>> = {
  raw: value,
  base64: bytes.toString('base64'),
  'base64 without padding': bytes.toString('base64').replace(/=+$/, ''),
  base64url: bytes.toString('base64url'),
  'base64 in a URL': encodeURIComponent(bytes.toString('base64')),
  hex: bytes.toString('hex'),
  'upper hex': bytes.toString('hex').toUpperCase(),
  encodeURIComponent: encodeURIComponent(value),
  'lower-case percent escapes': encodeURIComponent(value).replace(/%../g, (each) => each.toLowerCase()),
  form: new URLSearchParams({ a: value }).toString().slice(2),
  'the password of a URL': Object.assign(new URL('https://user@host'), { password: value }).password,
  encodeURI: encodeURI(value),
  'RFC 3986': encodeURIComponent(value).replace(
    /[!'()*]/g,
    (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`,
  ),
  JSON: JSON.stringify(value).slice(1, -1),
  'JSON in JSON': JSON.stringify(JSON.stringify(value)).slice(3, -3),
  'ASCII JSON': JSON.stringify(value).slice(1, -1).replace('ü', '\\u00fc'),
  'JSON with escaped slashes': JSON.stringify(value).slice(1, -1).replaceAll('/', '\\/'),
  'JSON for HTML': JSON.stringify(value)
    .slice(1, -1)
    .replaceAll('&', '\\u0026')
    .replaceAll('<', '\\u003c')
    .replaceAll('>', '\\u003e'),
  HTML: value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;'),
  'decoded wrongly': bytes.toString('latin1'),
  'a serialised buffer': JSON.stringify(bytes).replace(/^.*\[|\].*$/g, ''),
  'a printed buffer': inspect(bytes).replace(/^<Buffer |>$/g, ''),
};

describe('a value', () => {
  verifies(
    ['CRD-7'],
    'loses the bytes of a buffer that was serialised and parsed again, and secrets that are numbers',
    () => {
      const parsed = JSON.parse(JSON.stringify({ body: Buffer.from(`x${plainValue}y`) })) as unknown;
      expect(JSON.stringify(scrubberFor(plainValue).value(parsed))).not.toContain(Buffer.from(plainValue).join(','));
      const ids = { pin: 1234567890, other: 1234567891, all: [1, 2, 300] };
      expect(scrubberFor('1234567890').value(ids)).toEqual({ ...ids, pin: shown });
    },
  );
});

describe('a text', () => {
  for (const [name, text] of Object.entries(encoded)) {
    verifies(['CRD-7'], `loses the secret as ${name}`, () => {
      expect(scrubberFor(value).text(`before ${text} after`)).toBe(`before ${shown} after`);
      expect(scrubberFor(value).text(text)).toBe(shown);
    });
  }

  test.each(['', 'u', 'us', 'user:'])('loses the secret in base64 behind %j, as in basic authentication', (before) => {
    for (const each of [value, plainValue]) {
      for (const after of ['', 'x', 'xy', 'xyz']) {
        for (const encoding of ['base64', 'base64url'] as const) {
          const text = Buffer.from(`${before}${each}${after}`).toString(encoding);
          const scrubbed = scrubberFor(each).text(`Basic ${text}`);
          expect(scrubbed).toContain(shown);
          const rest = scrubbed.replace('Basic ', '').split(shown);
          // Not one character that holds a bit of the secret remains.
          const whole = (length: number): number => (length * 8) / 6;
          expect((rest[0] ?? '').length).toBeLessThanOrEqual(Math.floor(whole(before.length)));
          const last = Math.ceil(whole(before.length + Buffer.byteLength(each)));
          expect((rest[1] ?? '').length).toBeLessThanOrEqual(text.length - last);
        }
      }
    }
  });

  test('keeps everything else, and is the same string when clean', () => {
    const text = 'nothing to see here, ghs_canary0123456789ABCDE is one short';
    expect(scrubberFor(plainValue).text(text)).toBe(text);
    expect(scrubberFor(plainValue).text(`${plainValue}${plainValue} and ${plainValue}`)).toBe(
      `${shown}${shown} and ${shown}`,
    );
  });

  test('leaves no rest of two secrets that overlap', () => {
    expect(scrubberFor('abcdefgh12345678', '12345678IJKLMNOP').text('abcdefgh12345678IJKLMNOP')).toBe(shown);
    expect(scrubberFor('abcdefgh', 'abcdefghijkl').text('xabcdefghijklx')).toBe(`x${shown}x`);
  });

  test('names the service of each secret', () => {
    const scrubber = createScrubber([
      { service: 'github', secret: new Secret('first-secret') },
      { service: 'aws', secret: new Secret('second-secret') },
    ]);
    expect(scrubber.text('first-secret second-secret')).toBe('[secret:github] [secret:aws]');
  });

  test('loses the parts of a structured credential, but not its short names', () => {
    const scrubber = scrubberFor(
      JSON.stringify({ id: 'AKIAIOSFODNN7EXAMPLE', key: { secret: 'wJalrXUtnFEMI/K7MDENG' }, region: 'eu-west-1' }),
    );
    expect(scrubber.text('AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI%2FK7MDENG eu-west-1')).toBe(`${shown} ${shown} eu-west-1`);
  });

  test('never shows a secret wherever it stands', () => {
    const secretText = fc.string({ minLength: 8, maxLength: 40, unit: 'binary' });
    fc.assert(
      fc.property(
        fc.array(secretText, { minLength: 1, maxLength: 4 }),
        fc.array(fc.string({ unit: 'binary' })),
        (secrets, others) => {
          const text = others.flatMap((other, index) => [other, secrets[index % secrets.length] ?? '']).join('');
          const scrubbed = scrubberFor(...secrets).text(text);
          // The placeholder's own letters may complete a match at its borders; what stands between placeholders may not.
          for (const piece of scrubbed.split(shown))
            for (const each of secrets) expect(piece.includes(each)).toBe(false);
        },
      ),
    );
  });

  test.each(['a', '1234567'])('is not searched for a secret as short as %j: it would be refused', (short) => {
    expect(() => scrubberFor(short)).toThrow(LeaseError);
    expect(() => scrubberFor('x'.repeat(65_537))).toThrow(LeaseError);
  });

  test('of a megabyte with fifty secrets is scrubbed in one pass', () => {
    const secrets = Array.from({ length: 50 }, (_, index) => `secret-number-${index}-${'k'.repeat(index)}`);
    const text = `${'The quick brown fox jumps over the lazy dog. '.repeat(24_000)}${secrets[49]}`;
    expect(
      scrubberFor(...secrets)
        .text(text)
        .endsWith(shown),
    ).toBe(true);
  }, 5_000);
});

describe('a value', () => {
  const scrubber = scrubberFor(plainValue);

  function holdsNoSecret(result: unknown): void {
    expect(
      inspect(result, { depth: Infinity, showHidden: true, maxArrayLength: null, maxStringLength: null }),
    ).not.toContain(plainValue);
  }

  verifies(['CRD-7'], 'loses the secret at every depth, in keys and values, maps and sets', () => {
    const result = scrubber.value({
      [plainValue]: 1,
      list: ['a', [`x ${plainValue}`]],
      map: new Map<unknown, unknown>([
        [plainValue, { token: plainValue }],
        ['k', new Set([plainValue])],
      ]),
      [Symbol.for('kept')]: plainValue,
    });
    holdsNoSecret(result);
    expect(scrubber.value([{ [plainValue]: 1 }])).toEqual([{ [shown]: 1 }]);
    expect(result).toEqual({
      [shown]: 1,
      list: ['a', [`x ${shown}`]],
      map: new Map<unknown, unknown>([
        [shown, { token: shown }],
        ['k', new Set([shown])],
      ]),
      [Symbol.for('kept')]: shown,
    });
  });

  verifies(['CRD-7'], 'loses the secret in an error: message, stack, cause, members and the errors it gathers', () => {
    class VendorError extends Error {
      readonly request = { headers: { authorization: `Bearer ${plainValue}` } };
    }
    const cause = new VendorError(`401 for ${plainValue}`);
    const error = new AggregateError([cause, plainValue], `both failed: ${plainValue}`, { cause });
    const result = scrubber.value(error) as AggregateError;
    holdsNoSecret(result);
    expect(result).toBeInstanceOf(AggregateError);
    expect(result.message).toBe(`both failed: ${shown}`);
    expect(result.errors[0]).toBe(result.cause);
    expect(result.cause).toBeInstanceOf(VendorError);
    expect(result.stack).toContain('scrub.test.ts');
    expect(error.message).toContain(plainValue);
  });

  test('keeps the brand of our own errors and the name of a platform error', () => {
    const own = scrubber.value(new LeaseError(`no ${plainValue}`)) as LeaseError;
    expect(own).toBeInstanceOf(CountersignError);
    expect(own.code).toBe('ERR_LEASE');
    const platform = scrubber.value(new DOMException(`aborted ${plainValue}`, 'AbortError')) as Error;
    expect([platform.name, platform.message]).toEqual(['AbortError', `aborted ${shown}`]);
  });

  verifies(['CRD-7'], 'loses buffers that hold the secret, whatever their type', () => {
    const text = `token=${plainValue}`;
    const held = new Uint8Array(Buffer.from(text)).buffer;
    for (const each of [
      Buffer.from(text),
      new Uint8Array(held),
      held,
      new DataView(held),
      new Uint8Array(held).subarray(2),
    ]) {
      const result = scrubber.value({ body: each }) as { body: Uint8Array };
      expect(Buffer.from(result.body).toString('latin1')).toBe('[secret]');
    }
    const other = scrubberFor('pässwörd').value(Buffer.from('my pässwörd')) as Uint8Array;
    expect(Buffer.from(other).toString()).toBe('[secret]');
  });

  test('loses the secret in addresses, expressions and boxed texts', () => {
    for (const each of [
      new URL(`https://x.test/?t=${plainValue}`),
      new URLSearchParams({ plainValue }),
      new RegExp(plainValue),
      new String(plainValue),
    ]) {
      expect(String(scrubber.value(each))).toContain(shown);
      holdsNoSecret(scrubber.value([each]));
    }
  });

  test('loses what an instance keeps in private and gives away as JSON', () => {
    class Sly {
      readonly #token = plainValue;
      toJSON(): unknown {
        return { token: this.#token };
      }
    }
    expect(JSON.stringify(scrubber.value({ sly: new Sly() }))).not.toContain(plainValue);
  });

  test('shows a placeholder where a wrapped secret was returned', () => {
    expect(scrubber.value({ lease: { secret: new Secret('any other') } })).toEqual({ lease: { secret: '[secret]' } });
  });

  test('is the very same reference when clean, with everything in it', () => {
    class Message {
      readonly #private = 1;
      readonly content = 'hello';
      get size(): number {
        return this.#private;
      }
    }
    const cyclic: Record<string, unknown> = {
      list: [1, null, undefined, 2n, Symbol('s'), () => 1],
      at: new Date(0),
      message: new Message(),
    };
    cyclic['self'] = cyclic;
    for (const clean of [
      cyclic,
      'text',
      1,
      null,
      undefined,
      new Error('no'),
      Buffer.from('x'),
      new Map([[cyclic, cyclic]]),
    ]) {
      expect(scrubber.value(clean)).toBe(clean);
    }
  });

  test('copies only what leads to the secret', () => {
    const clean = { deep: { clean: true } };
    const result = scrubber.value({ clean, dirty: [plainValue, clean] }) as { clean: unknown; dirty: unknown[] };
    expect(result.clean).toBe(clean);
    expect(result.dirty[1]).toBe(clean);
  });

  test('survives cycles through what is scrubbed, in either direction', () => {
    const first: Record<string, unknown> = {};
    const second: Record<string, unknown> = { first, token: plainValue };
    first['second'] = second;
    for (const start of [first, second, [first, second]]) {
      const result = scrubber.value(start);
      holdsNoSecret(result);
      expect(JSON.stringify(inspect(result))).toContain('Circular');
    }
  });

  test('keeps class, methods, order and holes of what is copied', () => {
    class Message {
      content = plainValue;
      shout(): string {
        return this.content.toUpperCase();
      }
    }
    const message = scrubber.value(new Message()) as Message;
    expect(message).toBeInstanceOf(Message);
    expect(message.shout()).toBe(shown.toUpperCase());
    // oxlint-disable-next-line no-sparse-arrays
    const holes = scrubber.value([, plainValue, ,]) as unknown[];
    expect([holes.length, 0 in holes, holes[1]]).toEqual([3, false, shown]);
  });

  test('does not pollute a prototype with a member named __proto__', () => {
    const result = scrubber.value(JSON.parse(`{"__proto__": {"admin": "${plainValue}"}}`)) as Record<string, unknown>;
    expect(Object.getPrototypeOf(result)).toBe(Object.prototype);
    expect(result['admin']).toBeUndefined();
  });

  test('calls no getter of a class, and one of a plain object once', () => {
    let called = 0;
    class Lazy {
      get token(): string {
        called += 100;
        return plainValue;
      }
    }
    const twoFaced = {
      get token(): string {
        called += 1;
        return called > 1 ? plainValue : 'harmless';
      },
      other: plainValue,
    };
    holdsNoSecret(scrubber.value({ twoFaced, lazy: new Lazy() }));
    expect(called).toBe(1);
  });

  test('replaces what cannot be read, is too deep or has no end', () => {
    const throws = Object.defineProperty({}, 'token', {
      enumerable: true,
      get: () => {
        throw new Error(plainValue);
      },
    });
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    expect(scrubber.value([throws, proxy, 1])).toEqual(['[unreadable]', '[unreadable]', 1]);
    let deep: unknown = plainValue;
    for (let level = 0; level < 100_000; level++) deep = [deep];
    expect(JSON.stringify(scrubber.value(deep))).toContain('[too deep]');
    const endless = (): unknown => ({
      get left() {
        return endless();
      },
      get right() {
        return endless();
      },
    });
    expect(scrubber.value(endless())).toBeDefined();
  }, 60_000);
});
