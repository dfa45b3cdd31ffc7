/**
 * Everything that is printed. Most of it comes from models and strangers, so nothing reaches the terminal that it
 * would interpret: control characters and invisible ones are shown by their code point, in JSON as `\uXXXX`.
 * @module
 */
import { once } from 'node:events';
import { visible } from '@countersign/core';
import type { Failure } from './exit-codes.ts';

/** Text of several lines: line feeds stay, everything else is made visible. */
export function printable(text: string): string {
  return text.split('\n').map(visible).join('\n');
}

/** JSON in ASCII where the characters are not printable: the same value, and nothing that a terminal would interpret. */
export function printableJson(value: unknown, indent?: number): string {
  const text = JSON.stringify(value, undefined, indent);
  return text.replaceAll(/[^\n\u0020-\u007e]/gu, (character) =>
    visible(character) === character ? character : escaped(character),
  );
}

function escaped(character: string): string {
  return Array.from(
    { length: character.length },
    (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`,
  ).join('');
}

/** Waits until the reader keeps up. */
export async function printLine(line: string): Promise<void> {
  if (!process.stdout.write(`${printable(line)}\n`)) await once(process.stdout, 'drain');
}

export async function printJson(value: unknown): Promise<void> {
  await printLine(printableJson(value, 2));
}

/** Rows under their headings, each column as wide as its widest value. */
export async function printTable(headings: readonly string[], rows: readonly (readonly string[])[]): Promise<void> {
  const shown = [headings, ...rows.map((row) => row.map(visible))];
  const widths = headings.map((_, column) => Math.max(...shown.map((row) => (row[column] ?? '').length)));
  for (const row of shown)
    await printLine(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
}

export function printError({ code, message }: Pick<Failure, 'code' | 'message'>, json: boolean): void {
  process.stderr.write(
    json ? `${printableJson({ error: { code, message } })}\n` : `countersign: ${printable(message)}\n`,
  );
}

/** Questions and what they are about: never mixed into what a script reads. */
export function printAside(text: string): void {
  process.stderr.write(`${printable(text)}\n`);
}
