//! What can be called, and by whom.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::config::{Config, Permissions};
use crate::wire::call_error::CallError;
use crate::wire::call_file::Call;
use crate::wire::sql::{self, DatabaseId, QUERY_PREFIX, Query, SqlCall};

/// The functions that vpid answers by itself.
const BUILT_IN: [&str; 2] = ["VPI_Ping", "VPI_Info"];

/// What has to be done for a call.
#[derive(Debug, PartialEq)]
pub enum Task {
    /// Nothing: this is the answer.
    Answer(Value),
    Sql {
        database: DatabaseId,
        call: Box<SqlCall>,
    },
}

pub struct Functions {
    permissions: Permissions,
    /// The one of the User functions, and what kind it is.
    database: Option<(DatabaseId, &'static str)>,
    /// By the names that scripts call them by.
    queries: BTreeMap<String, Arc<Query>>,
}

impl Functions {
    pub fn new(config: &Config) -> Self {
        let name = |id: DatabaseId| (id, config.databases[id].engine.name());
        let queries = config.queries.iter().map(|entry| &entry.query);
        Self {
            permissions: config.permissions.clone(),
            database: config.default_database().map(name),
            queries: queries
                .map(|query| (query.function(), Arc::clone(query)))
                .collect(),
        }
    }

    /// Checks a call and says what is to be done for it. An unknown function is told from a
    /// forbidden one: which functions there are is no secret.
    pub fn resolve(&self, call: &Call) -> Result<Task, CallError> {
        let function = call.function.as_str();
        let query = self.queries.get(function);
        let known =
            query.is_some() || BUILT_IN.contains(&function) || sql::is_sql_function(function);
        if !known {
            let detail = match function.strip_prefix(QUERY_PREFIX) {
                Some(name) => format!("the configuration has no [query.{name}]"),
                None => "vpid has no function of this name".to_owned(),
            };
            return Err(CallError::new("UnknownFunction", detail));
        }
        if !self.allows(&call.script, function) {
            let list = match query.and_then(|query| query.scripts.as_ref()) {
                Some(_) => "scripts of its query",
                None => "[permissions]",
            };
            let detail = format!("{} may not call it; see {list}", call.script);
            return Err(CallError::new("PermissionError", detail));
        }
        if let Some(query) = query {
            let values = query.bind(&call.kwargs)?;
            return Ok(Task::Sql {
                database: query.database,
                call: Box::new(SqlCall::Query {
                    query: Arc::clone(query),
                    values,
                }),
            });
        }
        match function {
            "VPI_Ping" if call.kwargs.is_null() => Ok(Task::Answer(json!("pong"))),
            "VPI_Ping" => Ok(Task::Answer(call.kwargs.clone())),
            "VPI_Info" => Ok(Task::Answer(self.info(&call.script))),
            _ => {
                let Some((database, _)) = self.database else {
                    let detail = "vpid runs without a database";
                    return Err(CallError::new("DatabaseUnavailable", detail));
                };
                let call = sql::parse(function, &call.script, &call.kwargs, call.reading)?;
                Ok(Task::Sql {
                    database,
                    call: Box::new(call),
                })
            }
        }
    }

    /// A query that names its scripts is for those alone.
    fn allows(&self, script: &str, function: &str) -> bool {
        let query = self.queries.get(function);
        match query.and_then(|query| query.scripts.as_ref()) {
            Some(scripts) => scripts.iter().any(|name| name == script),
            None => self.permissions.allows(script, function),
        }
    }

    /// What runs here and what this script may call.
    fn info(&self, script: &str) -> Value {
        let all = BUILT_IN.into_iter().chain(sql::FUNCTIONS);
        let all = all.chain(self.queries.keys().map(String::as_str));
        let allowed: Vec<&str> = all.filter(|name| self.allows(script, name)).collect();
        json!({
            "name": "vpid",
            "version": env!("CARGO_PKG_VERSION"),
            "database": self.database.map(|(_, kind)| kind),
            "functions": allowed,
        })
    }
}
