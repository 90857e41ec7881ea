//! `[query.NAME]`: statements, where they run, and who may call them. Their parameters are for
//! `params`.

use std::sync::Arc;

use super::checked::Checker;
use super::nearest::nearest;
use super::raw::{Field, Given, Place, RawParam, RawQuery};
use super::{Database, QueryEntry};
use crate::limits::{CONFIG_NAME_BYTES_MAX, QUERIES_MAX, QUERY_PARAMS_MAX, QUERY_STEPS_MAX};
use crate::sql::{
    DatabaseId, QUERY_PREFIX, Query, QueryParam, Quoting, Returns, Template, TemplateError,
};

impl Checker<'_> {
    pub(super) fn queries(
        &mut self,
        raw: Vec<RawQuery>,
        databases: &[Database],
    ) -> Vec<QueryEntry> {
        if let Some(beyond) = raw.get(QUERIES_MAX) {
            let message = format!("there are {}; at most {QUERIES_MAX} fit", raw.len());
            self.problem(&beyond.place, message);
        }
        raw.into_iter()
            .map(|raw| self.query(raw, databases))
            .collect()
    }

    fn query(&mut self, raw: RawQuery, databases: &[Database]) -> QueryEntry {
        self.name(&raw.place, &raw.name, "a query");
        let database = self.database_of(&raw, databases);
        let quoting = databases
            .get(database)
            .map_or(Quoting::Sqlite, |database| database.engine.quoting());
        let known_params = raw.params.as_deref();
        let params = self.params_of(known_params.unwrap_or_default());
        let statements = self.statements(&raw);
        let names: Vec<_> = params.iter().map(|param| param.name.as_str()).collect();
        let (steps, errors) = templates(&statements, quoting, &names);
        let understood = errors.is_empty() && !steps.is_empty();
        let guess = match steps.last().is_some_and(|last| last.gives_rows(quoting)) {
            true => Returns::Rows,
            false => Returns::Count,
        };
        let query = Query {
            name: raw.name.clone(),
            database,
            steps,
            params,
            returns: self.choice(&raw.returns, &RETURNS).unwrap_or(guess),
            scripts: self.scripts(&raw.scripts),
            deadline_ms: self.deadline(&raw.deadline_ms),
        };
        let entry = QueryEntry {
            query: Arc::new(query),
            source: raw.place.source.clone(),
            lines: statements.iter().map(|given| given.place.line).collect(),
        };
        // What could not be read may hold the parameter that seems to be missing.
        let Some(known_params) = known_params.filter(|_| self.report_missing) else {
            return entry;
        };
        for (step, error) in errors {
            self.report(entry.problem(step, Some(error.at), &error.message));
        }
        if understood {
            self.unused_params(known_params, &entry.query);
        }
        entry
    }

    /// Letters, digits and `_`: it becomes part of a name in scripts, or stands in a statement.
    pub(super) fn name(&mut self, place: &Place, name: &str, of: &str) {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || !name.bytes().all(fits) || name.len() > CONFIG_NAME_BYTES_MAX {
            let message = format!(
                "{name:?} is no name for {of}; use at most {CONFIG_NAME_BYTES_MAX} letters, \
                 digits and _"
            );
            self.problem(place, message);
        }
    }

    fn database_of(&mut self, raw: &RawQuery, databases: &[Database]) -> DatabaseId {
        let wanted = match &raw.database {
            Field::Given(given) => given,
            Field::Bad => return 0,
            Field::Absent => {
                if databases.first().is_none_or(|first| !first.name.is_empty()) {
                    let message = "has no database, as [database] is of type \"none\"; name \
                                   another one with database = \"NAME\"";
                    self.problem(&raw.place, message);
                }
                return 0;
            }
        };
        let named = |database: &Database| !wanted.value.is_empty() && database.name == wanted.value;
        databases.iter().position(named).unwrap_or_else(|| {
            let names: Vec<_> = databases.iter().map(|known| known.name.as_str()).collect();
            let hint = match nearest(&wanted.value, &names) {
                Some(near) => format!("; did you mean {near:?}?"),
                None => "; without this key, the query is for [database]".to_owned(),
            };
            let message = format!("there is no [database.{}]{hint}", wanted.value);
            if self.report_missing {
                self.problem(&wanted.place, message);
            }
            0
        })
    }

    fn params_of(&mut self, raw: &[RawParam]) -> Vec<QueryParam> {
        if let Some(beyond) = raw.get(QUERY_PARAMS_MAX) {
            let message = format!("there are {}; at most {QUERY_PARAMS_MAX} fit", raw.len());
            self.problem(&beyond.place, message);
        }
        raw.iter().map(|raw| self.param(raw)).collect()
    }

    fn statements(&mut self, raw: &RawQuery) -> Vec<Given<String>> {
        match (&raw.sql, &raw.steps) {
            (Field::Given(_), Field::Given(steps)) => {
                self.problem(&steps.place, "stands beside sql; keep one of the two");
            }
            (Field::Given(sql), _) => return vec![sql.clone()],
            (_, Field::Given(steps)) => {
                let count = steps.value.len();
                if count == 0 {
                    self.problem(&steps.place, "is empty; write the statements into it");
                } else if count > QUERY_STEPS_MAX {
                    let message = format!("has {count} statements; at most {QUERY_STEPS_MAX} fit");
                    self.problem(&steps.place, message);
                }
                return steps.value.clone();
            }
            (Field::Absent, Field::Absent) if self.report_missing => {
                let message = "has no statement; write it into sql, or several into steps";
                self.problem(&raw.place, message);
            }
            _ => {}
        }
        Vec::new()
    }

    fn scripts(&mut self, field: &Field<Vec<Given<String>>>) -> Option<Vec<String>> {
        let given = field.given()?;
        for script in &given.value {
            self.script_name(&script.place, &script.value);
        }
        let names = given.value.iter().map(|script| script.value.clone());
        Some(names.collect())
    }

    fn unused_params(&mut self, params: &[RawParam], query: &Query) {
        for (number, param) in params.iter().enumerate() {
            if !query.steps.iter().any(|step| step.params.contains(&number)) {
                let message = format!("no statement has :{} in it; remove it", param.name);
                self.problem(&param.place, message);
            }
        }
    }

    /// Warns of a permission for a query that does not exist.
    pub(super) fn query_is_there(&mut self, pattern: &Given<String>, queries: &[RawQuery]) {
        let Some(name) = pattern.value.strip_prefix(QUERY_PREFIX) else {
            return;
        };
        if name.contains('*') || queries.iter().any(|query| query.name == name) {
            return;
        }
        let names: Vec<_> = queries.iter().map(|query| query.name.as_str()).collect();
        let hint = nearest(name, &names).map_or(String::new(), |near| {
            format!("; did you mean {QUERY_PREFIX}{near}?")
        });
        let message = format!(
            "{} is permitted, but there is no [query.{name}]{hint}",
            pattern.value
        );
        self.warn(&pattern.place, message);
    }
}

const RETURNS: [(&str, Returns); 5] = [
    ("rows", Returns::Rows),
    ("objects", Returns::Objects),
    ("row", Returns::Row),
    ("value", Returns::Value),
    ("count", Returns::Count),
];

/// The statements, with what is wrong and in which. A wrong one is kept as it stands, so that
/// its place can be told.
fn templates(
    statements: &[Given<String>],
    quoting: Quoting,
    names: &[&str],
) -> (Vec<Template>, Vec<(usize, TemplateError)>) {
    let mut errors = Vec::new();
    let steps = statements.iter().enumerate().map(|(step, statement)| {
        let sql = &statement.value;
        Template::parse(sql, quoting, names).unwrap_or_else(|error| {
            errors.push((step, error));
            Template {
                text: sql.clone(),
                params: Vec::new(),
                surely_reads: false,
            }
        })
    });
    (steps.collect(), errors)
}
