//! Files in scriptdata that look as if they were meant for vpid, and are not served: named once,
//! with the reason.
//!
//! A thread of its own looks, now and then and only where something has changed: the folder may
//! hold any number of files, of any program. Subfolders are looked into once, at the start.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::config::Config;
use crate::limits::{
    CALL_FILE_BYTES_MAX, CHECK_FILES_MAX, OVERLOOKED_BELOW_MAX, OVERLOOKED_FOLDERS_MAX,
    OVERLOOKED_IN_FOLDER_MAX, OVERLOOKED_LOOK_MS, OVERLOOKED_NAMED_MAX, OVERLOOKED_SHARE,
};
use crate::protocol::names;
use crate::protocol::signed;
use crate::protocol::stock::call_file;

/// What a server of the configuration serves.
#[derive(Debug, Clone)]
pub struct Served {
    scriptdata: PathBuf,
    hostname: Option<String>,
    stock: bool,
    signed: bool,
}

impl Served {
    pub fn all(config: &Config) -> Vec<Self> {
        let servers = config.servers.iter().map(|server| Self {
            scriptdata: server.scriptdata.clone(),
            hostname: server.hostname.clone(),
            stock: server.legacy.is_some(),
            signed: server.key.is_some(),
        });
        servers.collect()
    }
}

/// Why a file is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// Goes on after the file's name.
    Name(&'static str),
    /// It lies deeper than vpid looks. Whether files there have an identity, as far as was seen.
    Subfolder { unsigned: bool },
    /// No server of the configuration is for its host.
    Host,
    /// Its server has no secret of the stock protocol.
    NoSecret,
    /// Its server has no key.
    NoKey,
}

/// Files of one host, one subfolder or one form of names that are not served for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlooked {
    pub why: Why,
    /// What they have in common.
    key: String,
    /// Below scriptdata, as it can be shown.
    pub first: String,
    pub count: usize,
}

impl Overlooked {
    /// A sentence for the operator.
    pub fn sentence(&self, scriptdata: &Path) -> String {
        let (shown, first) = (scriptdata.display(), &self.first);
        let more = match self.count {
            1 => String::new(),
            count => format!(" (and {} more like it)", count - 1),
        };
        let why = match self.why {
            Why::Name(why) => format!("looks like a file of VPI's and is not served: it {why}"),
            Why::Subfolder { unsigned } => {
                let folder = scriptdata.join(&self.key);
                let identity = match unsigned {
                    true => ", and legacy_identity = \"optional\", since it carries no identity",
                    false => "",
                };
                format!(
                    "is not served: vpid looks into scriptdata itself, and a fork of vpi.nut (as that of \
                     MGE) writes below it; to serve it, set scriptdata = '{}' in its [[server]]{identity} \
                     (docs/moving-from-vpi.md#mge)",
                    folder.display()
                )
            }
            Why::Host => {
                "is not served: no [[server]] is for its host; add one with its hostname, \
                          or take hostname out"
                    .into()
            }
            Why::NoSecret => "is not served: it is of a stock script, and its [[server]] has no \
                              legacy_secret; remove it if it is old, else see \
                              docs/moving-from-vpi.md"
                .into(),
            Why::NoKey => {
                "is not served: it is signed, and its [[server]] has no key; `vpid init` \
                           writes one"
                    .into()
            }
        };
        format!("{shown}: '{first}'{more} {why}")
    }
}

/// Looks through a scriptdata folder, and into its subfolders where that is wanted.
pub fn look(scriptdata: &Path, served: &[Served], below: bool) -> io::Result<Vec<Overlooked>> {
    let mut found = Finds::default();
    let mut subfolders = Vec::new();
    for entry in fs::read_dir(scriptdata)?.take(CHECK_FILES_MAX) {
        let entry = entry?;
        let name = entry.file_name();
        if let Some((why, key)) = stock(&name, scriptdata, served) {
            found.add(why, key, Path::new(&name));
        } else if below
            && subfolders.len() < OVERLOOKED_FOLDERS_MAX
            && name != signed::FOLDER
            && entry.file_type().is_ok_and(|kind| kind.is_dir())
        {
            subfolders.push(name);
        }
    }
    let mut left = OVERLOOKED_BELOW_MAX;
    for folder in subfolders {
        let path = scriptdata.join(&folder);
        if !served.iter().any(|it| it.scriptdata == path) {
            look_below(&path, &folder, &mut left, &mut found);
        }
    }
    let entries = fs::read_dir(scriptdata.join(signed::FOLDER));
    let names = entries
        .into_iter()
        .flatten()
        .flatten()
        .take(CHECK_FILES_MAX);
    for name in names.map(|entry| entry.file_name()) {
        if let Some((why, key)) = of_protocol(&name, scriptdata, served) {
            found.add(why, key, &Path::new(signed::FOLDER).join(&name));
        }
    }
    Ok(found.0.into_values().collect())
}

