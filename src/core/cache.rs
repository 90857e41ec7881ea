//! Answers of queries that may be given again for a while.
//!
//! An answer is dropped when something that was written through vpid touched a table that the
//! query names, and is not even kept when that happened while the query ran. What other
//! programs write is not seen: for that there is the time.

use std::collections::HashMap;

use crate::config::Config;
use crate::jobs::Job;
use crate::limits::{CACHE_ANSWERS_MAX, CACHE_BYTES_MAX};
use crate::protocol::answer_text::Decoder;
use crate::sql::{self, CallId, DatabaseId, Quoting, SqlCall};

#[derive(Default)]
pub struct Cache {
    answers: HashMap<String, Answer>,
    bytes: usize,
    /// Databases with queries that have a cache.
    watched: HashMap<DatabaseId, Watched>,
    /// Writes that are done.
    writes: u64,
    /// Calls under way that matter here.
    running: HashMap<CallId, Running>,
}

struct Watched {
    quoting: Quoting,
    /// What those queries name, with the writes to it.
    tables: HashMap<String, Writes>,
}

#[derive(Default)]
struct Writes {
    under_way: usize,
    /// The number of the last that is done.
    last: u64,
}

impl Watched {
    /// None: all tables.
    fn touched(&mut self, tables: Option<&[String]>) -> impl Iterator<Item = &mut Writes> {
        let all = self.tables.iter_mut();
        all.filter(move |(table, _)| tables.is_none_or(|tables| tables.contains(table)))
            .map(|(_, writes)| writes)
    }

    fn any(&self, tables: &[String], is: impl Fn(&Writes) -> bool) -> bool {
        let writes = tables.iter().filter_map(|table| self.tables.get(table));
        writes.into_iter().any(is)
    }
}

struct Answer {
    text: String,
    expires_ms: u64,
    database: DatabaseId,
    tables: Vec<String>,
}

enum Running {
    /// A query whose answer is to be kept, unless a write comes in between.
    Fill {
        key: String,
        cache_ms: u64,
        database: DatabaseId,
        tables: Vec<String>,
        writes: u64,
    },
    /// None: it may touch any table.
    Write {
        database: DatabaseId,
        tables: Option<Vec<String>>,
    },
}

impl Cache {
    /// Forgets all answers; what it has to watch is that of the new configuration. Writes that
    /// are under way still count.
    pub fn reconfigure(&mut self, config: &Config) {
        self.answers.clear();
        self.bytes = 0;
        self.watched.clear();
        let cached = config.queries.iter().map(|entry| &entry.query);
        for query in cached.filter(|query| query.cache_ms.is_some()) {
            let database = &config.databases[query.database];
            let watched = self
                .watched
                .entry(query.database)
                .or_insert_with(|| Watched {
                    quoting: database.engine.quoting(),
                    tables: HashMap::new(),
                });
            let tables = query.steps.iter().flat_map(|step| &step.tables);
            let tables = tables.map(|table| (table.clone(), Writes::default()));
            watched.tables.extend(tables);
        }
        self.running
            .retain(|_, running| matches!(running, Running::Write { .. }));
        for running in self.running.values() {
            if let Running::Write { database, tables } = running
                && let Some(watched) = self.watched.get_mut(database)
            {
                let touched = watched.touched(tables.as_deref());
                touched.for_each(|writes| writes.under_way += 1);
            }
        }
    }

    /// The kept answer to this call.
    pub fn find(&mut self, call: &SqlCall, decoder: Decoder, now_ms: u64) -> Option<String> {
        if self.answers.is_empty() {
            return None;
        }
        let (key, _) = fill_key(call, decoder)?;
        let answer = self.answers.get(&key)?;
        if answer.expires_ms <= now_ms {
            self.forget(&key);
            return None;
        }
        // Who writes and then asks, without waiting, is to see what he wrote.
        let watched = self.watched.get(&answer.database)?;
        let written = watched.any(&answer.tables, |writes| writes.under_way > 0);
        (!written).then(|| answer.text.clone())
    }

    /// A call goes to its database.
    pub fn begins(&mut self, job: &Job) {
        let Some(watched) = self.watched.get_mut(&job.database) else {
            return;
        };
        if let Some((key, cache_ms)) = fill_key(&job.call, job.decoder) {
            let fill = Running::Fill {
                key,
                cache_ms,
                database: job.database,
                tables: tables_of(&job.call, watched.quoting).unwrap_or_default(),
                writes: self.writes,
            };
            self.running.insert(job.id, fill);
        } else if job.call.may_write(watched.quoting) {
            let tables = tables_of(&job.call, watched.quoting);
            let touched = watched.touched(tables.as_deref());
            touched.for_each(|writes| writes.under_way += 1);
            let database = job.database;
            let write = Running::Write { database, tables };
            self.running.insert(job.id, write);
        }
    }

