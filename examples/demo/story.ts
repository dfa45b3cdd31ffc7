/**
 * The story of the demo, step by step. It starts processes and prints what they say; it decides nothing.
 */
import type { ApprovalsReport } from './approvals.ts';
import type { Children, Finished } from './children.ts';
import { readJsonLines, type Place } from './place.ts';
import type { ServiceEntry } from './service.ts';

/** Who decides: a separate process, or a person, in a terminal (and a browser, whichever is first) or in a browser alone. */
export type Deciding = 'script' | 'terminal' | 'browser';

export interface StoryInput {
  readonly place: Place;
  readonly children: Children;
  readonly decides: Deciding;
  readonly framework: string;
}

/** What the checks at the end need to know. */
export interface Story {
  readonly run: string;
  readonly scriptedModel: boolean;
  readonly scriptedApprover: boolean;
  readonly suspended: boolean;
  /** Deployments that the service had seen before anybody decided, after the resumed run, and after the replay. */
  readonly deployments: { readonly claimed: number; readonly resumed: number; readonly replayed: number };
  /** Calls that the first and the second look of the worker ran. */
  readonly worker: readonly [number, number];
  /** Status of a request to the service without a token. */
  readonly withoutToken: number;
  /** Status of the console's first page. */
  readonly console: number;
}

export async function tellStory(input: StoryInput): Promise<Story> {
  const { place, children, decides, framework } = input;
  const realModel = (process.env['OPENAI_API_KEY'] ?? '') !== '';
  heading(
    `Countersign demo: ${framework}, ${realModel ? 'the real OpenAI API' : 'a scripted model'}, state in ${place.folder}`,
  );
  const desk = createDesk();
  const [service, approvals, model] = await Promise.all([
    children.serve('service', place.folder),
    children.serve('approvals', place.folder, desk.onReport),
    realModel ? undefined : children.serve('model', place.folder),
  ]);
  const serviceUrl = String(service.ready['url']);
  const agentArgs = (mode: string): readonly string[] => [
    mode,
    framework,
    serviceUrl,
    ...(model === undefined ? [] : [String(model.ready['url'])]),
  ];
  const agent = (mode: string): Promise<Finished> => runPart(input, 'agent', agentArgs(mode));
  const deployments = (): number => timesSeen(place, '/deployments/create');

  heading('1. The agent works until a call needs a person. Then its process ends');
  const first = lastReport(await agent('start'), 'agent');
  const resume = async (): Promise<number> => {
    if (first['suspended'] === true) lastReport(await agent('resume'), 'agent');
    say('service', `deployments seen so far: ${deployments()}`);
    return deployments();
  };

  heading('2. The chat claims that the call was approved. Nobody signed, so it proves nothing');
  const claimed = await resume();

  heading('3. A person decides, with a token of their own, at the approvals service (another process, same store)');
  const consoleStatus = await decide(input, approvals.ready, desk);

  heading('4. A new agent process goes on where the first one ended');
  const resumed = await resume();

  heading('5. The same approved state is sent once more: a replay');
  const replayed = await resume();

  heading('6. A worker runs what was approved meanwhile, once, however often it looks');
  const looks = [
    await runPart(input, 'worker', [framework, serviceUrl]),
    await runPart(input, 'worker', [framework, serviceUrl]),
  ];
  const [firstLook = 0, secondLook = 0] = looks.map((look) => Number(lastReport(look, 'worker')['ran']));
  say('worker', `ran ${firstLook} call at its first look, ${secondLook} at its second`);

  heading('7. Somebody asks the service for a deployment without a lease');
  const { status: withoutToken } = await fetch(`${serviceUrl}/deployments/create`, { method: 'POST', body: '{}' });
  say('service', `answers ${withoutToken}`);

  return {
    run: String(first['run']),
    scriptedModel: !realModel,
    scriptedApprover: decides === 'script',
    suspended: first['suspended'] === true,
    deployments: { claimed, resumed, replayed },
    worker: [firstLook, secondLook],
    withoutToken,
    console: consoleStatus,
  };
}

async function decide(
  input: StoryInput,
  { url = '', console: page = '' }: ApprovalsReport,
  desk: Desk,
): Promise<number> {
  const { children, place, decides } = input;
  const { ok, status } = await fetch(page);
  if (!ok) throw new Error(`the console answers ${status}`);
  say('console', `is at ${page}`);
  if (decides === 'script') {
    const { reports } = succeeded(await children.run('approver', place.folder, [url]), 'approver');
    for (const report of reports)
      say('approver', `approves ${String(report['approved'])} with \`countersign approvals approve\``);
    return status;
  }
  desk.showCodes();
  if (decides === 'browser') {
    say('console', 'decide there: the story goes on when nothing waits any more');
    await desk.nothingWaits();
    return status;
  }
  say('console', 'decide there, or here: whichever is first counts');
  const review = ['approvals', 'review', '--url', url, '--token-file', place.approverToken];
  // Whoever decides nothing ends it normally; a command that broke is no answer.
  succeeded(await children.command(review, 'terminal'), 'approvals review');
  return status;
}

/** What the approvals service reported, as the story needs it. */
interface Desk {
  readonly onReport: (report: ApprovalsReport) => void;
  /** Shows the code that signs in, and every later one. */
  showCodes(): void;
  /** Resolves once nothing waits for a person. */
  nothingWaits(): Promise<void>;
}

function createDesk(): Desk {
  let code: string | undefined;
  let waiting = 0;
  let shown = false;
  let done = (): void => undefined;
  const show = (): void => void (shown && code !== undefined && say('console', `sign in with the code ${code}`));
  return {
    onReport(report) {
      waiting = report.waiting ?? waiting;
      if (report.code !== undefined) {
        code = report.code;
        show();
      }
      if (waiting === 0) done();
    },
    showCodes() {
      shown = true;
      show();
    },
    nothingWaits() {
      return new Promise((resolve) => {
        done = resolve;
        if (waiting === 0) resolve();
      });
    },
  };
}

async function runPart({ children, place }: StoryInput, part: string, args: readonly string[]): Promise<Finished> {
  const finished = await children.run(part, place.folder, args, ({ line }) => {
    if (typeof line === 'string') say(part, line);
  });
  return succeeded(finished, part);
}

function succeeded(finished: Finished, part: string): Finished {
  if (finished.exitCode === 0) return finished;
  throw new Error(`${part} ended with exit code ${finished.exitCode}: ${finished.errors}`);
}

function lastReport({ reports, errors }: Finished, part: string): Readonly<Record<string, unknown>> {
  const report = reports.at(-1);
  if (report === undefined) throw new Error(`${part} reported nothing: ${errors}`);
  return report;
}

function timesSeen(place: Place, operation: string): number {
  return readJsonLines<ServiceEntry>(place.serviceLog).filter(
    (entry) => entry.operation === operation && entry.status === 200,
  ).length;
}

function heading(text: string): void {
  process.stdout.write(`\n${text}\n`);
}

function say(who: string, line: string): void {
  process.stdout.write(`   ${who.padEnd(9)} ${line}\n`);
}
