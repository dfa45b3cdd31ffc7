/** What was seen, in a few words that are the same on every machine, and whether it is what the case promises. */
import type { Case } from './cases.ts';
import type { Column } from './harness.ts';
import type { Seen } from './measure.ts';

/** Why the promise does not hold. Empty: it holds. */
function broken({ expect }: Case, seen: Seen): string[] {
  const { executed, answered = [], ends = 'done', asks } = expect;
  const problems: string[] = [];
  for (const line of new Set([...Object.keys(executed), ...Object.keys(seen.executed)])) {
    const wanted = executed[line] ?? 0;
    const count = seen.executed[line] ?? 0;
    const fits = wanted === 'at most once' ? count <= 1 : count === wanted;
    if (!fits) problems.push(`${line} was executed ${count} times, expected ${wanted}`);
  }
  if (expect.onceInAll === true && total(seen) > 1) problems.push(`${total(seen)} executions, expected one at most`);
  if (expect.onlyWhatWasAsked === true) {
    for (const line of Object.keys(seen.executed))
      if (!seen.asked.includes(line)) problems.push(`${line} was executed, and nobody was asked about it`);
  }
  for (const id of answered) if (!seen.answered.includes(id)) problems.push(`the model got no answer to ${id}`);
  if (asks !== undefined && seen.asked.length !== asks) problems.push(`${seen.asked.length} prompts, expected ${asks}`);
  if (seen.error !== undefined && ends !== 'anyhow') problems.push(`the run failed: ${seen.error}`);
  if (seen.waits && ends === 'done') problems.push('the run still waits');
  if (seen.error === undefined && !seen.waits && ends !== 'anyhow' && !(seen.text ?? '').includes('done'))
    problems.push(`the run ended with ${JSON.stringify(seen.text)}`);
  problems.push(
    ...seen.leaks.map((place) => `the secret is in ${place}`),
    ...seen.offered.map((tool) => `${tool} was offered to the provider`),
  );
  return problems;
}

function words(theCase: Case, seen: Seen): string {
  const said = [executions(theCase, seen), ...remarks(theCase, seen)].join('; ');
  return broken(theCase, seen).length === 0 ? `held: ${said}` : said;
}

/** A cell of the table, and what of the promise the gate did not keep and should have. */
export function cellOf(theCase: Case, column: Column, seen: Seen): { text: string; problems: string[] } {
  return { text: words(theCase, seen), problems: column === 'native' ? [] : broken(theCase, seen) };
}

function executions({ expect }: Case, seen: Seen): string {
  const lines = [...new Set([...Object.keys(expect.executed), ...Object.keys(seen.executed)])];
  const ran = lines.filter((line) => (seen.executed[line] ?? 0) > 0);
  if (ran.length === 0) return 'not executed';
  const [only] = lines;
  if (lines.length === 1 && only !== undefined)
    return `executed ${times(expect.races === true, seen.executed[only] ?? 0)}`;
  return `executed ${lines.map((line) => `${nameOf(line, lines)} ${times(expect.races === true, seen.executed[line] ?? 0)}`).join(', ')}`;
}

function times(races: boolean, count: number): string {
  return races && count > 1 ? '>1×' : `${count}×`;
}

/** The amount only where the tool alone does not say which call it was. */
function nameOf(line: string, lines: readonly string[]): string {
  const [tool = '', amount] = line.split(' ');
  return lines.filter((other) => other.startsWith(`${tool} `)).length > 1 ? `${tool}(${amount})` : tool;
}

function remarks({ expect }: Case, seen: Seen): string[] {
  const { answered = [], ends = 'done', asks } = expect;
  const lost = answered.filter((id) => !seen.answered.includes(id));
  return [
    ...(seen.error === undefined
      ? []
      : [
          seen.error === 'hangs'
            ? 'run hangs'
            : ends === 'anyhow'
              ? `ends with ${seen.error}`
              : `run crashed: ${seen.error}`,
        ]),
    ...(seen.waits && ends === 'done' ? ['run still waits'] : []),
    ...(lost.length === 0 || seen.error !== undefined ? [] : [`no answer for ${lost.join(', ')}`]),
    ...(asks === undefined || seen.asked.length === asks
      ? []
      : [asks === 0 ? 'a person was asked' : `${seen.asked.length} of ${asks} prompts`]),
    ...(seen.leaks.length === 0 ? [] : [`secret in ${seen.leaks.join(', ')}`]),
    ...(seen.offered.length === 0 ? [] : ['offered to the provider']),
  ];
}

function total(seen: Seen): number {
  return Object.values(seen.executed).reduce((sum, count) => sum + count, 0);
}