    /// And comes back; `answer` where it went well.
    pub fn ends(&mut self, id: CallId, answer: Option<&str>, now_ms: u64) {
        match self.running.remove(&id) {
            None => {}
            Some(Running::Fill {
                key,
                cache_ms,
                database,
                tables,
                writes,
            }) => {
                let watched = self.watched.get(&database);
                let unchanged = watched
                    .is_some_and(|watched| !watched.any(&tables, |table| table.last > writes));
                if let (Some(text), true) = (answer, unchanged) {
                    let answer = Answer {
                        text: text.to_owned(),
                        expires_ms: now_ms + cache_ms,
                        database,
                        tables,
                    };
                    self.keep(key, answer, now_ms);
                }
            }
            // A failed one as well: a step of it may be all that failed.
            Some(Running::Write { database, tables }) => self.written(database, tables),
        }
    }

    fn written(&mut self, of: DatabaseId, tables: Option<Vec<String>>) {
        self.writes += 1;
        let Some(watched) = self.watched.get_mut(&of) else {
            return;
        };
        for writes in watched.touched(tables.as_deref()) {
            writes.last = self.writes;
            writes.under_way = writes.under_way.saturating_sub(1);
        }
        let touched = |table: &String| tables.as_ref().is_none_or(|tables| tables.contains(table));
        let stale = |answer: &Answer| answer.database == of && answer.tables.iter().any(touched);
        let keys = self.answers.iter().filter(|(_, answer)| stale(answer));
        let keys: Vec<String> = keys.map(|(key, _)| key.clone()).collect();
        keys.iter().for_each(|key| self.forget(key));
    }

    fn keep(&mut self, key: String, answer: Answer, now_ms: u64) {
        self.forget(&key);
        let bytes = key.len() + answer.text.len();
        if self.answers.len() >= CACHE_ANSWERS_MAX || self.bytes + bytes > CACHE_BYTES_MAX {
            let expired = self
                .answers
                .iter()
                .filter(|(_, old)| old.expires_ms <= now_ms);
            let expired: Vec<String> = expired.map(|(key, _)| key.clone()).collect();
            expired.iter().for_each(|key| self.forget(key));
        }
        while self.answers.len() >= CACHE_ANSWERS_MAX || self.bytes + bytes > CACHE_BYTES_MAX {
            let first = self.answers.iter().min_by_key(|(_, old)| old.expires_ms);
            let Some(first) = first.map(|(key, _)| key.clone()) else {
                return;
            };
            self.forget(&first);
        }
        self.bytes += bytes;
        self.answers.insert(key, answer);
    }

    fn forget(&mut self, key: &str) {
        if let Some((key, answer)) = self.answers.remove_entry(key) {
            self.bytes -= key.len() + answer.text.len();
        }
    }
}

/// What tells this call's answer from others', and how long it is kept. None: it is not.
fn fill_key(call: &SqlCall, decoder: Decoder) -> Option<(String, u64)> {
    let SqlCall::Query { query, values } = call else {
        return None;
    };
    let cache_ms = query.cache_ms?;
    Some((format!("{decoder:?} {} {values:?}", query.name), cache_ms))
}

/// The tables that a call names; none where that does not tell.
fn tables_of(call: &SqlCall, quoting: Quoting) -> Option<Vec<String>> {
    let table = match call {
        SqlCall::Query { query, .. } => {
            let tables = query
                .steps
                .iter()
                .flat_map(|step| step.tables.iter().cloned());
            return Some(tables.collect());
        }
        SqlCall::Raw { query, .. } => {
            return Some(sql::tables(query, quoting)).filter(|tables| !tables.is_empty());
        }
        SqlCall::ByMode(readings) => return tables_of(readings.any(), quoting),
        SqlCall::Select { table, .. }
        | SqlCall::Insert { table, .. }
        | SqlCall::InsertOrUpdate { table, .. }
        | SqlCall::Update { table, .. }
        | SqlCall::Delete { table, .. } => table,
    };
    Some(vec![table.as_str().to_lowercase()])
}

#[cfg(test)]
mod tests;
