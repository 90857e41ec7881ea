//! One flood on one build: a fresh vpid on fresh folders, two victims, the flood, and what became
//! of them.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::attack::victim::{Victim, Waits};
use crate::attack::{Flood, others, signed, yield_to_others};
use crate::floods::{Kind, When};
use crate::options::Settings;
use crate::place::{Daemon, Place, Server};
use crate::process;

/// The games that are to be served meanwhile.
pub const VICTIMS: [&str; 3] = ["other server", "same folder", "same folder, stock"];

/// Their host names.
const HOSTS: [&str; 3] = [
    "on_the_other_server",
    "in_the_same_folder",
    "with_the_stock_client",
];

/// Victims call for so long before the flood begins.
const WARM_UP: Duration = Duration::from_secs(1);
/// Within this time a victim gets its session, or there is nothing to measure.
const CONNECT: Duration = Duration::from_secs(60);

/// What the kernel shows of processor time is in this unit.
const TICKS_PER_SECOND: f64 = 100.0;

/// What was found.
pub struct Sample {
    /// Of each victim.
    pub waits: [Waits; 3],
    /// Turns that took more than 20 ms, as the log says.
    pub slow_turns: usize,
    pub longest_turn_ms: u64,
    /// Processor time of vpid from the beginning of the flood to the end of waiting.
    pub cpu_s: f64,
    /// The most memory above that of the idle vpid.
    pub memory_mib: f64,
    /// Files in the flooded folder when it was over.
    pub files_left: usize,
    pub log_lines: usize,
    /// From the start of the process until all victims had an answer, where the flood came first.
    pub first_answer: Option<Duration>,
    pub ended: bool,
    /// How long the flood took to be written.
    pub written: Duration,
}

pub fn sample(kind: &Kind, binary: &Path, settings: &Settings) -> io::Result<Sample> {
    let place = Place::new(settings, kind.state_on_disk, kind.with_log)?;
    match kind.when {
        When::Running => while_running(kind, &place, binary, settings),
        When::BeforeStart => at_the_start(kind, &place, binary, settings),
    }
}

fn connect(kind: &Kind, place: &Place) -> io::Result<[Victim; 3]> {
    let named = |host: &str, victim: Result<Victim, String>| {
        victim.map_err(|error| io::Error::other(format!("{host}: {error}")))
    };
    let signed = |server: &Server, host: &str| {
        let call = kind.victims.call();
        named(
            host,
            Victim::signed(server.scriptdata(), host, &server.key, call, CONNECT),
        )
    };
    let [other, same, stock] = HOSTS;
    let (folder, call) = (place.flooded.scriptdata(), kind.victims.call());
    Ok([
        signed(&place.other, other)?,
        signed(&place.flooded, same)?,
        named(
            stock,
            Victim::stock(folder, stock, &place.secret, call, CONNECT),
        )?,
    ])
}

/// Plays the victims while the flood is written.
fn play(
    kind: &Kind,
    place: &Place,
    victims: [Victim; 3],
    settings: &Settings,
    warm: impl FnOnce() -> io::Result<Before>,
) -> io::Result<([Waits; 3], Before, Duration)> {
    let (stop_flood, stop_calls) = (AtomicBool::new(false), AtomicBool::new(false));
    let flood = flood(kind, place, &stop_flood);
    thread::scope(|scope| {
        let (patience, stop_calls) = (settings.patience, &stop_calls);
        let victims = victims.map(|victim| scope.spawn(move || victim.play(stop_calls, patience)));
        let before = warm();
        let writes = kind.when == When::Running && before.is_ok();
        let flood = &flood;
        let writer = scope.spawn(move || {
            yield_to_others();
            let began = Instant::now();
            // A flood that fails ends at once; the victims go on.
            let written = if writes { (kind.write)(flood) } else { Ok(()) };
            written.map(|()| began.elapsed())
        });
        if before.is_ok() {
            thread::sleep(settings.watched);
        }
        stop_flood.store(true, Ordering::Relaxed);
        let written = writer.join().expect("no flood panics");
        stop_calls.store(true, Ordering::Relaxed);
        let waits = victims.map(|victim| victim.join().expect("no victim panics"));
        Ok((waits, before?, written?))
    })
}

