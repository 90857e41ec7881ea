//! Errors of the connection in words for an operator.

use std::io;

use ureq::Timeout;

/// An error in words for an operator.
pub(super) fn of(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(Timeout::Resolve) => "its name was not looked up in time".into(),
        ureq::Error::Timeout(Timeout::Connect) => "there was no connection in time".into(),
        ureq::Error::Timeout(_) => "its time was over".into(),
        ureq::Error::HostNotFound => "there is no host of this name".into(),
        ureq::Error::Io(error) => of_io(error),
        ureq::Error::Protocol(error) => format!("what came is no HTTP: {error}"),
        ureq::Error::LargeResponseHeader(..) => "the headers of its answer are too large".into(),
        ureq::Error::ConnectProxyFailed(why) => format!("the proxy did not connect: {why}"),
        other => other.to_string(),
    }
}

pub(super) fn of_io(error: &io::Error) -> String {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    if let Some(inner) = inner {
        return of(inner);
    }
    match error.kind() {
        BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => {
            "the connection was closed".into()
        }
        io::ErrorKind::ConnectionRefused => "the connection was refused".into(),
        io::ErrorKind::InvalidData => plain(&error.to_string()),
        _ => error.to_string(),
    }
}

/// Without what could disturb a terminal or a log.
pub(super) fn plain(text: &str) -> String {
    let harmless = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(harmless).collect()
}
