//! The shell: descriptors, clock, threads. One turn is events, core, effects.

mod about;
mod control;
mod effects;
mod folders;
mod observe;
pub mod poller;
mod reload;
pub mod ring;
mod scan;
mod scripts;
mod services;
mod shares;
mod signed;
mod spent;
mod take;
mod trace;
mod turn;
mod waiting;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::config::{Config, Problem, Watch};
use crate::core::{Core, Earlier, Event, FileId, FolderId, HostId, Now, RunId, Timer};
use crate::io::begun::Begun;
use crate::io::control::Listener;
use crate::io::geoip::GeoipError;
use crate::io::http;
use crate::io::instance;
use crate::io::lock::{Lock, LockError};
use crate::io::memory;
use crate::io::notify::Notifier;
use crate::io::private;
use crate::io::random;
use crate::io::rejected::Rejected;
use crate::io::remembered::RememberedLog;
use crate::io::sessions::SessionLog;
use crate::io::sql::tries::Tries;
use crate::io::sql::{Report, Run, Workers};
use crate::io::state_version::{self, VersionError};
use crate::jobs::remembered::Remembered;
use crate::jobs::{IdMap, Job};
use crate::limits;
use crate::protocol::signed::FOLDER;

use crate::core::deadlines::Expiring;
use control::Control;
use effects::Inputs;
use folders::{FolderHeld, Watched, place_of};
use observe::Observer;
use poller::Poller;
use reload::{Reason, Reloading};
use ring::Recorder;
use scripts::Scripts;
use services::Services;
use spent::Spent;
use take::Queues;
use waiting::Protocol;

/// What the loop itself waits for, besides the core's timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Due {
    Core(Timer),
    /// Look at every folder and every unsettled input file.
    Sweep,
    /// Look at folders that are polled.
    Poll,
    /// An edited configuration file may have come to rest.
    Edit,
    /// Look at scripts of whose end nothing tells.
    Look,
    /// The time of a file without its closing NUL may be over.
    Unfinished,
    /// An input file of an earlier run may have become old enough.
    Input(HostId),
    /// What is written of the state may be old.
    State,
    /// The service manager expects a sign of life.
    Watchdog,
    /// There may be room for a connection to the control socket again.
    Accept,
    /// After SIGTERM: no more patience.
    Stop,
}

/// A call file that this run holds.
struct OpenFile {
    folder: FolderId,
    protocol: Protocol,
    /// Its present name in the folder.
    name: String,
}

pub struct Daemon {
    config: Arc<Config>,
    started: Instant,
    core: Core,
    poller: Poller,
    wheel: Expiring<Due, ()>,
    events: VecDeque<Event>,
    spent: Spent,
    recorder: Recorder,
    folders: Vec<Watched>,
    /// Of all scriptdata folders that this run has served.
    numbers: HashMap<PathBuf, FolderId>,
    queues: Queues,
    open_files: IdMap<FileId, OpenFile>,
    /// The ids that this run has given.
    first_file: FileId,
    last_file: FileId,
    inputs: Inputs,
    random: Box<dyn FnMut() -> u8>,
    /// Hosts whose input files a sweep has still to look at.
    unsettled: Vec<HostId>,
    /// Something could not be handled in this turn.
    is_left_over: bool,
    /// The script that was read last.
    last_run: RunId,
    remembered_log: RememberedLog,
    sessions: SessionLog,
    reloading: Reloading,
    notifier: Notifier,
    rejected: Rejected,
    control: Control,
    observer: Observer,
    services: Services,
    scripts: Scripts,
    /// By the numbers of their databases.
    lanes: Vec<Workers>,
    lane_reports: mpsc::Receiver<Report>,
    /// Gathered in a turn and handed over together.
    jobs: Vec<Job>,
    remember: Vec<Remembered>,
    stopping: bool,
    /// When the process must have ended, once it is stopping.
    end: Option<Instant>,
    _lock: Lock,
}

/// Looks up variables of the environment, and what lies over them.
pub type Environment = Box<dyn Fn(&str) -> Option<String>>;

