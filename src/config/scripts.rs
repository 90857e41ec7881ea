//! `[scripts]` and `[script.NAME]`: the owner's Python beside the game, where it is and what it may take.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Password;
use super::about_players::{PREFIX_LIST, PREFIXES_DEFAULT, PREFIXES_DOC, PREFIXES_EXAMPLE};
use super::key::{Declared, InForce, Key, Kind, Usual, key, text};
use super::permissions::matches;
use super::reader::{Location, Reader, Table, dotted, number, whole_number};
use crate::limits::{
    SCRIPT_CALL_MS, SCRIPT_CALL_MS_MAX, SCRIPT_CALL_MS_MIN, SCRIPT_CONFIG_BYTES_MAX,
    SCRIPT_CONFIG_DEPTH_MAX, SCRIPT_MEMORY_BYTES, SCRIPT_MEMORY_MIB_MAX, SCRIPT_MEMORY_MIB_MIN,
    SCRIPT_NAME_BYTES_MAX, SCRIPT_QUEUE, SCRIPT_QUEUE_MAX, SCRIPT_QUEUE_MIN, SCRIPTS_MAX,
};
use crate::protocol::steam_id::SteamId;

pub static TABLE: Declared = Declared {
    head: "[scripts]",
    keys: &[KEYS, SETTINGS],
    also: &[],
    doc: "Your own Python beside the game; docs/scripts.md is its manual. It needs dir, vpi_interfaces, or both.",
    example: "# [scripts]",
};

const KEYS: &[Key] = &[
    text(
        "dir",
        "The folder with the scripts: NAME.py, or NAME/main.py. Each runs in a process of its own, as the user \
         that vpid runs as: let no other user write there. Not inside scriptdata.",
    )
    .example("\"scripts\"")
    .variables(&["VPID_SCRIPTS_DIR"])
    .in_force(InForce::WithNextStart),
    text(
        "vpi_interfaces",
        "A file with functions that was written for vpi.py. Not inside scriptdata.",
    )
    .example("\"vpi_interfaces.py\"")
    .variables(&["VPID_VPI_INTERFACES"])
    .in_force(InForce::WithNextStart),
    key(
        "vpi_override",
        Kind::Texts("VPI_Ping"),
        "Functions of that file that replace vpid's own; `*` stands for any text.",
    ).variables(&["VPID_SCRIPTS_VPI_OVERRIDE"])
    .default(Usual::Words("`[]`"))
    .example("[\"VPI_DB_User*\"]"),
    key(
        "order",
        Kind::Texts("stats"),
        "Scripts that start before the others, in this order; each waits for the one before it, two seconds at most.",
    ).variables(&["VPID_SCRIPTS_ORDER"])
    .default(Usual::Words("`[]`"))
    .example("[\"filter\", \"stats\"]")
    .in_force(InForce::WithNextStart),
    key(
        "admins",
        Kind::Texts("[U:1:22202]"),
        "SteamIDs, in any form, of those who may load and unload scripts in chat, besides administrators of VyHub.",
    ).variables(&["VPID_SCRIPTS_ADMINS"])
    .default(Usual::Words("`[]`"))
    .example("[\"[U:1:22202]\"]"),
    key("prefixes", PREFIX_LIST, PREFIXES_DOC).variables(&["VPID_SCRIPTS_PREFIXES"])
        .default(Usual::Words(PREFIXES_DEFAULT))
        .example(PREFIXES_EXAMPLE),
];

