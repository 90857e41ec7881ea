//! What game servers and VyHub's subjects ask for, gathered in one place: they neither know each
//! other's queues nor the calls that wait.

use serde_json::Value;

use super::opening::Opening;
use super::servers::ServerId;
use super::{Effect, Effects, HostId, Timer};
use crate::protocol::call_error::CallError;
use crate::protocol::console::Command;
use crate::protocol::rcon;
use crate::protocol::signed::messages::Push;
use crate::protocol::stock::call_file::Call;
use crate::sql::CallId;

#[derive(Default)]
pub struct Outgoing {
    pub effects: Effects,
    /// For the script of a game; with the ticket of who wants to know, or 0.
    pub pushes: Vec<(HostId, Push, u64)>,
    /// What VyHub's part tells of a server, by the names of the hooks in the game.
    pub hooks: Vec<(ServerId, String, Value)>,
    /// Calls of scripts.
    pub openings: Vec<Opening>,
    /// Calls that a script was taken to have a function for, and has not.
    pub again: Vec<(CallId, Call)>,
    /// Answers of calls that have waited.
    pub answers: Vec<(CallId, Result<Value, CallError>)>,
}

impl Outgoing {
    /// Sends a command that is known to fit into a line.
    pub fn rcon(&mut self, server: ServerId, ticket: u64, command: &Command) {
        if let Ok(line) = command.line() {
            let job = rcon::Job { ticket, line };
            self.effects.push(Effect::Rcon { server, job });
        }
    }

    pub fn timer(&mut self, timer: Timer, at_ms: Option<u64>) {
        self.effects.push(match at_ms {
            Some(at_ms) => Effect::SetTimer { timer, at_ms },
            None => Effect::CancelTimer(timer),
        });
    }

    pub fn is_empty(&self) -> bool {
        self.effects.is_empty()
            && self.pushes.is_empty()
            && self.answers.is_empty()
            && self.openings.is_empty()
            && self.again.is_empty()
    }
}