/// Why it does not serve.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("{} problems in its SQL", .0.len())]
    Configuration(Vec<Problem>),
    #[error("{0}: the state folder cannot be made ({1}); correct `state_dir` (VPID_STATE_DIR)")]
    NoState(PathBuf, io::Error),
    /// It, or what it would lie in.
    #[error("state: {0} is not a folder; remove it, or correct `state_dir` (VPID_STATE_DIR)")]
    NotAFolder(PathBuf),
    #[error(
        "{0} is a folder that others need, and vpid would close it to them; name one for vpid alone: `state_dir` \
         (VPID_STATE_DIR)"
    )]
    OfAll(PathBuf),
    /// Something in it cannot be read or written.
    #[error(
        "{0}: the state folder cannot be used ({1}); see to its owner and permissions, and to room on its disk"
    )]
    State(PathBuf, io::Error),
    #[error(
        "{0}: another vpid (process {1}) holds this state folder; stop it, or give this one its own \
         state_dir"
    )]
    HeldBy(PathBuf, u32),
    #[error(
        "{0}: another process holds this state folder; stop it, or give this vpid its own state_dir"
    )]
    Held(PathBuf),
    #[error("{0}: the state folder cannot be locked ({1}); check its owner and permissions")]
    NoLock(PathBuf, io::Error),
    #[error(transparent)]
    Version(#[from] VersionError),
    #[error(transparent)]
    HeldFolder(FolderHeld),
    #[error("the system gives no descriptors to wait on ({0})")]
    NoDescriptors(io::Error),
    #[error(
        "log_listen = \"{0}\" cannot be opened ({1}); {remedy}",
        remedy = remedy_for_log(.1)
    )]
    Log(SocketAddr, io::Error),
    #[error(transparent)]
    Http(http::SetupError),
    #[error(transparent)]
    Geoip(GeoipError),
    #[error("waiting for events failed ({0})")]
    Wait(io::Error),
}

fn remedy_for_log(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrNotAvailable => {
            "it must be an address of the machine on which vpid runs"
        }
        io::ErrorKind::PermissionDenied => "choose a port above 1023, here and in logaddress_add",
        _ => "choose another port, here and in logaddress_add",
    }
}

/// Serves until SIGTERM or SIGINT. `config_path` is read again on SIGHUP, and when it was edited,
/// with what `environment` says laid over it. `notifier` gets reports of all that.
pub fn run(
    config: Config,
    config_path: Option<PathBuf>,
    environment: Environment,
    notifier: Notifier,
) -> Result<(), RunError> {
    let reloading = Reloading::new(config_path, environment, &config);
    let mut daemon = Daemon::start(config, reloading)?;
    daemon.notifier = notifier;
    let state_dir = daemon.config.state_dir.clone();
    daemon.recorder.write_on_panic(state_dir);
    daemon.prepare_at_start()?;
    daemon.begin_scripts();
    log::info!(
        "vpid {} serves {}",
        env!("CARGO_PKG_VERSION"),
        daemon.describe()
    );
    daemon.feed_watchdog();
    daemon.report_ready();
    memory::unmap_used_code();
    loop {
        let wake = daemon.wait()?;
        if wake.stop {
            daemon.stop();
        }
        if wake.reload {
            daemon.reload(Reason::Asked);
        }
        daemon.turn(wake);
        if daemon.stopping && daemon.is_done() {
            daemon.finish();
            return Ok(());
        }
    }
}

