//! The floods: which, how many, and what is to be reached meanwhile.

use std::io;
use std::time::Duration;

use crate::attack::{Flood, others, signed, stock};
use crate::place::{DEADLINE, Database};

type Write = fn(&Flood) -> io::Result<()>;

/// When the flood is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Running,
    /// While vpid is not there.
    BeforeStart,
}

pub struct Kind {
    pub name: &'static str,
    pub write: Write,
    /// What lies in the folder before vpid starts.
    pub prepare: Option<Write>,
    pub count: usize,
    pub when: When,
    pub victims: Database,
    /// The state folder is on another file system than scriptdata.
    pub state_on_disk: bool,
    pub with_log: bool,
    pub goals: Goals,
}

/// What is to be reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goals {
    pub longest: Duration,
    pub p99: Duration,
    pub turn_ms: u64,
    pub memory_mib: f64,
}

const GOALS: Goals = Goals {
    longest: Duration::from_millis(50),
    p99: Duration::from_millis(10),
    turn_ms: 20,
    memory_mib: 64.0,
};

const fn kind(name: &'static str, count: usize, write: Write) -> Kind {
    Kind {
        name,
        write,
        prepare: None,
        count,
        when: When::Running,
        victims: Database::Same,
        state_on_disk: false,
        with_log: false,
        goals: GOALS,
    }
}

impl Kind {
    const fn before_start(self) -> Self {
        Self {
            when: When::BeforeStart,
            goals: START,
            ..self
        }
    }

    const fn victims_on_another_database(self) -> Self {
        Self {
            victims: Database::Other,
            ..self
        }
    }
}

fn nothing(_: &Flood) -> io::Result<()> {
    Ok(())
}

/// Who shares a database with a statement that does not end waits for its deadline, and no longer.
const AFTER_DEADLINE: Goals = Goals {
    longest: Duration::from_millis(DEADLINE.as_millis() as u64 + 500),
    p99: Duration::from_millis(DEADLINE.as_millis() as u64 + 500),
    ..GOALS
};

/// The wait is that from the start of the process.
const START: Goals = Goals {
    longest: Duration::from_secs(1),
    ..GOALS
};

/// All floods, in the order of the tables.
pub fn all() -> Vec<Kind> {
    let groups = [
        vec![kind("none", 0, nothing)],
        bad_files(),
        large_files(),
        calls(),
        files_of_others(),
        databases(),
        signed_files(),
        starts(),
    ];
    groups.into_iter().flatten().collect()
}

fn bad_files() -> Vec<Kind> {
    let bad = |count| kind("bad call files of one host", count, stock::bad_files);
    let unfinished = |name, count| kind(name, count, stock::unfinished);
    vec![
        Kind {
            name: "20,000 bad call files of one host",
            ..bad(20_000)
        },
        Kind {
            name: "20,000 bad call files, state on another file system",
            state_on_disk: true,
            ..bad(20_000)
        },
        Kind {
            name: "150,000 bad call files of one host",
            ..bad(150_000)
        },
        kind(
            "60,000 bad call files, written backwards",
            60_000,
            stock::backwards,
        ),
        kind(
            "20,000 bad call files, each of another host",
            20_000,
            stock::bad_files_of_made_up_hosts,
        ),
        kind(
            "60,000 restart files, each of another host",
            60_000,
            stock::restarts,
        ),
        unfinished("20,000 files without their NUL", 20_000),
        unfinished("60,000 files without their NUL", 60_000),
        kind("files rewritten while they are taken", 1, stock::rewriting),
        kind(
            "20,000 folders named like call files",
            20_000,
            stock::folders,
        ),
    ]
}

fn large_files() -> Vec<Kind> {
    vec![
        kind(
            "300 files of 1 MB in vain, of one host",
            300,
            stock::large_in_vain,
        ),
        kind(
            "300 files of 1 MB in vain, each of another host",
            300,
            stock::large_in_vain_of_made_up_hosts,
        ),
        kind(
            "50 authentic stock files of 1 MB",
            50,
            stock::large_authentic,
        ),
    ]
}

/// Of those who know the stock secret.
fn calls() -> Vec<Kind> {
    vec![
        kind("a busy host that plays by the rules", 1, stock::busy),
        kind(
            "6,000 calls of a host that never fetches",
            6_000,
            stock::never_fetching,
        ),
        Kind {
            prepare: Some(stock::never_fetching),
            ..kind(
                "120,000 calls of a host that never fetches, 50 more a second",
                120_000,
                stock::some_more_calls,
            )
        },
        kind(
            "20,000 calls of 40 hosts that never fetch",
            20_000,
            stock::forty_never_fetching,
        ),
    ]
}

fn files_of_others() -> Vec<Kind> {
    let beside = |name, write| Kind {
        prepare: Some(others::foreign_files),
        ..kind(name, 100_000, write)
    };
    vec![
        beside(
            "100,000 files of others, 5 more a second",
            others::some_foreign_files,
        ),
        beside(
            "100,000 files of others, some at full speed",
            others::storm_of_foreign_files,
        ),
        kind(
            "answer files of others, at full speed",
            1,
            stock::rewritten_inputs,
        ),
        Kind {
            with_log: true,
            ..kind(
                "the engine's log with wrong secrets",
                1,
                others::log_packets,
            )
        },
    ]
}

fn databases() -> Vec<Kind> {
    let stuck = |name| kind(name, 1, others::stuck_statement);
    vec![
        stuck("a stuck statement, on another database").victims_on_another_database(),
        Kind {
            goals: AFTER_DEADLINE,
            ..stuck("a stuck statement, on the same database")
        },
        kind(
            "200 chains of 0.75 MB, database locked",
            200,
            stock::parked_chains,
        )
        .victims_on_another_database(),
        kind(
            "4,096 inserts of 16 KB, database locked",
            4_096,
            stock::waiting_inserts,
        )
        .victims_on_another_database(),
        kind(
            "signed files of 32 KB, database locked",
            4_096,
            signed::waiting_calls,
        )
        .victims_on_another_database(),
    ]
}

fn signed_files() -> Vec<Kind> {
    vec![
        kind("20,000 forged signed files", 20_000, signed::forgeries),
        kind(
            "300 forged signed files of 1 MB",
            300,
            signed::large_forgeries,
        ),
        kind(
            "60,000 signed files without their NUL",
            60_000,
            signed::unfinished,
        ),
        kind("a recorded hello, over and over", 1, signed::recorded_hello),
    ]
}

fn starts() -> Vec<Kind> {
    let starts = [
        kind(
            "start with 1,500 signed files of 1 MB",
            1_500,
            signed::left_large,
        ),
        kind(
            "start with 100,000 small signed files",
            100_000,
            signed::left_small,
        ),
        kind(
            "start with 1,500 taken files of 1 MB",
            1_500,
            stock::left_taken_large,
        ),
        kind(
            "start with 100,000 small taken files",
            100_000,
            stock::left_taken_small,
        ),
    ];
    starts.map(Kind::before_start).into()
}
