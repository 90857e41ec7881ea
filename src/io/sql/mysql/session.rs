//! One connection to a server: how it is made, and what is settled on it once.

use super::trouble::{Refusal, Trouble, refusal, sort, words};
use crate::config::{Mysql, Tls};
use crate::limits::{
    MYSQL_CONNECT_MS, MYSQL_LOCK_WAIT_S, MYSQL_OWN_MS_MAX, MYSQL_PACKET_BYTES_MAX,
    SQL_STATEMENT_MS_MAX, SQL_STATEMENTS_CACHED_MAX,
};
use crate::sql::{Dialect, SqlMode};
use mysql::consts::CapabilityFlags;
use mysql::prelude::Queryable;
use mysql::{Conn, Error, OptsBuilder, SslOpts, Value};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// The level with the fewest locks: no call reads anything twice. What is classed as reading
/// cannot write; a transaction that may says so.
const ISOLATION: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY";
/// MariaDB's, where others read a comment: a transaction whose vpid lost its way keeps its locks
/// no longer than this.
const ORPHANS: &str = "/*M!100300 , idle_transaction_timeout = 60 */";
/// What an owner may have set for all connections, and what calls cannot do with: results that are
/// cut off, writes that are refused, connections that end with each transaction.
const DEFAULTS: &str = ", sql_select_limit = 18446744073709551615, completion_type = 0, \
                        sql_safe_updates = 0, sql_big_selects = 1";
/// The server ends a call's statement after this time where vpid has not.
const MYSQL_SERVER_MS: u64 = SQL_STATEMENT_MS_MAX + MYSQL_OWN_MS_MAX;
/// A server that is a copy refuses this.
const TRY_WRITE: &str = "START TRANSACTION READ WRITE; ROLLBACK";

/// A connection that is ready for calls.
pub(in crate::io::sql) struct Session {
    pub conn: Conn,
    /// The connection's socket once more, to end it from another thread, or while results are
    /// still to come.
    pub socket: Socket,
    pub dialect: Dialect,
    /// Such as "MariaDB 10.11.19".
    pub server: String,
    /// How long the server itself lets a statement run.
    allowed_ms: u64,
    /// What `LAST_INSERT_ID()` gives on it, where that is known.
    pub last_id: Option<u64>,
    /// The call that ran last may have changed that, as the server said.
    pub generated: bool,
}

/// Another handle of a connection's socket. That it may be a TCP socket makes no difference for
/// what is done with it.
#[derive(Debug)]
pub(in crate::io::sql) struct Socket(UnixStream);

impl Socket {
    /// Of an open connection.
    fn of(conn: &Conn) -> std::io::Result<Self> {
        // SAFETY: the descriptor belongs to `conn`, which outlives this borrow: it is duplicated
        // before the function returns.
        #[expect(unsafe_code, reason = "the driver gives its socket as a number only")]
        let borrowed = unsafe { BorrowedFd::borrow_raw(conn.as_raw_fd()) };
        Ok(Self(UnixStream::from(borrowed.try_clone_to_owned()?)))
    }

    pub(in crate::io::sql) fn another(&self) -> std::io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// Ends the connection: a thread that reads or writes on it gets an error at once.
    pub(in crate::io::sql) fn end(&self) {
        // It fails only where the connection has ended already.
        let _ = self.0.shutdown(std::net::Shutdown::Both);
    }
}

impl Session {
    /// Connects, and settles what holds for the whole session in one round trip. Nothing on it
    /// waits longer for the server than connecting may take.
    pub(in crate::io::sql) fn open(settings: &Mysql) -> Result<Self, Refusal> {
        let mut conn = connect(settings).map_err(|error| refusal(&error))?;
        let socket = Socket::of(&conn).map_err(|error| Refusal::new(error.to_string()))?;
        let (version, mode) = settle(&mut conn).map_err(|error| refusal(&error))?;
        let maria = version.contains("MariaDB");
        let row_alias = !maria && conn.server_version() >= (8, 0, 19);
        Ok(Self {
            dialect: Dialect::Mysql { row_alias, mode },
            server: server_name(&version, maria),
            allowed_ms: MYSQL_SERVER_MS,
            last_id: Some(0),
            generated: false,
            conn,
            socket,
        })
    }

