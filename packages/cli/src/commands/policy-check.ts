import type { Command } from 'commander';
import { PolicyError, policyFile, visible, type PolicyIssue } from '@countersign/core';
import { CommandFailure } from '../exit-codes.ts';
import { requireFile } from '../files.ts';
import { printJson, printLine } from '../output.ts';

/** `countersign policy check <file>`: every issue with its line. */
export function checkCommand(group: Command): void {
  group
    .command('check')
    .description('say what is wrong with a policy file, with lines')
    .argument('<file>', 'YAML or JSON')
    .option('--json', 'print JSON')
    .action(check);
}

async function check(file: string, options: { readonly json?: true }): Promise<void> {
  requireFile('policy', file);
  try {
    const { name, digest, tenants } = policyFile(file);
    if (options.json) return await printJson({ ok: true, file, name, digest, tenants, issues: [] });
    await printLine(visible(`${file}: policy ${name} is sound`));
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    const { issues } = error;
    if (options.json) await printJson({ ok: false, file, issues });
    else for (const issue of issues) await printLine(visible(describeIssue(file, issue)));
    throw new CommandFailure('failed', `${issues.length} issue(s) in ${file}`, 'ERR_POLICY');
  }
}

function describeIssue(file: string, { path, message, line, column }: PolicyIssue): string {
  const place = line === undefined ? file : `${file}:${line}:${column ?? 1}`;
  return `${place}: ${path === '' ? '' : `${path}: `}${message}`;
}
