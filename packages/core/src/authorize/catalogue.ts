/**
 * The risk of common operations. A policy may raise an entry and never lower it.
 * @module
 */
import type { Risk } from '../call.ts';
import { deepFreeze } from './plain-document.ts';
import type { RiskCondition } from './policy-document.ts';

export interface CatalogueEntry {
  readonly risk: Risk;
  readonly when?: readonly RiskCondition[];
}

/** An amount, in units of its currency, up to which moving money is no more than medium. */
const smallAmount = 1000;

/** High unless `amount` is known to be small: a missing or unreadable amount counts as a large one. */
const largeAmount: RiskCondition = {
  arguments: {
    not: {
      type: 'object',
      properties: { amount: { type: 'number', minimum: 0, maximum: smallAmount } },
      required: ['amount'],
    },
  },
  risk: 'high',
};

const low: CatalogueEntry = { risk: 'low' };
const medium: CatalogueEntry = { risk: 'medium' };
const high: CatalogueEntry = { risk: 'high' };
const payment: CatalogueEntry = { risk: 'medium', when: [largeAmount] };

/** Capability → risk. Every name is exact; an operation that is not here has no risk of its own. */
export const riskCatalogue: Readonly<Record<string, CatalogueEntry>> = deepFreeze({
  'git:repository:read': low,
  'git:branch:push': medium,
  'git:main:push': high,
  'git:branch:push-protected': high,
  'git:history:rewrite': high,
  'github:repository:read': low,
  'github:push:main': high,
  'github:branch:push-protected': high,
  'github:pull-request:merge': high,
  'github:repository:delete': high,

  'deploy:staging:create': medium,
  'deploy:production:create': high,
  'deploy:production:rollback': high,
  'infrastructure:plan:read': low,
  'infrastructure:stack:create': high,
  'infrastructure:stack:update': high,
  'infrastructure:stack:delete': high,
  'kubernetes:workload:delete': high,

  'database:row:select': low,
  'database:row:insert': medium,
  'database:row:update': medium,
  'database:row:delete': high,
  'database:table:alter': high,
  'database:table:delete': high,
  'database:database:delete': high,
  'aws:rds:backup': medium,
  'aws:rds:delete': high,
  'aws:iam:update': high,
  'aws:ec2:terminate': high,
  'aws:s3:delete-bucket': high,

  'storage:production:write': medium,
  'storage:production:delete': high,

  'payments:payment:create': payment,
  'payments:payout:create': payment,
  'payments:refund:create': payment,
  'payments:transfer:create': payment,

  'email:message:send': medium,
  'shell:command:run': high,
  'secrets:secret:read': high,
  'users:account:delete': high,
  'users:permission:update': high,
});

/** The entry of a capability, safe for names such as `constructor`. */
export function catalogueEntry(capability: string): CatalogueEntry | undefined {
  return Object.hasOwn(riskCatalogue, capability) ? riskCatalogue[capability] : undefined;
}
