import type { Command } from 'commander';
import { describeRule, policyFile, type PolicyRule } from '@countersign/core';
import { requireFile } from '../files.ts';
import { printJson, printLine, printTable } from '../output.ts';

/** `countersign policy show <file>`: what holds for each tool, with every default filled in. */
export function showPolicyCommand(group: Command): void {
  group
    .command('show')
    .description('print risk and approvals of each tool, defaults included')
    .argument('<file>', 'YAML or JSON')
    .option('--json', 'print JSON')
    .action(show);
}

async function show(file: string, options: { readonly json?: true }): Promise<void> {
  requireFile('policy', file);
  const { name, digest, tenants, rules } = policyFile(file);
  if (options.json) return printJson({ name, digest, tenants, rules });
  await printLine(`policy ${name}, tenants ${tenants.join(', ')}`);
  await printLine(
    'low runs. medium is filed and runs later, once. high blocks until people agreed. Silence is a denial.',
  );
  await printTable(['tool', 'capability', 'risk', 'expires', 'decided by', 'provenance'], rules.map(rowOf));
}

function rowOf(policyRule: PolicyRule): readonly string[] {
  const { tool, source, capability, risk, conditional, approval } = policyRule;
  const rule = approval[risk === 'high' ? 'high' : 'medium'];
  const asks = risk !== 'low' || conditional;
  return [
    source === 'local' ? tool : `${tool} (${source})`,
    capability,
    conditional ? `${risk} or more` : risk,
    asks ? `${rule.ttlMs / 60_000} min` : '',
    asks ? describeRule(rule) : '',
    describeProvenance(policyRule),
  ];
}

/** Where its values have to come from, and whether others may come from it. */
function describeProvenance({ provenance, trusted }: PolicyRule): string {
  const rules = provenance.map(({ at, require, otherwise }) => `${at} ${require}, else ${otherwise}`);
  return [...rules, ...(trusted ? ['its results are trusted'] : [])].join('; ');
}
