//! The worker that renders the state of vpid and writes it: the status page, and the metrics.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::published::Published;
use super::worker::{Fifo, Options, Workers};
use crate::limits::{STATUS_FILES_STACK_BYTES, STATUS_FILES_WAITING_MAX};
use crate::protocol::observable::{ObservableState, metrics, page};

/// A state as a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rendering {
    Metrics(Published),
    Page {
        file: Published,
        /// Only what visitors may see.
        public: bool,
        /// How often a browser loads it again.
        refresh_s: u64,
    },
    /// A file that the configuration does not name any more.
    Removed(Published),
}

impl Rendering {
    pub fn file(&self) -> &Published {
        match self {
            Self::Metrics(file) | Self::Page { file, .. } | Self::Removed(file) => file,
        }
    }
}

pub struct Job {
    pub state: Arc<ObservableState>,
    pub rendering: Rendering,
    /// Folders in which no file is written.
    pub scriptdata: Vec<PathBuf>,
    /// Set where it was not written.
    pub failed: Arc<AtomicBool>,
}

/// Dropped, what waits is not written any more.
pub struct StatusFiles(Workers<Fifo<Job>>);

impl StatusFiles {
    pub fn start() -> Self {
        let options = Options::new("status", 1, STATUS_FILES_STACK_BYTES);
        let fifo = Fifo::new(STATUS_FILES_WAITING_MAX, 1);
        Self(Workers::new(options, fifo, |_, _| {
            let mut reported = BTreeMap::new();
            Box::new(move |_, jobs: Vec<Job>| {
                jobs.iter().for_each(|job| write(job, &mut reported));
            })
        }))
    }

    /// Where one before it still waits because the disk is slow, this one is not written.
    pub fn submit(&self, job: Job) -> bool {
        self.0.with(|fifo| fifo.push(job)).is_ok()
    }

    pub fn stop(self, patience: Duration) {
        self.0.stop(patience);
    }
}

/// Reports a failure once for each key, until the file is written or it is another failure.
fn write(job: &Job, reported: &mut BTreeMap<&'static str, String>) {
    let (file, text) = match &job.rendering {
        Rendering::Removed(file) => return remove(file, &job.scriptdata),
        Rendering::Metrics(file) => (file, metrics::text(&job.state)),
        Rendering::Page {
            file,
            public,
            refresh_s,
        } => {
            let text = match public {
                true => page::html(&job.state.public(), true, *refresh_s),
                false => page::html(&job.state, false, *refresh_s),
            };
            (file, text)
        }
    };
    match file.write(&text, &job.scriptdata) {
        Ok(()) => drop(reported.remove(file.key)),
        Err(error) => {
            job.failed.store(true, Ordering::Relaxed);
            let error = error.to_string();
            if reported.get(file.key) != Some(&error) {
                log::warn!("{error}");
                reported.insert(file.key, error);
            }
        }
    }
}

fn remove(file: &Published, scriptdata: &[PathBuf]) {
    if let Err(error) = file.remove(scriptdata) {
        log::warn!("the configuration does not name this file any more, and it stays: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_to_the_daemon_and_reported_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vpid.prom");
        std::fs::write(&path, "node_x 1\n").unwrap();
        let job = Job {
            state: Arc::default(),
            rendering: Rendering::Metrics(Published::metrics(&path)),
            scriptdata: Vec::new(),
            failed: Arc::default(),
        };
        let mut reported = BTreeMap::new();
        for _ in 0..2 {
            write(&job, &mut reported);
            assert!(job.failed.swap(false, Ordering::Relaxed));
            assert_eq!(reported.len(), 1);
        }
        std::fs::remove_file(&path).unwrap();
        write(&job, &mut reported);
        assert!(!job.failed.load(Ordering::Relaxed) && reported.is_empty());
        assert!(path.exists());
    }
}
