//! The unit of systemd for a configuration: `dist/vpid.service`, with the user and the paths of this machine.

use std::path::{Path, PathBuf};

/// What is shipped, and what `vpid service install` fills in.
const SHIPPED: &str = include_str!("../../../dist/vpid.service");

/// How a unit of `vpid service install` begins.
pub(super) const MARK: &str = "# Written by `vpid service install`";

/// What a unit says about this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Machine {
    pub binary: PathBuf,
    pub config: PathBuf,
    pub user: String,
    pub group: String,
    /// The scriptdata folders, which the game may not have made yet.
    pub scriptdata: Vec<PathBuf>,
    /// Folders in which vpid writes, and which exist.
    pub written: Vec<PathBuf>,
}

/// A path that no line of a unit can hold.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} cannot stand in a unit of systemd; use a path of plain characters, in UTF-8")]
pub(super) struct UnfitPath(PathBuf);

impl Machine {
    /// The text of the unit.
    pub fn unit(&self) -> Result<String, UnfitPath> {
        let (binary, config) = (command(&self.binary)?, command(&self.config)?);
        let mut text = format!(
            "{MARK} for {}. It writes this file again; changes belong into\n\
             # a file beside it (`systemctl edit`).\n\n",
            printed(&self.config)?
        );
        let body = SHIPPED.find("[Unit]").map_or("", |at| &SHIPPED[at..]);
        for line in body.lines() {
            let (key, _) = line.split_once('=').unwrap_or((line, ""));
            match key {
                "ExecStart" => text += &format!("ExecStart={binary} run --config {config}\n"),
                "ExecReload" => text += &format!("ExecReload={binary} reload --config {config}\n"),
                "User" => text += &format!("User={}\n", self.user),
                "Group" => text += &format!("Group={}\n", self.group),
                "ReadWritePaths" => text += &self.write_paths()?,
                // The folders of this configuration are named above.
                "StateDirectory" | "StateDirectoryMode" => {}
                _ if line.starts_with("# EDIT") => {
                    text += &line
                        .replacen("# EDIT: t", "# T", 1)
                        .replacen("# EDIT: e", "# E", 1);
                    text.push('\n');
                }
                _ if line.starts_with("# /var/lib/vpid, for state") => {}
                _ if line.starts_with("# ReadWritePaths.") => {}
                _ => text += &format!("{line}\n"),
            }
        }
        Ok(text)
    }

    fn write_paths(&self) -> Result<String, UnfitPath> {
        let mut lines = String::new();
        for path in &self.written {
            lines += &format!("ReadWritePaths={}\n", listed("", path)?);
        }
        for path in &self.scriptdata {
            lines += &format!("ReadWritePaths={}\n", listed("-", path)?);
        }
        Ok(lines)
    }
}

fn printed(path: &Path) -> Result<&str, UnfitPath> {
    let text = path
        .to_str()
        .filter(|text| !text.contains(char::is_control));
    text.ok_or_else(|| UnfitPath(path.to_owned()))
}

/// In a list of paths: with its specifiers escaped, and in quotes where necessary (systemd.syntax(7), systemd.unit(5)).
fn listed(sign: &str, path: &Path) -> Result<String, UnfitPath> {
    let text = printed(path)?.replace('%', "%%");
    let is_plain = |c: char| !c.is_whitespace() && !['"', '\'', '\\'].contains(&c);
    match text.chars().all(is_plain) {
        true => Ok(format!("{sign}{text}")),
        false => {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"");
            Ok(format!("\"{sign}{text}\""))
        }
    }
}

/// In a command line, where variables are replaced, too (systemd.service(5)).
fn command(path: &Path) -> Result<String, UnfitPath> {
    Ok(listed("", path)?.replace('$', "$$"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine {
            binary: "/opt/my games/vpid".into(),
            config: "/etc/100%/v$.toml".into(),
            user: "red".into(),
            group: "games".into(),
            scriptdata: vec![
                "/srv/a b/tf/scriptdata".into(),
                "/srv/c/tf/scriptdata".into(),
            ],
            written: vec!["/var/lib/x".into()],
        }
    }

    #[test]
    fn a_unit_has_the_user_and_the_paths_of_the_machine_and_nothing_left_to_edit() {
        let unit = machine().unit().unwrap();
        for line in [
            "ExecStart=\"/opt/my games/vpid\" run --config /etc/100%%/v$$.toml",
            "ExecReload=\"/opt/my games/vpid\" reload --config /etc/100%%/v$$.toml",
            "User=red",
            "Group=games",
            "ReadWritePaths=/var/lib/x",
            "EnvironmentFile=-/etc/default/vpid",
            "ReadWritePaths=\"-/srv/a b/tf/scriptdata\"",
            "ReadWritePaths=-/srv/c/tf/scriptdata",
            "Type=notify",
            "RestartPreventExitStatus=2 3",
            "WantedBy=multi-user.target",
        ] {
            assert!(unit.lines().any(|it| it == line), "{line}\n{unit}");
        }
        for word in ["EDIT", "tf2", "/etc/vpid", "StateDirectory", "/home/tf2"] {
            assert!(!unit.contains(word), "{word}\n{unit}");
        }
    }

    #[test]
    fn a_path_that_would_add_a_line_is_refused() {
        let evil = Machine {
            config: "/etc/a\nExecStartPre=/bin/sh".into(),
            ..machine()
        };
        assert_eq!(evil.unit(), Err(UnfitPath(evil.config.clone())));
    }
}
