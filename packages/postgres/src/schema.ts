/**
 * The tables, as SQL. Every table with a tenant has row-level security forced on it.
 *
 * The ledger is partitioned by the month of a record's time. No unique index spans partitions, so a trigger keeps the
 * head of each chain in `writers` and lets a chain grow by its next record only: two processes, or a process and its own
 * commit that it took for lost, cannot fork it.
 * @module
 */
import { epochLock } from './locks.ts';

const text = 'text COLLATE "C" NOT NULL';
const optionalText = 'text COLLATE "C"';

export const tables: string = `
CREATE TABLE countersign.installation (
  id integer PRIMARY KEY CHECK (id = 1),
  epoch bigint NOT NULL,
  server text
);
INSERT INTO countersign.installation VALUES (1, 1, NULL);

CREATE TABLE countersign.calls (
  tenant ${text}, run ${text}, slot ${text}, key ${text}, subject ${text}, agent ${text},
  delegation json NOT NULL, tool ${text}, source ${text}, schema_digest ${optionalText}, arguments_digest ${text},
  state ${text} CHECK (state IN ('seen', 'denied', 'review', 'claimed', 'settled', 'released')),
  decisions json NOT NULL, approval ${optionalText},
  status ${optionalText} CHECK (status IN ('completed', 'failed')), sealed ${optionalText},
  claimed_at bigint, claim ${optionalText}, settled_at bigint,
  place bigint GENERATED ALWAYS AS IDENTITY,
  PRIMARY KEY (tenant, run, slot)
) WITH (fillfactor = 80);
CREATE INDEX calls_claimed ON countersign.calls (tenant, run, arguments_digest) WHERE state = 'claimed';

CREATE TABLE countersign.approvals (
  tenant ${text}, id ${text}, run ${text}, slot ${text}, subject ${text}, digest ${text}, rule_digest ${text},
  policy_version ${text}, capability ${text},
  risk ${text} CHECK (risk IN ('low', 'medium', 'high')),
  mode ${text} CHECK (mode IN ('asynchronous', 'blocking')),
  created_at bigint NOT NULL, expires_at bigint NOT NULL, rule ${text}, sealed_arguments ${text},
  sealed_provenance ${optionalText},
  edited_digest ${optionalText}, edited_arguments ${optionalText},
  state ${text} CHECK (state IN ('pending', 'approved', 'rejected', 'expired', 'cancelled')),
  epoch bigint NOT NULL, consumed_at bigint,
  place bigint GENERATED ALWAYS AS IDENTITY,
  PRIMARY KEY (tenant, id),
  FOREIGN KEY (tenant, run, slot) REFERENCES countersign.calls DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX approvals_of_call ON countersign.approvals (tenant, run, slot);
CREATE INDEX approvals_by_state ON countersign.approvals (tenant, state, created_at);
CREATE INDEX approvals_of_run ON countersign.approvals (tenant, run) WHERE state = 'pending';
CREATE INDEX approvals_of_subject ON countersign.approvals (tenant, subject) WHERE state = 'pending';
CREATE INDEX approvals_open ON countersign.approvals (expires_at)
  WHERE state IN ('pending', 'approved') AND consumed_at IS NULL;

CREATE TABLE countersign.votes (
  tenant ${text}, approval ${text}, approver ${text},
  verdict ${text} CHECK (verdict IN ('approve', 'reject')),
  time bigint NOT NULL, signature ${text}, key_id ${text}, sealed_reason ${optionalText},
  PRIMARY KEY (tenant, approval, approver),
  FOREIGN KEY (tenant, approval) REFERENCES countersign.approvals
);

CREATE TABLE countersign.leases (
  tenant ${text}, id ${text}, call_key ${text}, service ${text}, provider ${text}, expires_at bigint NOT NULL,
  state ${text} CHECK (state IN ('planned', 'issued', 'closed')), sealed_handle ${optionalText},
  place bigint GENERATED ALWAYS AS IDENTITY,
  PRIMARY KEY (tenant, id)
);
CREATE INDEX leases_open ON countersign.leases (expires_at) WHERE state <> 'closed';

CREATE TABLE countersign.subjects (tenant ${text}, subject ${text}, key ${text}, PRIMARY KEY (tenant, subject));

CREATE TABLE countersign.entries (
  tenant ${text}, kind ${text}, id ${text}, version ${text}, value ${text}, updated_at bigint NOT NULL,
  PRIMARY KEY (tenant, kind, id)
);

CREATE TABLE countersign.writers (
  tenant ${text}, writer ${text}, seq bigint NOT NULL, hash ${text}, time bigint NOT NULL,
  PRIMARY KEY (tenant, writer)
) WITH (fillfactor = 50);

CREATE TABLE countersign.records (
  tenant ${text}, writer ${text}, seq bigint NOT NULL, time bigint NOT NULL, kind ${text}, event ${text},
  call ${optionalText}, body ${text}, hash ${text},
  PRIMARY KEY (tenant, writer, seq, time)
) PARTITION BY RANGE (time);
CREATE TABLE countersign.records_default PARTITION OF countersign.records DEFAULT;
`;

