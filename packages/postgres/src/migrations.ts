/**
 * The steps that lead to the schema of this version. A step that was released never changes: its digest is stored.
 * @module
 */
import { grants, roleName, roles, tenantTables } from './roles.ts';
import { functions, tables, triggers } from './schema.ts';
import { secondStep } from './second-step.ts';

export interface Migration {
  readonly version: number;
  readonly sql: string;
}

/** What the first version let roles write. What they may write now: `entryRights`. */
const firstAgentKinds = ['consent', 'token', 'credential', 'lock', 'budget', 'notice'];
const bothOf = (kinds: readonly string[]) => ({ insert: kinds, change: kinds });
const firstAgentEntries = { insert: [...firstAgentKinds, 'hold'], change: firstAgentKinds };
const firstEntryKinds = {
  runtime: firstAgentEntries,
  worker: firstAgentEntries,
  approver: bothOf(['hold', 'lock', 'notice', 'consent', 'token']),
  sealer: bothOf(['checkpoint', 'cursor', 'lock']),
  maintenance: bothOf([...firstAgentKinds, 'cursor', 'hold', 'segment']),
};

const names = (of: Parameters<typeof roleName>[0][]): string => of.map(roleName).join(', ');
const table = (name: string): string => `countersign.${name}`;
const ownTenant = `tenant = current_setting('countersign.tenant', true)`;
const acrossTenants = `current_setting('countersign.across_tenants', true) = 'on'`;

/** Roles belong to the whole cluster: they may be there already, or be made for another database just now. */
const createRoles = roles
  .map(
    (role) => `DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${roleName(role)}') THEN
    CREATE ROLE ${roleName(role)} NOLOGIN;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;`,
  )
  .join('\n');

const grantStatements = Object.entries(grants).flatMap(([name, given]) =>
  Object.entries(given).map(([privilege, to]) => `GRANT ${privilege} ON ${table(name)} TO ${names([...(to ?? [])])};`),
);

function policiesOf([name, across]: readonly [string, (typeof tenantTables)[string]]): string[] {
  // What may be written to entries depends on their kind.
  const command = name === 'entries' ? 'SELECT' : 'ALL';
  return [
    `ALTER TABLE ${table(name)} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;`,
    `CREATE POLICY own_tenant ON ${table(name)} FOR ${command} USING (${ownTenant});`,
    `CREATE POLICY across_tenants ON ${table(name)} FOR SELECT TO ${names([...across])} USING (${acrossTenants});`,
  ];
}

function entryPolicies(): string[] {
  return Object.entries(firstEntryKinds).flatMap(([role, { insert, change }]) => {
    const within = (kinds: readonly string[]): string =>
      `(${ownTenant} AND kind IN (${kinds.map((kind) => `'${kind}'`).join(', ')}))`;
    const policy = (command: string): string =>
      `CREATE POLICY ${role}_${command} ON ${table('entries')} FOR ${command} TO countersign_${role}`;
    return [
      `${policy('INSERT')} WITH CHECK ${within(insert)};`,
      `${policy('UPDATE')} USING ${within(change)} WITH CHECK ${within(change)};`,
      `${policy('DELETE')} USING ${within(change)};`,
    ];
  });
}

/** The functions of the owner write heads of every tenant, and must see all rows of a partition before they drop it. */
const ownerPolicies = `
CREATE POLICY owner ON countersign.writers TO CURRENT_USER USING (true) WITH CHECK (true);
CREATE POLICY owner ON countersign.records_default FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY owner ON countersign.votes FOR SELECT TO CURRENT_USER USING (true);
ALTER TABLE countersign.records_default ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE countersign.installation ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY everybody ON countersign.installation FOR SELECT USING (true);
CREATE POLICY epoch ON countersign.installation FOR UPDATE TO countersign_maintenance, CURRENT_USER USING (true);
`;

const functionGrants = `
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA countersign FROM PUBLIC;
GRANT EXECUTE ON FUNCTION countersign.enter(), countersign.latest_time(),
  countersign.expect_rows(text, bigint, bigint) TO ${names([...roles])};
GRANT EXECUTE ON FUNCTION countersign.make_partitions(bigint, integer), countersign.drop_empty_partitions(bigint)
  TO countersign_maintenance;
`;

export const migrations: readonly Migration[] = [
  {
    version: 1,
    sql: [
      createRoles,
      `GRANT USAGE ON SCHEMA countersign TO ${names([...roles])};`,
      tables,
      triggers,
      functions,
      ...grantStatements,
      ...Object.entries(tenantTables).flatMap(policiesOf),
      ...entryPolicies(),
      ownerPolicies,
      functionGrants,
    ].join('\n'),
  },
  { version: 2, sql: secondStep },
];

export const latestVersion: number = migrations.at(-1)?.version ?? 0;
