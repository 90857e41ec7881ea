//! A scriptdata folder: whether the daemon and the game can work in it, and what lies there.

use super::folders::{self, Daemon};
use super::{Report, listed, try_inotify};
use crate::cli::engine_paths;
use crate::config::{Config, Watch};
use crate::io::files;
use crate::io::overlooked::{self, Served, Why};
use crate::io::private;
use crate::limits::{
    CALL_FILE_BYTES_MAX, CHECK_FILES_MAX, ENGINE_PATH_BYTES_MAX, ENGINE_READ_BYTES_MAX,
    HOST_BYTES_USUAL,
};
use crate::protocol::names::{self, Kind};
use crate::protocol::signed;
use std::collections::BTreeSet;
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

pub(super) fn check(config: &Config, folder: &Path, daemon: Daemon, report: &mut Report<'_>) {
    let shown = folder.display();
    let metadata = match folder.metadata() {
        Ok(metadata) if metadata.is_dir() => metadata,
        Ok(_) => {
            return report.bad(
                format!("scriptdata: {shown} is not a folder"),
                "correct scriptdata in the configuration",
            );
        }
        Err(error) => {
            return report.bad(
                format!("scriptdata: {shown}: {error}"),
                "correct scriptdata in the configuration; if the game has not written its first \
                 file yet, create the folder as the game's user",
            );
        }
    };
    if let Some(warning) = engine_paths::misnamed(folder) {
        report.warn(format!("scriptdata: {warning}"));
    }
    rights(folder, &metadata, report);
    other_vpid(config, folder, report);
    watch(config, folder, report);
    folders::free_space("scriptdata", folder, report);
    let contents = match Contents::read(config, folder) {
        Ok(contents) => contents,
        Err(error) => {
            let remedy = "let the user of vpid read the folder, or run vpid as the game's user";
            return report.bad(
                format!("scriptdata: {shown} cannot be listed: {error}"),
                remedy,
            );
        }
    };
    path_lengths(config, folder, &contents.served, report);
    contents.report(folder, daemon, report);
    overlooked(config, folder, report);
}

/// `vpid run` serves no folder that a vpid with another state folder serves.
fn other_vpid(config: &Config, folder: &Path, report: &mut Report<'_>) {
    let here = || config.servers.iter().filter(|it| it.scriptdata == folder);
    let stock = here().any(|server| server.legacy.is_some());
    let signed = here().any(|server| server.key.is_some());
    let stock = stock.then(|| folder.to_owned());
    let signed = signed.then(|| folder.join(signed::FOLDER));
    let ours = folders::state_holder(&config.state_dir);
    for folder in stock.into_iter().chain(signed) {
        let holder = folders::folder_holder(&folder);
        if let Some(holder) = holder.filter(|holder| ours.as_ref() != Some(holder)) {
            report.bad(
                format!(
                    "scriptdata: {}: another vpid serves this folder ({holder})",
                    folder.display()
                ),
                "stop it first: one vpid serves all hosts of a folder",
            );
        }
    }
}

/// The engine writes no file whose whole path is too long, and its script gets no error.
fn path_lengths(config: &Config, folder: &Path, hosts: &BTreeSet<String>, report: &mut Report<'_>) {
    let here = || config.servers.iter().filter(|it| it.scriptdata == folder);
    let signs = here().any(|server| server.key.is_some());
    if let Some(problem) = engine_paths::without_room(folder, signs) {
        let remedy = "move the game to a shorter path";
        return report.bad(format!("scriptdata: {problem}"), remedy);
    }
    let room = engine_paths::room_for_host(folder, signs);
    let named = here().filter_map(|server| server.hostname.as_ref());
    let too_long = |host: &&String| room.is_none_or(|room| host.len() > room);
    let shown = folder.display();
    if let Some(host) = named.chain(hosts).find(too_long) {
        return report.bad(
            format!(
                "scriptdata: {shown}: the path is so long that the game cannot write all files of \
                 \"{host}\": their whole paths have more than {ENGINE_PATH_BYTES_MAX} bytes"
            ),
            "move the game to a shorter path, or give it a shorter hostname",
        );
    }
    if room.is_none_or(|room| room < HOST_BYTES_USUAL) {
        report.warn(format!(
            "scriptdata: {shown}: the path is so long that hostnames of more than {} bytes cannot be \
             served: the game writes no file whose whole path has more than {ENGINE_PATH_BYTES_MAX} bytes; \
             better move the game to a shorter path",
            room.unwrap_or(0)
        ));
    }
}

