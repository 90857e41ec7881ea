//! One call on one connection: its statements, and what they answer.

use super::encode;
use super::session::{Session, Socket};
use super::trouble::{Trouble, sort};
use crate::jobs::Job;
use crate::limits::{MYSQL_SPARE_ROWS_MAX, QUERY_ROWS_MAX, SQL_ANSWER_BYTES_MAX};
use crate::protocol::call_error::CallError;
use crate::protocol::response_text::{Decoder, push_int};
use crate::sql::{Class, Param, Returns, SqlCall, Statement, render};
use mysql::prelude::{Protocol, Queryable};
use mysql::{Error, Params, QueryResult, Value};

pub(super) type Outcome = Result<String, CallError>;

/// The server takes such a statement as text only.
const NOT_PREPARABLE: u16 = 1295;
const SAVEPOINT: &str = "SAVEPOINT vpid_call";
const UNDO: &str = "ROLLBACK TO SAVEPOINT vpid_call";

/// What is wanted of the rows of a statement.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    returns: Returns,
    decoder: Decoder,
    rows_max: usize,
}

/// What a statement gave.
struct Given {
    answer: Outcome,
    /// Rows that it changed.
    count: u64,
    /// The server carried it out, whatever is wrong with the answer.
    ran: bool,
    /// `LAST_INSERT_ID()` may be another one now: where a statement gives rows, the server does not
    /// say so.
    generated: bool,
}

/// Runs a call: a read by itself, a write in the transaction that is open. A write that fails has
/// undone itself.
pub(super) fn call(session: &mut Session, job: &Job, class: Class) -> Result<Outcome, Trouble> {
    let steps = job.call.steps();
    let rows_max = match job.call {
        SqlCall::Query { .. } => QUERY_ROWS_MAX,
        _ => usize::MAX,
    };
    session.generated = false;
    clear_variables(session, &job.call)?;
    let undoable = steps > 1;
    if undoable {
        session.own_or_lost(SAVEPOINT)?;
    }
    let mut count = 0;
    let mut answer = Ok(String::new());
    for step in 0..steps {
        let statement = match render(&job.call, step, session.dialect) {
            Ok(statement) => statement,
            Err(error) => return Ok(Err(error.into())),
        };
        let wanted = Wanted {
            returns: statement.returns,
            decoder: job.decoder,
            rows_max,
        };
        let given = run(session, &statement, wanted)?;
        session.generated |= given.generated;
        count += given.count;
        answer = match given.answer {
            // Only with its connection does what it wrote go.
            Err(error) if given.ran && class != Class::Read && !undoable => {
                return Err(Trouble::Endless(error));
            }
            other => other,
        };
        if answer.is_err() {
            break;
        }
        if step + 1 == steps {
            answer = Ok(finished(
                answer.unwrap_or_default(),
                statement.returns,
                count,
                job.decoder,
            ));
        }
    }
    if answer.is_err() && undoable {
        session.own_or_lost(UNDO)?;
    }
    Ok(answer)
}

/// What other calls have left in user variables is not for this one.
fn clear_variables(session: &mut Session, call: &SqlCall) -> Result<(), Trouble> {
    let variables = call.uses().variables;
    if variables.is_empty() {
        return Ok(());
    }
    let variables = variables.iter().map(|name| format!("@`{name}` = NULL"));
    let variables: Vec<String> = variables.collect();
    session.own_or_lost(&format!("SET {}", variables.join(", ")))
}

/// The answer of a call whose last statement gave this.
fn finished(answer: String, returns: Returns, count: u64, decoder: Decoder) -> String {
    let number = match returns {
        Returns::Nothing => return "null".to_owned(),
        Returns::Count => i64::try_from(count).unwrap_or(i64::MAX),
        Returns::Proposed(rows) => i64::try_from(rows).unwrap_or(i64::MAX),
        Returns::Rows | Returns::Objects | Returns::Row | Returns::Value => return answer,
    };
    let mut answer = String::new();
    push_int(&mut answer, number, decoder);
    answer
}

fn run(session: &mut Session, statement: &Statement<'_>, wanted: Wanted) -> Result<Given, Trouble> {
    let prepared = match session.conn.prep(statement.text.as_ref()) {
        Ok(prepared) => prepared,
        Err(Error::MySqlError(error))
            if error.code == NOT_PREPARABLE && statement.params.is_empty() =>
        {
            // It has been parsed as one statement.
            let Session { conn, socket, .. } = session;
            let result = conn.query_iter(statement.text.as_ref());
            return settled(result.and_then(|result| read(result, socket, wanted)));
        }
        Err(error) => {
            let error = sort(error)?;
            return Ok(Given::failed(with_way_out(error, statement.text.as_ref())));
        }
    };
    if usize::from(prepared.num_params()) != statement.params.len() {
        let (places, values) = (prepared.num_params().into(), statement.params.len());
        return Ok(Given::failed(unfit(places, values, &statement.text)));
    }
    let values = statement.params.iter().map(|param| bound(param)).collect();
    let Session { conn, socket, .. } = session;
    let result = conn.exec_iter(&prepared, Params::Positional(values));
    settled(result.and_then(|result| read(result, socket, wanted)))
}

