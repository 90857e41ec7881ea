//! What can be called, and by whom.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::community::orders::{
    FUNCTIONS as COMMUNITY_FUNCTIONS, VyhubCall, function_named, parse_call, second_name,
};
use super::event::LaunchKind;
use super::ids::ScriptId;
use crate::config::{self, Config, Permissions, RAW_SQL_FUNCTION, matches};
use crate::protocol::backend::Keeper;
use crate::protocol::call::Call;
use crate::protocol::call_error::CallError;
use crate::sql::{self, DatabaseId, QUERY_PREFIX, Query, Quoting, Reading, SqlCall};

/// The functions that vpid answers by itself. vpi.py had none of them, so where an owner's
/// `vpi_interfaces.py` has one, it is that file's.
pub const BUILT_IN: [&str; 2] = ["VPI_Ping", "VPI_Info"];

/// How the names of VPI's functions begin.
const VPI_PREFIX: &str = "VPI_";

/// What has to be done for a call.
#[derive(Debug, PartialEq)]
pub enum Task {
    /// Nothing: this is the answer.
    Answer(Value),
    Sql {
        database: DatabaseId,
        call: Box<SqlCall>,
    },
    Vyhub(Box<VyhubCall>),
    Script {
        script: ScriptId,
        /// Without the script's name.
        function: String,
    },
}

/// What a Python script offers, as `core/scripts` knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The name of the script.
    pub script: String,
    pub kind: LaunchKind,
    pub state: OfferState,
    /// Without the script's name.
    pub functions: BTreeSet<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfferState {
    /// It may turn out to have functions that are not known yet.
    Loading,
    Loaded,
    Unloaded,
}

impl Offer {
    fn called(&self) -> impl Iterator<Item = String> {
        let functions = self.functions.iter();
        functions.map(|name| match self.kind {
            LaunchKind::Script => format!("{}.{name}", self.script),
            LaunchKind::Interfaces => name.clone(),
        })
    }

    /// The name within the script of what is called so, if the script has that or may turn out to have it.
    fn own_name<'f>(&self, called: &'f str) -> Option<&'f str> {
        let name = match self.kind {
            LaunchKind::Script => called.strip_prefix(&*self.script)?.strip_prefix('.')?,
            LaunchKind::Interfaces => called,
        };
        let is_loading = self.state == OfferState::Loading;
        let may_have = self.kind == LaunchKind::Script || name.starts_with(VPI_PREFIX);
        (self.functions.contains(name) || is_loading && may_have).then_some(name)
    }
}

pub struct Functions {
    permissions: Permissions,
    /// The one of the User functions, what kind it is, and how its SQL is read.
    database: Option<(DatabaseId, &'static str, Quoting)>,
    /// What keeps the community, where there is one.
    community: Option<Keeper>,
    /// By the names that scripts call them by.
    queries: BTreeMap<String, Arc<Query>>,
    /// `vpi_override`.
    overrides: Vec<String>,
    pub scripts: BTreeMap<ScriptId, Offer>,
}

impl Functions {
    pub fn new(config: &Config) -> Self {
        let kind = |id: DatabaseId| {
            let engine = &config.databases[id].engine;
            (id, engine.name(), engine.quoting())
        };
        let queries = config.queries.iter().map(|entry| &entry.query);
        let scripts = config.scripts.iter();
        Self {
            permissions: config.permissions.clone(),
            database: config.default_database().map(kind),
            community: config.community.as_ref().map(config::Community::keeper),
            queries: queries
                .map(|query| (query.function(), Arc::clone(query)))
                .collect(),
            overrides: scripts.flat_map(|it| it.vpi_override.clone()).collect(),
            scripts: BTreeMap::new(),
        }
    }

    /// Applies a new configuration.
    pub fn reconfigure(&mut self, config: &Config) {
        let before = std::mem::replace(self, Self::new(config));
        self.scripts = before.scripts;
        // The scripts go on with what they had.
        if config.scripts.is_none() {
            self.overrides = before.overrides;
        }
    }

