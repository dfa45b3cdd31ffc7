/**
 * Sign-in, and the page that says why something did not work.
 * @module
 */
import { html, type Html } from './html.ts';
import { shown } from './layout.ts';
import type { RedirectSignIn, TypedSignIn } from './sign-in.ts';
import type { Ways } from './ways.ts';

export interface SignInPage {
  readonly base: string;
  readonly ways: Ways;
  /** Approval to open afterwards. */
  readonly next: string | undefined;
  readonly problem?: string;
}

export function signInPage(page: SignInPage): Html {
  const { ways, problem } = page;
  return html`<h1>Sign in</h1>
    ${problem !== undefined && html`<p class="problem" role="alert">${problem}</p>`}
    ${ways.redirect.map((way) => redirectForm(page, way))}
    ${ways.typed.map((way, index) => typedForm(page, way, index))}`;
}

function redirectForm({ base, next }: SignInPage, { name, label }: RedirectSignIn): Html {
  return html`<form class="sign-in" method="post" action="${base}/sign-in/${name}/begin">
    ${nextField(next)}
    <p class="actions"><button>${label}</button></p>
  </form>`;
}

function typedForm({ base, next, ways }: SignInPage, way: TypedSignIn, index: number): Html {
  const [code, hint] = index === 0 ? ['code', 'hint'] : [`code-${index}`, `hint-${index}`];
  const first = index === 0 && ways.redirect.length === 0;
  const chosen = html`<input type="hidden" name="way" value="${index}" />`;
  return html`<form class="sign-in" method="post" action="${base}/sign-in">
      ${nextField(next)} ${chosen}
      <label for="${code}">${way.label}</label>
      <input
        id="${code}"
        name="code"
        type="password"
        required
        ${first ? html`autofocus` : ''}
        autocomplete="off"
        aria-describedby="${hint}"
      />
      <p id="${hint}" class="note">${way.hint}</p>
      <p class="actions"><button>Sign in</button></p>
    </form>
    ${
      way.renew !== undefined &&
      html`<form method="post" action="${base}/sign-in/code">
        ${chosen}
        <button class="quiet">Print a new code</button>
      </form>`
    }`;
}

function nextField(next: string | undefined): Html | undefined {
  return next === undefined ? undefined : html`<input type="hidden" name="next" value="${next}" />`;
}

export function onwardPage(title: string, location: string): Html {
  return html`<h1>${shown(title)}</h1>
    <p class="lead"><a class="button" href="${location}">Go on</a></p>`;
}

export function problemPage(base: string, title: string, why: string): Html {
  return html`<h1>${title}</h1>
    <p class="lead">${shown(why)}</p>
    <p><a class="button" href="${base}/">Go to the inbox</a></p>`;
}
