//! What lies below HTTP: looking names up, and knowing whether a request was begun.
//!
//! An error of ureq does not tell whether a part of the request was sent, and everything hangs on
//! that: what was surely not sent can be sent again. So each connection notes that something goes
//! out. A request and its connection are one thread's, and so is the note.

use std::cell::Cell;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, DefaultConnector, NextTimeout, Transport,
};

use crate::limits::{HTTP_LOOKUPS_MAX, HTTP_STACK_BYTES};

thread_local! {
    /// A part of this thread's request may have left.
    static BEGUN: Cell<bool> = const { Cell::new(false) };
}

pub(super) fn nothing_begun() {
    BEGUN.set(false);
}

pub(super) fn is_begun() -> bool {
    BEGUN.get()
}

/// ureq's own connections, watched.
#[derive(Debug, Default)]
pub(super) struct Connections(DefaultConnector);

impl Connector<()> for Connections {
    type Out = Watched;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<()>,
    ) -> Result<Option<Watched>, Error> {
        let details = ConnectionDetails {
            uri: details.uri,
            addrs: details.addrs.clone(),
            config: details.config,
            // All requests have the same TLS: then it is set up once, and sessions are resumed.
            request_level: false,
            resolver: details.resolver,
            now: details.now,
            timeout: details.timeout,
            current_time: Arc::clone(&details.current_time),
            run_connector: Arc::clone(&details.run_connector),
            register_shutdown: Arc::clone(&details.register_shutdown),
        };
        let connected = self.0.connect(&details, chained);
        // What went to a proxy on the way was not the request.
        nothing_begun();
        Ok(connected?.map(Watched))
    }
}

#[derive(Debug)]
pub(super) struct Watched(Box<dyn Transport>);

impl Transport for Watched {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.0.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        BEGUN.set(true);
        self.0.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.0.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.0.is_open()
    }

    fn is_tls(&self) -> bool {
        self.0.is_tls()
    }
}

/// Looks names up on threads of their own, since the system's way of doing it has no deadline. Those
/// that hang are counted, and that a thread cannot be had is no end of the world.
#[derive(Debug, Default)]
pub(super) struct Lookup {
    running: Arc<AtomicUsize>,
}

impl Resolver for Lookup {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let address = match (uri.scheme(), uri.authority()) {
            (Some(scheme), Some(authority)) => DefaultResolver::host_and_port(scheme, authority),
            _ => None,
        };
        let address = address.ok_or_else(|| Error::BadUri("it names no host".into()))?;
        let found = match address.parse::<SocketAddr>() {
            Ok(address) => vec![address],
            Err(_) => self.look_up(address, timeout)?,
        };
        let mut addresses = self.empty();
        // As many as fit.
        for address in found.into_iter().take(16) {
            addresses.push(address);
        }
        match addresses.is_empty() {
            true => Err(Error::HostNotFound),
            false => Ok(addresses),
        }
    }
}

impl Lookup {
    fn look_up(&self, address: String, timeout: NextTimeout) -> Result<Vec<SocketAddr>, Error> {
        let slot = Slot::take(&self.running).ok_or_else(|| {
            io::Error::other("names are not being looked up; look at this machine's DNS")
        })?;
        let (found, finding) = mpsc::sync_channel(1);
        thread::Builder::new()
            .name("lookup".into())
            .stack_size(HTTP_STACK_BYTES)
            .spawn(move || {
                let addresses = address.to_socket_addrs().map(Iterator::collect);
                drop(slot);
                let _ = found.send(addresses);
            })?;
        match finding.recv_timeout(*timeout.after) {
            Ok(addresses) => Ok(addresses?),
            Err(RecvTimeoutError::Timeout) => Err(Error::Timeout(timeout.reason)),
            Err(RecvTimeoutError::Disconnected) => Err(Error::HostNotFound),
        }
    }
}

/// One of the lookups that may run.
struct Slot(Arc<AtomicUsize>);

impl Slot {
    fn take(running: &Arc<AtomicUsize>) -> Option<Self> {
        let slot = Self(Arc::clone(running));
        (running.fetch_add(1, SeqCst) < HTTP_LOOKUPS_MAX).then_some(slot)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookups_that_hang_are_bounded() {
        let running = Arc::default();
        let mut slots: Vec<Slot> = Vec::new();
        while let Some(slot) = Slot::take(&running) {
            slots.push(slot);
        }
        assert_eq!(slots.len(), HTTP_LOOKUPS_MAX);
        let lookup = Lookup {
            running: Arc::clone(&running),
        };
        let timeout = NextTimeout::default();
        let error = lookup.look_up("localhost:80".into(), timeout).unwrap_err();
        assert!(error.to_string().contains("DNS"), "{error}");
        slots.pop();
        assert!(Slot::take(&running).is_some());
        drop(slots);
        assert_eq!(running.load(SeqCst), 0);
    }
}