impl Daemon {
    fn start(config: Config, reloading: Reloading) -> Result<Self, RunError> {
        let lock = state_folder(&config.state_dir)?;
        let unusable = |error| RunError::State(config.state_dir.clone(), error);
        let (remembered_log, remembered) =
            RememberedLog::open(&config.state_dir).map_err(unusable)?;
        let (sessions, known) = SessionLog::open(&config.state_dir).map_err(unusable)?;
        let (begun, begun_calls) =
            Begun::open(&config.state_dir, config.scripts.is_some()).map_err(unusable)?;
        let (tries, tried) = Tries::open(&config.state_dir).map_err(unusable)?;
        let rejected = Rejected::open(&config.state_dir).map_err(unusable)?;
        let poller = Poller::new(config.watch != Watch::Poll).map_err(RunError::NoDescriptors)?;
        let started = Instant::now();
        let (reports, lane_reports) = mpsc::channel();
        let run = Run {
            clock_start: started,
            instance: instance::of(&config.state_dir).map_err(unusable)?,
            tries: Arc::new(tries),
        };
        let lanes = start_databases(&config, &run, &reports, &poller);
        let (services, found) = Services::start(&config, run.instance, &poller)?;
        let mut daemon = Self {
            core: Core::new(&config, &[]),
            started,
            poller,
            wheel: Expiring::default(),
            events: VecDeque::new(),
            spent: Spent::default(),
            recorder: Recorder::default(),
            folders: Vec::new(),
            numbers: HashMap::new(),
            queues: Queues::default(),
            open_files: IdMap::default(),
            first_file: FileId(take::wall_us()),
            last_file: FileId::default(),
            inputs: Inputs::default(),
            random: Box::new(random::bytes()),
            unsettled: Vec::new(),
            is_left_over: false,
            last_run: RunId::default(),
            remembered_log,
            sessions,
            reloading,
            notifier: Notifier::default(),
            rejected,
            control: control(&config),
            observer: Observer::default(),
            services,
            scripts: Scripts::new(begun, begun_calls),
            lanes,
            lane_reports,
            jobs: Vec::new(),
            remember: Vec::new(),
            stopping: false,
            end: None,
            _lock: lock,
            config: Arc::new(config),
        };
        daemon.decide(Event::Restore(Box::new(Earlier {
            remembered,
            sessions: known,
            tries: tried,
        })));
        daemon.open_folders().map_err(RunError::HeldFolder)?;
        daemon.begin_services(found);
        daemon.report_warnings();
        daemon.wheel.insert(Due::Sweep, (), limits::SWEEP_MS);
        daemon.set_poll_timer();
        Ok(daemon)
    }

    fn report_warnings(&self) {
        for warning in &self.config.warnings {
            log::warn!("{warning}");
        }
    }

    fn now(&self) -> Now {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        Now {
            mono_ms: self.started.elapsed().as_millis() as u64,
            wall_s: wall.as_secs() as i64,
        }
    }

    /// Gives each scriptdata folder of the configuration its number, opens what is new and closes
    /// what is gone. A folder whose servers serve one protocol only is not looked at for the other.
    fn open_folders(&mut self) -> Result<(), FolderHeld> {
        let mut numbers = Vec::new();
        let mut wanted: Vec<(FolderId, Protocol, PathBuf)> = Vec::new();
        for server in &self.config.servers {
            let next = FolderId(self.numbers.len() as u32);
            let known = self.numbers.entry(server.scriptdata.clone());
            let number = *known.or_insert(next);
            numbers.push(number);
            let stock = server.legacy.is_some();
            let stock = stock.then(|| (number, Protocol::Stock, server.scriptdata.clone()));
            let signed = server.key.is_some();
            let signed = signed.then(|| (number, Protocol::Signed, server.scriptdata.join(FOLDER)));
            for folder in stock.into_iter().chain(signed) {
                if !wanted.contains(&folder) {
                    wanted.push(folder);
                }
            }
        }
        self.folders.retain_mut(|folder| {
            let stays = wanted
                .iter()
                .any(|(of, protocol, _)| (*of, *protocol) == (folder.of, folder.protocol));
            if !stays {
                folder.close(&self.poller, self.queues.waiting.get_mut(&folder.of));
            }
            stays
        });
        for (of, protocol, path) in wanted {
            if place_of(&self.folders, of, protocol).is_none() {
                let mut folder = Watched::new(of, protocol, &path);
                folder.open(&self.poller, self.config.watch)?;
                self.folders.push(folder);
            }
        }
        self.decide(Event::configuration(Arc::clone(&self.config), &numbers));
        Ok(())
    }