/// Files of the stock protocol in a folder below scriptdata. At most `left` entries are looked at, which
/// are taken off it.
fn look_below(path: &Path, folder: &OsStr, left: &mut usize, found: &mut Finds) {
    let Ok(entries) = fs::read_dir(path) else {
        return;
    };
    let mut names = Vec::new();
    for entry in entries.flatten().take(OVERLOOKED_IN_FOLDER_MAX.min(*left)) {
        *left -= 1;
        let name = entry.file_name();
        if names::parse(&names::text(name.as_bytes())).is_some() {
            names.push(name);
        }
    }
    // One that can be read says whether they need legacy_identity.
    let calls = names.iter().filter(|name| {
        let text = names::text(name.as_bytes());
        names::parse(&text).is_some_and(|it| matches!(it.kind, names::Kind::Calls { .. }))
    });
    let unsigned = calls.take(2).any(|name| has_no_identity(&path.join(name)));
    for name in &names {
        let key = folder.to_string_lossy().into_owned();
        found.add(
            Why::Subfolder { unsigned },
            key,
            &Path::new(folder).join(name),
        );
    }
}

/// Whether this is a whole call file without an identity.
fn has_no_identity(path: &Path) -> bool {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(path);
    let Ok(file) = file else { return false };
    let mut bytes = Vec::new();
    let read = file
        .take(CALL_FILE_BYTES_MAX as u64)
        .read_to_end(&mut bytes);
    let text = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
    read.is_ok() && call_file::scan(text).is_ok_and(|identity| identity.is_none())
}

#[derive(Default)]
struct Finds(BTreeMap<(Why, String), Overlooked>);

impl Finds {
    /// `key`: what makes it one of those that were found before. Beyond some, all are one.
    fn add(&mut self, why: Why, key: String, path: &Path) {
        let mut key = (why, key);
        if !self.0.contains_key(&key) {
            let named = self.0.keys().filter(|(of, _)| *of == why).count();
            if named >= OVERLOOKED_NAMED_MAX {
                key.1 = String::new();
            }
        }
        let overlooked = self.0.entry(key.clone()).or_insert_with(|| Overlooked {
            why,
            key: key.1,
            first: path.as_os_str().as_bytes().escape_ascii().to_string(),
            count: 0,
        });
        overlooked.count += 1;
    }
}

/// A name without its numbers, which differ from file to file.
fn form(name: &OsStr) -> String {
    let text = names::text(name.as_bytes());
    let mut form = String::new();
    for sign in text.chars() {
        match sign.is_ascii_digit() {
            true if form.ends_with('0') => {}
            true => form.push('0'),
            false => form.push(sign),
        }
    }
    form
}

fn serving<'a>(scriptdata: &Path, host: &str, served: &'a [Served]) -> Option<&'a Served> {
    let here = |it: &&Served| it.scriptdata == scriptdata;
    let of = |name: Option<&str>| {
        let mut here = served.iter().filter(here);
        here.find(|it| it.hostname.as_deref() == name)
    };
    of(Some(host)).or_else(|| of(None))
}

/// With what it has in common with others like it.
fn stock(name: &OsStr, scriptdata: &Path, served: &[Served]) -> Option<(Why, String)> {
    let text = names::text(name.as_bytes());
    let Some(known) = names::parse(&text) else {
        let why = names::resembles(name.as_bytes()).map(Why::Name)?;
        return Some((why, form(name)));
    };
    if !matches!(known.kind, names::Kind::Calls { .. }) {
        return None;
    }
    let why = match serving(scriptdata, known.host, served) {
        None => Why::Host,
        Some(server) if !server.stock => Why::NoSecret,
        Some(_) => return None,
    };
    Some((why, known.host.to_owned()))
}

