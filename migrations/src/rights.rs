//! Who may do what in the databases: one role owns them and changes tables; of each service one reads and writes the
//! rows of its own database and can open no other; one of the audit reads. Statements that can be run again at any
//! time, also over databases that a service's role still owns.

use std::fmt::Write;

use sea_orm_migration::sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr};
use sea_orm_migration::sea_orm::{DatabaseBackend, Statement};

/// The role that owns databases and tables: migrations run as it, and nothing else does.
pub const MIGRATOR: &str = "rondo_migrator";
/// The role of the audit.
pub const AUDITOR: &str = "rondo_audit";
/// Connections of [`MIGRATOR`]: a migration has a database at a time, and two of them may run beside each other.
const MIGRATOR_CONNECTIONS_MAX: u32 = 20;
/// Connections of [`AUDITOR`]: an audit has one to each of five databases, and four may run beside each other: at the
/// keyboard, of a process that comes, of one that goes.
const AUDITOR_CONNECTIONS_MAX: u32 = 20;
/// The services whose databases the audit looks into.
pub const AUDITED: [&str; 5] = ["billing", "stock", "delivery", "orchestrator", "notification"];
/// Where migrations remember which of them ran: a service looks, and nothing else.
const REMEMBERED: &str = "seaql_migrations";

/// The name of a service's database.
pub fn database_of(service: &str) -> String {
    format!("rondo_{service}")
}

/// The role of a service.
pub fn role_of(service: &str) -> String {
    format!("rondo_{service}")
}

/// A database, and who works in it.
#[derive(Debug, Clone)]
pub struct Area {
    /// Its name.
    pub database: String,
    /// Who reads and writes rows.
    pub role: String,
    /// How many connections that role may have; none: as many as the server has.
    pub connections_max: Option<u32>,
    /// Who reads them.
    pub readers: Vec<String>,
}

impl Area {
    /// The database of a service, as in every deployment; the service has that many connections there at most.
    pub fn of(service: &str, connections_max: u32) -> Self {
        let readers = if AUDITED.contains(&service) { vec![AUDITOR.to_owned()] } else { Vec::new() };
        let (database, role) = (database_of(service), role_of(service));
        Self { database, role, connections_max: Some(connections_max), readers }
    }
}

/// Who owns the databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner<'a> {
    /// A role that is made where it is missing, with a password like all others.
    Made(&'a str),
    /// A role that is there and may make databases and roles.
    There(&'a str),
}

impl<'a> Owner<'a> {
    fn name(self) -> &'a str {
        match self {
            Self::Made(name) | Self::There(name) => name,
        }
    }
}

/// A statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// In this database; none: in any, for it is about the server.
    pub database: Option<String>,
    /// Only where this holds.
    pub only_if: Option<String>,
    /// Without a semicolon.
    pub sql: String,
}

/// How a role's password is written in a statement; none: it gets none.
pub type Password<'a> = &'a dyn Fn(&str) -> Option<String>;

/// All statements, in their order; for a superuser, or [`Owner::There`].
pub fn steps(owner: Owner<'_>, areas: &[Area], password: Password<'_>) -> Vec<Step> {
    let mut steps = vec![on_server("SET password_encryption = 'scram-sha-256'")];
    if let Owner::Made(name) = owner {
        steps.extend(["postgres", "template1"].map(closed));
        steps.extend(role(name, Some(MIGRATOR_CONNECTIONS_MAX), password));
        let is_other = format!(
            "NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AND current_user <> '{name}'"
        );
        // Who is no superuser gives databases only to roles that he is a member of.
        steps.push(only_if(is_other, on_server(format!("GRANT {name} TO current_user"))));
    }
    let mut roles: Vec<(&str, Option<u32>)> = Vec::new();
    for area in areas {
        roles.push((&area.role, area.connections_max));
        roles.extend(area.readers.iter().map(|reader| (reader.as_str(), Some(AUDITOR_CONNECTIONS_MAX))));
    }
    let mut known = Vec::new();
    for (name, connections_max) in roles {
        if !known.contains(&name) {
            known.push(name);
            steps.extend(role(name, connections_max, password));
        }
    }
    for area in areas {
        steps.extend(database(owner.name(), area));
        steps.extend(tables(owner.name(), area));
    }
    steps
}

fn on_server(sql: impl Into<String>) -> Step {
    Step { database: None, only_if: None, sql: sql.into() }
}

fn only_if(condition: String, step: Step) -> Step {
    Step { only_if: Some(condition), ..step }
}