    /// From here on the caller keeps the time.
    pub(in crate::io::sql) fn be_patient(&self) -> std::io::Result<()> {
        self.socket.0.set_read_timeout(None)?;
        self.socket.0.set_write_timeout(None)
    }

    /// No statement's reply is waited for longer.
    pub(in crate::io::sql) fn wait_at_most(&self, patience: Duration) -> std::io::Result<()> {
        self.socket.0.set_read_timeout(Some(patience))?;
        self.socket.0.set_write_timeout(Some(patience))
    }

    /// Lets the server run statements for so long: it ends them a little later by itself, also
    /// where vpid is killed meanwhile. Asks it only where that is longer than usual.
    pub(in crate::io::sql) fn allow(&mut self, limit_ms: u64) -> Result<(), Error> {
        let wanted_ms = limit_ms.max(SQL_STATEMENT_MS_MAX) + MYSQL_OWN_MS_MAX;
        if wanted_ms == self.allowed_ms {
            return Ok(());
        }
        // A setting that stays as it is, so that servers which know none of the others do nothing.
        let text = format!(
            "SET SESSION innodb_lock_wait_timeout = {MYSQL_LOCK_WAIT_S} {}",
            statement_time(wanted_ms)
        );
        self.own(&text)?;
        self.allowed_ms = wanted_ms;
        Ok(())
    }

    /// How the server knows the connection.
    pub(in crate::io::sql) fn id(&self) -> u32 {
        self.conn.connection_id()
    }

    /// One of vpid's own statements, or several; what they answer is not needed.
    pub(in crate::io::sql) fn own(&mut self, text: &str) -> Result<(), Error> {
        self.own_number(text).map(drop)
    }

    /// The same, with the first number that they give.
    pub(in crate::io::sql) fn own_number(&mut self, text: &str) -> Result<Option<u64>, Error> {
        let mut result = self.conn.query_iter(text)?;
        let mut number = None;
        while let Some(set) = result.iter() {
            for row in set {
                let first = row?.take_opt(0).and_then(Result::ok);
                number = number.or(first);
            }
        }
        Ok(number)
    }

    /// The same, where nothing but a broken connection is expected to go wrong.
    pub(super) fn own_or_lost(&mut self, text: &str) -> Result<(), Trouble> {
        self.own(text).map_err(|error| match sort(error) {
            Err(trouble) => trouble,
            Ok(mistake) => Trouble::Lost(mistake.detail),
        })
    }

    /// The first value of the first row.
    pub(super) fn first(&mut self, text: &str) -> Result<Option<Value>, Error> {
        self.conn.query_first(text)
    }
}

/// In MariaDB for all statements, in MySQL for those that select; where it is not known, nothing.
fn statement_time(limit_ms: u64) -> String {
    format!(
        "/*M!100101 , max_statement_time = {} */ /*!50708 , max_execution_time = {limit_ms} */",
        limit_ms.div_ceil(1_000)
    )
}

/// The server's version, and what of its mode says how it reads quotes.
fn settle(conn: &mut Conn) -> Result<(String, SqlMode), Error> {
    let text = format!(
        "SET NAMES utf8mb4; {ISOLATION}; \
         SET SESSION autocommit = 1, innodb_lock_wait_timeout = {MYSQL_LOCK_WAIT_S} \
         {DEFAULTS} {ORPHANS} {}; \
         {TRY_WRITE}; SELECT VERSION(), @@SESSION.sql_mode",
        statement_time(MYSQL_SERVER_MS)
    );
    let (mut version, mut mode) = (String::new(), String::new());
    let mut result = conn.query_iter(text)?;
    while let Some(set) = result.iter() {
        for row in set {
            let mut row = row?;
            version = row.take(0).unwrap_or_default();
            mode = row.take(1).unwrap_or_default();
        }
    }
    Ok((version, SqlMode::read(&mode)))
}

