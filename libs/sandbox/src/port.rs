//! Ports on 127.0.0.1: finding free ones, and saying who holds a busy one.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use rand::RngExt;

use crate::{
    error::{Error, while_doing},
    process_table,
};

/// A port nobody listens on now. From below the range that the kernel gives to outgoing connections, so that a
/// server which stops and starts again on it does not find it taken by somebody's connection.
///
/// # Panics
/// When a thousand ports in a row are taken.
#[must_use]
pub fn free_port() -> u16 {
    let mut random = rand::rng();
    (0..1000)
        .map(|_| random.random_range(10_000..32_000))
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("one of a thousand ports is free")
}

/// Checks that nobody listens on an address which is wanted for something ("the public listener").
///
/// # Errors
/// [`Error::PortBusy`] with the holder if it can be seen; [`Error::Io`] when the address cannot be used at all.
pub fn require_free(address: SocketAddr, wanted_for: &str) -> Result<(), Error> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Err(Error::PortBusy {
            port: address.port(),
            wanted_for: wanted_for.to_owned(),
            held_by: process_table::listener(address.port()),
        }),
        Err(error) => Err(while_doing(format!("listen on {address} for {wanted_for}"))(error)),
    }
}
