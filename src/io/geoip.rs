//! Where addresses are: databases of MaxMind's format, which a worker reads as far as a lookup needs.
//!
//! A file is neither held in memory nor mapped: a lookup takes some dozens of small reads of what the system has cached
//! anyway, and a file that is cut short while it is read is an error, not a signal. One that was replaced is opened
//! again at the next lookup. Where the new one is none, the one before it stays, and the log says so once.

use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::worker::{Fifo, Occupancy, Options, Workers};
use crate::config;
use crate::limits;
use crate::protocol::call_error::CallError;
use crate::protocol::geoip::{Found, place};
use crate::protocol::mmdb::{Mmdb, MmdbError, Source};

/// Why a database cannot be used, with what to do.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}; {}", path.display(), remedy(key))]
pub struct GeoipError {
    /// The key of `[geoip]`.
    key: &'static str,
    path: PathBuf,
    what: String,
}

fn remedy(key: &str) -> String {
    format!(
        "download it (MaxMind's GeoLite2 by geoipupdate, or DB-IP's lite databases), or correct {key} in [geoip]"
    )
}

/// A file that is read in place.
pub struct OnDisk {
    file: File,
    bytes: u64,
}

impl Source for OnDisk {
    type Error = io::Error;

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(into, at)
    }
}

/// Which file is open: device, number, size and time.
type Stamp = (u64, u64, u64, i64, i64);

fn open(key: &'static str, path: &Path) -> Result<(Mmdb<OnDisk>, Stamp), GeoipError> {
    let failed = |what: String| GeoipError {
        key,
        path: path.to_owned(),
        what,
    };
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
    let (metadata, file) =
        opened.map_err(|error| failed(format!("this database cannot be read ({error})")))?;
    if !metadata.is_file() {
        return Err(failed("this is no file".into()));
    }
    let bytes = metadata.len();
    let stamp = stamp(&metadata);
    match Mmdb::open(OnDisk { file, bytes }) {
        Ok(database) => Ok((database, stamp)),
        Err(MmdbError::Read(error)) => {
            Err(failed(format!("this database cannot be read ({error})")))
        }
        Err(MmdbError::Damaged(what)) => Err(failed(format!("it {what}"))),
    }
}

fn stamp(metadata: &std::fs::Metadata) -> Stamp {
    (
        metadata.dev(),
        metadata.ino(),
        metadata.len(),
        metadata.mtime(),
        metadata.mtime_nsec(),
    )
}

/// What a database says of itself: its kind, and when it was made, in unix seconds.
pub fn about(key: &'static str, path: &Path) -> Result<(String, u64), GeoipError> {
    let (database, _) = open(key, path)?;
    Ok((database.kind, database.built_s))
}

/// One of the configured databases.
struct Database {
    key: &'static str,
    path: PathBuf,
    open: Option<Mmdb<OnDisk>>,
    /// The file that was opened last, or that could not be used.
    seen: Option<Stamp>,
}

impl Database {
    fn find(&mut self, address: IpAddr) -> Result<Option<Value>, GeoipError> {
        let now = std::fs::metadata(&self.path).ok().map(|it| stamp(&it));
        if self.open.is_none() || (now.is_some() && now != self.seen) {
            match open(self.key, &self.path) {
                Ok((database, stamp)) => (self.open, self.seen) = (Some(database), Some(stamp)),
                Err(error) if self.open.is_none() => return Err(error),
                Err(error) => {
                    log::warn!("{error}; the file that was there before is used meanwhile");
                    self.seen = now;
                }
            }
        }
        let Some(database) = &self.open else {
            return Ok(None);
        };
        database.find(address).map_err(|error| GeoipError {
            key: self.key,
            path: self.path.clone(),
            what: match error {
                MmdbError::Read(error) => format!("this database cannot be read ({error})"),
                MmdbError::Damaged(what) => format!("it {what}"),
            },
        })
    }
}

/// What gets the result of a lookup: that of [`place`].
type Report = Box<dyn FnOnce(Result<Value, CallError>) + Send>;

pub struct Job {
    pub address: IpAddr,
    pub report: Report,
}

