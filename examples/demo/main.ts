/**
 * The demo: `npm start` with a person in the terminal or a browser, `npm start -- --scripted` without one.
 *
 * A model server, a service, an approvals service, an agent that is restarted in the middle, a worker and an approver,
 * each a process of its own on this machine. It asserts its own outcome: exit code 1 says what was wrong.
 */
import { existsSync, rmSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { problemsOf } from './check.ts';
import { createChildren } from './children.ts';
import { frameworkNames } from './frameworks/framework.ts';
import { approver, createPlace, policyPath, tenant, type Place } from './place.ts';
import { printReport, summarize } from './report.ts';
import { tellStory, type Deciding } from './story.ts';

const usage = `Usage: npm start                  a person answers the approvals, in this terminal or in a browser
       npm start -- --browser     in a browser only; needs no terminal
       npm start -- --scripted    a separate process answers them, with the approver's own token

  --framework <name>   ${frameworkNames.join(', ')} (default: ${frameworkNames[0]})
  --keep               keep the folder with store, keys and logs, to look at it with \`countersign audit\`

With OPENAI_API_KEY set the agent asks the real API, else a scripted model on this machine.
`;

const exitCode = await main();
// Whatever a library left open must not keep the demo from ending.
process.exit(exitCode);

async function main(): Promise<number> {
  const options = optionsFrom(process.argv.slice(2));
  if (typeof options === 'string') {
    process.stderr.write(`${options}\n${usage}`);
    return 2;
  }
  if (options.help) {
    process.stdout.write(usage);
    return 0;
  }
  if (options.decides === 'terminal' && !(process.stdin.isTTY && process.stderr.isTTY)) {
    process.stderr.write(`There is no terminal here to ask a person, and nothing is approved without one.\n${usage}`);
    return 2;
  }
  return run(options);
}

interface Options {
  readonly decides: Deciding;
  readonly keep: boolean;
  readonly help: boolean;
  readonly framework: string;
}

function optionsFrom(args: string[]): Options | string {
  try {
    const { values } = parseArgs({
      args,
      options: {
        scripted: { type: 'boolean', default: false },
        browser: { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false, short: 'h' },
        framework: { type: 'string', default: 'ai-sdk' },
      },
    });
    const { scripted, browser, framework, ...others } = values;
    if (!frameworkNames.includes(framework)) return `There is no framework "${framework}".`;
    if (scripted && browser) return 'Either a script decides or a person in a browser.';
    return { ...others, framework, decides: scripted ? 'script' : browser ? 'browser' : 'terminal' };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function run({ decides, framework, keep }: Options): Promise<number> {
  const place = createPlace();
  const children = createChildren(place.moduleCache);
  const cleanUp = async (): Promise<void> => {
    await children.endAll();
    if (!keep && existsSync(place.folder)) rmSync(place.folder, { recursive: true, force: true });
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => void cleanUp().finally(() => process.exit(signal === 'SIGINT' ? 130 : 143)));
  }
  try {
    const story = await tellStory({ place, children, decides, framework });
    const summary = await summarize(place, story);
    printReport(summary);
    const problems = problemsOf(summary);
    for (const problem of problems) process.stderr.write(`WRONG: ${problem}\n`);
    if (problems.length === 0) process.stdout.write('\nEverything happened as it must.\n');
    if (keep) {
      process.stdout.write(`\nKept: ${place.folder}\nLook at it:\n${commandsFor(place).join('\n')}\n`);
    }
    return problems.length === 0 ? 0 : 1;
  } catch (error) {
    process.stderr.write(`The demo failed: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  } finally {
    await cleanUp();
  }
}

function commandsFor({ store, auditKey, voteKey }: Place): readonly string[] {
  const keys = `--key-file ${auditKey} --vote-key ${voteKey} --policy ${policyPath}`;
  return [
    `npm run countersign -- audit verify --store ${store}`,
    `npm run countersign -- console --store ${store} ${keys} --tenant ${tenant} --as ${approver}`,
  ];
}