/** A function that runs with the rights of the owner. What it may be given is fixed by its parameters. */
/** Whoever calls it cannot put operators of their own in the place of PostgreSQL's. */
const asCaller = 'LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp';
const asOwner = 'LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp';

export const triggers: string = `
CREATE FUNCTION countersign.extend_chains() RETURNS trigger ${asOwner} AS $$
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
  END LOOP;
  RETURN NULL;
END $$;
CREATE TRIGGER records_extend_chains AFTER INSERT ON countersign.records
  REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION countersign.extend_chains();

CREATE FUNCTION countersign.keep_ended() RETURNS trigger ${asCaller} AS $$
BEGIN
  IF old.state IN ('rejected', 'expired', 'cancelled') AND new.state <> old.state THEN
    RAISE EXCEPTION 'an approval that ended never reopens' USING ERRCODE = 'CSG02';
  END IF;
  RETURN new;
END $$;
CREATE TRIGGER approvals_keep_ended BEFORE UPDATE ON countersign.approvals
  FOR EACH ROW EXECUTE FUNCTION countersign.keep_ended();

-- Agents move approvals to 'expired' and back from 'consumed', but cannot write votes: this keeps them from approving.
-- At the commit, since the vote may come in the same statement.
CREATE FUNCTION countersign.require_vote() RETURNS trigger ${asOwner} AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM countersign.votes
      WHERE tenant = new.tenant AND approval = new.id AND verdict = 'approve') THEN
    RAISE EXCEPTION 'an approval without a vote cannot be approved' USING ERRCODE = 'CSG03';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER approvals_require_vote AFTER INSERT OR UPDATE OF state ON countersign.approvals
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (new.state = 'approved')
  EXECUTE FUNCTION countersign.require_vote();

-- Wakes whoever waits. The payload is a digest: a listener learns nothing about tenants that it does not know.
CREATE FUNCTION countersign.notify_approval() RETURNS trigger ${asCaller} AS $$
BEGIN
  PERFORM pg_notify('countersign_approval',
    encode(sha256(convert_to(new.tenant || chr(10) || new.id, 'UTF8')), 'hex'));
  RETURN NULL;
END $$;
CREATE TRIGGER approvals_notify AFTER UPDATE OF state ON countersign.approvals
  FOR EACH ROW WHEN (old.state <> new.state) EXECUTE FUNCTION countersign.notify_approval();
`;

