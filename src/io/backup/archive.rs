//! Writing an archive from beginning to end, and reading one: first as a whole, so that nothing is used of one that is
//! torn, damaged or made up; then its members.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest, Sha256};

use crate::limits::{BACKUP_FILES_MAX, BACKUP_MANIFEST_BYTES_MAX, BACKUP_README_BYTES_MAX};
use crate::protocol::backup::tar::{self, BLOCK, Head, HeadError};
use crate::protocol::backup::{Listed, MANIFEST, Manifest, ManifestError, Member, README};

/// Read and written at once.
const CHUNK: usize = 128 << 10;

/// Why a member cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("the name {0:?} is too long for an archive; shorten it")]
    Name(String),
    #[error("two files of the backup have the name {0:?}; rename one of them")]
    Twice(String),
    #[error("there are more than {BACKUP_FILES_MAX} files, and no backup has so many")]
    TooMany,
    /// It became shorter meanwhile.
    #[error("{0} was changed while it was read; try again")]
    Changed(String),
    #[error("interrupted")]
    Interrupted,
    #[error(transparent)]
    Io(#[from] io::Error),
}

pub struct Writer<'a, W> {
    out: W,
    manifest: Manifest,
    /// Of all members.
    names: HashSet<String>,
    mtime_s: u64,
    /// Set by signals: then it ends.
    interrupted: &'a AtomicBool,
}

impl<'a, W: Write> Writer<'a, W> {
    /// Begins one with a text for people. `manifest` has no files yet.
    pub fn begin(
        out: W,
        readme: &str,
        manifest: Manifest,
        mtime_s: u64,
        interrupted: &'a AtomicBool,
    ) -> Result<Self, WriteError> {
        let mut writer = Self {
            out,
            manifest,
            names: HashSet::new(),
            mtime_s,
            interrupted,
        };
        writer.put(README, readme.len() as u64, mtime_s, &mut readme.as_bytes())?;
        // Whoever finds it in the folder of scripts, while it is written, knows it by its beginning.
        writer.out.flush()?;
        Ok(writer)
    }

    /// Adds so many bytes of `content`.
    pub fn add(
        &mut self,
        member: &Member,
        (size, mtime_s): (u64, u64),
        content: &mut dyn Read,
    ) -> Result<(), WriteError> {
        let name = member.to_string();
        if self.manifest.files.len() >= BACKUP_FILES_MAX {
            return Err(WriteError::TooMany);
        }
        if self.names.contains(&name) {
            return Err(WriteError::Twice(name));
        }
        let sha256 = self.put(&name, size, mtime_s, content)?;
        self.names.insert(name.clone());
        self.manifest.files.push(Listed { name, size, sha256 });
        Ok(())
    }

    pub fn finish(mut self) -> Result<(W, Manifest), WriteError> {
        let text = self.manifest.text();
        let mtime_s = self.mtime_s;
        self.put(MANIFEST, text.len() as u64, mtime_s, &mut text.as_bytes())?;
        self.out.write_all(&[0; 2 * BLOCK])?;
        self.out.flush()?;
        Ok((self.out, self.manifest))
    }

    /// Gives the sum of the content.
    fn put(
        &mut self,
        name: &str,
        size: u64,
        mtime_s: u64,
        content: &mut dyn Read,
    ) -> Result<String, WriteError> {
        let head = Head {
            name: name.to_owned(),
            size,
            mtime_s,
        };
        let block = head
            .encode()
            .ok_or_else(|| WriteError::Name(name.to_owned()))?;
        self.out.write_all(&block)?;
        let mut sum = Sha256::new();
        let mut left = size;
        let mut buffer = vec![0; CHUNK];
        while left > 0 {
            if self.interrupted.load(Ordering::Relaxed) {
                return Err(WriteError::Interrupted);
            }
            let most = buffer
                .len()
                .min(usize::try_from(left).unwrap_or(usize::MAX));
            let count = match content.read(&mut buffer[..most]) {
                Ok(0) => return Err(WriteError::Changed(name.to_owned())),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            sum.update(&buffer[..count]);
            self.out.write_all(&buffer[..count])?;
            left -= count as u64;
        }
        self.out.write_all(&[0; BLOCK][..tar::padding(size)])?;
        Ok(hex(&sum.finalize()))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a file begins as an archive of `vpid backup` does: with the head of its readme, as it is written here.
pub fn begins_as_one(from: &mut impl Read) -> io::Result<bool> {
    let mut block = [0; BLOCK];
    match from.read_exact(&mut block) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        read => read?,
    }
    let head = Head::decode(&block).ok().flatten();
    Ok(head.is_some_and(|it| it.name == README && it.encode() == Some(block)))
}

/// Why a file is no archive that can be restored.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("{0} cannot be read ({1})")]
    Io(PathBuf, io::Error),
    #[error("{0} is not a file; a backup that came through a pipe must be saved first")]
    NotAFile(PathBuf),
    #[error("{0} is not a whole backup: {1}. Nothing was changed; take another one")]
    Damaged(PathBuf, Damage),
    #[error("{0}: {1}")]
    Manifest(PathBuf, ManifestError),
}

/// Why a member was not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Write(io::Error),
}

