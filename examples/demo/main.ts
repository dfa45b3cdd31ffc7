/**
 * The demo: `npm start` with a person in the terminal, `npm start -- --scripted` without one.
 *
 * A model server, a service, an approvals service, an agent that is restarted in the middle, a worker and an approver,
 * each a process of its own on this machine. It asserts its own outcome: exit code 1 says what was wrong.
 */
import { existsSync, rmSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { problemsOf } from './check.ts';
import { createChildren } from './children.ts';
import { frameworkNames } from './frameworks/framework.ts';
import { createPlace } from './place.ts';
import { printReport, summarize } from './report.ts';
import { tellStory } from './story.ts';

const usage = `Usage: npm start                  a person answers the approvals in this terminal
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
  if (!options.scripted && !(process.stdin.isTTY && process.stderr.isTTY)) {
    process.stderr.write(`There is no terminal here to ask a person, and nothing is approved without one.\n${usage}`);
    return 2;
  }
  return run(options);
}

interface Options {
  readonly scripted: boolean;
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
        keep: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false, short: 'h' },
        framework: { type: 'string', default: 'ai-sdk' },
      },
    });
    if (frameworkNames.includes(values.framework)) return values;
    return `There is no framework "${values.framework}".`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function run({ scripted, framework, keep }: Options): Promise<number> {
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
    const story = await tellStory({ place, children, scripted, framework });
    const summary = await summarize(place, story);
    printReport(summary);
    const problems = problemsOf(summary);
    for (const problem of problems) process.stderr.write(`WRONG: ${problem}\n`);
    if (problems.length === 0) process.stdout.write('\nEverything happened as it must.\n');
    if (keep) {
      const verify = `npm run countersign -- audit verify --store ${place.store}`;
      process.stdout.write(`\nKept: ${place.folder}\nLook at it: ${verify}\n`);
    }
    return problems.length === 0 ? 0 : 1;
  } catch (error) {
    process.stderr.write(`The demo failed: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  } finally {
    await cleanUp();
  }
}
