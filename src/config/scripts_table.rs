//! `[scripts]` and `[script.NAME]`: where the owner's Python is, and what it may take.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::checked::{Checker, environment_place};
use super::raw::{Field, Given, Place, RawScript, RawScripts, RawSettings};
use super::scripts::{ScriptSettings, Scripts, is_script_name};
use super::{Password, Server, environment};
use crate::limits::{
    SCRIPT_CALL_MS_MAX, SCRIPT_CALL_MS_MIN, SCRIPT_CONFIG_BYTES_MAX, SCRIPT_MEMORY_MIB_MAX,
    SCRIPT_MEMORY_MIB_MIN, SCRIPT_NAME_BYTES_MAX, SCRIPT_QUEUE_MAX, SCRIPT_QUEUE_MIN, SCRIPTS_MAX,
};
use crate::protocol::steam_id::SteamId;

const PYTHON: &str = "python3";
const OPTIONS_OF_RUN: [&str; 5] = ["--host", "--port", "--user", "--database", "--password"];
const VARIABLES: [&str; 2] = ["VPID_SCRIPTS_DIR", "VPID_VPI_INTERFACES"];

impl Checker<'_> {
    /// Lays the variables over the table; they make one where the file has none.
    pub(super) fn override_scripts(&mut self, field: Field<RawScripts>) -> Field<RawScripts> {
        let said = |name: &&str| environment::text(self.environment, name).is_some();
        let mut given = match field {
            Field::Given(given) => given,
            Field::Absent if VARIABLES.iter().any(said) => {
                let place = environment_place("scripts");
                let value = RawScripts::empty(place.clone());
                Given { value, place }
            }
            other => return other,
        };
        let raw = &mut given.value;
        let [dir, interfaces] = VARIABLES;
        raw.dir = self.overridden(std::mem::take(&mut raw.dir), &[dir]);
        raw.vpi_interfaces =
            self.overridden(std::mem::take(&mut raw.vpi_interfaces), &[interfaces]);
        Field::Given(given)
    }

    /// None where there is no table; the problems of one are reported.
    pub(super) fn python_scripts(
        &mut self,
        field: Field<RawScripts>,
        each: Vec<RawScript>,
        servers: &[Server],
    ) -> Option<Scripts> {
        if let (Field::Absent, Some(script)) = (&field, each.first())
            && self.report_missing
        {
            let message = "is of no use without [scripts]; add that table with the dir in which \
                           the scripts are";
            self.problem(&script.place, message);
        }
        let general = field.given().map(|given| &given.value.settings);
        let settings = self.script_settings(general, &ScriptSettings::default(), servers);
        let each = self.each_script(each, &settings, servers);
        let Field::Given(Given { value: raw, .. }) = field else {
            return None;
        };
        if matches!(
            (&raw.dir, &raw.vpi_interfaces),
            (Field::Absent, Field::Absent)
        ) && self.report_missing
        {
            let message = "has neither dir nor vpi_interfaces; say in dir where the scripts are, \
                           or in vpi_interfaces where your vpi_interfaces.py is";
            self.problem(&raw.place, message);
        }
        if matches!(raw.dir, Field::Absent) && self.report_missing {
            for place in [raw.order.place(), raw.prefixes.place()]
                .into_iter()
                .flatten()
            {
                let message = "has no effect without dir: it is for the scripts in there";
                self.warn(place, message);
            }
        }
        Some(Scripts {
            dir: self.path_of_code(&raw.dir, servers),
            vpi_interfaces: self.path_of_code(&raw.vpi_interfaces, servers),
            options: self.options_of_run(),
            vpi_override: self.overrides(&raw),
            python: settings.python.clone().unwrap_or_else(|| PYTHON.into()),
            order: self.order(&raw.order),
            admins: self.script_admins(&raw.admins),
            prefixes: self.prefixes(&raw.prefixes),
            // That of `[scripts]` comes after the one of a `.venv`.
            settings: ScriptSettings {
                python: None,
                ..settings
            },
            each,
        })
    }

    /// In the spelling that upstream's parser of options has.
    fn options_of_run(&self) -> Vec<Password> {
        let given = OPTIONS_OF_RUN.into_iter().filter_map(|name| {
            let value = environment::text(self.environment, name)?;
            Some([name.to_owned(), value])
        });
        given.flatten().map(Password).collect()
    }

    /// Whoever can write it has what vpid has.
    fn path_of_code(&mut self, field: &Field<String>, servers: &[Server]) -> Option<PathBuf> {
        let given = field.given()?;
        let path = self.path(given)?;
        self.outside_scriptdata(&given.place, path, servers)
    }

    fn overrides(&mut self, raw: &RawScripts) -> Vec<String> {
        let Some(given) = raw.vpi_override.given() else {
            return Vec::new();
        };
        if matches!(raw.vpi_interfaces, Field::Absent) && self.report_missing {
            let message = "is of no use without vpi_interfaces; say there where the file with \
                           these functions is";
            self.problem(&given.place, message);
        }
        for pattern in &given.value {
            self.pattern(pattern);
        }
        values(&given.value)
    }

    fn order(&mut self, field: &Field<Vec<Given<String>>>) -> Vec<String> {
        let Some(given) = field.given() else {
            return Vec::new();
        };
        if given.value.len() > SCRIPTS_MAX {
            let message = format!(
                "has {} entries; there can be {SCRIPTS_MAX} scripts",
                given.value.len()
            );
            self.problem(&given.place, message);
        }
        let mut order = Vec::new();
        for name in &given.value {
            self.python_script_name(&name.place, &name.value);
            if !order.contains(&name.value) {
                order.push(name.value.clone());
            }
        }
        order
    }

    fn python_script_name(&mut self, place: &Place, name: &str) {
        if is_script_name(name) {
            return;
        }
        let hint = match name.strip_suffix(".py") {
            Some(bare) if is_script_name(bare) => format!("write {bare:?}"),
            _ => format!(
                "use at most {SCRIPT_NAME_BYTES_MAX} letters, digits and _, and no digit first"
            ),
        };
        self.problem(place, format!("{name:?} is no name of a script; {hint}"));
    }

    fn script_admins(&mut self, field: &Field<Vec<Given<String>>>) -> Vec<SteamId> {
        let mut admins = Vec::new();
        for admin in field.given().into_iter().flat_map(|given| &given.value) {
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
        raw: Vec<RawScript>,
        general: &ScriptSettings,
        servers: &[Server],
    ) -> BTreeMap<String, ScriptSettings> {
        if let Some(beyond) = raw.get(SCRIPTS_MAX) {
            let message = format!("there are {}; at most {SCRIPTS_MAX} fit", raw.len());
            self.problem(&beyond.place, message);
        }
        let mut each = BTreeMap::new();
        for script in raw {
            self.python_script_name(&script.place, &script.name);
            let usual = ScriptSettings {
                python: None,
                ..general.clone()
            };
            let mut settings = self.script_settings(Some(&script.settings), &usual, servers);
            settings.start = script.start.given().is_none_or(|given| given.value);
            if let Some(config) = script.config.given() {
                self.config_size(config);
                settings.config = config.value.clone();
            }
            each.insert(script.name, settings);
        }
        each
    }

    fn config_size(&mut self, config: &Given<Value>) {
        let bytes = config.value.to_string().len();
        if bytes > SCRIPT_CONFIG_BYTES_MAX {
            let message = format!(
                "has {bytes} bytes as JSON; at most {SCRIPT_CONFIG_BYTES_MAX} fit. Let the script \
                 read a file of its own"
            );
            self.problem(&config.place, message);
        }
    }

    /// What is not said is as `usual`.
    fn script_settings(
        &mut self,
        raw: Option<&RawSettings>,
        usual: &ScriptSettings,
        servers: &[Server],
    ) -> ScriptSettings {
        let mut settings = usual.clone();
        let Some(raw) = raw else {
            return settings;
        };
        if let Some(bytes) = self.memory_bytes(&raw.memory_mb) {
            settings.memory_bytes = bytes;
        }
        if let Some(ms) = self.call_ms(&raw.call_s) {
            settings.call_ms = ms;
        }
        let range = SCRIPT_QUEUE_MIN..=SCRIPT_QUEUE_MAX;
        if let Some(entries) = self.number(&raw.queue, range, "") {
            settings.queue = usize::try_from(entries).unwrap_or(usual.queue);
        }
        if let Some(python) = self.interpreter(&raw.python, servers) {
            settings.python = Some(python);
        }
        settings
    }

    fn memory_bytes(&mut self, field: &Field<i64>) -> Option<u64> {
        let given = field.given()?;
        let fits = SCRIPT_MEMORY_MIB_MIN..=SCRIPT_MEMORY_MIB_MAX;
        if given.value != 0 && !fits.contains(&given.value) {
            let message = format!(
                "must be {SCRIPT_MEMORY_MIB_MIN} to {SCRIPT_MEMORY_MIB_MAX} MiB, or 0 for no bound"
            );
            self.problem(&given.place, message);
            return None;
        }
        u64::try_from(given.value).ok().map(|mib| mib << 20)
    }

    fn call_ms(&mut self, field: &Field<f64>) -> Option<u64> {
        let given = field.given()?;
        let ms = given.value * 1000.0;
        let (least, most) = (SCRIPT_CALL_MS_MIN as f64, SCRIPT_CALL_MS_MAX as f64);
        // Also where it is no number at all.
        if !(least..=most).contains(&ms) {
            let message = format!("must be {} to {} seconds", least / 1000.0, most / 1000.0);
            self.problem(&given.place, message);
            return None;
        }
        Some(ms.round() as u64)
    }

    /// A bare name is looked up in PATH.
    fn interpreter(&mut self, field: &Field<String>, servers: &[Server]) -> Option<PathBuf> {
        let given = field.given()?;
        match given.value.contains('/') {
            true => self.path_of_code(field, servers),
            false => self.path(given).map(|_| PathBuf::from(&given.value)),
        }
    }
}

fn values(list: &[Given<String>]) -> Vec<String> {
    list.iter().map(|given| given.value.clone()).collect()
}
