//! Databases on which the model's statements run, with the connections that the stock server's
//! drivers make; and the tables of both sides, filled and read past every server.

use mysql::consts::ColumnType;
use mysql::prelude::Queryable;
use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use serde_json::{Value, json};

use super::calls::ROWS;
use super::model::{Gives, Plan, Reply};

/// A connection past vpid.
pub enum Database {
    Sqlite(rusqlite::Connection),
    Mariadb(Box<mysql::Conn>),
}

const SQLITE: &str = "id INTEGER PRIMARY KEY, k TEXT UNIQUE, n INTEGER, x REAL, b";
const MARIADB: &str = "id INT PRIMARY KEY, k VARCHAR(64) UNIQUE, n INT, x DOUBLE, b VARCHAR(64)";

impl Database {
    pub fn sqlite(path: &std::path::Path) -> Self {
        let connection = rusqlite::Connection::open(path).expect("a database");
        connection
            .busy_timeout(std::time::Duration::from_secs(20))
            .expect("a time");
        // As Python's module is built.
        for rule in [
            DbConfig::SQLITE_DBCONFIG_DQS_DML,
            DbConfig::SQLITE_DBCONFIG_DQS_DDL,
        ] {
            connection.set_db_config(rule, true).expect("a setting");
        }
        Self::Sqlite(connection)
    }

    pub fn make(&mut self, table: &str) {
        let columns = match self {
            Self::Sqlite(_) => SQLITE,
            Self::Mariadb(_) => MARIADB,
        };
        self.execute(&format!("CREATE TABLE {table} ({columns})"));
    }

    /// Every table holds the rows of before, and nothing else.
    pub fn reset(&mut self, tables: &[String]) {
        let literal = |text: &str| match self {
            Self::Sqlite(_) => format!("'{}'", text.replace('\'', "''")),
            Self::Mariadb(_) => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
        };
        let row = |(id, k, n, x, b): &(i64, &str, i64, f64, &str)| {
            format!("({id}, {}, {n}, {x:?}, {})", literal(k), literal(b))
        };
        let rows = ROWS.iter().map(row).collect::<Vec<_>>().join(", ");
        self.execute("BEGIN");
        for table in tables {
            self.execute(&format!("DELETE FROM {table}"));
            self.execute(&format!("INSERT INTO {table} VALUES {rows}"));
        }
        self.execute("COMMIT");
    }

    /// Ends what other connections have left open, with its locks.
    #[cfg_attr(test, allow(dead_code))]
    pub fn end_transactions(&mut self) {
        const OPEN: &str = "SELECT trx_mysql_thread_id FROM information_schema.innodb_trx \
                            WHERE trx_mysql_thread_id <> CONNECTION_ID()";
        let Self::Mariadb(connection) = self else {
            return;
        };
        let open: Vec<u64> = connection.query(OPEN).expect("a list");
        for thread in open.into_iter().filter(|thread| *thread != 0) {
            // It may have ended by now.
            let _ = connection.query_drop(format!("KILL {thread}"));
        }
    }

    pub fn execute(&mut self, sql: &str) {
        match self {
            Self::Sqlite(connection) => connection.execute_batch(sql).expect("a statement"),
            Self::Mariadb(connection) => connection.query_drop(sql).expect("a statement"),
        }
    }

    /// The rows of a table as texts that show their types.
    pub fn content(&mut self, table: &str) -> Vec<String> {
        let plan = Plan {
            sql: format!("SELECT * FROM {table} ORDER BY id"),
            gives: Gives::Rows,
        };
        match self.run(&plan) {
            Reply::Value(Value::Array(rows)) => rows.iter().map(Value::to_string).collect(),
            other => panic!("{table} cannot be read: {other:?}"),
        }
    }

    /// Runs a statement as the stock server's driver does.
    pub fn run(&mut self, plan: &Plan) -> Reply {
        let result = match self {
            Self::Sqlite(connection) => run_sqlite(connection, &plan.sql),
            Self::Mariadb(connection) => run_mariadb(connection, &plan.sql),
        };
        match (result, plan.gives) {
            (Err(reply), _) => reply,
            (Ok(_), Gives::Nothing) => Reply::Value(Value::Null),
            (Ok((rows, _)), Gives::Rows) => Reply::Value(rows.into()),
            (Ok((_, count)), Gives::Count) => Reply::Value(json!(count)),
        }
    }
}

