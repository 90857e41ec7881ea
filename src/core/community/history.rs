//! `!bans` and `!warns`: what the backend has of a player, for those who may see it.

use super::commands::{Order, Player};
use super::orders::Command;
use super::orders::Target;
use super::questions::Questions;
use super::words::{Problem, Words};
use super::{Answer, Cx, Message, Subject, Ticket};
use crate::limits;
use crate::protocol::backend::{Ban, Reply, Request, Warning};
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

#[derive(Default)]
pub struct History {
    questions: Questions<Question>,
}

struct Question {
    asker: Player,
    bundle: Uuid,
    name: String,
    warnings: bool,
}

impl Subject for History {
    type Ticket = u64;

    fn on_message(&mut self, message: &Message, cx: &mut Cx<'_>) {
        match message {
            Message::Order(order) => {
                let asked = match &order.command {
                    Command::Bans { who } => self.ask(order, who, false, cx),
                    Command::Warns { who } => self.ask(order, who, true, cx),
                    _ => Ok(()),
                };
                if let Err(problem) = asked {
                    cx.refuse(order, &problem);
                }
            }
            Message::User(steam) => self.request(*steam, cx),
            Message::NoUser(steam, _) => {
                for question in self.questions.give_up(*steam) {
                    cx.answer(&question.asker, "list_away", &[]);
                }
            }
            _ => {}
        }
    }

    fn on_reply(&mut self, number: u64, reply: Answer, cx: &mut Cx<'_>) {
        let Some((_, question)) = self.questions.replied(number, &reply, cx) else {
            return;
        };
        let (words, name) = (cx.words, &question.name);
        let lines = match reply {
            Ok(Reply::Bans(bans)) => {
                let items = bans.items.iter().map(|ban| ban_line(ban, words));
                list("list_bans", name, bans.total, items, words)
            }
            Ok(Reply::Warnings(warnings)) => {
                let items = warnings
                    .items
                    .iter()
                    .map(|warning| warning_line(warning, words));
                list("list_warns", name, warnings.total, items, words)
            }
            _ => vec![words.chat("list_away", &[])],
        };
        for line in lines {
            cx.say(Some(question.asker.server), question.asker.steam, &line);
        }
    }

    fn advance(&mut self, cx: &mut Cx<'_>) {
        while let Some(question) = self.questions.pop_due(cx.now) {
            cx.answer(&question.asker, "list_away", &[]);
        }
    }

    fn next_due(&self, _cx: &Cx<'_>) -> Option<u64> {
        self.questions.next_due()
    }
}

impl History {
    fn ask(
        &mut self,
        order: &Order,
        who: &Target,
        warnings: bool,
        cx: &mut Cx<'_>,
    ) -> Result<(), Problem> {
        let Some(asker) = order.player.clone() else {
            return Ok(());
        };
        let (steam, name) = cx.target(order.server, order.bundle, who)?;
        if self.questions.is_full() {
            return Err(Problem::new("list_away", &[]));
        }
        let question = Question {
            asker,
            bundle: order.bundle,
            name,
            warnings,
        };
        let due_ms = cx.now.mono_ms + limits::QUESTION_PATIENCE_MS;
        self.questions.ask(steam, question, due_ms, cx);
        self.request(steam, cx);
        Ok(())
    }

    /// The user of questions is known.
    fn request(&mut self, steam: SteamId, cx: &mut Cx<'_>) {
        self.questions.request(steam, cx, |number, question, user| {
            let (bundle, page) = (question.bundle, 1);
            let request = match question.warnings {
                true => Request::WarningsOfUser { user, bundle, page },
                false => Request::BansOfUser { user, bundle, page },
            };
            (Ticket::History(number), request)
        });
    }
}

fn ban_line(ban: &Ban, words: &Words) -> String {
    let until = words.until(ban.ends.map(|ends| ends.as_second()));
    let values = [
        ("reason", ban.reason.as_deref().unwrap_or_default()),
        ("since", &words.date(ban.created.as_second())),
        ("until", &until),
        ("admin", ban.creator_name.as_deref().unwrap_or("-")),
    ];
    words.chat("list_ban", &values)
}

fn warning_line(warning: &Warning, words: &Words) -> String {
    let values = [
        ("reason", warning.reason.as_deref().unwrap_or_default()),
        ("since", &words.date(warning.created.as_second())),
        ("admin", warning.creator_name.as_deref().unwrap_or("-")),
    ];
    words.chat("list_warn", &values)
}

fn list(
    key: &str,
    name: &str,
    total: u64,
    items: impl Iterator<Item = String>,
    words: &Words,
) -> Vec<String> {
    let items: Vec<String> = items.take(limits::COMMAND_LINES_MAX).collect();
    if items.is_empty() {
        return vec![words.chat(&format!("{key}_none"), &[("player", name)])];
    }
    let values = [("player", name), ("count", &total.to_string())];
    let mut lines = vec![words.chat(&format!("{key}_head"), &values)];
    lines.extend(items);
    lines
}