/// Files that were most likely meant for vpid. Those of hosts and protocols that no server is for
/// are reported with their hosts.
fn overlooked(config: &Config, folder: &Path, report: &mut Report<'_>) {
    // That it cannot be listed has been reported.
    let found = overlooked::look(folder, &Served::all(config), true).unwrap_or_default();
    let of_names = found
        .iter()
        .filter(|it| matches!(it.why, Why::Name(_) | Why::Subfolder { .. }));
    for found in of_names {
        report.warn(format!("scriptdata: {}", found.sentence(folder)));
    }
}

/// The daemon takes the game's files away, and the game empties the daemon's.
fn rights(folder: &Path, metadata: &Metadata, report: &mut Report<'_>) {
    let shown = folder.display();
    let (we, owner) = (rustix::process::geteuid().as_raw(), metadata.uid());
    match folders::try_file(folder) {
        Ok(()) => report.ok(format!("scriptdata: {shown} can be written")),
        Err(error) => report.bad(
            format!("scriptdata: {shown} cannot be written: {error}"),
            format!("run vpid as the user that runs the game (its uid is {owner}, ours {we})"),
        ),
    }
    let (world_writable, sticky) = (metadata.mode() & 0o002 != 0, metadata.mode() & 0o1000 != 0);
    if world_writable && !sticky {
        report.warn(format!(
            "scriptdata: every user of this machine can write into {shown}; run: chmod o-w '{shown}'"
        ));
    }
    if we == owner {
        return;
    }
    if sticky && we != 0 {
        report.bad(
            format!("scriptdata: in {shown} (sticky) only uid {owner} can remove the game's files"),
            format!("chmod -t '{shown}', or run vpid as that user"),
        );
    }
    report.warn(format!(
        "scriptdata: {shown} belongs to uid {owner}, and vpid runs as {we}: the game must be able to empty \
             the response files that vpid writes; better run vpid as the game's user"
    ));
}

fn watch(config: &Config, folder: &Path, report: &mut Report<'_>) {
    let shown = folder.display();
    let polls = format!("polls every {} ms", config.poll_ms);
    if config.watch == Watch::Poll {
        return report.ok(format!("watch: {shown}: {polls}, as configured"));
    }
    match (
        files::remote_file_system(folder),
        try_inotify(folder),
        config.watch,
    ) {
        (None, Ok(()), _) => report.ok(format!("watch: {shown}: inotify works")),
        (Some(system), _, Watch::Auto) => report.ok(format!(
            "watch: {shown} is on {system}, where inotify misses what other machines write: vpid \
             {polls}; set watch = \"inotify\" if the game runs on this machine"
        )),
        (Some(system), Ok(()), _) => report.warn(format!(
            "watch: {shown} is on {system}, where inotify misses what other machines write; if \
             the game runs on another machine, set watch = \"poll\""
        )),
        (_, Err(error), Watch::Inotify) => report.bad(
            format!("watch: {shown}: inotify fails: {error}"),
            "raise the limit, or set watch = \"auto\"",
        ),
        (_, Err(error), _) => {
            report.warn(format!(
                "watch: {shown}: vpid {polls}, since inotify fails: {error}"
            ));
        }
    }
}

