/**
 * Every page in a real browser: accessible, by keyboard, in the dark, on a phone, and pleasant to look at.
 */
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, expect } from 'vitest';
import { verifies } from '../../../test/verifies.ts';
import { launch, overflowOf, pictureFolder, seriousProblems, using } from './support/browser.ts';
import { createOffice, minute, type Office } from './support/office.ts';

let browser: Browser | undefined;
let office: Office;
const pictures = pictureFolder();
/** What the pages show. */
const seen = { request: '', edited: '', ended: '', quorum: '' };

beforeAll(async () => {
  browser = await launch();
  if (browser === undefined) return;
  office = await createOffice();
  await office.week();
  await fill(office);
});
afterAll(async () => {
  await browser?.close();
  await office?.close();
  pictures.remove();
});

/** A morning: some things done, some that wait. */
async function fill({ clock, call, ask, gate, vote, approvals }: Office): Promise<void> {
  const said = ['Deploy checkout 1.5.0 and search 2.0.0, three replicas each'];
  const release = gate({ agent: 'release-bot', run: 'release-2026-11-23', heard: { user: said } });
  const earlier = await ask('deploy', { service: 'checkout', version: '1.4.2', replicas: 3 }, release);
  clock.now += 2 * minute;
  await vote(earlier.id, 'carol', 'approve', 'release day');
  await earlier.run();
  await call(release, 'drop_customers', { table: 'customers' });
  const heard = { user: ['Ticket 4711 asks for a refund of 480 EUR. Please handle it.'] };
  const support = gate({ user: 'bob', run: 'ticket-4711', heard });
  await call(support, 'read_ticket', { ticket: 4711 }, { order: '2026-3391-XK', text: 'The bike never came.' });
  seen.quorum = (
    await ask('refund', { amount: 480, currency: 'EUR', order: '2026-3391-XK', note: 'goodwill' }, support)
  ).id;
  clock.now += 3 * minute;
  await vote(seen.quorum, 'dave', 'approve', 'order checked');
  await ask('send_email', { to: 'customer@example.com', subject: 'Your refund' }, support);
  const rejected = await ask('send_email', { to: 'all@example.com', subject: 'Sale!' }, gate({ run: 'ticket-4712' }));
  await vote(rejected.id, 'carol', 'reject', 'no bulk mail');
  seen.ended = rejected.id;
  seen.edited = (await ask('deploy', { service: 'search', version: '2.0.0' }, release)).id;
  const session = approvals.as({ tenant: 'acme', id: 'carol', groups: ['releases'] });
  const { digest } = await session.show(seen.edited);
  await session.edit({ id: seen.edited, digest, arguments: '{"service":"search","version":"2.0.1"}' });
  clock.now += minute;
  const note = 'Hotfix for p\u0430ypal callback\u202e';
  seen.request = (await ask('deploy', { service: 'checkout', version: '1.5.0', replicas: 3, note }, release)).id;
  clock.now += minute;
}

async function signedIn(options: BrowserContextOptions = {}, who = 'carol'): Promise<Page> {
  if (browser === undefined) throw new Error('no browser');
  const page = await (await browser.newContext(options)).newPage();
  page.setDefaultTimeout(10_000);
  await page.goto(office.url);
  await page.locator('#code').fill(`${who}-token`);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Inbox' }).waitFor();
  return page;
}

function pages(): Readonly<Record<string, string>> {
  return {
    inbox: '',
    history: 'history',
    request: `approvals/${seen.request}`,
    quorum: `approvals/${seen.quorum}`,
    edited: `approvals/${seen.edited}`,
    ended: `approvals/${seen.ended}`,
    run: `runs/release-2026-11-23?request=${seen.request}`,
    load: 'load',
    policy: 'policy',
    'not-found': 'nothing',
  };
}

const looks: Readonly<Record<string, BrowserContextOptions>> = {
  light: { viewport: { width: 1280, height: 900 } },
  dark: { viewport: { width: 1280, height: 900 }, colorScheme: 'dark' },
  phone: { viewport: { width: 390, height: 844 } },
  narrow: { viewport: { width: 320, height: 640 } },
  contrast: { viewport: { width: 1280, height: 900 }, forcedColors: 'active', reducedMotion: 'reduce' },
};

