-- The flags of care teams, for SQLite and PostgreSQL alike. Times are microseconds since 1970 (UTC).
-- Columns named "sealed" hold AES-256-GCM ciphertext; patients are looked up by a keyed hash.

-- One row. It is updated first in every writing transaction, which puts writers in a row, so that
-- the numbers of changes are committed in their order.
CREATE TABLE flag_store (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    last_change BIGINT NOT NULL,
    -- Watchers and pages that go back to here or further have missed something that is gone.
    changes_gone_to BIGINT NOT NULL,
    positions_gone_to BIGINT NOT NULL,
    -- Whether simulated patients raise flags here: 1 in a store for showing alone.
    is_demonstration BIGINT NOT NULL,
    -- The key of the patients' hashes and the pages' tokens, sealed under a key of the key file.
    sealed_index_key TEXT NOT NULL
);

CREATE TABLE flag (
    id TEXT NOT NULL PRIMARY KEY,
    patient_key TEXT NOT NULL,
    sealed_patient_id TEXT NOT NULL,
    sealed_reasons TEXT NOT NULL,
    sealed_course TEXT NOT NULL,
    -- Which key of the key file sealed them.
    key_id TEXT NOT NULL,
    task TEXT NOT NULL,
    facility TEXT,
    unit TEXT,
    team TEXT,
    state TEXT NOT NULL,
    tier TEXT NOT NULL,
    tier_rank BIGINT NOT NULL,
    is_provisional BIGINT NOT NULL,
    is_synthetic BIGINT NOT NULL,
    -- Whether the last scores lie below where its tier ends.
    is_falling BIGINT NOT NULL,
    probability DOUBLE PRECISION NOT NULL,
    raised_probability DOUBLE PRECISION NOT NULL,
    horizon_days BIGINT NOT NULL,
    index_time BIGINT NOT NULL,
    raised_time BIGINT NOT NULL,
    expires_time BIGINT NOT NULL,
    scored_time BIGINT NOT NULL,
    history_used_until BIGINT,
    sufficiency TEXT NOT NULL,
    model_version TEXT NOT NULL,
    bundle_digest TEXT NOT NULL,
    assignee TEXT,
    snoozed_until BIGINT,
    dismissal TEXT,
    action TEXT,
    held TEXT,
    changed_time BIGINT NOT NULL,
    version BIGINT NOT NULL,
    change_number BIGINT NOT NULL
);

-- No two servers can raise two flags for one patient and task.
CREATE UNIQUE INDEX flag_live ON flag (patient_key, task)
    WHERE state IN ('waiting', 'raised', 'acknowledged', 'snoozed');
CREATE INDEX flag_expiry ON flag (state, expires_time);
CREATE INDEX flag_waiting ON flag (team, tier_rank, probability) WHERE state = 'waiting';
CREATE INDEX flag_key ON flag (key_id);

-- The day (since 1970) and the team ('' for none) of each raise: what a team's day holds.
CREATE TABLE flag_raise (
    flag_id TEXT NOT NULL PRIMARY KEY,
    team TEXT NOT NULL,
    day BIGINT NOT NULL
);
CREATE INDEX flag_raise_day ON flag_raise (day, team);

-- What the next score of a patient for a task is judged by.
CREATE TABLE flag_standing (
    patient_key TEXT NOT NULL,
    task TEXT NOT NULL,
    flag_id TEXT,
    memory TEXT NOT NULL,
    changed_time BIGINT NOT NULL,
    PRIMARY KEY (patient_key, task)
);
CREATE INDEX flag_standing_flag ON flag_standing (flag_id);

CREATE TABLE flag_change (
    number BIGINT NOT NULL PRIMARY KEY,
    flag_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    held TEXT,
    time BIGINT NOT NULL,
    actor TEXT,
    -- What was asked for, so that the same asked again is known.
    request TEXT
);
CREATE INDEX flag_change_flag ON flag_change (flag_id, version);

CREATE TABLE flag_feedback (
    flag_id TEXT NOT NULL,
    actor TEXT NOT NULL,
    feedback TEXT NOT NULL,
    time BIGINT NOT NULL,
    PRIMARY KEY (flag_id, actor, feedback)
);

-- High scores that raised nothing where there is no flag to tell it of: one row per change of reason.
CREATE TABLE flag_suppressed (
    patient_key TEXT NOT NULL,
    task TEXT NOT NULL,
    held TEXT NOT NULL,
    time BIGINT NOT NULL
);
CREATE INDEX flag_suppressed_time ON flag_suppressed (time);

-- Where each flag stood in the list, from one change to another, so that pages stay those of the
-- moment of the first one. The ranks grow as the flag's place in the list falls.
CREATE TABLE flag_position (
    flag_id TEXT NOT NULL,
    from_change BIGINT NOT NULL,
    until_change BIGINT NOT NULL,
    until_time BIGINT NOT NULL,
    is_live BIGINT NOT NULL,
    state TEXT NOT NULL,
    task TEXT NOT NULL,
    facility TEXT,
    unit TEXT,
    team TEXT,
    tier TEXT NOT NULL,
    patient_key TEXT NOT NULL,
    assignee TEXT,
    changed_time BIGINT NOT NULL,
    tier_rank BIGINT NOT NULL,
    rise_rank DOUBLE PRECISION NOT NULL,
    risk_rank DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (flag_id, from_change)
);
CREATE INDEX flag_position_order
    ON flag_position (is_live, tier_rank, rise_rank, risk_rank, flag_id);
CREATE INDEX flag_position_until ON flag_position (until_time);
CREATE INDEX flag_position_patient ON flag_position (patient_key);
