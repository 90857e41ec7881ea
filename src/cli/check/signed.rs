//! The folder of the signed protocol in a scriptdata folder. Both sides make it when it is
//! missing, and both write into it.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Report, folders, listed};
use crate::config::Config;
use crate::limits::CHECK_FILES_MAX;
use crate::protocol::signed;

pub(super) fn check(config: &Config, scriptdata: &Path, report: &mut Report<'_>) {
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
        let remedy = "remove it; vpid and the game make the folder themselves";
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
    let mut unserved = hosts(scriptdata);
    unserved.retain(|host| !has_key(config, scriptdata, host));
    if !unserved.is_empty() {
        report.warn(format!(
            "scriptdata: {shown}: the scripts of {} sign, and no [[server]] with a key serves \
             them; add a key, or take hostname out",
            listed(&unserved)
        ));
    }
}

/// Those whose scripts sign here.
pub(super) fn hosts(scriptdata: &Path) -> BTreeSet<String> {
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

pub(super) fn has_key(config: &Config, scriptdata: &Path, host: &str) -> bool {
    let server = config.server_for(scriptdata, host);
    server.is_some_and(|server| server.key.is_some())
}
