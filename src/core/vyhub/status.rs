//! How each server is, told to VyHub every minute and soon after a new map. It is not queued: the
//! next one says it anew.

use serde_json::Map;

use super::api::Purpose;
use super::{Cx, Vyhub};
use crate::core::roster::Person;
use crate::core::servers::ServerId;
use crate::limits;
use crate::protocol::vyhub::{Outcome, Request, ServerState};

impl Vyhub {
    /// A new map: VyHub is told soon.
    pub(super) fn state_soon(&mut self, server: ServerId, cx: &Cx<'_>) {
        let soon_ms = cx.now.mono_ms + limits::VYHUB_SOON_MS;
        if let Some(served) = self.served_mut(server) {
            served.state_due_ms = served.state_due_ms.min(soon_ms);
        }
    }

    /// Tells VyHub how each server is, where it is time to.
    pub(super) fn tell_states(&mut self, cx: &mut Cx<'_>) {
        let mut round = false;
        for at in 0..self.served.len() {
            let served = &mut self.served[at];
            if !served.ready || served.state_asked || served.state_due_ms > cx.now.mono_ms {
                continue;
            }
            served.state_asked = true;
            served.state_due_ms = cx.now.mono_ms + limits::VYHUB_ROUND_MS;
            let (server, id) = (served.server, served.id);
            let Some(state) = self.state(server, cx) else {
                continue;
            };
            let request = Request::server_state(id, &state);
            self.api.ask(Purpose::State(server), request, cx.out);
            round = true;
        }
        if round {
            self.refresh_rights(cx);
        }
    }

    pub(super) fn state_answered(&mut self, server: ServerId, outcome: &Outcome, cx: &Cx<'_>) {
        let now_ms = cx.now.mono_ms;
        let Some(served) = self.served_mut(server) else {
            return;
        };
        served.state_asked = false;
        if let Err(failure) = &outcome.result {
            let after_ms = failure.retry_after_s() * 1_000;
            served.state_due_ms = served.state_due_ms.max(now_ms + after_ms);
            log::debug!("VyHub was not told how the server is: {failure}");
        }
    }

    fn state(&self, server: ServerId, cx: &Cx<'_>) -> Option<ServerState> {
        let game = cx.servers.get(server)?;
        let is_alive = game.is_alive(cx.now);
        let people = || {
            game.roster
                .people()
                .filter(|person| is_alive && !person.bot)
        };
        let activity = |person: &Person| {
            let user = self.users.get(person.steam?)?;
            let mut extra = Map::new();
            extra.insert("Score".into(), person.score.into());
            extra.insert("Deaths".into(), person.deaths.into());
            extra.insert(
                "Connection Time".into(),
                duration(person.connected_s(cx.now)).into(),
            );
            extra.insert("Ping".into(), person.ping.into());
            extra.insert("Nickname".into(), person.name.clone().into());
            Some((user.id, extra))
        };
        Some(ServerState {
            users_max: game.roster.max_players(),
            users_current: people().count(),
            map: game.roster.map().to_owned(),
            is_alive,
            activities: people().filter_map(activity).collect(),
        })
    }
}

/// "01:02:03", as VyHub's dashboard shows it.
fn duration(seconds: u64) -> String {
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}", seconds % 60)
}