/// "MariaDB 10.11.19" of "10.11.19-MariaDB-0+deb12u1".
fn server_name(version: &str, maria: bool) -> String {
    let number = version.split('-').next().unwrap_or(version);
    let name = if maria { "MariaDB" } else { "MySQL" };
    format!("{name} {number}")
}

fn connect(settings: &Mysql) -> Result<Conn, Error> {
    let builder = options(settings);
    if settings.socket.is_some() {
        return Conn::new(builder);
    }
    // The driver gives up after the first address of a name, and `localhost` has two.
    let found = (settings.host.as_str(), settings.port).to_socket_addrs();
    let addresses: Vec<SocketAddr> = found?.collect();
    let mut last = None;
    for address in &addresses {
        let tried = match settings.tls {
            // A certificate is for the name: of several addresses, those of IPv4 it tries all.
            Tls::Verify { .. } if addresses.len() > 1 => {
                let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
                let any = address.is_ipv4().then_some(any);
                Conn::new(builder.clone().bind_address(any))
            }
            Tls::Verify { .. } => Conn::new(builder.clone()),
            _ => Conn::new(builder.clone().ip_or_hostname(Some(literal(address.ip())))),
        };
        match tried {
            Err(error @ (Error::IoError(_) | Error::DriverError(_))) => last = Some(error),
            decided => return decided,
        }
    }
    Err(last.unwrap_or_else(|| Error::IoError(std::io::ErrorKind::AddrNotAvailable.into())))
}

/// As the driver reads it.
fn literal(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

fn options(settings: &Mysql) -> OptsBuilder {
    let patience = Some(Duration::from_millis(MYSQL_CONNECT_MS));
    let name = HashMap::from([("program_name".to_owned(), "vpid".to_owned())]);
    let socket = settings.socket.as_ref().map(|path| path.to_string_lossy());
    OptsBuilder::new()
        .ip_or_hostname(Some(settings.host.as_str()))
        .tcp_port(settings.port)
        .socket(socket)
        // Otherwise the driver looks up the server's socket, and connects again through it.
        .prefer_socket(false)
        .user(Some(settings.user.as_str()))
        .pass(
            settings
                .password
                .as_ref()
                .map(|password| password.0.as_str()),
        )
        .db_name(Some(settings.database.as_str()))
        .ssl_opts(tls(&settings.tls))
        .tcp_connect_timeout(patience)
        .read_timeout(patience)
        .write_timeout(patience)
        // Found by the system, also while no call runs.
        .tcp_keepalive_time_ms(Some(60_000))
        .stmt_cache_size(Some(SQL_STATEMENTS_CACHED_MAX))
        .max_allowed_packet(Some(MYSQL_PACKET_BYTES_MAX))
        .connect_attrs(Some(name))
        // An UPDATE counts the rows that it finds, as SQLite does.
        .additional_capabilities(CapabilityFlags::CLIENT_FOUND_ROWS)
}

fn tls(tls: &Tls) -> Option<SslOpts> {
    let options = SslOpts::default();
    match tls {
        Tls::Off => None,
        Tls::Encrypt => Some(
            options
                .with_danger_accept_invalid_certs(true)
                .with_danger_skip_domain_validation(true),
        ),
        Tls::Verify { ca } => Some(options.with_root_cert_path(ca.clone())),
    }
}

/// Which of these connections the server still has.
pub(super) fn alive(session: &mut Session, ids: &[u32]) -> Result<Vec<u32>, Error> {
    let ids: Vec<_> = ids.iter().map(u32::to_string).collect();
    let text = format!(
        "SELECT id FROM information_schema.processlist WHERE id IN ({})",
        ids.join(", ")
    );
    session.conn.query(text)
}

/// Ends what a connection that is given up may still run.
pub(super) fn kill(session: &mut Session, id: u32) {
    if let Err(error) = session.own(&format!("KILL {id}")) {
        // Mostly it is gone already.
        log::debug!("connection {id} was not killed: {}", words(&error));
    }
}
