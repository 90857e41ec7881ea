//! Warnings: `!warn`, and what the warned player reads.

use std::convert::Infallible;

use super::commands::Order;
use super::orders::Command;
use super::orders::Target;
use super::words::Problem;
use super::{Cx, Message, Subject};
use crate::core::outbox::{Change, EntryId};
use crate::protocol::signed::messages::Place;

#[derive(Default)]
pub struct Warnings;

impl Subject for Warnings {
    type Ticket = Infallible;

    fn on_message(&mut self, message: &Message, cx: &mut Cx<'_>) {
        match message {
            Message::Accepted(id) => say_warned(*id, cx),
            Message::Order(order) => {
                if let Command::Warn { who, reason } = &order.command
                    && let Err(problem) = warn(order, who, reason, cx)
                {
                    cx.refuse(order, &problem);
                }
            }
            _ => {}
        }
    }
}

fn warn(order: &Order, who: &Target, reason: &str, cx: &mut Cx<'_>) -> Result<(), Problem> {
    let target = cx.confirmed_target(order, who)?;
    let reason = reason.to_owned();
    cx.accept(order, target, Change::Warning { reason })
}

fn say_warned(id: EntryId, cx: &mut Cx<'_>) {
    let Some(entry) = cx.outbox.get(id) else {
        return;
    };
    let Change::Warning { reason } = &entry.change else {
        return;
    };
    let admin = match &entry.issuer {
        Some(issuer) => issuer.name.clone(),
        None => cx.words.say("server_admin", &[]),
    };
    let values = [("reason", reason.as_str()), ("admin", admin.as_str())];
    let text = cx.words.chat("warned", &values);
    let Some(steam) = entry.whom.steam() else {
        return;
    };
    let there = cx.find(cx.records.server_of(entry.server), steam);
    if let Some((server, userid)) = there {
        cx.servers
            .say(server, Some(userid), &text, Place::Chat, cx.out);
        cx.servers.say_center(server, userid, &text, cx.out);
    }
}