/// Upstream pastes values into the query, also between quotes.
pub(super) fn unfit(places: usize, values: usize, text: &str) -> CallError {
    let quoted = ["'%s'", "\"%s\"", "'?'", "\"?\""];
    let hint = match quoted.iter().any(|place| text.contains(place)) {
        true => "; leave out the quotes around a placeholder",
        false => "",
    };
    let detail = format!("the query has {places} placeholders, format has {values} values{hint}");
    CallError::new("ValueError", detail)
}

/// Upstream's servers carry out several statements of one query.
fn with_way_out(mut error: CallError, text: &str) -> CallError {
    let text = text.trim_end_matches(|c: char| c == ';' || c.is_whitespace());
    if error.reason == "ProgrammingError" && text.contains(';') {
        error.detail += " (if these are several statements: make a call of each)";
    }
    error
}

fn settled(read: Result<Read, Error>) -> Result<Given, Trouble> {
    match read {
        Ok(Read::Whole(given)) => Ok(given),
        Ok(Read::Broken(error)) => Err(Trouble::Endless(error)),
        Err(error) => sort(error).map(Given::failed),
    }
}

impl Given {
    fn failed(error: CallError) -> Self {
        Self {
            answer: Err(error),
            count: 0,
            ran: false,
            generated: false,
        }
    }
}

enum Read {
    Whole(Given),
    /// There was so much that the connection was given up.
    Broken(CallError),
}

/// Reads what a statement gives; of several results, as those of a procedure, the first with
/// columns.
fn read<P: Protocol>(
    mut result: QueryResult<'_, '_, '_, P>,
    socket: &Socket,
    wanted: Wanted,
) -> Result<Read, Error> {
    let mut given = Given {
        answer: Ok(String::new()),
        count: 0,
        ran: true,
        generated: false,
    };
    let (mut answered, mut spare) = (false, 0);
    while let Some(set) = result.iter() {
        given.count += set.affected_rows();
        let has_rows = !set.columns().as_ref().is_empty();
        given.generated |= has_rows || set.last_insert_id().is_some_and(|id| id != 0);
        let skip = answered || set.columns().as_ref().is_empty();
        answered |= !skip;
        let mut answer = Answer::new(wanted);
        for row in set {
            let row = row?;
            if !skip && answer.fault.is_none() && answer.push(&row) {
                continue;
            }
            spare += 1;
            if spare > MYSQL_SPARE_ROWS_MAX || encode::longest(&row) > SQL_ANSWER_BYTES_MAX {
                // Whatever else comes is not waited for: dropping the result would read it all.
                socket.end();
                let error = answer.fault.unwrap_or_else(too_long);
                return Ok(Read::Broken(error));
            }
        }
        if !skip {
            given.answer = answer.finish();
        }
    }
    if !answered {
        given.answer = Answer::new(wanted).finish();
    }
    Ok(Read::Whole(given))
}

/// An answer that is being written.
struct Answer {
    wanted: Wanted,
    out: String,
    rows: usize,
    fault: Option<CallError>,
}

impl Answer {
    fn new(wanted: Wanted) -> Self {
        let out = match wanted.returns {
            Returns::Rows | Returns::Objects => "[".to_owned(),
            _ => String::new(),
        };
        Self {
            wanted,
            out,
            rows: 0,
            fault: None,
        }
    }

    /// Whether the row became part of the answer.
    fn push(&mut self, row: &mysql::Row) -> bool {
        let (returns, decoder) = (self.wanted.returns, self.wanted.decoder);
        let all = matches!(returns, Returns::Rows | Returns::Objects);
        let one = matches!(returns, Returns::Row | Returns::Value) && self.rows == 0;
        if !all && !one {
            return false;
        }
        if encode::longest(row) > SQL_ANSWER_BYTES_MAX {
            self.fault = Some(too_long());
            return false;
        }
        if self.rows == self.wanted.rows_max {
            let detail = format!("more than {} rows; add a LIMIT", self.wanted.rows_max);
            self.fault = Some(CallError::new("TooManyRows", detail));
            return false;
        }
        if self.rows > 0 {
            self.out.push(',');
        }
        match returns {
            Returns::Objects => encode::push_object(&mut self.out, row, decoder),
            Returns::Value => encode::push_first(&mut self.out, row, decoder),
            _ => encode::push_array(&mut self.out, row, decoder),
        }
        self.rows += 1;
        if self.out.len() >= SQL_ANSWER_BYTES_MAX {
            self.fault = Some(too_long());
        }
        true
    }

    fn finish(self) -> Outcome {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let mut out = self.out;
        match self.wanted.returns {
            Returns::Rows | Returns::Objects => out.push(']'),
            Returns::Row | Returns::Value if self.rows == 0 => out.push_str("null"),
            _ => {}
        }
        Ok(out)
    }
}

fn too_long() -> CallError {
    CallError::word("Response size exceeds maximum")
}

fn bound(param: &Param) -> Value {
    match param {
        Param::Null => Value::NULL,
        Param::Int(value) => Value::Int(*value),
        Param::Float(value) => Value::Double(*value),
        Param::Text(text) => Value::Bytes(text.clone().into_bytes()),
    }
}
