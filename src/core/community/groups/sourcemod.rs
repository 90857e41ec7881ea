//! SourceMod's admins by groups of the backend: vpid's block in `admins_simple.ini`, and `sm_reloadadmins` on all
//! servers when that has changed.

use std::collections::{BTreeMap, BTreeSet};

use super::Ticket;
use super::members::Members;
use crate::config;
use crate::core::community::Cx;
use crate::core::servers::ServerId;
use crate::jobs::store::{Content, Shelf, StoreError};
use crate::limits;
use crate::protocol::admins_file::{Grant, lines};
use crate::protocol::console::Command;
use crate::protocol::steam_id::SteamId;

const RELOAD: &str = "sm_reloadadmins";

/// Does nothing where the owner has not named the file.
#[derive(Default)]
pub struct SourceMod {
    is_on: bool,
    /// What players of a group get, by its name.
    grants: BTreeMap<String, Grant>,
    /// What is in the file, or is being written into it.
    lines: Option<String>,
    busy: bool,
    /// When it is written again that could not be.
    again_ms: Option<u64>,
    /// What the log has of that.
    reported: Option<StoreError>,
    /// Servers that have not read the file yet.
    to_reload: BTreeSet<ServerId>,
    reload_ms: u64,
}

impl SourceMod {
    pub fn configure(&mut self, config: &config::Community) {
        self.is_on = config.admins_file.is_some();
        let groups = config.groups.iter();
        let grants = groups.filter_map(|(name, it)| Some((name.clone(), it.sourcemod.clone()?)));
        self.grants = grants.collect();
    }

    /// Servers may be within reach now.
    pub fn hurry(&mut self, now_ms: u64) {
        self.reload_ms = self.reload_ms.min(now_ms);
    }

    pub fn advance(&mut self, members: &mut Members, cx: &mut Cx<'_>) {
        if !self.is_on || !members.any_ready() {
            return;
        }
        let is_due = self.again_ms.is_some_and(|ms| ms <= cx.now.mono_ms);
        if !self.busy && (is_due || members.take_changed()) {
            let lines = self.lines(members, cx.time_s());
            if is_due || self.lines.as_ref() != Some(&lines) {
                self.write(lines, cx);
            }
        }
        if !self.to_reload.is_empty() && self.reload_ms <= cx.now.mono_ms {
            self.reload(cx);
        }
    }

    fn lines(&self, members: &Members, now_s: i64) -> String {
        let mut grants: BTreeSet<(SteamId, &Grant)> = BTreeSet::new();
        for (steam, names) in members.all(now_s) {
            let of = names.iter().filter_map(|name| self.grants.get(name));
            grants.extend(of.map(|grant| (steam, grant)));
        }
        lines(&grants)
    }

    fn write(&mut self, lines: String, cx: &mut Cx<'_>) {
        (self.busy, self.again_ms) = (true, None);
        self.lines = Some(lines.clone());
        let ticket = super::super::Ticket::Groups(Ticket::Admins);
        let content = Some(Content::Admins(lines));
        cx.store(Shelf::Admins, "admins".into(), content, Some(ticket));
    }

    pub fn written(&mut self, result: Result<(), StoreError>, cx: &mut Cx<'_>) {
        self.busy = false;
        match result {
            Ok(()) => {
                if self.reported.take().is_some() {
                    log::info!("SourceMod's admins can be written again");
                }
                let all = cx.records.all().iter().map(|record| record.server);
                self.to_reload = all.collect();
                self.reload_ms = cx.now.mono_ms;
            }
            Err(why) => {
                self.again_ms = Some(cx.now.mono_ms + limits::VYHUB_ROUND_MS);
                if self.reported.as_ref() != Some(&why) {
                    log::error!(
                        "SourceMod's admins stay as they were: {why}; it is tried again each minute"
                    );
                    self.reported = Some(why);
                }
            }
        }
    }

    /// Servers that cannot be reached read the file later.
    fn reload(&mut self, cx: &mut Cx<'_>) {
        self.to_reload.retain(|server| {
            let command = Command::Console(RELOAD.into());
            !cx.servers.is_within_reach(*server)
                || cx.servers.command(*server, command, None, cx.out).is_err()
        });
        self.reload_ms = cx.now.mono_ms + limits::GROUP_AGAIN_MS;
    }

    pub fn next_due(&self) -> Option<u64> {
        let reload = (!self.to_reload.is_empty()).then_some(self.reload_ms);
        let dues = [self.again_ms.filter(|_| !self.busy), reload];
        dues.into_iter().flatten().min()
    }
}
