//! The configuration that `vpid init` writes: its text, the fresh secrets in it, the file.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::config::PLACEHOLDER_KEY;
use crate::config::manual::example;
use crate::io::random;
use crate::limits::{KEY_BYTES_NEW, LOG_SECRET_DIGITS_NEW, SECRET_BYTES_NEW};

const HEAD: &str = "The configuration of vpid, written by `vpid init`. It holds a secret: keep it at mode 600. Try \
                    it with `vpid check`.";

/// What stands for the secret of the engine's log: in server.cfg and here, both commented out.
const LOG_SECRET: &str = "1234567890123456";

/// What the only server of a new configuration believes.
pub(super) enum Believes<'a> {
    /// Files that are signed with this key.
    Signed(&'a str),
    /// Files of the stock client that has this secret.
    Stock(&'a str),
}

/// The whole file. `vscripts` is given where it is not in the usual place.
pub(super) fn config_text(
    scriptdata: &Path,
    vscripts: Option<&Path>,
    believes: &Believes<'_>,
) -> Result<String, String> {
    let scriptdata = path_text(scriptdata)?;
    let vscripts = vscripts.map(path_text).transpose()?;
    let filled = |key: &str| match (key, believes) {
        ("scriptdata", _) => Some(format!("scriptdata = {scriptdata}")),
        ("vscripts", _) => vscripts.as_ref().map(|it| format!("vscripts = {it}")),
        ("key", Believes::Signed(key)) => Some(format!("key = {}", toml_text(key))),
        ("key", Believes::Stock(_)) => Some(format!("# key = '{PLACEHOLDER_KEY}'")),
        ("legacy_secret", Believes::Stock(secret)) => {
            Some(format!("legacy_secret = {}", toml_text(secret)))
        }
        _ => None,
    };
    // What the owner has may hold these digits too: it is filled in behind them.
    let mark = |key: &str| format!("\u{1}{key}\u{1}");
    let text = example(HEAD, &|key| filled(key).map(|_| mark(key)));
    let text = text.replace(LOG_SECRET, &fresh_log_secret());
    let keys = ["scriptdata", "vscripts", "key", "legacy_secret"];
    Ok(keys.iter().fold(text, |text, key| {
        text.replace(&mark(key), &filled(key).unwrap_or_default())
    }))
}

fn path_text(path: &Path) -> Result<String, String> {
    let text = path.to_str();
    text.map(toml_text).ok_or_else(|| {
        format!(
            "{} is not UTF-8, which a configuration must be",
            path.display()
        )
    })
}

/// A text as TOML: as it is where that is possible, so that owners can copy it.
pub(super) fn toml_text(text: &str) -> String {
    if !text.contains('\'') && !text.chars().any(char::is_control) {
        return format!("'{text}'");
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            _ if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A key of the signed protocol: letters and digits, since owners copy it by hand.
pub(super) fn fresh_key() -> String {
    drawn(KEY_BYTES_NEW, |byte| byte.is_ascii_alphanumeric())
}

/// A secret of the stock protocol.
pub(super) fn fresh_secret() -> String {
    drawn(SECRET_BYTES_NEW, is_secret_sign)
}

/// A secret of the engine's log, in digits, as all tools that share it take it.
fn fresh_log_secret() -> String {
    drawn(LOG_SECRET_DIGITS_NEW, |byte| byte.is_ascii_digit())
}

/// Signs that stand as they are in a Squirrel text `@"..."` and in a TOML text `'...'`.
pub(super) fn is_secret_sign(byte: u8) -> bool {
    (35..=126).contains(&byte) && !matches!(byte, b'\'' | b'\\')
}

/// Bytes that do not fit are drawn again, so that the others stay equally likely.
fn drawn(length: usize, fits: impl Fn(u8) -> bool) -> String {
    let random = std::iter::repeat_with(random::bytes());
    random
        .filter(|&byte| fits(byte))
        .take(length)
        .map(char::from)
        .collect()
}

/// Writes beside the target and renames, so that there is always the old file or the new one,
/// and readable by its owner alone from its first moment.
pub(super) fn write_durably(target: &Path, text: &str, force: bool) -> Result<(), String> {
    let folder = target.parent().unwrap_or(Path::new("/"));
    let failed = |step: &str, error: std::io::Error| {
        format!("{} cannot be {step}: {error}", target.display())
    };
    // tempfile makes its files with mode 600.
    let mut file = tempfile::Builder::new()
        .prefix(".vpid-init-")
        .tempfile_in(folder)
        .map_err(|error| failed("made", error))?;
    file.write_all(text.as_bytes())
        .map_err(|error| failed("written", error))?;
    file.as_file()
        .sync_all()
        .map_err(|error| failed("flushed", error))?;
    let renamed = if force {
        file.persist(target)
    } else {
        file.persist_noclobber(target)
    };
    renamed.map_err(|error| match error.error.kind() {
        std::io::ErrorKind::AlreadyExists => exists(target),
        _ => failed("put in place", error.error),
    })?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| failed("made durable", error))
}

pub(super) fn exists(target: &Path) -> String {
    format!(
        "{} exists and was left as it is; --force replaces it, --config FILE writes another, and \
         --vscripts DIR brings the scripts that go with it",
        target.display()
    )
}
