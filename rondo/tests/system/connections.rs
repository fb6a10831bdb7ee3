//! Connections to PostgreSQL: a role has as many as its service's processes need, and where the server's own databases are
//! it has none. As what `rondo rights sql` prints makes it.

use std::process::{Command, Output};

use sandbox::Postgres;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseBackend, DatabaseConnection, DbErr, Statement,
};

use super::observed::read;
use super::processes::{SERVICES, System, connections};

/// Any one will do: the server of the tests asks nobody for it.
const PASSWORD: &str = "correct horse battery";

/// Runs what the program prints, as somebody of the server.
fn make(postgres: &Postgres, whose: &str, arguments: &[&str]) -> Output {
    let mut rondo = Command::new(env!("CARGO_BIN_EXE_rondo"));
    let printed = rondo.args(["rights", "sql"]).args(arguments).output().unwrap();
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    let script = postgres.home().join("rights.sql");
    std::fs::write(&script, printed.stdout).unwrap();
    let mut psql = Command::new("psql");
    psql.args(["--no-psqlrc", "--quiet", "--file"])
        .arg(&script)
        .arg(postgres.url_as(whose, None, "postgres"));
    for role in SERVICES.iter().chain(&["migrator", "audit"]) {
        psql.env(format!("RONDO_{}_PASSWORD", role.to_uppercase()), PASSWORD);
    }
    let made = psql.output().unwrap();
    assert!(made.status.success(), "{}", said(&made));
    made
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

async fn open(postgres: &Postgres, role: &str, database: &str) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(postgres.url_as(role, None, database));
    options.max_connections(1).sqlx_logging(false);
    let db = Database::connect(options).await?;
    db.ping().await.map(|()| db)
}

/// What the server says to who may not open a connection; a pool would try again, and say nothing of it.
fn refusal(postgres: &Postgres, role: &str, database: &str) -> String {
    let url = postgres.url_as(role, None, database);
    let asked =
        Command::new("psql").args(["--no-psqlrc", "--command", "SELECT 1"]).arg(url).output().unwrap();
    assert!(!asked.status.success(), "{role} opens {database}");
    said(&asked)
}

#[tokio::test]
async fn a_role_has_the_connections_of_its_processes_and_leaves_the_others_theirs() {
    let postgres = testkit::own_postgres().await;
    assert_eq!(said(&make(&postgres, "postgres", &["--replicas", "1"])), "");
    for (service, of_one) in connections() {
        let name = format!("rondo_{service}");
        let mut taken = Vec::new();
        // The process that goes, and the one that comes.
        for _ in 0..2 * of_one {
            taken.push(open(&postgres, &name, &name).await.unwrap());
        }
        let refused = refusal(&postgres, &name, &name);
        assert!(refused.contains("too many connections for role"), "{service}: {refused}");
        for (other, _) in connections().into_iter().filter(|(other, _)| *other != service) {
            let name = format!("rondo_{other}");
            open(&postgres, &name, &name).await.unwrap().close().await.unwrap();
        }
        // It can be run again at any time, and then it is as it is said there.
        make(&postgres, "postgres", &["--replicas", "2"]);
        taken.push(open(&postgres, &name, &name).await.unwrap());
        make(&postgres, "postgres", &["--replicas", "1"]);
        for db in taken {
            db.close().await.unwrap();
        }
    }
    for role in ["rondo_stock", "rondo_audit", "rondo_migrator"] {
        for database in ["postgres", "template1"] {
            let refused = refusal(&postgres, role, database);
            assert!(refused.contains("permission denied for database"), "{role} in {database}: {refused}");
        }
    }
}

#[tokio::test]
async fn who_may_not_close_the_servers_own_databases_is_told_and_so_is_who_has_too_few_connections() {
    let postgres = testkit::own_postgres().await;
    let superuser = open(&postgres, "postgres", "postgres").await.unwrap();
    superuser.execute_unprepared("CREATE ROLE renter LOGIN CREATEDB CREATEROLE").await.unwrap();
    for _ in ["at the first time", "again"] {
        let warned = said(&make(&postgres, "renter", &[]));
        for database in ["postgres", "template1"] {
            let words = format!("everybody may go on to open the database {database}: it belongs to another");
            assert!(warned.contains(&words), "{warned}");
        }
        assert!(warned.contains("max_connections should be 556 more than"), "{warned}");
    }
    open(&postgres, "rondo_stock", "rondo_stock").await.unwrap().close().await.unwrap();

    // The document says how all of it is removed.
    let document = read("docs/kubernetes.md");
    let (_, block) = document.split_once("```bash\nfor service in auth").unwrap();
    let block = format!("for service in auth{}", block.split("```").next().unwrap());
    let mut remove = Command::new("bash");
    remove.args(["-euc", &block]).env("SUPERUSERS_DATABASE_URL", postgres.superuser_url("postgres"));
    let removed = remove.output().unwrap();
    assert!(removed.status.success(), "{}", said(&removed));
    let ours = "SELECT 1 FROM (SELECT rolname FROM pg_roles UNION SELECT datname FROM pg_database) names (name) \
                WHERE name LIKE 'rondo\\_%'";
    let left =
        superuser.query_one_raw(Statement::from_string(DatabaseBackend::Postgres, ours)).await.unwrap();
    assert!(left.is_none(), "{left:?}");
}

#[tokio::test]
async fn a_process_has_the_connections_of_which_its_rights_are_made() {
    let system = System::start(&[("all", &SERVICES)]).await;
    let metrics = format!("http://{}/metrics", system.internal_addr("all"));
    let metrics = reqwest::get(metrics).await.unwrap().text().await.unwrap();
    for (service, of_one) in connections() {
        let pools = metrics.lines().filter(|line| {
            line.starts_with("rondo_pool_connections_max{")
                && line.contains(&format!("service=\"{service}\""))
        });
        let sum: f64 = pools.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum();
        assert_eq!(sum, f64::from(of_one), "{service}");
    }
}
