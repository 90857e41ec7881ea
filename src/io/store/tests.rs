use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::limits::STORE_UNREADABLE_MAX;
use crate::protocol::backend::Keeper;
use crate::protocol::vyhub::BanList;

const PATIENCE: Duration = Duration::from_secs(20);

/// A store in a folder of its own.
struct Desk {
    store: Store,
    written: Receiver<Vec<Written>>,
}

fn open(state_dir: &Path) -> (Desk, Found) {
    open_by(state_dir, Arc::new(sync_folder))
}

fn open_by(state_dir: &Path, sync: SyncFolder) -> (Desk, Found) {
    let (sender, written) = channel();
    let on_written = Arc::new(move |report| sender.send(report).unwrap());
    let (store, found) = Store::open_with(
        state_dir,
        Folders::new(state_dir, Keeper::Vyhub, None),
        sync,
        on_written,
    )
    .unwrap();
    (Desk { store, written }, found)
}

impl Desk {
    /// The results of as many changes, in the order of their reports.
    fn results(&self, count: usize) -> Vec<Written> {
        let mut results = Vec::new();
        while results.len() < count {
            results.extend(self.written.recv_timeout(PATIENCE).unwrap());
        }
        assert_eq!(results.len(), count);
        results
    }

    fn do_one(&self, write: Write) -> Result<(), StoreError> {
        self.store.submit(vec![write]);
        self.results(1).remove(0).result
    }
}

fn json(ticket: u64, shelf: Shelf, name: &str, text: &str) -> Write {
    Write {
        ticket: Some(ticket),
        shelf,
        name: name.into(),
        content: Some(Content::Json(text.into())),
    }
}

fn removal(shelf: Shelf, name: &str) -> Write {
    Write {
        content: None,
        ..json(1, shelf, name, "")
    }
}

fn bans() -> Arc<BanList> {
    let body = r#"{"76561197960287930":[{"id":"0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9","status":"ACTIVE","created_on":"2026-03-01T12:00:00+00:00","active":true,"user":{}}]}"#;
    Arc::new(BanList::read(body.as_bytes()).unwrap())
}