/// What `[scripts]` says for all scripts, and `[script.NAME]` for one.
const SETTINGS: &[Key] = &[
    text(
        "python",
        "The interpreter, Python 3.9 or later: a path, or without a slash a name that is looked up in `PATH`. \
         NAME/.venv comes before that of [scripts].",
    ).variables(&["VPID_SCRIPTS_PYTHON"])
    .default(Usual::Text("python3"))
    .in_force(InForce::WithScript),
    key(
        "memory_mb",
        Kind::IntegerOrZero(SCRIPT_MEMORY_MIB_MIN, SCRIPT_MEMORY_MIB_MAX, "MiB"),
        "The memory that a script may use, with what it starts ([how it is counted](scripts.md#limits)).",
    ).variables(&["VPID_SCRIPTS_MEMORY_MB"])
    .default(Usual::Number((SCRIPT_MEMORY_BYTES >> 20) as i64))
    .in_force(InForce::WithScript),
    key(
        "call_s",
        Kind::Seconds(SCRIPT_CALL_MS_MIN as i64, SCRIPT_CALL_MS_MAX as i64),
        "How long one function may run before it is interrupted.",
    ).variables(&["VPID_SCRIPTS_CALL_S"])
    .default(Usual::Number(SCRIPT_CALL_MS as i64 / 1000))
    .in_force(InForce::WithScript),
    key(
        "queue",
        Kind::Integer(SCRIPT_QUEUE_MIN, SCRIPT_QUEUE_MAX, ""),
        "How many events may wait for one script; calls wait as long as their callers.",
    ).variables(&["VPID_SCRIPTS_QUEUE"])
    .default(Usual::Number(SCRIPT_QUEUE as i64))
    .in_force(InForce::WithScript),
    key(
        "confine",
        Kind::Truth,
        "Keeps vpid's configuration, keys and state folder, and other scripts' folders, [out of reach](scripts.md#confined) \
         of a script. `true`: also those in `/etc`, and a script that cannot be confined is not started. The functions of \
         vpi_interfaces never are.",
    )
    .variables(&["VPID_SCRIPTS_CONFINE"])
    .default(Usual::Words("where the kernel has Landlock, and vpid's files are not below `/tmp`"))
    .example("true")
    .in_force(InForce::WithScript),
];

pub static EACH_TABLE: Declared = Declared {
    head: "[script.NAME]",
    keys: &[EACH],
    also: SETTINGS,
    doc: "For one script. python, memory_mb, call_s, queue and confine can be set here, too. The name \
          vpi_interfaces is for the functions of that file.",
    example: "# [script.stats]",
};

const EACH: &[Key] = &[
    key(
        "start",
        Kind::Truth,
        "`false`: it is not started with vpid; `vpid script load NAME` starts it.",
    )
    .default(Usual::Words("`true`"))
    .example("true")
    .in_force(InForce::WithScript),
    key(
        "config",
        Kind::Own,
        "A table of your choice, which the script finds in `game.config`. Dates become texts. At most 64 KiB as \
         JSON, and 32 levels deep.",
    )
    .default(Usual::Words("empty"))
    .example("{ top = 10, title = \"Best players\" }")
    .in_force(InForce::WithScript),
];

const PYTHON: &str = "python3";
const OPTIONS_OF_RUN: [&str; 5] = ["--host", "--port", "--user", "--database", "--password"];

/// The name of what runs `vpi_interfaces`; its own table is `[script.vpi_interfaces]`.
pub const INTERFACES_NAME: &str = "vpi_interfaces";

/// The module that scripts import. `[permissions]` names what it does, `game.kick`, as functions of a script are named.
pub const MODULE_NAME: &str = "game";

/// `[scripts]`, with the tables `[script.NAME]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Scripts {
    /// Where the scripts are: `NAME.py`, or `NAME/main.py`.
    pub dir: Option<PathBuf>,
    /// A file of functions that was written for VPI.
    pub vpi_interfaces: Option<PathBuf>,
    /// The options of `run`, which a `vpi_config.py` beside that file reads as it did those of `vpi.py`. One of
    /// them may be the password.
    pub options: Vec<Password>,
    /// Built-in functions whose place those of that file take: patterns, `*` for any text.
    pub vpi_override: Vec<String>,
    /// The interpreter; a bare name is looked up in PATH.
    pub python: PathBuf,
    /// Scripts that start before the others, in this order.
    pub order: Vec<String>,
    /// Who may load and unload scripts in chat, besides administrators of VyHub.
    pub admins: Vec<SteamId>,
    /// What begins a command in chat; none of them empty.
    pub prefixes: Vec<String>,
    /// For scripts without a table of their own, and for what their tables leave out.
    pub settings: ScriptSettings,
    pub each: BTreeMap<String, ScriptSettings>,
}