    /// What keeps the community; VyHub, where there is none.
    pub fn keeper(&self) -> Keeper {
        self.community.unwrap_or(Keeper::Vyhub)
    }

    /// The functions of a script, as callers call them.
    pub fn called(&self, script: ScriptId) -> impl Iterator<Item = String> {
        let offer = self.scripts.get(&script);
        offer.into_iter().flat_map(Offer::called)
    }

    pub fn has(&self, script: ScriptId, function: &str) -> bool {
        let offer = self.scripts.get(&script);
        offer.is_some_and(|offer| offer.functions.contains(function))
    }

    /// The script whose function is called by this name, and the name within it. Of a script that is being
    /// loaded, it may turn out that there is none.
    pub fn of_script<'f>(&self, function: &'f str) -> Option<(ScriptId, &'f str)> {
        if self.keeps(function) {
            return None;
        }
        // Those of `vpi_interfaces`, which is the first script, have no prefix: scripts' own names come before.
        let mut offers = self.scripts.iter().rev();
        offers.find_map(|(id, offer)| Some((*id, offer.own_name(function)?)))
    }

    /// The name of the script that has a function.
    pub fn script_of(&self, function: &str) -> Option<&str> {
        let (script, _) = self.of_script(function)?;
        let offer = self.scripts.get(&script)?;
        Some(&offer.script)
    }

    /// Whether vpid has a function of this name without any script.
    pub fn is_built_in(&self, function: &str) -> bool {
        self.queries.contains_key(function)
            || BUILT_IN.contains(&function)
            || function_named(function).is_some()
            || sql::is_sql_function(function)
    }

    /// Whether it is vpid's although an owner's file has a function of this name: those of vpi.py,
    /// which are in every such file, and what `vpid.toml` defines, unless `vpi_override` names them.
    pub fn keeps(&self, function: &str) -> bool {
        let is_overridden = || self.overrides.iter().any(|it| matches(it, function));
        self.is_built_in(function) && !BUILT_IN.contains(&function) && !is_overridden()
    }

    /// Whether there is a function of this name.
    pub fn is_known(&self, function: &str) -> bool {
        self.is_built_in(function) || self.of_script(function).is_some()
    }

    /// Checks a call, and gives what has to be done for it. An unknown function and a forbidden one have different
    /// errors: which functions there are is no secret.
    /// `own`: the caller is a script of the owner's beside the game.
    pub fn resolve(&self, call: &Call, own: bool) -> Result<Task, CallError> {
        let function = call.function.as_str();
        let query = self.queries.get(function);
        let built_in = self.is_built_in(function);
        let script = self.of_script(function);
        if !built_in && script.is_none() {
            return Err(self
                .unavailable(function)
                .unwrap_or_else(|| unknown(function)));
        }
        if !own && is_python_name(&call.script) {
            let detail = format!(
                "{} is the name of a Python script, and this call came from a game; Python \
                 scripts call vpid by their own channel",
                call.script
            );
            return Err(CallError::new("PermissionError", detail));
        }
        if !self.allows(&call.script, function, own) {
            return Err(self.forbidden(&call.script, function, own));
        }
        if let Some((script, function)) = script {
            let function = function.to_owned();
            return Ok(Task::Script { script, function });
        }
        if !call.args.is_empty() {
            let detail = "its arguments have names; give them as name=value";
            return Err(CallError::new("ValueError", detail));
        }
        if let Some(query) = query {
            let values = query.bind(call.named()?)?;
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
            "VPI_Info" => {
                call.named()?;
                Ok(Task::Answer(self.info(&call.script, own)))
            }
            _ => {
                if let Some(function) = function_named(function) {
                    let call = parse_call(function, &call.kwargs)?;
                    return Ok(Task::Vyhub(Box::new(call)));
                }
                let Some((database, _, quoting)) = self.database else {
                    let detail = "vpid runs without a database";
                    return Err(CallError::new("DatabaseUnavailable", detail));
                };
                let reading = match call.sql_texts {
                    true => Reading::Legacy,
                    false => Reading::Signed,
                };
                let kwargs = call.named()?;
                let call = sql::parse(function, &call.script, kwargs, reading, quoting)?;
                Ok(Task::Sql {
                    database,
                    call: Box::new(call),
                })
            }
        }
    }

