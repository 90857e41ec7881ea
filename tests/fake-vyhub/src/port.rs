//! Ports that stay one's own while nobody listens on them.
//!
//! The kernel hands out ports from 32768 on to whoever asks for any. One of these could go to
//! somebody else during an outage, or a client that connects to it could be given it as its own
//! and speak with itself. So ports are taken from below, and a socket of UDP on the same number
//! tells other processes that it is taken.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::state::scrambled;

const FIRST: u64 = 12_000;
const COUNT: u64 = 20_000;

/// Longer than a system takes to give a port back.
const PATIENCE: Duration = Duration::from_secs(5);

/// A free port to listen on, and what keeps it.
#[track_caller]
pub fn free() -> (u16, UdpSocket) {
    let (port, keeper, _) = both_free();
    (port, keeper)
}

/// The same for somebody who receives datagrams.
#[track_caller]
pub fn free_for_datagrams() -> (u16, TcpListener) {
    let (port, _, keeper) = both_free();
    (port, keeper)
}

#[track_caller]
fn both_free() -> (u16, UdpSocket, TcpListener) {
    static SERIAL: AtomicU64 = AtomicU64::new(0);
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let seed = since.as_nanos() as u64 ^ (u64::from(process::id()) << 40);
    for _ in 0..10_000 {
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let port = (FIRST + scrambled(seed.wrapping_add(serial)) % COUNT) as u16;
        let address = (Ipv4Addr::LOCALHOST, port);
        if let (Ok(datagrams), Ok(listener)) =
            (UdpSocket::bind(address), TcpListener::bind(address))
        {
            return (port, datagrams, listener);
        }
    }
    panic!("no free port from {FIRST} to {}", FIRST + COUNT);
}

/// Listens, again and again while the port is not free yet.
#[track_caller]
pub fn listen(port: u16) -> TcpListener {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => return listener,
            Err(error) if Instant::now() > deadline => panic!("port {port}: {error}"),
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}
