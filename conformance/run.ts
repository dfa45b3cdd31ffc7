/**
 * `npm run conformance`: measures every case on every framework, with its own approval and with Countersign, prints the
 * table and writes it to docs/conformance.md. `-- --check` writes nothing, and fails when the file says something else.
 * Either way it fails when the gate does not keep a promise.
 */
import { writeFileSync } from 'node:fs';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { cases } from '../test/adapters/cases.ts';
import { columns, frameworks } from '../test/adapters/harness.ts';
import { openBench } from '../test/adapters/measure.ts';
import { whyNotApplicable } from '../test/adapters/not-applicable.ts';
import { cellOf } from '../test/adapters/words.ts';
import { documentPath, readDocument, versionOf } from './document.ts';
import { cellName, renderTable } from './table.ts';

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
const cells = new Map<string, string>();
const problems: string[] = [];
const bench = await openBench();
for (const framework of frameworks) {
  for (const theCase of cases) {
    process.stderr.write(`${framework} ${theCase.id}\n`);
    for (const column of columns) {
      const name = cellName(theCase.id, framework, column);
      const reason = whyNotApplicable(theCase.id, framework, column);
      if (reason !== undefined) {
        cells.set(name, `not applicable: ${reason}`);
        continue;
      }
      const cell = cellOf(theCase, column, await bench.measure(theCase, framework, column));
      cells.set(name, cell.text);
      problems.push(...cell.problems.map((problem) => `${framework} ${theCase.id}: ${problem}`));
    }
  }
}
bench.close();

const table = renderTable((...cell) => cells.get(cellName(...cell)) ?? '', versionOf);
process.stdout.write(table);
if (!values.check) writeFileSync(documentPath, table);
else if (table !== readDocument()) problems.push('docs/conformance.md is out of date; remedy: npm run conformance');
for (const problem of problems) process.stderr.write(`${problem}\n`);
// A run that hangs natively would keep the process.
process.exit(problems.length === 0 ? 0 : 1);
