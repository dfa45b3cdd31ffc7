/**
 * Whose a chain is, as SQL: of the roles that its first record was written with. Any login that has them goes on with it;
 * no other does, so that what stands in a chain was written by a process of that kind.
 *
 * By writer and not by chain: a process has one in each tenant, and who is first in a tenant is nobody's proof. A row of
 * a table of its own, since its key sees what a transaction with an old snapshot does not.
 * @module
 */
import { roleName, roles } from './roles.ts';

const asOwner = 'LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp';
const names = roles.map((role) => `'${roleName(role)}'`).join(', ');

/** Writers of the first version belong to nobody yet. None of them writes for long: its process was of that version. */
export const chainOwners: string = `
CREATE TABLE countersign.chain_owners (writer text COLLATE "C" PRIMARY KEY, roles text[]);
INSERT INTO countersign.chain_owners SELECT DISTINCT writer, NULL::text[] FROM countersign.writers;
ALTER TABLE countersign.chain_owners ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON countersign.chain_owners TO CURRENT_USER USING (true) WITH CHECK (true);

CREATE FUNCTION countersign.own_chain(of_writer text) RETURNS void ${asOwner} AS $$
DECLARE
  held text[] := ARRAY(SELECT name FROM unnest(ARRAY[${names}]) AS name
    WHERE pg_has_role(session_user, to_regrole(name), 'MEMBER'));
  owners text[];
BEGIN
  INSERT INTO countersign.chain_owners VALUES (of_writer, held) ON CONFLICT DO NOTHING;
  IF FOUND THEN RETURN; END IF;
  UPDATE countersign.chain_owners SET roles = held WHERE writer = of_writer AND roles IS NULL
    AND (SELECT applied_at FROM countersign.migrations WHERE version = 2) > now() - interval '1 day';
  SELECT roles INTO owners FROM countersign.chain_owners WHERE writer = of_writer;
  IF owners IS NULL OR NOT owners <@ held THEN
    RAISE EXCEPTION 'the chain of writer % belongs to other roles', of_writer USING ERRCODE = '42501';
  END IF;
END $$;
REVOKE ALL ON FUNCTION countersign.own_chain(text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION countersign.extend_chains() RETURNS trigger ${asOwner} AS $$
DECLARE part record;
BEGIN
  FOR part IN SELECT tenant, writer, min(seq) AS first, max(seq) AS last, count(*) AS number,
      (array_agg(hash ORDER BY seq DESC))[1] AS hash, (array_agg(time ORDER BY seq DESC))[1] AS time
    FROM fresh GROUP BY tenant, writer
  LOOP
    IF part.number <> part.last - part.first + 1 THEN
      RAISE EXCEPTION 'a chain grows by its next records only' USING ERRCODE = 'CSG01';
    END IF;
    IF part.first = 1 THEN
      INSERT INTO countersign.writers VALUES (part.tenant, part.writer, part.last, part.hash, part.time)
        ON CONFLICT DO NOTHING;
    ELSE
      UPDATE countersign.writers SET seq = part.last, hash = part.hash, time = part.time
        WHERE tenant = part.tenant AND writer = part.writer AND seq = part.first - 1;
    END IF;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'another record stands at this place of the chain' USING ERRCODE = 'CSG01';
    END IF;
    PERFORM countersign.own_chain(part.writer);
  END LOOP;
  RETURN NULL;
END $$;
`;
