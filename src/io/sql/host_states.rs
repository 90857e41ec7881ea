//! What a connection would remember for a host if that had one to itself, kept from call to call
//! although hosts share connections. It ends with vpid, as vpi.py's connection ended with vpi.py.

use crate::jobs::{Caller, IdMap};
use crate::limits::SQL_HOST_STATES_MAX;

#[derive(Debug, Default)]
pub(super) struct HostStates<T> {
    /// With the turn of the last change.
    states: IdMap<Caller, (T, u64)>,
    turn: u64,
}

impl<T: Copy + Default + PartialEq> HostStates<T> {
    /// Of this host, or as of a new connection.
    pub(super) fn get(&self, host: Caller) -> T {
        self.states
            .get(&host)
            .map(|state| state.0)
            .unwrap_or_default()
    }

    /// Where there are too many, the one goes that was changed longest ago.
    pub(super) fn set(&mut self, host: Caller, state: T) {
        if state == T::default() {
            self.states.remove(&host);
            return;
        }
        self.turn += 1;
        self.states.insert(host, (state, self.turn));
        if self.states.len() > SQL_HOST_STATES_MAX {
            let oldest = self.states.iter().min_by_key(|(_, state)| state.1);
            let oldest = oldest.map(|(host, _)| *host);
            oldest.map(|host| self.states.remove(&host));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::HostId;

    #[test]
    fn hosts_have_states_of_their_own_and_the_oldest_goes() {
        let mut states = HostStates::default();
        let host = |number| Caller::Host(HostId(number));
        for number in 0..=SQL_HOST_STATES_MAX as u32 {
            states.set(host(number), u64::from(number) + 7);
        }
        assert_eq!(
            (
                states.get(host(0)),
                states.get(host(1)),
                states.get(host(2))
            ),
            (0, 8, 9)
        );
        states.set(host(1), 0);
        assert_eq!(
            (states.get(host(1)), states.states.len()),
            (0, SQL_HOST_STATES_MAX - 1)
        );
    }
}