fn flood<'a>(kind: &Kind, place: &'a Place, stop: &'a AtomicBool) -> Flood<'a> {
    Flood {
        scriptdata: place.flooded.scriptdata(),
        secret: &place.secret,
        key: &place.flooded.key,
        victim: HOSTS[1],
        recorded: signed::recorded_of(&place.flooded.key, HOSTS[1]),
        database: place.database(),
        log: place.log,
        count: kind.count,
        stop,
    }
}

/// What vpid had used when the flood began.
struct Before {
    cpu_ticks: u64,
    rss_kib: u64,
}

/// The memory's highest so far is that of now.
fn forget_peak(pid: u32) -> io::Result<()> {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5")
}

fn look(daemon: &Daemon) -> io::Result<Before> {
    Ok(Before {
        cpu_ticks: process::cpu_ticks(daemon.pid())?,
        rss_kib: process::memory_kib(daemon.pid())?.0,
    })
}

fn while_running(
    kind: &Kind,
    place: &Place,
    binary: &Path,
    settings: &Settings,
) -> io::Result<Sample> {
    prepare(kind, place)?;
    let mut daemon = place.start(binary)?;
    let victims = connect(kind, place)?;
    let (waits, before, written) = play(kind, place, victims, settings, || {
        thread::sleep(WARM_UP);
        forget_peak(daemon.pid())?;
        look(&daemon)
    })?;
    found(place, &mut daemon, before, waits, written, None)
}

fn prepare(kind: &Kind, place: &Place) -> io::Result<()> {
    let never = AtomicBool::new(false);
    kind.prepare
        .map_or(Ok(()), |prepare| prepare(&flood(kind, place, &never)))
}

/// The idle vpid is one that was started before anything lay there.
fn at_the_start(
    kind: &Kind,
    place: &Place,
    binary: &Path,
    settings: &Settings,
) -> io::Result<Sample> {
    let daemon = place.start(binary)?;
    connect(kind, place)?;
    thread::sleep(WARM_UP);
    let rss_kib = look(&daemon)?.rss_kib;
    daemon.stop()?;
    let never = AtomicBool::new(false);
    let began = Instant::now();
    (kind.write)(&flood(kind, place, &never))?;
    let written = began.elapsed();
    let began = Instant::now();
    let mut daemon = place.launch(binary)?;
    let victims = connect(kind, place)?;
    let first_answer = Some(began.elapsed());
    let (waits, _, _) = play(kind, place, victims, settings, || {
        let cpu_ticks = 0;
        Ok(Before { cpu_ticks, rss_kib })
    })?;
    let before = Before {
        cpu_ticks: 0,
        rss_kib,
    };
    found(place, &mut daemon, before, waits, written, first_answer)
}

fn found(
    place: &Place,
    daemon: &mut Daemon,
    before: Before,
    waits: [Waits; 3],
    written: Duration,
    first_answer: Option<Duration>,
) -> io::Result<Sample> {
    let log = daemon.log();
    let turns: Vec<u64> = log.lines().filter_map(slow_turn_ms).collect();
    let ended = !daemon.is_running();
    let after = look(daemon).ok();
    let cpu = after.map_or(0, |after| after.cpu_ticks.saturating_sub(before.cpu_ticks));
    let peak = process::memory_kib(daemon.pid()).map_or(0, |(_, peak)| peak);
    let folder = place.flooded.scriptdata();
    Ok(Sample {
        waits,
        slow_turns: turns.len(),
        longest_turn_ms: turns.into_iter().max().unwrap_or(0),
        cpu_s: cpu as f64 / TICKS_PER_SECOND,
        memory_mib: peak.saturating_sub(before.rss_kib) as f64 / 1024.0,
        files_left: others::files_in(folder) + others::files_in(&folder.join("vpid")),
        log_lines: log.lines().count(),
        first_answer,
        ended,
        written,
    })
}

/// How long a turn took, from the line that says so: `... turn ... took 123 ms ...`.
fn slow_turn_ms(line: &str) -> Option<u64> {
    let (_, behind) = line.split_once("turn")?;
    let (_, behind) = behind.split_once("took ")?;
    behind.split_once(" ms")?.0.parse().ok()
}
