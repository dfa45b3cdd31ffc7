/**
 * Mails over a real SMTP server, read back with a mail parser.
 */
import { connect } from 'node:net';
import { LinkifyIt } from 'linkify-it';
import { createTransport } from 'nodemailer';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { ApprovalNotice } from '@countersign/core';
import { channelContract } from '@countersign/core/testing';
import { PartlyTold } from '@countersign/core/channel';
import { verifies } from '../../../test/verifies.ts';
import { approvalSetting } from '../../../test/support/approval-setting.ts';
import { emailChannel, type EmailChannelOptions, type MailRecipient } from '../src/index.ts';
import { certificate, mailServer, type MailServer, type MailServerOptions } from './support/mail-server.ts';
import { headerLines, htmlText, markup } from './support/reading.ts';

const carol: MailRecipient = { approver: 'carol', address: 'carol@acme.example' };
const dave: MailRecipient = { approver: 'dave', address: 'dave@acme.example' };
const erin: MailRecipient = { approver: 'erin', address: 'erin@acme.example' };

async function listening(options?: MailServerOptions): Promise<MailServer> {
  const server = await mailServer(options);
  onTestFinished(server.close);
  return server;
}

function channelTo({ port }: Pick<MailServer, 'port'>, more: Partial<EmailChannelOptions> = {}) {
  return emailChannel({
    transport: { host: '127.0.0.1', port },
    from: { name: 'Approvals', address: 'approvals@acme.example' },
    recipients: () => [carol],
    consoleUrl: 'https://ops.acme.example/console/',
    timeoutMs: 3_000,
    ...more,
  });
}

const notice = (more: Partial<ApprovalNotice> = {}): ApprovalNotice => ({
  ...{ id: 'apr.acme.aaaaaaaaaaaaaaaaaaaaaa', tenant: 'acme', state: 'pending', tool: 'deploy', source: 'local' },
  ...{ capability: 'deploy:staging:create', risk: 'high', mode: 'blocking', agent: 'support' },
  ...{ requester: 'alice', summary: '{"region":"eu"}', groups: [], quorum: 1, digest: 'digest-1', votes: [] },
  ...{ createdAt: Date.now(), expiresAt: Date.now() + 900_000, ...more },
});

async function failure(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => expect.fail('it should have rejected'),
    (error: unknown) => error as Error,
  );
}

const readers = (server: MailServer): string[] => server.received.flatMap(({ to }) => to).toSorted();

describe('the contract of a channel', () => {
  const cases = channelContract(async () => {
    const server = await mailServer();
    return {
      channel: channelTo(server, { timeoutMs: 1_000 }),
      shown: async () =>
        server.received.map((received) => ({
          id: received.mail.messageId ?? '',
          text: [received.mail.subject, received.mail.text, htmlText(received)].join('\n'),
          active: [...headerLines(received), ...markup(received)],
        })),
      become: async (state) => server.become(state),
      close: server.close,
    };
  });
  for (const { name, run } of cases) verifies(['APR-3', 'APR-12'], name, run);
});

const linkifier = new LinkifyIt({ fuzzyLink: true, fuzzyEmail: true, fuzzyIP: true });

