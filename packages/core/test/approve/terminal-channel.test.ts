import { createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { describe, expect, onTestFinished, test } from 'vitest';
import { channelContract } from '@countersign/core/testing';
import { terminalChannel } from '@countersign/core';
import { approvalSetting } from '../../../../test/support/approval-setting.ts';
import { verifies } from '../../../../test/verifies.ts';

/** A stream that fails and comes back, as a log over the network does: there is no such thing on a machine without one. */
class Medium extends Writable {
  readonly chunks: string[] = [];
  state: 'well' | 'down' | 'hanging' = 'well';

  override write(chunk: unknown, ...rest: unknown[]): boolean {
    const callback = rest.at(-1) as (error?: Error | null) => void;
    if (this.state === 'well') this.chunks.push(String(chunk));
    if (this.state !== 'hanging') {
      queueMicrotask(() => callback(this.state === 'down' ? new Error('write EPIPE') : null));
    }
    return true;
  }
}

describe('the contract of a channel', () => {
  const cases = channelContract(async () => {
    const output = new Medium();
    return {
      channel: terminalChannel({ output, timeoutMs: 500 }),
      shown: async () =>
        output.chunks.map((text, index) => ({
          id: String(index),
          text: text.replaceAll('\\"', '"'),
          // Whatever a terminal would act on, and every line that does not begin as ours do.
          active: text
            .split('\n')
            .filter((line) => line !== '' && !/^ {2}[a-z][a-z ]{9} |^request /.test(line))
            .concat(text.replaceAll('\n', '').match(/\p{Cc}/gu) ?? []),
        })),
      become: async (state) => void (output.state = state),
      close: async () => void output.destroy(),
    };
  });
  for (const { name, run } of cases) verifies(['APR-3', 'APR-12'], name, run);
});

verifies(
  ['APR-3', 'APR-12'],
  'a log file gets one block for a request and one line for its end, redacted',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'countersign-terminal-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const output = createWriteStream(join(folder, 'approvals.log'));
    const { approvals, file } = approvalSetting();
    const { id, digest } = await file({ region: 'eu\u001b[2J\u202e', password: 'hunter2' });
    const notifier = approvals.notifier({ channels: [terminalChannel({ output })] });
    await notifier.tick();
    await approvals.as({ tenant: 'acme', id: 'carol' }).decide({ id, digest, verdict: 'approve' });
    await notifier.tick();
    await new Promise<void>((resolve) => output.end(() => resolve()));
    const log = readFileSync(join(folder, 'approvals.log'), 'utf8');
    expect(log).toMatch(
      new RegExp(`^\\n {2}request +${id}\\n[^]+\\n {2}digest +${digest}\\nrequest ${id}: approved by carol\\n$`),
    );
    for (const hidden of ['hunter2', '\u001b', '\u202e']) expect(log).not.toContain(hidden);
  },
);

test('a terminal that is gone fails the message and not the process', async () => {
  const closed = new PassThrough();
  closed.destroy();
  const broken = new Writable({ write: (_chunk, _encoding, done) => done(new Error('write EPIPE')) });
  for (const output of [closed, broken]) {
    const { approvals, file } = approvalSetting();
    await file();
    const failures: string[] = [];
    const onFailure = ({ error }: { error: unknown }) => void failures.push(String(error));
    const notifier = approvals.notifier({ channels: [terminalChannel({ output, timeoutMs: 500 })], onFailure });
    expect([await notifier.tick(), failures.length]).toEqual([0, 1]);
  }
});

verifies('APR-3', 'groups that may decide too are told of, however long the names of the first ones are', async () => {
  const { approvals, file } = approvalSetting();
  await file();
  const output = new Medium();
  const inner = terminalChannel({ output });
  const groups = Array.from({ length: 20 }, (_none, index) => `${'g'.repeat(80)}${index}`);
  const references: (string | undefined)[] = [];
  const channel = {
    ...inner,
    async opened(...[notice]: Parameters<typeof inner.opened>) {
      references.push(await inner.opened({ ...notice, groups }, undefined));
      references.push(await inner.opened({ ...notice, groups }, references[0]));
      references.push(await inner.opened({ ...notice, groups: [...groups, 'directors'] }, references[0]));
      return undefined;
    },
  };
  await approvals.notifier({ channels: [channel] }).tick();
  expect(output.chunks).toHaveLength(2);
  expect(output.chunks[1]).toContain('directors');
  expect(references.every((reference) => reference !== undefined && reference.length <= 1_000)).toBe(true);
});
