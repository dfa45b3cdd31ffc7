/**
 * Codes from mails at a real console: what they prove, and how they are attacked.
 */
import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { memoryReplayGuard } from '@countersign/core/channel';
import { verifies } from '../../../test/verifies.ts';
import { mailCodes } from '../src/index.ts';
import { browser, createWorld, formsOf, lastMail, type World } from './support/world.ts';

let world: World;
afterEach(() => world?.close());

/** Signs in with a code, as the form on the page behind the link does. */
async function signIn(link: string, code: string) {
  const visitor = browser(new URL(world.url).origin);
  const page = await (await visitor.get(link)).text();
  const form = formsOf(page).find(({ action }) => action.endsWith('/sign-in')) ?? expect.fail('no form to sign in');
  const answer = await visitor.submit(form, { code });
  return { visitor, status: answer.status, page: await answer.text(), path: new URL(answer.url).pathname };
}

const reasons = async (): Promise<(string | undefined)[]> => (await world.refused()).map(({ code }) => code);

describe('from the mail to the decision', () => {
  verifies(
    ['APR-3', 'APR-6', 'APR-9', 'APR-12'],
    'a person reads the code, types it, sees the request in full, approves; the mail that says so follows in the thread',
    async () => {
      world = await createWorld();
      const { id, mailTo } = await world.ask({ region: 'eu', note: 'x'.repeat(400), password: 'hunter2' });
      const { code, link, mail } = mailTo('carol');
      expect(mail.mail.text).not.toContain('hunter2');
      const { visitor, page, status, path } = await signIn(link, code.toLowerCase().replaceAll('-', ' '));
      expect([status, path]).toEqual([200, `/approvals/${id}`]);
      expect(page).toContain('x'.repeat(400));
      const approve = formsOf(page).find(({ fields }) => fields['verdict'] === 'approve') ?? expect.fail();
      expect((await visitor.submit(approve)).status).toBe(200);
      expect(await world.state(id)).toBe('approved');
      expect((await world.store.approval('acme', id))?.votes[0]?.approver).toBe('carol');
      await world.notifier.tick();
      const ended = lastMail(world.mail.received, 'dave', id).mail.mail;
      expect(ended.text).toContain('approved by carol');
      expect(ended.inReplyTo).toBe(
        mailTo('dave') && world.mail.received.find(({ to }) => to[0] === 'dave@acme.example')?.mail.messageId,
      );
      expect(await reasons()).toEqual([]);
    },
  );

  verifies(['APR-6'], 'the session sees and decides that request alone, and ends when the person is gone', async () => {
    world = await createWorld();
    const other = await world.ask({ region: 'us' });
    const { id, mailTo } = await world.ask();
    const { visitor } = await signIn(mailTo('carol').link, mailTo('carol').code);
    const foreign = await visitor.get(`/approvals/${other.id}`);
    expect([foreign.status === 200 && foreign.url.includes(other.id), await foreign.text()]).toEqual([
      false,
      expect.not.stringContaining('"us"'),
    ]);
    world.people.splice(0, 1);
    const after = await visitor.get(`/approvals/${id}`);
    expect(new URL(after.url).pathname).toBe('/sign-in');
  });

  verifies('APR-6', 'the session ends with the code, however long the request still waits', async () => {
    // The request waits for 15 minutes.
    world = await createWorld({ lifeMs: 4 * 60_000 });
    const { id, mailTo } = await world.ask();
    const { visitor, page } = await signIn(mailTo('carol').link, mailTo('carol').code);
    const approve = formsOf(page).find(({ fields }) => fields['verdict'] === 'approve') ?? expect.fail();
    world.pass(4 * 60_000);
    await visitor.submit(approve);
    expect([await world.state(id), await world.votes(id)]).toEqual(['pending', 0]);
  });

  verifies(['APR-3', 'CRD-7'], 'a code stands in no subject, link, header or record', async () => {
    world = await createWorld();
    const { mailTo } = await world.ask();
    const { code, link, mail } = mailTo('carol');
    await signIn(link, code);
    await signIn(link, code);
    const bare = code.replaceAll('-', '');
    const ledger = await world.ledger();
    for (const secret of [code, bare]) {
      for (const place of [mail.mail.subject ?? '', link, ledger]) expect(place).not.toContain(secret);
      expect(mail.mail.headers.some(({ value }) => value.includes(secret))).toBe(false);
    }
  });
});

