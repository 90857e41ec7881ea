//! The scripts in the game: there, ours, of this version, with the right key, and started.

use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Report;
use crate::cli::{engine_paths, shadow};
use crate::config::{Config, Legacy, Secret, Server, file};
use crate::limits::SCRIPT_FILE_BYTES_MAX;
use crate::vscripts::squirrel::{self, Returned};
use crate::vscripts::{self, Installed};

/// `config_option` is what `vpid init` needs to find this configuration again.
pub(super) fn check(config: &Config, config_option: &str, report: &mut Report<'_>) {
    let mut seen: Vec<(PathBuf, Option<&Secret>, Option<&Legacy>)> = Vec::new();
    for server in &config.servers {
        let folder = server.installed_scripts();
        if server.key.is_some() {
            report.ok(format!("key: there is one for {}", served(server)));
        }
        let (key, legacy) = (server.key.as_ref(), server.legacy.as_ref());
        if seen.contains(&(folder.clone(), key, legacy)) {
            continue;
        }
        let shown = folder.display();
        let found = Scripts {
            server,
            remedy: format!("vpid init --vscripts '{shown}'{config_option}"),
            path: folder.join("vpi.nut"),
            folder: &folder,
        };
        match key {
            Some(key) => found.fit(key, report),
            None => found.are_not_ours(report),
        }
        seen.push((folder, key, legacy));
    }
}

/// What a server serves, for a reader who knows the configuration.
fn served(server: &Server) -> String {
    let folder = server.scriptdata.display();
    match &server.hostname {
        Some(host) => format!("\"{host}\" in {folder}"),
        None => folder.to_string(),
    }
}

/// The folder from which the game of a server loads its scripts.
struct Scripts<'a> {
    server: &'a Server,
    folder: &'a Path,
    /// Of its vpi.nut.
    path: PathBuf,
    /// The command that brings the scripts.
    remedy: String,
}

