/**
 * The second version: each role writes the entries of its own work alone, who works for all tenants learns their
 * names without reading their rows, and a chain belongs to the roles that began it.
 * @module
 */
import { chainOwners } from './chain-owners.ts';
import { entryRights, namesTenants, roleName, type EntryRight } from './roles.ts';

const ownTenant = `tenant = current_setting('countersign.tenant', true)`;

function within(rights: readonly EntryRight[]): string {
  const each = rights.map((right) => {
    if (typeof right === 'string') return `kind = '${right}'`;
    const starts = right.startsWith.map((start) => `starts_with(id, '${start}')`);
    return `kind = '${right.kind}' AND (${starts.join(' OR ')})`;
  });
  return `(${ownTenant} AND (${each.map((one) => `(${one})`).join(' OR ')}))`;
}

const entryPolicies = Object.entries(entryRights).flatMap(([role, { insert, replace, remove }]) => {
  const of = (command: string): string => `POLICY ${role}_${command} ON countersign.entries`;
  const create = (command: string): string => `CREATE ${of(command)} FOR ${command} TO countersign_${role}`;
  return [
    ...['INSERT', 'UPDATE', 'DELETE'].map((command) => `DROP ${of(command)};`),
    `${create('INSERT')} WITH CHECK ${within(insert)};`,
    `${create('UPDATE')} USING ${within(replace)} WITH CHECK ${within(replace)};`,
    `${create('DELETE')} USING ${within(remove)};`,
  ];
});

/** By one look into the key of a table for each tenant. */
const tenantsOf = (table: string): string => `SELECT tenant FROM (
  WITH RECURSIVE found (tenant) AS (SELECT min(tenant) FROM countersign.${table} UNION ALL
    SELECT (SELECT min(tenant) FROM countersign.${table} WHERE tenant > found.tenant) FROM found
    WHERE found.tenant IS NOT NULL)
  SELECT tenant FROM found WHERE tenant IS NOT NULL) AS ${table}`;

/** The owner, as whom the function runs, sees `writers` already. */
const tenantNames = `
CREATE POLICY owner ON countersign.calls FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY owner ON countersign.subjects FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY owner ON countersign.entries FOR SELECT TO CURRENT_USER USING (true);
CREATE FUNCTION countersign.tenants() RETURNS SETOF text STABLE LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY ${['calls', 'writers', 'subjects', 'entries'].map(tenantsOf).join(' UNION ')} ORDER BY 1;
END $$;
REVOKE ALL ON FUNCTION countersign.tenants() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION countersign.tenants() TO ${namesTenants.map(roleName).join(', ')};
`;

/** In the order in which batches load and write, so that nobody waits in a circle. No chain begins meanwhile. */
const locks = `
LOCK TABLE countersign.calls, countersign.subjects, countersign.entries IN ACCESS EXCLUSIVE MODE;
LOCK TABLE countersign.writers IN SHARE MODE;
`;

export const secondStep: string = [locks, ...entryPolicies, tenantNames, chainOwners].join('\n');
