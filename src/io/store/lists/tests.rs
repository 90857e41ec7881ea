use std::cell::RefCell;

use tempfile::TempDir;

use super::super::{list, sync_folder};
use super::*;
use crate::protocol::backend::Listed;
use crate::protocol::ban_list::of;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

const NAME: &str = "bans-1";

/// Of players with these numbers.
fn bans(numbers: impl IntoIterator<Item = u32>) -> Arc<BanList> {
    let bans = numbers.into_iter().map(|number| Listed {
        id: Uuid(u128::from(number)),
        steam: SteamId::new(number + 1).unwrap(),
        username: "Ann",
        reason: "aimbot",
        creator: "",
        created_s: 5,
        ends_s: None,
    });
    Arc::new(of(&bans.collect::<Vec<_>>()))
}

struct Folder {
    dir: TempDir,
    lists: Lists,
}

impl Folder {
    fn new() -> Self {
        Self {
            dir: TempDir::new().unwrap(),
            lists: Lists::default(),
        }
    }

    fn put(&mut self, list: &Arc<BanList>) {
        let folder = self.dir.path();
        self.lists.put(folder, NAME, list, &sync_folder).unwrap();
    }

    /// As after a restart.
    fn read(&mut self) -> Option<Arc<BanList>> {
        self.lists = Lists::default();
        self.lists.read(self.dir.path(), NAME)
    }

    fn snapshot(&self) -> PathBuf {
        snapshot(self.dir.path(), NAME)
    }

    fn journal(&self) -> PathBuf {
        journal(self.dir.path(), NAME)
    }

    fn journal_bytes(&self) -> usize {
        fs::read(self.journal()).map_or(0, |bytes| bytes.len())
    }
}

#[test]
fn a_change_of_a_long_list_writes_a_line_and_no_list() {
    let mut folder = Folder::new();
    folder.put(&bans(0..1_000));
    let snapshot = fs::read(folder.snapshot()).unwrap();
    folder.put(&bans(0..1_001));
    let first = folder.journal_bytes();
    folder.put(&bans(1..1_001));
    let second = folder.journal_bytes() - first;
    assert!(first < 1_000 && second < 500, "{first} {second}");
    // What is the same writes nothing.
    folder.put(&bans(1..1_001));
    assert_eq!(folder.journal_bytes(), first + second);
    assert_eq!(fs::read(folder.snapshot()).unwrap(), snapshot);
    assert_eq!(folder.read(), Some(bans(1..1_001)));
    // It is gone on from after a restart.
    folder.put(&bans(1..1_002));
    assert!(folder.journal_bytes() > first + second);
    assert_eq!(fs::read(folder.snapshot()).unwrap(), snapshot);
    assert_eq!(folder.read(), Some(bans(1..1_002)));
}

#[test]
fn a_list_that_is_another_is_written_as_a_whole() {
    let mut folder = Folder::new();
    folder.put(&bans(0..10));
    folder.put(&bans(0..11));
    let most = STORE_CHANGES_MAX as u32;
    folder.put(&bans(100..100 + most));
    assert!(!folder.journal().exists());
    assert_eq!(folder.read(), Some(bans(100..100 + most)));
}

#[test]
fn a_journal_that_has_become_long_is_made_a_list() {
    let mut folder = Folder::new();
    folder.put(&bans(0..10));
    let mut to = 10;
    while folder.journal_bytes() as u64 <= STORE_JOURNAL_BYTES {
        to += 1_000;
        folder.put(&bans(0..to));
        folder.lists.tidy(folder.dir.path(), &sync_folder);
        if folder.journal_bytes() == 0 {
            break;
        }
    }
    assert!(to > 2_000 && !folder.journal().exists(), "{to}");
    assert_eq!(folder.read(), Some(bans(0..to)));
    folder.put(&bans(1..to));
    assert!((1..1_000).contains(&folder.journal_bytes()));
    assert_eq!(folder.read(), Some(bans(1..to)));
}

/// The process was killed in the middle of a line. What comes later is not appended to it.
#[test]
fn a_change_that_was_cut_by_a_kill_does_not_count_and_the_next_write_goes_around_it() {
    let mut folder = Folder::new();
    folder.put(&bans(0..10));
    folder.put(&bans(0..11));
    let before = folder.journal_bytes();
    folder.put(&bans(0..12));
    let whole = fs::read(folder.journal()).unwrap();
    let snapshot = fs::read(folder.snapshot()).unwrap();
    for end in 0..whole.len() {
        fs::write(folder.journal(), &whole[..end]).unwrap();
        fs::write(folder.snapshot(), &snapshot).unwrap();
        let expected = if end < before { 10 } else { 11 };
        assert_eq!(folder.read(), Some(bans(0..expected)), "{end}");
        folder.put(&bans(3..13));
        assert_eq!(folder.read(), Some(bans(3..13)), "{end}");
    }
}

