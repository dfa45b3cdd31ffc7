/**
 * The story of the demo, with the person in a browser: nothing but `npm start -- --browser` and what it prints.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished } from 'vitest';
import { part } from './support/parts.ts';
import { repositoryRoot } from './support/repository.ts';
import { verifies } from './verifies.ts';

const executablePath = '/usr/bin/chromium';
const there = existsSync(executablePath);
const using = part('Chromium', there, `there is no ${executablePath}: scripts/provision installs it`);

let browser: Browser | undefined;
beforeAll(async () => {
  if (there) browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
});
afterAll(() => browser?.close());

/** The demo as a person starts it, and what it prints. */
function startDemo() {
  const temporary = mkdtempSync(join(tmpdir(), 'countersign-story-'));
  const child = spawn(process.execPath, ['examples/demo/main.ts', '--browser'], {
    cwd: repositoryRoot,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], HOME: temporary, TMPDIR: temporary },
  });
  let printed = '';
  let errors = '';
  const waiting = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
    for (const look of waiting) look();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  onTestFinished(async () => {
    child.kill('SIGTERM');
    await ended;
    rmSync(temporary, { recursive: true, force: true });
  });
  return {
    ended,
    temporary,
    printed: () => printed,
    errors: () => errors,
    /** The first group of the pattern, once it was printed. */
    said: (pattern: RegExp): Promise<string> =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = pattern.exec(printed)?.[1];
          if (found === undefined) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
        void ended.then(() =>
          reject(new Error(`the demo ended before it said ${String(pattern)}: ${printed}${errors}`)),
        );
      }),
  };
}

/** A tab, and what its scripts complained of. */
async function openTab(context: Awaited<ReturnType<Browser['newContext']>>, problems: string[]): Promise<Page> {
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text());
  });
  return page;
}

const waitingFor = (page: Page, what: string): Promise<void> =>
  page.locator('#waiting', { hasText: `${what} for you.` }).waitFor();

verifies(
  ['OPS-4', 'OPS-3', 'APR-1', 'APR-3', 'APR-7', 'APR-8'],
  'a person works through the whole story in the browser: signs in, edits, approves, sees what became of it',
  async () => {
    const demo = startDemo();
    const url = await demo.said(/\bis at (http:\/\/\S+)/);
    const code = await demo.said(/sign in with the code (\S+)/);
    if (browser === undefined) throw new Error('no browser');
    const context = await browser.newContext();
    onTestFinished(() => context.close());
    const problems: string[] = [];
    const page = await openTab(context, problems);

    await page.goto(url);
    await page.getByLabel('One-time code').fill(code);
    await page.keyboard.press('Enter');
    await waitingFor(page, '2 requests wait');
    const watching = await openTab(context, problems);
    await watching.goto(url);
    await waitingFor(watching, '2 requests wait');

    // The comment: what it says is changed first, and only then approved.
    await page.getByRole('link', { name: 'tickets_comment' }).click();
    await page.getByText('Change the arguments').click();
    const field = page.getByLabel('Arguments (JSON)');
    const sent = JSON.parse(await field.inputValue()) as Record<string, unknown>;
    await field.fill(JSON.stringify({ ...sent, text: 'Checked by a person.' }));
    await page.getByRole('button', { name: 'Save the change' }).click();
    await page.getByText('An approver changed what the model had sent').waitFor();
    await page.getByLabel('Reason').fill('reads better');
    await page.getByRole('button', { name: 'Approve' }).click();
    await page.getByText('Approved by carol').first().waitFor();
    await waitingFor(watching, '1 request waits');

    // The deployment blocks its run until somebody has signed.
    await watching.getByRole('link', { name: 'deploy_production' }).click();
    await watching.getByRole('button', { name: 'Approve' }).click();
    await watching.getByText('Approved by carol').first().waitFor();
    // The story goes on by itself, in other processes; the console shows it.
    await page.getByRole('link', { name: 'History' }).click();
    await page.getByRole('link', { name: 'deploy_production' }).waitFor();
    await page.getByRole('link', { name: 'tickets_comment' }).waitFor();

    expect(await demo.ended).toBe(0);
    expect(demo.errors()).toBe('');
    expect(demo.printed()).toMatch(/tickets_comment +medium +review +approved by carol +completed +1 x/);
    expect(demo.printed()).toMatch(/deploy_production +high +review +approved by carol +completed +1 x/);
    expect(demo.printed()).toContain('Everything happened as it must.');
    expect(readdirSync(demo.temporary)).toEqual([]);
    // When the demo has ended, open pages find nobody to ask: that is all they may complain of.
    expect(problems.filter((problem) => !/ERR_|Failed to load resource|network/i.test(problem))).toEqual([]);
  },
  { using, timeout: 120_000 },
);

verifies(
  ['APR-2', 'APR-3'],
  'what is rejected in the browser does not run, and the run goes on',
  async () => {
    const demo = startDemo();
    const url = await demo.said(/\bis at (http:\/\/\S+)/);
    const code = await demo.said(/sign in with the code (\S+)/);
    if (browser === undefined) throw new Error('no browser');
    const context = await browser.newContext();
    onTestFinished(() => context.close());
    const page = await openTab(context, []);
    await page.goto(url);
    await page.getByLabel('One-time code').fill(code);
    await page.keyboard.press('Enter');
    await waitingFor(page, '2 requests wait');
    for (const tool of ['tickets_comment', 'deploy_production']) {
      await page.goto(url);
      await page.getByRole('link', { name: tool }).click();
      await page.getByLabel('Reason').fill('not on a Friday');
      await page.getByRole('button', { name: 'Reject' }).click();
      await page.getByText('Rejected by carol').first().waitFor();
    }
    expect(await demo.ended).toBe(0);
    expect(demo.printed()).toMatch(/tickets_comment +medium +review +rejected by carol +not run +0 x/);
    expect(demo.printed()).toMatch(/deploy_production +high +review +rejected by carol +not run +0 x/);
    expect(demo.printed()).toContain('Everything happened as it must.');
  },
  { using, timeout: 120_000 },
);
