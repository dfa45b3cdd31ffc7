/** Where the table is kept, and the versions that it names. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const documentPath = fileURLToPath(new URL('../docs/conformance.md', import.meta.url));

export function readDocument(): string {
  try {
    return readFileSync(documentPath, 'utf8');
  } catch {
    return '';
  }
}

export function versionOf(name: string): string {
  const manifest = readFileSync(
    fileURLToPath(new URL(`../node_modules/${name}/package.json`, import.meta.url)),
    'utf8',
  );
  return (JSON.parse(manifest) as { version: string }).version;
}
