//! What a new configuration says that is not in force before vpid, or a script, is started again:
//! named by its keys at the reload. When a key is in force, its declaration says.

use crate::config::{self, Config, InForce, ScriptSettings, Scripts, Server, Vyhub};

/// A key, and whether it differs.
type Compared<T> = (&'static str, fn(&T, &T) -> bool);

const TOP: &[Compared<Config>] = &[
    ("state_dir", |old, new| old.state_dir != new.state_dir),
    ("watch", |old, new| old.watch != new.watch),
];

const VYHUB: &[Compared<Vyhub>] = &[
    ("api_url", |old, new| old.api_url != new.api_url),
    ("api_key", |old, new| old.api_key != new.api_key),
    ("ca_file", |old, new| old.ca_file != new.ca_file),
    ("proxy", |old, new| old.proxy != new.proxy),
    ("language", |old, new| old.messages != new.messages),
    ("time_zone", |old, new| old.time_zone != new.time_zone),
    ("command_prefixes", |old, new| old.prefixes != new.prefixes),
    ("advert_interval_s", |old, new| {
        old.advert_interval_s != new.advert_interval_s
    }),
    ("advert_prefix", |old, new| {
        old.advert_prefix != new.advert_prefix
    }),
];

const SCRIPTS: &[Compared<Scripts>] = &[
    ("dir", |old, new| old.dir != new.dir),
    ("vpi_interfaces", |old, new| {
        old.vpi_interfaces != new.vpi_interfaces
    }),
    ("order", |old, new| old.order != new.order),
    ("python", |old, new| old.python != new.python),
];

const SETTINGS: &[Compared<ScriptSettings>] = &[
    ("memory_mb", |old, new| old.memory_bytes != new.memory_bytes),
    ("call_s", |old, new| old.call_ms != new.call_ms),
    ("queue", |old, new| old.queue != new.queue),
    ("python", |old, new| old.python != new.python),
    ("start", |old, new| old.start != new.start),
    ("config", |old, new| old.config != new.config),
];

/// None: the server is new. What it says is in force then, apart from what connects it.
const SERVER: &[Compared<Option<Server>>] = &[
    ("vyhub_server_id", |old, new| {
        let id = |of: &Option<Server>| of.as_ref()?.vyhub_id;
        id(old) != id(new)
    }),
    ("rcon", |old, new| {
        rcon(old).map(|it| &it.address) != rcon(new).map(|it| &it.address)
    }),
    ("rcon_password", |old, new| match (rcon(old), rcon(new)) {
        (Some(old), Some(new)) => old.password != new.password,
        _ => false,
    }),
    ("log_listen", |old, new| {
        log(old).map(|it| it.address) != log(new).map(|it| it.address)
    }),
    ("log_secret", |old, new| match (log(old), log(new)) {
        (Some(old), Some(new)) => old.address == new.address && old.secret != new.secret,
        _ => false,
    }),
    ("chat_commands", |old, new| match (old, new) {
        (Some(old), Some(new)) => old.chat != new.chat,
        _ => false,
    }),
];

fn rcon(of: &Option<Server>) -> Option<&config::Rcon> {
    of.as_ref()?.rcon.as_ref()
}

fn log(of: &Option<Server>) -> Option<config::LogListen> {
    of.as_ref()?.log
}

/// The keys of a table that differ, and are in force at `when`.
fn changed<T>(
    table: &str,
    keys: &[Compared<T>],
    (old, new): (&T, &T),
    when: InForce,
) -> Vec<&'static str> {
    let is_changed =
        |key: &&Compared<T>| config::in_force(table, key.0) == Some(when) && key.1(old, new);
    keys.iter()
        .filter(is_changed)
        .map(|(name, _)| *name)
        .collect()
}

