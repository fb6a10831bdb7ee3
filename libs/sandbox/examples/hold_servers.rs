//! Starts both servers in a folder, prints their process ids and waits to be killed. For the test that nothing
//! outlives its parent: `hold_servers <dir> <tools> [freeze]`.

use std::{error::Error, path::PathBuf};

use sandbox::{Nats, NatsOptions, Postgres, PostgresOptions};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the test reads it")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(arguments.next().ok_or("no folder given")?);
    let tools = vec![PathBuf::from(arguments.next().ok_or("no tools given")?)];
    let options = PostgresOptions {
        dir: dir.join("postgres"),
        port: None,
        durable: false,
        template: Some(dir.with_file_name("template")),
    };
    let postgres = Postgres::start(options).await?;
    let nats = Nats::start(NatsOptions {
        dir: dir.join("nats"),
        port: None,
        durable: false,
        configuration: String::new(),
        tools,
    })
    .await?;
    if arguments.next().is_some() {
        postgres.freeze().await?;
        nats.freeze().await?;
    }
    let pids: Vec<String> = postgres.pids().iter().chain(&nats.pids()).map(i32::to_string).collect();
    println!("{}", pids.join(" "));
    std::future::pending::<()>().await;
    Ok(())
}