fn of_protocol(name: &OsStr, scriptdata: &Path, served: &[Served]) -> Option<(Why, String)> {
    let Some(known) = name.to_str().and_then(signed::parse_name) else {
        let is_close = name.as_bytes().ends_with(b".interface");
        let why = Why::Name("is none of the signed protocol (docs/protocol.md)");
        return is_close.then(|| (why, form(name)));
    };
    if !matches!(known.kind, signed::Kind::Hello | signed::Kind::Game(_)) {
        return None;
    }
    let why = match serving(scriptdata, known.host, served) {
        None => Why::Host,
        Some(server) if !server.signed => Why::NoKey,
        Some(_) => return None,
    };
    Some((why, known.host.to_owned()))
}

/// The thread that looks, and logs what it finds. It ends with this.
pub struct Watch {
    changes: Option<Sender<Vec<Served>>>,
}

impl Watch {
    /// None where the system gives no thread: nothing depends on it.
    pub fn start(served: Vec<Served>) -> Self {
        let (sender, receiver) = channel();
        let started = thread::Builder::new()
            .name("vpid-overlooked".into())
            .spawn(move || watch(served, &receiver));
        if let Err(error) = &started {
            log::warn!(
                "files that are not served are not looked for: no thread for that ({error})"
            );
        }
        Self {
            changes: started.is_ok().then_some(sender),
        }
    }

    /// The configuration is another one now.
    pub fn change(&self, served: Vec<Served>) {
        if let Some(changes) = &self.changes {
            // Without the thread nothing looks.
            let _ = changes.send(served);
        }
    }
}

