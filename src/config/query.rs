//! `[query.NAME]`: SQL functions that the owner wrote. Statements, where they run, who may call them, and what
//! may be put into them.

use std::fmt::Display;
use std::sync::Arc;

use serde_json::Value;
use toml::de::{DeTable, DeValue};

use super::DEADLINE;
use super::key::{Declared, Key, Kind, Usual, key, text};
use super::reader::{Given, Location, Reader, Table, dotted, is_none_of, wrong_type};
use super::{Config, Database, Problem};
use crate::limits::{
    QUERIES_MAX, QUERY_PARAMS_MAX, QUERY_STEPS_MAX, QUERY_TEXT_CHARS_DEFAULT, QUERY_TEXT_CHARS_MAX,
};
use crate::sql::{
    DatabaseId, Fault, Param, ParamKind, Query, QueryParam, Quoting, Returns, Subject, Template,
    TemplateError,
};

pub static TABLE: Declared = Declared {
    head: "[query.NAME]",
    keys: &[KEYS],
    also: &[],
    doc: "SQL functions for scripts, which call them as VPI_SQL_NAME. params are the arguments, by their names.",
    example: "# [query.top_players]",
};

const KEYS: &[Key] = &[
    text("sql", "One statement, with `:name` in place of a value.").example(
        "\"\"\"\nSELECT name, elo FROM players WHERE :class IS NULL OR class = :class\n\
         ORDER BY elo DESC LIMIT :limit\"\"\"",
    ),
    key(
        "steps",
        Kind::Texts("SELECT 1"),
        "1 to 16 statements, instead of `sql`. They run in one transaction: all of them, or none.",
    )
    .example(
        "[\n  \"UPDATE players SET shown = shown + 1 WHERE class = :class\",\n  \
         \"SELECT name, elo FROM players WHERE class = :class LIMIT :limit\",\n]",
    ),
    key(
        "params",
        Kind::Own,
        "The arguments, by their names; at most 64, each used in a statement. Each has a type, such as \"text\", \
         or a table.",
    )
    .default(Usual::Words("none"))
    .example(
        "{ limit = { type = \"integer\", min = 1, max = 50, default = 10 }, class = { type = \"text\", \
         optional = true } }",
    ),
    key(
        "returns",
        Kind::Words(&["rows", "objects", "row", "value", "count"]),
        "The form of the response: \"rows\", \"objects\", \"row\", \"value\" or \"count\".",
    )
    .default(Usual::Words(
        "rows where the last statement gives some, else how many rows changed",
    ))
    .example("\"objects\""),
    key("scripts", Kind::Texts("admin.nut"), "Which scripts may call it.")
        .default(Usual::Words("as `[permissions]` say"))
        .example("[\"ranks.nut\"]"),
    key("deadline_ms", DEADLINE, "How long a call may take.")
        .default(Usual::Words("`call_deadline_ms`"))
        .example("2000"),
    text("database", "The NAME of a [database.NAME].")
        .default(Usual::Words("`[database]`"))
        .example("\"stats\""),
];

pub static PARAM_TABLE: Declared = Declared {
    head: "[query.NAME.params]",
    keys: &[PARAM_KEYS],
    also: &[],
    doc: "",
    example: "",
};

const KINDS: &[&str] = &["integer", "number", "text", "boolean"];
const PARAM_KEYS: &[Key] = &[
    text("type", "\"integer\", \"number\", \"text\" or \"boolean\".")
        .default(Usual::Required("required")),
    key(
        "default",
        Kind::Scalar,
        "The value if the caller gives none.",
    ),
    key(
        "min",
        Kind::Number,
        "The least value, or the least length of a text in characters.",
    )
    .default(Usual::Words("all numbers; 0 for texts")),
    key(
        "max",
        Kind::Number,
        "The greatest value, or the greatest length of a text in characters, up to 65536.",
    )
    .default(Usual::Words("all numbers; 4096 for texts")),
    key(
        "optional",
        Kind::Truth,
        "`true`: the value is null if the caller gives none.",
    )
    .default(Usual::Words("`false`")),
];

impl Config {
    /// What a database found wrong, and where the owner wrote it.
    pub fn problem_of(&self, database: DatabaseId, fault: &Fault) -> Problem {
        match &fault.of {
            Subject::Query { name, step } => {
                let entry = self.queries.iter().find(|entry| entry.query.name == *name);
                entry.map(|entry| entry.problem(*step, fault.at, &fault.message))
            }
            Subject::Schema { step, line } => {
                let database = self.databases.get(database);
                let file = database.and_then(|database| database.schema.as_ref());
                file.map(|file| Problem {
                    source: file.path.display().to_string(),
                    line: Some(*line),
                    key: format!("step {step}"),
                    message: fault.message.clone(),
                })
            }
        }
        .unwrap_or_else(|| Problem {
            source: "configuration".to_owned(),
            line: None,
            key: String::new(),
            message: fault.message.clone(),
        })
    }
}

/// A query and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryEntry {
    pub query: Arc<Query>,
    /// The file as the owner knows it.
    pub source: String,
    /// The line of each step.
    pub lines: Vec<Option<usize>>,
}

