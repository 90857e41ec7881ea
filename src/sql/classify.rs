//! What a statement does to the transaction around it, for servers without such a check: MySQL's, whose
//! statements about tables commit whatever is open.

use super::Error;
use super::SqlCall;
use super::scan::{self, Quoting, Word};

/// How a call may be run on a MySQL server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// By itself, beside others.
    Read,
    /// In a transaction.
    Write,
    /// It commits what is open, and itself: outside of every transaction.
    Alone,
}

/// Every table of vpid's own starts so.
const OWN_PREFIX: &str = "vpid_";
const PLAIN: [&str; 12] = [
    "SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "REPLACE", "VALUES", "TABLE", "SHOW",
    "DESCRIBE", "DESC", "EXPLAIN",
];
const ALONE: [&str; 10] = [
    "CREATE", "ALTER", "DROP", "TRUNCATE", "RENAME", "OPTIMIZE", "ANALYZE", "REPAIR", "CHECK",
    "CALL",
];
/// About whom the server knows, not about data.
const ACCOUNTS: [&str; 3] = ["USER", "ROLE", "SERVER"];

impl SqlCall {
    /// How the call may be run on a MySQL server; an error for the caller where it may not.
    pub fn class(&self) -> Result<Class, Error> {
        match self {
            Self::Raw { query, .. } => {
                let class = class_of(query)?;
                match super::connection::refusal(query) {
                    Some(detail) => Err(refused(detail)),
                    None => Ok(self.in_order(class)),
                }
            }
            Self::Query { query, .. } => {
                for step in &query.steps {
                    if class_of(&step.text)? == Class::Alone {
                        let detail =
                            "the statement commits by itself, and a query is a transaction";
                        return Err(refused(detail));
                    }
                }
                let reads = query.steps.len() == 1 && !query.may_write();
                Ok(self.in_order(if reads { Class::Read } else { Class::Write }))
            }
            Self::ByMode(readings) => readings.any().class(),
            Self::Select { table, .. } => own_table(table.as_str()).map(|()| Class::Read),
            Self::Insert { table, .. }
            | Self::InsertOrUpdate { table, .. }
            | Self::Update { table, .. }
            | Self::Delete { table, .. } => own_table(table.as_str()).map(|()| Class::Write),
        }
    }
}

impl SqlCall {
    /// What sees a part of its connection's state has its place among its host's writes.
    fn in_order(&self, class: Class) -> Class {
        match class {
            Class::Read if self.uses().last_insert_id => Class::Write,
            class => class,
        }
    }
}

/// The same of a statement's text.
pub fn class_of(text: &str) -> Result<Class, Error> {
    own_names(text)?;
    // What a server reads in them depends on its version. Also in texts, since whether a
    // backslash escapes depends on the server's mode.
    if text.contains("/*!") || text.contains("/*M!") || text.contains("/*m!") {
        return Err(refused("comments that a server executes are not allowed"));
    }
    let Some(word) = scan::first_word(text, Quoting::Mysql).filter(|word| !word.is_empty()) else {
        return Err(refused("the query does not begin with a statement's word"));
    };
    let is = |words: &[&str]| words.contains(&word.as_str());
    if is(&ALONE) && !names_accounts(text) {
        return Ok(Class::Alone);
    }
    if is(&PLAIN) || word == "DO" {
        return Ok(match super::raw::surely_reads(text, Quoting::Mysql) {
            true => Class::Read,
            false => Class::Write,
        });
    }
    Err(refused(format!("{word} is not allowed here")))
}

fn names_accounts(text: &str) -> bool {
    let words = scan::words(text, Quoting::Mysql).filter_map(|word| match word {
        Word::Bare(word) => Some(word.to_ascii_uppercase()),
        _ => None,
    });
    // CREATE OR REPLACE USER: what is made stands behind these.
    let made = words.skip(1).find(|word| word != "OR" && word != "REPLACE");
    made.is_some_and(|made| ACCOUNTS.contains(&made.as_str()))
}

fn own_table(name: &str) -> Result<(), Error> {
    own_names(name.get(..OWN_PREFIX.len()).unwrap_or_default())
}

/// Looks at quoted texts too: whether something is one depends on the server's mode.
fn own_names(text: &str) -> Result<(), Error> {
    let bytes = text.as_bytes();
    let found = (0..bytes.len()).any(|at| {
        let begins = at == 0 || !scan::is_word(char::from(bytes[at - 1]));
        let word = bytes[at..].get(..OWN_PREFIX.len());
        begins && word.is_some_and(|word| word.eq_ignore_ascii_case(OWN_PREFIX.as_bytes()))
    });
    match found {
        true => Err(refused("names that begin with vpid_ are vpid's own")),
        false => Ok(()),
    }
}

fn refused(detail: impl Into<String>) -> Error {
    Error::Permission(detail.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_known_by_their_first_word() {
        for (text, class) in [
            ("SELECT 1", Class::Read),
            (" /* x */ (select 1)", Class::Read),
            ("SHOW TABLES", Class::Read),
            ("EXPLAIN UPDATE t SET a = 1", Class::Read),
            ("WITH x AS (SELECT 1) DELETE FROM t", Class::Write),
            ("insert into t values (1)", Class::Write),
            ("DO SLEEP(1)", Class::Write),
            ("CREATE TABLE user (user INT)", Class::Alone),
            ("truncate t", Class::Alone),
            ("ANALYZE TABLE t", Class::Alone),
            ("CALL p()", Class::Alone),
            ("SELECT * FROM user_vpid_call_x", Class::Read),
        ] {
            assert_eq!(class_of(text), Ok(class), "{text}");
        }
    }

    #[test]
    fn what_would_leave_its_transaction_or_its_session_is_refused() {
        for text in [
            "BEGIN",
            "START TRANSACTION",
            "COMMIT",
            "rollback",
            "SAVEPOINT a",
            "RELEASE SAVEPOINT a",
            "SET autocommit = 0",
            "USE other",
            "LOCK TABLES t READ",
            "UNLOCK TABLES",
            "XA START 'x'",
            "PREPARE s FROM 'SELECT 1'",
            "EXECUTE IMMEDIATE 'DROP TABLE t'",
            "LOAD DATA INFILE 'x' INTO TABLE t",
            "GRANT ALL ON *.* TO x",
            "CREATE USER x",
            "CREATE OR REPLACE USER x",
            "DROP ROLE x",
            "KILL 1",
            "SHUTDOWN",
            "FLUSH TABLES",
            "PRAGMA user_version",
            "HANDLER t OPEN",
            "/*!50000 DROP TABLE t */",
            "SELECT 1 /*M! , 2 */",
            "SELECT * FROM vpid_journal",
            "DROP TABLE `VPID_schema`",
            "SELECT * FROM a.vpid_journal",
            "SELECT 'é'/vpid_x",
            "'SELECT'",
            "",
            ";",
            "-- nothing",
        ] {
            let error = class_of(text).expect_err(text);
            assert_eq!(error.reason(), "PermissionError", "{text}");
            assert!(!error.detail().is_empty());
        }
    }
}
