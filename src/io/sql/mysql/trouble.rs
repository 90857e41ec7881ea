//! What a MySQL error means: the caller's mistake, a transaction to be repeated, or a connection
//! that is of no use any more.

use crate::limits::{
    MYSQL_REPLACE_BYTES_MAX, MYSQL_REPLACED_BYTES_MAX, SQL_PATTERN_BYTES_MAX, SQL_VALUE_BYTES_MAX,
};
use crate::protocol::call_error::{CallError, INTERRUPTED};
use mysql::{DriverError, Error, MySqlError};
use std::error::Error as _;

/// Why a statement has no outcome. What it did is undone, or cannot be known.
#[derive(Debug)]
pub(in crate::io::sql) enum Trouble {
    /// The connection is gone, for this reason.
    Lost(String),
    /// The server chose this transaction to end a deadlock, or waited too long for a lock:
    /// nothing of the transaction is to stand, and it can be begun again.
    Conflict(CallError),
    /// What seemed to read has written, where only reading is allowed.
    Writes,
    /// The answer is too long to be read to its end, or what was written for it is to be undone:
    /// the connection cannot be used further.
    Endless(CallError),
}

/// Why a connection could not be made or used, for the log. Never holds a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::io::sql) struct Refusal {
    /// The server's or the system's words.
    pub reason: String,
    pub advice: &'static str,
    /// There are as many connections as the server allows.
    pub too_many: bool,
}

/// The server's own limit, the one for each user, and that of an account.
const TOO_MANY: [u16; 3] = [1040, 1203, 1226];

/// A number that no column or variable can hold.
const OUT_OF_RANGE: u16 = 1690;

const CHECK_THE_SERVER: &str = "check that the server runs, and where it listens";

/// Codes that say more about the connection or the server than about the statement.
fn is_lost(code: u16) -> bool {
    // Too many connections, a cluster's node that is not ready, shutting down, killed, broken
    // packets, read-only servers; MySQL's offline mode and killed sessions, and what it says
    // to a connection that was idle for too long.
    const LOST: [u16; 21] = [
        1040, 1047, 1053, 1077, 1078, 1079, 1152, 1153, 1155, 1156, 1157, 1158, 1159, 1160, 1161,
        1836, 1927, 3032, 3168, 3169, 4031,
    ];
    LOST.contains(&code)
}

/// Of a statement of vpid's own, which makes no mistakes.
impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match sort(error) {
            Err(trouble) => trouble,
            Ok(mistake) => Self::Lost(mistake.detail),
        }
    }
}

pub(super) fn not_connected() -> Error {
    Error::IoError(std::io::ErrorKind::NotConnected.into())
}

/// What became of a statement that failed: a mistake of its caller, else trouble.
pub(in crate::io::sql) fn sort(error: Error) -> Result<CallError, Trouble> {
    match error {
        // The server says so and hangs up; nothing else is to blame.
        Error::MySqlError(error) if error.code == 1153 => Err(Trouble::Endless(call_error(&error))),
        Error::MySqlError(error) if is_lost(error.code) => Err(Trouble::Lost(error.message)),
        Error::MySqlError(error) => match error.code {
            // These undo the whole transaction, or leave it to us.
            1020 | 1205 | 1206 | 1213 => Err(Trouble::Conflict(call_error(&error))),
            1792 => Err(Trouble::Writes),
            // The server itself has ended it, being over the time that it was given.
            1969 | 3024 => Ok(CallError::word("DeadlineExceeded")),
            _ => Ok(call_error(&error)),
        },
        Error::DriverError(DriverError::MixedParams | DriverError::Params(_)) => {
            let detail = "a name behind a colon stands for no value here";
            Ok(CallError::new("ValueError", detail))
        }
        Error::DriverError(DriverError::PacketTooLarge) => Err(Trouble::Endless(CallError::new(
            "OperationalError",
            "the query is too large",
        ))),
        other => Err(Trouble::Lost(words(&other))),
    }
}

