//! What those who ordered something hear of it.

use super::commands::Problem;
use super::orders::Giver;
use super::{Cx, Vyhub};
use crate::core::outbox::{Change, Entry, EntryId};
use crate::protocol::signed::messages::Place;
use crate::protocol::steam_id::SteamId;

/// How a change went.
#[derive(Clone, Copy)]
enum News<'a> {
    Done,
    Queued,
    Refused(&'a str),
    NotSaved,
}

impl Vyhub {
    pub(super) fn say_problem(&mut self, steam: SteamId, problem: &Problem, cx: &mut Cx<'_>) {
        let text = self.words.problem(problem);
        self.say(steam, &text, cx);
    }

    /// VyHub has it.
    pub(super) fn say_done(&mut self, id: EntryId, cx: &mut Cx<'_>) {
        self.tell_issuer(id, News::Done, cx);
        self.told_queued.remove(&id);
    }

    /// It holds here, and is on its way. Said once.
    pub(super) fn say_queued(&mut self, id: EntryId, cx: &mut Cx<'_>) {
        if self.outbox.is_stored(id) && self.told_queued.insert(id) {
            self.tell_issuer(id, News::Queued, cx);
        }
    }

    pub(super) fn say_refused(&mut self, id: EntryId, why: &str, cx: &mut Cx<'_>) {
        self.tell_issuer(id, News::Refused(why), cx);
        self.told_queued.remove(&id);
    }

    pub(super) fn say_not_saved(&mut self, entry: &Entry, cx: &mut Cx<'_>) {
        if let Some((steam, text)) = self.news(entry, News::NotSaved) {
            self.say(steam, &text, cx);
        }
    }

    fn tell_issuer(&mut self, id: EntryId, news: News<'_>, cx: &mut Cx<'_>) {
        let told = self.outbox.get(id).and_then(|entry| self.news(entry, news));
        if let Some((steam, text)) = told {
            self.say(steam, &text, cx);
        }
    }

    /// What to say to the one who ordered it, if it was somebody.
    fn news(&self, entry: &Entry, news: News<'_>) -> Option<(SteamId, String)> {
        let issuer = entry.issuer.as_ref()?;
        let (length, reason) = match &entry.change {
            Change::Ban {
                length_s, reason, ..
            } => (self.words.length(*length_s), reason.as_str()),
            Change::Warning { reason } => (String::new(), reason.as_str()),
            Change::Unban => (String::new(), ""),
        };
        let (key, why) = match (&entry.change, news) {
            (Change::Ban { .. }, News::Done) => ("ban_done", ""),
            (Change::Ban { .. }, News::Queued) => ("ban_queued", ""),
            (Change::Ban { .. }, News::Refused(why)) => ("ban_refused", why),
            (Change::Unban, News::Done) => ("unban_done", ""),
            (Change::Unban, News::Queued) => ("unban_queued", ""),
            (Change::Unban, News::Refused(why)) => ("unban_refused", why),
            (Change::Warning { .. }, News::Done) => ("warn_done", ""),
            (Change::Warning { .. }, News::Queued) => ("warn_queued", ""),
            (Change::Warning { .. }, News::Refused(why)) => ("warn_refused", why),
            (_, News::NotSaved) => ("ban_not_saved", ""),
        };
        let values = [
            ("player", entry.name.as_str()),
            ("length", length.as_str()),
            ("reason", reason),
            ("why", why),
        ];
        Some((issuer.steam, self.words.chat(key, &values)))
    }

    /// A warning is for the one who is warned, too.
    pub(super) fn say_warned(&mut self, id: EntryId, cx: &mut Cx<'_>) {
        let Some(entry) = self.outbox.get(id) else {
            return;
        };
        let Change::Warning { reason } = &entry.change else {
            return;
        };
        let admin = match &entry.issuer {
            Some(issuer) => issuer.name.clone(),
            None => self.words.say("server_admin", &[]),
        };
        let values = [("reason", reason.as_str()), ("admin", admin.as_str())];
        let text = self.words.chat("warned", &values);
        let there = cx.servers.find(entry.steam).next();
        if let Some((server, userid)) = there {
            cx.servers
                .say(server, Some(userid), &text, Place::Chat, cx.out);
            cx.servers.say_center(server, userid, &text, cx.out);
        }
    }

    /// `!vyhub`: how things are.
    pub(super) fn say_state(&mut self, giver: &Giver, cx: &mut Cx<'_>) {
        let mut lines = Vec::new();
        let served = self.served(giver.server);
        let away_ms = self.api.away_ms(cx.now);
        match served.and_then(|served| Some((served, served.bundle()?))) {
            Some(_) if away_ms.is_some() => {}
            Some((served, bundle)) => {
                let bans = self
                    .bundles
                    .get(&bundle)
                    .map_or(0, |bundle| bundle.list.len());
                let (name, bans) = (served.bundle_name().to_owned(), bans.to_string());
                let values = [("bundle", name.as_str()), ("bans", bans.as_str())];
                lines.push(self.words.chat("state_ready", &values));
            }
            None => lines.push(self.words.chat("state_waiting", &[])),
        }
        if let Some(away_ms) = away_ms {
            let minutes = away_ms.div_ceil(60_000).max(1).to_string();
            lines.push(self.words.chat("state_away", &[("minutes", &minutes)]));
        }
        let (waiting, dead) = (self.outbox.open_count(), self.outbox.dead_count());
        if waiting + dead > 0 {
            let (waiting, dead) = (waiting.to_string(), dead.to_string());
            let values = [("waiting", waiting.as_str()), ("dead", dead.as_str())];
            lines.push(self.words.chat("state_queue", &values));
        }
        if let (Some(frontend), Some(served)) = (&self.frontend, self.served(giver.server)) {
            let link = format!("{frontend}/server-dashboard/{}", served.id);
            lines.push(self.words.chat("state_link", &[("link", &link)]));
        }
        for line in lines {
            self.say(giver.steam, &line, cx);
        }
    }
}
