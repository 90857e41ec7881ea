//! The state of each server, reported every minute and soon after a new map; it is not queued, since the
//! next report has it too. And `!vyhub`: how things are.
//!
//! The backend refuses a report with a user whom it does not know, and does not say whom. The next report then
//! has no users, and each is in one again as soon as the backend was found to know them. Where that does not
//! help, reports with users become rare.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::commands::Player;
use super::{Answer, Cx, Message, Subject, Ticket};
use crate::core::roster::Person;
use crate::core::servers::ServerId;
use crate::limits;
use crate::protocol::backend::{FailureKind, Request, ServerState, WebPage};
use crate::protocol::steam_id::SteamId;

#[derive(Default)]
pub struct Status {
    reports: BTreeMap<ServerId, Report>,
}

struct Report {
    due_ms: u64,
    /// The players whose users are in the one under way.
    busy: Option<Vec<SteamId>>,
    /// The next one has no users.
    lean: bool,
    /// One without users was refused as well, so it was not because of them.
    not_users: bool,
    /// How many in a row with users were refused, and until when there is none.
    refused: u32,
    full_ms: u64,
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
        let players = report.busy.take().unwrap_or_default();
        let was_lean = std::mem::take(&mut report.lean);
        let Err(failure) = reply else {
            report.not_users = false;
            if !players.is_empty() {
                report.refused = 0;
            }
            let full_ms = cx.now.mono_ms + limits::VYHUB_FULL_REPORT_MS;
            if was_lean && report.full_ms <= full_ms {
                report.due_ms = full_ms;
            }
            return;
        };
        cx.backend.report_refusal(&failure, cx.now);
        report.not_users |= was_lean && failure.kind == FailureKind::NotFound;
        if failure.kind == FailureKind::NotFound && !report.not_users && !players.is_empty() {
            report.lean = true;
            if report.refused > 0 {
                let (min_ms, max_ms) = (limits::VYHUB_ROUND_MS, limits::VYHUB_FULL_REPORT_MS_MAX);
                let pace = &mut cx.backend.pace;
                let pause_ms = pace.back_off_ms(report.refused - 1, min_ms, max_ms);
                report.full_ms = cx.now.mono_ms + pause_ms;
            }
            report.refused = report.refused.saturating_add(1);
            report.due_ms = cx.now.mono_ms + limits::VYHUB_SOON_MS;
            for steam in players {
                cx.directory.doubt(steam, cx.now);
            }
        } else {
            report.due_ms = cx.backend.again_ms(limits::VYHUB_ROUND_MS, cx.now);
        }
        log::debug!("the state of a server could not be reported: {failure}");
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
                busy: None,
                lean: false,
                not_users: false,
                refused: 0,
                full_ms: 0,
            });
            if report.busy.is_some() || report.due_ms > cx.now.mono_ms {
                continue;
            }
            report.lean |= report.full_ms > cx.now.mono_ms;
            let Some((players, state)) = state(server, report.lean, cx) else {
                continue;
            };
            report.busy = Some(players);
            report.due_ms = cx.now.mono_ms + limits::VYHUB_ROUND_MS;
            let request = Request::ReportState { server: id, state };
            cx.request(Ticket::Status(server), request);
        }
    }

    fn next_due(&self, _cx: &Cx<'_>) -> Option<u64> {
        let idle = self.reports.values().filter(|report| report.busy.is_none());
        idle.map(|report| report.due_ms).min()
    }
}

/// As the backend gets it, and the players whose users are in it.
fn state(server: ServerId, lean: bool, cx: &Cx<'_>) -> Option<(Vec<SteamId>, ServerState)> {
    let game = cx.servers.get(server)?;
    let is_alive = game.is_alive(cx.now);
    let people = || {
        let people = game.roster.people();
        people.filter(|person| is_alive && !person.bot)
    };
    let activity = |person: &Person| {
        let user = cx.directory.sure_user(person.steam?).filter(|_| !lean)?;
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
        Some((person.steam?, (user.id, extra)))
    };
    let (players, activities) = people().filter_map(activity).unzip();
    let state = ServerState {
        users_max: game.roster.max_players(),
        users_current: people().count(),
        map: game.roster.map().to_owned(),
        is_alive,
        activities,
    };
    Some((players, state))
}

/// "01:02:03", as dashboards show it.
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
        _ if cx.backend.refused_ms().is_some() => lines.push(words.chat("state_refused", &[])),
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
    let link = cx
        .records
        .links()
        .zip(record)
        .and_then(|(links, record)| links.page(WebPage::Dashboard, Some(record.id)));
    if let Some(link) = link {
        lines.push(words.chat("state_link", &[("link", &link)]));
    }
    for line in lines {
        cx.say(Some(player.server), player.steam, &line);
    }
}
