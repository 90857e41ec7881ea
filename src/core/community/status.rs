//! The state of each server, reported every minute and soon after a new map; it is not queued, since the
//! next report says it anew. And `!vyhub`: how things are.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::commands::Player;
use super::{Answer, Cx, Message, Subject, Ticket};
use crate::core::roster::Person;
use crate::core::servers::ServerId;
use crate::limits;
use crate::protocol::backend::{Request, ServerState};

#[derive(Default)]
pub struct Status {
    reports: BTreeMap<ServerId, Report>,
}

struct Report {
    due_ms: u64,
    busy: bool,
}

impl Subject for Status {
    type Ticket = ServerId;

    fn on_message(&mut self, message: &Message, cx: &mut Cx<'_>) {
        match message {
            Message::MapStarted(server) | Message::SessionBegan(server) => {
                if let Some(report) = self.reports.get_mut(server) {
                    report.due_ms = report.due_ms.min(cx.now.mono_ms + limits::VYHUB_SOON_MS);
                }
            }
            Message::StateWanted(player) => say_state(player, cx),
            _ => {}
        }
    }

    fn on_reply(&mut self, server: ServerId, reply: Answer, cx: &mut Cx<'_>) {
        let Some(report) = self.reports.get_mut(&server) else {
            return;
        };
        report.busy = false;
        if let Err(failure) = reply {
            let pause_ms = failure.retry_after_s * 1_000;
            report.due_ms = report.due_ms.max(cx.now.mono_ms + pause_ms);
            log::debug!("VyHub was not told how the server is: {failure}");
        }
    }

    fn advance(&mut self, cx: &mut Cx<'_>) {
        for at in 0..cx.records.all().len() {
            let record = &cx.records.all()[at];
            if record.bundle().is_none() {
                continue;
            }
            let (server, id) = (record.server, record.id);
            // At first the game gets time to report how it is: else the backend would show it as down.
            let report = self.reports.entry(server).or_insert(Report {
                due_ms: cx.now.mono_ms + limits::VYHUB_SOON_MS,
                busy: false,
            });
            if report.busy || report.due_ms > cx.now.mono_ms {
                continue;
            }
            let Some(state) = state(server, cx) else {
                continue;
            };
            report.busy = true;
            report.due_ms = cx.now.mono_ms + limits::VYHUB_ROUND_MS;
            let request = Request::ReportState { server: id, state };
            cx.request(Ticket::Status(server), request);
        }
    }

    fn next_due(&self, _cx: &Cx<'_>) -> Option<u64> {
        let idle = self.reports.values().filter(|report| !report.busy);
        idle.map(|report| report.due_ms).min()
    }
}

fn state(server: ServerId, cx: &Cx<'_>) -> Option<ServerState> {
    let game = cx.servers.get(server)?;
    let is_alive = game.is_alive(cx.now);
    let people = || {
        let people = game.roster.people();
        people.filter(|person| is_alive && !person.bot)
    };
    let activity = |person: &Person| {
        let user = cx.directory.user(person.steam?)?;
        let known: [(&str, Value); 5] = [
            ("Score", person.score.into()),
            ("Deaths", person.deaths.into()),
            (
                "Connection Time",
                duration(person.connected_s(cx.now)).into(),
            ),
            ("Ping", person.ping.into()),
            ("Nickname", person.name.clone().into()),
        ];
        let extra: Map<String, Value> = known
            .map(|(name, value)| (name.into(), value))
            .into_iter()
            .collect();
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

/// "01:02:03", as VyHub's dashboard shows it.
fn duration(seconds: u64) -> String {
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}", seconds % 60)
}

fn say_state(player: &Player, cx: &mut Cx<'_>) {
    let mut lines = Vec::new();
    let words = cx.words;
    let record = cx.records.get(player.server);
    let unreachable_ms = cx.backend.unreachable_ms(cx.now);
    match record.and_then(|record| record.bundle()) {
        Some(_) if unreachable_ms.is_some() => {}
        Some(bundle) => {
            let bans = cx.lists.get(bundle.id).map_or(0, |list| list.len());
            let values = [
                ("bundle", bundle.name.as_str()),
                ("bans", &bans.to_string()),
            ];
            lines.push(words.chat("state_ready", &values));
        }
        None => lines.push(words.chat("state_waiting", &[])),
    }
    if let Some(ms) = unreachable_ms {
        let minutes = ms.div_ceil(60_000).max(1).to_string();
        lines.push(words.chat("state_away", &[("minutes", &minutes)]));
    }
    let (waiting, dead) = (cx.outbox.open_count(), cx.outbox.dead_count());
    if waiting + dead > 0 {
        let values = [
            ("waiting", &*waiting.to_string()),
            ("dead", &dead.to_string()),
        ];
        lines.push(words.chat("state_queue", &values));
    }
    if let (Some(frontend), Some(record)) = (cx.records.frontend(), record) {
        let link = format!("{frontend}/server-dashboard/{}", record.id);
        lines.push(words.chat("state_link", &[("link", &link)]));
    }
    for line in lines {
        cx.say(player.steam, &line);
    }
}