describe('what a mail is', () => {
  verifies(['APR-3', 'APR-12'], 'one mail for each person, marked as automatic, and its end follows it', async () => {
    const server = await listening();
    const channel = channelTo(server, { recipients: () => [carol, dave, carol] });
    const reference = await channel.opened(notice(), undefined);
    await channel.closed(notice({ state: 'approved', votes: [{ approver: 'dave', verdict: 'approve' }] }), reference);
    expect(readers(server)).toEqual([carol, carol, dave, dave].map(({ address }) => address));
    for (const { address } of [carol, dave]) {
      const [asked, ended] = server.received.filter(({ to }) => to.includes(address)).map(({ mail }) => mail);
      expect(asked?.to).toEqual([{ name: '', address }]);
      expect([asked?.cc, asked?.bcc, asked?.inReplyTo, asked?.references]).toEqual([
        undefined,
        undefined,
        undefined,
        undefined,
      ]);
      expect([ended?.inReplyTo, ended?.references]).toEqual([asked?.messageId, asked?.messageId]);
      expect(ended?.subject).toBe(`Re: ${asked?.subject}`);
      expect(ended?.text).toContain('approved by dave');
      for (const mail of [asked, ended]) {
        const header = (name: string) => mail?.headers.find(({ key }) => key === name)?.value;
        expect([header('auto-submitted'), header('x-auto-response-suppress')]).toEqual(['auto-generated', 'All']);
        expect(mail?.attachments).toEqual([]);
      }
    }
    expect(new Set(server.received.map(({ mail }) => mail.messageId)).size).toBe(4);
    expect(server.received.some(({ raw, to }) => to[0] === carol.address && raw.includes(dave.address))).toBe(false);
  });

  verifies(['APR-6', 'APR-12'], 'the HTML part has one link, to the console, and loads nothing', async () => {
    const server = await listening();
    await channelTo(server).opened(notice(), undefined);
    const tags = markup(server.received[0] ?? expect.fail());
    const remote = tags.filter((tag) => /\b(?:src|href|action|background|poster|data)=/.test(tag));
    expect(remote).toEqual([`a href=https://ops.acme.example/console/approvals/${notice().id}`]);
    expect(
      tags.filter((tag) => /^(?:img|script|style|link|iframe|object|form|input|base|svg|video)\b/.test(tag)),
    ).toEqual([]);
    expect(tags.filter((tag) => / (?:on|style)/.test(tag))).toEqual([]);
  });

  const injections = [
    'x\r\nBcc: mallory@evil.example',
    'x\nContent-Type: text/html\n\n<script>alert(1)</script>',
    'x\r\n\r\n<h1>hello</h1>',
    'x\u2028Bcc: mallory@evil.example\u0000',
    '=?utf-8?q?=0D=0ABcc:_mallory=40evil.example?=',
    '\r\n.\r\nMAIL FROM:<mallory@evil.example>\r\n',
    `${'x'.repeat(5_000)}\r\nBcc: mallory@evil.example`,
    '</code></td></table><script src=//evil.example/x></script><img src=https://evil.example/pixel>',
    '"><a href="javascript:evil()">approve</a><form action=//evil.example><input autofocus onfocus=evil()>',
    '<!--<style>@import "//evil.example"</style><svg onload=evil()><base href=//evil.example>',
    'https://ops.acme.example.evil.example/approvals and www.evil.example and mallory@evil.example',
  ];
  const withoutLink = (tags: readonly string[]) => tags.filter((tag) => !tag.startsWith('a href='));
  verifies(
    ['APR-3', 'APR-12'],
    'a tool name, an argument, a requester or an agent that injects headers, markup or links stays text in its line',
    async () => {
      const server = await listening();
      const plain = channelTo(server, { name: 'plain' });
      await plain.opened(notice(), undefined);
      const first = server.received[0] ?? expect.fail();
      const expected = first.mail.headers.map(({ key }) => key);
      for (const [index, attack] of injections.entries()) {
        const id = `apr.acme.${String(index).padStart(22, '0')}`;
        const hostile = {
          tool: attack,
          requester: attack,
          agent: attack,
          source: attack,
          summary: attack,
          groups: [attack],
        };
        await plain.opened(notice({ id, ...hostile }), undefined);
        const received = server.received.at(-1) ?? expect.fail();
        const { mail, to } = received;
        expect(withoutLink(markup(received))).toEqual(withoutLink(markup(first)));
        for (const part of [mail.text ?? '', htmlText(received), mail.subject ?? '']) {
          const found = (linkifier.match(part) ?? []).map(({ url }) => url);
          expect(found.filter((url) => !url.endsWith(`//ops.acme.example/console/approvals/${id}`))).toEqual([]);
        }
        expect(mail.headers.map(({ key }) => key)).toEqual(expected);
        expect(to).toEqual([carol.address]);
        expect(mail.subject).toMatch(/^\[Countersign\] Decision needed: [^\r\n]{1,200} \(risk high\)$/);
        expect(mail.subject?.length).toBeLessThan(1_000);
        expect(mail.text?.split('\n').filter((line) => /^(?:Bcc|Content-Type|MAIL|\.$)/.test(line))).toEqual([]);
      }
      expect(server.received).toHaveLength(1 + injections.length);
    },
  );
});

