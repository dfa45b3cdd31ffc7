/**
 * Literal secrets in the files of a work tree: policies, prompts, and everything else that is tracked.
 * @module
 */
import { lstatSync, readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { parse } from 'yaml';
import { findLiteralSecrets, namesSecret } from '@countersign/core';
import type { Check, Finding } from './finding.ts';

const maxFileBytes = 4 * 1024 * 1024;

/** What a model reads: instructions of agents, and files that are named for prompts. */
const promptNames =
  /(?:^|\/)(?:AGENTS|CLAUDE|GEMINI|SKILL|copilot-instructions)\.md$|(?:^|\/)(?:\.claude|\.cursor|prompts?|agents)\/.*\.(?:md|mdc|txt|ya?ml|json|prompt)$|\.prompt(?:\.\w+)?$/i;
const policyForm = /^\s*"?countersign"?\s*:\s*1\s*,?\s*$/m;

/** Files that are links, too large or not text are left out. */
export function checkFile(root: string, file: string, as?: Check): readonly Finding[] {
  const text = textOf(resolve(root, file));
  if (text === undefined) return [];
  const isPolicy = as === 'policy' || (/\.(?:ya?ml|json)$/.test(file) && policyForm.test(text.slice(0, 65_536)));
  const check = as ?? (isPolicy ? 'policy' : promptNames.test(file) ? 'prompt' : 'tracked');
  const literal = findLiteralSecrets(text).map(({ line, column, kind }) => ({
    check,
    place: `${file}:${line}:${column}`,
    message: kind === 'form' ? 'a literal secret' : 'a literal secret, assigned to a name that says so',
  }));
  return isPolicy && literal.length === 0 ? checkPolicy(file, text) : literal;
}

function textOf(path: string): string | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined || !stats.isFile() || stats.size > maxFileBytes) return undefined;
  const bytes = readFileSync(path);
  return bytes.subarray(0, 8_192).includes(0) ? undefined : bytes.toString('utf8');
}

/** In a policy, any text under a name for a secret is one, however little it looks so. */
function checkPolicy(file: string, text: string): readonly Finding[] {
  let document: unknown;
  try {
    document = parse(text, { maxAliasCount: 0 });
  } catch {
    return [];
  }
  const found: Finding[] = [];
  const look = (value: unknown, path: string, secret: boolean): void => {
    if (typeof value === 'string' && secret && value.length >= 8) {
      found.push({ check: 'policy', place: `${file}#${path}`, message: 'a text under the name of a secret' });
    }
    if (typeof value !== 'object' || value === null) return;
    for (const [key, member] of Object.entries(value)) look(member, `${path}/${key}`, namesSecret(key));
  };
  for (const [tool, entry] of Object.entries(toolsOf(document))) {
    for (const credential of credentialsOf(entry)) look(credential, `/tools/${tool}/credential`, false);
  }
  return found;
}

function toolsOf(document: unknown): object {
  const tools: unknown = typeof document === 'object' && document !== null && 'tools' in document ? document.tools : {};
  return typeof tools === 'object' && tools !== null ? tools : {};
}

function credentialsOf(entry: unknown): readonly unknown[] {
  if (typeof entry !== 'object' || entry === null) return [];
  const { credential, credentials } = entry as { readonly credential?: unknown; readonly credentials?: unknown };
  const all = [credential, ...(Array.isArray(credentials) ? (credentials as unknown[]) : [])];
  // `scope` is free, and where somebody would put a secret; the other members have forms of their own.
  return all.flatMap((each) => (typeof each === 'object' && each !== null && 'scope' in each ? [each.scope] : []));
}

const keyNames =
  /\.(?:pem|key|p12|pfx|jks|keystore|p8|age)$|^id_(?:rsa|dsa|ecdsa|ed25519)$|^\.env(?:\.(?!example|sample|template)[\w.-]+)?$/i;
/** Such a name alone says nothing: a certificate, a public key. */
const publicForms = /-----BEGIN (?:CERTIFICATE|PUBLIC KEY|[A-Z ]+ PUBLIC KEY)-----/;

/** A key file that is tracked, that lies in the tree, or that others can read. */
export function checkKeyFile(root: string, file: string, place: 'tracked' | 'untracked' | 'given'): readonly Finding[] {
  if (place !== 'given' && !keyNames.test(basename(file))) return [];
  const stats = lstatSync(resolve(root, file), { throwIfNoEntry: false });
  if (stats === undefined || !stats.isFile()) return [];
  const text = stats.size > maxFileBytes ? '' : readFileSync(resolve(root, file), 'latin1');
  if (publicForms.test(text) && !text.includes('PRIVATE KEY')) return [];
  const finding = (message: string): Finding => ({ check: 'key-file', place: file, message });
  const mode = (stats.mode & 0o777).toString(8).padStart(4, '0');
  const isEnvironment = basename(file).startsWith('.env');
  return [
    ...(place === 'tracked'
      ? [finding('a key file that git tracks: end the key, and remove it from the history')]
      : []),
    ...(place === 'untracked' && !isEnvironment ? [finding('a key file inside the work tree: keep it elsewhere')] : []),
    ...((stats.mode & 0o077) === 0 ? [] : [finding(`others can reach it: mode ${mode}, expected 0600`)]),
  ];
}