/// What lies in the folder, as far as it concerns us.
#[derive(Default)]
struct Contents {
    /// Hosts with files here that no `[[server]]` serves.
    unserved: BTreeSet<String>,
    served: BTreeSet<String>,
    /// Hosts whose stock scripts have written calls that their server does not believe.
    not_signing: BTreeSet<String>,
    waiting: usize,
    /// Findings with their remedies.
    bad: Vec<(String, &'static str)>,
    warnings: Vec<String>,
    cut_short: bool,
}

impl Contents {
    fn read(config: &Config, folder: &Path) -> std::io::Result<Self> {
        let mut contents = Self::default();
        for (count, entry) in std::fs::read_dir(folder)?.enumerate() {
            if count == CHECK_FILES_MAX {
                contents.cut_short = true;
                break;
            }
            let entry = entry?;
            let name = entry.file_name();
            let name = &*names::text(name.as_bytes());
            let Some(known) = names::parse(name) else {
                continue;
            };
            let host = known.host.to_owned();
            match config.server_for(folder, known.host) {
                Some(server) if server.legacy.is_some() => contents.served.insert(host),
                Some(_) if matches!(known.kind, Kind::Calls { .. }) => {
                    contents.not_signing.insert(host);
                    continue;
                }
                // Left over from the time before the key: no caller waits for it.
                Some(_) => continue,
                None => {
                    contents.unserved.insert(host);
                    continue;
                }
            };
            // The game takes files away while we look.
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            contents.file(&entry.path(), name, known.kind, &metadata);
        }
        let signing = signed_hosts(folder);
        let signing = signing.into_iter();
        let served = signing.filter(|host| has_key(config, folder, host));
        contents.served.extend(served);
        Ok(contents)
    }

    fn file(&mut self, path: &Path, name: &str, kind: Kind, metadata: &Metadata) {
        if !metadata.is_file() {
            let text = format!("{name} is not a regular file");
            self.bad.push((
                text,
                "remove it; vpid does not touch it, and its host gets no responses",
            ));
            return;
        }
        match kind {
            Kind::Input => self.input(path, name, metadata),
            Kind::Calls { .. } | Kind::Taken { .. } => {
                self.waiting += 1;
                if metadata.len() > CALL_FILE_BYTES_MAX as u64 {
                    let most = CALL_FILE_BYTES_MAX;
                    self.warnings.push(format!(
                        "{name} is larger than {most} bytes and will be rejected"
                    ));
                }
                if let Err(error) = open(path) {
                    let remedy = "run vpid as the user that runs the game";
                    self.bad
                        .push((format!("{name} cannot be read: {error}"), remedy));
                }
            }
            Kind::Restart => {}
        }
    }

    /// The host reads its input file before anything else, so nothing may lie in its way.
    fn input(&mut self, path: &Path, name: &str, metadata: &Metadata) {
        if metadata.len() > ENGINE_READ_BYTES_MAX as u64 {
            let text = format!("{name} is larger than {ENGINE_READ_BYTES_MAX} bytes");
            self.bad.push((
                text,
                "remove it: the game can never read it, and waits forever",
            ));
            return;
        }
        let mut text = Vec::new();
        let read = open(path).and_then(|file| {
            file.take(ENGINE_READ_BYTES_MAX as u64)
                .read_to_end(&mut text)
        });
        let blank = |byte: &u8| *byte == 0 || byte.is_ascii_whitespace();
        match read {
            Err(error) => {
                let remedy = "let the user of vpid read it, or run vpid as the game's user";
                self.bad
                    .push((format!("{name} cannot be read: {error}"), remedy));
            }
            Ok(_) if text.first() == Some(&b'{') || text.iter().all(blank) => {}
            Ok(_) => self.warnings.push(format!(
                "{name} contains something other than responses; vpid waits until the game empties it"
            )),
        }
    }

