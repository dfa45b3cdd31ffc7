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
  seen.quorum = (await ask('refund', { amount: 480, currency: 'EUR', order: '2026-3391-XK', note: 'goodwill' }, support)).id;
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
  await page.locator('input[name=code]').fill(`${who}-token`);
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
const documented = new Set(
  ['inbox', 'request', 'run', 'load', 'policy'].flatMap((name) => [`${name}-light`, `${name}-dark`, `${name}-phone`]),
);

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
        if (!documented.has(`${name}-${look}`) && process.env['PICTURES'] === undefined) continue;
        await page.goto(office.url + path);
        await page.screenshot({ path: `${pictures.path}${name}-${look}.png`, fullPage: true });
      }
      await page.context().clearCookies();
      await page.goto(office.url);
      found.push(...(await seriousProblems(page)).map((problem) => `sign-in: ${problem}`));
      expect(found).toEqual([]);
    },
    { using },
  );
}