/// The caller's mistake, under the name that upstream's scripts know it by.
pub(super) fn call_error(error: &MySqlError) -> CallError {
    if error.code == OUT_OF_RANGE && is_too_long(&error.message) {
        return CallError::new(
            "OperationalError",
            format!(
                "a text is too long: a value may have {SQL_VALUE_BYTES_MAX} bytes, one that REPLACE \
                 changes {MYSQL_REPLACED_BYTES_MAX}, what it looks for and puts there \
                 {MYSQL_REPLACE_BYTES_MAX}, a pattern of LIKE {SQL_PATTERN_BYTES_MAX}"
            ),
        );
    }
    CallError::new(class(error.code), error.message.clone())
}

/// The class of an error, as PyMySQL (which upstream's server uses) sorts them by their codes.
fn class(code: u16) -> &'static str {
    match code {
        1007 | 1064 | 1102 | 1103 | 1110 | 1111 | 1112 | 1113 | 1146 | 1149 | 1166 | 1179 => {
            "ProgrammingError"
        }
        1171 | 1230 | 1263 | 1264 | 1265 | 1366 | 1367 | 1406 | 1441 => "DataError",
        1048 | 1062 | 1215 | 1216 | 1217 | 1451 | 1452 => "IntegrityError",
        1196 | 1235 | 1286 | 1289 => "NotSupportedError",
        ..1000 => "InternalError",
        _ => "OperationalError",
    }
}

/// Whether an error is what stands in calls for a text that is too long, as MariaDB or MySQL
/// writes it.
fn is_too_long(message: &str) -> bool {
    let begins = ["'exp(octet_length(", "'exp((length(", "'exp(length("];
    begins.iter().any(|begin| message.contains(begin))
}

/// The error of a call that was begun once.
pub(super) fn interrupted() -> CallError {
    CallError::new(
        INTERRUPTED,
        "vpid or its connection ended while this ran; it may have taken effect",
    )
}

/// Why a server cannot be used, and what helps.
pub(super) fn refusal(error: &Error) -> Refusal {
    let advice = match error {
        Error::MySqlError(error) => match error.code {
            1045 | 1698 | 1130 | 1251 | 1275 | 4151 => {
                "check user and password, and that the server lets this user in from here"
            }
            1044 | 1142 | 1143 | 1227 => {
                "let the user of vpid read and write this database (GRANT ALL ON it)"
            }
            1049 => "create it (CREATE DATABASE), or name the one that is there",
            1040 | 1203 | 1226 => {
                "make pool smaller, or let the server allow more (max_connections, MAX_USER_CONNECTIONS)"
            }
            1820 | 1862 | 3118 | 3955 => {
                "the server has locked this user, or wants another password of it: ALTER USER"
            }
            3159 => "set tls, since the server refuses connections without it",
            1290 | 1836 => "it is a copy or was made read-only: name the server that is written to",
            1053 => "the server is stopping; start it again",
            _ => "see the server's log",
        },
        error if is_tls(error) => "check tls and tls_ca, and the server's certificate",
        Error::DriverError(DriverError::TlsNotSupported) => {
            "let the server offer TLS, or set tls = \"off\" where the way to it is safe"
        }
        Error::DriverError(
            DriverError::UnknownAuthPlugin(_)
            | DriverError::OldMysqlPasswordDisabled
            | DriverError::CleartextPluginDisabled,
        ) => {
            "give the user of vpid a password that mysql_native_password or caching_sha2_password checks"
        }
        _ => CHECK_THE_SERVER,
    };
    let too_many = |error: &MySqlError| TOO_MANY.contains(&error.code);
    Refusal {
        reason: words(error),
        advice,
        too_many: matches!(error, Error::MySqlError(error) if too_many(error)),
    }
}

impl Refusal {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            advice: CHECK_THE_SERVER,
            too_many: false,
        }
    }
}

