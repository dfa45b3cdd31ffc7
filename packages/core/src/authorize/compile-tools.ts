/**
 * Compiles tools: their risk from catalogue, capability and own entry, their constraint and their credentials.
 * @module
 */
import type { Risk } from '../call.ts';
import { compileRedaction } from '../record/redaction-rules.ts';
import { catalogueEntry } from './catalogue.ts';
import type { Compilation } from './compilation.ts';
import { compileApprovals } from './compile-approval.ts';
import { compileCredential, requireOneBudget } from './compile-credentials.ts';
import { digestOf, riskRank, riskStatement } from './compiled-policy.ts';
import type { CompiledCondition, CompiledTool, RiskStatement } from './compiled-policy.ts';
import { pointer } from './plain-document.ts';
import { compileProvenance } from './provenance-rules.ts';
import type { CapabilityEntry, RiskCondition, ToolEntry } from './policy-document.ts';

export function compileTools(compilation: Compilation): Map<string, CompiledTool> {
  const { document } = compilation;
  const capabilities = new Map(Object.entries(document.capabilities ?? {}));
  const conditions = new Map<string, readonly CompiledCondition[]>();
  for (const [capability, entry] of capabilities) {
    const path = pointer('/capabilities', capability);
    refuseLower(compilation, `${path}/risk`, entry.risk, catalogueEntry(capability)?.risk, 'the catalogue says');
    conditions.set(capability, compileConditions(compilation, entry.when, path, `capability ${capability}`));
  }
  const tools = new Map<string, CompiledTool>();
  for (const [name, entry] of Object.entries(document.tools)) {
    const inherited = conditions.get(entry.capability) ?? [];
    tools.set(name, compileTool(compilation, name, entry, capabilities.get(entry.capability), inherited));
  }
  requireOneBudget(tools, compilation.issues);
  return tools;
}

export function compileTool(
  compilation: Compilation,
  name: string,
  entry: ToolEntry,
  capability: CapabilityEntry | undefined,
  inherited: readonly CompiledCondition[],
): CompiledTool {
  const { schemas, issues } = compilation;
  const path = pointer('/tools', name);
  const catalogue = catalogueEntry(entry.capability);
  refuseLower(compilation, `${path}/risk`, entry.risk, catalogue?.risk, 'the catalogue says');
  refuseLower(compilation, `${path}/risk`, entry.risk, capability?.risk, 'its entry in capabilities says');
  const base = baseRisk(name, [
    { says: `tool ${name}`, risk: entry.risk },
    { says: `capability ${entry.capability}`, risk: capability?.risk },
    { says: `the catalogue's entry of ${entry.capability}`, risk: catalogue?.risk },
  ]);
  const conditions = [
    ...compileConditions(compilation, catalogue?.when, path, `the catalogue's entry of ${entry.capability}`),
    ...inherited,
    ...compileConditions(compilation, entry.when, path, `tool ${name}`),
  ];
  const permits = entry.arguments && schemas.compile(entry.arguments, 'constraint', `${path}/arguments`, issues);
  return {
    name,
    source: entry.source ?? 'local',
    capability: entry.capability,
    permits,
    base,
    conditions: conditions.filter(({ raises }) => raises.rank > base.rank),
    provenance: compileProvenance(entry.provenance, name, path, issues),
    digest: digestOf('tool', [
      name,
      entry,
      capability ?? null,
      catalogue ?? null,
      compilation.document.approvals ?? null,
    ]),
    rule: compileRule(compilation, entry, capability, path),
  };
}

/** A statement that has no effect would mislead its author. */
function refuseLower(
  { issues }: Compilation,
  path: string,
  stated: Risk | undefined,
  least: Risk | undefined,
  who: string,
): void {
  if (stated === undefined || least === undefined || riskRank(stated) >= riskRank(least)) return;
  issues.push({ path, message: `${who} ${least}, and a risk can only be raised; got ${stated}` });
}

function baseRisk(name: string, statements: readonly { says: string; risk: Risk | undefined }[]): RiskStatement {
  let highest: RiskStatement | undefined;
  for (const { says, risk } of statements) {
    if (risk === undefined || (highest !== undefined && highest.rank >= riskRank(risk))) continue;
    highest = riskStatement(risk, `${says} states risk ${risk}`);
  }
  const unknown = `no risk is stated for tool ${name} or its capability, and the catalogue has none: unknown is high`;
  return highest ?? riskStatement('high', unknown);
}

/** `owner` names the rule in the reason. */
export function compileConditions(
  { schemas, issues }: Compilation,
  conditions: readonly RiskCondition[] | undefined,
  path: string,
  owner: string,
): readonly CompiledCondition[] {
  return (conditions ?? []).flatMap((condition, index) => {
    const matches = schemas.compile(condition.arguments, 'condition', `${path}/when/${index}/arguments`, issues);
    if (matches === undefined) return [];
    const shown = JSON.stringify(condition.arguments).slice(0, 300);
    const detail = `when[${index}] of ${owner} raises the risk to ${condition.risk}: the arguments match ${shown}`;
    return [{ raises: riskStatement(condition.risk, detail), matches }];
  });
}

function compileRule(
  compilation: Compilation,
  entry: ToolEntry,
  capability: CapabilityEntry | undefined,
  path: string,
): CompiledTool['rule'] {
  const { issues } = compilation;
  if (entry.credential !== undefined && entry.credentials !== undefined) {
    issues.push({ path: `${path}/credential`, message: 'state either "credential" or "credentials"' });
  }
  const entries = [
    ...(entry.credential === undefined ? [] : [{ credential: entry.credential, at: `${path}/credential` }]),
    ...(entry.credentials ?? []).map((credential, index) => ({ credential, at: `${path}/credentials/${index}` })),
  ];
  if (entry.orchestrates === true && entries.length > 0) {
    issues.push({
      path: `${path}/orchestrates`,
      message: 'a tool that orchestrates can be entered again and takes no credential',
    });
  }
  if (entry.orchestrates === true && entry.trusted === true) {
    issues.push({ path: `${path}/trusted`, message: 'what a tool that orchestrates answers is written by a model' });
  }
  const services = new Set<string>();
  for (const { credential, at } of entries) {
    if (services.has(credential.service)) {
      issues.push({
        path: `${at}/service`,
        message: `a tool takes one credential of a service, got two of ${credential.service}`,
      });
    }
    services.add(credential.service);
  }
  return Object.freeze({
    capability: entry.capability,
    idempotent: entry.idempotent ?? false,
    orchestrates: entry.orchestrates ?? false,
    retain: entry.retain ?? 'run',
    ...(entry.trusted === true ? { trusted: true } : {}),
    ...(entry.redact === undefined ? {} : { redact: compileRedaction(entry.redact, `${path}/redact`, issues) }),
    approval: compileApprovals(compilation, [
      { entry: entry.approval, path: `${path}/approval` },
      { entry: capability?.approval, path: `${pointer('/capabilities', entry.capability)}/approval` },
    ]),
    credentials: Object.freeze(entries.map(({ credential, at }) => compileCredential(compilation, credential, at))),
  });
}