export const functions: string = `
-- Row-level security hides rows without an error; then what was to be changed has not changed.
CREATE FUNCTION countersign.expect_rows(kind text, changed bigint, wanted bigint) RETURNS void ${asCaller} AS $$
BEGIN
  IF changed <> wanted THEN
    RAISE EXCEPTION 'this role may not change % of % rows (%)', wanted - changed, wanted, kind USING ERRCODE = '42501';
  END IF;
END $$;

-- To be called on every new connection. A database that is not where it was (another cluster, another timeline after a
-- failover or a restore to a point in time, a dump read into another database) gets a new epoch.
CREATE FUNCTION countersign.enter() RETURNS boolean ${asOwner} AS $$
DECLARE here text; known text;
BEGIN
  IF pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' THEN RETURN false; END IF;
  here := (SELECT system_identifier FROM pg_control_system()) || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8)
    || '/' || (SELECT oid FROM pg_database WHERE datname = current_database());
  SELECT server INTO known FROM countersign.installation;
  IF known IS NOT DISTINCT FROM here THEN RETURN true; END IF;
  PERFORM pg_advisory_xact_lock(${epochLock});
  UPDATE countersign.installation SET server = here, epoch = epoch + CASE WHEN server IS NULL THEN 0 ELSE 1 END
    WHERE server IS DISTINCT FROM here;
  RETURN true;
END $$;

-- Time of the newest record of all tenants. A number, so that agents can notice a clock that jumped back.
CREATE FUNCTION countersign.latest_time() RETURNS bigint ${asOwner} AS $$
BEGIN
  RETURN (SELECT coalesce(max(time), 0) FROM countersign.writers);
END $$;

CREATE FUNCTION countersign.month_start(month timestamp) RETURNS bigint IMMUTABLE LANGUAGE sql AS $$
  SELECT (extract(epoch FROM month) * 1000)::bigint $$;

-- Records whose month has a partition already, or that are in the default one, stay where they are.
CREATE FUNCTION countersign.make_partitions(from_time bigint, months integer) RETURNS text[] ${asOwner} AS $$
DECLARE made text[] := '{}'; month timestamp; first bigint; next bigint; name text;
BEGIN
  PERFORM set_config('lock_timeout', '2000', true);
  FOR number IN 0 .. months - 1 LOOP
    month := date_trunc('month', to_timestamp(from_time / 1000.0) AT TIME ZONE 'UTC') + make_interval(months => number);
    first := countersign.month_start(month);
    next := countersign.month_start(month + interval '1 month');
    name := 'records_' || to_char(month, 'YYYYMM');
    CONTINUE WHEN to_regclass('countersign.' || name) IS NOT NULL;
    CONTINUE WHEN EXISTS (SELECT FROM countersign.records_default WHERE time >= first AND time < next);
    EXECUTE format('CREATE TABLE countersign.%I (LIKE countersign.records INCLUDING CONSTRAINTS)', name);
    EXECUTE format('ALTER TABLE countersign.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY owner ON countersign.%I FOR SELECT TO CURRENT_USER USING (true)', name);
    EXECUTE format('ALTER TABLE countersign.records ATTACH PARTITION countersign.%I FOR VALUES FROM (%s) TO (%s)',
      name, first, next);
    made := made || name;
  END LOOP;
  RETURN made;
END $$;

-- Only whole months before the one of before_time. Emptiness is looked at again when nobody can write any more.
CREATE FUNCTION countersign.drop_empty_partitions(before_time bigint) RETURNS text[] ${asOwner} AS $$
DECLARE dropped text[] := '{}'; name text; filled boolean;
BEGIN
  PERFORM set_config('lock_timeout', '2000', true);
  FOR name IN SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = 'countersign.records'::regclass AND relname ~ '^records_[0-9]{6}$'
      AND relname < 'records_' || to_char(to_timestamp(before_time / 1000.0) AT TIME ZONE 'UTC', 'YYYYMM')
    ORDER BY relname
  LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM countersign.%I)', name) INTO filled;
    CONTINUE WHEN filled;
    LOCK TABLE countersign.records IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('SELECT EXISTS (SELECT FROM countersign.%I)', name) INTO filled;
    CONTINUE WHEN filled;
    EXECUTE format('DROP TABLE countersign.%I', name);
    dropped := dropped || name;
  END LOOP;
  RETURN dropped;
END $$;
`;
