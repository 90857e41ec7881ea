//! Adverts of the backend: shown to all players of a server in turn, line by line and in their colours; none
//! while the server is empty. They are cached on disk for when the backend is unreachable.

use std::collections::BTreeMap;

use super::{Answer, Cx, Message, Subject, Ticket};
use crate::config;
use crate::core::servers::ServerId;
use crate::jobs::store::{Content, Shelf};
use crate::limits;
use crate::protocol::backend::{Advert, Listing, Reply, Request};
use crate::protocol::signed::messages::Place;
use crate::protocol::uuid::Uuid;

/// What an advert can have as tags, such as `<red>` and `</red>`; the same in other clients.
const COLOURS: [(&str, &str); 5] = [
    ("red", "FF1823"),
    ("green", "2DAA00"),
    ("blue", "0073CC"),
    ("yellow", "E5DD00"),
    ("pink", "E500DA"),
];

#[derive(Default)]
pub struct Adverts {
    prefix: String,
    /// From one advert to the next; 0: none are shown.
    interval_ms: u64,
    lists: BTreeMap<Uuid, List>,
    turns: BTreeMap<ServerId, Turn>,
}

/// The adverts of a bundle.
#[derive(Default)]
struct List {
    adverts: Vec<Advert>,
    due_ms: u64,
    busy: bool,
}

/// What a server with players on it shows next.
struct Turn {
    due_ms: u64,
    next: usize,
}

impl Subject for Adverts {
    /// The bundle whose adverts are fetched.
    type Ticket = Uuid;

    fn configure(&mut self, config: &config::Community) {
        self.prefix = config.advert_prefix.clone();
        self.interval_ms = config.advert_interval_s * 1_000;
    }

    fn restore(&mut self, name: &str, text: &str, _cx: &mut Cx<'_>) -> serde_json::Result<()> {
        if let Some(bundle) = name.strip_prefix("adverts-").and_then(|id| id.parse().ok()) {
            let adverts = serde_json::from_str(text)?;
            let list = self.lists.entry(bundle).or_default();
            list.adverts = adverts;
        }
        Ok(())
    }

    fn on_message(&mut self, message: &Message, cx: &mut Cx<'_>) {
        if matches!(message, Message::Changed(topics) if topics.adverts) {
            for list in self.lists.values_mut() {
                list.due_ms = list.due_ms.min(cx.now.mono_ms);
            }
        }
    }

    fn on_reply(&mut self, bundle: Uuid, reply: Answer, cx: &mut Cx<'_>) {
        let list = self.lists.entry(bundle).or_default();
        list.busy = false;
        match reply {
            Ok(Reply::Adverts(Listing { items: adverts, .. })) if adverts != list.adverts => {
                let text = serde_json::to_string_pretty(&adverts).unwrap_or_default();
                list.adverts = adverts;
                let name = format!("adverts-{bundle}");
                cx.store(Shelf::Cache, name, Some(Content::Json(text)), None);
            }
            Ok(_) => {}
            Err(failure) => {
                list.due_ms = cx.backend.again_ms(limits::VYHUB_ROUND_MS, cx.now);
                cx.backend.report_refusal(&failure, cx.now);
                let kind = Request::ListAdverts(bundle).kind();
                cx.backend.report_unlisted(kind, &failure);
                log::debug!("adverts could not be fetched: {failure}");
            }
        }
    }

    fn advance(&mut self, cx: &mut Cx<'_>) {
        if self.interval_ms == 0 {
            return;
        }
        let ready: Vec<(ServerId, Uuid)> = cx.records.ready().collect();
        for (server, bundle) in ready {
            let list = self.lists.entry(bundle).or_default();
            if !list.busy && list.due_ms <= cx.now.mono_ms {
                list.busy = true;
                list.due_ms = cx.now.mono_ms + limits::VYHUB_ADVERTS_MS;
                cx.request(Ticket::Adverts(bundle), Request::ListAdverts(bundle));
            }
            self.show(server, bundle, cx);
        }
    }

