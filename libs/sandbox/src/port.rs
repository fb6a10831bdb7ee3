//! Ports on 127.0.0.1: finding free ones, and saying who holds a busy one.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

use rand::RngExt;

use crate::{
    error::{Error, while_doing},
    process_table,
};

/// Where free ports are looked for: below the range that the kernel gives to outgoing connections, so that a
/// server which stops and starts again does not find its port taken by somebody's connection.
const RANGE: std::ops::Range<u16> = 10_000..32_000;

/// A port nobody listens on now, and none that this process was given before, as long as the range lasts:
/// whoever it was for may not listen yet, or may be just starting again. (Of fourteen ports drawn at random for
/// one test, two were the same once in 240 tests.)
///
/// # Panics
/// When a thousand ports in a row are taken.
#[must_use]
pub fn free_port() -> u16 {
    static NEXT: LazyLock<AtomicU16> =
        LazyLock::new(|| AtomicU16::new(rand::rng().random_range(0..RANGE.end - RANGE.start)));
    (0..1000)
        .map(|_| RANGE.start + NEXT.fetch_add(1, Ordering::Relaxed) % (RANGE.end - RANGE.start))
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