/** The pictures that the documentation shows. */
const documented = new Set([
  ...['inbox-light', 'inbox-dark', 'inbox-phone', 'request-light', 'request-dark', 'request-phone'],
  ...['run-light', 'load-light', 'load-dark', 'policy-light'],
]);

for (const [look, options] of Object.entries(looks)) {
  verifies(
    'OPS-3',
    `no page has a serious accessibility problem or scrolls sideways: ${look}`,
    async () => {
      const page = await signedIn(options);
      const found: string[] = [];
      for (const [name, path] of Object.entries(pages())) {
        await page.goto(office.url + path);
        await page.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))");
        found.push(...(await seriousProblems(page)).map((problem) => `${name}: ${problem}`));
        if ((await overflowOf(page)) > 0) found.push(`${name} is ${await overflowOf(page)} pixels too wide`);
        if (!documented.has(`${name}-${look}`)) continue;
        await page.goto(office.url + path);
        await page.screenshot({ path: `${pictures.path}${name}-${look}.png`, fullPage: name !== 'run' });
      }
      await page.context().clearCookies();
      await page.goto(office.url);
      found.push(...(await seriousProblems(page)).map((problem) => `sign-in: ${problem}`));
      expect(found).toEqual([]);
    },
    { using, timeout: 120_000 },
  );
}

verifies(
  'OPS-3',
  'on a phone the newest of the load is in view, and where a value came from stays in one piece',
  async () => {
    const page = await signedIn(looks['phone']);
    await page.goto(`${office.url}load`);
    const newest = await page.locator('.bars rect').last().boundingBox();
    expect(newest?.x).toBeGreaterThan(0);
    expect((newest?.x ?? 0) + (newest?.width ?? 0)).toBeLessThanOrEqual(390);
    await page.goto(`${office.url}approvals/${seen.request}`);
    const pieces = await page.evaluate(
      "[...document.querySelectorAll('.origin')].map((each) => each.getClientRects().length)",
    );
    expect(pieces).toEqual([1, 1, 1, 1]);
  },
  { using },
);

verifies(
  'OPS-3',
  'the check for accessibility finds what is wrong',
  async () => {
    const page = await signedIn();
    await page.evaluate(`document.querySelector('main').innerHTML = '<img src="icon.svg"><input><p class="faint">hardly seen</p>';
      const sheet = new CSSStyleSheet(); sheet.replaceSync('.faint { color: #ddd; background: #fff }');
      document.adoptedStyleSheets = [sheet];`);
    const found = (await seriousProblems(page)).map((problem) => problem.split(':')[0]);
    expect(new Set(found)).toEqual(new Set(['color-contrast', 'image-alt', 'label']));
    await page.evaluate(
      "document.querySelector('main').innerHTML = '<div class=broad></div>'; document.adoptedStyleSheets[0].replaceSync('.broad { width: 3000px; height: 1px }')",
    );
    expect(await overflowOf(page)).toBeGreaterThan(0);
  },
  { using },
);

/** What has the focus: its text or name, and whether one can see that it has it. */
async function focused(page: Page): Promise<{ readonly name: string; readonly seen: boolean }> {
  return (await page.evaluate(`(() => {
    const element = document.activeElement;
    const { outlineStyle, outlineWidth } = getComputedStyle(element);
    const name = element.getAttribute('aria-label') ?? element.labels?.[0]?.textContent ?? element.textContent;
    return { name: name.trim().replaceAll(/\\s+/g, ' '), seen: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2 };
  })()`)) as { name: string; seen: boolean };
}

