/**
 * Sign-in, and the page that says why something did not work.
 * @module
 */
import { html, type Html } from './html.ts';
import { shown } from './layout.ts';
import type { SignIn } from './sign-in.ts';

export interface SignInPage {
  readonly base: string;
  readonly signIn: SignIn;
  /** Approval to open afterwards. */
  readonly next: string | undefined;
  readonly problem?: string;
}

export function signInPage({ base, signIn, next, problem }: SignInPage): Html {
  return html`<h1>Sign in</h1>
    ${problem !== undefined && html`<p class="problem" role="alert">${problem}</p>`}
    <form class="sign-in" method="post" action="${base}/sign-in">
      ${next !== undefined && html`<input type="hidden" name="next" value="${next}" />`}
      <label for="code">${signIn.label}</label>
      <input id="code" name="code" type="password" required autofocus autocomplete="off" aria-describedby="hint" />
      <p id="hint" class="note">${signIn.hint}</p>
      <p class="actions"><button>Sign in</button></p>
    </form>
    ${
      signIn.renew !== undefined &&
      html`<form method="post" action="${base}/sign-in/code">
        <button class="quiet">Print a new code</button>
      </form>`
    }`;
}

export function problemPage(base: string, title: string, why: string): Html {
  return html`<h1>${title}</h1>
    <p class="lead">${shown(why)}</p>
    <p><a class="button" href="${base}/">Go to the inbox</a></p>`;
}