    /// The error of a call that is not permitted.
    fn forbidden(&self, script: &str, function: &str, own: bool) -> CallError {
        let query = self.queries.get(function);
        let list = match query.and_then(|query| query.scripts.as_ref()) {
            Some(_) if !own => "scripts of its query",
            _ => "[permissions]",
        };
        let advice = match function {
            _ if !own => format!("see {list}"),
            RAW_SQL_FUNCTION => format!("add {script:?} to raw_sql in {list}"),
            _ => format!("add {function:?} to its list in {list}"),
        };
        let detail = format!("{script} may not call it; {advice}");
        CallError::new("PermissionError", detail)
    }

    /// The error of a call whose function may be in a script, or in the owner's file, that is not loaded.
    fn unavailable(&self, function: &str) -> Option<CallError> {
        let may_have = |it: &&Offer| match it.kind {
            LaunchKind::Interfaces => {
                function.starts_with(VPI_PREFIX) && !function.starts_with(QUERY_PREFIX)
            }
            LaunchKind::Script => function
                .split_once('.')
                .is_some_and(|(script, _)| script == it.script),
        };
        let mut absent = self
            .scripts
            .values()
            .filter(|it| it.state == OfferState::Unloaded);
        let script = &absent.find(may_have)?.script;
        let detail = format!("{script} is not loaded; `vpid script log {script}` says why");
        Some(CallError::new("ScriptUnavailable", detail))
    }

    /// A query that names its scripts is for those alone, among those of the game. The owner's
    /// own programs may call everything, unless they are listed.
    pub fn allows(&self, script: &str, function: &str, own: bool) -> bool {
        if own {
            return self.permissions.allows_own(script, function);
        }
        if is_python_name(script) {
            return false;
        }
        let query = self.queries.get(function);
        match query.and_then(|query| query.scripts.as_ref()) {
            Some(scripts) => scripts.iter().any(|name| name == script),
            None => self.permissions.allows(script, function),
        }
    }

    /// Checks what a Python script does by the module `game`: see [`GAME_ACTIONS`](crate::config::GAME_ACTIONS).
    pub fn check_action(&self, script: &str, action: &str) -> Result<(), CallError> {
        if self.permissions.allows_own(script, action) {
            return Ok(());
        }
        let detail =
            format!("{script} may not do this; add {action:?} to its list in [permissions]");
        Err(CallError::new("PermissionError", detail))
    }

    /// What runs here and what this script may call.
    fn info(&self, script: &str, own: bool) -> Value {
        let all = BUILT_IN.into_iter().chain(sql::FUNCTIONS);
        let all = all.chain(self.queries.keys().map(String::as_str));
        let of_scripts = self.scripts.values().flat_map(Offer::called);
        let of_scripts = of_scripts.filter(|name| !self.is_built_in(name));
        let ours = COMMUNITY_FUNCTIONS.into_iter();
        let ours = ours.filter(|_| self.community.is_some());
        let ours = ours.flat_map(|name| [name.to_owned(), second_name(name)]);
        let all = all.map(str::to_owned).chain(ours).chain(of_scripts);
        let allowed: Vec<String> = all.filter(|name| self.allows(script, name, own)).collect();
        json!({
            "name": "vpid",
            "version": env!("CARGO_PKG_VERSION"),
            "database": self.database.map(|(_, kind, _)| kind),
            "functions": allowed,
        })
    }
}

/// The error of a call whose function does not exist.
pub fn unknown(function: &str) -> CallError {
    let detail = match function.strip_prefix(QUERY_PREFIX) {
        Some(name) => format!("the configuration has no [query.{name}]"),
        None => "vpid has no function of this name".to_owned(),
    };
    CallError::new("UnknownFunction", detail)
}

