//! `!bans` and `!warns`: what VyHub has of somebody, for those who ask.

use std::collections::BTreeMap;

use super::api::Purpose;
use super::commands::{Problem, Target};
use super::orders::Giver;
use super::{Cx, Vyhub};
use crate::limits;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;
use crate::protocol::vyhub::{Outcome, Reply, Request};

#[derive(Default)]
pub struct Questions {
    open: BTreeMap<u64, Question>,
    last: u64,
}

struct Question {
    asker: SteamId,
    bundle: Uuid,
    steam: SteamId,
    name: String,
    warnings: bool,
    asked: bool,
    due_ms: u64,
}

impl Questions {
    pub fn due_ms(&self) -> Option<u64> {
        self.open.values().map(|question| question.due_ms).min()
    }
}

impl Vyhub {
    pub(super) fn ask_list(
        &mut self,
        giver: &Giver,
        bundle: Uuid,
        who: &Target,
        warnings: bool,
        cx: &mut Cx<'_>,
    ) -> Result<(), Problem> {
        let (steam, name) = self.whom(giver.server, bundle, who, cx)?;
        if self.questions.open.len() >= limits::ORDERS_MAX {
            return Err(Problem::new("list_away", &[]));
        }
        self.questions.last += 1;
        let question = Question {
            asker: giver.steam,
            bundle,
            steam,
            name,
            warnings,
            asked: false,
            due_ms: cx.now.mono_ms + limits::QUESTION_PATIENCE_MS,
        };
        self.questions.open.insert(self.questions.last, question);
        match self.users.get(steam) {
            Some(_) => self.questions_of_user(steam, cx),
            None => self.users.want(steam, cx.now.mono_ms),
        }
        Ok(())
    }

    /// The user of questions is known.
    pub(super) fn questions_of_user(&mut self, steam: SteamId, cx: &mut Cx<'_>) {
        let Some(user) = self.users.get(steam).map(|user| user.id) else {
            return;
        };
        let open = self.questions.open.iter_mut();
        for (number, question) in open.filter(|(_, question)| question.steam == steam) {
            if std::mem::replace(&mut question.asked, true) {
                continue;
            }
            let request = match question.warnings {
                true => Request::warnings(user, question.bundle, 1),
                false => Request::bans(user, question.bundle, 1),
            };
            self.api.ask(Purpose::Question(*number), request, cx.out);
        }
    }

    pub(super) fn questions_failed(&mut self, steam: SteamId, cx: &mut Cx<'_>) {
        let of = |question: &Question| question.steam == steam && !question.asked;
        self.give_up_questions(of, cx);
    }

    pub(super) fn expire_questions(&mut self, cx: &mut Cx<'_>) {
        let now_ms = cx.now.mono_ms;
        self.give_up_questions(|question| question.due_ms <= now_ms, cx);
    }

    fn give_up_questions(&mut self, over: impl Fn(&Question) -> bool, cx: &mut Cx<'_>) {
        let open = std::mem::take(&mut self.questions.open);
        let (over, open): (BTreeMap<_, _>, _) =
            open.into_iter().partition(|(_, question)| over(question));
        self.questions.open = open;
        for question in over.into_values() {
            let text = self.words.chat("list_away", &[]);
            self.say(question.asker, &text, cx);
        }
    }

    pub(super) fn question_answered(&mut self, number: u64, outcome: Outcome, cx: &mut Cx<'_>) {
        let Some(question) = self.questions.open.remove(&number) else {
            return;
        };
        let lines = match outcome.result {
            Ok(Reply::Bans(bans)) => {
                let line = |ban: &crate::protocol::vyhub::Ban| {
                    let until = match ban.ends {
                        Some(ends) => self.words.date(ends.as_second()),
                        None => self.words.say("permanent", &[]),
                    };
                    let since = self.words.date(ban.created.as_second());
                    let values = [
                        ("reason", ban.reason.as_deref().unwrap_or_default()),
                        ("since", since.as_str()),
                        ("until", until.as_str()),
                        ("admin", ban.creator_name.as_deref().unwrap_or("-")),
                    ];
                    self.words.chat("list_ban", &values)
                };
                let items = bans.items.iter().take(limits::COMMAND_LINES_MAX).map(line);
                self.list("list_bans", &question.name, bans.total, items.collect())
            }
            Ok(Reply::Warnings(warnings)) => {
                let line = |warning: &crate::protocol::vyhub::Warning| {
                    let since = self.words.date(warning.created.as_second());
                    let values = [
                        ("reason", warning.reason.as_deref().unwrap_or_default()),
                        ("since", since.as_str()),
                        ("admin", warning.creator_name.as_deref().unwrap_or("-")),
                    ];
                    self.words.chat("list_warn", &values)
                };
                let items = warnings
                    .items
                    .iter()
                    .take(limits::COMMAND_LINES_MAX)
                    .map(line);
                self.list(
                    "list_warns",
                    &question.name,
                    warnings.total,
                    items.collect(),
                )
            }
            _ => vec![self.words.chat("list_away", &[])],
        };
        for line in lines {
            self.say(question.asker, &line, cx);
        }
    }

    fn list(&self, key: &str, name: &str, total: u64, items: Vec<String>) -> Vec<String> {
        if items.is_empty() {
            return vec![self.words.chat(&format!("{key}_none"), &[("player", name)])];
        }
        let count = total.to_string();
        let values = [("player", name), ("count", count.as_str())];
        let mut lines = vec![self.words.chat(&format!("{key}_head"), &values)];
        lines.extend(items);
        lines
    }
}