/// A database that comes with the server, in which nobody has anything to do. Whoever owns it says who may open it; to
/// others that would be an error, and the rights are worth having without it.
fn closed(database: &str) -> Step {
    let is_ours = format!("pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = '{database}'");
    on_server(format!(
        "DO $do$ BEGIN IF (SELECT {is_ours}) THEN REVOKE CONNECT ON DATABASE {database} FROM PUBLIC; \
         ELSE RAISE WARNING 'everybody may go on to open the database {database}: it belongs to another'; END IF; END $do$"
    ))
}

/// A role that may log in, so often at a time, and nothing else yet.
fn role(name: &str, connections_max: Option<u32>, password: Password<'_>) -> Vec<Step> {
    let absent = format!("NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}')");
    let mut steps = vec![only_if(absent, on_server(format!("CREATE ROLE {name} LOGIN")))];
    if let Some(max) = connections_max {
        steps.push(on_server(format!("ALTER ROLE {name} CONNECTION LIMIT {max}")));
    }
    if let Some(password) = password(name) {
        steps.push(on_server(format!("ALTER ROLE {name} PASSWORD {password}")));
    }
    steps
}

/// The database is the owner's, and nobody else opens it.
fn database(owner: &str, Area { database, role, readers, .. }: &Area) -> Vec<Step> {
    let exists = format!("EXISTS (SELECT FROM pg_database WHERE datname = '{database}')");
    let is_another = format!(
        "EXISTS (SELECT FROM pg_database WHERE datname = '{database}' AND datdba <> '{owner}'::regrole)"
    );
    let mut steps = vec![
        only_if(format!("NOT {exists}"), on_server(format!("CREATE DATABASE {database} OWNER {owner}"))),
        only_if(is_another, on_server(format!("ALTER DATABASE {database} OWNER TO {owner}"))),
        on_server(format!("REVOKE ALL ON DATABASE {database} FROM PUBLIC")),
    ];
    for who in [role].into_iter().chain(readers) {
        steps.push(on_server(format!("GRANT CONNECT ON DATABASE {database} TO {who}")));
    }
    steps
}

/// Rows for the service, tables for the owner; also tables that are still to be made.
fn tables(owner: &str, Area { database, role, readers, .. }: &Area) -> Vec<Step> {
    let within = |sql: String| Step { database: Some(database.clone()), ..on_server(sql) };
    let defaults = format!("ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public");
    let mut steps = Vec::new();
    if role != owner {
        // As a database of an earlier version was made.
        let has_some = format!("EXISTS (SELECT FROM pg_class WHERE relowner = '{role}'::regrole)");
        steps.push(only_if(has_some, within(format!("REASSIGN OWNED BY {role} TO {owner}"))));
    }
    steps.push(within("REVOKE ALL ON SCHEMA public FROM PUBLIC".to_owned()));
    steps.push(within(format!("GRANT ALL ON SCHEMA public TO {owner}")));
    let rows = "SELECT, INSERT, UPDATE, DELETE";
    for (who, may) in [(role, rows)].into_iter().chain(readers.iter().map(|reader| (reader, "SELECT"))) {
        steps.push(within(format!("GRANT USAGE ON SCHEMA public TO {who}")));
        steps.push(within(format!("GRANT {may} ON ALL TABLES IN SCHEMA public TO {who}")));
        steps.push(within(format!("{defaults} GRANT {may} ON TABLES TO {who}")));
    }
    let is_there = format!("to_regclass('public.{REMEMBERED}') IS NOT NULL");
    steps.push(only_if(is_there, within(forget(role))));
    steps
}

fn forget(role: &str) -> String {
    format!("REVOKE INSERT, UPDATE, DELETE ON {REMEMBERED} FROM {role}")
}

/// After the first migration, as its owner: from here on a service's role cannot change which migrations ran. Where
/// there is no such role, it does nothing.
///
/// # Errors
/// The database refuses.
pub async fn protect_migrations(db: &DatabaseConnection, role: &str) -> Result<(), DbErr> {
    let is_other = format!("SELECT 1 FROM pg_roles WHERE rolname = '{role}' AND rolname <> current_user");
    if holds(db, &is_other).await? {
        db.execute_unprepared(&forget(role)).await?;
    }
    Ok(())
}

async fn holds(db: &DatabaseConnection, query: &str) -> Result<bool, DbErr> {
    let asked = Statement::from_string(DatabaseBackend::Postgres, query);
    Ok(db.query_one_raw(asked).await?.is_some())
}

