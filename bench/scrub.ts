/**
 * Large results with many secrets: one pass over the text, against one `split` and `join` for every form of every secret,
 * which is what a guard written by hand would do.
 */
import { randomBytes } from 'node:crypto';
import { createScrubber } from '../packages/core/src/lease/scrub.ts';
import { Secret } from '@countersign/core';
import { interval, measure, median, nanoseconds, one, printSection, ratio, type Line } from './measure.ts';

const megabyte = 1_048_576;

function words(length: number): string {
  const word = (): string => randomBytes(4 + Math.floor(Math.random() * 5)).toString('base64url');
  let text = '';
  while (text.length < length) text += `{"${word()}": "${word()} ${word()}", "n": ${Math.random()}},\n`;
  return text.slice(0, length);
}

/** The text with `every` secret in it, each once, in turn plain and in base64. */
function planted(text: string, secrets: readonly string[]): string {
  const step = Math.floor(text.length / secrets.length);
  return secrets
    .map((secret, index) => {
      const form = index % 2 === 0 ? secret : Buffer.from(`x${secret}`).toString('base64');
      return text.slice(index * step, (index + 1) * step - form.length) + form;
    })
    .join('');
}

function byHand(text: string, secrets: readonly string[]): string {
  let scrubbed = text;
  for (const secret of secrets) {
    const bytes = Buffer.from(secret);
    const base64 = [0, 1, 2].map((offset) =>
      Buffer.concat([Buffer.alloc(offset), bytes])
        .toString('base64')
        .slice(4, -4),
    );
    for (const form of [secret, bytes.toString('hex'), encodeURIComponent(secret), ...base64]) {
      scrubbed = scrubbed.split(form).join('[secret]');
    }
  }
  return scrubbed;
}

export async function benchScrub(quick: boolean): Promise<void> {
  const secrets = Array.from({ length: 50 }, () => randomBytes(30).toString('base64url'));
  const leasesOf = (values: readonly string[]) =>
    values.map((value) => ({ service: 'api', secret: new Secret(value) }));
  const clean = words(megabyte);
  const dirty = planted(clean, secrets);
  const [fifty, single] = [createScrubber(leasesOf(secrets)), createScrubber(leasesOf(secrets.slice(0, 1)))];
  const left = secrets.filter((secret) => fifty.text(dirty).includes(secret));
  if (left.length > 0) throw new Error(`${left.length} secrets are left`);
  const rows = Array.from({ length: 1_000 }, (_, index) => ({
    id: index,
    text: dirty.slice(index * 1_000, (index + 1) * 1_000),
  }));
  const times =
    (once: () => unknown) =>
    (operations: number): void => {
      for (let done = 0; done < operations; done += 1) once();
    };
  const measured = await measure(
    [
      { name: '1 MB, 50 secrets, each in it', run: times(() => fifty.text(dirty)) },
      { name: '1 MB, 50 secrets, none in it', run: times(() => fifty.text(clean)) },
      { name: '1 MB, 1 secret, none in it', run: times(() => single.text(clean)) },
      { name: '1 MB in 1,000 rows, 50 secrets', run: times(() => fifty.value(rows)) },
      { name: 'by hand, 50 secrets, six forms', run: times(() => byHand(dirty, secrets)) },
      { name: 'preparing 50 secrets', run: times(() => createScrubber(leasesOf(secrets)).text('x'.repeat(100))) },
    ],
    { rounds: quick ? 5 : 20, operations: 5 },
  );
  const lines: Line[] = [...measured.keys()].map((name) => ({
    what: name,
    measured: nanoseconds(median(one(measured, name).perOperation)),
  }));
  const growth = ratio(measured, '1 MB, 50 secrets, none in it', '1 MB, 1 secret, none in it');
  lines.push(
    { what: '50 secrets / 1 secret', measured: interval(growth) },
    {
      what: 'one pass / by hand',
      measured: interval(ratio(measured, '1 MB, 50 secrets, each in it', 'by hand, 50 secrets, six forms')),
    },
  );
  printSection('Scrubbing a large result', lines);
}
