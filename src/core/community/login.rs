//! `!login <code>`: a player confirms that a browser is theirs, which is then logged in to the backend as this
//! player. Off, unless the owner turns it on.
//!
//! A stranger could get a player to confirm the code of the stranger's browser, and use that account. So
//! it takes two commands, the first of which says what the second does; guesses are limited; and no code is
//! ever logged or kept.

use super::commands::Player;
use super::orders::{Command, Login};
use super::{Answer, Cx, Message, Subject};
use crate::core::deadlines::Expiring;
use crate::limits;
use crate::protocol::backend::{FailureKind, Request};
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

#[derive(Default)]
pub struct Logins {
    /// Codes that wait for their second confirmation.
    open: Expiring<SteamId, Uuid>,
    /// How many codes each player has tried lately.
    tries: Expiring<SteamId, u32>,
}

impl Subject for Logins {
    /// Who confirms.
    type Ticket = Player;

    fn on_message(&mut self, message: &Message, cx: &mut Cx<'_>) {
        if let Message::Order(order) = message
            && let (Command::Login(login), Some(player)) = (&order.command, &order.player)
        {
            let key = match login {
                Login::Code(code) => Some(self.open(player.steam, code.0, cx)),
                Login::Yes => self.confirm(player, cx),
            };
            if let Some(key) = key {
                cx.answer(player, key, &[]);
            }
        }
    }

    fn on_reply(&mut self, player: Player, reply: Answer, cx: &mut Cx<'_>) {
        let key = match reply {
            Ok(_) => {
                log::info!(
                    "{} has confirmed a login in {}",
                    player.steam,
                    cx.backend.keeper
                );
                "login_done"
            }
            Err(failure) => match failure.kind {
                FailureKind::NotFound | FailureKind::Invalid => "login_unknown",
                _ => "login_away",
            },
        };
        cx.answer(&player, key, &[]);
    }

    fn advance(&mut self, cx: &mut Cx<'_>) {
        while self.open.pop_due(cx.now.mono_ms).is_some() {}
        while self.tries.pop_due(cx.now.mono_ms).is_some() {}
    }

    fn next_due(&self, _cx: &Cx<'_>) -> Option<u64> {
        let dues = [self.open.next_due(), self.tries.next_due()];
        dues.into_iter().flatten().min()
    }
}

impl Logins {
    /// The first command. Gives the answer.
    fn open(&mut self, steam: SteamId, code: Uuid, cx: &Cx<'_>) -> &'static str {
        let tries = self.tries.get(steam).copied();
        let is_full = tries.is_none() && self.tries.len() >= limits::LOGINS_MAX;
        if is_full || tries.is_some_and(|tries| tries >= limits::LOGIN_TRIES_MAX) {
            self.open.remove(steam);
            return "login_tries";
        }
        match self.tries.get_mut(steam) {
            Some(tries) => *tries += 1,
            None => {
                let due_ms = cx.now.mono_ms + limits::LOGIN_TRIES_MS;
                self.tries.insert(steam, 1, due_ms);
            }
        }
        let due_ms = cx.now.mono_ms + limits::LOGIN_CONFIRM_MS;
        self.open.insert(steam, code, due_ms);
        "login_sure"
    }

    /// The second one.
    fn confirm(&mut self, player: &Player, cx: &mut Cx<'_>) -> Option<&'static str> {
        let Some(code) = self.open.remove(player.steam) else {
            return Some("login_none");
        };
        let steam = player.steam;
        let ticket = super::Ticket::Logins(player.clone());
        cx.request(ticket, Request::ConfirmLogin { code, steam });
        None
    }
}
