//! Who is banned: what VyHub listed last, with what was changed here since laid over it.

use std::sync::Arc;

use super::api::{Kept, Purpose};
use super::words::{BanNotice, short_id};
use super::{Cx, Vyhub};
use crate::core::outbox::{Change, Entry, Outbox, State};
use crate::limits;
use crate::protocol::console::Command;
use crate::protocol::steam_id::SteamId;
use crate::protocol::store::{Content, Shelf};
use crate::protocol::uuid::Uuid;
use crate::protocol::vyhub::{BanList, Outcome, Reply, Request};

/// The bans of one bundle.
pub struct Bundle {
    pub list: Arc<BanList>,
    /// When the next fetch is due, on the daemon's clock.
    pub due_ms: u64,
    /// When the one under way was asked for.
    asked_ms: Option<u64>,
    /// What is on disk.
    kept: Option<u64>,
    /// VyHub has answered in this run.
    pub fetched: bool,
}

impl Bundle {
    /// With the list that an earlier run has kept.
    pub fn new(list: BanList) -> Self {
        Self {
            kept: (!list.is_empty()).then(|| list.digest()),
            list: Arc::new(list),
            due_ms: 0,
            asked_ms: None,
            fetched: false,
        }
    }

    pub fn is_idle(&self) -> bool {
        self.asked_ms.is_none()
    }
}

/// Why somebody is banned, if they are. `now_s`: by VyHub's clock.
pub fn banned(
    list: &BanList,
    outbox: &Outbox,
    bundle: Uuid,
    steam: SteamId,
    now_s: i64,
) -> Option<Ban> {
    let here = |entry: &&Entry| entry.bundle == bundle && entry.state != State::Dead;
    let own: Vec<&Entry> = outbox.of(steam).filter(here).collect();
    let lifted = own.iter().rposition(|entry| entry.change == Change::Unban);
    let after = lifted.map_or(0, |at| at + 1);
    let lifted_s = lifted.map(|at| own[at].created.as_second());
    let standing = own[after..].iter().filter(|entry| entry.bans(now_s));
    let own = standing.map(|entry| Ban::of_entry(entry));
    let holds = |ends_s: Option<i64>| ends_s.is_none_or(|ends_s| ends_s > now_s);
    let listed = list.of(steam).filter(|ban| {
        holds(ban.ends_s) && lifted_s.is_none_or(|lifted_s| ban.created_s > lifted_s)
    });
    let listed = listed.map(|ban| Ban {
        reason: ban.reason.to_owned(),
        since_s: ban.created_s,
        until_s: ban.ends_s,
        admin: Some(ban.creator.to_owned()),
        id: Some(ban.id),
    });
    // The one that holds longest says when it is over.
    listed
        .chain(own)
        .max_by_key(|ban| ban.until_s.unwrap_or(i64::MAX))
}

/// A ban in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ban {
    pub reason: String,
    pub since_s: i64,
    /// `None`: permanent.
    pub until_s: Option<i64>,
    /// Empty: not known; `None`: the server itself.
    pub admin: Option<String>,
    /// In VyHub; `None`: it is on its way there.
    pub id: Option<Uuid>,
}

impl Ban {
    fn of_entry(entry: &Entry) -> Self {
        let reason = match &entry.change {
            Change::Ban { reason, .. } => reason.clone(),
            _ => String::new(),
        };
        Self {
            reason,
            since_s: entry.created.as_second(),
            until_s: entry.until_s(),
            admin: entry.issuer.as_ref().map(|issuer| issuer.name.clone()),
            id: None,
        }
    }
}

impl Vyhub {
    pub(super) fn fetch_lists(&mut self, cx: &mut Cx<'_>) {
        for (id, bundle) in &mut self.bundles {
            if bundle.is_idle() && bundle.due_ms <= cx.now.mono_ms {
                bundle.asked_ms = Some(cx.now.mono_ms);
                self.api
                    .ask(Purpose::List(*id), Request::ban_list(*id), cx.out);
            }
        }
    }

    /// A list has come, or not.
    pub(super) fn list_answered(&mut self, id: Uuid, outcome: Outcome, cx: &mut Cx<'_>) {
        let Some(bundle) = self.bundles.get_mut(&id) else {
            return;
        };
        let Some(asked_ms) = bundle.asked_ms.take() else {
            return;
        };
        bundle.due_ms = bundle.due_ms.max(asked_ms + limits::VYHUB_ROUND_MS);
        if self.refresh_soon.remove(&id) {
            bundle.due_ms = cx.now.mono_ms + limits::VYHUB_SOON_MS;
        }
        match outcome.result {
            Ok(Reply::BanList(list)) => {
                if list.skipped() > 0 {
                    log::debug!("{} bans of VyHub's list cannot be read", list.skipped());
                }
                let digest = list.digest();
                bundle.list = Arc::clone(&list);
                bundle.fetched = true;
                self.enforce_all = true;
                if bundle.kept == Some(digest) {
                    return self.settle(id, asked_ms, cx);
                }
                bundle.kept = Some(digest);
                let (name, kept) = (format!("bans-{id}"), Kept::List(id, asked_ms));
                let content = Some(Content::Bans(list));
                self.api
                    .write(Shelf::Cache, name, content, Some(kept), cx.out);
            }
            Ok(_) => {}
            Err(failure) => {
                self.api.shout_if_refused(&failure, cx.now);
                let after_ms = failure.retry_after_s() * 1_000;
                bundle.due_ms = bundle.due_ms.max(cx.now.mono_ms + after_ms);
            }
        }
    }