/// What is wrong with it, as what follows a colon.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    #[error("it ends too early")]
    Torn,
    #[error(transparent)]
    Head(#[from] HeadError),
    #[error("it does not begin as one")]
    NoBackup,
    #[error("its manifest is too large")]
    LargeManifest,
    #[error("it has more than {BACKUP_FILES_MAX} files")]
    TooMany,
    #[error("{0:?} is not what its manifest says")]
    Differs(String),
    #[error("there is something behind its end")]
    Longer,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// An archive of which every byte is what its manifest says.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    file: File,
    manifest: Manifest,
    /// Where the content of each file of the manifest begins.
    places: Vec<u64>,
}

impl Archive {
    /// Reads all of it.
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        let failed = |error| ArchiveError::Io(path.to_owned(), error);
        let file = File::open(path).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(ArchiveError::NotAFile(path.to_owned()));
        }
        let damaged = |damage| ArchiveError::Damaged(path.to_owned(), damage);
        let (found, manifest) = walk(&file).map_err(damaged)?;
        let manifest = Manifest::parse(&manifest)
            .map_err(|error| ArchiveError::Manifest(path.to_owned(), error))?;
        let mut places = Vec::new();
        let mut listed = manifest.files.iter();
        for (place, file) in found {
            match listed.next() {
                Some(listed) if *listed == file => places.push(place),
                _ => return Err(damaged(Damage::Differs(file.name))),
            }
        }
        if let Some(missing) = listed.next() {
            return Err(damaged(Damage::Differs(missing.name.clone())));
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            manifest,
            places,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Writes the content of the file with this place in the manifest, and checks once more that it is that.
    pub fn copy(&self, number: usize, to: &mut dyn Write) -> Result<(), CopyError> {
        let listed = &self.manifest.files[number];
        let failed = |error| ArchiveError::Io(self.path.clone(), error);
        let mut from = &self.file;
        from.seek(SeekFrom::Start(self.places[number]))
            .map_err(failed)?;
        let mut sum = Sha256::new();
        let mut from = from.take(listed.size);
        let mut buffer = vec![0; CHUNK];
        loop {
            let count = match from.read(&mut buffer) {
                Ok(0) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map_err(failed)?,
            };
            sum.update(&buffer[..count]);
            to.write_all(&buffer[..count]).map_err(CopyError::Write)?;
        }
        match hex(&sum.finalize()) == listed.sha256 {
            true => Ok(()),
            false => {
                let damage = Damage::Differs(listed.name.clone());
                Err(ArchiveError::Damaged(self.path.clone(), damage).into())
            }
        }
    }

    /// The same, for what fits into memory.
    pub fn content(&self, number: usize) -> Result<Vec<u8>, CopyError> {
        let mut bytes = Vec::new();
        self.copy(number, &mut bytes)?;
        Ok(bytes)
    }
}

type Found = Vec<(u64, Listed)>;

/// All files with their places and sums, and the text of the manifest, behind which nothing comes.
fn walk(file: &File) -> Result<(Found, Vec<u8>), Damage> {
    let mut from = BufReader::with_capacity(CHUNK, file);
    let mut at = 0;
    let mut found = Vec::new();
    let first = next_head(&mut from, &mut at)?;
    let is_ours = |head: &Head| head.name == README && head.size <= BACKUP_README_BYTES_MAX;
    let first = first.filter(is_ours).ok_or(Damage::NoBackup)?;
    content(&mut from, &mut at, &first, &mut io::sink())?;
    loop {
        let head = next_head(&mut from, &mut at)?.ok_or(Damage::Torn)?;
        if head.name == MANIFEST {
            if head.size > BACKUP_MANIFEST_BYTES_MAX {
                return Err(Damage::LargeManifest);
            }
            let mut manifest = Vec::new();
            content(&mut from, &mut at, &head, &mut manifest)?;
            for _ in 0..2 {
                if next_head(&mut from, &mut at)?.is_some() {
                    return Err(Damage::Longer);
                }
            }
            return Ok((found, manifest));
        }
        let place = at;
        let sha256 = content(&mut from, &mut at, &head, &mut io::sink())?;
        let Head { name, size, .. } = head;
        found.push((place, Listed { name, size, sha256 }));
        if found.len() > BACKUP_FILES_MAX {
            return Err(Damage::TooMany);
        }
    }
}

fn next_head(from: &mut impl Read, at: &mut u64) -> Result<Option<Head>, Damage> {
    let mut block = [0; BLOCK];
    whole(from, &mut block)?;
    *at += BLOCK as u64;
    Ok(Head::decode(&block)?)
}

fn whole(from: &mut impl Read, bytes: &mut [u8]) -> Result<(), Damage> {
    from.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Damage::Torn,
        _ => Damage::Io(error),
    })
}

