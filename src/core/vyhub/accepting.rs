//! How a change gets into the outbox: it counts when it is on disk.

use serde_json::json;

use super::api::Kept;
use super::commands::{Length, Problem};
use super::{Cx, Vyhub};
use crate::core::outbox::{Change, EntryId, Issuer, Origin, State, Wish};
use crate::core::servers::ServerId;
use crate::limits;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

/// A change that somebody may make, with its place.
pub struct Placed {
    pub server: ServerId,
    pub bundle: Uuid,
    pub steam: SteamId,
    pub name: String,
    pub issuer: Option<Issuer>,
    pub call: Option<Origin>,
}

impl Vyhub {
    pub(super) fn ban(
        &mut self,
        placed: Placed,
        length: Length,
        reason: String,
        cx: &mut Cx<'_>,
    ) -> Result<EntryId, Problem> {
        let length_s = match length {
            Length::Permanent => None,
            Length::Seconds(seconds) => Some(seconds),
        };
        let change = Change::Ban {
            length_s,
            reason,
            standing: true,
        };
        let name = (placed.steam, placed.name.clone());
        let id = self.accept(placed, change, cx)?;
        self.banned_names.retain(|known| *known != name);
        self.banned_names.push_back(name);
        if self.banned_names.len() > limits::BANNED_NAMES_REMEMBERED_MAX {
            self.banned_names.pop_front();
        }
        Ok(id)
    }

    /// An unban counts: bans that wait before it are sent as lifted.
    fn lift_queued(&mut self, unban: EntryId, cx: &mut Cx<'_>) {
        let Some(entry) = self
            .outbox
            .get(unban)
            .filter(|entry| entry.change == Change::Unban)
        else {
            return;
        };
        let bundle = entry.bundle;
        let queued = self.outbox.of(entry.steam).filter(|entry| {
            let standing = matches!(entry.change, Change::Ban { standing: true, .. });
            let unsent = matches!(entry.state, State::Waiting | State::Held);
            let before = entry.id < unban && entry.bundle == bundle;
            before && standing && unsent && !self.ways.contains_key(&entry.id)
        });
        let queued: Vec<EntryId> = queued.map(|entry| entry.id).collect();
        for ban in queued {
            if let Some(entry) = self.outbox.get_mut(ban)
                && let Change::Ban { standing, .. } = &mut entry.change
            {
                *standing = false;
            }
            self.keep_entry(ban, cx);
        }
    }

    /// Puts a change into the outbox. It counts when it is on disk.
    pub(super) fn accept(
        &mut self,
        placed: Placed,
        mut change: Change,
        cx: &mut Cx<'_>,
    ) -> Result<EntryId, Problem> {
        if let Change::Ban { reason, .. } | Change::Warning { reason } = &mut change {
            let plain = reason.chars().map(|c| if c.is_control() { ' ' } else { c });
            *reason = plain.collect::<String>().trim().to_owned();
            if reason.chars().count() > limits::REASON_CHARS_MAX {
                return Err(Problem::new("too_long", &[]));
            }
        }
        let server = self.served(placed.server).map(|served| served.id);
        let server = server.ok_or_else(|| Problem::new("state_waiting", &[]))?;
        let wish = Wish {
            change,
            server,
            bundle: placed.bundle,
            steam: placed.steam,
            name: placed.name,
            issuer: placed.issuer,
            call: placed.call,
        };
        let time_s = self.api.time_s(cx.now);
        let Some(entry) = self.outbox.accept(wish, time_s, cx.now) else {
            log::error!("the outbox is full: a change is not taken; see `vpid queue list`");
            return Err(Problem::new("queue_full", &[]));
        };
        let id = entry.id;
        self.write_entry(id, Some(Kept::Accepted(id)), cx);
        if let Some(warning) = self.outbox.warning() {
            log::warn!("{warning}");
        }
        Ok(id)
    }

    /// The scripts of the server on which it was ordered hear of a change.
    fn tell_scripts(&self, id: EntryId, cx: &mut Cx<'_>) {
        let Some(entry) = self.outbox.get(id) else {
            return;
        };
        let Some(served) = self.served.iter().find(|served| served.id == entry.server) else {
            return;
        };
        let mut data = json!({
            "id": entry.steam,
            "name": entry.name,
            "issuer": entry.issuer.as_ref().map(|issuer| issuer.name.as_str()),
            "issuer_id": entry.issuer.as_ref().map(|issuer| issuer.steam),
        });
        let name = match &entry.change {
            Change::Ban {
                length_s, reason, ..
            } => {
                data["minutes"] = length_s.map(|length_s| length_s / 60).into();
                data["reason"] = reason.as_str().into();
                "vyhub_ply_banned"
            }
            Change::Unban => "vyhub_ply_unbanned",
            Change::Warning { reason } => {
                data["reason"] = reason.as_str().into();
                "vyhub_ply_warned"
            }
        };
        self.hook(served.server, name, data, cx);
    }

    /// An entry is on disk and counts from now on; or it could not be written, and never was.
    pub(super) fn accepted(&mut self, id: EntryId, result: Result<(), String>, cx: &mut Cx<'_>) {
        if let Err(why) = result {
            let Some(entry) = self.outbox.remove(id) else {
                return;
            };
            log::error!(
                "{} is not taken: it cannot be written down ({why})",
                entry.describe()
            );
            self.call_refused(id, &why, cx);
            return self.say_not_saved(&entry, cx);
        }
        self.outbox.stored(id);
        self.lift_queued(id, cx);
        self.enforce_all = true;
        let Some(entry) = self.outbox.get(id) else {
            return;
        };
        let by = entry
            .issuer
            .as_ref()
            .map_or("the server", |issuer| &issuer.name);
        log::info!(
            "{} by {} is taken as {id}",
            entry.describe(),
            by.replace(char::is_control, "?")
        );
        self.call_accepted(id, cx);
        self.tell_scripts(id, cx);
        self.say_warned(id, cx);
        if !self.api.is_there() {
            self.say_queued(id, cx);
        }
    }
}
