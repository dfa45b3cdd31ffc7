/**
 * Asks a person in a terminal. What comes from a model is shown with control characters made visible, so that
 * arguments cannot redraw the question.
 * @module
 */
import { createInterface, type Interface } from 'node:readline';
import { ApprovalConflict } from '../errors.ts';
import type { ApprovalRule } from './approval-rule.ts';
import type { ApprovalView, ShownOrigin } from './approve.ts';
import type { ApprovalsService } from './approvals-service.ts';
import { visible } from './visible.ts';

export interface TerminalOptions {
  readonly service: Pick<ApprovalsService, 'list' | 'decide'>;
  /** The approver's own credential. */
  readonly credential: string;
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
}

/**
 * Shows each pending approval and asks, also those that come in meanwhile, and ends when none is left. Only a typed
 * `approve` approves; silence, end of input or anything else does not.
 */
export async function askInTerminal({
  service,
  credential,
  input,
  output,
}: TerminalOptions): Promise<readonly ApprovalView[]> {
  const lines = createInterface({ input, output });
  const ask = createAsker(lines, output);
  const decided: ApprovalView[] = [];
  try {
    for await (const approval of waiting(service, credential)) {
      output.write(describeApproval(approval));
      const answer = await ask('Type "approve" or "reject" (anything else decides nothing): ');
      if (answer === undefined) break;
      const verdict = answer.trim();
      if (verdict !== 'approve' && verdict !== 'reject') continue;
      const reason = verdict === 'reject' ? ((await ask('Reason: ')) ?? '') : '';
      const { id, digest } = approval;
      try {
        decided.push(await service.decide(credential, { id, verdict, digest, ...(reason === '' ? {} : { reason }) }));
      } catch (error) {
        // Somebody else was faster; that decision stands, and the others are still to be made.
        if (!(error instanceof ApprovalConflict)) throw error;
        output.write(`  ${visible(error.message)}\n`);
      }
    }
  } finally {
    lines.close();
  }
  return decided;
}

/** Each once, as it is when its turn comes. */
async function* waiting(service: TerminalOptions['service'], credential: string): AsyncGenerator<ApprovalView> {
  const seen = new Set<string>();
  for (;;) {
    const pending = await service.list(credential, { state: 'pending' });
    const next = pending.find(({ id, state }) => state === 'pending' && !seen.has(id));
    if (next === undefined) return;
    seen.add(next.id);
    yield next;
  }
}

/** Only a line that comes after its question answers it: what was typed ahead was typed about something else. */
function createAsker(
  lines: Interface,
  output: NodeJS.WritableStream,
): (question: string) => Promise<string | undefined> {
  let closed = false;
  let answer: ((line: string | undefined) => void) | undefined;
  lines.on('line', (line) => answer?.(line));
  lines.once('close', () => {
    closed = true;
    answer?.(undefined);
  });
  return async (question) => {
    if (closed) return undefined;
    const line = new Promise<string | undefined>((resolve) => {
      answer = (typed) => {
        answer = undefined;
        resolve(typed);
      };
    });
    output.write(question);
    return line;
  };
}

/** The request as text: everything that the digest covers, nothing that the terminal would interpret. */
export function describeApproval(approval: ApprovalView): string {
  const chain = [...approval.delegation, approval.agent].join(' → ');
  const rows: readonly (readonly [string, string])[] = [
    ['approval', approval.id],
    ['tool', `${approval.tool} (${approval.source})`],
    ['capability', `${approval.capability}, risk ${approval.risk}`],
    ['for user', approval.requester],
    ['agent', chain],
    ['run', approval.run],
    ['arguments', approval.arguments],
    ...(approval.originalArguments === undefined ? [] : [['model sent', approval.originalArguments] as const]),
    ...originRows(approval),
    ['decided by', describeRule(approval.rule)],
    ['expires', new Date(approval.expiresAt).toISOString()],
    ['digest', approval.digest],
  ];
  return `\n${rows.map(([name, value]) => `  ${name.padEnd(10)} ${visible(value)}`).join('\n')}\n`;
}

const originNames: Readonly<Record<ShownOrigin['origin'], string>> = {
  user: "the user's words",
  system: 'your instructions',
  tool: 'a result of',
  approver: 'an approver',
  model: 'the model',
};

/** Values of equal origin share a line, the least known first. What is not known is said to be that. */
function originRows({ provenance = [] }: ApprovalView): readonly (readonly [string, string])[] {
  if (provenance.length === 0) return [['came from', 'not known']];
  const lines = Map.groupBy(provenance, ({ origin, tool = '', trusted }) => {
    const source = origin === 'tool' ? `${originNames.tool} ${tool}` : originNames[origin];
    return `${trusted ? '' : 'NOT TRUSTED '}${source}`;
  });
  return [...lines]
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([source, values]) => [
      'came from',
      // In quotes, so that a member of the arguments cannot be named like a list of others.
      `${source}: ${values.map(({ pointer }) => JSON.stringify(pointer)).join(', ')}`,
    ]);
}

/** Who decides, in one line. */
export function describeRule({ quorum, groups, escalation, reasonRequired }: ApprovalRule): string {
  const who = groups.length === 0 ? 'any approver' : `one of ${groups.join(', ')}`;
  const later = escalation.map((step) => `; after ${step.afterMs / 60_000} min also ${step.groups.join(', ')}`);
  const reason = reasonRequired ? '; with a reason' : '';
  return `${quorum === 1 ? who : `${quorum} people, each ${who}`}${later.join('')}${reason}`;
}
