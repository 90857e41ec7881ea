//! Reports to a service manager: the datagrams of sd_notify(3) and sd_watchdog_enabled(3), without their library.
//!
//! `vpid run --exec` starts the daemon with one end of a socket pair as its standard input, and gets the same reports
//! there. Nothing here waits: what the socket does not take at once is sent with the next report or the next feed.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::limits::{NOTICES_WAITING_MAX, STATUS_BYTES_MAX};
use crate::protocol::cut::cut;

/// How a service manager learns of this process, and what it expects of it.
#[derive(Debug, Default)]
pub struct Notifier {
    /// Connected; none: no manager wants reports.
    socket: Option<UnixDatagram>,
    /// How often the manager must get a sign of life.
    watchdog: Option<Duration>,
    waiting: VecDeque<String>,
    last_status: String,
}

/// Why reports cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    #[error(
        "NOTIFY_SOCKET={0:?} is neither a path nor begins with @: the service manager gets no reports"
    )]
    Address(OsString),
    #[error("NOTIFY_SOCKET={0:?} cannot be opened ({1}): the service manager gets no reports")]
    Socket(OsString, io::Error),
}

impl Notifier {
    /// By `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`, as `variable` gives them.
    pub fn of_environment(
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, NotifyError> {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let Some(address) = set("NOTIFY_SOCKET") else {
            return Ok(Self::default());
        };
        let socket = connect(&address)?;
        let watchdog = watchdog(set("WATCHDOG_USEC"), set("WATCHDOG_PID"));
        Ok(Self::on(socket, watchdog))
    }

    /// On the socket that is this process's standard input.
    pub fn of_standard_input() -> io::Result<Self> {
        let socket = UnixDatagram::from(io::stdin().as_fd().try_clone_to_owned()?);
        socket.set_nonblocking(true)?;
        Ok(Self::on(socket, None))
    }

    fn on(socket: UnixDatagram, watchdog: Option<Duration>) -> Self {
        Self {
            socket: Some(socket),
            watchdog,
            ..Self::default()
        }
    }

    /// How often [`Notifier::feed`] must be called: twice as often as the manager expects it.
    pub fn feed_every(&self) -> Option<Duration> {
        self.watchdog.map(|within| within / 2)
    }

    /// A sign of life.
    pub fn feed(&mut self) {
        if self.watchdog.is_some() {
            self.send("WATCHDOG=1".to_owned());
        }
    }

    /// It serves, since its start or again since a reload.
    pub fn ready(&mut self, status: &str) {
        let status = status_line(status);
        self.send(format!("READY=1\nSTATUS={status}"));
        self.last_status = status;
    }

    /// It reads its configuration again; [`Notifier::ready`] ends that.
    pub fn reloading(&mut self) {
        let now = clock_gettime(ClockId::Monotonic);
        let now_us = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.send(format!("RELOADING=1\nMONOTONIC_USEC={now_us}"));
    }

    pub fn stopping(&mut self, status: &str) {
        self.send(format!("STOPPING=1\nSTATUS={}", status_line(status)));
    }

    /// What it does now, in one line; sent if it differs from the last one.
    pub fn status(&mut self, status: &str) {
        let status = status_line(status);
        if status != self.last_status {
            self.send(format!("STATUS={status}"));
            self.last_status = status;
        }
    }

    /// A report of another process, which is part of this service.
    pub fn forward(&mut self, report: String) {
        self.send(report);
    }

    fn send(&mut self, notice: String) {
        let Some(socket) = &self.socket else { return };
        if self.waiting.len() >= NOTICES_WAITING_MAX {
            self.waiting.pop_front();
        }
        self.waiting.push_back(notice);
        while let Some(notice) = self.waiting.front() {
            match socket.send(notice.as_bytes()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A manager that is gone needs no report.
                Ok(_) | Err(_) => {
                    self.waiting.pop_front();
                }
            }
        }
    }
}

fn connect(address: &OsString) -> Result<UnixDatagram, NotifyError> {
    let failed = |error| NotifyError::Socket(address.clone(), error);
    let found = match address.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        [b'/', ..] => SocketAddr::from_pathname(address),
        _ => return Err(NotifyError::Address(address.clone())),
    };
    let socket = UnixDatagram::unbound().map_err(failed)?;
    socket
        .connect_addr(&found.map_err(failed)?)
        .map_err(failed)?;
    socket.set_nonblocking(true).map_err(failed)?;
    Ok(socket)
}