    fn set_poll_timer(&mut self) {
        if self.folders.iter().any(Watched::is_polled) {
            self.wheel
                .insert(Due::Poll, (), self.now().mono_ms + self.config.poll_ms);
        } else {
            self.wheel.remove(Due::Poll);
        }
    }

    fn describe(&self) -> String {
        let mut folders: Vec<String> = Vec::new();
        for server in &self.config.servers {
            let folder = server.scriptdata.display().to_string();
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        folders.join(", ")
    }

    /// Gives the service manager its sign of life, and again before it misses one.
    fn feed_watchdog(&mut self) {
        if let Some(every) = self.notifier.feed_every() {
            self.notifier.feed();
            let at_ms = self.now().mono_ms + every.as_millis().max(1) as u64;
            self.wheel.insert(Due::Watchdog, (), at_ms);
        }
    }

    fn report_ready(&mut self) {
        let status = format!("serves {}", self.describe());
        self.notifier.ready(&status);
    }

    /// SIGTERM: no new file is taken, what runs may finish.
    fn stop(&mut self) {
        if !self.stopping {
            log::info!("stopping: {} calls are under way", self.core.running());
            let status = format!("stopping: {} calls are under way", self.core.running());
            self.notifier.stopping(&status);
            self.stopping = true;
            self.write_last_state();
            self.end = Instant::now().checked_add(Duration::from_millis(limits::STOP_END_MS));
            self.wheel
                .insert(Due::Stop, (), self.now().mono_ms + limits::STOP_MS);
            self.decide(Event::Stop);
        }
    }

    fn is_done(&self) -> bool {
        let is_quiet =
            self.core.running() == 0 && self.core.scripts_are_over() && self.scripts.is_empty();
        is_quiet || !self.wheel.contains(Due::Stop)
    }

    fn finish(mut self) {
        self.write_last_state();
        let left = self.core.running();
        self.scripts.kill_all();
        let end = self.end.unwrap_or_else(Instant::now);
        let lanes_end = end.min(Instant::now() + Duration::from_millis(limits::DATABASES_STOP_MS));
        for lane in self.lanes {
            // A thread that is stuck in a statement ends with the process.
            lane.stop(lanes_end.saturating_duration_since(Instant::now()));
        }
        self.services.stop(end);
        self.observer
            .stop(end.saturating_duration_since(Instant::now()));
        if left > 0 {
            log::warn!(
                "{left} calls were not done in time: their files stay and are taken up at the next start"
            );
        }
        log::info!("stopped");
    }
}

/// Makes the state folder, holds it, and brings it to this version.
fn state_folder(path: &Path) -> Result<Lock, RunError> {
    let state = || path.to_owned();
    if let Some(there) = path.ancestors().find(|folder| folder.exists())
        && !there.is_dir()
    {
        return Err(RunError::NotAFolder(there.to_owned()));
    }
    if private::is_of_all(path) {
        return Err(RunError::OfAll(state()));
    }
    private::state_folder(path).map_err(|error| RunError::NoState(state(), error))?;
    let lock = Lock::of_state(path).map_err(|error| match error {
        LockError::Held(Some(pid)) => RunError::HeldBy(state(), pid),
        LockError::Held(None) => RunError::Held(state()),
        LockError::Io(error) => RunError::NoLock(state(), error),
    })?;
    state_version::bring_forward(path)?;
    Ok(lock)
}

fn control(config: &Config) -> Control {
    let listener = Listener::open(&config.state_dir).inspect_err(|error| {
        let state = config.state_dir.display();
        log::warn!("{state}: no control socket ({error}): `vpid game` will not work");
    });
    Control::new(listener.ok())
}

fn start_databases(
    config: &Config,
    run: &Run,
    reports: &mpsc::Sender<Report>,
    poller: &Poller,
) -> Vec<Workers> {
    let databases = config.databases.iter().enumerate();
    let start = databases.map(|(number, database)| {
        let (reports, waker) = (reports.clone(), poller.waker());
        let on_report = move |report| {
            // The loop is gone only when the program ends.
            let _ = reports.send(report);
            waker.wake();
        };
        Workers::start(number, database, run.clone(), on_report)
    });
    start.collect()
}
