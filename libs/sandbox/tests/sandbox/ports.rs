//! Busy ports are named, with who holds them.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};

use sandbox::{Error, Nats, NatsOptions, Postgres, PostgresOptions, free_port, require_free};

use crate::{fresh_dir, nats_options, throwaway};

fn assert_names(error: &Error, port: u16, wanted: &str) {
    let Error::PortBusy { port: named, wanted_for, held_by } = error else { panic!("{error}") };
    assert_eq!((*named, wanted_for.as_str()), (port, wanted));
    let holder = held_by.as_ref().expect("we may see our own process");
    assert!(holder.contains(&std::process::id().to_string()), "{holder}");
}

#[test]
fn no_port_is_given_twice() {
    let ports: BTreeSet<u16> = (0..2_000).map(|_| free_port()).collect();
    assert_eq!(ports.len(), 2_000);
}

#[test]
fn a_busy_port_is_named_with_its_use_and_its_holder() {
    let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = holder.local_addr().unwrap();
    assert_names(
        &require_free(address, "the public listener").unwrap_err(),
        address.port(),
        "the public listener",
    );
    drop(holder);
    require_free(address, "the public listener").unwrap();
}

#[tokio::test]
async fn servers_say_that_their_port_is_busy() {
    let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, free_port())).unwrap();
    let port = holder.local_addr().unwrap().port();
    let dir = fresh_dir("busy_port");

    let options = PostgresOptions { port: Some(port), ..throwaway(dir.join("postgres")) };
    assert_names(&Postgres::start(options).await.err().unwrap(), port, "PostgreSQL");

    let options = NatsOptions { port: Some(port), ..nats_options(dir.join("nats")) };
    assert_names(&Nats::start(options).await.err().unwrap(), port, "NATS");
}