describe('whom a mail goes to', () => {
  const smuggled = [
    '"xclow3n@evil.example x"@acme.example',
    '"a@evil.example"@acme.example',
    'carol@acme.example, mallory@evil.example',
    'carol@acme.example;mallory@evil.example',
    'mallory@evil.example(carol@acme.example)',
    'carol@acme.example(x)evil.example',
    'carol@acme.example .evil.example',
    'Carol <carol@acme.example>',
    '<carol@acme.example>',
    'carol@acme.example>\r\nRCPT TO:<mallory@evil.example',
    'carol@acme.example\nBcc: mallory@evil.example',
    'team:carol@acme.example,mallory@evil.example;',
    'mallory%evil.example@acme.example',
    'evil.example!mallory@acme.example',
    '-oQ/tmp@acme.example',
    'carol@[127.0.0.1]',
    'carol@acme..example',
    '.carol@acme.example',
    'carol@acme.example.',
    'carol@@acme.example',
    'cárol@acme.example',
    `${'c'.repeat(65)}@acme.example`,
    '',
    ' carol@acme.example',
  ];
  verifies(
    'APR-3',
    'an address that hides another one, a list or a command gets no mail, and others get theirs',
    async () => {
      const server = await listening();
      for (const [index, address] of smuggled.entries()) {
        const id = `apr.acme.${String(index).padStart(22, '0')}`;
        const channel = channelTo(server, { recipients: () => [{ approver: 'mallory', address }, carol] });
        const error = await failure(channel.opened(notice({ id }), undefined));
        expect(error.message).toContain('1 of 2 mails');
        expect(error.message).not.toContain('evil');
      }
      expect(new Set(readers(server))).toEqual(new Set([carol.address]));
      expect(server.received).toHaveLength(smuggled.length);
    },
  );

  test('a sender that is no plain address, or has a name of several lines, is refused', () => {
    for (const from of [...smuggled.slice(0, 12), { name: 'x\r\nBcc: y', address: 'a@b.example' }]) {
      expect(() => channelTo({ port: 1 }, { from })).toThrow(/sender/);
    }
  });

  verifies(
    ['APR-3', 'APR-2'],
    'when some are refused it rejects; who has the mail does not get it again, in this process or the next',
    async () => {
      const server = await listening();
      const recipients = (): MailRecipient[] => [carol, dave, erin];
      server.unknown.add(dave.address).add(erin.address);
      const first = channelTo(server, { recipients });
      const error = await failure(first.opened(notice(), undefined));
      expect(error).toBeInstanceOf(PartlyTold);
      expect(error.message).toBe('2 of 3 mails were not accepted: the mail was not accepted: EENVELOPE 550');
      await failure(first.opened(notice(), undefined));
      expect(readers(server)).toEqual([carol.address]);
      server.unknown.delete(dave.address);
      const { reference } = error as PartlyTold;
      const next = await failure(channelTo(server, { recipients }).opened(notice(), reference));
      expect(readers(server)).toEqual([carol.address, dave.address]);
      server.unknown.clear();
      const last = await channelTo(server, { recipients }).opened(notice(), (next as PartlyTold).reference);
      expect(readers(server)).toEqual([carol.address, dave.address, erin.address]);
      await channelTo(server, { recipients }).opened(notice(), last);
      expect(server.received).toHaveLength(3);
    },
  );

  verifies('APR-3', 'the notifier keeps who has it across a restart', async () => {
    const server = await listening();
    const { approvals, file, pass } = approvalSetting();
    await file();
    server.unknown.add(dave.address);
    const fresh = () => approvals.notifier({ channels: [channelTo(server, { recipients: () => [carol, dave] })] });
    expect(await fresh().tick()).toBe(0);
    server.unknown.clear();
    pass(5_000);
    expect(await fresh().tick()).toBe(1);
    expect(readers(server)).toEqual([carol.address, dave.address]);
  });

  verifies('APR-3', 'the end is told to those who have the request, and to each once', async () => {
    const server = await listening();
    const recipients = (): MailRecipient[] => [carol, dave];
    const reference = await channelTo(server, { recipients: () => [carol] }).opened(notice(), undefined);
    server.received.length = 0;
    const ended = notice({ state: 'rejected', votes: [{ approver: 'dave', verdict: 'reject' }] });
    await channelTo(server, { recipients }).closed(ended, reference);
    expect(readers(server)).toEqual([carol.address]);
    server.received.length = 0;
    const both = await channelTo(server, { recipients }).opened(notice(), undefined);
    server.received.length = 0;
    server.unknown.add(dave.address);
    const error = (await failure(channelTo(server, { recipients }).closed(ended, both))) as PartlyTold;
    server.unknown.clear();
    await channelTo(server, { recipients }).closed(ended, error.reference);
    expect(readers(server)).toEqual([carol.address, dave.address]);
  });

  test('after an edit those who were told get the new arguments in the same thread, and nothing twice', async () => {
    const server = await listening();
    const channel = channelTo(server);
    const before = await channel.opened(notice(), undefined);
    const edited = notice({ digest: 'digest-2', summary: '{"region":"us"}' });
    const after = await channel.opened(edited, before);
    await channel.opened(edited, after);
    const [first, second] = server.received.map(({ mail }) => mail);
    expect(server.received).toHaveLength(2);
    expect([second?.inReplyTo, second?.text]).toEqual([first?.messageId, expect.stringContaining('"us"')]);
  });

  verifies(['APR-3', 'APR-7'], 'an edit is mailed to those who have the request, and a vote is not', async () => {
    const server = await listening();
    const { approvals, file } = approvalSetting({ edit: true, quorum: 2 });
    const { id, digest } = await file({ region: 'eu' });
    const notifier = approvals.notifier({ channels: [channelTo(server)] });
    await notifier.tick();
    const session = approvals.as({ tenant: 'acme', id: 'carol' });
    const edited = await session.edit({ id, digest, arguments: '{"region":"us"}' });
    await notifier.tick();
    await session.decide({ id, digest: edited.digest, verdict: 'approve' });
    await notifier.tick();
    expect(server.received.map(({ mail }) => /"region":"(..)"/.exec(mail.text ?? '')?.[1])).toEqual(['eu', 'us']);
  });

  test('a reference that is damaged, or of somebody else, tells again rather than nobody', async () => {
    for (const reference of ['', 'x', '1', '{"a":1}', 'told', `1${'a'.repeat(990)}!`]) {
      const server = await listening();
      await channelTo(server).opened(notice(), reference);
      expect(server.received).toHaveLength(1);
    }
  });

  test('a reference stays within 1,000 characters, however many people are told', async () => {
    const server = await listening();
    const many = Array.from({ length: 140 }, (_, n) => ({ approver: `p${n}`, address: `p${n}@acme.example` }));
    const reference = await channelTo(server, { recipients: () => many, timeoutMs: 20_000 }).opened(
      notice(),
      undefined,
    );
    expect(reference?.length).toBeLessThanOrEqual(1_000);
    expect(server.received).toHaveLength(140);
    await channelTo(server, { recipients: () => many, timeoutMs: 20_000 }).opened(notice(), reference);
    expect(server.received).toHaveLength(140 + 17);
  });
});

