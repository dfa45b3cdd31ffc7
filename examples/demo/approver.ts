/**
 * Stands in for the person where there is no terminal (`--scripted`). It authenticates as the approver, with the
 * approver's own token, and uses the command that a person would use. It approves what it expects, and nothing else.
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ApprovalView } from '@countersign/core';
import { started } from './process.ts';

const { place, args, report } = started();
const [url = ''] = args;
const command = fileURLToPath(new URL('../../packages/cli/src/main.ts', import.meta.url));
const expected: ReadonlySet<string> = new Set(['tickets_comment', 'deploy_production']);

function countersign(...rest: string[]): unknown {
  const options = ['--url', url, '--token-file', place.approverToken, '--json'];
  return JSON.parse(execFileSync(process.execPath, [command, 'approvals', ...rest, ...options], { encoding: 'utf8' }));
}

const { approvals } = countersign('list') as { approvals: readonly ApprovalView[] };
for (const { id, tool, digest } of approvals) {
  if (!expected.has(tool)) throw new Error(`nobody told this approver about ${tool}`);
  countersign('approve', id, '--digest', digest, '--reason', 'looks right');
  report({ approved: tool });
}
process.disconnect();
