//! `vpid run --exec`: one start command for vpid and the game, as panels want it.
//!
//! This process does little, so that little can go wrong with it: it starts the daemon (vpid once more) and, as soon as
//! that serves, the game; it passes the console's lines on to the game and signals on to both, starts what has ended
//! again, and ends with the game's exit code. A daemon that crashes is started again, and the game does not notice.
//!
//! The game has the outputs of this process as its own: nothing of what it writes passes through here, so that it is
//! buffered as it was, and no end of vpid, not even of this process, closes a pipe that the game writes into.
//!
//! One thread, one loop, which sleeps until a child, a signal or the console has something. The daemon reports that it
//! serves by its standard input, a socket pair (`io/notify.rs`), and ends when this process does.

mod children;
mod plan;

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};

use crate::io::notify::Notifier;
use crate::limits::{SERVES_WITHIN_MS, SUPERVISED_STOP_MS};
use children::{Daemon, Game};
pub use plan::Restart;
use plan::{Backoff, Lines, Waiting, is_quit};

/// The exit code for a game that could not be started, as shells have it.
const NOT_STARTED: u8 = 127;

/// Exit codes of a daemon that another start would give again: a wrong command line, a wrong configuration.
const HOPELESS: [u8; 2] = [2, 3];

/// What is started, and how.
pub struct Settings {
    /// The game: a program and its arguments.
    pub game: Vec<OsString>,
    pub restart: Restart,
    /// This program, for the daemon, and what stands behind `vpid run` for it.
    pub program: PathBuf,
    pub daemon: Vec<OsString>,
}

/// Why nothing is supervised.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    #[error("signals cannot be received ({0})")]
    Signals(io::Error),
    #[error("vpid cannot be started ({0})")]
    Daemon(io::Error),
    #[error("waiting for events failed ({0})")]
    Wait(io::Error),
}

/// Starts the daemon and the game, and returns the game's exit code: that of the process, or 128 and the number of the
/// signal that ended it. If the daemon refuses its command line or configuration before
/// it has served, its exit code. `manager` gets the daemon's reports.
pub fn run(settings: Settings, manager: Notifier) -> Result<u8, SuperviseError> {
    let signals = Signals::register().map_err(SuperviseError::Signals)?;
    let daemon = Daemon::start(&settings).map_err(SuperviseError::Daemon)?;
    let mut supervisor = Supervisor {
        daemon: Part::Running(daemon, Instant::now()),
        game: Part::None,
        settings,
        signals,
        manager,
        has_served: false,
        console: Console::default(),
        said: Waiting::default(),
        daemon_backoff: Backoff::default(),
        game_backoff: Backoff::default(),
        begun: Instant::now(),
        result: None,
        is_stopping: false,
        last_code: 0,
        next_feed: None,
    };
    supervisor.serve()
}

/// A process that is kept running.
enum Part<P> {
    /// It was not started yet, or is not started again.
    None,
    Running(P, Instant),
    /// It is started then.
    Pause(Instant),
}

/// What is typed at the console.
#[derive(Default)]
struct Console {
    lines: Lines,
    /// It has no more to read.
    is_over: bool,
    /// For the game.
    waiting: Waiting,
    /// The game was ended by a command.
    has_quit: bool,
}

struct Supervisor {
    settings: Settings,
    signals: Signals,
    manager: Notifier,
    daemon: Part<Daemon>,
    game: Part<Game>,
    /// The daemon has served, so the game may run.
    has_served: bool,
    console: Console,
    /// Lines for standard error.
    said: Waiting,
    daemon_backoff: Backoff,
    game_backoff: Backoff,
    begun: Instant,
    /// The exit code, and until when the daemon may take to end.
    result: Option<(u8, Instant)>,
    is_stopping: bool,
    /// Of the last game; 0 before there was one.
    last_code: u8,
    next_feed: Option<Instant>,
}

struct Signals {
    wake: UnixStream,
    flags: Vec<(i32, Arc<AtomicBool>)>,
}

