/** The measured table as Markdown: the same text for the same results, on every machine. */
import { bypassPaths } from '../test/adapters/bypass-paths.ts';
import { cases } from '../test/adapters/cases.ts';
import { columns, frameworks, type Column, type Framework } from '../test/adapters/harness.ts';

export type Cell = (name: string, framework: Framework, column: Column) => string;

const titles: Readonly<Record<Framework, string>> = {
  'ai-sdk': 'Vercel AI SDK',
  'openai-agents': 'OpenAI Agents SDK',
  langchain: 'LangChain',
};

const packages: Readonly<Record<Framework, readonly string[]>> = {
  'ai-sdk': ['ai'],
  'openai-agents': ['@openai/agents'],
  langchain: ['langchain', '@langchain/core', '@langchain/langgraph'],
};

const introduction = `# Conformance

Written by \`npm run conformance\`. Do not edit: a test measures every cell again and compares.

Every case runs through the framework's real loop and its real HTTP provider against a scripted model server
(\`test/adapters\`), twice: with the framework's own approval, set up as its documentation says, and with Countersign. Both
columns are measured. \`held\` means that the promise of the case was kept; what follows is what happened. In the guarded
runs votes come from an approvals service; natively whoever resumes a run says what was decided.

- **Vercel AI SDK**: \`toolApproval\` with signed approvals. A run that waits is stored as its messages.
- **OpenAI Agents SDK**: \`needsApproval\`, tool guardrails for refusals, a \`Runner\` with \`toolNotFoundBehavior:
  'return_error_to_model'\`. A run that waits is stored as its \`RunState\`.
- **LangChain**: \`humanInTheLoopMiddleware\`, a middleware for refusals. A run that waits is a thread in a checkpointer, and
  a stored state is one of its checkpoints.

\`>1×\` stands for a race that the tool lost. Secrets come from a lease behind the gate, and natively from where tools usually
have them.

Below each table stand the ways to a tool's body that go past a simple wrapper. \`gated\`: the call goes through the gate.
\`refused\`: at start-up, or never offered to the model. \`stopped\`: by a backstop (\`detectUnguarded\`, the callback handler),
which can be switched off. \`open\`: nobody can stand there.
`;

export function renderTable(cell: Cell, versionOf: (name: string) => string): string {
  const sections = frameworks.map((framework) => {
    const versions = packages[framework].map((name) => `\`${name}\` ${versionOf(name)}`).join(', ');
    const rows = cases.map(({ id, title }) => [
      `${title} (\`${id}\`)`,
      ...columns.map((column) => cell(id, framework, column)),
    ]);
    const cased = markdownTable(['case', 'native approval', 'with Countersign'], rows);
    return `## ${titles[framework]}\n\n${versions}\n\n${cased}\n\n### Ways past a wrapper\n\n${pathTable(framework)}`;
  });
  return `${[introduction.trimEnd(), ...sections].join('\n\n')}\n`;
}

function pathTable(framework: Framework): string {
  const rows = bypassPaths
    .filter((entry) => entry.framework === framework)
    .map(({ path, outcome, note, case: shownBy, test }) => [
      path,
      note === undefined ? outcome : `${outcome}: ${note}`,
      shownBy !== undefined ? `\`${shownBy}\`` : test === undefined ? '' : `\`packages/${framework}/test/${test[0]}\``,
    ]);
  return markdownTable(['way', 'with Countersign', 'shown by'], rows);
}

/** The cells of a table that was rendered before. */
export function readTable(text: string): ReadonlyMap<string, string> {
  const cells = new Map<string, string>();
  for (const framework of frameworks) {
    const section = text.split(`## ${titles[framework]}\n`)[1]?.split('\n## ')[0] ?? '';
    for (const [, id = '', ...row] of section.matchAll(/^\| .* \(`([a-z-]+)`\) *\| (.*?) *\| (.*?) *\|$/gm)) {
      for (const [index, column] of columns.entries()) cells.set(cellName(id, framework, column), row[index] ?? '');
    }
  }
  return cells;
}

export function cellName(name: string, framework: Framework, column: Column): string {
  return `${name} ${framework} ${column}`;
}

/** Aligned as the formatter would. */
function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((name, index) => Math.max(name.length, ...rows.map((row) => row[index]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((text, index) => text.padEnd(widths[index] ?? 0)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}
