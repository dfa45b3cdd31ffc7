import { expect } from 'vitest';
import { verifies } from '../../../test/verifies.ts';
import { oidcSignIn } from '../src/index.ts';
import { launch, using } from './support/browser.ts';
import { clientId, clientSecret, startProvider } from './support/openid-provider.ts';
import { createWorld } from './support/world.ts';

verifies(
  ['APR-6', 'OPS-3'],
  'a browser goes to a provider on another site and comes back signed in, in spite of strict cookies and a strict policy',
  async () => {
    // For the browser `localhost` is another site than the console's 127.0.0.1.
    const provider = await startProvider('localhost');
    const { issuer } = provider;
    const approverFor = ({ sub }: { readonly sub: string }) => ({ tenant: 'acme', id: sub });
    const world = await createWorld(
      oidcSignIn({ issuer, clientId, clientSecret, approverFor, signOutAtProvider: true }),
    );
    provider.register(`${world.origin}/sign-in/oidc/callback`);
    const browser = await launch();
    try {
      const id = await world.request();
      const context = await browser?.newContext({
        javaScriptEnabled: false,
        extraHTTPHeaders: { 'x-account': 'carol' },
      });
      const page = await context?.newPage();
      if (page === undefined || context === undefined) throw new Error('no browser');
      page.setDefaultTimeout(10_000);
      await page.goto(`${world.url}approvals/${id}`);
      await page.getByRole('button', { name: /^Sign in at localhost/ }).click();
      await page.getByRole('button', { name: 'Approve' }).click();
      await page.getByText('Approved by carol').first().waitFor();
      const cookies = await context.cookies(world.url);
      expect(cookies.map(({ name, httpOnly, sameSite }) => [name, httpOnly, sameSite])).toEqual([
        [`countersign-${new URL(world.url).port}`, true, 'Strict'],
      ]);
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.waitForURL(`${issuer}/**`);
      await page.goto(world.url);
      await page.getByRole('button', { name: /^Sign in at localhost/ }).waitFor();
    } finally {
      await browser?.close();
      await world.close();
      await provider.close();
    }
  },
  { using },
);
