/**
 * The schema of a Countersign database. A change of it is a new version and a step that leads there.
 *
 * The tenant is the first column of every key and index. The ledger's key is the one number `chain << 32 | seq`, where
 * a chain belongs to one tenant and writer: a record is then appended to one page of one tree.
 * See docs/decisions/0003-store.md.
 * @module
 */

/** `PRAGMA application_id` of a Countersign database. */
export const applicationId = 0x43_73_67_6e;

/** `PRAGMA user_version`. */
export const schemaVersion = 1;

export const schema: string = `
CREATE TABLE installation (id INTEGER PRIMARY KEY CHECK (id = 1), epoch INTEGER NOT NULL) STRICT;
INSERT INTO installation VALUES (1, 1);

CREATE TABLE calls (
  tenant TEXT NOT NULL,
  run TEXT NOT NULL,
  slot TEXT NOT NULL,
  key TEXT NOT NULL,
  subject TEXT NOT NULL,
  agent TEXT NOT NULL,
  delegation TEXT NOT NULL,
  tool TEXT NOT NULL,
  source TEXT NOT NULL,
  schema_digest TEXT,
  arguments_digest TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('seen', 'denied', 'review', 'claimed', 'settled', 'released')),
  decisions TEXT NOT NULL,
  approval TEXT,
  status TEXT CHECK (status IN ('completed', 'failed')),
  sealed TEXT,
  claimed_at INTEGER,
  claim TEXT,
  settled_at INTEGER,
  PRIMARY KEY (tenant, run, slot)
) STRICT;
CREATE INDEX calls_claimed ON calls (tenant, run, arguments_digest) WHERE state = 'claimed';

CREATE TABLE approvals (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  run TEXT NOT NULL,
  slot TEXT NOT NULL,
  digest TEXT NOT NULL,
  rule_digest TEXT NOT NULL,
  policy_version TEXT NOT NULL,
  capability TEXT NOT NULL,
  risk TEXT NOT NULL CHECK (risk IN ('low', 'medium', 'high')),
  mode TEXT NOT NULL CHECK (mode IN ('asynchronous', 'blocking')),
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  rule TEXT NOT NULL,
  sealed_arguments TEXT NOT NULL,
  sealed_provenance TEXT,
  edited_digest TEXT,
  edited_arguments TEXT,
  state TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'rejected', 'expired', 'cancelled')),
  epoch INTEGER NOT NULL,
  consumed_at INTEGER,
  PRIMARY KEY (tenant, id),
  FOREIGN KEY (tenant, run, slot) REFERENCES calls DEFERRABLE INITIALLY DEFERRED
) STRICT;
CREATE INDEX approvals_of_call ON approvals (tenant, run, slot);
CREATE INDEX approvals_open ON approvals (tenant, expires_at)
  WHERE state IN ('pending', 'approved') AND consumed_at IS NULL;
CREATE INDEX approvals_by_state ON approvals (tenant, state, created_at);
CREATE TRIGGER approvals_end BEFORE UPDATE OF state ON approvals
  WHEN old.state IN ('rejected', 'expired', 'cancelled') AND new.state <> old.state
  BEGIN SELECT RAISE(ABORT, 'an approval that ended never reopens'); END;

CREATE TABLE votes (
  tenant TEXT NOT NULL,
  approval TEXT NOT NULL,
  approver TEXT NOT NULL,
  verdict TEXT NOT NULL CHECK (verdict IN ('approve', 'reject')),
  time INTEGER NOT NULL,
  signature TEXT NOT NULL,
  key_id TEXT NOT NULL,
  sealed_reason TEXT,
  PRIMARY KEY (tenant, approval, approver),
  FOREIGN KEY (tenant, approval) REFERENCES approvals
) STRICT, WITHOUT ROWID;
CREATE TRIGGER votes_update BEFORE UPDATE ON votes BEGIN SELECT RAISE(ABORT, 'a vote never changes'); END;
CREATE TRIGGER votes_delete BEFORE DELETE ON votes BEGIN SELECT RAISE(ABORT, 'a vote is never deleted'); END;

CREATE TABLE leases (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  call_key TEXT NOT NULL,
  service TEXT NOT NULL,
  provider TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('planned', 'issued', 'closed')),
  sealed_handle TEXT,
  PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX leases_open ON leases (tenant, expires_at) WHERE state <> 'closed';

CREATE TABLE subjects (
  tenant TEXT NOT NULL,
  subject TEXT NOT NULL,
  key TEXT NOT NULL,
  PRIMARY KEY (tenant, subject)
) STRICT, WITHOUT ROWID;

CREATE TABLE writers (
  tenant TEXT NOT NULL,
  writer TEXT NOT NULL,
  chain INTEGER PRIMARY KEY,
  UNIQUE (tenant, writer)
) STRICT;

CREATE TABLE records (
  id INTEGER PRIMARY KEY,
  tenant TEXT NOT NULL,
  time INTEGER NOT NULL,
  kind TEXT NOT NULL,
  event TEXT NOT NULL,
  call TEXT,
  body TEXT NOT NULL,
  hash TEXT NOT NULL
) STRICT;
-- Holds a row only while a prune runs: the records that it names may go.
CREATE TABLE pruning (chain INTEGER PRIMARY KEY, through INTEGER NOT NULL) STRICT;
-- These stop bugs. Whoever can write to the file can drop them; the hash chain shows what was done then.
CREATE TRIGGER records_update BEFORE UPDATE ON records BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER records_delete BEFORE DELETE ON records WHEN NOT EXISTS (
    SELECT 1 FROM pruning WHERE chain = old.id >> 32 AND (old.id & 0xffffffff) <= through)
  BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

CREATE TABLE entries (
  tenant TEXT NOT NULL,
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  version TEXT NOT NULL,
  value TEXT NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, kind, id)
) STRICT, WITHOUT ROWID;

PRAGMA application_id = ${applicationId};
PRAGMA user_version = ${schemaVersion};
`;
