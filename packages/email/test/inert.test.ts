/**
 * Hostile text against real linkifiers: what they find in it must be nothing.
 */
import fc from 'fast-check';
import { LinkifyIt } from 'linkify-it';
import { expect, test } from 'vitest';
import { verifies } from '../../../test/verifies.ts';
import { escapeHtml, inert } from '../src/inert.ts';

/** As eager as a client can be: bare names, bare addresses, bare numbers, and schemes that should not be links at all. */
const eager = new LinkifyIt({ fuzzyLink: true, fuzzyEmail: true, fuzzyIP: true });
for (const scheme of ['javascript:', 'tel:', 'data:', 'file:', 'skype:']) {
  eager.add(scheme, { validate: (text, at) => /^\S+/.exec(text.slice(at))?.[0]?.length ?? 0 });
}
/** What clients without a library do, in their own words. */
const patterns = [
  /\b[a-z][a-z0-9+.-]*:\/\/\S/i,
  /\bwww\.\S/i,
  /[\p{L}\p{N}][.．。｡][\p{L}]{2,}/u,
  /[^[\s]@[^\]\s]/,
  /(?:^|\s)\\\\\w/,
  /\b(?:mailto|tel|javascript|data|file):\S/i,
  /\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}/,
];

export const hostile = [
  'https://evil.example/login',
  'HTTPS://EVIL.EXAMPLE',
  'ftp://evil.example',
  'x-evil://go',
  '//evil.example/x',
  'www.evil.example',
  'www.1.example',
  'evil.com',
  'login-evil.co.uk/reset',
  'пример.испытание',
  'evil。com',
  'evil．com',
  'evil｡com',
  'mallory@evil.example',
  'mallory＠evil.example',
  'mailto:mallory',
  'MAILTO:mallory',
  'tel:+15551234567',
  'javascript:alert(1)',
  'data:text/html,x',
  'file:///etc/passwd',
  '\\\\evil\\share',
  '10.0.0.1/admin',
  'http://10.0.0.1',
  'see(https://evil.example)',
  '"https://evil.example"',
  'a.https://evil.example',
  'https:\u200b//evil.example',
  'https:\\\\evil.example',
  'https：//evil.example',
];

verifies(['APR-9', 'APR-12'], 'no linkifier finds a link in hostile text, in plain text or in HTML', () => {
  for (const text of hostile) {
    for (const shown of [inert(text, 200), inert(`see ${text} now`, 200), inert(`{"note":"${text}"}`, 200)]) {
      expect([shown, eager.match(shown)]).toEqual([shown, null]);
      for (const pattern of patterns) expect(shown).not.toMatch(pattern);
      expect(eager.match(escapeHtml(shown))).toBeNull();
    }
  }
});

verifies('APR-12', 'nor in text that is put together of what links are made of', () => {
  const pieces = ['https', 'mailto', 'tel', 'www', 'evil', 'com', 'co', 'xn--p1ai', '10', '1', 'рф'];
  const joints = [
    '.',
    ':',
    '/',
    '//',
    '\\',
    '@',
    '-',
    '_',
    '[',
    ']',
    '(',
    ' ',
    '"',
    '。',
    '．',
    '@',
    '\u00ad',
    '?',
    '#',
  ];
  const text = fc.array(fc.constantFrom(...pieces, ...joints), { maxLength: 16 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(text, (attack) => {
      const shown = inert(attack, 500);
      expect([attack, shown, eager.match(shown)]).toEqual([attack, shown, null]);
    }),
    { numRuns: 5_000 },
  );
});

test('the linkifier of these tests does find what was not broken up', () => {
  const found = hostile.filter((text) => eager.match(text) !== null || patterns.some((pattern) => pattern.test(text)));
  expect(hostile.filter((text) => !found.includes(text))).toEqual([]);
});

test('what is no link stays readable', () => {
  for (const text of [
    'deploy:staging:create',
    '{"region":"eu-west-1","count":3,"version":"1.4.2","share":0.5}',
    'restart the service at 12:30. Then wait.',
    '[redacted]',
    'Zoë – 東京',
  ]) {
    expect(inert(text, 200)).toBe(text);
  }
});

test('a text that is cut shows that it was, and no half of a character', () => {
  expect(inert('a'.repeat(300), 10)).toBe(`${'a'.repeat(10)}…`);
  expect(inert(`${'a'.repeat(9)}😀😀`, 10)).toBe(`${'a'.repeat(9)}…`);
  expect(inert('evil\r\nBcc: x', 100)).toBe('evil\\u{d}\\u{a}Bcc: x');
});
