//! What the stories are told with: a vpid on temporary folders, and games that play against it.

mod client;
mod community;
mod daemon;
mod host;
mod keeper;
mod load;
#[cfg(feature = "mysql")]
pub mod mariadb;
mod random;
mod scripts;
mod vyhub;

pub use client::ForgetfulReader;
pub use community::{ALL_RIGHTS, Community, Visitor};
pub use daemon::{KEY, SECRET, Vpid, program};
pub use host::{Host, call, insert};
pub(crate) use keeper::with_keepers;
pub use keeper::{Keeper, KeptBan, KeptServer, KeptWarning};
pub use load::Load;
pub use random::Random;
pub use scripts::{Client, marked};

use std::time::{Duration, Instant};

/// Longer than anything here takes on a slow machine; tests that pass never wait for it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for a condition, looking often.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(what, || condition().then_some(()));
}

/// Waits for something to be there.
#[track_caller]
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Looks for a while that something stays as it is: for what must not happen there is no
/// condition to wait for.
#[track_caller]
pub fn stays(what: &str, how_long: Duration, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + how_long;
    while Instant::now() < end {
        assert!(condition(), "did not stay so: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
