//! Tables that several services have, each in its own database: written and read by `messaging`.

use sea_orm_migration::prelude::*;

/// Items that could not be processed, as they came; `headers` of what came as a message of its own.
pub(crate) const DEAD_LETTERS: &str = "
CREATE TABLE dead_letters (
    letter_id  uuid PRIMARY KEY,
    subject    text NOT NULL,
    item_type  text,
    about      uuid,
    error      text NOT NULL,
    payload    bytea NOT NULL,
    headers    text,
    group_id   uuid NOT NULL,
    count      integer NOT NULL CHECK (count > 0),
    first_at   timestamptz NOT NULL,
    last_at    timestamptz NOT NULL
);
CREATE INDEX dead_letters_by_group ON dead_letters (group_id, letter_id);
";

/// What operators did with dead letters; `before` is the letter without its payload, as JSON.
pub(crate) const DEAD_LETTER_ACTIONS: &str = "
CREATE TABLE dead_letter_actions (
    action_id  uuid PRIMARY KEY,
    at         timestamptz NOT NULL,
    actor      text NOT NULL,
    action     text NOT NULL CHECK (action IN ('redrive', 'discard')),
    reason     text NOT NULL,
    letter_id  uuid NOT NULL,
    before     text NOT NULL,
    after      text NOT NULL CHECK (after IN ('sent_again', 'failed_again', 'discarded'))
);
";

/// Events that leave: a row a commit, a JSON array as text; not compressed, for it is read only when it
/// got lost. `stream_created_at` and `sequence` say where they arrived.
pub(crate) const OUTBOX: &str = "
CREATE TABLE outbox (
    row_id            uuid PRIMARY KEY,
    created_at        timestamptz NOT NULL,
    events            text NOT NULL,
    stream_created_at timestamptz,
    sequence          bigint,
    CHECK ((stream_created_at IS NULL) = (sequence IS NULL))
);
ALTER TABLE outbox ALTER COLUMN events SET STORAGE EXTERNAL;
CREATE INDEX outbox_unsent ON outbox (row_id) WHERE sequence IS NULL;
CREATE INDEX outbox_by_sequence ON outbox (sequence);
";

/// Requests that had an effect, by `Idempotency-Key`.
pub(crate) const IDEMPOTENCY_KEYS: &str = "
CREATE TABLE idempotency_keys (
    key_id      uuid PRIMARY KEY,
    user_id     uuid NOT NULL,
    body_hash   text NOT NULL,
    response    text NOT NULL,
    created_at  timestamptz NOT NULL
);
CREATE INDEX idempotency_keys_by_time ON idempotency_keys (created_at);
";

/// Statistics are gathered from 3,000 rows of a table (300 times the target), a tenth of what PostgreSQL's own target
/// takes: statements go by keys, so their plans need no more. `ANALYZE` holds a snapshot for as long as it reads, and
/// until it ends every row that all orders change (a position, a saga) keeps all of its versions: `docs/performance.md`
/// has what half a minute of that costs.
///
/// The sample is as large as the most demanding column wants it, so a later column needs this again.
pub(crate) const SMALL_STATISTICS: &str = "
DO $$
DECLARE
    tables_column record;
BEGIN
    FOR tables_column IN
        SELECT attrelid::regclass AS tables_name, attname
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS 10',
                       tables_column.tables_name, tables_column.attname);
    END LOOP;
END $$;
";

/// A migration of plain statements.
pub(crate) struct Statements {
    pub(crate) name: &'static str,
    pub(crate) sql: &'static [&'static str],
}

impl MigrationName for Statements {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Statements {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in self.sql {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }
}

/// Declares a service's migrator: its name and the statements of its first migration, then the later ones
/// with their names.
macro_rules! migrations {
    ($service:literal, $($sql:expr),+ $(,)? $(; $name:literal => $($later:expr),+)*) => {
        use sea_orm_migration::prelude::*;

        /// Brings this service's database up to date.
        pub struct Migrator;

        impl MigratorTrait for Migrator {
            fn migrations() -> Vec<Box<dyn MigrationTrait>> {
                use crate::shared::Statements;
                vec![
                    Box::new(Statements { name: concat!("m0001_", $service), sql: &[$($sql),+] }),
                    $(Box::new(Statements { name: $name, sql: &[$($later),+] }),)*
                ]
            }
        }
    };
}
pub(crate) use migrations;
