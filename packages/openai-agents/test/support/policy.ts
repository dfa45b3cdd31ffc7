/** A small policy: low, medium and high risk, an amount above which a payment is high, and tools of every source. */
import type { PolicyDocument } from '@countersign/core';

const capability = 'tickets:ticket:read';

export const document: PolicyDocument = {
  countersign: 1,
  name: 'fixture',
  version: '1',
  tenants: ['acme'],
  tools: {
    read: { capability, risk: 'low' },
    note: { capability: 'tickets:note:create', risk: 'medium', approval: { edit: true } },
    deploy: { capability: 'deploy:staging:create', risk: 'high', approval: { edit: true } },
    wire: { capability: 'deploy:staging:create', risk: 'high' },
    pay: {
      capability: 'tickets:refund:create',
      risk: 'low',
      arguments: { type: 'object', properties: { amount: { type: 'number', maximum: 1000 } }, required: ['amount'] },
      when: [
        {
          arguments: { type: 'object', properties: { amount: { type: 'number', exclusiveMinimum: 100 } } },
          risk: 'high',
        },
      ],
    },
    vault: { capability: 'vault:secret:read', risk: 'low' },
    helper: { capability, risk: 'low', orchestrates: true },
    transfer_to_billing: { capability, risk: 'low', source: 'handoff:agent' },
    transfer_to_legal: { capability: 'vault:secret:read', risk: 'low', source: 'handoff:agent' },
    transfer_to_board: { capability: 'deploy:staging:create', risk: 'high', source: 'handoff:agent' },
    echo: { capability, risk: 'low', source: 'mcp:demo' },
    shell: { capability, risk: 'low' },
    danger: { capability: 'deploy:staging:create', risk: 'high' },
    apply_patch: { capability: 'vault:secret:read', risk: 'low' },
    patch: { capability, risk: 'low' },
    computer_use_preview: { capability, risk: 'low' },
    web_search: { capability, risk: 'low', source: 'provider:openai' },
    crm: { capability, risk: 'low', source: 'provider:openai' },
    lookup: { capability, risk: 'low', source: 'hosted-mcp:crm' },
    erase: { capability: 'deploy:staging:create', risk: 'high', source: 'hosted-mcp:crm' },
    secret: { capability, risk: 'low', credential: { service: 'mail', scope: { send: true }, ttl: '1m' } },
  },
  grants: { basics: [capability, 'tickets:note:create', 'tickets:refund:create', 'deploy:staging:create'] },
  agents: {
    support: { owner: 'user:alice', include: ['basics'] },
    reader: { owner: 'user:alice', capabilities: [capability] },
  },
  users: { alice: { include: ['basics'] }, bob: { include: ['basics'] } },
};
