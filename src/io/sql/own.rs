//! A connection for tables of vpid's own, the same for SQLite and for MySQL: statements with `?` for their values,
//! rows of plain values, and transactions that are begun again where another one was in the way.
//!
//! A statement is written once for both engines. Where their words differ, [`Own::is_mysql`] says which it is.

use std::time::{Duration, Instant};

#[cfg(feature = "mysql")]
use mysql::prelude::Queryable;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use thiserror::Error;

use super::sqlite::open::{configure, create_private};
use super::trouble;
use crate::config::{Database, Engine, Sqlite};
#[cfg(feature = "mysql")]
use crate::limits::OWN_STATEMENT_MS_MAX;
use crate::limits::{OWN_BUSY_MS, OWN_OPEN_AGAIN_MS, OWN_TRIES_MAX};
use crate::sql::{Schema, SchemaStep};

/// A value of a row, or for a `?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Null,
    Integer(i64),
    Text(String),
}

/// Why a statement or a transaction has no result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OwnError {
    /// There is no connection: surely nothing was carried out.
    #[error("{0}")]
    Unreachable(String),
    /// Another program was in the way, each time that it was tried: surely nothing was carried out.
    #[error("{0}")]
    Busy(String),
    /// The connection broke while the transaction was ended: it may have been carried out.
    #[error("{0}; what was under way may have been carried out")]
    Unclear(String),
    /// The database refuses a statement: nothing of its transaction was carried out.
    #[error("{0}")]
    Refused(String),
    /// A row is not as vpid writes it.
    #[error("table {0} has a value that is not as vpid writes it")]
    Odd(&'static str),
}

/// One connection. After [`OwnError::Unreachable`] and [`OwnError::Unclear`] it is of no use any more.
pub struct Own {
    connection: Connection,
    /// Nothing waits longer than until then.
    deadline: Option<Instant>,
}

enum Connection {
    Sqlite(rusqlite::Connection, std::path::PathBuf),
    #[cfg(feature = "mysql")]
    Mysql(Box<super::mysql::Session>, String),
}

/// Ends what a connection is at, from another thread. The connection is of no use any more then.
pub struct Breaker(Handle);

enum Handle {
    Sqlite(rusqlite::InterruptHandle),
    #[cfg(feature = "mysql")]
    Mysql(super::mysql::Socket),
}

impl Breaker {
    pub fn break_off(&self) {
        match &self.0 {
            Handle::Sqlite(handle) => handle.interrupt(),
            #[cfg(feature = "mysql")]
            Handle::Mysql(socket) => socket.end(),
        }
    }
}

/// Who opens a file at the same time may have its lock for a moment, which SQLite does not wait for while the kind of
/// its log is set.
fn open_file(settings: &Sqlite) -> rusqlite::Result<rusqlite::Connection> {
    let until = Instant::now() + Duration::from_millis(OWN_BUSY_MS);
    loop {
        match try_to_open(settings) {
            Err(error) if trouble::is_locked(&error) && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(OWN_OPEN_AGAIN_MS));
            }
            opened => return opened,
        }
    }
}

fn try_to_open(settings: &Sqlite) -> rusqlite::Result<rusqlite::Connection> {
    let flags =
        rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = rusqlite::Connection::open_with_flags(&settings.path, flags)?;
    configure(&connection, settings)?;
    connection.busy_timeout(Duration::from_millis(OWN_BUSY_MS))?;
    Ok(connection)
}

impl Own {
    /// Connects; an SQLite file is created where there is none.
    ///
    /// # Errors
    ///
    /// [`OwnError::Unreachable`], as a sentence with the place and what to do.
    pub fn open(database: &Database) -> Result<Self, OwnError> {
        match &database.engine {
            Engine::Sqlite(settings) => {
                let unusable = |error: rusqlite::Error| {
                    OwnError::Unreachable(trouble::sentence(&settings.path, &error))
                };
                create_private(&settings.path)
                    .map_err(|error| OwnError::Unreachable(error.to_string()))?;
                let connection = open_file(settings).map_err(unusable)?;
                let path = settings.path.clone();
                Ok(Self::new(Connection::Sqlite(connection, path)))
            }
            #[cfg(feature = "mysql")]
            Engine::Mysql(settings) => {
                let place = database.to_string();
                let unusable = |reason: &str, advice: &str| {
                    OwnError::Unreachable(format!("{place} cannot be used: {reason}; {advice}"))
                };
                let mut session = super::mysql::Session::open(settings)
                    .map_err(|refusal| unusable(&refusal.reason, refusal.advice))?;
                session
                    .own("SET SESSION TRANSACTION READ WRITE")
                    .map_err(|error| mysql_error(&place, error))?;
                let patience = Duration::from_millis(OWN_STATEMENT_MS_MAX);
                session
                    .wait_at_most(patience)
                    .map_err(|error| unusable(&error.to_string(), "check the network"))?;
                Ok(Self::new(Connection::Mysql(Box::new(session), place)))
            }
            #[cfg(not(feature = "mysql"))]
            Engine::Mysql(_) => unreachable!("the configuration has refused it"),
        }
    }

