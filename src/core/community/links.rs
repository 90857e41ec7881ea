//! `!shop`, `!bans`, `!warnings`, `!news`, `!user` and `!dashboard`: the addresses of the backend's pages. For
//! admins, `!dashboard` also lists in their console who is on, as the backend knows them; `!who` lists for all
//! players who is on with which groups.

use super::commands::{Order, Player};
use super::orders::{Command, Target};
use super::rights::{Right, Verdict};
use super::words::Problem;
use super::{Answer, Cx, Message, Subject};
use crate::core::deadlines::Expiring;
use crate::core::roster::Person;
use crate::limits;
use crate::protocol::backend::{Activity, Reply, Request, WebPage};
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

#[derive(Default)]
pub struct Links {
    /// Who wants the page of a user who is being looked up, by number.
    waiting: Expiring<u64, (Player, SteamId)>,
    last: u64,
    /// Who has had a list of who is on lately.
    listed: Expiring<SteamId, ()>,
}

impl Subject for Links {
    /// The admin who wants to know who is on.
    type Ticket = Player;

    fn on_message(&mut self, message: &Message, cx: &mut Cx<'_>) {
        match message {
            Message::Order(order) => {
                let Some(player) = &order.player else { return };
                let done = match &order.command {
                    Command::Link(page) => {
                        say_link(player, *page, None, cx);
                        Ok(())
                    }
                    Command::UserPage { who } => self.user_page(order, player, who.as_ref(), cx),
                    Command::Dashboard => {
                        dashboard(order, player, cx);
                        Ok(())
                    }
                    Command::Who => {
                        self.who(order, player, cx);
                        Ok(())
                    }
                    _ => Ok(()),
                };
                if let Err(problem) = done {
                    cx.refuse(order, &problem);
                }
            }
            Message::User(steam) => {
                let user = cx.directory.user(*steam).map(|user| user.id);
                for (_, (player, _)) in self.waiting.remove_where(|_, (_, of)| of == steam) {
                    say_link(&player, WebPage::User, user, cx);
                }
            }
            Message::NoUser(steam, _) => {
                for (_, (player, _)) in self.waiting.remove_where(|_, (_, of)| of == steam) {
                    cx.answer(&player, "link_away", &[]);
                }
            }
            _ => {}
        }
    }

    fn on_reply(&mut self, player: Player, reply: Answer, cx: &mut Cx<'_>) {
        let activity = match reply {
            Ok(Reply::Activity(listing)) => listing.items,
            _ => {
                cx.answer(&player, "list_away", &[]);
                Vec::new()
            }
        };
        list(&player, cx, |person, bundle, cx| {
            line(person, bundle, &activity, cx)
        });
    }

    fn advance(&mut self, cx: &mut Cx<'_>) {
        while let Some((_, (player, _))) = self.waiting.pop_due(cx.now.mono_ms) {
            cx.answer(&player, "link_away", &[]);
        }
        while self.listed.pop_due(cx.now.mono_ms).is_some() {}
    }

    fn next_due(&self, _cx: &Cx<'_>) -> Option<u64> {
        let dues = [self.waiting.next_due(), self.listed.next_due()];
        dues.into_iter().flatten().min()
    }
}

impl Links {
    fn user_page(
        &mut self,
        order: &Order,
        player: &Player,
        who: Option<&Target>,
        cx: &mut Cx<'_>,
    ) -> Result<(), Problem> {
        let steam = match who {
            Some(who) => cx.known_target(order.server, order.bundle, who)?.0,
            None => player.steam,
        };
        if let Some(user) = cx.directory.user_id(steam, order.bundle) {
            say_link(player, WebPage::User, Some(user), cx);
        } else if self.waiting.len() >= limits::ORDERS_MAX {
            cx.answer(player, "link_away", &[]);
        } else {
            self.last += 1;
            let due_ms = cx.now.mono_ms + limits::QUESTION_PATIENCE_MS;
            self.waiting
                .insert(self.last, (player.clone(), steam), due_ms);
            cx.directory.want_user(steam, cx.now);
        }
        Ok(())
    }
}