    /// A list is on disk, or could not be written.
    pub(super) fn list_kept(&mut self, id: Uuid, asked_ms: u64, ok: bool, cx: &mut Cx<'_>) {
        if ok {
            self.settle(id, asked_ms, cx);
        } else if let Some(bundle) = self.bundles.get_mut(&id) {
            bundle.kept = None;
        }
    }

    /// What VyHub lists holds everything that was done before it was asked.
    fn settle(&mut self, bundle: Uuid, asked_ms: u64, cx: &mut Cx<'_>) {
        for id in self.outbox.settled(bundle, asked_ms, cx.now) {
            self.outbox.remove(id);
            self.api
                .write(Shelf::Outbox, id.to_string(), None, None, cx.out);
        }
    }

    /// Something has changed: the list of this bundle is fetched soon.
    pub(super) fn list_soon(&mut self, id: Uuid, cx: &Cx<'_>) {
        let Some(bundle) = self.bundles.get_mut(&id) else {
            return;
        };
        match bundle.is_idle() {
            true => bundle.due_ms = bundle.due_ms.min(cx.now.mono_ms + limits::VYHUB_SOON_MS),
            // The one under way may have been made before.
            false => drop(self.refresh_soon.insert(id)),
        }
    }

    pub(super) fn ban_of(&self, bundle: Uuid, steam: SteamId, cx: &Cx<'_>) -> Option<Ban> {
        let list = &self.bundles.get(&bundle)?.list;
        banned(list, &self.outbox, bundle, steam, self.api.time_s(cx.now))
    }

    /// Kicks who is banned and is there all the same. A kick that did nothing is repeated.
    pub(super) fn enforce(&mut self, cx: &mut Cx<'_>) {
        self.enforce_all = false;
        self.kick_due_ms = None;
        for at in 0..self.served.len() {
            let (server, bundle) = (self.served[at].server, self.served[at].bundle());
            let (Some(bundle), Some(game)) = (bundle, cx.servers.get(server)) else {
                continue;
            };
            let people = game.roster.people();
            let banned = people.filter_map(|person| {
                Some((person.userid, self.ban_of(bundle, person.steam?, cx)?))
            });
            // A line of the log, or of a script, may have been made to kick somebody else.
            let (banned, unsure): (Vec<_>, Vec<_>) =
                banned.partition(|(userid, _)| game.may_act_on(*userid, cx.now));
            if let (false, Some(game)) = (unsure.is_empty(), cx.servers.get_mut(server)) {
                game.roster.want_status();
            }
            let kicked = &mut self.served[at].kicked;
            kicked.retain(|userid, _| banned.iter().any(|(of, _)| of == userid));
            for (userid, ban) in banned {
                self.kick(at, userid, &ban, cx);
            }
            let next_ms = self.served[at].kicked.values().min();
            let next_ms = next_ms.map(|ms| ms + limits::KICK_AGAIN_MS);
            self.kick_due_ms = self.kick_due_ms.into_iter().chain(next_ms).min();
        }
    }

    fn kick(&mut self, at: usize, userid: i64, ban: &Ban, cx: &mut Cx<'_>) {
        let served = &mut self.served[at];
        let recent = |ms: &u64| cx.now.mono_ms < ms + limits::KICK_AGAIN_MS;
        if served.kicked.get(&userid).is_some_and(recent) {
            return;
        }
        let first = served.kicked.insert(userid, cx.now.mono_ms).is_none();
        let reason = self.kick_reason(ban);
        let server = self.served[at].server;
        let name = cx
            .servers
            .get(server)
            .and_then(|game| game.roster.person(userid));
        let name = name.map(|person| format!("{} ({})", person.name, person.userid));
        let Ok(engine_userid) = i32::try_from(userid) else {
            return;
        };
        let command = Command::Kick {
            userid: engine_userid,
            reason,
        };
        let sent = cx.servers.command(server, command, None, cx.out);
        let name = name.unwrap_or_default().replace(char::is_control, "?");
        match sent {
            Ok(()) if first => log::info!("{name} is banned and is kicked"),
            Ok(()) => log::debug!("{name} is still there and is kicked again"),
            Err(why) if first => log::error!("{name} is banned and cannot be kicked: {why}"),
            Err(_) => {}
        }
    }

    /// What a banned player is told.
    fn kick_reason(&self, ban: &Ban) -> String {
        let link = match (&self.frontend, ban.id) {
            (Some(frontend), Some(id)) => format!("{frontend}/bans/{id}"),
            (Some(frontend), None) => format!("{frontend}/bans"),
            (None, _) => String::new(),
        };
        let server_admin = self.words.say("server_admin", &[]);
        self.words.kick(&BanNotice {
            reason: &ban.reason,
            since_s: ban.since_s,
            until_s: ban.until_s,
            admin: ban.admin.as_deref().unwrap_or(&server_admin),
            id: ban.id.map_or_else(|| "-".to_owned(), short_id),
            link: &link,
        })
    }
}
