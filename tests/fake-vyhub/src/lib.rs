//! A stand-in for VyHub: an HTTP server on a loopback port that keeps the state of a VyHub and
//! checks every request as strictly as VyHub's own definition reads. What a client does wrong is
//! answered as VyHub would, and noted as a violation, so that a test can ask for there being none.
//!
//! Not for measuring: it is simple rather than fast.

mod answer;
mod attributes;
mod bans;
mod call;
mod check;
mod connection;
mod faults;
mod http;
mod memberships;
mod models;
pub mod port;
mod rewards;
mod routes;
mod schema;
mod serve;
mod servers;
mod setup;
mod state;
mod users;
mod warnings;

use std::net::UdpSocket;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::Value;

pub use attributes::{Addition, Definition, LoginRecord};
pub use faults::{Fault, Faults, Matcher, Page, RetryAfter};
pub use rewards::RewardRecord;
use serve::Listening;
pub use setup::GROWN_STEAM64;
pub use state::{
    BanRecord, Group, MembershipRecord, RequestRecord, State, StatusRecord, User, WarningRecord,
};

/// What the connections share.
struct Shared {
    state: Mutex<State>,
    /// Whenever the state has changed.
    changed: Condvar,
    /// How many answers were given.
    answers: AtomicU64,
    /// What clients call this server.
    host: String,
    faults: Arc<Faults>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with the state")
    }
}

/// A VyHub with one server in one bundle. Dropped, it is gone with its port and threads.
pub struct FakeVyhub {
    /// What goes wrong.
    pub faults: Arc<Faults>,
    shared: Arc<Shared>,
    port: u16,
    listening: Option<Listening>,
    /// Keeps the port during a pause.
    _keeper: Option<UdpSocket>,
}

impl FakeVyhub {
    /// On a free port.
    pub fn start() -> Self {
        let (port, keeper) = port::free();
        Self::listening(port, Some(keeper))
    }

    #[track_caller]
    pub fn start_on(port: u16) -> Self {
        Self::listening(port, None)
    }

    #[track_caller]
    fn listening(port: u16, keeper: Option<UdpSocket>) -> Self {
        let listener = port::listen(port);
        let faults = Arc::new(Faults::default());
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new()),
            changed: Condvar::new(),
            answers: AtomicU64::new(0),
            host: format!("127.0.0.1:{port}"),
            faults: Arc::clone(&faults),
        });
        Self {
            faults,
            listening: Some(Listening::start(listener, &shared)),
            shared,
            port,
            _keeper: keeper,
        }
    }

    /// Refuses connections from now on; those that are open are closed.
    pub fn pause(&mut self) {
        self.listening = None;
    }

    /// Is there again, on the same port and with the same state.
    pub fn resume(&mut self) {
        if self.listening.is_none() {
            let listener = port::listen(self.port);
            self.listening = Some(Listening::start(listener, &self.shared));
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn api_url(&self) -> String {
        format!("http://{}{}", self.shared.host, check::BASE)
    }

    pub fn key(&self) -> String {
        self.lock().key.clone()
    }

    pub fn server_id(&self) -> String {
        self.lock().server.clone()
    }

    pub fn bundle_id(&self) -> String {
        self.lock().bundle.clone()
    }

    /// Looks into the state, or changes it.
    pub fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let result = act(&mut self.lock());
        self.shared.changed.notify_all();
        result
    }

    /// Waits until the state is so; gives whether it came to that.
    pub fn wait_until(&self, is_so: impl Fn(&State) -> bool, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut state = self.lock();
        while !is_so(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            // A ban that runs out tells nobody.
            let look_again = left.min(Duration::from_millis(50));
            let waited = self.shared.changed.wait_timeout(state, look_again);
            state = waited.expect("nobody panics with the state").0;
        }
        true
    }

    pub fn bans(&self) -> Vec<BanRecord> {
        self.lock().bans().to_vec()
    }

    pub fn bans_of(&self, steam64: u64) -> Vec<BanRecord> {
        self.lock().bans_of(steam64)
    }

    pub fn warnings(&self) -> Vec<WarningRecord> {
        self.lock().warnings().to_vec()
    }

    pub fn users(&self) -> Vec<User> {
        self.lock().users()
    }

    pub fn requests(&self) -> Vec<RequestRecord> {
        self.lock().requests().to_vec()
    }

    pub fn statuses(&self) -> Vec<StatusRecord> {
        self.lock().statuses().to_vec()
    }

    /// The body of the last status.
    pub fn last_status(&self) -> Option<Value> {
        let state = self.lock();
        state.statuses().last().map(|status| status.body.clone())
    }

    /// What clients did that VyHub's definition does not allow.
    pub fn violations(&self) -> Vec<String> {
        self.lock().violations().to_vec()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }
}