/// What holds for one script.
#[derive(Debug, Clone, PartialEq)]
pub struct ScriptSettings {
    /// What it and the processes that it starts may use; 0: no bound.
    pub memory_bytes: u64,
    /// How long a function may run before it is interrupted.
    pub call_ms: u64,
    /// Events that wait for the script.
    pub queue: usize,
    /// Its own interpreter; `None`: that of its `.venv`, else the one of `[scripts]`.
    pub python: Option<PathBuf>,
    /// Whether it is kept from vpid's files and other scripts; `None`: where that is possible.
    pub confine: Option<bool>,
    /// Started with vpid.
    pub start: bool,
    /// For `game.config`: an object.
    pub config: Value,
}

impl Default for ScriptSettings {
    fn default() -> Self {
        Self {
            memory_bytes: SCRIPT_MEMORY_BYTES,
            call_ms: SCRIPT_CALL_MS,
            queue: SCRIPT_QUEUE,
            python: None,
            confine: None,
            start: true,
            config: Value::Object(serde_json::Map::new()),
        }
    }
}

impl Scripts {
    /// What holds for a script.
    pub fn of(&self, name: &str) -> &ScriptSettings {
        self.each.get(name).unwrap_or(&self.settings)
    }

    /// Whether a function of `vpi_interfaces` takes the place of a built-in one.
    pub fn overrides(&self, function: &str) -> bool {
        let mut patterns = self.vpi_override.iter();
        patterns.any(|pattern| matches(pattern, function))
    }
}

/// Names of scripts are also names of files, and stand before a dot in those of functions:
/// letters, digits and `_`, not beginning with a digit. `game` is the name of the module.
pub fn is_script_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=SCRIPT_NAME_BYTES_MAX).contains(&name.len())
        && name != MODULE_NAME
        && name.bytes().all(fits)
        && !name.starts_with(|first: char| first.is_ascii_digit())
}