/// The keys that change with the next start of vpid, as the owner writes them.
pub fn keys_of_next_start(old: &Config, new: &Config) -> Vec<String> {
    const WHEN: InForce = InForce::WithNextStart;
    let keys = changed("", TOP, (old, new), WHEN);
    let mut late: Vec<String> = keys.into_iter().map(str::to_owned).collect();
    late.extend(databases(old, new));
    match (&old.vyhub, &new.vyhub) {
        (Some(old), Some(new)) => {
            late.extend(
                changed("[vyhub]", VYHUB, (old, new), WHEN)
                    .iter()
                    .map(|key| match *key {
                        "language" => "vyhub.language and its texts".to_owned(),
                        key => format!("vyhub.{key}"),
                    }),
            );
        }
        (None, None) => {}
        _ => late.push("[vyhub]".into()),
    }
    late.extend(servers(old, new));
    match (&old.scripts, &new.scripts) {
        (Some(old), Some(new)) => {
            let keys = changed("[scripts]", SCRIPTS, (old, new), WHEN);
            late.extend(keys.iter().map(|key| format!("scripts.{key}")));
        }
        (None, None) => {}
        _ => late.push("[scripts]".into()),
    }
    late
}

/// The tables of databases that connect to something else, each once.
fn databases(old: &Config, new: &Config) -> Vec<String> {
    let both = old.databases.iter().chain(&new.databases);
    let mut names: Vec<&str> = both.map(|it| it.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let engine = |of: &Config, name: &str| {
        let found = of.databases.iter().find(|it| it.name == name);
        found.map(|it| it.engine.clone())
    };
    names.retain(|name| engine(old, name) != engine(new, name));
    let heads = names.iter().map(|name| match *name {
        "" => "[database]".to_owned(),
        name => format!("[database.{name}]"),
    });
    heads.collect()
}

fn servers(old: &Config, new: &Config) -> Vec<String> {
    let mut late = Vec::new();
    for (number, server) in new.servers.iter().enumerate() {
        let of = match &server.hostname {
            Some(host) => format!("the [[server]] for {host:?}"),
            None => format!("[[server]] {}", number + 1),
        };
        let same = |other: &&Server| {
            (&other.scriptdata, &other.hostname) == (&server.scriptdata, &server.hostname)
        };
        let pair = (old.servers.iter().find(same).cloned(), Some(server.clone()));
        let keys = changed(
            "[[server]]",
            SERVER,
            (&pair.0, &pair.1),
            InForce::WithNextStart,
        );
        late.extend(keys.iter().map(|key| format!("{key} of {of}")));
    }
    if new.servers.len() < old.servers.len() && !new.servers.is_empty() {
        let is_gone = |it: &&Server| it.rcon.is_some() || it.log.is_some() || it.vyhub_id.is_some();
        let mut gone = old.servers.iter().filter(|it| !new.servers.contains(it));
        if gone.any(|it| is_gone(&it)) {
            late.push("[[server]] that was removed (its rcon and log_listen)".into());
        }
    }
    late
}

/// Scripts whose tables say something that is in force when they are started next, with the keys.
pub fn scripts_to_reload(old: &Config, new: &Config) -> Vec<(String, Vec<&'static str>)> {
    const WHEN: InForce = InForce::WithScript;
    let (Some(old), Some(new)) = (&old.scripts, &new.scripts) else {
        return Vec::new();
    };
    let mut general = changed(
        "[script.NAME]",
        SETTINGS,
        (&old.settings, &new.settings),
        WHEN,
    );
    general.extend(changed("[scripts]", SCRIPTS, (old, new), WHEN));
    let mut scripts = vec![(String::new(), general)];
    let mut names: Vec<&String> = old.each.keys().chain(new.each.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let pair = (old.of(name), new.of(name));
        scripts.push((name.clone(), changed("[script.NAME]", SETTINGS, pair, WHEN)));
    }
    scripts.retain(|(_, keys)| !keys.is_empty());
    scripts
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config;

    fn parsed(text: &str) -> Config {
        let head = "[[server]]\nscriptdata = '/s'\nkey = 'abcdefghijklmnopqrstuvwxyz0123456789'\n";
        config::parse(&text.replace("SERVER", head), Path::new("/base"), |_| None).unwrap()
    }

    fn names<T>(keys: &[Compared<T>]) -> Vec<&'static str> {
        keys.iter().map(|(name, _)| *name).collect()
    }

    /// A key that is declared to wait, and compared nowhere, would wait without a word.
    #[test]
    fn all_keys_that_are_declared_to_wait_are_compared() {
        for (table, compared) in [
            ("", names(TOP)),
            ("[[server]]", names(SERVER)),
            ("[vyhub]", names(VYHUB)),
            ("[scripts]", [names(SCRIPTS), names(SETTINGS)].concat()),
            ("[script.NAME]", names(SETTINGS)),
        ] {
            for key in config::keys_of(table) {
                let waits = config::in_force(table, key) != Some(InForce::AtOnce);
                assert_eq!(waits, compared.contains(&key), "{table} {key}");
            }
        }
    }

    #[test]
    fn every_key_that_waits_for_a_start_is_named() {
        let vyhub = "[vyhub]\napi_url = 'https://a.example/v1'\napi_key = 'k'\n";
        let rcon = "rcon = '127.0.0.1:27015'\nrcon_password = 'p'\n";
        let log = "log_listen = '127.0.0.1:27500'\nlog_secret = 1234567\n";
        let mysql = "[database]\ntype = 'mysql'\nuser = 'u'\ndatabase = 'd'\npassword = 'p'\n";
        let scripts = "[scripts]\ndir = 'a'\n";
        for (old, new, keys) in [
            ("SERVER", "state_dir = 'other'\nSERVER", &["state_dir"][..]),
            ("SERVER", "watch = 'poll'\nSERVER", &["watch"]),
            ("SERVER", "poll_ms = 70\nSERVER", &[]),
            ("SERVER", "SERVER[database]\npath = 'x'", &["[database]"]),
            ("SERVER", "SERVER[database.a]", &["[database.a]"]),
            (
                &format!("SERVER{mysql}"),
                &format!("SERVER{}", mysql.replace("'p'", "'q'")),
                &["[database]"],
            ),
            ("SERVER", &format!("SERVER{vyhub}"), &["[vyhub]"]),
            (
                &format!("SERVER{vyhub}"),
                &format!("SERVER{}language = 'de'", vyhub.replace("'k'", "'l'")),
                &["vyhub.api_key", "vyhub.language and its texts"],
            ),
            (
                "SERVER",
                &format!("SERVER{rcon}"),
                &["rcon of [[server]] 1"],
            ),
            (
                &format!("SERVER{rcon}"),
                &format!("SERVER{}", rcon.replace("'p'", "'q'")),
                &["rcon_password of [[server]] 1"],
            ),
            (
                "SERVER",
                &format!("SERVER{log}"),
                &["log_listen of [[server]] 1"],
            ),
            (
                &format!("SERVER{log}"),
                &format!("SERVER{}", log.replace("4567", "4568")),
                &["log_secret of [[server]] 1"],
            ),
            ("SERVER", &format!("SERVER{scripts}"), &["[scripts]"]),
            (
                &format!("SERVER{scripts}"),
                &format!("SERVER{}order = ['x']", scripts.replace("'a'", "'b'")),
                &["scripts.dir", "scripts.order"],
            ),
        ] {
            let late = keys_of_next_start(&parsed(old), &parsed(new));
            for key in keys {
                assert!(late.iter().any(|it| it == key), "{new}: {late:?}");
            }
            assert!(late.len() <= keys.len(), "{new}: {late:?}");
        }
    }

    #[test]
    fn scripts_that_wait_for_a_reload_are_named_with_their_keys() {
        let old = parsed("SERVER[scripts]\ndir = 'a'\n[script.x]\ncall_s = 5\n");
        let new = parsed(
            "SERVER[scripts]\ndir = 'a'\nqueue = 50\n[script.x]\ncall_s = 6\n[script.y]\n\
             memory_mb = 100\nconfig = { a = 1 }\n",
        );
        let expected = [
            (String::new(), vec!["queue"]),
            ("x".into(), vec!["call_s", "queue"]),
            ("y".into(), vec!["memory_mb", "queue", "config"]),
        ];
        assert_eq!(scripts_to_reload(&old, &new), expected);
        assert!(scripts_to_reload(&new, &new).is_empty());
    }
}