impl Scripts<'_> {
    fn fit(&self, key: &Secret, report: &mut Report<'_>) {
        let shown = self.path.display();
        let script = match read(&self.path) {
            Ok(script) => script,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let what = match self.folder.exists() {
                    true => "there is no vpi.nut in",
                    false => "there is no folder",
                };
                return report.bad(
                    format!("scripts: {what} {}", self.folder.display()),
                    self.remedy_for_missing(),
                );
            }
            Err(error) => {
                return report.bad(
                    format!("scripts: {shown} cannot be read: {error}"),
                    remedy_for(&error),
                );
            }
        };
        match (Installed::of(&script), &self.server.legacy) {
            (Installed::Foreign, Some(legacy)) => {
                report.warn(format!(
                    "scripts: {shown} is not vpid's: it does not sign, and is served only with \
                     legacy_secret; to change: {}",
                    self.remedy
                ));
                self.stock(&script, legacy, report);
            }
            (Installed::Foreign, None) => report.bad(
                format!(
                    "scripts: {shown} is not vpid's: it does not sign, and this server has no \
                     legacy_secret"
                ),
                format!("{} (it keeps this file as a copy)", self.remedy),
            ),
            (
                Installed::Ours {
                    version,
                    key: installed,
                },
                _,
            ) => {
                let good = self.key(key, &installed, report);
                let good = self.version(&version, &script, &installed, report) && good;
                let good = self.mapspawn(report) && good;
                self.rights(report);
                let good = self.shadows(report) && good;
                if good {
                    let folder = self.folder.display();
                    report.ok(format!("scripts: version {version} in {folder}"));
                }
            }
        }
    }

    fn key(&self, key: &Secret, installed: &[u8], report: &mut Report<'_>) -> bool {
        let what = match installed {
            _ if installed == key.as_bytes() => return true,
            _ if installed == vscripts::KEY_PLACEHOLDER.as_bytes() => "has no key yet",
            b"" => "has no readable key",
            _ => "has another key than the configuration",
        };
        report.bad(
            format!("scripts: {} {what}", self.path.display()),
            &self.remedy,
        );
        false
    }

    fn version(
        &self,
        version: &str,
        script: &[u8],
        installed_key: &[u8],
        report: &mut Report<'_>,
    ) -> bool {
        let (shown, ours) = (self.path.display(), vscripts::version());
        if version != ours {
            let (what, remedy) = match numbers(version) > numbers(&ours) {
                true => ("newer", "update vpid"),
                false => ("older", self.remedy.as_str()),
            };
            report.warn(format!(
                "scripts: {shown} is of version {version:?}, {what} than those of this vpid \
                 ({ours}); {remedy}"
            ));
            return false;
        }
        let shipped = vscripts::vpi_with(&String::from_utf8_lossy(installed_key));
        let same = vscripts::same_text(script, &shipped);
        if !same {
            report.warn(format!(
                "scripts: {shown} was changed by hand; settings belong into vpi_config.nut. To restore it: {}",
                self.remedy
            ));
        }
        same
    }

    /// Nothing else starts vpi.nut.
    fn mapspawn(&self, report: &mut Report<'_>) -> bool {
        let path = self.folder.join("mapspawn.nut");
        let shown = path.display();
        match read(&path) {
            Ok(text) if vscripts::includes_vpi(&text) => return true,
            Ok(_) => report.bad(
                format!("scripts: {shown} does not start vpi.nut"),
                format!("paste this line at its top: {}", vscripts::include_line()),
            ),
            Err(error) if error.kind() == ErrorKind::NotFound => report.bad(
                format!("scripts: {shown} is missing, so nothing starts vpi.nut"),
                &self.remedy,
            ),
            Err(error) => report.bad(
                format!("scripts: {shown} cannot be read: {error}"),
                remedy_for(&error),
            ),
        }
        false
    }

    /// Files that the game loads in the place of ours.
    fn shadows(&self, report: &mut Report<'_>) -> bool {
        let found = shadow::find(self.folder);
        for file in &found.custom {
            report.bad(
                format!("scripts: the game loads {file} instead of vpid's"),
                match shadow::is_mapspawn(file) {
                    true => format!(
                        "remove it, or, if it is yours, put this line at its top: {}",
                        vscripts::include_line()
                    ),
                    false => "remove it".to_owned(),
                },
            );
        }
        for problem in &found.unread {
            report.warn(format!(
                "scripts: it is unknown whether a mapspawn.nut is in {problem}"
            ));
        }
        if !found.maps.is_empty() {
            let some: Vec<&str> = found.maps.iter().take(5).map(String::as_str).collect();
            let more = if found.maps.len() > 5 { ", ..." } else { "" };
            report.warn(format!(
                "scripts: {} bring a mapspawn.nut of their own, which keeps vpid's scripts from \
                 running or runs before them ({}{more}): on these maps, do not rely on chat, and \
                 change the key after a map that you do not trust",
                match found.maps.len() {
                    1 => "1 map".to_owned(),
                    maps => format!("{maps} maps"),
                },
                some.join(", ")
            ));
        }
        found.custom.is_empty()
    }

    /// The game must be able to read the key, and best no other user.
    fn rights(&self, report: &mut Report<'_>) {
        let Ok(metadata) = self.path.metadata() else {
            return;
        };
        let (shown, mode) = (self.path.display(), metadata.mode() & 0o777);
        if mode & 0o004 != 0 {
            report.warn(format!(
                "scripts: every user of this machine can read the key in {shown}; run: chmod o-r \
                 '{shown}'"
            ));
        }
        // Who owns scriptdata is most likely who runs the game.
        let Ok(game) = self.server.scriptdata.metadata().map(|data| data.uid()) else {
            return;
        };
        if mode & 0o044 == 0 && game != metadata.uid() && game != 0 {
            report.warn(format!(
                "scripts: {shown} belongs to uid {} and only that user can read it, while \
                 scriptdata belongs to uid {game}; if that one runs the game, run: chown {game} \
                 '{shown}'",
                metadata.uid()
            ));
        }
    }

    /// Beside a folder of another name, they are surely elsewhere.
    fn remedy_for_missing(&self) -> String {
        let scriptdata = &self.server.scriptdata;
        match self.server.vscripts.is_some() || engine_paths::is_called_so(scriptdata) {
            true => format!(
                "{}; if they are elsewhere, set vscripts in the configuration",
                self.remedy
            ),
            false => {
                "correct scriptdata in the configuration: the scripts are looked for beside it; if \
                      they are elsewhere, set vscripts"
                    .to_owned()
            }
        }
    }

    /// A server without a key serves stock scripts, and has no use for ours.
    fn are_not_ours(&self, report: &mut Report<'_>) {
        // Without one, it is not known where the stock script lies: game modes have it in a folder below.
        let Ok(script) = read(&self.path) else {
            return;
        };
        match (Installed::of(&script), &self.server.legacy) {
            (Installed::Foreign, Some(legacy)) => self.stock(&script, legacy, report),
            (Installed::Foreign, None) => {}
            (Installed::Ours { .. }, _) => report.bad(
                format!(
                    "scripts: {} is vpid's own, which signs, and this server has no key",
                    self.path.display()
                ),
                format!("{} says which line to add", self.remedy),
            ),
        }
    }

    /// A stock script must have the secret of its server, and send an identity where one is required.
    fn stock(&self, script: &[u8], legacy: &Legacy, report: &mut Report<'_>) {
        let shown = self.path.display();
        let good = match squirrel::returned_text(script, "GetSecret") {
            Returned::Text { text, .. } if text == legacy.secret.as_bytes() => true,
            Returned::Text { line, .. } | Returned::Empty { line } => {
                report.bad(
                    format!(
                        "scripts: GetSecret in {shown} returns another secret than legacy_secret in \
                         the configuration"
                    ),
                    format!(
                        "write the same text into both: line {line} there, and legacy_secret; then \
                         restart the map"
                    ),
                );
                false
            }
            Returned::Nothing => {
                report.warn(format!(
                    "scripts: the secret in {shown} cannot be read; see that its GetSecret returns \
                     legacy_secret of the configuration"
                ));
                false
            }
        };
        if legacy.identity_required && !vscripts::sends_identity(script) {
            return report.bad(
                format!("scripts: {shown} sends no identity with its calls, so vpid rejects them"),
                "install a vpi.nut that sends one; or, to accept calls from everyone who can write into the \
                 game's folder (docs/security.md), set legacy_identity = \"optional\"",
            );
        }
        if good {
            report.ok(format!("scripts: {shown} has legacy_secret"));
        }
    }
}

fn remedy_for(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::InvalidData => {
            "the game cannot read it either; save it so, then run check again"
        }
        _ => "run vpid as the user that runs the game",
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file::open(path)?
        .take(SCRIPT_FILE_BYTES_MAX as u64)
        .read_to_end(&mut text)?;
    file::without_mark(text)
        .map_err(|wrong| io::Error::new(ErrorKind::InvalidData, format!("it {wrong}")))
}

/// `1.10.2` as numbers that compare; what is no number counts as nothing.
fn numbers(version: &str) -> Vec<u64> {
    version
        .split(['.', '-', '+'])
        .map(|part| part.parse().unwrap_or_default())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(numbers("0.10.0") > numbers("0.9.3"));
        assert!(numbers("1.0.0") > numbers("0.99"));
        assert!(numbers("") < numbers("0.1.0"));
    }
}
