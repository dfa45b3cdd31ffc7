import { dirname, isAbsolute, matchesGlob, relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { visible } from '@countersign/core';
import { checkEnvironment } from '../doctor/check-environment.ts';
import { checkFile, checkKeyFile } from '../doctor/check-files.ts';
import type { Finding } from '../doctor/finding.ts';
import { workTreeOf } from '../doctor/work-tree.ts';
import { CommandFailure } from '../exit-codes.ts';
import { requireFile } from '../files.ts';
import { printJson, printLine } from '../output.ts';

interface DoctorOptions {
  readonly root: string;
  readonly policy: readonly string[];
  readonly prompt: readonly string[];
  readonly keyFile: readonly string[];
  readonly exclude: readonly string[];
  readonly environment: boolean;
  readonly json?: true;
}

/** `countersign doctor`: refuses literal secrets and exposed keys. It prints where they are, and never what. */
export function doctorCommand(program: Command): void {
  program
    .command('doctor')
    .description(
      'refuse literal secrets in policies, prompts, tracked files and the environment, and exposed key files',
    )
    .option('--root <path>', 'in the git work tree to look at', '.')
    .option('--policy <path...>', 'policies, besides the tracked ones', [])
    .option('--prompt <path...>', 'prompts, besides the tracked ones', [])
    .option('--key-file <path...>', 'key files, wherever they are', [])
    .option('--exclude <glob...>', 'tracked files to leave out, for example tests with invented keys', [])
    .option('--no-environment', 'leave environment variables out')
    .option('--json', 'print JSON')
    .action(doctor);
}

async function doctor(options: DoctorOptions): Promise<void> {
  const tree = workTreeOf(options.root);
  const kept = (file: string): boolean => !options.exclude.some((glob) => matchesGlob(file, glob));
  const given = (path: string): [root: string, file: string] => {
    const absolute = resolve(requireFile('file', path));
    const file = relative(tree.root, absolute);
    return file.startsWith('..') || isAbsolute(file) ? [dirname(absolute), absolute] : [tree.root, file];
  };
  const findings: readonly Finding[] = [
    ...tree.tracked.filter(kept).flatMap((file) => checkFile(tree.root, file)),
    ...tree.tracked.filter(kept).flatMap((file) => checkKeyFile(tree.root, file, 'tracked')),
    ...tree.untracked.filter(kept).flatMap((file) => checkKeyFile(tree.root, file, 'untracked')),
    ...options.policy.flatMap((path) => checkFile(...given(path), 'policy')),
    ...options.prompt.flatMap((path) => checkFile(...given(path), 'prompt')),
    ...options.keyFile.flatMap((path) => checkKeyFile(...given(path), 'given')),
    ...(options.environment ? checkEnvironment(process.env) : []),
  ];
  const distinct = [...new Map(findings.map((finding) => [`${finding.place} ${finding.message}`, finding])).values()];
  if (options.json) await printJson({ ok: distinct.length === 0, findings: distinct });
  else for (const { check, place, message } of distinct) await printLine(visible(`${check}: ${place}: ${message}`));
  if (distinct.length > 0) throw new CommandFailure('failed', `${distinct.length} finding(s)`, 'doctor');
  if (!options.json) await printLine(`nothing found in ${tree.tracked.length} tracked files`);
}
