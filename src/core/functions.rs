//! What can be called, and by whom.

use serde_json::{Value, json};

use crate::config::{Config, Permissions};
use crate::wire::call_error::CallError;
use crate::wire::call_file::Call;
use crate::wire::sql::{self, DatabaseId, SqlCall};

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
}

impl Functions {
    pub fn new(config: &Config) -> Self {
        let name = |id: DatabaseId| (id, config.databases[id].engine.name());
        Self {
            permissions: config.permissions.clone(),
            database: config.default_database().map(name),
        }
    }

    /// Checks a call and says what is to be done for it. An unknown function is told from a
    /// forbidden one: which functions there are is no secret.
    pub fn resolve(&self, call: &Call) -> Result<Task, CallError> {
        let function = call.function.as_str();
        let known = BUILT_IN.contains(&function) || sql::is_sql_function(function);
        if !known {
            return Err(CallError::new(
                "UnknownFunction",
                "vpid has no function of this name",
            ));
        }
        if !self.permissions.allows(&call.script, function) {
            let detail = format!("{} may not call it; see [permissions]", call.script);
            return Err(CallError::new("PermissionError", detail));
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

    /// What runs here and what this script may call.
    fn info(&self, script: &str) -> Value {
        let all = BUILT_IN.iter().chain(sql::FUNCTIONS.iter());
        let allowed: Vec<&&str> = all
            .filter(|name| self.permissions.allows(script, name))
            .collect();
        json!({
            "name": "vpid",
            "version": env!("CARGO_PKG_VERSION"),
            "database": self.database.map(|(_, kind)| kind),
            "functions": allowed,
        })
    }
}
