//! Files in scriptdata that look as if they were meant for vpid, and are not served: said once,
//! with the reason.
//!
//! A thread of its own looks, now and then and only where something has changed: the folder may
//! hold any number of files, of anybody.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::config::Config;
use crate::limits::{
    CHECK_FILES_MAX, OVERLOOKED_FOLDERS_MAX, OVERLOOKED_IN_FOLDER_MAX, OVERLOOKED_LOOK_MS,
    OVERLOOKED_SHARE,
};
use crate::wire::{names, signed};

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
    /// It lies deeper than vpid looks.
    Subfolder,
    /// No server of the configuration is for its host.
    Host,
    /// Its server has no secret of the stock protocol.
    NoSecret,
    /// Its server has no key.
    NoKey,
}

/// Files that are not served for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlooked {
    pub why: Why,
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
            Why::Subfolder => "is not served: vpid looks into scriptdata itself; add a [[server]] \
                               whose scriptdata is that subfolder, if its game is to be served"
                .into(),
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

/// Looks through a scriptdata folder and, a little, into its subfolders.
pub fn look(scriptdata: &Path, served: &[Served]) -> io::Result<Vec<Overlooked>> {
    let mut found = Finds::default();
    let mut subfolders = Vec::new();
    for entry in fs::read_dir(scriptdata)?.take(CHECK_FILES_MAX) {
        let entry = entry?;
        let name = entry.file_name();
        if let Some(why) = stock(&name, scriptdata, served) {
            found.add(why, Path::new(&name));
        } else if subfolders.len() < OVERLOOKED_FOLDERS_MAX
            && name != signed::FOLDER
            && entry.file_type().is_ok_and(|kind| kind.is_dir())
        {
            subfolders.push(name);
        }
    }
    for folder in subfolders {
        let Ok(entries) = fs::read_dir(scriptdata.join(&folder)) else {
            continue;
        };
        let is_served = served
            .iter()
            .any(|it| it.scriptdata == scriptdata.join(&folder));
        let names = entries.flatten().take(OVERLOOKED_IN_FOLDER_MAX);
        for name in names.map(|entry| entry.file_name()) {
            if !is_served
                && name
                    .to_str()
                    .is_some_and(|name| names::parse(name).is_some())
            {
                found.add(Why::Subfolder, &Path::new(&folder).join(&name));
            }
        }
    }
    let entries = fs::read_dir(scriptdata.join(signed::FOLDER));
    let names = entries
        .into_iter()
        .flatten()
        .flatten()
        .take(CHECK_FILES_MAX);
    for name in names.map(|entry| entry.file_name()) {
        if let Some(why) = of_protocol(&name, scriptdata, served) {
            found.add(why, &Path::new(signed::FOLDER).join(&name));
        }
    }
    Ok(found.0.into_values().collect())
}

#[derive(Default)]
struct Finds(BTreeMap<Why, Overlooked>);

impl Finds {
    fn add(&mut self, why: Why, path: &Path) {
        let overlooked = self.0.entry(why).or_insert_with(|| Overlooked {
            why,
            first: path.as_os_str().as_bytes().escape_ascii().to_string(),
            count: 0,
        });
        overlooked.count += 1;
    }
}

fn serving<'a>(scriptdata: &Path, host: &str, served: &'a [Served]) -> Option<&'a Served> {
    let here = |it: &&Served| it.scriptdata == scriptdata;
    let of = |name: Option<&str>| {
        let mut here = served.iter().filter(here);
        here.find(|it| it.hostname.as_deref() == name)
    };
    of(Some(host)).or_else(|| of(None))
}

fn stock(name: &OsStr, scriptdata: &Path, served: &[Served]) -> Option<Why> {
    let Some(known) = name.to_str().and_then(names::parse) else {
        return names::resembles(name.as_bytes()).map(Why::Name);
    };
    if !matches!(known.kind, names::Kind::Calls { .. }) {
        return None;
    }
    match serving(scriptdata, known.host, served) {
        None => Some(Why::Host),
        Some(server) => (!server.stock).then_some(Why::NoSecret),
    }
}

fn of_protocol(name: &OsStr, scriptdata: &Path, served: &[Served]) -> Option<Why> {
    let Some(known) = name.to_str().and_then(signed::parse_name) else {
        let is_close = name.as_bytes().ends_with(b".interface");
        return is_close.then_some(Why::Name(
            "is none of the signed protocol (docs/protocol.md)",
        ));
    };
    if !matches!(known.kind, signed::Kind::Hello | signed::Kind::Game(_)) {
        return None;
    }
    match serving(scriptdata, known.host, served) {
        None => Some(Why::Host),
        Some(server) => (!server.signed).then_some(Why::NoKey),
    }
}

/// The thread that looks, and logs what it finds. It ends with this.
pub struct Watch {
    changes: Option<Sender<Vec<Served>>>,
}

impl Watch {
    /// None where no thread is to be had: nothing depends on it.
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
            // Without the thread there is nobody to look.
            let _ = changes.send(served);
        }
    }
}

fn watch(mut served: Vec<Served>, changes: &Receiver<Vec<Served>>) {
    let mut reported: HashMap<(PathBuf, Why), usize> = HashMap::new();
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
            for found in look(&folder, &served).unwrap_or_default() {
                let before = reported.entry((folder.clone(), found.why)).or_default();
                // Once, and again when there are many more of them.
                if *before == 0 || found.count >= 10 * *before {
                    *before = found.count;
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
                looked.clear();
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
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
        let found = look(folder.path(), &servers).unwrap();
        let shown: Vec<(Why, usize)> = found.iter().map(|it| (it.why, it.count)).collect();
        let [(Why::Name(form), 1), (Why::Name(bytes), 1), rest @ ..] = &shown[..] else {
            panic!("{shown:?}")
        };
        assert!(
            form.contains("signed protocol") && bytes.contains("UTF-8"),
            "{shown:?}"
        );
        let expected = [
            (Why::Subfolder, 1),
            (Why::Host, 2),
            (Why::NoSecret, 1),
            (Why::NoKey, 1),
        ];
        assert_eq!(rest, expected);
        for found in &found {
            let sentence = found.sentence(folder.path());
            assert!(!sentence.contains('\u{fffd}'), "{sentence}");
        }
        let everything = [served(folder.path(), None, true, true)];
        let found = look(folder.path(), &everything).unwrap();
        assert!(
            found
                .iter()
                .all(|it| matches!(it.why, Why::Name(_) | Why::Subfolder))
        );
    }
}