describe('the way to the server', () => {
  const login = { user: 'countersign', pass: 'hunter2-of-the-mail-server' };
  /** The name of a server elsewhere, whose connection ends at this machine. */
  const elsewhere = (port: number, more: object = {}) => ({
    host: 'mail.example',
    port: 587,
    getSocket: (_options: unknown, done: (error: Error | null, socket: object) => void) => {
      const connection = connect(port, '127.0.0.1', () => done(null, { connection }));
    },
    ...more,
  });

  verifies(['APR-3', 'CRD-7'], 'mail goes over STARTTLS to a server with a certificate of a known CA', async () => {
    const tls = await certificate();
    const server = await listening({ tls, login });
    const transport = elsewhere(server.port, { auth: login, tls: { ca: tls.cert } });
    await channelTo(server, { transport }).opened(notice(), undefined);
    expect(server.received.map(({ secure }) => secure)).toEqual([true]);
  });

  verifies('APR-3', 'STARTTLS that somebody stripped from the answer means no mail, and no password', async () => {
    const server = await listening({ login });
    const error = await failure(
      channelTo(server, { transport: elsewhere(server.port, { auth: login }) }).opened(notice(), undefined),
    );
    expect([error.message, server.received]).toEqual([expect.stringContaining('ETLS'), []]);
  });

  verifies('APR-3', 'a certificate of nobody known, or for another name, means no mail', async () => {
    const tls = await certificate();
    const server = await listening({ tls });
    const strangers = [
      elsewhere(server.port),
      elsewhere(server.port, { host: 'other.example', tls: { ca: tls.cert } }),
      { host: '127.0.0.1', port: server.port },
    ];
    for (const transport of strangers) {
      const error = await failure(channelTo(server, { transport }).opened(notice(), undefined));
      expect(error.message).toContain('not accepted');
    }
    expect(server.received).toEqual([]);
  });

  verifies(
    ['APR-3', 'CRD-7'],
    'neither the password nor the words of a server that repeats it stand in an error',
    async () => {
      const tls = await certificate();
      const server = await listening({ tls, login });
      const auth = { ...login, pass: 'wrong-but-secret' };
      const error = await failure(
        channelTo(server, { transport: elsewhere(server.port, { auth, tls: { ca: tls.cert } }) }).opened(
          notice(),
          undefined,
        ),
      );
      expect(error.message).toContain('EAUTH 535');
      const everything = JSON.stringify([error, error.message, error.stack, error.cause, Object.entries(error)]);
      for (const secret of [auth.pass, auth.user, Buffer.from(auth.pass).toString('base64').slice(0, 12)]) {
        expect(everything).not.toContain(secret);
      }
    },
  );

  test('options that would send in the clear, or to whoever answers, are refused', () => {
    for (const transport of [
      { host: 'mail.example', ignoreTLS: true },
      { host: 'mail.example', opportunisticTLS: true },
      { host: 'mail.example', tls: { rejectUnauthorized: false } },
      { url: 'smtp://user:pass@mail.example' },
      {},
    ]) {
      expect(() => channelTo({ port: 1 }, { transport })).toThrow(/mail (?:goes over TLS|transport)/);
    }
    for (const consoleUrl of [
      'http://ops.example',
      'https://u:p@ops.example',
      'https://ops.example/?a',
      'ops',
      'javascript:1',
    ]) {
      expect(() => channelTo({ port: 1 }, { consoleUrl })).toThrow(/console/);
    }
  });

  verifies('APR-3', 'a transporter of somebody’s own that hangs or lies is bounded', async () => {
    const hanging = { sendMail: () => new Promise<never>(() => undefined) };
    const lying = { sendMail: async () => ({ accepted: [] }) };
    for (const transport of [hanging, lying]) {
      const error = await failure(channelTo({ port: 1 }, { transport, timeoutMs: 100 }).opened(notice(), undefined));
      expect(error.message).toContain('not accepted');
    }
    const server = await listening();
    const pooled = createTransport({ host: '127.0.0.1', port: server.port, pool: true });
    onTestFinished(() => pooled.close());
    await channelTo(server, { transport: pooled }).opened(notice(), undefined);
    expect(server.received).toHaveLength(1);
  });

  verifies('APR-3', 'a mail that is accepted after the time was up is not sent again', async () => {
    let accept: (info: { accepted: string[] }) => void = () => expect.fail('nothing was sent');
    let sends = 0;
    const slow = {
      sendMail: () => {
        sends += 1;
        return new Promise<{ accepted: string[] }>((resolve) => (accept = resolve));
      },
    };
    const channel = channelTo({ port: 1 }, { transport: slow, timeoutMs: 100 });
    expect((await failure(channel.opened(notice(), undefined))).message).toContain('the time was up');
    accept({ accepted: [carol.address] });
    await channel.opened(notice(), undefined);
    expect(sends).toBe(1);
  });

  verifies('APR-3', 'a directory of recipients that hangs or fails is bounded, and rejects', async () => {
    const server = await listening();
    for (const recipients of [() => new Promise<never>(() => undefined), () => Promise.reject(new Error('down'))]) {
      await failure(channelTo(server, { recipients, timeoutMs: 100 }).opened(notice(), undefined));
    }
  });

  verifies(
    ['APR-3', 'APR-2'],
    'a server that is down for an hour delivers later; nothing is decided meanwhile',
    async () => {
      const server = await listening();
      const { approvals, file, pass, state } = approvalSetting();
      const { id: early } = await file();
      const notifier = approvals.notifier({ channels: [channelTo(server)] });
      server.become('down');
      for (let minute = 0; minute < 58; minute += 1) {
        expect(await notifier.tick()).toBe(0);
        pass(60_000);
      }
      const { id: late } = await file();
      expect(await notifier.tick()).toBe(0);
      server.become('well');
      pass(10 * 60_000);
      expect(await notifier.tick()).toBe(2);
      const texts = server.received.map(({ mail }) => mail.text ?? '');
      expect(texts.find((text) => text.includes(early))).toContain('it has expired');
      expect(texts.find((text) => text.includes(late))).toContain('waits for your decision');
      expect([await state(early), await state(late)]).toEqual(['pending', 'pending']);
    },
  );
});
