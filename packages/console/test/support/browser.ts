/**
 * A browser, and what a page is measured by in it.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import axe from 'axe-core';
import { chromium, type Browser, type Page } from 'playwright-core';
import { part } from '../../../../test/support/parts.ts';

const executablePath = '/usr/bin/chromium';
const there = existsSync(executablePath);

export const using: ReturnType<typeof part> = part(
  'Chromium',
  there,
  `there is no ${executablePath}: scripts/provision installs it`,
);

export async function launch(): Promise<Browser | undefined> {
  return there ? chromium.launch({ executablePath, args: ['--no-sandbox'] }) : undefined;
}

/** With `SCREENSHOTS=1` the pictures in the documentation are made anew; a run for its own sake leaves them alone. */
export function pictureFolder(): { readonly path: string; remove(): void } {
  if (process.env['SCREENSHOTS'] === '1') {
    return { path: fileURLToPath(new URL('../../../../docs/screenshots/', import.meta.url)), remove: () => undefined };
  }
  const path = `${mkdtempSync(join(tmpdir(), 'countersign-screenshots-'))}/`;
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

interface AxeResult {
  readonly violations: readonly {
    readonly id: string;
    readonly impact: string | null;
    readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
  }[];
}

/** What axe-core finds wrong on the page, of serious and critical impact, as text. */
export async function seriousProblems(page: Page): Promise<readonly string[]> {
  await page.evaluate(axe.source);
  const found = (await page.evaluate('axe.run()')) as AxeResult;
  return found.violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)} ${failureSummary}`),
    );
}

/** By how many pixels the page is wider than the window. */
export async function overflowOf(page: Page): Promise<number> {
  return (await page.evaluate('document.documentElement.scrollWidth - innerWidth')) as number;
}
