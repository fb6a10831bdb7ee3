//! Services with the rights that they have everywhere, and no others: so every test shows that these suffice.
//!
//! The test itself connects to NATS without a key, which there is the operator's right, and to a database as its
//! owner.

use std::path::Path;

use messaging::nkey;
use messaging::rights::{User, UserKey, Work, authorization};
use migrations::rights::{Area, Owner, Step, apply, steps};
use sandbox::Nats;
use sea_orm::{Database, DatabaseConnection};
use sea_orm_migration::MigratorTrait;
use service::config::Seeds;

/// A database of a service for one test.
pub struct Guarded {
    /// Its address for its owner, as migrations have it.
    pub owner: String,
    /// Its address for the service.
    pub service: String,
}

/// A new database on the shared PostgreSQL, up to date, whose rows the service may read and write.
///
/// # Panics
/// It cannot be made, or a migration fails.
pub async fn guarded_database<M: MigratorTrait>(service: &str) -> Guarded {
    let owner = crate::database(service).await;
    let name = owner.rsplit('/').next().unwrap_or_default();
    let db: DatabaseConnection =
        Database::connect(&owner).await.unwrap_or_else(|error| panic!("{owner}: {error}"));
    M::up(&db, None).await.unwrap_or_else(|error| panic!("migrations of {service}: {error}"));
    db.close().await.unwrap_or_else(|error| panic!("{owner}: {error}"));
    let role = format!("{name}_rows");
    let area =
        Area { database: name.to_owned(), role: role.clone(), connections_max: None, readers: Vec::new() };
    let postgres = crate::postgres().await;
    let url = |database: Option<&str>| postgres.superuser_url(database.unwrap_or("postgres"));
    let mut steps = steps(Owner::There(name), &[area], &|_| None);
    // The test looks at who waits for whom.
    let looks = format!("GRANT pg_read_all_stats TO {name}");
    steps.push(Step { database: None, only_if: None, sql: looks });
    let applied = apply(&steps, url).await;
    applied.unwrap_or_else(|error| panic!("rights in {name}: {error}"));
    let service = postgres.url_as(&role, None, name);
    Guarded { owner, service }
}

/// The configuration of a NATS whose users are these services, and the seeds by which it knows them.
///
/// # Panics
/// Never in practice: a seed that was made is one.
pub fn users(works: &[Work]) -> (String, Seeds) {
    let mut seeds = Seeds::default();
    let key = |seed| nkey::public_key(&seed).unwrap_or_else(|error| panic!("{error}"));
    let mut users = Vec::new();
    for work in works {
        let seed = nkey::new_seed();
        seeds.set(work.user(), seed.clone());
        let permissions = Some(work.permissions());
        users.push(User { name: work.user(), key: UserKey::Public(key(seed)), permissions });
    }
    let operator = key(nkey::new_seed());
    users.push(User { name: "operator", key: UserKey::Public(operator.clone()), permissions: None });
    (format!("{}no_auth_user: {operator}\n", authorization(&users)), seeds)
}

/// What a NATS has not let its users do so far, in its own words.
pub fn violations(nats: &Nats) -> Vec<String> {
    let log = nats.home().join("nats.log");
    let old = log.with_added_extension("old");
    let lines = |log: &Path| std::fs::read_to_string(log).unwrap_or_default();
    let all = lines(&old) + &lines(&log);
    all.lines().filter(|line| line.contains("Violation")).map(str::to_owned).collect()
}

/// Panics when a NATS had to forbid a service something: the rights would be too small for its work.
///
/// # Panics
/// So it does, unless the test fails anyway.
pub fn assert_rights_sufficed(nats: &Nats) {
    let violations = violations(nats);
    if !std::thread::panicking() {
        assert!(violations.is_empty(), "a service wants what it may not: {violations:#?}");
    }
}