type Ran = Result<(Vec<Value>, u64), Reply>;

fn run_sqlite(connection: &rusqlite::Connection, sql: &str) -> Ran {
    let failed = |error: rusqlite::Error| {
        let code = error.sqlite_error_code();
        let name = match code {
            Some(rusqlite::ErrorCode::ConstraintViolation | rusqlite::ErrorCode::TypeMismatch) => {
                "IntegrityError"
            }
            _ => "OperationalError",
        };
        Reply::Error(name.into())
    };
    let mut statement = connection.prepare(sql).map_err(failed)?;
    if statement.expanded_sql().is_none() {
        // Nothing but a comment.
        return Ok((Vec::new(), 0));
    }
    let columns = statement.column_count();
    if columns == 0 {
        let count = statement.execute([]).map_err(failed)?;
        return Ok((Vec::new(), count as u64));
    }
    let mut rows = statement.query([]).map_err(failed)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let cell = |at| match row.get_ref_unwrap(at) {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(whole) => json!(whole),
            ValueRef::Real(float) => json!(float),
            ValueRef::Text(text) => json!(String::from_utf8_lossy(text)),
            ValueRef::Blob(bytes) => json!(format!("{bytes:?}")),
        };
        found.push((0..columns).map(cell).collect());
    }
    Ok((found, 0))
}

/// By the protocol of texts, as Python's driver asks.
fn run_mariadb(connection: &mut mysql::Conn, sql: &str) -> Ran {
    let failed = |error: mysql::Error| match error {
        mysql::Error::MySqlError(error) => Reply::Error(exception(error.code).into()),
        other => panic!("{other}"),
    };
    let mut result = connection.query_iter(sql).map_err(failed)?;
    let columns: Vec<_> = result
        .columns()
        .as_ref()
        .iter()
        .map(|c| c.column_type())
        .collect();
    let count = result.affected_rows();
    let mut rows = Vec::new();
    let mut unfit = false;
    if let Some(set) = result.iter() {
        for row in set {
            let cells = row.map_err(failed)?.unwrap();
            let mut values = Vec::new();
            for (cell, kind) in cells.into_iter().zip(&columns) {
                values.push(match cell {
                    mysql::Value::NULL => Value::Null,
                    mysql::Value::Bytes(bytes) => {
                        let text = String::from_utf8_lossy(&bytes).into_owned();
                        match kind {
                            ColumnType::MYSQL_TYPE_TINY
                            | ColumnType::MYSQL_TYPE_SHORT
                            | ColumnType::MYSQL_TYPE_INT24
                            | ColumnType::MYSQL_TYPE_LONG
                            | ColumnType::MYSQL_TYPE_LONGLONG => {
                                json!(text.parse::<i64>().expect("a number"))
                            }
                            ColumnType::MYSQL_TYPE_FLOAT | ColumnType::MYSQL_TYPE_DOUBLE => {
                                json!(text.parse::<f64>().expect("a number"))
                            }
                            ColumnType::MYSQL_TYPE_NEWDECIMAL => {
                                // Python's Decimal, which the stock server cannot write as JSON.
                                unfit = true;
                                json!(text)
                            }
                            _ => json!(text),
                        }
                    }
                    other => panic!("{other:?} in a result of texts"),
                });
            }
            rows.push(values.into());
        }
    }
    drop(result);
    if unfit {
        Err(Reply::Ends)
    } else {
        Ok((rows, count))
    }
}

/// The exception of Python's driver for a server's error.
fn exception(code: u16) -> &'static str {
    match code {
        1007 | 1064 | 1102 | 1103 | 1110 | 1111 | 1112 | 1113 | 1146 | 1149 | 1166 | 1179 => {
            "ProgrammingError"
        }
        1171 | 1230 | 1263 | 1264 | 1265 | 1366 | 1367 | 1406 | 1441 => "DataError",
        1048 | 1062 | 1215 | 1216 | 1217 | 1451 | 1452 => "IntegrityError",
        1196 | 1235 | 1286 | 1289 => "NotSupportedError",
        _ => "OperationalError",
    }
}