impl Links {
    /// `!who`: userids are for those who may do something with them.
    fn who(&mut self, order: &Order, player: &Player, cx: &mut Cx<'_>) {
        if self.listed.get(player.steam).is_some() || self.listed.len() >= limits::PLAYERS_MAX {
            return cx.answer(player, "who_soon", &[]);
        }
        let due_ms = cx.now.mono_ms + limits::WHO_AGAIN_MS;
        self.listed.insert(player.steam, (), due_ms);
        let (steam, bundle) = (player.steam, order.bundle);
        let key = match cx.directory.may(steam, bundle, Right::BanShow, cx.now) {
            Verdict::Yes => "who_userid",
            Verdict::No | Verdict::Unknown => "who_player",
        };
        list(player, cx, |person, bundle, cx| {
            let values = [
                ("userid", &*person.userid.to_string()),
                ("player", &person.name),
                ("groups", &groups_of(person, bundle, cx)),
            ];
            cx.words.chat(key, &values)
        });
    }
}

/// The address of a page, or of that of a record.
fn say_link(player: &Player, page: WebPage, id: Option<Uuid>, cx: &mut Cx<'_>) {
    let link = cx.records.links().and_then(|links| links.page(page, id));
    match link {
        Some(link) => cx.answer(player, "link", &[("link", &link)]),
        None => cx.answer(player, "link_away", &[]),
    }
}

fn dashboard(order: &Order, player: &Player, cx: &mut Cx<'_>) {
    let Some(server) = cx.records.get(player.server).map(|record| record.id) else {
        return;
    };
    say_link(player, WebPage::Dashboard, Some(server), cx);
    if cx.directory.about(player.steam, order.bundle, cx.now).admin {
        let ticket = super::Ticket::Links(player.clone());
        cx.request(ticket, Request::ListActivity { server });
    }
}

/// Who is on, line by line in the console of a player.
fn list(reader: &Player, cx: &mut Cx<'_>, line: impl Fn(&Person, Uuid, &Cx<'_>) -> String) {
    let Some((server, userid)) = cx.find(Some(reader.server), reader.steam) else {
        return;
    };
    let (Some(game), Some(bundle)) = (cx.servers.get(server), cx.records.bundle(server)) else {
        return;
    };
    let people = game.roster.people().filter(|person| !person.bot);
    let lines = people.map(|person| line(person, bundle, cx));
    let lines: Vec<String> = lines.take(limits::DASHBOARD_LINES_MAX).collect();
    for line in lines {
        cx.servers.say_console(server, userid, &line, cx.out);
    }
    cx.answer(reader, "dashboard_listed", &[]);
}

/// The names of a player's groups, for people to read.
fn groups_of(person: &Person, bundle: Uuid, cx: &Cx<'_>) -> String {
    let rights = person.steam.and_then(|it| cx.directory.rights(it, bundle));
    match rights {
        Some(rights) if rights.groups.is_empty() => "-".to_owned(),
        Some(rights) => {
            let names = rights.groups.iter().map(|group| group.name.as_str());
            names.collect::<Vec<_>>().join(", ")
        }
        None => "?".to_owned(),
    }
}

fn line(person: &Person, bundle: Uuid, activity: &[Activity], cx: &Cx<'_>) -> String {
    let known = activity.iter().find(|it| Some(it.steam) == person.steam);
    let count = |of: fn(&Activity) -> usize| known.map_or("?".into(), |it| of(it).to_string());
    let user = person.steam.and_then(|it| cx.directory.user(it));
    let listed = known.and_then(|it| it.username.as_deref());
    let username = listed.or(user.and_then(|user| user.username.as_deref()));
    let values = [
        ("userid", &*person.userid.to_string()),
        ("player", &person.name),
        ("user", username.unwrap_or("?")),
        ("groups", &groups_of(person, bundle, cx)),
        ("warnings", &count(|it| it.warnings)),
        ("bans", &count(|it| it.bans)),
    ];
    cx.words.chat("dashboard_player", &values)
}
