// Follows what others do: the server says that something changed, and the page fetches itself again, or says so where
// somebody decides. Everything works without it.
const events = new EventSource(document.currentScript.dataset.events);
const live = document.getElementById('live');
const original = fieldsOf(document.getElementById('main'));
/** A form that was refused is answered at its own address, which shows nothing by itself. */
const here = location.href.replace(/\/(?:decision|arguments)$/, '');
let refreshing = false;
let again = false;
/** A page that changes all the time is fetched no more often. */
const restMs = 1_000;

events.addEventListener('changed', () => void (isDeciding() ? announce() : refresh()));
events.addEventListener('signed-out', () => {
  events.close();
  live.textContent = 'You are signed out.';
});

function fieldsOf(main) {
  return Array.from(main.querySelectorAll('textarea'), (field) => field.value).join('\0');
}

/** The events of such a page are about its request alone. */
function isDeciding() {
  return document.querySelector('main form') !== null;
}

/** Nothing that is being read or typed is taken away, and nothing is fetched that would not be shown. */
function announce() {
  live.textContent = 'This page has changed since you opened it. ';
  const link = document.createElement('a');
  link.href = here;
  link.textContent =
    fieldsOf(document.getElementById('main')) === original ? 'Show it again' : 'Show it again (what you typed is lost)';
  live.append(link);
}

async function refresh() {
  if (refreshing) return void (again = true);
  refreshing = true;
  try {
    const response = await fetch(here, { headers: { 'x-console-refresh': '1' }, redirect: 'error' });
    if (response.ok) show(new DOMParser().parseFromString(await response.text(), 'text/html'));
  } catch {
    live.textContent = 'This page could not be refreshed.';
  } finally {
    setTimeout(rested, restMs);
  }
}

function rested() {
  refreshing = false;
  if (!again) return;
  again = false;
  void refresh();
}

function show(fresh) {
  const main = document.getElementById('main');
  const next = fresh.getElementById('main');
  if (next === null || factsOf(next) === factsOf(main)) return;
  const focus = placeOf(document.activeElement);
  const open = Array.from(main.querySelectorAll('details[open][id]'), ({ id }) => id);
  main.replaceChildren(...next.childNodes);
  for (const id of open) document.getElementById(id)?.setAttribute('open', '');
  document.title = fresh.title;
  live.textContent = document.getElementById('waiting')?.textContent.trim() ?? 'This page was refreshed.';
  if (focus !== undefined) main.querySelector(focus)?.focus({ preventScroll: true });
}

/** How to find again in a fresh page what has the focus. */
function placeOf(element) {
  if (!element?.closest('main')) return undefined;
  const link = element.closest('a')?.getAttribute('href');
  if (link) return `a[href="${CSS.escape(link)}"]`;
  const details = element.closest('summary')?.parentElement?.id;
  if (details) return `#${CSS.escape(details)} > summary`;
  const label = element.getAttribute('aria-label');
  return label ? `[tabindex][aria-label="${CSS.escape(label)}"]` : undefined;
}

/** What a page says, without how long ago it was. */
function factsOf(main) {
  const copy = main.cloneNode(true);
  for (const node of copy.querySelectorAll('time, input')) node.remove();
  return copy.textContent.replaceAll(/\s+/g, ' ');
}
