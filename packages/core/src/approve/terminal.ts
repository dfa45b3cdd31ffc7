/**
 * Asks a person in a terminal. What comes from a model is shown with control characters made visible, so that
 * arguments cannot redraw the question.
 * @module
 */
import { createInterface, type Interface } from 'node:readline';
import { ApprovalConflict, ApproverError } from '../errors.ts';
import type { ApprovalRule } from './approval-rule.ts';
import type { ApprovalView, ShownOrigin } from './approve.ts';
import type { DecideInput } from './approver-session.ts';
import type { ApprovalsService } from './approvals-service.ts';
import { visible } from './visible.ts';

export interface TerminalOptions {
  readonly service: Pick<ApprovalsService, 'list' | 'show' | 'decide'>;
  /** The approver's own credential. */
  readonly credential: string;
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
}

/**
 * Shows each pending approval and asks, also those that come in meanwhile, and ends when none is left. Only a typed
 * `approve` approves; silence, end of input or anything else does not. What is decided elsewhere while it is asked about is
 * asked about no longer, and what is edited there is shown anew.
 */
export async function askInTerminal(options: TerminalOptions): Promise<readonly ApprovalView[]> {
  const { service, credential, input, output } = options;
  const lines = createInterface({ input, output });
  const ask = createAsker(lines, output);
  const decided: ApprovalView[] = [];
  try {
    for await (const approval of waiting(service, credential)) {
      const answer = await askAbout(options, ask, approval);
      if (answer === 'ended') break;
      if (answer === 'undecided') continue;
      try {
        const after = await service.decide(credential, answer);
        decided.push(after);
        output.write(`  ${after.state === 'pending' ? 'Your vote counts. Others have to agree.' : after.state}\n`);
      } catch (error) {
        // Somebody else was faster, or is in charge of this one; the others are still to be asked about.
        if (!(error instanceof ApprovalConflict || error instanceof ApproverError)) throw error;
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

async function askAbout(
  options: TerminalOptions,
  ask: Ask,
  approval: ApprovalView,
): Promise<DecideInput | 'undecided' | 'ended'> {
  const { service, credential, output } = options;
  output.write(describeApproval(approval));
  const { id, digest, rule } = approval;
  const watch = watchElsewhere(service, credential, approval);
  try {
    const verdict = (await ask('Type "approve" or "reject" (anything else decides nothing): ', watch.changed))?.trim();
    const asksReason = verdict === 'reject' || (verdict === 'approve' && rule.reasonRequired);
    const reason = asksReason ? await ask('Reason: ', watch.changed) : undefined;
    const now = watch.found();
    if (now?.state === 'pending') {
      output.write('\n  It was edited elsewhere. This is what would run now:\n');
      return await askAbout(options, ask, now);
    }
    if (now !== undefined) output.write(`\n  Decided elsewhere meanwhile: ${now.state}\n`);
    if (now !== undefined) return 'undecided';
    if (verdict === undefined) return 'ended';
    if (verdict !== 'approve' && verdict !== 'reject') return 'undecided';
    return { id, verdict, digest, ...(reason === undefined || reason === '' ? {} : { reason }) };
  } finally {
    watch.end();
  }
}

interface Elsewhere {
  /** Aborted when somebody else decided on the request or edited it. */
  readonly changed: AbortSignal;
  /** What it looks like since then. */
  found(): ApprovalView | undefined;
  end(): void;
}

const lookMs = 1_000;

function watchElsewhere(
  service: TerminalOptions['service'],
  credential: string,
  { id, digest }: ApprovalView,
): Elsewhere {
  const changed = new AbortController();
  let found: ApprovalView | undefined;
  let timer: NodeJS.Timeout | undefined;
  let ended = false;
  const look = async (): Promise<void> => {
    // A service that does not answer has decided nothing: the question stays.
    const now = await service.show(credential, id).catch(() => undefined);
    if (ended) return;
    if (now !== undefined && (now.state !== 'pending' || now.digest !== digest)) {
      found = now;
      changed.abort();
    } else timer = setTimeout(() => void look(), lookMs);
  };
  timer = setTimeout(() => void look(), lookMs);
  return {
    changed: changed.signal,
    found: () => found,
    end() {
      ended = true;
      clearTimeout(timer);
    },
  };
}

/** Answers the next line; `undefined` at the end of the input, or when there is nothing more to ask. */
type Ask = (question: string, over: AbortSignal) => Promise<string | undefined>;

/** Only a line that comes after its question answers it: what was typed ahead was typed about something else. */
function createAsker(lines: Interface, output: NodeJS.WritableStream): Ask {
  let closed = false;
  let answer: ((line: string | undefined) => void) | undefined;
  lines.on('line', (line) => answer?.(line));
  lines.once('close', () => {
    closed = true;
    answer?.(undefined);
  });
  return async (question, over) => {
    if (closed || over.aborted) return undefined;
    const line = new Promise<string | undefined>((resolve) => {
      answer = (typed) => {
        answer = undefined;
        resolve(typed);
      };
    });
    const give = (): void => answer?.(undefined);
    over.addEventListener('abort', give);
    output.write(question);
    return line.finally(() => over.removeEventListener('abort', give));
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

/** Values of equal origin share a line, those that are not trusted first. What is not known is said to be that. */
function originRows({ provenance = [] }: ApprovalView): readonly (readonly [string, string])[] {
  if (provenance.length === 0) return [['came from', 'not known']];
  const byTrust = provenance.toSorted((left, right) => Number(left.trusted) - Number(right.trusted));
  const lines = Map.groupBy(byTrust, ({ origin, tool = '', trusted }) => {
    const source = origin === 'tool' ? `${originNames.tool} ${tool}` : originNames[origin];
    return `${trusted ? '' : 'NOT TRUSTED '}${source}`;
  });
  return [...lines].map(([source, values]) => [
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