    fn next_due(&self, cx: &Cx<'_>) -> Option<u64> {
        if self.interval_ms == 0 {
            return None;
        }
        let fetches = cx.records.ready().filter_map(|(_, bundle)| {
            let list = self.lists.get(&bundle).filter(|list| !list.busy)?;
            Some(list.due_ms)
        });
        fetches
            .chain(self.turns.values().map(|turn| turn.due_ms))
            .min()
    }
}

impl Adverts {
    /// Shows the next advert, if it is time to.
    fn show(&mut self, server: ServerId, bundle: Uuid, cx: &mut Cx<'_>) {
        let list = self.lists.get(&bundle);
        let adverts = list.map_or(&[][..], |list| &list.adverts);
        let is_empty = cx.servers.get(server).is_none_or(|game| {
            let mut people = game.roster.people();
            people.all(|person| person.bot)
        });
        if adverts.is_empty() || is_empty {
            self.turns.remove(&server);
            return;
        }
        let due_ms = cx.now.mono_ms + self.interval_ms;
        let turn = self.turns.entry(server).or_insert(Turn { due_ms, next: 0 });
        if turn.due_ms > cx.now.mono_ms {
            return;
        }
        turn.due_ms = due_ms;
        let Some((at, lines)) = following(adverts, turn.next) else {
            return;
        };
        turn.next = at + 1;
        let colour = &adverts[at].colour;
        for line in lines {
            let line = coloured(&line, colour);
            let text = format!("\x07{colour}{}{line}", self.prefix);
            cx.servers.show(server, None, text, Place::Chat, cx.out);
        }
    }
}

/// Which advert is next, from this one on, with its lines. Those without any text are passed over.
fn following(adverts: &[Advert], from: usize) -> Option<(usize, Vec<String>)> {
    let count = adverts.len();
    let turns = (0..count).map(|step| (from % count + step) % count);
    let mut all = turns.map(|at| (at, lines(&adverts[at].content)));
    all.find(|(_, lines)| !lines.is_empty())
}

/// The lines of an advert that have text.
fn lines(content: &str) -> Vec<String> {
    let lines = content.lines().take(limits::ADVERT_LINES_MAX);
    let lines = lines.map(|line| line.chars().filter(|c| !c.is_control()).collect::<String>());
    lines.filter(|line| has_text(line)).collect()
}

/// Whether a line has more than blanks and tags.
fn has_text(line: &str) -> bool {
    let text = COLOURS.iter().fold(line.to_owned(), |line, (name, _)| {
        let rest = line.replace(&format!("<{name}>"), "");
        rest.replace(&format!("</{name}>"), "")
    });
    !text.trim().is_empty()
}

/// A line with its tags as colours of the game; behind them it goes on in the colour of the advert.
fn coloured(line: &str, usual: &str) -> String {
    COLOURS
        .iter()
        .fold(line.to_owned(), |line, (name, colour)| {
            let begun = line.replace(&format!("<{name}>"), &format!("\x07{colour}"));
            begun.replace(&format!("</{name}>"), &format!("\x07{usual}"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adverts_without_text_are_passed_over() {
        let advert = |content: &str| Advert {
            content: content.into(),
            colour: "00ff00".into(),
        };
        let all = ["", "<red></red>\n \u{1b}", "Hi\n<blue> </blue>\nthere", "x"].map(advert);
        let next = |from| {
            let (at, lines) = following(&all, from).unwrap();
            (at, lines.join("/"))
        };
        assert_eq!(next(0), (2, "Hi/there".to_owned()));
        assert_eq!(next(3), (3, "x".to_owned()));
        assert_eq!(next(4), next(0), "from the first on again");
        assert_eq!(following(&all[..2], 1), None);
    }

    #[test]
    fn tags_become_colours_and_what_is_none_stays() {
        for (line, expected) in [
            ("plain", "plain"),
            ("a <red>b</red> c", "a \x07FF1823b\x0700ff00 c"),
            ("<pink><blue>x", "\x07E500DA\x070073CCx"),
            ("1 < 2 > 0 <b>x</b> <Red>", "1 < 2 > 0 <b>x</b> <Red>"),
        ] {
            assert_eq!(coloured(line, "00ff00"), expected);
        }
    }
}