/// Runs the statements; `url` is the address of a database for who may do that, of any for none.
///
/// # Errors
/// The server refuses one of them. The error does not tell passwords.
pub async fn apply(steps: &[Step], url: impl Fn(Option<&str>) -> String) -> Result<(), DbErr> {
    let mut open: Option<(&Option<String>, DatabaseConnection)> = None;
    for step in steps {
        let db = match open.take() {
            Some((database, db)) if *database == step.database => db,
            before => {
                if let Some((_, db)) = before {
                    db.close().await?;
                }
                // One session, so that what is set stays set.
                let mut options = ConnectOptions::new(url(step.database.as_deref()));
                options.max_connections(1).sqlx_logging(false);
                Database::connect(options).await?
            }
        };
        let wanted = match &step.only_if {
            Some(condition) => holds(&db, &format!("SELECT 1 WHERE {condition}")).await?,
            None => true,
        };
        if wanted {
            db.execute_unprepared(&step.sql).await?;
        }
        open = Some((&step.database, db));
    }
    if let Some((_, db)) = open {
        db.close().await?;
    }
    Ok(())
}

/// The same as a script for psql, which takes each role's password from `<ROLE>_PASSWORD` of its environment.
pub fn script(owner: Owner<'_>, areas: &[Area]) -> String {
    let steps = steps(owner, areas, &|role| Some(format!(":'{role}_password'")));
    let mut text = String::from(
        "-- Roles, databases and rights. Can be run again at any time, as a superuser:\n\
         --   psql -v ON_ERROR_STOP=1 -f this-file postgres\n\
         -- Passwords come from the environment: the names behind \\getenv.\n\
         \\set ON_ERROR_STOP on\n",
    );
    for step in steps.iter().filter(|step| step.sql.contains(" PASSWORD :")) {
        let role = step.sql.split(' ').nth(2).unwrap_or_default();
        let (variable, name) = (format!("{role}_password"), format!("{}_PASSWORD", role.to_uppercase()));
        // An empty one would take the role's password away, and psql would go on. It is no number, and so an error
        // that says what is missing. Writing to a text does not fail.
        let _ = writeln!(text, "\\set {variable} ''\n\\getenv {variable} {name}");
        let _ = writeln!(
            text,
            "SELECT CASE :'{variable}' WHEN '' THEN ('{name} is empty' || :'{variable}')::int END \\g /dev/null"
        );
    }
    let mut database = &None;
    for step in &steps {
        if *database != step.database {
            database = &step.database;
            let _ = writeln!(text, "\n\\connect {}", database.as_deref().unwrap_or("postgres"));
        }
        let _ = match &step.only_if {
            None => writeln!(text, "{};", step.sql),
            Some(condition) => writeln!(text, "SELECT $${}$$ WHERE {condition} \\gexec", step.sql),
        };
    }
    let _ = writeln!(text, "{};", enough(connections_wanted(areas)));
    text
}

/// Connections that a server should take, so that whoever takes all of one role's leaves the others half of theirs, which is
/// all that they have while nobody comes or goes.
fn connections_wanted(areas: &[Area]) -> u32 {
    let of_services = areas.iter().filter_map(|area| area.connections_max);
    let all: u32 = of_services.clone().sum::<u32>() + MIGRATOR_CONNECTIONS_MAX + AUDITOR_CONNECTIONS_MAX;
    (all + of_services.max().unwrap_or_default()) / 2
}

/// It changes nothing: a server may be shared, and then it is not for this script to say.
fn enough(wanted: u32) -> String {
    let there = ["max_connections", "superuser_reserved_connections"]
        .map(|name| format!("current_setting('{name}')::int"));
    format!(
        "DO $do$ BEGIN IF {} - {} < {wanted} THEN RAISE WARNING 'max_connections should be {wanted} more than \
         superuser_reserved_connections: as it is, whoever takes over one role can leave the others too few. Raise it, or \
         say fewer --replicas'; END IF; END $do$",
        there[0], there[1]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_stands_in_one_statement_and_in_no_script() {
        let areas = [Area::of("billing", 70), Area::of("auth", 50)];
        let steps = steps(Owner::Made(MIGRATOR), &areas, &|role| Some(format!("'secret of {role}'")));
        for role in [MIGRATOR, AUDITOR, "rondo_billing", "rondo_auth"] {
            let told = steps.iter().filter(|step| step.sql.contains(&format!("secret of {role}'")));
            assert_eq!(told.count(), 1, "{role}");
        }
        let script = script(Owner::Made(MIGRATOR), &areas);
        assert!(script.contains("\\getenv rondo_billing_password RONDO_BILLING_PASSWORD\n"));
        assert!(script.contains("ALTER ROLE rondo_billing PASSWORD :'rondo_billing_password';"));
        assert!(!script.contains("secret"));
    }

    #[test]
    fn only_the_audited_have_a_reader() {
        assert_eq!(Area::of("billing", 7).readers, [AUDITOR]);
        assert!(Area::of("auth", 5).readers.is_empty());
    }
}