fn list_of_bans(ticket: u64, shelf: Shelf) -> Write {
    Write {
        content: Some(Content::Bans(bans())),
        ..json(ticket, shelf, "bans-1", "")
    }
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn what_was_written_is_found_again() {
    let dir = TempDir::new().unwrap();
    let (desk, found) = open(dir.path());
    assert_eq!(found, Found::default());
    desk.store.submit(vec![
        json(1, Shelf::Outbox, "0002", "two"),
        json(2, Shelf::Outbox, "0001", "one"),
        json(3, Shelf::Cache, "server-1", "ü"),
        list_of_bans(4, Shelf::Cache),
        json(5, Shelf::Outbox, "0003", "three"),
        removal(Shelf::Outbox, "0003"),
        json(6, Shelf::Outbox, "0002", "two again"),
    ]);
    let results = desk.results(7);
    let tickets: Vec<u64> = results.iter().map(|written| written.ticket).collect();
    assert_eq!(tickets, [1, 2, 3, 4, 5, 1, 6]);
    assert!(results.iter().all(|written| written.result.is_ok()));
    let (outbox, cache) = (dir.path().join("outbox"), dir.path().join("vyhub"));
    assert_eq!(files(&outbox), ["0001.json", "0002.json"]);
    assert_eq!((mode(&outbox), mode(&cache)), (0o700, 0o700));
    assert_eq!(mode(&outbox.join("0001.json")), 0o600);
    assert_eq!(mode(&cache.join("bans-1.bans")), 0o600);
    assert!(desk.store.stop(PATIENCE));

    let pair = |name: &str, text: &str| (name.to_string(), text.to_string());
    let (_, found) = open(dir.path());
    assert_eq!(
        found.outbox,
        [pair("0001", "one"), pair("0002", "two again")]
    );
    assert_eq!(found.cache, [pair("server-1", "ü")]);
    assert_eq!(found.bans, [("bans-1".to_string(), bans())]);
}

#[test]
fn what_is_not_there_is_removed() {
    let dir = TempDir::new().unwrap();
    let (desk, _) = open(dir.path());
    for shelf in [Shelf::Outbox, Shelf::Cache] {
        assert_eq!(desk.do_one(removal(shelf, "nothing")), Ok(()));
    }
    desk.do_one(list_of_bans(1, Shelf::Cache)).unwrap();
    desk.do_one(removal(Shelf::Cache, "bans-1")).unwrap();
    assert!(files(&dir.path().join("vyhub")).is_empty());
}

/// Folders in which the worker waits at each sync until the test gives its result.
fn waiting_at_sync(dir: &Path) -> (Desk, Receiver<PathBuf>, Sender<io::Result<()>>) {
    let (synced, syncs) = channel();
    let (go, wait) = channel();
    let wait = Mutex::new(wait);
    let sync = move |folder: &Path| {
        synced.send(folder.to_path_buf()).unwrap();
        wait.lock().unwrap().recv().unwrap_or(Ok(()))
    };
    let (desk, _) = open_by(dir, Arc::new(sync));
    (desk, syncs, go)
}

#[test]
fn changes_that_wait_together_share_a_sync_and_are_reported_after_it() {
    let dir = TempDir::new().unwrap();
    let (desk, syncs, go) = waiting_at_sync(dir.path());
    let outbox = dir.path().join("outbox");
    desk.store.submit(vec![json(1, Shelf::Outbox, "a", "1")]);
    assert_eq!(syncs.recv_timeout(PATIENCE).as_ref(), Ok(&outbox));
    for ticket in 2..100 {
        let name = format!("b{ticket}");
        desk.store
            .submit(vec![json(ticket, Shelf::Outbox, &name, "x")]);
    }
    assert!(desk.written.try_recv().is_err());
    go.send(Ok(())).unwrap();
    desk.results(1);
    assert_eq!(syncs.recv_timeout(PATIENCE), Ok(outbox));
    assert!(desk.written.try_recv().is_err());
    go.send(Ok(())).unwrap();
    desk.results(98);
    assert!(syncs.try_recv().is_err());
}

#[test]
fn a_sync_that_fails_makes_nothing_durable() {
    let dir = TempDir::new().unwrap();
    let (desk, syncs, go) = waiting_at_sync(dir.path());
    // Of both folders, and one has trouble.
    desk.store.submit(vec![
        json(1, Shelf::Outbox, "a", "1"),
        json(2, Shelf::Cache, "a", "1"),
        json(3, Shelf::Outbox, "NO", "1"),
    ]);
    syncs.recv_timeout(PATIENCE).unwrap();
    go.send(Err(io::Error::other("the disk is on fire")))
        .unwrap();
    syncs.recv_timeout(PATIENCE).unwrap();
    go.send(Ok(())).unwrap();
    let results = desk.results(3);
    let error = results[0].result.as_ref().unwrap_err().to_string();
    assert!(
        error.ends_with("could not be synced: the disk is on fire"),
        "{error}"
    );
    assert_eq!(results[1].result, Ok(()));
    assert!(
        results[2]
            .result
            .as_ref()
            .unwrap_err()
            .to_string()
            .starts_with("\"NO\" is no name")
    );
}

#[test]
fn the_end_waits_for_what_was_submitted() {
    let dir = TempDir::new().unwrap();
    let (desk, _) = open(dir.path());
    let write = |ticket: u64| json(ticket, Shelf::Outbox, &format!("e{ticket}"), "x");
    desk.store.submit((0..600).map(write).collect());
    assert!(desk.store.stop(PATIENCE));
    assert_eq!(files(&dir.path().join("outbox")).len(), 600);
    assert_eq!(desk.written.iter().flatten().count(), 600);

    let (desk, syncs, go) = waiting_at_sync(dir.path());
    desk.store.submit(vec![write(1)]);
    syncs.recv_timeout(PATIENCE).unwrap();
    assert!(!desk.store.stop(Duration::from_millis(20)));
    drop(go);
    assert!(desk.written.recv_timeout(PATIENCE).is_err());
}

#[test]
fn names_lead_nowhere_else() {
    let dir = TempDir::new().unwrap();
    let (desk, _) = open(dir.path());
    let long = "a".repeat(STORE_NAME_BYTES_MAX + 1);
    for name in [
        "", ".", "..", "../a", "a/b", "a.b", "A", "ü", "a b", "a\0", &long,
    ] {
        let result = desk.do_one(json(1, Shelf::Outbox, name, "x"));
        assert!(
            result.unwrap_err().to_string().contains("no name"),
            "{name}"
        );
        desk.do_one(removal(Shelf::Cache, name)).unwrap_err();
    }
    assert_eq!(files(dir.path()), ["outbox", "rewards", "vyhub"]);
    let longest = &long[1..];
    desk.do_one(json(1, Shelf::Outbox, longest, "x")).unwrap();
    desk.do_one(list_of_bans(1, Shelf::Outbox)).unwrap_err();
}

#[test]
fn what_could_not_be_read_again_is_not_written() {
    let dir = TempDir::new().unwrap();
    let (desk, _) = open(dir.path());
    let most = "x".repeat(STORE_FILE_BYTES_MAX as usize);
    desk.do_one(json(1, Shelf::Outbox, "a", &most)).unwrap();
    let more = format!("{most}x");
    let error = desk.do_one(json(1, Shelf::Outbox, "a", &more));
    let error = error.unwrap_err().to_string();
    assert!(
        error.ends_with("a.json would be larger than 4 MiB"),
        "{error}"
    );
    drop(desk);
    assert_eq!(open(dir.path()).1.outbox, [("a".to_string(), most)]);
}

#[test]
fn one_file_that_cannot_be_read_is_rejected_alone() {
    let dir = TempDir::new().unwrap();
    drop(open(dir.path()));
    let (outbox, cache) = (dir.path().join("outbox"), dir.path().join("vyhub"));
    let elsewhere = dir.path().join("elsewhere.json");
    fs::write(&elsewhere, "secret").unwrap();
    fs::write(outbox.join("good.json"), "good").unwrap();
    fs::write(outbox.join("binary.json"), b"\xff\xfe").unwrap();
    let large = File::create(outbox.join("large.json")).unwrap();
    large.set_len(STORE_FILE_BYTES_MAX + 1).unwrap();
    fs::create_dir(outbox.join("folder.json")).unwrap();
    fs::write(outbox.join("folder.json/x"), "").unwrap();
    symlink(&elsewhere, outbox.join("link.json")).unwrap();
    let pipe = outbox.join("pipe.json");
    assert!(Command::new("mkfifo").arg(pipe).status().unwrap().success());
    fs::write(cache.join("good.json"), "also good").unwrap();
    fs::write(cache.join("cut.bans"), "{\"vpid\":\"bans\"").unwrap();
    // What is none of ours stays as it is.
    for foreign in ["README", "Big.json", "notes.txt", "x.json.unreadable"] {
        fs::write(outbox.join(foreign), "x").unwrap();
    }

    let (_, found) = open(dir.path());
    assert_eq!(found.outbox, [("good".to_string(), "good".to_string())]);
    assert_eq!(found.cache, [("good".to_string(), "also good".to_string())]);
    assert_eq!(found.bans, []);
    let expected = [
        "Big.json",
        "README",
        "binary.json.unreadable",
        "folder.json.unreadable",
        "good.json",
        "large.json.unreadable",
        "link.json.unreadable",
        "notes.txt",
        "pipe.json.unreadable",
        "x.json.unreadable",
    ];
    assert_eq!(files(&outbox), expected);
    assert_eq!(files(&cache), ["cut.bans.unreadable", "good.json"]);
    assert_eq!(fs::read_to_string(elsewhere).unwrap(), "secret");
}

#[test]
fn nothing_that_was_rejected_is_overwritten() {
    let dir = TempDir::new().unwrap();
    drop(open(dir.path()));
    let outbox = dir.path().join("outbox");
    for round in 0..STORE_UNREADABLE_MAX + 2 {
        fs::write(outbox.join("a.json"), [0xff, round as u8]).unwrap();
        assert_eq!(open(dir.path()).1, Found::default());
    }
    // The first ones are there, and the last stays where it was.
    assert_eq!(files(&outbox).len(), STORE_UNREADABLE_MAX + 1);
    assert_eq!(fs::read(outbox.join("a.json.unreadable")).unwrap()[1], 0);
    assert!(outbox.join("a.json").exists());
}

/// The process was killed while it wrote.
#[test]
fn what_a_kill_left_over_is_removed_and_the_former_content_stands() {
    let dir = TempDir::new().unwrap();
    let (desk, _) = open(dir.path());
    desk.do_one(json(1, Shelf::Outbox, "a", "former")).unwrap();
    drop(desk);
    let outbox = dir.path().join("outbox");
    let killed = write_whole(&outbox.join("a.json"), |file| {
        file.write_all(b"half of wh")?;
        // As it looks from outside at this moment.
        let temporary = files(&outbox).remove(0);
        assert!(temporary.starts_with(".tmp"), "{temporary}");
        fs::copy(outbox.join(temporary), outbox.join(".tmpLeft")).map(drop)?;
        Err(io::Error::other("killed"))
    });
    assert!(killed.is_err());
    assert_eq!(files(&outbox), [".tmpLeft", "a.json"]);
    let (_, found) = open(dir.path());
    assert_eq!(found.outbox, [("a".to_string(), "former".to_string())]);
    assert_eq!(files(&outbox), ["a.json"]);
}

#[test]
fn what_cannot_be_written_leaves_the_former_content_and_the_next_is_tried() {
    let dir = TempDir::new().unwrap();
    let (desk, _) = open(dir.path());
    let outbox = dir.path().join("outbox");
    // What is in the way of a write is moved aside; a removal touches no folder.
    fs::create_dir_all(outbox.join("a.json/full")).unwrap();
    fs::create_dir_all(outbox.join("d.json/full")).unwrap();
    desk.store.submit(vec![
        json(1, Shelf::Outbox, "a", "new"),
        json(2, Shelf::Outbox, "b", "new"),
        removal(Shelf::Outbox, "d"),
    ]);
    let results = desk.results(3);
    assert_eq!(results[0].result, Ok(()));
    assert_eq!(results[1].result, Ok(()));
    let error = results[2].result.as_ref().unwrap_err().to_string();
    assert!(error.contains("d.json could not be removed"), "{error}");
    assert!(outbox.join(".vpid-aside-1/full").exists());
    assert!(outbox.join("d.json/full").exists());
    let names = [".vpid-aside-1", "a.json", "b.json", "d.json"];
    assert_eq!(files(&outbox), names);

    // The whole folder goes away, and comes back.
    fs::rename(&outbox, dir.path().join("gone")).unwrap();
    desk.do_one(json(1, Shelf::Outbox, "c", "new")).unwrap_err();
    assert_eq!(desk.do_one(json(1, Shelf::Cache, "c", "new")), Ok(()));
    fs::rename(dir.path().join("gone"), &outbox).unwrap();
    assert_eq!(desk.do_one(json(1, Shelf::Outbox, "c", "new")), Ok(()));
}

#[test]
fn a_disk_that_is_full_or_closed_is_said_with_a_remedy() {
    let full = io::Error::from_raw_os_error(28);
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a.json");
    fs::write(&path, "former").unwrap();
    // As much as fits is written before.
    let error = write_whole(&path, |file| file.write_all(b"ne").and(Err(full))).unwrap_err();
    let said = StoreError::refused(&path, "could not be written")(error).to_string();
    assert!(said.ends_with("; make room on its disk"), "{said}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "former");
    assert_eq!(files(dir.path()), ["a.json"]);

    if rustix::process::geteuid().is_root() {
        return; // Nothing is closed to root.
    }
    let (desk, _) = open(dir.path());
    let outbox = dir.path().join("outbox");
    fs::set_permissions(&outbox, Permissions::from_mode(0o500)).unwrap();
    let error = desk.do_one(json(1, Shelf::Outbox, "a", "x"));
    let error = error.unwrap_err().to_string();
    assert!(error.ends_with("must be able to write there"), "{error}");
    fs::set_permissions(&outbox, Permissions::from_mode(0o700)).unwrap();
    desk.do_one(json(1, Shelf::Outbox, "a", "x")).unwrap();
}

/// Unmounts what was mounted.
struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

#[test]
fn a_disk_that_is_really_full_keeps_what_it_has() {
    let dir = TempDir::new().unwrap();
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "none"])
        .arg(dir.path())
        .output();
    if !mount.is_ok_and(|mount| mount.status.success()) {
        eprintln!("SKIPPED: a small disk cannot be mounted here");
        return;
    }
    let _mounted = Mounted(dir.path());
    let (desk, _) = open(dir.path());
    let large = "x".repeat(100_000);
    desk.do_one(json(1, Shelf::Outbox, "a", "former")).unwrap();
    let error = desk
        .do_one(json(1, Shelf::Outbox, "a", &large))
        .unwrap_err()
        .to_string();
    assert!(error.ends_with("; make room on its disk"), "{error}");
    assert_eq!(desk.do_one(json(1, Shelf::Outbox, "b", "small")), Ok(()));
    desk.store.stop(PATIENCE);
    let outbox = dir.path().join("outbox");
    assert_eq!(files(&outbox), ["a.json", "b.json"]);
    assert_eq!(fs::read_to_string(outbox.join("a.json")).unwrap(), "former");
}