    fn new(connection: Connection) -> Self {
        Self {
            connection,
            deadline: None,
        }
    }

    pub fn is_mysql(&self) -> bool {
        !matches!(self.connection, Connection::Sqlite(..))
    }

    /// From here on no statement waits longer than until then, for a reply or a lock; and no longer than it would
    /// anyway.
    pub fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = Some(deadline);
    }

    /// What ends it from another thread.
    ///
    /// # Errors
    ///
    /// [`OwnError::Unreachable`]: the system has no descriptor left.
    pub fn breaker(&self) -> Result<Breaker, OwnError> {
        Ok(Breaker(match &self.connection {
            Connection::Sqlite(connection, _) => Handle::Sqlite(connection.get_interrupt_handle()),
            #[cfg(feature = "mysql")]
            Connection::Mysql(session, place) => {
                let socket = session.socket.another();
                let none = |error| OwnError::Unreachable(format!("{place}: {error}"));
                Handle::Mysql(socket.map_err(none)?)
            }
        }))
    }

    /// Applies the deadline to what comes next.
    fn wait_in_bounds(&mut self) -> Result<(), OwnError> {
        let Some(deadline) = self.deadline else {
            return Ok(());
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(OwnError::Busy(
                "the database was too slow: the time of the request is over".to_owned(),
            ));
        }
        match &self.connection {
            Connection::Sqlite(connection, path) => connection
                .busy_timeout(left.min(Duration::from_millis(OWN_BUSY_MS)))
                .map_err(|error| sqlite_error(path, &error)),
            #[cfg(feature = "mysql")]
            Connection::Mysql(session, place) => session
                .wait_at_most(left.min(Duration::from_millis(OWN_STATEMENT_MS_MAX)))
                .map_err(|error| OwnError::Unreachable(format!("{place}: {error}"))),
        }
    }

    /// The rows that a statement gives which reads.
    pub fn rows(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Vec<Value>>, OwnError> {
        let mut rows = Vec::new();
        self.each(sql, params, |row| rows.push(row))?;
        Ok(rows)
    }

    /// The same, a row at a time.
    pub fn each(
        &mut self,
        sql: &str,
        params: &[Value],
        mut with: impl FnMut(Vec<Value>),
    ) -> Result<(), OwnError> {
        self.wait_in_bounds()?;
        match &mut self.connection {
            Connection::Sqlite(connection, path) => {
                let mut run = || {
                    let mut statement = connection.prepare_cached(sql)?;
                    let count = statement.column_count();
                    let mut rows = statement.query(rusqlite::params_from_iter(params))?;
                    while let Some(row) = rows.next()? {
                        let values = (0..count).map(|at| row.get_ref(at).map(Value::of_sqlite));
                        with(values.collect::<Result<_, _>>()?);
                    }
                    Ok(())
                };
                run().map_err(|error| sqlite_error(path, &error))
            }
            #[cfg(feature = "mysql")]
            Connection::Mysql(session, place) => {
                let mut run = || {
                    let params: Vec<_> = params.iter().map(Value::to_mysql).collect();
                    let params = mysql::Params::from(params);
                    let rows = session.conn.exec_iter(sql, params)?;
                    let count = rows.columns().as_ref().len();
                    for row in rows {
                        let mut row = row?;
                        let mut value = |at| row.take(at).map_or(Value::Null, Value::of_mysql);
                        with((0..count).map(&mut value).collect());
                    }
                    Ok(())
                };
                run().map_err(|error| mysql_error(place, error))
            }
        }
    }

    /// Runs a statement that changes rows, and gives how many it found. Outside of a transaction it is one by
    /// itself; where the connection breaks then, it may have been carried out, though the error says otherwise:
    /// for what does no harm twice.
    pub fn run(&mut self, sql: &str, params: &[Value]) -> Result<u64, OwnError> {
        self.wait_in_bounds()?;
        match &mut self.connection {
            Connection::Sqlite(connection, path) => {
                let run = || {
                    let mut statement = connection.prepare_cached(sql)?;
                    statement.execute(rusqlite::params_from_iter(params))
                };
                let count = run().map_err(|error| sqlite_error(path, &error))?;
                Ok(count as u64)
            }
            #[cfg(feature = "mysql")]
            Connection::Mysql(session, place) => {
                let params: Vec<_> = params.iter().map(Value::to_mysql).collect();
                let params = mysql::Params::from(params);
                let ran = session.conn.exec_drop(sql, params);
                ran.map_err(|error| mysql_error(place, error))?;
                Ok(session.conn.affected_rows())
            }
        }
    }

    /// Inserts a row unless one with its key is there; gives whether it was inserted. `what`: from the name of the
    /// table on, as `t (a, b) VALUES (?, ?)`.
    pub fn insert_new(&mut self, what: &str, params: &[Value]) -> Result<bool, OwnError> {
        Ok(self.insert_all_new(what, params)? > 0)
    }

    /// The same with several rows; gives how many were inserted.
    pub fn insert_all_new(&mut self, what: &str, params: &[Value]) -> Result<u64, OwnError> {
        let verb = match self.is_mysql() {
            true => "INSERT IGNORE INTO",
            false => "INSERT OR IGNORE INTO",
        };
        self.run(&format!("{verb} {what}"), params)
    }

    /// Runs what writes. All of it is carried out together, or nothing; where another program was in the way, it is
    /// begun again, as long as there is time.
    pub fn transaction<T>(
        &mut self,
        mut work: impl FnMut(&mut Self) -> Result<T, OwnError>,
    ) -> Result<T, OwnError> {
        let mut tries = 1;
        loop {
            match self.try_transaction(&mut work) {
                Err(OwnError::Busy(_)) if tries < OWN_TRIES_MAX && self.has_time() => tries += 1,
                done => return done,
            }
        }
    }

    /// Runs what only reads, on one state of all tables, and keeps no writer waiting. An SQLite file without a WAL
    /// has no such state without locking writers out: each statement reads what is there then.
    pub fn snapshot<T, E: From<OwnError>>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        self.wait_in_bounds()?;
        if self.is_mysql() {
            self.plain("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")?;
            self.plain("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")?;
        } else {
            let mode = self.rows("PRAGMA journal_mode", &[])?;
            if mode.first().and_then(|row| row[0].text()) != Some("wal") {
                return work(self);
            }
            self.plain("BEGIN")?;
        }
        let done = work(self);
        // There is nothing to take back, so what was read is good; a connection that broke says so with the next
        // statement.
        let _ = self.plain("ROLLBACK");
        done
    }

    fn has_time(&self) -> bool {
        self.deadline
            .is_none_or(|deadline| Instant::now() < deadline)
    }

    /// Runs the steps of a schema that have not run; `ledger`: the table in which it stands what has. Only one vpid
    /// does so at a time.
    ///
    /// # Errors
    ///
    /// [`OwnError::Refused`], also where the tables are of a newer vpid, or a step was changed after it ran.
    pub fn bring_up_to_date(&mut self, schema: &Schema, ledger: &str) -> Result<(), OwnError> {
        // Mostly nothing is to be done, and then nothing is locked.
        match self.has_all(schema, ledger) {
            Ok(true) => return Ok(()),
            // There is no ledger yet, as far as can be seen.
            Ok(false) | Err(OwnError::Refused(_)) => {}
            Err(error) => return Err(error),
        }
        let lock = format!("'vpid_{ledger}'");
        if self.is_mysql() {
            let got = self.rows(&format!("SELECT GET_LOCK({lock}, 20)"), &[])?;
            if got.first().and_then(|row| row[0].integer()) != Some(1) {
                let why = "another vpid has been making the tables for 20 s";
                return Err(OwnError::Busy(why.to_owned()));
            }
        }
        let done = self.run_steps(schema, ledger);
        if self.is_mysql() {
            // The end of the connection lets it go, too.
            self.rows(&format!("SELECT RELEASE_LOCK({lock})"), &[])?;
        }
        done
    }

    /// Whether exactly these steps have run, each to its end.
    pub(in crate::io) fn has_all(
        &mut self,
        schema: &Schema,
        ledger: &str,
    ) -> Result<bool, OwnError> {
        let select = format!("SELECT step, statements, fingerprint FROM {ledger} ORDER BY step");
        let ran = self.rows(&select, &[])?;
        let wanted = schema.steps.iter().map(|step| {
            let statements = step.statements().len() as i64;
            let number = i64::from(step.number);
            vec![number.into(), statements.into(), step.fingerprint().into()]
        });
        Ok(ran == wanted.collect::<Vec<Vec<Value>>>())
    }

    fn run_steps(&mut self, schema: &Schema, ledger: &str) -> Result<(), OwnError> {
        self.transaction(|own| {
            let columns = "step BIGINT NOT NULL PRIMARY KEY, statements BIGINT NOT NULL, fingerprint CHAR(16) NOT NULL";
            own.run(&format!("CREATE TABLE IF NOT EXISTS {ledger} ({columns})"), &[])
        })?;
        let select = format!("SELECT step, statements, fingerprint FROM {ledger}");
        let ran = self.rows(&select, &[])?;
        let newest = schema.steps.last().map_or(0, |step| i64::from(step.number));
        if ran
            .iter()
            .any(|row| row[0].integer().is_none_or(|step| step > newest))
        {
            let why = "its tables are of a newer vpid; start that one";
            return Err(OwnError::Refused(why.to_owned()));
        }
        for step in &schema.steps {
            let number = i64::from(step.number);
            let known = ran.iter().find(|row| row[0].integer() == Some(number));
            if known.is_some_and(|row| row[2].text() != Some(&step.fingerprint())) {
                let why = format!("its tables were made by another text of step {number}");
                return Err(OwnError::Refused(why));
            }
            let done = known.and_then(|row| row[1].integer()).unwrap_or(0);
            self.run_step(step, ledger, done)?;
        }
        Ok(())
    }

    /// In SQLite all of it or nothing. MySQL commits each statement that makes a table, so what has run is counted.
    fn run_step(&mut self, step: &SchemaStep, ledger: &str, done: i64) -> Result<(), OwnError> {
        let statements = step.statements();
        let parts: Vec<Vec<(i64, &str)>> = {
            let numbered = (1..).zip(statements.into_iter().map(|(_, text)| text));
            let left = numbered.filter(|(number, _)| *number > done);
            match self.is_mysql() {
                true => left.map(|one| vec![one]).collect(),
                false => vec![left.collect()],
            }
        };
        for part in parts {
            self.transaction(|own| {
                // In SQLite this is where only one vpid is at a time: another one may have run it meanwhile.
                let ran = own.statements_of(step, ledger)?;
                for (number, text) in part.iter().filter(|(number, _)| *number > ran) {
                    own.run(text, &[])?;
                    let (step_number, count) = (i64::from(step.number), *number);
                    let update = format!("UPDATE {ledger} SET statements = ? WHERE step = ?");
                    if own.run(&update, &[count.into(), step_number.into()])? == 0 {
                        let insert = format!(
                            "INSERT INTO {ledger} (step, statements, fingerprint) VALUES (?, ?, ?)"
                        );
                        let values = [step_number.into(), count.into(), step.fingerprint().into()];
                        own.run(&insert, &values)?;
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// How many statements of a step have run.
    fn statements_of(&mut self, step: &SchemaStep, ledger: &str) -> Result<i64, OwnError> {
        let select = format!("SELECT statements FROM {ledger} WHERE step = ?");
        let row = self.rows(&select, &[i64::from(step.number).into()])?.pop();
        Ok(row.and_then(|row| row.first()?.integer()).unwrap_or(0))
    }

    fn try_transaction<T>(
        &mut self,
        work: &mut impl FnMut(&mut Self) -> Result<T, OwnError>,
    ) -> Result<T, OwnError> {
        self.wait_in_bounds()?;
        self.plain(if self.is_mysql() {
            "START TRANSACTION READ WRITE"
        } else {
            "BEGIN IMMEDIATE"
        })?;
        match work(self) {
            // The last wait was in bounds, and so is this.
            Ok(done) => match self.plain("COMMIT") {
                Ok(()) => Ok(done),
                // SQLite has not committed, and keeps the transaction open.
                Err(error) if !self.is_mysql() => Err(self.undo(error)),
                Err(OwnError::Unreachable(why)) => Err(OwnError::Unclear(why)),
                Err(error) => Err(self.undo(error)),
            },
            Err(error) => Err(self.undo(error)),
        }
    }

    /// Takes back what a transaction has done, and gives why that is.
    fn undo(&mut self, error: OwnError) -> OwnError {
        match self.plain("ROLLBACK") {
            Err(broken @ OwnError::Unreachable(_)) => broken,
            _ => error,
        }
    }

    /// The first number that a statement without values gives. It is sent as text, so that lists of what the server
    /// is at have it as it stands here.
    ///
    /// # Errors
    ///
    /// [`OwnError::Busy`] also where another connection has ended it (`KILL QUERY`).
    pub fn number(&mut self, sql: &str) -> Result<Option<i64>, OwnError> {
        self.wait_in_bounds()?;
        match &mut self.connection {
            Connection::Sqlite(connection, path) => connection
                .query_row(sql, [], |row| row.get(0))
                .map_err(|error| sqlite_error(path, &error)),
            #[cfg(feature = "mysql")]
            Connection::Mysql(session, place) => {
                let number = session.own_number(sql);
                let number = number.map_err(|error| mysql_error(place, error))?;
                Ok(number.and_then(|number| i64::try_from(number).ok()))
            }
        }
    }

    /// A statement without values and rows, sent as text.
    pub fn plain(&mut self, sql: &str) -> Result<(), OwnError> {
        match &mut self.connection {
            Connection::Sqlite(connection, path) => connection
                .execute_batch(sql)
                .map_err(|error| sqlite_error(path, &error)),
            #[cfg(feature = "mysql")]
            Connection::Mysql(session, place) => {
                session.own(sql).map_err(|error| mysql_error(place, error))
            }
        }
    }
}

fn sqlite_error(path: &std::path::Path, error: &rusqlite::Error) -> OwnError {
    let sentence = trouble::sentence(path, error);
    match error {
        error if trouble::is_locked(error) => OwnError::Busy(sentence),
        error if trouble::is_unavailable(error) => OwnError::Unreachable(sentence),
        error => OwnError::Refused(error.to_string()),
    }
}

#[cfg(feature = "mysql")]
fn mysql_error(place: &str, error: mysql::Error) -> OwnError {
    use super::mysql::Trouble;
    if let mysql::Error::MySqlError(error) = &error {
        match error.code {
            // KILL QUERY: another program, or a vpid that wakes a listener.
            1317 => return OwnError::Busy(format!("{place}: {}", error.message)),
            1969 | 3024 => {
                let why =
                    "a statement took too long, and the server ended it; see what slows it down";
                return OwnError::Refused(format!("{place}: {why}"));
            }
            _ => {}
        }
    }
    match super::mysql::sort(error) {
        Ok(mistake) => OwnError::Refused(mistake.detail),
        Err(Trouble::Lost(why)) => {
            OwnError::Unreachable(format!("the connection to {place} was lost: {why}"))
        }
        Err(Trouble::Conflict(error)) => OwnError::Busy(format!("{place}: {}", error.detail)),
        Err(Trouble::Writes) => OwnError::Refused("it writes outside of a transaction".to_owned()),
        Err(Trouble::Endless(error)) => OwnError::Unreachable(format!("{place}: {}", error.detail)),
    }
}

impl Value {
    fn of_sqlite(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Integer(number),
            ValueRef::Real(number) => Self::Integer(number as i64),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                Self::Text(String::from_utf8_lossy(bytes).into_owned())
            }
        }
    }

    #[cfg(feature = "mysql")]
    fn of_mysql(value: mysql::Value) -> Self {
        match value {
            mysql::Value::NULL => Self::Null,
            mysql::Value::Int(number) => Self::Integer(number),
            mysql::Value::UInt(number) => Self::Integer(i64::try_from(number).unwrap_or(i64::MAX)),
            mysql::Value::Bytes(bytes) => Self::Text(String::from_utf8_lossy(&bytes).into_owned()),
            mysql::Value::Float(number) => Self::Integer(number as i64),
            mysql::Value::Double(number) => Self::Integer(number as i64),
            // vpid's tables have no columns of dates.
            mysql::Value::Date(..) | mysql::Value::Time(..) => Self::Null,
        }
    }

    #[cfg(feature = "mysql")]
    fn to_mysql(&self) -> mysql::Value {
        match self {
            Self::Null => mysql::Value::NULL,
            Self::Integer(number) => mysql::Value::Int(*number),
            Self::Text(text) => mysql::Value::Bytes(text.clone().into_bytes()),
        }
    }

    /// A number; a text that is one, as MySQL gives sums.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
            Self::Null => None,
        }
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Self {
        Self::Integer(i64::from(yes))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

#[cfg(all(test, feature = "mysql"))]
pub(in crate::io) mod tests;