/// Each state of the folder in which `kill -9` or a power cut may leave it while a journal becomes a snapshot.
#[test]
fn no_step_of_a_snapshot_loses_a_change() {
    let mut folder = Folder::new();
    folder.put(&bans(0..10));
    folder.put(&bans(0..11));
    let former = [folder.snapshot(), folder.journal()].map(|path| fs::read(path).unwrap());
    let list = bans(0..11);
    folder
        .lists
        .put(folder.dir.path(), NAME, &list, &sync_folder)
        .unwrap();
    let seen = RefCell::new(Vec::new());
    let (snapshot, journal) = (folder.snapshot(), folder.journal());
    let sync = |path: &Path| {
        seen.borrow_mut()
            .push((fs::read(&snapshot).unwrap(), journal.exists()));
        sync_folder(path)
    };
    folder
        .lists
        .write_all(folder.dir.path(), NAME, &list, &sync)
        .unwrap();
    let new = fs::read(folder.snapshot()).unwrap();
    assert_ne!(new, former[0]);
    // The snapshot is durable before the journal goes.
    assert_eq!(*seen.borrow(), [(new.clone(), true)]);
    // Written beside its place; renamed; the journal removed.
    for (snapshot, journal) in [
        (&former[0], Some(&former[1])),
        (&new, Some(&former[1])),
        (&new, None),
    ] {
        fs::write(folder.snapshot(), snapshot).unwrap();
        match journal {
            Some(journal) => fs::write(folder.journal(), journal).unwrap(),
            None => drop(fs::remove_file(folder.journal())),
        }
        assert_eq!(folder.read(), Some(list.clone()));
        folder.put(&bans(5..12));
        assert_eq!(folder.read(), Some(bans(5..12)));
    }
}

#[test]
fn a_journal_of_another_snapshot_does_not_count() {
    let mut folder = Folder::new();
    folder.put(&bans(0..10));
    let old = fs::read(folder.snapshot()).unwrap();
    folder.put(&bans(0..5_000));
    folder.put(&bans(0..5_001));
    // The snapshot is an older one, as from a backup.
    fs::write(folder.snapshot(), &old).unwrap();
    assert_eq!(folder.read(), Some(bans(0..10)));
    folder.put(&bans(0..11));
    assert_eq!(folder.read(), Some(bans(0..11)));
    assert!(!folder.journal().exists());
}

#[test]
fn a_journal_without_its_list_is_set_aside() {
    let dir = TempDir::new().unwrap();
    let folders =
        super::super::Folders::new(dir.path(), crate::protocol::backend::Keeper::Vyhub, None);
    let cache = dir.path().join("vyhub");
    drop(super::super::read(dir.path(), &folders).unwrap());
    let mut lists = Lists::default();
    lists.put(&cache, NAME, &bans(0..10), &sync_folder).unwrap();
    lists.put(&cache, NAME, &bans(0..11), &sync_folder).unwrap();
    fs::remove_file(snapshot(&cache, NAME)).unwrap();
    let (found, _) = super::super::read(dir.path(), &folders).unwrap();
    assert_eq!(found.bans, []);
    assert!(!journal(&cache, NAME).exists());
    assert!(list(&cache).unwrap().is_empty());
}

/// A journal that another program has changed is not appended to, and what cannot be written leaves no doubt.
#[test]
fn what_fails_is_followed_by_a_whole_list() {
    let mut folder = Folder::new();
    folder.put(&bans(0..10));
    folder.put(&bans(0..11));
    fs::write(folder.journal(), "odd").unwrap();
    let list = bans(0..12);
    let failed = folder
        .lists
        .put(folder.dir.path(), NAME, &list, &sync_folder);
    let why = failed.unwrap_err().to_string();
    assert!(why.ends_with("it was changed by another program"), "{why}");
    folder.put(&list);
    assert_eq!(folder.read(), Some(list));
    assert!(!folder.journal().exists());
    // A sync that fails makes nothing durable that was renamed.
    folder.lists.doubt();
    folder.put(&bans(0..13));
    assert_eq!(folder.read(), Some(bans(0..13)));
    assert!(!folder.journal().exists());
}

/// The list is there as a whole then, and a change in the journal beside it would not count.
#[test]
fn a_list_whose_folder_could_not_be_synced_is_gone_on_from_nowhere() {
    let mut folder = Folder::new();
    folder.put(&bans(0..10));
    folder.put(&bans(0..11));
    let on_disk = folder.lists.0.get_mut(NAME).unwrap();
    on_disk.journal_bytes_max = 0;
    let fails = |_: &Path| Err(io::Error::other("it fails"));
    folder.lists.tidy(folder.dir.path(), &fails);
    folder.put(&bans(0..12));
    assert_eq!(folder.read(), Some(bans(0..12)));
}

/// What is left of a damaged journal is read at every start, until a list was written.
#[test]
fn changes_before_damage_stay_on_disk() {
    let mut folder = Folder::new();
    for to in 10..13 {
        folder.put(&bans(0..to));
    }
    let text = fs::read_to_string(folder.journal()).unwrap();
    let (before, last) = text.trim_end().rsplit_once('\n').unwrap();
    let damaged = format!("{before}\n{}\n", last.replacen("aimbot", "aimb0t", 1));
    assert_ne!(damaged, text);
    fs::write(folder.journal(), damaged).unwrap();
    assert_eq!(folder.read(), Some(bans(0..11)));
    assert_eq!(folder.read(), Some(bans(0..11)));
    folder.put(&bans(0..12));
    assert!(!folder.journal().exists());
}

#[test]
fn a_list_of_an_earlier_version_is_read_and_written_as_a_whole() {
    let mut folder = Folder::new();
    folder.put(&bans(0..10));
    folder.put(&bans(0..11));
    let file = fs::read_to_string(folder.snapshot()).unwrap();
    let (head, rest) = file.split_once('\n').unwrap();
    let number = head.find(",\"number\"").unwrap();
    let former = format!("{}}}\n{rest}", &head[..number]);
    fs::write(folder.snapshot(), former).unwrap();
    assert_eq!(folder.read(), Some(bans(0..10)));
    folder.put(&bans(0..12));
    assert!(!folder.journal().exists());
    assert_eq!(folder.read(), Some(bans(0..12)));
}
