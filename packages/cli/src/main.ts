#!/usr/bin/env node
/**
 * The `countersign` command. What its exit codes mean: docs/cli.md.
 * @module
 */
import { exitCodes, failureOf } from './exit-codes.ts';
import { printError } from './output.ts';
import { createProgram } from './program.ts';

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // The reader of a pipe (`| head`) has seen enough.
  process.exit(error.code === 'EPIPE' ? exitCodes.ok : exitCodes.broken);
});

try {
  await createProgram().parseAsync();
} catch (error) {
  const failure = failureOf(error);
  if (failure.message !== '') printError(failure, process.argv.includes('--json'));
  process.exitCode = failure.exitCode;
}
