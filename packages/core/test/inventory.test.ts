/** What an app prints when it starts, and when it refuses to start. */
import { expect, test } from 'vitest';
import { verifies } from '../../../test/verifies.ts';
import { definePolicy, listInventory, ToolNotGovernable } from '../src/index.ts';
import { inventory } from '../src/identify/inventory.ts';

const capability = 'tickets:ticket:read';
const policy = definePolicy({
  countersign: 1,
  name: 'inventory',
  version: '1',
  tenants: ['acme'],
  tools: { read: { capability, risk: 'low' }, hand: { capability, risk: 'low', source: 'handoff:agent' } },
  grants: { basics: [capability] },
  agents: { support: { owner: 'user:alice', include: ['basics'] } },
  users: { alice: { include: ['basics'] } },
});
const found = inventory(policy, 'acme', [
  { name: 'read', source: 'local', review: 'pauses' },
  { name: 'hand', source: 'handoff:agent', review: 'refused' },
  { name: 'unmapped', source: 'local', review: 'pauses' },
  { name: 'web_search', source: 'provider:openai', ungovernable: 'runs at the provider' },
]);

verifies(
  ['ADP-5', 'APR-8'],
  'the listing names every tool, what is not governed, and what a review does on each path',
  () => {
    expect(listInventory(found, { enforce: false })).toBe(
      [
        'governed      "read"  "local"  a review pauses the run',
        'governed      "hand"  "handoff:agent"  a review is refused',
        'unmapped      "unmapped"  "local"  no policy entry: every call is denied',
        'ungovernable  "web_search"  "provider:openai"  runs at the provider',
      ].join('\n'),
    );
  },
);

verifies(
  'ADP-5',
  'an app that enforces does not start with a tool that is not governed, unless it is excepted by name',
  () => {
    const enforce = (except: readonly string[]) => () => listInventory(found, { enforce: true, except });
    expect(enforce([])).toThrow(ToolNotGovernable);
    expect(enforce([])).toThrow(/"unmapped"[^]*"web_search"/);
    expect(enforce(['unmapped'])).toThrow(/^(?![^]*"unmapped")[^]*"web_search"/);
    expect(enforce(['unmapped', 'web_search'])()).toContain('"read"');
  },
);

test('a name with line breaks and escape sequences makes no line of its own', () => {
  const hostile = inventory(policy, 'acme', [{ name: 'x\ngoverned "all"\u001b[32m', source: 'mcp:a\nb' }]);
  const text = listInventory(hostile, { enforce: false });
  expect(text.split('\n')).toHaveLength(1);
  expect(text).not.toContain('\u001b');
});