impl Reader<'_> {
    /// None where there is no table; the problems of one are reported.
    pub(super) fn scripts(&mut self, document: &DeTable<'_>) -> Option<Scripts> {
        let table = self.scripts_table(document);
        let each = self.tables_in(document, "script");
        if let (None, Some((place, ..))) = (&table, each.first())
            && !document.contains_key("scripts")
        {
            let message = "is of no use without [scripts]; add that table with the dir in which \
                           the scripts are";
            self.missing(place, message);
        }
        let mut settings = ScriptSettings::default();
        if let Some(table) = &table {
            self.script_settings(table, &mut settings);
        }
        let python = settings.python.take();
        let each = self.each_script(each, &settings);
        let table = table?;
        self.scripts_without_effect(&table);
        Some(Scripts {
            dir: self.outside_path(&table, "dir"),
            vpi_interfaces: self.outside_path(&table, "vpi_interfaces"),
            options: self.options_of_run(),
            vpi_override: self.overrides(&table),
            // That of `[scripts]` comes after the one of a `.venv`.
            python: python.unwrap_or_else(|| PYTHON.into()),
            order: self.order(&table),
            admins: self.script_admins(&table),
            prefixes: self.prefixes(&table, "prefixes"),
            settings,
            each,
        })
    }

    /// The table, or what the variables make of one that is not there.
    fn scripts_table(&mut self, document: &DeTable<'_>) -> Option<Table> {
        let mut table = match self.table_in(document, "scripts", "a [scripts] table") {
            Some((place, table)) => self.table(&TABLE, place, table),
            None if document.contains_key("scripts") => return None,
            // The others alone ask for nothing.
            None => {
                self.variable(&["VPID_SCRIPTS_DIR", "VPID_VPI_INTERFACES"])?;
                Table::empty(&TABLE, Location::of_variable("scripts"))
            }
        };
        self.overlay(&mut table, KEYS);
        self.overlay(&mut table, SETTINGS);
        Some(table)
    }

    fn scripts_without_effect(&mut self, table: &Table) {
        if !table.is_absent("dir") {
            return;
        }
        if table.is_absent("vpi_interfaces") {
            let message = "has neither dir nor vpi_interfaces; say in dir where the scripts are, \
                           or in vpi_interfaces where your vpi_interfaces.py is";
            self.missing(&table.place, message);
        }
        let keys = ["order", "prefixes"].iter();
        for place in keys.filter_map(|name| table.place(name)) {
            if self.report_missing {
                let message = "has no effect without dir: it is for the scripts in there";
                self.warn(place, message);
            }
        }
    }

    /// In the spelling that upstream's parser of options has.
    fn options_of_run(&self) -> Vec<Password> {
        let given = OPTIONS_OF_RUN.into_iter().filter_map(|name| {
            let (name, value) = self.variable(&[name])?;
            Some([name.to_owned(), value])
        });
        given.flatten().map(Password).collect()
    }

    fn overrides(&mut self, table: &Table) -> Vec<String> {
        let Some((_, patterns)) = table.texts("vpi_override") else {
            return Vec::new();
        };
        let advice = "say there where the file with these functions is";
        self.without(table, "vpi_interfaces", &["vpi_override"], advice);
        for pattern in patterns {
            self.pattern(pattern);
        }
        patterns.iter().map(|given| given.value.clone()).collect()
    }

    fn order(&mut self, table: &Table) -> Vec<String> {
        let mut order = Vec::new();
        let Some((place, names)) = table.texts("order") else {
            return order;
        };
        if names.len() > SCRIPTS_MAX {
            let count = names.len();
            let message = format!("has {count} entries; there can be {SCRIPTS_MAX} scripts");
            self.problem(place, message);
        }
        for name in names {
            self.python_script_name(&name.place, &name.value);
            if !order.contains(&name.value) {
                order.push(name.value.clone());
            }
        }
        order
    }

    fn python_script_name(&mut self, place: &Location, name: &str) {
        if is_script_name(name) {
            return;
        }
        let hint = match name.strip_suffix(".py") {
            Some(bare) if is_script_name(bare) => format!("write {bare:?}"),
            _ if name == MODULE_NAME => "the module that scripts import is called so".to_owned(),
            _ => format!(
                "use at most {SCRIPT_NAME_BYTES_MAX} letters, digits and _, and no digit first"
            ),
        };
        self.problem(place, format!("{name:?} is no name of a script; {hint}"));
    }

    fn script_admins(&mut self, table: &Table) -> Vec<SteamId> {
        let mut admins = Vec::new();
        for admin in table.texts("admins").into_iter().flat_map(|(_, list)| list) {
            match admin.value.trim().parse() {
                Ok(id) if admins.contains(&id) => {}
                Ok(id) => admins.push(id),
                Err(()) => {
                    let message = format!(
                        "{:?} is no player's SteamID; write it as [U:1:22202], STEAM_0:0:11101 or \
                         76561197960287930",
                        admin.value
                    );
                    self.problem(&admin.place, message);
                }
            }
        }
        admins
    }

    fn each_script(
        &mut self,
        tables: Vec<(Location, &str, &DeTable<'_>)>,
        general: &ScriptSettings,
    ) -> BTreeMap<String, ScriptSettings> {
        let beyond = tables.get(SCRIPTS_MAX).map(|(place, ..)| place);
        self.bound(beyond, tables.len(), SCRIPTS_MAX);
        let mut each = BTreeMap::new();
        for (place, name, written) in tables {
            self.python_script_name(&place, name);
            let mut settings = general.clone();
            let mut table = self.table(&EACH_TABLE, place, written);
            self.check(&mut table, SETTINGS);
            self.script_settings(&table, &mut settings);
            settings.start = table.truth("start").unwrap_or(true);
            if name == INTERFACES_NAME && table.truth("confine") == Some(true) {
                let message = "cannot be: these functions get the secrets that vpi_config.py had; take it out";
                self.problem(&table.place, message);
            }
            if let Some(config) = self.script_config(&table.place, written) {
                settings.config = config;
            }
            each.insert(name.to_owned(), settings);
        }
        each
    }

    /// What is not said stays as it is.
    fn script_settings(&mut self, table: &Table, settings: &mut ScriptSettings) {
        if let Some(mib) = table.integer::<u64>("memory_mb") {
            settings.memory_bytes = mib << 20;
        }
        settings.call_ms = table.integer("call_s").unwrap_or(settings.call_ms);
        settings.queue = table.integer("queue").unwrap_or(settings.queue);
        settings.confine = table.truth("confine").or(settings.confine);
        if let Some((place, python)) = table.text("python") {
            // A bare name is looked up in PATH.
            settings.python = match python.contains('/') {
                true => self.outside_path(table, "python"),
                false => self.path(place, python).map(|_| python.into()),
            };
        }
    }

    /// A table of whatever the owner likes. What cannot be passed on is reported, each at its
    /// own place.
    fn script_config(&mut self, of: &Location, table: &DeTable<'_>) -> Option<Value> {
        let (name, value) = table.get_key_value("config")?;
        let place = self.place(&name.span(), &format!("{}.config", of.key));
        self.table_of(&place, value, "a table, such as { limit = 5 }")?;
        let config = self.json(&place, value, SCRIPT_CONFIG_DEPTH_MAX);
        let bytes = config.to_string().len();
        if bytes > SCRIPT_CONFIG_BYTES_MAX {
            let message = format!(
                "has {bytes} bytes as JSON; at most {SCRIPT_CONFIG_BYTES_MAX} fit. Let the script \
                 read a file of its own"
            );
            self.problem(&place, message);
        }
        Some(config)
    }

    /// `depth`: how many tables and lists may yet be in each other, this one among them.
    fn json(&mut self, place: &Location, value: &Spanned<DeValue<'_>>, depth: usize) -> Value {
        match value.get_ref() {
            DeValue::String(text) => Value::from(text.as_ref()),
            DeValue::Boolean(value) => Value::from(*value),
            DeValue::Datetime(time) => Value::from(time.to_string()),
            DeValue::Integer(number) => whole_number(number).map_or_else(
                || {
                    let message = "is a whole number beyond 64 bits; write it as text";
                    self.problem(place, message);
                    Value::Null
                },
                Value::from,
            ),
            DeValue::Float(_) => {
                // Neither JSON nor this configuration has an infinite number.
                let found = number(value.get_ref()).filter(|number| number.is_finite());
                if found.is_none() {
                    let message = "is no number that can be passed on; write it as text";
                    self.problem(place, message);
                }
                found.map_or(Value::Null, Value::from)
            }
            DeValue::Array(_) | DeValue::Table(_) if depth == 0 => {
                let message = format!("is nested deeper than {SCRIPT_CONFIG_DEPTH_MAX} levels");
                self.problem(place, message);
                Value::Null
            }
            DeValue::Array(entries) => {
                let mut list = Vec::new();
                for (at, entry) in entries.iter().enumerate() {
                    let place = self.place(&entry.span(), &format!("{}[{at}]", place.key));
                    list.push(self.json(&place, entry, depth - 1));
                }
                Value::Array(list)
            }
            DeValue::Table(table) => {
                let mut object = Map::new();
                for (name, value) in table {
                    let place = self.place(&name.span(), &dotted(&place.key, name.get_ref()));
                    let value = self.json(&place, value, depth - 1);
                    object.insert(name.get_ref().to_string(), value);
                }
                Value::Object(object)
            }
        }
    }
}