    fn report(self, folder: &Path, daemon: Daemon, report: &mut Report<'_>) {
        let shown = folder.display();
        for (text, remedy) in self.bad {
            report.bad(format!("scriptdata: {shown}: {text}"), remedy);
        }
        for text in self.warnings {
            report.warn(format!("scriptdata: {shown}: {text}"));
        }
        if !self.unserved.is_empty() {
            report.warn(format!(
                "scriptdata: {shown}: no [[server]] serves {}; add one, or remove hostname",
                listed(&self.unserved)
            ));
        }
        if !self.not_signing.is_empty() {
            report.warn(format!(
                "scriptdata: {shown}: stock scripts of {} have written calls, and their server has \
                 no legacy_secret; restart the map if it has vpid's scripts now, else see \
                 docs/moving-from-vpi.md",
                listed(&self.not_signing)
            ));
        }
        match (self.served.is_empty(), daemon) {
            (true, Daemon::Running) => report.ok(format!(
                "hosts: no file of a game waits in {shown}; `vpid game list` shows the connected games"
            )),
            (true, Daemon::NotRunning) => {
                report.ok(format!("hosts: no file of a game is in {shown} now"));
            }
            (false, _) => report.ok(format!("hosts: {} in {shown}", listed(&self.served))),
        }
        if self.waiting > 0 && daemon == Daemon::NotRunning {
            let waiting = self.waiting;
            report.ok(format!(
                "calls: {waiting} files wait in {shown} for vpid to start"
            ));
        }
        if self.cut_short {
            report.warn(format!(
                "scriptdata: {shown}: only the first {CHECK_FILES_MAX} files were checked"
            ));
        }
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    private::open_plain(path, rustix::fs::OFlags::NONBLOCK)
}

// The folder of the signed protocol in a scriptdata folder. Both sides make it when it is
// missing, and both write into it.

pub(super) fn check_signed(config: &Config, scriptdata: &Path, report: &mut Report<'_>) {
    let folder = scriptdata.join(signed::FOLDER);
    let shown = folder.display();
    let Ok(metadata) = folder.symlink_metadata() else {
        return;
    };
    if !metadata.is_dir() {
        let what = match metadata.is_symlink() {
            true => "a link, and vpid follows none in scriptdata",
            false => "not a folder",
        };
        let remedy = "remove it; vpid or the game creates the folder";
        return report.bad(format!("scriptdata: {shown} is {what}"), remedy);
    }
    let owner = metadata.uid();
    match folders::try_file(&folder) {
        Ok(()) => report.ok(format!("scriptdata: {shown} can be written")),
        Err(error) => report.bad(
            format!("scriptdata: {shown} cannot be written: {error}"),
            format!(
                "run vpid as the user that runs the game (the folder's uid is {owner}, ours {})",
                rustix::process::geteuid().as_raw()
            ),
        ),
    }
    let game = scriptdata.metadata().map_or(owner, |data| data.uid());
    if game != owner && game != 0 && metadata.mode() & 0o022 == 0 {
        report.warn(format!(
            "scriptdata: {shown} belongs to uid {owner} and only that user can write into it, \
             while scriptdata belongs to uid {game}; if that one runs the game, run: chown {game} \
             '{shown}'"
        ));
    }
    let mut unserved = signed_hosts(scriptdata);
    unserved.retain(|host| !has_key(config, scriptdata, host));
    if !unserved.is_empty() {
        report.warn(format!(
            "scriptdata: {shown}: the scripts of {} sign, and no [[server]] with a key serves \
             them; add a key, or remove hostname",
            listed(&unserved)
        ));
    }
}

/// Those whose scripts sign here.
fn signed_hosts(scriptdata: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(scriptdata.join(signed::FOLDER));
    let names = entries.into_iter().flatten().flatten();
    let mut hosts = BTreeSet::new();
    for name in names.take(CHECK_FILES_MAX).map(|entry| entry.file_name()) {
        if let Some(known) = name.to_str().and_then(signed::parse_name) {
            hosts.insert(known.host.to_owned());
        }
    }
    hosts
}

fn has_key(config: &Config, scriptdata: &Path, host: &str) -> bool {
    let server = config.server_for(scriptdata, host);
    server.is_some_and(|server| server.key.is_some())
}