fn content(
    from: &mut impl Read,
    at: &mut u64,
    head: &Head,
    to: &mut dyn Write,
) -> Result<String, Damage> {
    let mut sum = Sha256::new();
    let mut left = head.size;
    let mut buffer = vec![0; CHUNK];
    while left > 0 {
        let most = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        whole(from, &mut buffer[..most])?;
        sum.update(&buffer[..most]);
        to.write_all(&buffer[..most])?;
        left -= most as u64;
    }
    let padding = tar::padding(head.size);
    whole(from, &mut buffer[..padding])?;
    *at = at.saturating_add(head.size).saturating_add(padding as u64);
    Ok(hex(&sum.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::backup::FORMAT;

    fn manifest() -> Manifest {
        Manifest {
            format: FORMAT,
            vpid: "0.1.0".into(),
            created: "2026-01-01T00:00:00Z".into(),
            state_version: 1,
            secrets: false,
            files: Vec::new(),
        }
    }

    fn archive() -> Vec<u8> {
        let go_on = AtomicBool::new(false);
        let mut writer = Writer::begin(Vec::new(), "hello\n", manifest(), 7, &go_on).unwrap();
        for (name, content) in [("begun", "abc"), ("outbox/1.json", &*"x".repeat(70_000))] {
            let member = Member::State(name.into());
            let size = content.len() as u64;
            writer
                .add(&member, (size, 7), &mut content.as_bytes())
                .unwrap();
        }
        writer.finish().unwrap().0
    }

    fn opened(bytes: &[u8]) -> Result<Archive, ArchiveError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        std::fs::write(&path, bytes).unwrap();
        Archive::open(&path)
    }

    #[test]
    fn an_archive_comes_back_and_other_programs_read_it() {
        let bytes = archive();
        let archive = opened(&bytes).unwrap();
        assert_eq!(archive.content(0).unwrap(), b"abc");
        assert_eq!(archive.content(1).unwrap().len(), 70_000);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        std::fs::write(&path, &bytes).unwrap();
        let listed = std::process::Command::new("tar")
            .arg("-tf")
            .arg(&path)
            .output();
        if let Ok(listed) = listed {
            let names = String::from_utf8_lossy(&listed.stdout).into_owned();
            assert_eq!(
                names,
                "README\nstate/begun\nstate/outbox/1.json\nmanifest.json\n"
            );
        }
    }

    #[test]
    fn one_that_is_torn_anywhere_or_changed_anywhere_is_refused() {
        let good = archive();
        for end in (0..good.len())
            .step_by(257)
            .chain(good.len() - 1_200..good.len())
        {
            assert!(opened(&good[..end]).is_err(), "{end}");
        }
        let mut longer = good.clone();
        longer[good.len() - 1] = 1;
        assert!(opened(&longer).is_err());
        // In the content, in a name, in a size, in the manifest.
        for at in [
            BLOCK * 3 + 1,
            BLOCK * 2 + 6,
            BLOCK * 2 + 130,
            good.len() - 2 * BLOCK - 400,
        ] {
            let mut bytes = good.clone();
            bytes[at] ^= 2;
            assert!(opened(&bytes).is_err(), "{at}");
        }
    }

    #[test]
    fn a_name_that_is_there_and_a_file_too_many_are_refused_while_it_is_written() {
        let go_on = AtomicBool::new(false);
        let mut writer = Writer::begin(Vec::new(), "", manifest(), 7, &go_on).unwrap();
        let member = Member::State("begun".into());
        writer.add(&member, (3, 7), &mut &b"abc"[..]).unwrap();
        let twice = writer.add(&member, (3, 7), &mut &b"abc"[..]);
        assert!(matches!(twice, Err(WriteError::Twice(name)) if name == "state/begun"));
        let listed = writer.manifest.files[0].clone();
        let files = std::iter::repeat_n(listed, BACKUP_FILES_MAX - 1);
        writer.manifest.files = files.collect();
        let mut add = |name: &str| {
            let member = Member::Script(name.to_owned());
            writer.add(&member, (0, 7), &mut io::empty())
        };
        add("a.py").unwrap();
        assert!(matches!(add("b.py"), Err(WriteError::TooMany)));
    }

    #[test]
    fn an_archive_is_known_by_its_beginning_and_other_files_with_a_readme_are_not() {
        let bytes = archive();
        let begins = |mut bytes: &[u8]| begins_as_one(&mut bytes).unwrap();
        assert!(begins(&bytes) && begins(&bytes[..BLOCK]));
        assert!(!begins(b"") && !begins(b"README") && !begins(&bytes[..BLOCK - 1]));
        assert!(!begins(&bytes[2 * BLOCK..]) && !begins(&[0; 2 * BLOCK]));
    }

    #[test]
    fn a_file_that_shrinks_and_an_interrupt_end_it() {
        let go_on = AtomicBool::new(false);
        let mut writer = Writer::begin(Vec::new(), "", manifest(), 7, &go_on).unwrap();
        let member = Member::State("begun".into());
        let shrunk = writer.add(&member, (9, 7), &mut &b"abc"[..]);
        assert!(matches!(shrunk, Err(WriteError::Changed(_))));
        go_on.store(true, Ordering::Relaxed);
        let stopped = writer.add(&member, (3, 7), &mut &b"abc"[..]);
        assert!(matches!(stopped, Err(WriteError::Interrupted)));
    }
}
