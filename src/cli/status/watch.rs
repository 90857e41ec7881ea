//! `vpid status --watch`: a page in the terminal, redrawn each second.
//!
//! It has a screen of its own, so what was there before is there again at the end: after a key, a signal that can be
//! caught, an error or a panic.

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};

use super::braille;
use super::text;
use crate::cli::table::{clipped, date};
use crate::io::control;
use crate::protocol::observable::{Histogram, ObservableState};

const COLUMNS: usize = 80;
/// The five minutes before, two seconds to a column of dots.
const SAMPLES: usize = 300;
const ROWS: usize = 4;
const EACH: Duration = Duration::from_secs(1);
/// Keys and signals wait while vpid is asked.
const PATIENCE: Duration = Duration::from_secs(1);

pub fn run(state_dir: &Path) -> Result<(), String> {
    let out = io::stdout();
    if !out.is_terminal() {
        return Err(
            "--watch needs a terminal; without one, `vpid status` prints the same once".into(),
        );
    }
    // Without a vpid, there is nothing to be drawn.
    let first = super::request(state_dir, control::PATIENCE).map_err(|error| error.to_string())?;
    let failed = |error: io::Error| format!("the terminal cannot be used ({error})");
    let signals = Signals::register().map_err(failed)?;
    let screen = Screen::open().map_err(failed)?;
    let mut samples = Samples::new(&first);
    let mut state: Result<ObservableState, String> = Ok(first);
    let zone = TimeZone::system();
    let mut next = Instant::now() + EACH;
    loop {
        let frame = match &state {
            Ok(state) => frame(state, &samples, &zone),
            Err(problem) => vec![
                clipped(problem, COLUMNS),
                String::new(),
                "It is looked for each second; q ends this.".to_owned(),
            ],
        };
        screen.draw(&frame).map_err(failed)?;
        if signals.wait(next, screen.keys()).map_err(failed)? {
            return Ok(());
        }
        if Instant::now() >= next {
            next = (next + EACH).max(Instant::now());
            state = super::request(state_dir, PATIENCE).map_err(|error| error.to_string());
            if let Ok(state) = &state {
                samples.add(state);
            }
        }
    }
}

/// What ends it.
struct Signals {
    wake: UnixStream,
    stop: Arc<AtomicBool>,
}

impl Signals {
    fn register() -> io::Result<Self> {
        let (wake, write) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGQUIT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&stop))?;
        }
        // A stopped program would leave its screen behind. Another size of the terminal is drawn at once.
        for signal in [SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP, SIGWINCH] {
            signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
        }
        Ok(Self { wake, stop })
    }

    /// Until then, or a signal or a key comes; whether it is the end.
    fn wait(&self, until: Instant, keys: Option<BorrowedFd<'_>>) -> io::Result<bool> {
        let left = until.saturating_duration_since(Instant::now());
        let left = Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: left.subsec_nanos().into(),
        };
        let mut fds = vec![PollFd::new(&self.wake, PollFlags::IN)];
        fds.extend(keys.map(|keys| PollFd::from_borrowed_fd(keys, PollFlags::IN)));
        match poll(&mut fds, Some(&left)) {
            Err(rustix::io::Errno::INTR) | Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let is_ready = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
        let (signalled, pressed) = (is_ready(0), is_ready(1));
        let mut bytes = [0; 64];
        if signalled {
            let _ = (&self.wake).read(&mut bytes);
        }
        let is_end = match keys.filter(|_| pressed) {
            // A terminal that has ended gives nothing for ever.
            Some(keys) => {
                let count = rustix::io::read(keys, &mut bytes)?;
                count == 0 || bytes[..count].iter().any(|key| b"qQ\x03".contains(key))
            }
            None => false,
        };
        Ok(is_end || self.stop.load(Ordering::SeqCst))
    }
}

/// The terminal while it is drawn on. Dropped, it is as it was.
struct Screen {
    /// How keys were read before; none where they come from elsewhere.
    before: Option<Termios>,
}

impl Screen {
    fn open() -> io::Result<Self> {
        let keys = io::stdin();
        let before = match keys.is_terminal() {
            true => Some(tcgetattr(&keys)?),
            false => None,
        };
        // Where a panic aborts the program, nothing is dropped.
        let (restored, report) = (before.clone(), std::panic::take_hook());
        std::panic::set_hook(Box::new(move |panic| {
            restore(restored.as_ref());
            report(panic);
        }));
        let screen = Self { before };
        if let Some(before) = &screen.before {
            let mut modes = before.clone();
            modes
                .local_modes
                .remove(LocalModes::ICANON | LocalModes::ECHO);
            tcsetattr(&keys, OptionalActions::Flush, &modes)?;
        }
        // Another screen, without a cursor; what is wider than it is cut off, as signs of two columns can be.
        show("\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J")?;
        Ok(screen)
    }