describe('link scanners', () => {
  verifies(
    ['APR-6', 'APR-3'],
    'one that opens every link by GET and HEAD and sends every form it finds decides nothing and signs nobody in',
    async () => {
      // The console records every refused sign-in, and the codes leave it to it.
      world = await createWorld({ recordRefusals: false });
      const { id, mailTo } = await world.ask();
      const scanner = browser(new URL(world.url).origin);
      const links = [...(mailTo('carol').mail.mail.html ?? '').matchAll(/href="([^"]+)"/g)].map(([, url]) => url ?? '');
      expect(links).toEqual([mailTo('carol').link]);
      const seen = new Set<string>();
      let guesses = 0;
      for (let at = 0; at < links.length && at < 50; at += 1) {
        const url = links[at] ?? '';
        await scanner.head(url);
        const page = await (await scanner.get(url)).text();
        for (const [, next] of page.matchAll(/(?:href|src)="(\/[^"]*)"/g))
          if (!links.includes(next ?? '')) links.push(next ?? '');
        for (const form of formsOf(page)) {
          seen.add(form.action);
          guesses += 2;
          expect((await scanner.submit(form)).status).toBe(403);
          expect((await scanner.submit(form, { code: 'AAAA-AAAA-AAAA-AAAA-AAAA' })).status).toBe(403);
        }
      }
      expect([...seen]).toEqual(['/sign-in']);
      expect([await world.state(id), await world.votes(id)]).toEqual(['pending', 0]);
      expect((await scanner.get(`/approvals/${id}`)).url).toContain('/sign-in');
      expect(await reasons()).toEqual(Array.from({ length: guesses }, () => 'credential'));
    },
  );

  verifies(
    'APR-6',
    'one that sends the forms of the request itself, in a person’s place, is not signed in',
    async () => {
      world = await createWorld();
      const { id, mailTo } = await world.ask();
      const { visitor, page } = await signIn(mailTo('carol').link, mailTo('carol').code);
      const scanner = browser(new URL(world.url).origin);
      for (const form of formsOf(page)) {
        const answer = await scanner.submit(form);
        expect([answer.status === 401 || answer.url.endsWith('/sign-in'), await world.state(id)]).toEqual([
          true,
          'pending',
        ]);
      }
      expect((await visitor.get(`/approvals/${id}`)).status).toBe(200);
    },
  );

  verifies('APR-6', 'a person to whom the link was forwarded, without the code, decides nothing', async () => {
    world = await createWorld();
    const { id, mailTo } = await world.ask();
    for (const guess of ['0000-0000-0000-0000-0000', 'approve', mailTo('carol').link, id, ' ']) {
      expect((await signIn(mailTo('carol').link, guess)).status).toBe(403);
    }
    expect([await world.state(id), await world.votes(id)]).toEqual(['pending', 0]);
    expect(await reasons()).toEqual(['code', 'code', 'code', 'code', 'code']);
  });

  verifies('APR-6', 'a reply that quotes the mail, code and all, helps nobody after the code was used', async () => {
    world = await createWorld();
    const { id, mailTo } = await world.ask();
    const { code, link, mail } = mailTo('carol');
    expect((await signIn(link, code)).status).toBe(200);
    const quoted = /Your code: (\S+)/.exec((mail.mail.text ?? '').replaceAll(/^/gm, '> '))?.[1] ?? '';
    expect((await signIn(link, quoted)).status).toBe(403);
    expect([await world.state(id), await reasons()]).toEqual(['pending', ['replayed']]);
    expect((await world.refused())[0]).toMatchObject({ channel: 'email', approval: id });
  });
});