#[test]
fn folders_of_ours_are_closed_to_others() {
    let dir = TempDir::new().unwrap();
    let outbox = dir.path().join("outbox");
    fs::create_dir(&outbox).unwrap();
    fs::set_permissions(&outbox, Permissions::from_mode(0o755)).unwrap();
    drop(open(dir.path()));
    assert_eq!(mode(&outbox), 0o700);
    fs::remove_dir(&outbox).unwrap();
    fs::write(&outbox, "no folder").unwrap();
    drop(open(dir.path()));
    assert_eq!(mode(&outbox), 0o700);
    let aside = dir.path().join(".vpid-aside-1");
    assert_eq!(fs::read_to_string(aside).unwrap(), "no folder");
}

/// What was meant for VyHub never goes to a database, nor the other way round.
#[test]
fn each_keeper_of_a_community_has_documents_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path();
    let (desk, _) = open(state);
    for (ticket, shelf) in [(1, Shelf::Outbox), (2, Shelf::Cache), (3, Shelf::Rewards)] {
        desk.do_one(json(ticket, shelf, "a", "{}")).unwrap();
    }
    drop(desk);
    let of = |keeper| Store::open(state, keeper, None, |_| {}).unwrap().1;
    let found = of(Keeper::Database);
    assert_eq!(
        (found.outbox, found.cache, found.rewards),
        Default::default()
    );
    let found = of(Keeper::Vyhub);
    let counts = (found.outbox.len(), found.cache.len(), found.rewards.len());
    assert_eq!(counts, (1, 1, 1));
}