    /// Where keys are read; none where standard input is no terminal.
    fn keys(&self) -> Option<BorrowedFd<'static>> {
        self.before.as_ref()?;
        Some(rustix::stdio::stdin())
    }

    /// As much of the lines as there is room for.
    fn draw(&self, lines: &[String]) -> io::Result<()> {
        let size = tcgetwinsize(io::stdout().as_fd());
        let size = size.map(|size| (usize::from(size.ws_row), usize::from(size.ws_col)));
        // A terminal that does not know its size has none.
        let (rows, columns) = size
            .ok()
            .filter(|size| *size != (0, 0))
            .unwrap_or((24, COLUMNS));
        let lines = lines.iter().take(rows.max(1));
        let lines: Vec<String> = lines
            .map(|line| clipped(line, columns.clamp(2, COLUMNS)))
            .collect();
        let text = lines.join("\x1b[K\r\n");
        show(&format!("\x1b[H{text}\x1b[K\x1b[J"))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore(self.before.as_ref());
    }
}

fn restore(before: Option<&Termios>) {
    let _ = show("\x1b[?7h\x1b[?25h\x1b[?1049l");
    if let Some(before) = before {
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, before);
    }
}

fn show(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// What a second was like.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Sample {
    per_second: Option<f64>,
    p99_ms: Option<f64>,
    players: Option<f64>,
}

/// The last minutes: at first as vpid remembers them, then by the second.
struct Samples {
    all: VecDeque<Sample>,
    before: (i64, u64, u64, Histogram),
}

impl Samples {
    fn new(state: &ObservableState) -> Self {
        let mut all = VecDeque::new();
        for minute in &state.history.minutes {
            let sample = Sample {
                per_second: Some(minute.calls as f64 / 60.0),
                p99_ms: minute.p99_ms.map(|ms| ms as f64),
                players: Some(minute.players as f64),
            };
            for _ in 0..60 {
                push(&mut all, sample);
            }
        }
        // The minute that is not over.
        let seconds = (state.at_s - state.history.end_s).clamp(0, 60);
        let present = Sample {
            per_second: Some(state.calls.per_second),
            p99_ms: state.calls.p99_ms.map(|ms| ms as f64),
            players: Some(state.players() as f64),
        };
        for _ in 0..seconds {
            push(&mut all, present);
        }
        Self {
            all,
            before: counted(state),
        }
    }

    fn add(&mut self, state: &ObservableState) {
        let (started_s, at_ms, calls, latency) = self.before;
        self.before = counted(state);
        // Another vpid counts from 0.
        if started_s != state.started_s {
            return;
        }
        let seconds = (self.before.1.saturating_sub(at_ms)) as f64 / 1_000.0;
        let lately = self.before.3.since(&latency);
        let sample = Sample {
            per_second: (seconds > 0.0)
                .then(|| self.before.2.saturating_sub(calls) as f64 / seconds),
            p99_ms: lately.quantile_ms(0.99).map(|ms| ms as f64),
            players: Some(state.players() as f64),
        };
        push(&mut self.all, sample);
    }

    /// Two seconds to a value, the last at the right.
    fn values(&self, of: impl Fn(&Sample) -> Option<f64>) -> Vec<Option<f64>> {
        let missing = SAMPLES - self.all.len();
        let samples: Vec<Option<f64>> = std::iter::repeat_n(None, missing)
            .chain(self.all.iter().map(of))
            .collect();
        let most = |pair: &[Option<f64>]| pair.iter().flatten().copied().reduce(f64::max);
        samples.chunks(2).map(most).collect()
    }
}

fn push(all: &mut VecDeque<Sample>, sample: Sample) {
    all.push_back(sample);
    if all.len() > SAMPLES {
        all.pop_front();
    }
}

/// Since when it is counted, when this was, and how much.
fn counted(state: &ObservableState) -> (i64, u64, u64, Histogram) {
    let calls = &state.calls;
    (
        state.started_s,
        state.uptime_ms,
        calls.of_games.total(),
        calls.latency,
    )
}