/// Within which time the manager expects a sign of life of this process.
fn watchdog(usec: Option<OsString>, pid: Option<OsString>) -> Option<Duration> {
    let number = |text: OsString| text.to_str()?.parse::<u64>().ok();
    let is_ours = match pid {
        None => true,
        Some(pid) => number(pid) == Some(std::process::id().into()),
    };
    let usec = number(usec?).filter(|usec| is_ours && *usec > 0)?;
    Some(Duration::from_micros(usec))
}

fn status_line(status: &str) -> String {
    let mut line: String = status
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    line.truncate(cut(&line, STATUS_BYTES_MAX).len());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notifier(address: &str, more: &[(&str, &str)]) -> Result<Notifier, NotifyError> {
        let more: Vec<(String, String)> = more
            .iter()
            .chain(&[("NOTIFY_SOCKET", address)])
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Notifier::of_environment(move |name| {
            let found = more.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.into())
        })
    }

    fn received(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 4096];
        let count = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    }

    #[test]
    fn reports_reach_sockets_with_a_path_and_abstract_ones() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("notify");
        let name = format!("vpid-test-{}", root.path().display());
        let of_path = UnixDatagram::bind(&path).unwrap();
        let of_name = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
        let of_name = UnixDatagram::bind_addr(&of_name).unwrap();
        for (socket, address) in [
            (of_path, path.display().to_string()),
            (of_name, format!("@{name}")),
        ] {
            let mut notifier = notifier(&address, &[]).unwrap();
            notifier.ready("serves\n/a");
            assert_eq!(received(&socket), "READY=1\nSTATUS=serves /a");
            notifier.status("serves /a");
            notifier.reloading();
            let text = received(&socket);
            let usec = text.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
            assert!(usec.parse::<u64>().unwrap() > 0);
            notifier.feed();
            notifier.stopping("");
            assert_eq!(received(&socket), "STOPPING=1\nSTATUS=");
        }
    }

    #[test]
    fn what_a_full_socket_does_not_take_is_sent_later_in_its_order_and_is_bounded() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let mut notifier = notifier(&path.display().to_string(), &[]).unwrap();
        let mut sent = 0;
        while notifier.waiting.is_empty() {
            notifier.status(&format!("{sent}"));
            sent += 1;
        }
        for _ in 0..2 * NOTICES_WAITING_MAX {
            notifier.status(&format!("{sent}"));
            sent += 1;
        }
        assert_eq!(notifier.waiting.len(), NOTICES_WAITING_MAX);
        socket.set_nonblocking(true).unwrap();
        let mut last = String::new();
        while !notifier.waiting.is_empty() {
            let mut buffer = [0; 64];
            while let Ok(count) = socket.recv(&mut buffer) {
                last = String::from_utf8_lossy(&buffer[..count]).into_owned();
            }
            notifier.ready("end");
        }
        while let Ok(count) = socket.recv(&mut [0; 64]) {
            assert!(count > 0);
        }
        assert!(
            last.starts_with("STATUS=") || last.starts_with("READY=1"),
            "{last}"
        );
    }

    #[test]
    fn the_watchdog_is_for_the_process_that_it_names() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("notify");
        let _socket = UnixDatagram::bind(&path).unwrap();
        let path = path.display().to_string();
        let every = |more: &[(&str, &str)]| notifier(&path, more).unwrap().feed_every();
        let us = std::process::id().to_string();
        let (usec, half) = (("WATCHDOG_USEC", "30000000"), Some(Duration::from_secs(15)));
        assert_eq!(every(&[usec]), half);
        assert_eq!(every(&[usec, ("WATCHDOG_PID", &us)]), half);
        assert_eq!(every(&[usec, ("WATCHDOG_PID", "1")]), None);
        assert_eq!(every(&[("WATCHDOG_USEC", "0")]), None);
        assert_eq!(every(&[("WATCHDOG_USEC", "soon")]), None);
    }

    #[test]
    fn a_socket_of_another_kind_is_an_error_and_none_is_silence() {
        assert!(matches!(
            notifier("vsock:2:9", &[]),
            Err(NotifyError::Address(_))
        ));
        assert!(matches!(
            notifier("/nowhere/notify", &[]),
            Err(NotifyError::Socket(..))
        ));
        let mut silent = notifier("", &[("WATCHDOG_USEC", "1")]).unwrap();
        silent.ready("");
        assert_eq!(silent.feed_every(), None);
    }
}