/// Whether a name is one of the owner's Python scripts'. A game has no script file of such a name: a call
/// from there with such a name is forged, and would have what `[permissions]` gives to the Python script.
pub fn is_python_name(script: &str) -> bool {
    let name = script.trim_matches(|c: char| c.is_whitespace() || c.is_control());
    let end = name.len().checked_sub(3).and_then(|at| name.get(at..));
    end.is_some_and(|end| end.eq_ignore_ascii_case(".py"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, QueryEntry};
    use crate::sql::Returns;
    use std::path::Path;

    fn functions(permissions: &str, scripts: Option<&[&str]>) -> Functions {
        let text = format!(
            "[[server]]\nscriptdata = \"/s\"\nkey = '0123456789abcdef0123456789abcdef'\n\
             [permissions]\n{permissions}"
        );
        let mut config = config::parse(&text, Path::new("/"), |_| None).unwrap();
        let owned = |scripts: &[&str]| scripts.iter().map(|name| (*name).to_owned()).collect();
        let query = Query {
            name: "top".to_owned(),
            database: 0,
            steps: Vec::new(),
            params: Vec::new(),
            returns: Returns::Rows,
            scripts: scripts.map(owned),
            deadline_ms: None,
        };
        config.queries.push(QueryEntry {
            query: Arc::new(query),
            source: String::new(),
            lines: Vec::new(),
        });
        Functions::new(&config)
    }

    fn resolve(functions: &Functions, script: &str, function: &str) -> Result<Task, CallError> {
        let call = Call {
            token: String::new(),
            function: function.to_owned(),
            args: Vec::new(),
            kwargs: Value::Null,
            callback: true,
            script: script.to_owned(),
            timeout_ms: None,
            sql_texts: true,
        };
        functions.resolve(&call, false)
    }

    #[test]
    fn a_query_is_for_its_scripts_or_as_the_permissions_say() {
        for (permissions, scripts, script, allowed) in [
            ("", None, "a.nut", true),
            ("\"a.nut\" = []", None, "a.nut", false),
            ("\"a.nut\" = [\"VPI_SQL_t*\"]", None, "a.nut", true),
            ("\"a.nut\" = []", Some(&["a.nut"][..]), "a.nut", true),
            ("", Some(&["b.nut"]), "a.nut", false),
            ("", Some(&[]), "a.nut", false),
        ] {
            let functions = functions(permissions, scripts);
            let task = resolve(&functions, script, "VPI_SQL_top");
            assert_eq!(task.is_ok(), allowed, "{permissions} {scripts:?}");
            let listed = functions.info(script, false)["functions"].to_string();
            assert_eq!(listed.contains("VPI_SQL_top"), allowed, "{listed}");
        }
    }

    #[test]
    fn a_call_of_a_game_has_no_rights_of_a_python_script() {
        let permissions = "raw_sql = [\"admin.py\"]\n\"admin.py\" = [\"VYHUB_*\", \"VPI_*\"]";
        let functions = functions(permissions, Some(&["admin.py"]));
        for script in ["admin.py", "ADMIN.PY", "admin.py ", "other.py", ".py"] {
            for function in ["VPI_Ping", "VPI_DB_RawExecute", "VYHUB_Ban", "VPI_SQL_top"] {
                let error = resolve(&functions, script, function).unwrap_err();
                assert_eq!(error.reason, "PermissionError", "{script} {function}");
                assert!(error.detail.contains("Python script"), "{error}");
            }
        }
        assert!(resolve(&functions, "admin.nut", "VPI_Ping").is_ok());
        assert!(functions.allows("admin.py", "VYHUB_Ban", true));
    }

    #[test]
    fn a_query_that_is_not_there_is_named() {
        let error = resolve(&functions("", None), "a.nut", "VPI_SQL_tpo").unwrap_err();
        assert_eq!(error.reason, "UnknownFunction");
        assert!(error.detail.contains("[query.tpo]"), "{error}");
    }
}