/// The server's own words, or those of the system, without the driver's frame around them.
pub(super) fn words(error: &Error) -> String {
    if let Some(reason) = broken(error) {
        return match reason {
            _ if is_tls(error) => format!("TLS: {reason}"),
            _ if is_timeout(reason) => "the server does not answer".to_owned(),
            _ => reason.to_string(),
        };
    }
    match error {
        Error::MySqlError(error) => error.message.clone(),
        Error::CodecError(error) => error.to_string(),
        Error::DriverError(DriverError::ConnectTimeout) => "the server does not answer".to_owned(),
        Error::DriverError(DriverError::CouldNotConnect(Some((_, reason, _)))) => reason.clone(),
        Error::DriverError(error) => error.to_string(),
        Error::TlsError(error) => format!("TLS: {error}"),
        other => other.to_string(),
    }
}

/// What a connection broke by, in whichever of the driver's frames it comes.
fn broken(error: &Error) -> Option<&std::io::Error> {
    match error {
        Error::IoError(error) => Some(error),
        Error::CodecError(error) => error.source()?.downcast_ref(),
        _ => None,
    }
}

/// A certificate is looked at when the first bytes are to be sent, so its faults come as faults
/// of that.
fn is_tls(error: &Error) -> bool {
    let invalid = |error: &std::io::Error| error.kind() == std::io::ErrorKind::InvalidData;
    match error {
        Error::TlsError(_) => true,
        Error::CodecError(_) => broken(error).is_some_and(invalid),
        _ => false,
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    matches!(error.kind(), TimedOut | WouldBlock)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(code: u16) -> Error {
        Error::MySqlError(MySqlError {
            state: "HY000".to_owned(),
            message: "in its words".to_owned(),
            code,
        })
    }

    #[test]
    fn mistakes_of_callers_have_the_names_that_scripts_know() {
        for (code, reason) in [
            (1062, "IntegrityError"),
            (1452, "IntegrityError"),
            (1048, "IntegrityError"),
            (1064, "ProgrammingError"),
            (1146, "ProgrammingError"),
            (1264, "DataError"),
            (1366, "DataError"),
            (1406, "DataError"),
            (1235, "NotSupportedError"),
            (1054, "OperationalError"),
            (1142, "OperationalError"),
            (1292, "OperationalError"),
            (4025, "OperationalError"),
        ] {
            let error = sort(server(code)).unwrap();
            assert_eq!(error, CallError::new(reason, "in its words"));
        }
    }

    #[test]
    fn what_is_nobodys_mistake_is_trouble() {
        assert!(matches!(sort(server(1213)), Err(Trouble::Conflict(_))));
        assert!(matches!(sort(server(1205)), Err(Trouble::Conflict(_))));
        assert!(matches!(sort(server(1792)), Err(Trouble::Writes)));
        // Shutting down; and MySQL from 8.0.24 on, to who was idle for hours.
        for code in [1053, 3169, 4031] {
            assert!(matches!(sort(server(code)), Err(Trouble::Lost(_))));
        }
        let broken = Error::IoError(std::io::ErrorKind::BrokenPipe.into());
        assert!(matches!(sort(broken), Err(Trouble::Lost(_))));
    }

    #[test]
    fn every_refusal_says_what_to_do() {
        assert!(refusal(&server(1045)).advice.contains("password"));
        assert!(refusal(&server(3159)).advice.contains("set tls"));
        assert!(refusal(&server(1862)).advice.contains("ALTER USER"));
        assert!(refusal(&server(1049)).advice.contains("CREATE DATABASE"));
        let hung = Error::IoError(std::io::ErrorKind::WouldBlock.into());
        assert_eq!(refusal(&hung).reason, "the server does not answer");
        let fault = |kind| std::io::Error::new(kind, "in its words");
        let codec = |kind| refusal(&Error::CodecError(fault(kind).into()));
        let forged = codec(std::io::ErrorKind::InvalidData);
        assert_eq!(forged.reason, "TLS: in its words");
        assert!(forged.advice.contains("tls_ca"));
        let reset = codec(std::io::ErrorKind::ConnectionReset);
        assert_eq!(reset.reason, "in its words");
        assert!(reset.advice.contains("server runs"));
    }
}
