import { describe, expect, test } from 'vitest';
import { redactArguments } from '../../src/record/redact.ts';
import { verifies } from '../../../../test/verifies.ts';

describe('redacted arguments', () => {
  test('keep structure and short values', () => {
    const args = { to: 'a@b.example', amount: 12.5, tags: ['x', null, true], nested: { deep: { er: 'yes' } } };
    expect(redactArguments(args)).toEqual(args);
  });

  verifies('AUD-1', 'hide values under keys that look secret, in every spelling', () => {
    const keys = ['password', 'PASSWORD', 'apiKey', 'api_key', 'x-api-key', 'access_token', 'Authorization', 'Cookie'];
    keys.push('client.secret', 'set-cookie', 'privateKey', 'sessionId', 'otp', 'AWS_SECRET_ACCESS_KEY', 'credentials');
    for (const key of keys) {
      for (const value of ['hunter2', 123456, ['hunter2'], { nested: 'hunter2' }]) {
        expect(JSON.stringify(redactArguments({ outer: [{ [key]: value }] }))).not.toMatch(/hunter2|123456/);
      }
    }
    expect(redactArguments({ headers: [{ name: 'Authorization', value: 'hunter2' }] })).toEqual({
      headers: [{ name: 'Authorization', value: '[redacted]' }],
    });
  });

  verifies('CRD-7', 'hide secrets that are known by their form, under any key', () => {
    const secrets = [
      `ghp_${'a'.repeat(36)}`,
      `ghs_123_${'eyJ'.repeat(90)}`,
      `sk-proj-${'b'.repeat(40)}`,
      `AKIA${'Q'.repeat(16)}`,
      `eyJhbGciOiJFUzI1NiJ9.${'c'.repeat(400)}.${'d'.repeat(80)}`,
      `-----BEGIN RSA PRIVATE KEY-----\n${'e'.repeat(500)}`,
      `Bearer ${'f'.repeat(30)}`,
    ];
    for (const secret of secrets) {
      const shown = JSON.stringify(redactArguments({ note: `look: ${secret}`, [`k ${secret}`]: 1 }));
      expect(shown).toContain('[redacted]');
      expect(shown).not.toContain(secret.slice(-20));
      expect(shown).not.toMatch(/a{12}|b{12}|Q{12}|c{12}|e{12}|f{12}/);
    }
    expect(redactArguments('postgres://app:hunter2@db/x')).toBe('postgres://app:[redacted]@db/x');
  });

  test('a secret that straddles the cut does not show its beginning', () => {
    const shown = redactArguments(`${'x'.repeat(250)} ghp_${'a'.repeat(36)}`);
    expect(shown).not.toContain('ghp_');
  });

  test('are bounded in text, breadth and depth, and say what is missing', () => {
    const long = redactArguments('x'.repeat(1_000_000)) as string;
    expect(long.length).toBeLessThan(300);
    expect(long).toContain('1000000 characters');
    const wide = JSON.stringify(redactArguments(Array.from({ length: 100_000 }, (_, index) => ({ index }))));
    expect(wide.length).toBeLessThan(8192);
    expect(wide).toMatch(/more\]/);
    const manyKeys = Object.fromEntries(Array.from({ length: 50_000 }, (_, index) => [`k${index}`, 'v']));
    expect(JSON.stringify(redactArguments(manyKeys)).length).toBeLessThan(8192);
    for (const empty of [[], {}, '', null]) {
      const empties = JSON.stringify(redactArguments(Array.from({ length: 100_000 }, () => empty)));
      expect(empties.length).toBeLessThan(8192);
    }
    let deep: unknown = 'bottom';
    let nested: unknown = 'bottom';
    for (let depth = 0; depth < 100_000; depth += 1) [deep, nested] = [{ deep }, [nested]];
    for (const value of [deep, nested]) {
      const shown = JSON.stringify(redactArguments(value));
      expect(shown).toContain('[truncated]');
      expect(shown.length).toBeLessThan(128);
    }
  });

  test('take any value: cycles, getters that throw, proxies, instances', () => {
    const cycle: Record<string, unknown> = { name: 'loop' };
    cycle['self'] = cycle;
    const throwing = Object.defineProperty({}, 'x', {
      enumerable: true,
      get: () => {
        throw new Error('no');
      },
    });
    const proxy = new Proxy(
      {},
      {
        ownKeys: () => {
          throw new Error('no');
        },
      },
    );
    const values = [
      cycle,
      throwing,
      proxy,
      10n,
      Symbol('s'),
      () => 1,
      new Date(),
      new Map([[1, 2]]),
      Number.NaN,
      undefined,
    ];
    for (const value of [...values, values, { toJSON: () => 'lie' }]) {
      expect(() => JSON.stringify(redactArguments({ value }))).not.toThrow();
      expect(redactArguments(value)).not.toBeUndefined();
    }
  });

  test('a member named __proto__ stays a member', () => {
    const redacted = redactArguments(JSON.parse('{"__proto__":{"admin":true}}')) as Record<string, unknown>;
    expect(Object.keys(redacted)).toEqual(['__proto__']);
    expect(redacted['admin']).toBeUndefined();
  });

  test('are made in linear time, whatever the text', () => {
    const texts = ['eyJ'.repeat(100_000), '://a:'.repeat(100_000), 'sk-'.repeat(100_000), '-----BEGIN '.repeat(50_000)];
    const start = performance.now();
    for (const text of texts) redactArguments({ text, [text]: text });
    expect(performance.now() - start).toBeLessThan(2000);
  });
});
