/**
 * Writes `packages/core/openapi.json` anew from the routes of the approvals API.
 */
import { writeFileSync } from 'node:fs';
import { openApiDocument } from '../packages/core/src/approve/http-openapi.ts';

const file = new URL('../packages/core/openapi.json', import.meta.url);
writeFileSync(file, `${JSON.stringify(openApiDocument(), undefined, 2)}\n`);
