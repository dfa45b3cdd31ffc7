/**
 * Arguments made to fill a page: it stays of a bearable size, says what it leaves out, and then approves nothing.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { verifies } from '../../../test/verifies.ts';
import { differenceView } from '../src/arguments-view.ts';
import { countDeceptive, createRoom, deceptivePieces } from '../src/deceptive-text.ts';
import { cookieOf, fieldOn, visitorOf, type Visitor } from './support/visitor.ts';
import { createWorld, type World } from './support/world.ts';

let world: World;
afterEach(() => world?.close());

const maxPage = 6_000_000;

/** The page of a request for this, as Carol gets it. */
async function pageOf(args: unknown): Promise<{ carol: Visitor; id: string; page: string }> {
  world ??= await createWorld();
  const id = await world.request(args);
  const carol = visitorOf(world);
  carol.cookie = cookieOf(await carol.post('/sign-in', { code: 'carol-token' }));
  return { carol, id, page: await (await carol.get(`/approvals/${id}`)).text() };
}

const isOffered = (page: string): boolean => page.includes('value="approve"');

const hostile: Readonly<Record<string, unknown>> = {
  'nothing but hidden characters': { service: '\u200b'.repeat(900_000) },
  'every second character hidden': { service: 'a\u200b'.repeat(450_000) },
  'nothing but look-alikes': { service: '\u0430'.repeat(900_000) },
  'hidden characters of many kinds': {
    service: Array.from({ length: 400_000 }, (_, index) => String.fromCodePoint(0xe0000 + (index % 4_096))).join(''),
  },
  'characters that HTML writes longer': { service: '&'.repeat(900_000) },
  'control characters': { service: '\u0001'.repeat(900_000) },
  'tens of thousands of values, each with a look-alike': { list: Array.from({ length: 45_000 }, () => 'p\u0430y') },
  'tens of thousands of values, deep inside': Array.from({ length: 55 }).reduce<unknown>(
    (inner) => ({ a: inner }),
    Array.from({ length: 45_000 }, () => 1),
  ),
};

describe('a page', () => {
  for (const [name, args] of Object.entries(hostile)) {
    verifies(['APR-3', 'APR-9'], `stays of a bearable size, and is whole or approves nothing: ${name}`, async () => {
      world = await createWorld();
      const earlier = await pageOf({ service: 'x', list: [], a: 1 });
      const { digest } = await world.approvals.show('carol-token', earlier.id);
      await world.approvals.decide('carol-token', { id: earlier.id, verdict: 'approve', digest });
      const { carol, id, page } = await pageOf(args);
      expect(page.length).toBeLessThan(maxPage);
      const cut = page.includes('Not all of it is shown');
      expect([cut, isOffered(page)]).toEqual([cut, !cut]);
      if (!cut) return;
      expect(page).toContain(`countersign approvals show ${id}`);
      const fields = { token: fieldOn(page, 'token'), digest: fieldOn(page, 'digest') };
      const refused = await carol.post(`/approvals/${id}/decision`, { ...fields, verdict: 'approve' });
      expect([refused.status, (await world.approvals.show('carol-token', id)).votes]).toEqual([409, []]);
      expect((await carol.post(`/approvals/${id}/decision`, { ...fields, verdict: 'reject' })).status).toBe(303);
    });
  }

  verifies('APR-9', 'shows a text of a million letters whole, and offers to approve it', async () => {
    world = await createWorld();
    const { page } = await pageOf({ body: `${'word '.repeat(199_000)}end` });
    expect([page.includes('word end'), page.includes('Not all of it'), isOffered(page)]).toEqual([true, false, true]);
  });

  verifies('APR-9', 'says so when it marks no more, and what is hidden is still seen', async () => {
    world = await createWorld();
    const { page } = await pageOf({ service: `${'a\u200b'.repeat(11_000)} p\u0430ypal \u202e` });
    expect(page.match(/<mark class/g)).toHaveLength(10_000);
    expect(page).toContain('Only the first 10,000');
    expect(page).toContain('a\\u{200b}a\\u{200b} p\u0430ypal \\u{202e}');
    expect(page).not.toMatch(/[\u200b\u202e]/);
  });

  verifies('APR-9', 'offers no field to edit what is too long for one, and says how else', async () => {
    world = await createWorld();
    const { page, id } = await pageOf({ body: 'x'.repeat(300_000) });
    expect([page.includes('id="arguments"'), isOffered(page)]).toEqual([false, true]);
    expect(page).toContain(`countersign approvals edit ${id}`);
  });
});

describe('deceptive characters', () => {
  test('beside each other are one piece, which says which they are and how many', () => {
    expect(deceptivePieces('a\u200b\u200b\u202eb p\u0430\u0443')).toEqual([
      { text: 'a' },
      { text: '\\u{200b}\\u{200b}\\u{202e}', mark: 'hidden', codes: 'U+200B, U+202E', count: 3 },
      { text: 'b p' },
      { text: '\u0430\u0443', mark: 'alike', codes: 'U+0430, U+0443', count: 2 },
    ]);
    expect(countDeceptive('a\u200b\u200b\u202eb p\u0430\u0443')).toEqual({ hidden: 3, alike: 2 });
    const many = deceptivePieces('\u0430\u0441\u0435\u043e\u0440\u0445\u0443'.repeat(3))[0];
    expect(many).toMatchObject({ codes: 'U+0430, U+0441, U+0435, U+043E and others', count: 21 });
  });

  test('and what is around them is cut where the room ends, never within a character', () => {
    const room = createRoom(3);
    expect(deceptivePieces('ab\u{1f600}cd', room)).toEqual([{ text: 'ab' }]);
    expect(room.cut).toBe(true);
    expect(deceptivePieces('more', room)).toEqual([]);
  });
});

test('what is too long to compare is not compared, and is never said to be the same', async () => {
  const [one, other] = ['x', 'y'].map((letter) => JSON.stringify({ body: letter.repeat(150_000) }));
  expect(String(await differenceView(one ?? '', other ?? ''))).toContain('too long to compare here');
  expect(differenceView(one ?? '', one ?? '')).toBeUndefined();
});
