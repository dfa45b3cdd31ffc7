/**
 * The static files: one style sheet, one script, one icon.
 * @module
 */
import { readFileSync } from 'node:fs';

const read = (name: string): string => readFileSync(new URL(`../static/${name}`, import.meta.url), 'utf8');

export const assets: Readonly<Record<string, { readonly type: string; readonly body: string }>> = {
  '/console.css': { type: 'text/css; charset=utf-8', body: read('console.css') },
  '/console.js': { type: 'text/javascript; charset=utf-8', body: read('console.js') },
  '/icon.svg': { type: 'image/svg+xml', body: read('icon.svg') },
};