verifies(
  ['OPS-3', 'APR-6'],
  'one signs in, finds a request, reads it and decides by keyboard alone, and sees where one is',
  async () => {
    const { id } = await office.ask('deploy', { service: 'keyboard', version: '1.0.0' });
    const page = await signedIn({ viewport: { width: 1280, height: 900 } });
    await page.keyboard.press('Tab');
    expect(await focused(page)).toEqual({ name: 'Skip to content', seen: true });
    const box = await page.locator('.skip').boundingBox();
    expect(box?.x).toBeGreaterThanOrEqual(0);
    const order: string[] = [];
    for (let presses = 0; presses < 6; presses += 1) {
      await page.keyboard.press('Tab');
      const { name, seen: visible } = await focused(page);
      order.push(name);
      expect([name, visible]).toEqual([name, true]);
    }
    expect(order).toEqual(['Countersign', 'Inbox', 'History', 'Load', 'Policy', 'Sign out']);
    await page.locator('.skip').focus();
    await page.keyboard.press('Enter');
    const link = `a[href="/approvals/${id}"]`;
    const isThere = async (): Promise<boolean> =>
      (await page.evaluate(`document.activeElement.matches('${link}')`)) as boolean;
    for (let presses = 0; presses < 30 && !(await isThere()); presses += 1) await page.keyboard.press('Tab');
    expect([await isThere(), (await focused(page)).seen]).toEqual([true, true]);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'What would run' }).waitFor();
    await page.locator('.skip').focus();
    await page.keyboard.press('Enter');
    const walked: string[] = [];
    while (walked.at(-1) !== 'Approve' && walked.length < 20) {
      await page.keyboard.press('Tab');
      const { name, seen: visible } = await focused(page);
      walked.push(name);
      expect([name, visible]).toEqual([name, true]);
      if (name.startsWith('Reason')) await page.keyboard.type('by keyboard');
    }
    expect(walked).toEqual([
      '← Inbox',
      'Arguments, and where each value came from',
      'the last approved call',
      'Difference',
      'Reason (optional, kept in the ledger)',
      'Approve',
    ]);
    await page.keyboard.press('Enter');
    await page.getByText('Approved by carol').first().waitFor();
    expect(await page.locator('main').textContent()).not.toContain('waits for the decision');
    const carol = { tenant: 'acme', id: 'carol', groups: ['releases'] };
    expect((await office.approvals.as(carol).show(id)).votes).toMatchObject([
      { approver: 'carol', reason: 'by keyboard' },
    ]);
  },
  { using },
);

verifies(
  'OPS-3',
  'a page that refreshes itself takes neither the focus away nor what one has opened',
  async () => {
    const gate = office.gate({ run: 'watched' });
    const asked = [await office.ask('send_email', { n: 1 }, gate), await office.ask('send_email', { n: 2 }, gate)];
    const inbox = await signedIn();
    const run = await signedIn();
    await run.goto(`${office.url}runs/watched?request=${asked[0]?.id}`);
    const opened = run.locator('details').last();
    await opened.locator('summary').focus();
    await run.keyboard.press('Enter');
    const { length } = await run.locator('.timeline > li').all();
    const link = `a[href="/approvals/${asked[1]?.id}"]`;
    await inbox.locator(link).focus();
    await office.vote(asked[0]?.id ?? '', 'carol', 'reject');
    await inbox.locator(`a[href="/approvals/${asked[0]?.id}"]`).waitFor({ state: 'detached' });
    expect(await inbox.evaluate(`document.activeElement.matches('${link}')`)).toBe(true);
    await run.locator(`.timeline > li:nth-child(${length + 1})`).waitFor();
    expect(await run.locator('details[open]').count()).toBe(1);
    expect(await run.evaluate("document.activeElement.matches('details[open] > summary')")).toBe(true);
  },
  { using },
);

verifies(
  'OPS-3',
  'nothing moves for whoever wants no motion',
  async () => {
    const durationOf = async (page: Page): Promise<unknown> =>
      page.evaluate("getComputedStyle(document.querySelector('nav a')).transitionDuration");
    expect(await durationOf(await signedIn({ reducedMotion: 'reduce' }))).toBe('0s');
    expect(await durationOf(await signedIn({ reducedMotion: 'no-preference' }))).not.toBe('0s');
  },
  { using },
);
