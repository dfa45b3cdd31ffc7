/**
 * Policies from text: YAML 1.2 or JSON. What YAML would do behind the reader's back is refused: duplicate keys,
 * anchors and aliases, merge keys, tags of its own, several documents, other versions.
 * @module
 */
import { isAlias, isMap, isNode, isPair, isScalar, isSeq, LineCounter, parseDocument, visit } from 'yaml';
import type { Document, Node, YAMLMap } from 'yaml';
import { PolicyError } from '../errors.ts';
import type { PolicyIssue } from '../errors.ts';
import { compilePolicy } from './compile-policy.ts';
import { pointer } from './plain-document.ts';
import { policyOf } from './policy.ts';
import type { Policy } from './policy.ts';

const maxLength = 64 * 1024 * 1024;

/** A policy from text. Throws {@link PolicyError} with every issue, each with its line and column. */
export function parsePolicy(text: string): Policy {
  if (typeof text !== 'string') throw new PolicyError([{ path: '', message: `expected text, got ${typeof text}` }]);
  if (text.length > maxLength) throw new PolicyError([{ path: '', message: `longer than ${maxLength} characters` }]);
  const json = parseUniqueJson(text);
  const quick = json === undefined ? undefined : compilePolicy(json).policy;
  if (quick !== undefined) return policyOf(quick);
  return parseYaml(text);
}

/** The value of JSON text; `undefined` when it is no JSON or names a member twice. Far faster than reading it as YAML. */
function parseUniqueJson(text: string): unknown {
  if (!text.trimStart().startsWith('{')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    // `JSON.parse` drops all but the last of equal members: then there are fewer than the text has colons.
    return countMembers(value) === countColons(text) ? value : undefined;
  } catch {
    return undefined;
  }
}

function countMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let count = Array.isArray(value) ? 0 : Object.keys(value).length;
  for (const member of Object.values(value)) count += countMembers(member);
  return count;
}

/** Colons outside strings, in text that is JSON. */
function countColons(text: string): number {
  let count = 0;
  let inString = false;
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charCodeAt(index);
    if (character === 0x22) inString = !inString;
    else if (inString && character === 0x5c) index += 1;
    else if (!inString && character === 0x3a) count += 1;
  }
  return count;
}

function parseYaml(text: string): Policy {
  const lines = new LineCounter();
  let document: Document.Parsed;
  try {
    document = parseDocument(text, {
      version: '1.2',
      schema: 'core',
      lineCounter: lines,
      prettyErrors: false,
      // With 'silent' the parser drops the error about further documents in the text.
      logLevel: 'error',
      stringKeys: true,
      merge: false,
      resolveKnownTags: false,
      // Checked in `refuseSurprises`: the parser's own check is quadratic.
      uniqueKeys: false,
    });
  } catch (error) {
    throw new PolicyError([{ path: '', message: `the text cannot be read: ${String(error)}` }], { cause: error });
  }
  const syntax = [...document.errors, ...document.warnings].map(({ message, pos }) => at(lines, pos[0], '', message));
  const surprises = refuseSurprises(document, lines);
  if (syntax.length > 0 || surprises.length > 0) throw new PolicyError([...syntax, ...surprises]);

  const { policy, issues } = compilePolicy(document.toJS({ maxAliasCount: 0 }));
  if (policy !== undefined) return policyOf(policy);
  const locate = createLocator(document);
  throw new PolicyError(issues.map(({ path, message }) => at(lines, locate(path), path, message)));
}

function at(lines: LineCounter, offset: number, path: string, message: string): PolicyIssue {
  const { line, col } = lines.linePos(offset);
  return { path, message, line: Math.max(line, 1), column: Math.max(col, 1) };
}

/** What is legal YAML and would make the policy say something else than it seems to. */
function refuseSurprises(document: Document.Parsed, lines: LineCounter): PolicyIssue[] {
  const issues: PolicyIssue[] = [];
  const refuse = (node: Node, path: string, message: string) =>
    issues.push(at(lines, node.range?.[0] ?? 0, path, message));
  const { explicit, version } = document.directives.yaml;
  if (explicit === true && version !== '1.2') {
    issues.push({ path: '', message: `policies are YAML 1.2, got ${version}`, line: 1, column: 1 });
  }
  visit(document, {
    Node(_, node, ancestors) {
      const anchored = isAlias(node) || ('anchor' in node && node.anchor !== undefined);
      if (anchored) refuse(node, pathOf(ancestors), 'anchors and aliases are refused: share lists under "grants"');
    },
    Map(_, map, ancestors) {
      const seen = new Set<string>();
      for (const { key } of map.items) {
        if (!isScalar(key)) continue;
        const name = String(key.value);
        const path = pointer(pathOf([...ancestors, map]), name);
        if (seen.has(name)) refuse(key, path, `the key ${JSON.stringify(name)} stands here twice`);
        if (name === '<<') refuse(key, path, 'merge keys are refused: share lists under "grants"');
        seen.add(name);
      }
    },
  });
  return issues;
}

/** JSON pointer of the innermost of these nodes. */
function pathOf(ancestors: readonly unknown[]): string {
  let path = '';
  for (const [index, node] of ancestors.entries()) {
    if (isPair(node)) path = pointer(path, String(isScalar(node.key) ? node.key.value : node.key));
    else if (isSeq(node) && index + 1 < ancestors.length)
      path = pointer(path, node.items.indexOf(ancestors[index + 1]));
  }
  return path;
}

/** From a JSON pointer to the offset of the key or item it names, or of the innermost parent that exists. */
function createLocator(document: Document.Parsed): (path: string) => number {
  const indexes = new Map<YAMLMap, Map<string, { key: Node; value: unknown }>>();
  const membersOf = (map: YAMLMap) => {
    const known = indexes.get(map);
    if (known !== undefined) return known;
    const members = new Map(
      map.items.flatMap(({ key, value }) => (isScalar(key) ? [[String(key.value), { key, value }] as const] : [])),
    );
    indexes.set(map, members);
    return members;
  };

  return (path) => {
    let node: unknown = document.contents;
    let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
    for (const segment of path.split('/').slice(1)) {
      const name = segment.replaceAll('~1', '/').replaceAll('~0', '~');
      const member = isMap(node) ? membersOf(node).get(name) : undefined;
      const item: unknown = isSeq(node) ? node.items[Number(name)] : undefined;
      const found = member?.key ?? item;
      if (!isNode(found)) break;
      offset = found.range?.[0] ?? offset;
      node = member === undefined ? item : member.value;
    }
    return offset;
  };
}