fn watch(mut served: Vec<Served>, changes: &Receiver<Vec<Served>>) {
    let mut reported = Reported::default();
    let mut looked: HashMap<PathBuf, Option<[SystemTime; 2]>> = HashMap::new();
    loop {
        let began = Instant::now();
        let mut folders: Vec<PathBuf> = served.iter().map(|it| it.scriptdata.clone()).collect();
        folders.sort();
        folders.dedup();
        for folder in folders {
            let changed = changed(&folder);
            if changed.is_some() && looked.get(&folder) == Some(&changed) {
                continue;
            }
            let first = !looked.contains_key(&folder);
            for found in look(&folder, &served, first).unwrap_or_default() {
                if reported.is_new(&folder, &found) {
                    log::warn!("{}", found.sentence(&folder));
                }
            }
            looked.insert(folder, changed);
        }
        let least = Duration::from_millis(OVERLOOKED_LOOK_MS);
        let pause = least.max(began.elapsed() * OVERLOOKED_SHARE);
        match changes.recv_timeout(pause) {
            Ok(new) => {
                served = new;
                // Look again at all of them, but not into their subfolders.
                looked.values_mut().for_each(|changed| *changed = None);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// What the log has said, with how many there were then.
#[derive(Default)]
struct Reported(HashMap<(PathBuf, Why), HashMap<String, usize>>);

impl Reported {
    /// Whether it is to be said: once, and again when there are many more of them.
    fn is_new(&mut self, folder: &Path, found: &Overlooked) -> bool {
        let of_reason = self.0.entry((folder.to_owned(), found.why)).or_default();
        let full = of_reason.len() > OVERLOOKED_NAMED_MAX;
        if full && !of_reason.contains_key(&found.key) {
            return false;
        }
        let before = of_reason.entry(found.key.clone()).or_default();
        let new = *before == 0 || found.count >= 10 * *before;
        if new {
            *before = found.count;
        }
        new
    }
}

/// When names in it last changed, and in the folder of the signed protocol; none while they may
/// change again within one granule of the clock.
fn changed(folder: &Path) -> Option<[SystemTime; 2]> {
    let of = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
    let stock = of(folder)?;
    let signed = of(&folder.join(signed::FOLDER)).unwrap_or(SystemTime::UNIX_EPOCH);
    let is_past = |time: SystemTime| time.elapsed().is_ok_and(|age| age > Duration::from_secs(2));
    (is_past(stock) && is_past(signed)).then_some([stock, signed])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(scriptdata: &Path, hostname: Option<&str>, stock: bool, signed: bool) -> Served {
        Served {
            scriptdata: scriptdata.into(),
            hostname: hostname.map(str::to_owned),
            stock,
            signed,
        }
    }

    #[test]
    fn each_reason_is_found_once_with_its_first_file_and_a_count() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &[u8]| folder.path().join(OsStr::from_bytes(name));
        fs::create_dir(at(b"mge")).unwrap();
        fs::create_dir(at(b"vpid")).unwrap();
        let session = "0123456789abcdef0123456789abcdef";
        for name in [
            &b"red_vpi_1_2_output.interface"[..],
            b"blue_vpi_1_2_output.interface",
            b"blue_vpi_1_3_output.interface",
            b"old_vpi_1_2_output.interface",
            b"old_vpi_input.interface",
            b"caf\xe9_vpi_1_2_output.interface",
            b"mge/a_vpi_1_2_output.interface",
            b"mge/player.txt",
            b"vpid/something.interface",
            format!("vpid/red_{session}_hello.interface").as_bytes(),
            format!("vpid/old_{session}_hello.interface").as_bytes(),
        ] {
            fs::write(at(name), "").unwrap();
        }
        let servers = [
            served(folder.path(), Some("red"), true, false),
            served(folder.path(), Some("old"), false, true),
        ];
        let found = look(folder.path(), &servers, true).unwrap();
        let shown: Vec<(Why, usize)> = found.iter().map(|it| (it.why, it.count)).collect();
        let [(Why::Name(form), 1), rest @ ..] = &shown[..] else {
            panic!("{shown:?}")
        };
        assert!(form.contains("signed protocol"), "{shown:?}");
        let expected = [
            (Why::Subfolder { unsigned: false }, 1),
            // blue, and one whose name is not UTF-8
            (Why::Host, 2),
            (Why::Host, 1),
            (Why::NoSecret, 1),
            (Why::NoKey, 1),
        ];
        assert_eq!(rest, expected);
        for found in &found {
            let sentence = found.sentence(folder.path());
            assert!(!sentence.contains('\u{fffd}'), "{sentence}");
        }
        let everything = [served(folder.path(), None, true, true)];
        let found = look(folder.path(), &everything, false).unwrap();
        assert!(found.iter().all(|it| matches!(it.why, Why::Name(_))));
    }

    /// As a folder of MGE: one file for each player, and somewhere between them those of its vpi.nut.
    #[test]
    fn subfolders_are_looked_through_once_with_the_settings_that_serve_them() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("mge_playerdata")).unwrap();
        for player in 0..1_000 {
            fs::write(at(&format!("mge_playerdata/U:1:{player}.nut")), "").unwrap();
        }
        let calls = "mge_playerdata/my_server_vpi_1_2_output.interface";
        let everything = [served(folder.path(), None, true, true)];
        for (text, unsigned) in [
            ("{\"Calls\":{\"async\":[],\"chain\":[]}}\0", true),
            (
                "{\"Calls\":{\"async\":[]},\"Identity\":{\"enc\":\"a\",\"iv\":\"b\",\"timestamp\":1,\"ticks\":2}}\0",
                false,
            ),
            ("{\"Calls\":", false),
        ] {
            fs::write(at(calls), text).unwrap();
            let found = look(folder.path(), &everything, true).unwrap();
            assert_eq!(found.len(), 1, "{found:?}");
            let said = found[0].sentence(folder.path());
            let setting = format!("set scriptdata = '{}'", at("mge_playerdata").display());
            assert!(said.contains(&setting), "{said}");
            let optional = said.contains("legacy_identity = \"optional\"");
            assert_eq!(optional, unsigned, "{said}");
        }
        assert_eq!(look(folder.path(), &everything, false).unwrap(), []);
    }

    #[test]
    fn each_host_and_form_is_named_and_beyond_some_they_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let mut reported = Reported::default();
        for host in 0..100 {
            let name = format!("h{host}_vpi_1_2_output.interface");
            fs::write(folder.path().join(name), "").unwrap();
        }
        let servers = [served(folder.path(), Some("red"), true, false)];
        let found = look(folder.path(), &servers, false).unwrap();
        assert_eq!(found.len(), OVERLOOKED_NAMED_MAX + 1);
        assert_eq!(found.iter().map(|it| it.count).sum::<usize>(), 100);
        assert!(found.iter().all(|it| reported.is_new(folder.path(), it)));
        assert!(!found.iter().any(|it| reported.is_new(folder.path(), it)));
        for host in 100..200 {
            let name = format!("h{host}_vpi_1_2_output.interface");
            let found = Overlooked {
                why: Why::Host,
                key: name.clone(),
                first: name,
                count: 1,
            };
            assert!(!reported.is_new(folder.path(), &found));
        }
    }
}