/// The databases of `[geoip]`. Dropped, lookups that wait are not done any more.
pub struct Geoip(Workers<Fifo<Job>>);

impl Geoip {
    /// Fails where one of the files is none.
    pub fn start(files: &config::Geoip) -> Result<Self, GeoipError> {
        for (key, path) in files.files() {
            open(key, path)?;
        }
        let files: Vec<(&'static str, PathBuf)> = files
            .files()
            .map(|(key, path)| (key, path.clone()))
            .collect();
        let options = Options::new("geoip", 1, limits::GEOIP_STACK_BYTES);
        let fifo = Fifo::new(limits::GEOIP_QUEUE_MAX, 1);
        Ok(Self(Workers::new(options, fifo, move |_, _| {
            let databases = files.iter().map(|(key, path)| Database {
                key,
                path: path.clone(),
                open: None,
                seen: None,
            });
            let mut databases: Vec<Database> = databases.collect();
            Box::new(move |_, jobs: Vec<Job>| {
                for job in jobs {
                    (job.report)(find(&mut databases, job.address));
                }
            })
        })))
    }

    pub fn submit(&self, job: Job) {
        if let Err(job) = self.0.with(|fifo| fifo.push(job)) {
            let detail = "too many addresses wait to be looked up, or vpid is stopping";
            (job.report)(Err(CallError::new("QueueFull", detail)));
        }
    }

    pub fn occupancy(&self) -> Occupancy {
        self.0.fifo_occupancy()
    }

    pub fn stop(self, patience: Duration) {
        self.0.stop(patience);
    }
}

fn find(databases: &mut [Database], address: IpAddr) -> Result<Value, CallError> {
    let mut found = Found::default();
    for database in databases {
        let record = database
            .find(address)
            .map_err(|error| CallError::new("GeoipError", error.to_string()))?;
        match database.key {
            "city" => found.city = record,
            "country" => found.country = record,
            _ => found.asn = record,
        }
    }
    Ok(place(address, &found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const CITY: &[u8] = include_bytes!("../../tests/geoip/city.mmdb");
    const COUNTRY: &[u8] = include_bytes!("../../tests/geoip/country.mmdb");

    fn city_of(geoip: &Geoip) -> Result<Value, CallError> {
        let (send, receive) = mpsc::channel();
        geoip.submit(Job {
            address: "203.0.113.7".parse().unwrap(),
            report: Box::new(move |result| send.send(result).unwrap()),
        });
        let found = receive.recv_timeout(Duration::from_secs(20)).unwrap();
        found.map(|place| place["city"].clone())
    }

    #[test]
    fn a_file_that_is_replaced_is_opened_again_and_one_that_is_none_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mmdb");
        let replace = |bytes: &[u8]| {
            let new = folder.path().join("new");
            std::fs::write(&new, bytes).unwrap();
            std::fs::rename(&new, &path).unwrap();
        };
        let files = config::Geoip {
            city: Some(path.clone()),
            ..config::Geoip::default()
        };
        let Err(error) = Geoip::start(&files) else {
            panic!("it started without its file");
        };
        let text = error.to_string();
        assert!(
            text.contains("a.mmdb: this database cannot be read"),
            "{text}"
        );
        assert!(text.contains("correct city in [geoip]"), "{text}");
        replace(b"<html>");
        assert!(Geoip::start(&files).is_err());
        replace(COUNTRY);
        let geoip = Geoip::start(&files).unwrap();
        assert_eq!(city_of(&geoip), Ok(Value::Null));
        replace(CITY);
        assert_eq!(city_of(&geoip), Ok("Vienna".into()));
        replace(b"<html>");
        assert_eq!(city_of(&geoip), Ok("Vienna".into()));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(city_of(&geoip), Ok("Vienna".into()));
        replace(COUNTRY);
        assert_eq!(city_of(&geoip), Ok(Value::Null));
        // Cut short where it lies.
        replace(CITY);
        assert_eq!(city_of(&geoip), Ok("Vienna".into()));
        std::fs::write(&path, &CITY[..100]).unwrap();
        let error = city_of(&geoip).unwrap_err();
        assert_eq!(error.reason, "GeoipError");
    }
}
