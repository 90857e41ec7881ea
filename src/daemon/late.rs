//! What a new configuration says that is not in force before vpid, or a script, is started again:
//! named by its keys at the reload.

use crate::config::{Config, ScriptSettings, Scripts, Server, Vyhub};

/// The keys that change with the next start of vpid, as the owner writes them.
pub fn keys_of_next_start(old: &Config, new: &Config) -> Vec<String> {
    let mut late = Late::default();
    late.differs("state_dir", &old.state_dir, &new.state_dir);
    late.differs("watch", &old.watch, &new.watch);
    let engines = |config: &Config| -> Vec<(String, String)> {
        let databases = config.databases.iter();
        databases
            .map(|it| (table("database", &it.name), format!("{:?}", it.engine)))
            .collect()
    };
    for (name, _) in pairs(&engines(old), &engines(new)) {
        late.keys.push(format!("[{name}]"));
    }
    // Passwords do not print themselves.
    for (old, new) in old.databases.iter().zip(&new.databases) {
        let name = format!("[{}]", table("database", &new.name));
        if old.name == new.name && old.engine != new.engine && !late.keys.contains(&name) {
            late.keys.push(name);
        }
    }
    late.vyhub(old.vyhub.as_ref(), new.vyhub.as_ref());
    for (number, server) in new.servers.iter().enumerate() {
        let same = |other: &&Server| {
            (&other.scriptdata, &other.hostname) == (&server.scriptdata, &server.hostname)
        };
        late.server(number, old.servers.iter().find(same), server);
    }
    if new.servers.len() < old.servers.len() && !new.servers.is_empty() {
        let is_gone = |it: &&Server| it.rcon.is_some() || it.log.is_some() || it.vyhub_id.is_some();
        let gone = old.servers.iter().filter(|it| !new.servers.contains(it));
        if gone.filter(is_gone).count() > 0 {
            late.keys
                .push("[[server]] that was removed (its rcon and log_listen)".into());
        }
    }
    late.scripts(old.scripts.as_ref(), new.scripts.as_ref());
    late.keys
}

/// Scripts whose tables say something that is in force when they are started next, with the keys.
pub fn scripts_to_reload(old: &Config, new: &Config) -> Vec<(String, Vec<&'static str>)> {
    let (Some(old), Some(new)) = (&old.scripts, &new.scripts) else {
        return Vec::new();
    };
    let mut scripts = Vec::new();
    let general = setting_keys(&old.settings, &new.settings);
    let python = (old.python != new.python).then_some("python");
    let general: Vec<_> = general.into_iter().chain(python).collect();
    if !general.is_empty() {
        scripts.push((String::new(), general));
    }
    let names = old.each.keys().chain(new.each.keys());
    let mut names: Vec<&String> = names.collect();
    names.sort();
    names.dedup();
    for name in names {
        let keys = setting_keys(old.of(name), new.of(name));
        if !keys.is_empty() {
            scripts.push((name.clone(), keys));
        }
    }
    scripts
}

fn setting_keys(old: &ScriptSettings, new: &ScriptSettings) -> Vec<&'static str> {
    let changed = [
        ("memory_mb", old.memory_bytes != new.memory_bytes),
        ("call_s", old.call_ms != new.call_ms),
        ("queue", old.queue != new.queue),
        ("python", old.python != new.python),
        ("start", old.start != new.start),
        ("config", old.config != new.config),
    ];
    let changed = changed.into_iter().filter(|(_, differs)| *differs);
    changed.map(|(key, _)| key).collect()
}

#[derive(Default)]
struct Late {
    keys: Vec<String>,
}

impl Late {
    fn differs<T: PartialEq>(&mut self, key: &str, old: &T, new: &T) {
        if old != new {
            self.keys.push(key.to_owned());
        }
    }

    fn vyhub(&mut self, old: Option<&Vyhub>, new: Option<&Vyhub>) {
        let (Some(old), Some(new)) = (old, new) else {
            return self.differs("[vyhub]", &old.is_some(), &new.is_some());
        };
        self.differs("vyhub.api_url", &old.api_url, &new.api_url);
        self.differs("vyhub.api_key", &old.api_key, &new.api_key);
        self.differs("vyhub.ca_file", &old.ca_file, &new.ca_file);
        self.differs("vyhub.language and its texts", &old.messages, &new.messages);
        self.differs("vyhub.time_zone", &old.time_zone, &new.time_zone);
        self.differs("vyhub.prefixes", &old.prefixes, &new.prefixes);
        self.differs(
            "vyhub.advert_interval_s",
            &old.advert_interval_s,
            &new.advert_interval_s,
        );
        self.differs(
            "vyhub.advert_prefix",
            &old.advert_prefix,
            &new.advert_prefix,
        );
        if old != new && self.keys.iter().all(|key| !key.starts_with("vyhub.")) {
            self.keys.push("[vyhub]".into());
        }
    }

    fn server(&mut self, number: usize, old: Option<&Server>, new: &Server) {
        let of = match &new.hostname {
            Some(host) => format!(" of the [[server]] for {host:?}"),
            None => format!(" of [[server]] {}", number + 1),
        };
        let mut differs = |key: &str, differs: bool| {
            if differs {
                self.keys.push(format!("{key}{of}"));
            }
        };
        let was = |what: &dyn Fn(&Server) -> bool| old.is_some_and(what);
        differs(
            "vyhub_server_id",
            old.map_or(new.vyhub_id.is_some(), |old| old.vyhub_id != new.vyhub_id),
        );
        differs("chat_commands", was(&|old| old.chat != new.chat));
        let both = was(&|old| old.rcon.is_some()) && new.rcon.is_some();
        let address = |of: &Server| of.rcon.as_ref().map(|it| it.address.clone());
        let old_address = old.and_then(address);
        differs("rcon", old_address != address(new));
        let password = |of: &Server| of.rcon.as_ref().map(|it| it.password.clone());
        differs(
            "rcon_password",
            both && old.and_then(password) != password(new),
        );
        let address = |of: &Server| of.log.as_ref().map(|it| it.address);
        let (before, after) = (old.and_then(address), address(new));
        differs("log_listen", before != after);
        let log = old.and_then(|old| old.log.as_ref());
        differs("log_secret", before == after && log != new.log.as_ref());
    }

    fn scripts(&mut self, old: Option<&Scripts>, new: Option<&Scripts>) {
        let (Some(old), Some(new)) = (old, new) else {
            return self.differs("[scripts]", &old.is_some(), &new.is_some());
        };
        self.differs("scripts.dir", &old.dir, &new.dir);
        self.differs(
            "scripts.vpi_interfaces",
            &old.vpi_interfaces,
            &new.vpi_interfaces,
        );
        self.differs("scripts.order", &old.order, &new.order);
    }
}

fn table(table: &str, name: &str) -> String {
    match name {
        "" => table.to_owned(),
        name => format!("{table}.{name}"),
    }
}

/// What is in one of two and not in the other, each name once.
fn pairs(old: &[(String, String)], new: &[(String, String)]) -> Vec<(String, String)> {
    let gone = old.iter().filter(|it| !new.contains(it));
    let fresh = new.iter().filter(|it| !old.contains(it));
    let mut all: Vec<_> = gone.chain(fresh).cloned().collect();
    all.sort();
    all.dedup_by(|a, b| a.0 == b.0);
    all
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