impl QueryEntry {
    /// What is wrong with a step, `at` a byte of its statement.
    pub fn problem(&self, step: usize, at: Option<usize>, message: &str) -> Problem {
        let key = match self.query.steps.len() {
            1 => format!("query.{}.sql", self.query.name),
            _ => format!("query.{}.steps, statement {}", self.query.name, step + 1),
        };
        let text = self.query.steps.get(step).map(|step| step.text.as_str());
        let place = text.zip(at).and_then(|(text, at)| {
            let before = text.get(..at)?;
            let line = 1 + before.matches('\n').count();
            let column = 1 + before.rsplit('\n').next()?.chars().count();
            Some(match text.contains('\n') {
                true => format!(" (at line {line}, character {column} of the statement)"),
                false => format!(" (at character {column})"),
            })
        });
        Problem {
            source: self.source.clone(),
            line: self.lines.get(step).copied().flatten(),
            key,
            message: format!("{message}{}", place.unwrap_or_default()),
        }
    }
}

impl Reader<'_> {
    /// Their names, before they are read.
    pub(super) fn query_names<'t>(&self, document: &'t DeTable<'_>) -> Vec<&'t str> {
        let queries = document.get("query").map(|value| value.get_ref());
        match queries {
            Some(DeValue::Table(queries)) => {
                queries.keys().map(|name| name.get_ref().as_ref()).collect()
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn queries(
        &mut self,
        document: &DeTable<'_>,
        databases: &[Database],
    ) -> Vec<QueryEntry> {
        let tables = self.tables_in(document, "query");
        let beyond = tables.get(QUERIES_MAX).map(|(place, ..)| place);
        self.bound(beyond, tables.len(), QUERIES_MAX);
        tables
            .into_iter()
            .map(|(place, name, table)| self.query(place, name, table, databases))
            .collect()
    }

    fn query(
        &mut self,
        place: Location,
        name: &str,
        table: &DeTable<'_>,
        databases: &[Database],
    ) -> QueryEntry {
        self.name(&place, name, "a query", "_");
        let known_params = self.params(table, &place);
        let mut table = self.table(&TABLE, place, table);
        self.check(&mut table, KEYS);
        let database = self.database_of(&table, databases, "the query is for");
        let database = database.unwrap_or(0);
        let quoting = databases
            .get(database)
            .map_or(Quoting::Sqlite, |database| database.engine.quoting());
        let params: Vec<_> = known_params
            .iter()
            .flatten()
            .map(|it| it.value.clone())
            .collect();
        let statements = self.statements(&table);
        let names: Vec<_> = params.iter().map(|param| param.name.as_str()).collect();
        let (steps, errors) = templates(&statements, quoting, &names);
        let understood = errors.is_empty() && !steps.is_empty();
        let gives_rows = steps.last().is_some_and(|last| last.gives_rows(quoting));
        let query = Query {
            name: name.to_owned(),
            database,
            steps,
            params,
            returns: match table.word("returns") {
                "rows" => Returns::Rows,
                "objects" => Returns::Objects,
                "row" => Returns::Row,
                "value" => Returns::Value,
                "count" => Returns::Count,
                _ if gives_rows => Returns::Rows,
                _ => Returns::Count,
            },
            scripts: self.query_scripts(&table),
            deadline_ms: table.integer("deadline_ms"),
        };
        let entry = QueryEntry {
            query: Arc::new(query),
            source: table.place.source.clone(),
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
            self.unused_params(&known_params, &entry.query);
        }
        entry
    }

    fn statements(&mut self, table: &Table) -> Vec<Given<String>> {
        let sql = table.text("sql").map(|(place, sql)| Given {
            value: sql.to_owned(),
            place: place.clone(),
        });
        match (sql, table.texts("steps")) {
            (Some(_), Some((place, _))) => {
                self.problem(place, "stands beside sql; keep one of the two");
            }
            (Some(sql), None) => return vec![sql],
            (None, Some((place, steps))) => {
                let count = steps.len();
                if count == 0 {
                    self.problem(place, "is empty; write the statements into it");
                } else if count > QUERY_STEPS_MAX {
                    let message = format!("has {count} statements; at most {QUERY_STEPS_MAX} fit");
                    self.problem(place, message);
                }
                return steps.to_vec();
            }
            (None, None) if table.is_absent("sql") && table.is_absent("steps") => {
                let message = "has no statement; write it into sql, or several into steps";
                self.missing(&table.place, message);
            }
            (None, None) => {}
        }
        Vec::new()
    }

    fn query_scripts(&mut self, table: &Table) -> Option<Vec<String>> {
        let (_, scripts) = table.texts("scripts")?;
        for script in scripts {
            self.script_name(&script.place, &script.value);
        }
        Some(scripts.iter().map(|script| script.value.clone()).collect())
    }

    fn unused_params(&mut self, params: &[Given<QueryParam>], query: &Query) {
        for (number, param) in params.iter().enumerate() {
            if !query.steps.iter().any(|step| step.params.contains(&number)) {
                let message = format!("no statement has :{} in it; remove it", param.value.name);
                self.problem(&param.place, message);
            }
        }
    }
}

/// What may be put into statements.
impl Reader<'_> {
    /// None where they are unknown; that has been reported then.
    fn params(&mut self, table: &DeTable<'_>, of: &Location) -> Option<Vec<Given<QueryParam>>> {
        let Some((name, value)) = table.get_key_value("params") else {
            return Some(Vec::new());
        };
        let place = self.place(&name.span(), &format!("{}.params", of.key));
        let what = "a table, such as { limit = \"integer\" }";
        let params = self.table_of(&place, value, what)?;
        let mut found = Vec::new();
        for (name, value) in params {
            let place = self.place(&name.span(), &dotted(&place.key, name.get_ref()));
            let is_beyond = found.len() == QUERY_PARAMS_MAX;
            self.bound(is_beyond.then_some(&place), params.len(), QUERY_PARAMS_MAX);
            self.name(&place, name.get_ref(), "a parameter", "_");
            let value = self.param(&place, name.get_ref(), value.get_ref());
            found.push(Given { value, place });
        }
        Some(found)
    }

    /// What is not read here still names a parameter, which statements may use.
    fn param(&mut self, place: &Location, name: &str, value: &DeValue<'_>) -> QueryParam {
        let empty = Table::empty(&PARAM_TABLE, place.clone());
        let (table, kind) = match value {
            DeValue::String(kind) => {
                let kind = self.param_kind(&empty, place, kind);
                (empty, kind)
            }
            DeValue::Table(keys) => {
                let table = self.table(&PARAM_TABLE, place.clone(), keys);
                if table.is_absent("type") {
                    let message = "has no type; it is one of \"integer\", \"number\", \"text\", \
                                   \"boolean\"";
                    self.missing(place, message);
                }
                let kind = table.text("type");
                let kind = kind.and_then(|(place, kind)| self.param_kind(&table, place, kind));
                (table, kind)
            }
            other => {
                let expected = "a type, such as \"integer\", or a table with one";
                self.problem(place, wrong_type(expected, other));
                (empty, None)
            }
        };
        QueryParam {
            name: name.to_owned(),
            kind: kind.unwrap_or(ParamKind::Boolean),
            default: self.param_default(&table, kind),
        }
    }

    /// None where it is unknown; that has been reported then.
    fn param_kind(&mut self, table: &Table, place: &Location, kind: &str) -> Option<ParamKind> {
        Some(match kind {
            "integer" => {
                let all = (i64::MIN, i64::MAX);
                let (min, max) = self.bounds(table, all, "a whole number", Value::as_i64);
                ParamKind::Integer { min, max }
            }
            "number" => {
                let all = (f64::MIN, f64::MAX);
                let (min, max) = self.bounds(table, all, "a number", Value::as_f64);
                ParamKind::Number { min, max }
            }
            "text" => {
                let usual = (0, QUERY_TEXT_CHARS_DEFAULT);
                let what = format!("a whole number of characters, 0 to {QUERY_TEXT_CHARS_MAX}");
                let length = |value: &Value| {
                    let length = usize::try_from(value.as_u64()?).ok()?;
                    (length <= QUERY_TEXT_CHARS_MAX).then_some(length)
                };
                let (min, max) = self.bounds(table, usual, &what, length);
                ParamKind::Text { min, max }
            }
            "boolean" => {
                for place in ["min", "max"].iter().filter_map(|name| table.place(name)) {
                    self.problem(place, "is for numbers and texts; remove it");
                }
                ParamKind::Boolean
            }
            other => {
                self.problem(place, is_none_of(other, KINDS));
                return None;
            }
        })
    }

    /// What `min` and `max` say, where they say nothing `unsaid`.
    fn bounds<T: PartialOrd + Copy + Display>(
        &mut self,
        table: &Table,
        unsaid: (T, T),
        what: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> (T, T) {
        let mut bound = |name: &str, unsaid| match table.json(name) {
            None => unsaid,
            Some((place, value)) => read(value).unwrap_or_else(|| {
                self.problem(place, format!("must be {what}"));
                unsaid
            }),
        };
        let (min, max) = (bound("min", unsaid.0), bound("max", unsaid.1));
        if min > max {
            let place = table.place("min").or(table.place("max"));
            let place = place.unwrap_or(&table.place);
            self.problem(place, format!("is above max, which is {max}"));
        }
        (min, max)
    }

    fn param_default(&mut self, table: &Table, kind: Option<ParamKind>) -> Option<Param> {
        let default = table.json("default");
        if table.truth("optional") == Some(true) {
            if let Some((place, _)) = default {
                let message = "stands beside optional = true; keep one of the two";
                self.problem(place, message);
            }
            return Some(Param::Null);
        }
        let (place, value) = default?;
        let read = kind?.read(value);
        self.good(place, read.map_err(|wanted| format!("must be {wanted}")))
    }
}

/// The statements, with what is wrong and in which. A wrong one is kept as it stands, so that
/// its place is known.
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
