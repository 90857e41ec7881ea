//! What is to be said to players while vpid, which has just started, does not know yet who is on: an answer to a
//! command from before its start.

use super::Cx;
use crate::core::servers::ServerId;
use crate::limits;
use crate::protocol::steam_id::SteamId;

#[derive(Default)]
pub struct Unsaid {
    texts: Vec<Text>,
}

struct Text {
    server: Option<ServerId>,
    steam: SteamId,
    text: String,
    until_ms: u64,
}

impl Cx<'_> {
    /// Keeps it until the player is seen, if `status` has not told yet who is on.
    pub(super) fn say_later(&mut self, server: Option<ServerId>, steam: SteamId, text: &str) {
        let mut servers = self.records.all().iter().map(|record| record.server);
        let is_listed = |server| {
            let game = self.servers.get(server);
            game.is_none_or(|game| game.roster.status_ms().is_some())
        };
        let are_listed = server.map_or_else(|| servers.all(is_listed), is_listed);
        if are_listed || self.unsaid.texts.len() >= limits::UNSAID_MAX {
            return;
        }
        self.unsaid.texts.push(Text {
            server,
            steam,
            text: text.to_owned(),
            until_ms: self.now.mono_ms + limits::UNSAID_MS,
        });
    }

    /// Says what waits to players who have been seen meanwhile.
    pub(super) fn say_unsaid(&mut self) {
        if self.unsaid.texts.is_empty() {
            return;
        }
        for text in std::mem::take(&mut self.unsaid.texts) {
            if self.find(text.server, text.steam).is_some() {
                self.say(text.server, text.steam, &text.text);
            } else if self.now.mono_ms < text.until_ms {
                self.unsaid.texts.push(text);
            }
        }
    }
}