describe('a code', () => {
  const verify = (code: string) => world.codes.verify(code);

  verifies('APR-6', 'is void once the arguments were edited; one that is made for them is another', async () => {
    world = await createWorld();
    const { id, mailTo } = await world.ask();
    const { code } = mailTo('carol');
    const dave = world.approvals.as({ tenant: 'acme', id: 'dave' });
    const { digest } = await dave.show(id);
    await dave.edit({ id, digest, arguments: '{"region":"us"}' });
    expect([await verify(code), await reasons()]).toEqual([undefined, ['code']]);
    const fresh = world.codes.issue({ notice: await dave.show(id), approver: 'carol' }).code;
    expect(await verify(fresh)).toMatchObject({ approver: { id: 'carol' }, only: id });
  });

  verifies('APR-6', 'is void once the request was decided or has expired, or this person has voted', async () => {
    world = await createWorld();
    const decided = await world.ask();
    const { code } = decided.mailTo('carol');
    const dave = world.approvals.as({ tenant: 'acme', id: 'dave' });
    await dave.decide({ id: decided.id, verdict: 'reject', digest: (await dave.show(decided.id)).digest });
    expect(await verify(code)).toBeUndefined();
    const late = await world.ask({ region: 'late' });
    const other = late.mailTo('carol').code;
    world.pass(16 * 60_000);
    expect([await verify(other), await reasons()]).toEqual([undefined, ['code', 'code']]);
    const both = await world.ask({}, 'release');
    await dave.decide({ id: both.id, verdict: 'approve', digest: (await dave.show(both.id)).digest });
    expect([await verify(both.mailTo('dave').code), (await reasons()).at(-1)]).toEqual([undefined, 'voted']);
    expect(await verify(both.mailTo('carol').code)).toBeDefined();
  });

  verifies('APR-6', 'lives no longer than it says, and at least three quarters of that', async () => {
    world = await createWorld({ lifeMs: 8 * 60_000 });
    const first = (await world.ask()).mailTo('carol').code;
    world.pass(6 * 60_000 - 1_000);
    expect(await verify(first)).toBeDefined();
    const second = (await world.ask({ n: 2 })).mailTo('carol').code;
    world.pass(8 * 60_000);
    expect(await verify(second)).toBeUndefined();
  });

  verifies('APR-6', 'gives a session until the time that its mail says, whenever it is typed', async () => {
    const quarterMs = 2 * 60_000;
    let time = Date.now();
    world = await createWorld({ lifeMs: 4 * quarterMs, now: () => time });
    const { id } = await world.ask();
    const { expiresAt, digest } = await world.approvals.as({ tenant: 'acme', id: 'dave' }).show(id);
    const ends: number[] = [];
    for (const quarters of [0, 0.5, 2.9, 2.9]) {
      // Within one quarter it would be the same code.
      time = (Math.floor(time / quarterMs) + 1) * quarterMs;
      const { code, until } = world.codes.issue({
        notice: { tenant: 'acme', id, digest, expiresAt },
        approver: 'carol',
      });
      time += quarters * quarterMs;
      expect([quarters, (await verify(code))?.until]).toEqual([quarters, until]);
      ends.push(until);
    }
    expect(ends.map((until) => until === expiresAt)).toEqual([false, false, false, true]);
  });

  verifies('APR-6', 'is void when its person is no approver any more', async () => {
    world = await createWorld();
    const { code } = (await world.ask()).mailTo('carol');
    world.people.splice(0, 1);
    expect([await verify(code), await reasons()]).toEqual([undefined, ['code']]);
  });

  verifies('APR-6', 'is for one person: parts of two people’s codes make no third one', async () => {
    world = await createWorld();
    const { mailTo } = await world.ask();
    const [carol, dave] = [mailTo('carol').code, mailTo('dave').code];
    expect(carol.slice(0, 4)).toBe(dave.slice(0, 4));
    expect(carol).not.toBe(dave);
    const [a, b] = [carol.split('-'), dave.split('-')];
    for (let cut = 1; cut < 5; cut += 1) {
      const mixed = [...a.slice(0, cut), ...b.slice(cut)].join('-');
      if (mixed !== dave) expect(await verify(mixed)).toBeUndefined();
    }
    expect(await verify(dave)).toMatchObject({ approver: { id: 'dave' } });
  });

  verifies('APR-6', 'guesses at one request are limited, and lock nobody out of another', async () => {
    world = await createWorld();
    const [one, two] = [await world.ask(), await world.ask({ n: 2 })];
    const { code } = one.mailTo('carol');
    for (let n = 0; n < 10; n += 1) expect(await verify(`${code.slice(0, 4)}-0000-0000-0000-000${n}`)).toBeUndefined();
    expect(await verify(code)).toBeUndefined();
    expect((await reasons()).at(-1)).toBe('too_many');
    expect(await verify(two.mailTo('carol').code)).toBeDefined();
  });

  verifies(['APR-6', 'REL-4'], 'hostile text or a guess in its place is refused without asking the store', async () => {
    const key = randomBytes(32);
    world = await createWorld({ key });
    const { code } = (await world.ask()).mailTo('carol');
    const asked: string[] = [];
    const approvals = {
      recordRefused: async () => undefined,
      as: () => {
        asked.push('store');
        throw new Error('down');
      },
    };
    const codes = mailCodes({ key, tenant: 'acme', approvals, approvers: () => world.people });
    for (const text of [
      '',
      '\u0000',
      'é'.repeat(20),
      '0'.repeat(1_000_000),
      '__proto__',
      '🎉🎉🎉🎉',
      'UUUU-UUUU-UUUU-UUUU-UUUU',
      '0000-0000-0000-0000-0000',
      `${code.slice(0, -4)}${code.endsWith('0000') ? '1111' : '0000'}`,
    ]) {
      expect(await codes.verify(text)).toBeUndefined();
    }
    expect(asked).toEqual([]);
  });

  verifies(['APR-6', 'REL-3'], 'a directory or a replay guard that fails signs nobody in', async () => {
    let down = false;
    world = await createWorld({
      approvers: () => {
        if (down) throw new Error('directory down');
        return [{ tenant: 'acme', id: 'carol' }];
      },
      replays: { take: () => Promise.reject(new Error('down')), giveBack: () => undefined },
    });
    const { code, link } = (await world.ask()).mailTo('carol');
    expect((await signIn(link, code)).status).toBe(403);
    down = true;
    expect((await signIn(link, code)).status).toBe(403);
  });

  verifies(['APR-6', 'REL-3'], 'is no sign-in while the store fails', async () => {
    const key = randomBytes(32);
    world = await createWorld({ key });
    const { code } = (await world.ask()).mailTo('carol');
    const { approvals, people } = world;
    const same = { key, tenant: 'acme', approvers: () => people };
    const list = () => Promise.reject(new Error('store down'));
    const failing = {
      ...approvals,
      as: (...given: Parameters<typeof approvals.as>) => ({ ...approvals.as(...given), list }),
    };
    await expect(mailCodes({ ...same, approvals: failing }).verify(code)).rejects.toThrow('store down');
    expect(await verify(code)).toBeDefined();
  });

  verifies(['APR-6', 'REL-3'], 'signs nobody in who waits for a directory or a replay guard that hangs', async () => {
    const never = () => new Promise<never>(() => undefined);
    const key = randomBytes(32);
    world = await createWorld({ key });
    const { code } = (await world.ask()).mailTo('carol');
    const parts = { key, tenant: 'acme', approvals: world.approvals, approvers: () => world.people };
    const answers = await Promise.allSettled([
      mailCodes({ ...parts, approvers: never }).verify(code),
      mailCodes({ ...parts, replays: { take: never, giveBack: never } }).verify(code),
    ]);
    expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    let hangs = false;
    const signedIn = await mailCodes({ ...parts, approvers: () => (hangs ? never() : world.people) }).verify(code);
    hangs = true;
    await expect(signedIn?.refresh()).rejects.toThrow('did not answer');
  });

  verifies(
    'APR-6',
    'is taken once where several processes share a guard, and of two at the same time one wins',
    async () => {
      const key = randomBytes(32);
      const replays = memoryReplayGuard();
      world = await createWorld({ key, replays });
      const { code } = (await world.ask()).mailTo('carol');
      const elsewhere = mailCodes({
        key,
        replays,
        tenant: 'acme',
        approvals: world.approvals,
        approvers: () => world.people,
      });
      const answers = await Promise.all([verify(code), elsewhere.verify(code), verify(code)]);
      expect(answers.filter((answer) => answer !== undefined)).toHaveLength(1);
    },
  );

  verifies('APR-6', 'survives a restart, and another key knows nothing of it', async () => {
    const key = randomBytes(32);
    world = await createWorld({ key });
    const { code } = (await world.ask()).mailTo('carol');
    const same = { tenant: 'acme', approvals: world.approvals, approvers: () => world.people };
    expect(await mailCodes({ ...same, key: randomBytes(32) }).verify(code)).toBeUndefined();
    expect(await mailCodes({ ...same, key }).verify(code)).toMatchObject({ approver: { id: 'carol' } });
  });

  verifies('APR-6', 'is given to no mailbox that two approvers share', async () => {
    world = await createWorld();
    const { emailChannel } = await import('../src/index.ts');
    const channel = emailChannel({
      transport: { host: '127.0.0.1', port: world.mail.port },
      from: 'approvals@acme.example',
      recipients: () => [
        { approver: 'carol', address: 'team@acme.example' },
        { approver: 'dave', address: 'TEAM@acme.example' },
        { approver: 'erin', address: 'erin@acme.example' },
      ],
      consoleUrl: world.url,
      codes: world.codes,
    });
    const { id } = await world.ask();
    world.mail.received.length = 0;
    await world.approvals.notifier({ channels: [{ ...channel, name: 'shared' }] }).tick();
    const codes = world.mail.received.map(
      ({ to, mail }) => `${to[0]?.toLowerCase()} ${/Your code/.test(mail.text ?? '')}`,
    );
    expect(codes.toSorted()).toEqual(['erin@acme.example true', 'team@acme.example false', 'team@acme.example false']);
    expect(await world.state(id)).toBe('pending');
  });

  test('keys, lives and tenants that are none are refused', async () => {
    world = await createWorld();
    const rest = { tenant: 'acme', approvals: world.approvals, approvers: () => [] };
    for (const key of [randomBytes(16), undefined as unknown as Uint8Array]) {
      expect(() => mailCodes({ ...rest, key })).toThrow('32 bytes');
    }
    for (const lifeMs of [0, -1, Number.NaN, 30 * 24 * 3_600_000]) {
      expect(() => mailCodes({ ...rest, key: randomBytes(32), lifeMs })).toThrow('minute');
    }
    const notice = { tenant: 'globex', id: 'x', digest: 'y', expiresAt: Date.now() + 1 };
    expect(() => mailCodes({ ...rest, key: randomBytes(32) }).issue({ notice, approver: 'carol' })).toThrow('tenant');
  });
});