impl Signals {
    fn register() -> io::Result<Self> {
        let (wake, write) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let mut flags = Vec::new();
        for signal in [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD] {
            let flag = Arc::new(AtomicBool::new(false));
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
            signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
            flags.push((signal, flag));
        }
        Ok(Self { wake, flags })
    }

    fn take(&self) -> Vec<i32> {
        while rustix::io::read(&self.wake, &mut [0; 64]).is_ok_and(|count| count > 0) {}
        let raised = self.flags.iter();
        let raised = raised.filter(|(_, flag)| flag.swap(false, Ordering::SeqCst));
        raised.map(|(signal, _)| *signal).collect()
    }
}

/// What a descriptor is ready for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Signals,
    Console,
    ToGame,
    DaemonLog,
    DaemonReport,
    StandardError,
}

impl Supervisor {
    fn serve(&mut self) -> Result<u8, SuperviseError> {
        loop {
            let ready = self.wait()?;
            if ready.contains(&Source::Console) {
                self.read_console();
            }
            if ready.contains(&Source::DaemonLog) {
                self.read_log();
            }
            if ready.contains(&Source::DaemonReport) {
                self.read_reports();
            }
            for signal in self.signals.take() {
                self.on_signal(signal);
            }
            self.look_at_daemon();
            self.look_at_game();
            self.start_what_is_due();
            self.feed_manager();
            self.write(&ready);
            if let Some(code) = self.is_over() {
                self.write_the_rest();
                return Ok(code);
            }
        }
    }