/// The lines of the page.
fn frame(state: &ObservableState, samples: &Samples, zone: &TimeZone) -> Vec<String> {
    let mut lines = vec![
        format!(
            "vpid {}, up {} · {} · q quits",
            state.version,
            crate::cli::table::span(state.at_s - state.started_s),
            date(state.at_s, zone)
        ),
        String::new(),
    ];
    let calls = &state.calls;
    let rate = format!("{:.1}, {} running", calls.per_second, calls.running);
    let plots = [
        ("calls per second", rate, samples.values(|it| it.per_second)),
        (
            "99 % of calls within, ms",
            calls.p99_ms.map_or("-".into(), |ms| ms.to_string()),
            samples.values(|it| it.p99_ms),
        ),
        (
            "players",
            state.players().to_string(),
            samples.values(|it| it.players),
        ),
    ];
    for (title, value, values) in plots {
        let most = values.iter().flatten().fold(0.0_f64, |a, b| a.max(*b));
        let top = most.max(1.0);
        lines.push(format!("{title}: {value}"));
        for (row, dots) in braille::plot(&values, top, ROWS).into_iter().enumerate() {
            let scale = match row {
                0 => short(top),
                _ if row + 1 == ROWS => "0".to_owned(),
                _ => String::new(),
            };
            lines.push(format!("{scale:>4} {dots}").trim_end().to_owned());
        }
    }
    lines.push(String::new());
    lines.extend(text::servers(state).lines().map(str::to_owned));
    lines.push(String::new());
    if let Some(community) = &state.community {
        lines.push(format!(
            "queue: {} to be sent, {} refused",
            community.open(),
            community.dead()
        ));
    }
    let problems = text::problems(state, 3, zone);
    lines.extend(problems.lines().map(str::to_owned));
    let lines = lines.into_iter();
    lines.map(|line| clipped(&line, COLUMNS)).collect()
}

/// In four columns.
fn short(number: f64) -> String {
    match number {
        n if n >= 1e6 => format!("{:.0}M", n / 1e6),
        n if n >= 1e4 => format!("{:.0}k", n / 1e3),
        n if n >= 10.0 || n == n.round() => format!("{n:.0}"),
        n => format!("{n:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::observable::Minute;

    fn state() -> ObservableState {
        let mut state = ObservableState {
            at_s: 10_030,
            started_s: 5_000,
            ..ObservableState::default()
        };
        state.history.end_s = 10_000;
        state.history.minutes = vec![
            Minute {
                calls: 60,
                players: 7,
                ..Minute::default()
            };
            6
        ];
        state.calls.per_second = 2.0;
        state
    }

    /// The hook is one of the whole process, so that this is a process of its own.
    #[test]
    fn a_panic_gives_the_terminal_back_before_it_says_why() {
        const PANICS: &str = "VPID_TEST_WATCH_PANICS";
        if std::env::var_os(PANICS).is_some() {
            let screen = Screen::open().unwrap();
            std::mem::forget(screen);
            panic!("as it was told");
        }
        let mut again = std::process::Command::new("sh");
        let name = std::thread::current().name().map(str::to_owned).unwrap();
        again.args(["-c", "exec \"$@\" 2>&1", "sh"]);
        again.arg(std::env::current_exe().unwrap());
        again.args(["--exact", &name, "--nocapture"]);
        again.env(PANICS, "1").stdin(std::process::Stdio::null());
        let output = again.output().unwrap();
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stdout);
        let (drawn, rest) = said.split_once("\x1b[?1049h").expect("another screen");
        assert!(!drawn.contains("as it was told"), "{said:?}");
        let (before, after) = rest.split_once("\x1b[?1049l").expect("the old one");
        assert!(!before.contains("as it was told"), "{said:?}");
        assert!(after.contains("as it was told"), "{said:?}");
    }

    #[test]
    fn the_plot_begins_with_what_vpid_remembers_and_goes_on_by_the_second() {
        let mut state = state();
        let mut samples = Samples::new(&state);
        assert_eq!(samples.all.len(), SAMPLES);
        let values = samples.values(|it| it.per_second);
        assert_eq!(values.len(), SAMPLES / 2);
        assert_eq!((values[0], values[149]), (Some(1.0), Some(2.0)));
        state.uptime_ms += 1_000;
        state.calls.of_games.ok += 50;
        state.calls.latency.add(3);
        samples.add(&state);
        assert_eq!(samples.values(|it| it.per_second)[149], Some(50.0));
        assert_eq!(samples.values(|it| it.p99_ms)[149], Some(5.0));
        // Another vpid has counted nothing of it.
        let mut fresh = state.clone();
        fresh.started_s += 100;
        fresh.calls.of_games.ok = 0;
        samples.add(&fresh);
        assert_eq!(samples.values(|it| it.per_second)[149], Some(50.0));
    }

    #[test]
    fn the_frame_fits_80_columns() {
        let mut state = state();
        state.servers.push(Default::default());
        state.servers[0].name = "x".repeat(90);
        let samples = Samples::new(&state);
        let frame = frame(&state, &samples, &TimeZone::UTC);
        for line in &frame {
            assert!(line.chars().count() <= COLUMNS, "{line:?}");
        }
        assert!(
            frame
                .iter()
                .any(|line| line.starts_with("calls per second: 2.0"))
        );
        assert_eq!(
            [1.0, 1.5, 250.0, 12_000.0, 3e6].map(short),
            ["1", "1.5", "250", "12k", "3M"]
        );
    }
}
