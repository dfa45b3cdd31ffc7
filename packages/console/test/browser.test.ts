import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, expect } from 'vitest';
import { verifies } from '../../../test/verifies.ts';
import { launch, overflowOf, using } from './support/browser.ts';
import { createWorld, type World } from './support/world.ts';

let browser: Browser | undefined;
let world: World;
beforeAll(async () => {
  browser = await launch();
  world = await createWorld();
});
afterAll(async () => {
  await browser?.close();
  await world.close();
});

async function signedIn(token: string, options: BrowserContextOptions = {}): Promise<Page> {
  if (browser === undefined) throw new Error('no browser');
  const page = await (await browser.newContext(options)).newPage();
  page.setDefaultTimeout(10_000);
  await page.goto(world.url);
  await page.getByLabel('Approver token').fill(token);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Inbox' }).waitFor();
  return page;
}

const stateOf = async (id: string): Promise<string> => (await world.approvals.show('carol-token', id)).state;

verifies(
  ['OPS-3', 'APR-7'],
  'a person edits, approves, and rejects with a reason, without JavaScript',
  async () => {
    const [edited, rejected] = [await world.request(), await world.request({ service: 'search', version: '2.0.0' })];
    const page = await signedIn('carol-token', { javaScriptEnabled: false });
    await page.goto(`${world.url}approvals/${edited}`);
    await page.getByText('Change the arguments').click();
    await page.getByLabel('Arguments (JSON)').fill('{ "version": ');
    await page.getByRole('button', { name: 'Save the change' }).click();
    await page.getByRole('alert').waitFor();
    await page.getByLabel('Arguments (JSON)').fill('{ "service": "checkout", "version": "1.4.3" }');
    await page.getByRole('button', { name: 'Save the change' }).click();
    await page.getByText('An approver changed what the model had sent').waitFor();
    expect(await stateOf(edited)).toBe('pending');
    await page.getByRole('button', { name: 'Approve' }).click();
    await page.getByText('Approved by carol').first().waitFor();
    await page.goto(`${world.url}approvals/${rejected}`);
    await page.getByLabel('Reason').fill('not today');
    await page.getByRole('button', { name: 'Reject' }).click();
    await page.getByText('not today').waitFor();
    expect([await stateOf(edited), await stateOf(rejected)]).toEqual(['approved', 'rejected']);
  },
  { using },
);

verifies(
  ['OPS-3', 'APR-3'],
  'of two people who race one wins; the other is told, and an open inbox follows by itself',
  async () => {
    const id = await world.request();
    const [carol, dave] = [await signedIn('carol-token'), await signedIn('dave-token')];
    const watching = await signedIn('dave-token');
    await Promise.all([carol, dave].map((page) => page.goto(`${world.url}approvals/${id}`)));
    await carol.getByRole('button', { name: 'Approve' }).focus();
    await carol.keyboard.press('Enter');
    await carol.getByText('Approved by carol').first().waitFor();
    await dave.getByRole('button', { name: 'Reject' }).click();
    await dave.getByRole('alert').waitFor();
    expect(await dave.getByRole('main').innerText()).toContain('Approved by carol');
    expect(await stateOf(id)).toBe('approved');
    await watching.locator('#waiting', { hasText: 'Nothing waits for you.' }).waitFor();
  },
  { using },
);

verifies(
  ['OPS-3', 'APR-9'],
  'hostile arguments run nothing; the pages fit a phone, in the light and in the dark',
  async () => {
    const note = '<img src=x onerror=alert(1)><script>alert(1)</script> safe\u202egnp.exe \u0440aypal';
    const id = await world.request({ service: 'checkout', version: '1.5.0', note });
    const looks = {
      light: {},
      dark: { colorScheme: 'dark' },
      phone: { viewport: { width: 390, height: 844 } },
    } as const;
    for (const options of Object.values(looks)) {
      const page = await signedIn('carol-token', options);
      const dialogs: string[] = [];
      page.on('dialog', (dialog) => {
        dialogs.push(dialog.message());
        void dialog.dismiss();
      });
      await page.goto(`${world.url}approvals/${id}`);
      expect([dialogs, await page.locator('main img, main script').count()]).toEqual([[], 0]);
      expect(await overflowOf(page)).toBeLessThanOrEqual(0);
    }
  },
  { using },
);

verifies(
  ['OPS-3', 'REL-3'],
  'an open request says that it has changed, and fetches neither itself nor anything at the change of another',
  async () => {
    const [id, other] = [await world.request(), await world.request({ service: 'other', version: '3.0.0' })];
    const page = await signedIn('carol-token');
    const fetched: string[] = [];
    await page.goto(`${world.url}approvals/${id}`);
    // What the page itself needs, its icon and its events, may still be on its way.
    page.on('request', (request) => {
      if (['fetch', 'xhr', 'document'].includes(request.resourceType())) fetched.push(request.url());
    });
    const decide = async (each: string) => {
      const { digest } = await world.approvals.show('dave-token', each);
      await world.approvals.decide('dave-token', { id: each, verdict: 'reject', digest });
    };
    const watching = await signedIn('dave-token');
    await decide(other);
    await watching.locator(`a[href="/approvals/${other}"]`).waitFor({ state: 'detached' });
    expect(await page.locator('#live').textContent()).toBe('');
    await page.getByLabel('Reason').fill('half typed');
    await decide(id);
    await page.locator('#live', { hasText: 'This page has changed since you opened it.' }).waitFor();
    expect(await page.getByLabel('Reason').inputValue()).toBe('half typed');
    expect(fetched).toEqual([]);
    await page.getByRole('link', { name: 'Show it again (what you typed is lost)' }).click();
    await page.getByText('Rejected by dave').first().waitFor();
  },
  { using },
);