    fn wait(&mut self) -> Result<Vec<Source>, SuperviseError> {
        let stdin = io::stdin();
        let stderr = io::stderr();
        let mut fds: Vec<(Source, BorrowedFd<'_>, PollFlags)> =
            vec![(Source::Signals, self.signals.wake.as_fd(), PollFlags::IN)];
        if !self.console.is_over {
            fds.push((Source::Console, stdin.as_fd(), PollFlags::IN));
        }
        if let Part::Running(daemon, _) = &self.daemon {
            if let Some(log) = &daemon.log {
                fds.push((Source::DaemonLog, log.as_fd(), PollFlags::IN));
            }
            fds.push((Source::DaemonReport, daemon.reports.as_fd(), PollFlags::IN));
        }
        if let Part::Running(game, _) = &self.game
            && let Some(input) = game.input.as_ref()
            && !self.console.waiting.is_empty()
        {
            fds.push((Source::ToGame, input.as_fd(), PollFlags::OUT));
        }
        if !self.said.is_empty() {
            fds.push((Source::StandardError, stderr.as_fd(), PollFlags::OUT));
        }
        let mut polled: Vec<PollFd<'_>> = fds
            .iter()
            .map(|(_, fd, flags)| PollFd::from_borrowed_fd(*fd, *flags))
            .collect();
        let timeout = self.next_due().map(|due| {
            let left = due.saturating_duration_since(Instant::now());
            Timespec {
                tv_sec: left.as_secs() as i64,
                // Rounded down, the last moment would be spent looking at the clock.
                tv_nsec: i64::from(left.subsec_millis() + 1) * 1_000_000 - 1,
            }
        });
        match poll(&mut polled, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(SuperviseError::Wait(error.into())),
        }
        let ready = polled.iter().map(|fd| !fd.revents().is_empty());
        let ready = ready.zip(&fds).filter(|(ready, _)| *ready);
        Ok(ready.map(|(_, (source, ..))| *source).collect())
    }

    fn next_due(&self) -> Option<Instant> {
        let mut due: Vec<Instant> = self.next_feed.into_iter().collect();
        if let Part::Pause(at) = self.daemon {
            due.push(at);
        }
        match self.game {
            Part::Pause(at) => due.push(at),
            Part::None if self.result.is_none() => due.push(self.patience()),
            _ => {}
        }
        due.extend(self.result.map(|(_, end)| end));
        due.into_iter().min()
    }

    /// Until when the game waits for the daemon at the start.
    fn patience(&self) -> Instant {
        self.begun + Duration::from_millis(SERVES_WITHIN_MS)
    }

    /// A line of vpid's own on standard error.
    fn say(&mut self, text: &str) {
        self.said.push(format!("[vpid] {text}\n").as_bytes());
    }

    fn read_console(&mut self) {
        let mut buffer = [0; 4096];
        let count = match rustix::io::read(io::stdin(), &mut buffer) {
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => return,
            Err(_) => 0,
            Ok(count) => count,
        };
        // The end of what is typed ends nothing: panels start programs without a console, too.
        self.console.is_over = count == 0;
        let mut lines: Vec<Vec<u8>> = Vec::new();
        let console = &mut self.console.lines;
        console.add(&buffer[..count], |line| lines.push(line.to_vec()));
        if count == 0 {
            lines.push(console.rest());
        }
        for line in lines.into_iter().filter(|line| !line.is_empty()) {
            self.on_line(&line);
        }
    }

    fn on_line(&mut self, line: &[u8]) {
        let runs = matches!(self.game, Part::Running(..));
        match (runs, is_quit(line)) {
            (true, quits) => {
                self.console.has_quit |= quits;
                if !self.console.waiting.push(line) {
                    self.say("the game does not read its console: a line was dropped");
                }
            }
            (false, true) => self.stop(),
            (false, false) => self.say("the game does not run: a line was dropped"),
        }
    }

    fn read_log(&mut self) {
        let Part::Running(daemon, _) = &mut self.daemon else {
            return;
        };
        for line in daemon.read_log() {
            self.said.push(&[b"[vpid] ", &line[..]].concat());
        }
    }

    fn read_reports(&mut self) {
        let Part::Running(daemon, _) = &mut self.daemon else {
            return;
        };
        for report in daemon.read_reports() {
            self.has_served |= report.starts_with("READY=1");
            // The end of the daemon is not that of the service.
            if !report.starts_with("STOPPING=1") {
                self.manager.forward(report);
            }
        }
    }

    fn on_signal(&mut self, signal: i32) {
        let to_game = |game: &Part<Game>, signal| {
            if let Part::Running(game, _) = game {
                game.signal(signal);
            }
        };
        match signal {
            SIGTERM | SIGINT => {
                let passed_on = if signal == SIGTERM {
                    Signal::TERM
                } else {
                    Signal::INT
                };
                to_game(&self.game, passed_on);
                self.stop();
            }
            SIGHUP => {
                if let Part::Running(daemon, _) = &self.daemon {
                    daemon.signal(Signal::HUP);
                }
            }
            SIGUSR1 => to_game(&self.game, Signal::USR1),
            SIGUSR2 => to_game(&self.game, Signal::USR2),
            _ => {}
        }
    }

    /// No more starts: what runs may end, the game first.
    fn stop(&mut self) {
        if !self.is_stopping {
            self.is_stopping = true;
            self.manager.stopping("stopping");
        }
        if !matches!(self.game, Part::Running(..)) {
            self.finish(self.last_code);
        }
    }

    /// The game is over: the daemon ends, too.
    fn finish(&mut self, code: u8) {
        if self.result.is_none() {
            let end = Instant::now() + Duration::from_millis(SUPERVISED_STOP_MS);
            self.result = Some((code, end));
        }
        self.game = Part::None;
        match &self.daemon {
            Part::Running(daemon, _) => daemon.signal(Signal::TERM),
            Part::None | Part::Pause(_) => self.daemon = Part::None,
        }
    }

    fn look_at_daemon(&mut self) {
        let Part::Running(daemon, since) = &mut self.daemon else {
            return;
        };
        let (Some(end), ran) = (daemon.ended(), since.elapsed()) else {
            return;
        };
        self.read_reports();
        self.read_log();
        self.daemon = Part::None;
        if self.result.is_some() || self.is_stopping {
            return;
        }
        let waits = !self.has_served && matches!(self.game, Part::None);
        if waits && HOPELESS.contains(&end.code()) {
            self.say(&format!(
                "vpid ended {end} before it served: the game was not started"
            ));
            return self.finish(end.code());
        }
        let pause = self.daemon_backoff.next(ran);
        self.daemon = Part::Pause(Instant::now() + pause);
        let seconds = pause.as_secs();
        self.say(&match waits {
            true => format!(
                "vpid ended {end} before it served, and starts again in {seconds} s; the game starts \
                 when vpid serves, or {} s after the beginning without it",
                SERVES_WITHIN_MS / 1000
            ),
            false => {
                format!("vpid ended {end}; the game goes on, and vpid starts again in {seconds} s")
            }
        });
    }

    fn look_at_game(&mut self) {
        let Part::Running(game, since) = &mut self.game else {
            return;
        };
        if let (Some(end), ran) = (game.ended(), since.elapsed()) {
            self.game_ended(&format!("the game ended {end}"), end.code(), ran);
        }
    }

    /// Starts it again or ends, as the policy says.
    fn game_ended(&mut self, what: &str, code: u8, ran: Duration) {
        self.last_code = code;
        self.console.waiting.clear();
        let wanted = self.is_stopping || self.console.has_quit;
        if wanted || !self.settings.restart.again(code) {
            self.say(what);
            return self.finish(code);
        }
        let pause = self.game_backoff.next(ran);
        self.game = Part::Pause(Instant::now() + pause);
        self.say(&format!("{what}; it starts again in {} s", pause.as_secs()));
    }

    fn start_what_is_due(&mut self) {
        if self.is_stopping || self.result.is_some() {
            return;
        }
        let now = Instant::now();
        if matches!(self.daemon, Part::Pause(at) if at <= now) {
            self.daemon = match Daemon::start(&self.settings) {
                Ok(daemon) => Part::Running(daemon, now),
                Err(error) => {
                    self.say(&format!("vpid cannot be started ({error}); trying again"));
                    Part::Pause(now + self.daemon_backoff.next(Duration::ZERO))
                }
            };
        }
        let is_due = match self.game {
            Part::Running(..) => false,
            Part::Pause(at) => at <= now,
            Part::None => self.has_served || self.patience() <= now,
        };
        if !is_due {
            return;
        }
        if !self.has_served {
            self.say("vpid does not serve yet: the game starts without it");
        }
        match Game::start(&self.settings) {
            Ok(game) => self.game = Part::Running(game, now),
            Err(error) => {
                let program = self.settings.game.first().cloned().unwrap_or_default();
                let what = format!(
                    "{} cannot be started ({error}); correct the program behind --",
                    program.display()
                );
                self.game_ended(&what, NOT_STARTED, Duration::ZERO);
            }
        }
    }

    fn feed_manager(&mut self) {
        let now = Instant::now();
        if let Some(every) = self.manager.feed_every()
            && self.next_feed.is_none_or(|at| at <= now)
        {
            self.manager.feed();
            self.next_feed = Some(now + every);
        }
    }

    fn write(&mut self, ready: &[Source]) {
        if ready.contains(&Source::ToGame)
            && let Part::Running(game, _) = &mut self.game
        {
            game.write(&mut self.console.waiting);
        }
        if ready.contains(&Source::StandardError) {
            self.write_said();
        }
    }

    fn write_said(&mut self) {
        match rustix::io::write(io::stderr(), self.said.next()) {
            Ok(count) => self.said.written(count),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            // No one reads it any more.
            Err(_) => self.said.clear(),
        }
        match self.said.take_dropped() {
            0 => {}
            count => self.say(&format!(
                "{count} lines of vpid were dropped: the console took none"
            )),
        }
    }

    /// Before the end, as far as the console takes it.
    fn write_the_rest(&mut self) {
        let stderr = io::stderr();
        while !self.said.is_empty() {
            let mut fds = [PollFd::new(&stderr, PollFlags::OUT)];
            let second = Timespec {
                tv_sec: 1,
                tv_nsec: 0,
            };
            if !matches!(poll(&mut fds, Some(&second)), Ok(1..)) {
                return;
            }
            self.write_said();
        }
    }

    /// The exit code, once all has ended or the daemon has had its time.
    fn is_over(&mut self) -> Option<u8> {
        let (code, end) = self.result?;
        match &self.daemon {
            Part::Running(daemon, _) if end <= Instant::now() => {
                daemon.signal(Signal::KILL);
                Some(code)
            }
            Part::Running(..) => None,
            Part::None | Part::Pause(_) => Some(code),
        }
    }
}
