//! Bans of addresses, on a backend that has them, and `!who`.

use super::*;
use crate::core::ids::HostId;
use crate::core::outbox::Whom;
use crate::protocol::address_range::AddressRange;
use crate::protocol::backend::{AddressBan, ChangeId};
use crate::protocol::game_report::GameReport;

pub(super) const RCON: &str = "rcon = '127.0.0.1:1'\nrcon_password = 'p'\n[vyhub]";
/// Ann has another address than in [`STATUS`].
const MOVED: &str = "map     : cp_a at: 0 x\nplayers : 1 humans, 0 bots (24 max)\n# userid name\n\
    # 7 \"Ann\" [U:1:5] 05:12 50 0 active 203.0.113.80:27005\n";
/// She comes by Steam's relays.
const RELAYED: &str = "map     : cp_a at: 0 x\nplayers : 1 humans, 0 bots (24 max)\n# userid name\n\
    # 7 \"Ann\" [U:1:5] 05:12 50 0 active 169.254.3.4:27005\n";
const AT_HOME: &str = "map     : cp_a at: 0 x\nplayers : 1 humans, 0 bots (24 max)\n# userid name\n\
    # 7 \"Ann\" [U:1:5] 05:12 50 0 active 192.168.1.9:27005\n";

fn range(text: &str) -> AddressRange {
    text.parse().unwrap()
}

/// What a backend with tables does: a change that it has seen is not made again.
#[derive(Default)]
struct Hub {
    bans: Vec<AddressBan>,
    seen: BTreeMap<ChangeId, AddressBan>,
    /// Ranges whose bans were ended, one for each request.
    ended: Vec<AddressRange>,
    /// So many replies to changes are lost.
    loses: usize,
    is_away: bool,
    /// Who is an administrator.
    admins: Vec<SteamId>,
    /// Records of the list that cannot be read.
    skipped: usize,
}

impl Hub {
    fn with(ranges: &[&str]) -> Self {
        let mut hub = Self::default();
        for (n, text) in (1..).zip(ranges) {
            hub.bans.push(AddressBan {
                id: Uuid(n << 96),
                range: range(text),
                reason: "botnet".into(),
                created: jiff::Timestamp::from_second(1_700_000_000).unwrap(),
                ends: None,
                creator: None,
                creator_name: "Eve".into(),
            });
        }
        hub
    }

    fn reply(&mut self, request: &Request) -> Option<Answer> {
        if self.is_away {
            return Some(Err(Failure {
                reachable: false,
                ..failure(FailureKind::Unreachable)
            }));
        }
        let reply = match request {
            Request::ListAddressBans { .. } => Reply::AddressBans(Listing {
                items: self.bans.clone(),
                skipped: self.skipped,
            }),
            Request::CreateAddressBan { ban, .. } => {
                let made = AddressBan {
                    id: Uuid(u128::from(ban.change)),
                    range: ban.range,
                    reason: ban.reason.clone(),
                    created: ban.created,
                    ends: None,
                    creator: None,
                    creator_name: "Admin".into(),
                };
                if self.seen.insert(ban.change, made.clone()).is_none() && ban.standing {
                    self.bans.push(made.clone());
                }
                Reply::AddressBan(made)
            }
            Request::EndAddressBans { range, .. } => {
                self.ended.push(*range);
                self.bans.retain(|ban| ban.range != *range);
                Reply::Nothing
            }
            Request::FindUser(steam) => Reply::User(user(*steam, self.admins.contains(steam))),
            _ => return Some(fair(request)),
        };
        let is_change = matches!(
            request,
            Request::CreateAddressBan { .. } | Request::EndAddressBans { .. }
        );
        if is_change && self.loses > 0 {
            self.loses -= 1;
            return Some(Err(failure(FailureKind::Unclear)));
        }
        Some(Ok(reply))
    }
}

fn config() -> String {
    CONFIG.replace("[vyhub]", RCON)
}

fn world() -> World {
    World::of(&config(), Found::default(), EMPTY)
}

impl World {
    fn serve(&mut self, seconds: u64, hub: &mut Hub) {
        self.run(seconds, |request| hub.reply(request));
    }

    fn kicks_of_ann(&self) -> Vec<&str> {
        let kicks = self.console.iter().filter(|it| it.starts_with("kickid 7"));
        kicks.map(String::as_str).collect()
    }

    /// vpid ends without a word and starts again, with what is on disk.
    fn restarted(&self) -> Self {
        let of = |shelf| {
            let files = self.disk.iter().filter(move |((of, _), _)| *of == shelf);
            files.map(|((_, name), text)| (name.clone(), text.clone()))
        };
        let found = Found {
            outbox: of(Shelf::Outbox).collect(),
            cache: of(Shelf::Cache).collect(),
            ..Found::default()
        };
        World::made(&config(), (found, at(self.now.mono_ms + 5_000)), EMPTY)
    }

    fn says(&self, text: &str) -> bool {
        self.console.iter().any(|line| shown(line).contains(text))
    }
}

/// A line of the console as players see it: some characters stand in it as figures.
pub(super) fn shown(line: &str) -> String {
    let mut parts = line.split("\\x");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (figures, rest) = part.split_at(2);
        shown.push(u8::from_str_radix(figures, 16).unwrap().into());
        shown.push_str(rest);
    }
    shown
}

fn ban_address(who: orders::AddressTarget) -> orders::Command {
    orders::Command::BanAddress {
        who,
        length: orders::Length::Seconds(3_600),
        reason: "evades".into(),
    }
}

fn ban_range(text: &str) -> orders::Command {
    ban_address(orders::AddressTarget::Range(range(text)))
}

fn unban_range(text: &str) -> orders::Command {
    orders::Command::UnbanAddress { range: range(text) }
}

#[test]
fn who_comes_from_a_banned_address_is_kicked_and_reads_why() {
    for (banned, is_kicked) in [
        ("192.0.2.9", true),
        ("192.0.2.0/24", true),
        ("192.0.0.0/8", true),
        ("192.0.2.8", false),
        ("192.0.3.0/24", false),
    ] {
        let mut world = world();
        let mut hub = Hub::with(&["198.51.100.0/24", banned]);
        world.serve(10, &mut hub);
        assert!(world.kicks_of_ann().is_empty());
        world.see(STATUS);
        world.serve(1, &mut hub);
        let kicks = world.kicks_of_ann();
        assert_eq!(!kicks.is_empty(), is_kicked, "{banned} {kicks:?}");
        if let Some(kick) = kicks.first() {
            assert!(
                kick.contains("botnet") && kick.contains("by Eve, no. 00000002"),
                "{kick}"
            );
        }
    }
}

#[test]
fn an_administrator_is_not_kicked_because_of_an_address() {
    let mut world = world();
    let mut hub = Hub::default();
    hub.admins.push(ann());
    world.see(STATUS);
    world.serve(30, &mut hub);
    hub.bans = Hub::with(&["192.0.2.9"]).bans;
    world.serve(90, &mut hub);
    assert!(world.kicks_of_ann().is_empty());
    hub.admins.clear();
    let directory = &mut world.community.directory;
    directory.want_user(ann(), world.now);
    world.advance();
    world.serve(70, &mut hub);
    assert!(!world.kicks_of_ann().is_empty(), "she is none any more");
}

#[test]
fn an_administrator_whom_nobody_knew_is_kicked_once() {
    let mut world = world();
    let mut hub = Hub::with(&["192.0.2.9"]);
    hub.admins.push(ann());
    world.serve(10, &mut hub);
    world.see(STATUS);
    world.see(EMPTY);
    assert_eq!(world.kicks_of_ann().len(), 1);
    world.serve(30, &mut hub);
    world.see(STATUS);
    world.serve(30, &mut hub);
    assert_eq!(world.kicks_of_ann().len(), 1);
}

#[test]
fn a_line_of_the_log_alone_kicks_nobody_and_status_says_where_a_player_comes_from() {
    for (status, is_kicked) in [(STATUS, true), (MOVED, false), (RELAYED, false)] {
        let mut world = world();
        let mut hub = Hub::with(&["192.0.2.9", "169.254.0.0/16"]);
        world.serve(10, &mut hub);
        let packet = b"\xff\xff\xff\xffRL 11/20/2026 - 08:00:00: \"Ann<7><[U:1:5]><>\" connected, \
            address \"192.0.2.9:5\"\n\0";
        let line = crate::protocol::engine_log::parse(packet, None).expect("a line");
        world.shared.servers.logged(ONE, &line, world.now);
        world.advance();
        world.serve(2, &mut hub);
        let roster = |world: &World| world.shared.servers.get(ONE).unwrap().roster.wants_status();
        assert!(roster(&world), "it is requested at once");
        assert!(world.kicks_of_ann().is_empty());
        world.see(status);
        world.serve(2, &mut hub);
        assert_eq!(!world.kicks_of_ann().is_empty(), is_kicked, "{status}");
        // A forged line changes nothing of what status has shown.
        world.shared.servers.logged(ONE, &line, world.now);
        world.advance();
        world.serve(70, &mut hub);
        assert_eq!(!world.kicks_of_ann().is_empty(), is_kicked, "{status}");
    }
}

#[test]
fn a_banned_address_is_kicked_again_on_each_map_and_from_another_address_not() {
    let mut world = world();
    let mut hub = Hub::with(&["192.0.2.9"]);
    world.serve(10, &mut hub);
    world.see(STATUS);
    world.serve(1, &mut hub);
    let first = world.kicks_of_ann().len();
    assert!(first > 0);
    world.see(EMPTY);
    let line = crate::protocol::engine_log::Line::MapStarted("cp_b".into());
    let game = world.shared.servers.get_mut(ONE).unwrap();
    game.roster.log_line(&line, world.now);
    world.advance();
    world.serve(20, &mut hub);
    world.see(MOVED);
    world.serve(20, &mut hub);
    assert_eq!(world.kicks_of_ann().len(), first);
    world.see(EMPTY);
    world.serve(20, &mut hub);
    world.see(STATUS);
    world.serve(1, &mut hub);
    assert!(world.kicks_of_ann().len() > first);
}

#[test]
fn a_ban_is_in_force_at_once_and_made_once_though_its_replies_are_lost() {
    let mut world = world();
    let mut hub = Hub::default();
    world.serve(10, &mut hub);
    world.see(STATUS);
    hub.loses = 3;
    let ann = orders::AddressTarget::Player(orders::Target::Steam(ann()));
    let id = world
        .order(order(None, ban_address(ann)))
        .expect("an entry");
    let entry = world.community.outbox.get(id).unwrap();
    assert_eq!(entry.whom, Whom::from(range("192.0.2.9")));
    assert_eq!(entry.name, "Ann");
    assert_eq!(world.kicks_of_ann().len(), 1);
    let (name, data) = world.hooks.last().unwrap();
    assert_eq!(name, "vyhub_address_banned");
    let expected = json!({"address": "192.0.2.9", "name": "Ann", "issuer": null, "issuer_id": null,
        "minutes": 60, "reason": "evades"});
    assert_eq!(*data, expected);
    world.serve(300, &mut hub);
    assert_eq!((hub.seen.len(), hub.bans.len()), (1, 1));
    let tries = world.count(|request| matches!(request, Request::CreateAddressBan { .. }));
    assert_eq!(tries, 4);
    assert_eq!(world.state(id), None, "a list has shown it");
    let kicks = world.kicks_of_ann().len();
    world.serve(10, &mut hub);
    assert!(world.kicks_of_ann().len() > kicks, "and it still holds");
}

#[test]
fn neither_a_restart_nor_an_outage_lets_a_banned_address_in() {
    let mut first = world();
    let mut hub = Hub::with(&["203.0.113.0/24"]);
    first.serve(10, &mut hub);
    hub.is_away = true;
    first.serve(60, &mut hub);
    first
        .order(order(None, ban_range("192.0.2.0/24")))
        .expect("an entry");
    first.serve(5, &mut hub);
    let mut second = first.restarted();
    second.serve(10, &mut hub);
    for (n, status) in [STATUS, MOVED].into_iter().enumerate() {
        second.see(EMPTY);
        second.serve(10, &mut hub);
        second.see(status);
        second.serve(1, &mut hub);
        assert_eq!(second.kicks_of_ann().len(), n + 1, "{status}");
    }
    hub.is_away = false;
    second.serve(300, &mut hub);
    assert_eq!((hub.bans.len(), hub.seen.len()), (2, 1));
    // And once more, with what the list has now.
    let mut third = second.restarted();
    hub.is_away = true;
    third.serve(10, &mut hub);
    third.see(STATUS);
    third.serve(1, &mut hub);
    assert_eq!(third.kicks_of_ann().len(), 1);
}

#[test]
fn an_unban_lifts_what_waits_and_what_is_listed_until_a_list_shows_it() {
    let mut world = world();
    let mut hub = Hub::with(&["192.0.2.0/24"]);
    world.serve(10, &mut hub);
    hub.is_away = true;
    world.serve(60, &mut hub);
    let waits = world.order(order(None, ban_range("192.0.2.0/24")));
    world
        .order(order(None, unban_range("192.0.2.0/24")))
        .expect("an entry");
    assert!(waits.is_some());
    assert_eq!(world.hooks.last().unwrap().0, "vyhub_address_unbanned");
    world.see(STATUS);
    world.serve(20, &mut hub);
    assert!(world.kicks_of_ann().is_empty());
    hub.is_away = false;
    world.serve(200, &mut hub);
    assert!(world.kicks_of_ann().is_empty());
    assert_eq!(hub.ended, [range("192.0.2.0/24")]);
    let lifted = |request: &Request| matches!(request, Request::CreateAddressBan { ban, .. } if !ban.standing);
    assert_eq!((world.count(lifted), hub.bans.len()), (1, 0));
    assert_eq!(world.community.outbox.all().count(), 0);
}

#[test]
fn changes_of_one_range_keep_their_order_and_do_not_wait_for_others() {
    let mut world = world();
    let mut hub = Hub::default();
    world.serve(10, &mut hub);
    let mut order_of = |command| world.order(order(None, command)).expect("an entry");
    order_of(ban_range("203.0.113.7"));
    order_of(unban_range("203.0.113.7"));
    order_of(ban_range("203.0.113.7"));
    order_of(ban_range("203.0.113.8"));
    world.serve(30, &mut hub);
    let changes = world.sent.iter().filter_map(|(_, request)| match request {
        Request::CreateAddressBan { ban, .. } => Some((ban.range, ban.standing)),
        Request::EndAddressBans { range, .. } => Some((*range, false)),
        _ => None,
    });
    let seven: Vec<bool> = changes
        .filter(|(of, _)| *of == range("203.0.113.7"))
        .map(|(_, standing)| standing)
        .collect();
    assert_eq!(seven, [true, false, true], "banned, ended, banned");
    assert_eq!(hub.bans.len(), 2);
}

#[test]
fn a_backend_without_bans_of_addresses_is_asked_once_and_says_so() {
    let mut world = world();
    world.see(STATUS);
    let none = |request: &Request| match request {
        Request::ListAddressBans { .. } => Some(Err(Failure::unsupported("none"))),
        _ => Some(fair(request)),
    };
    world.run(600, none);
    let lists = |request: &Request| matches!(request, Request::ListAddressBans { .. });
    assert_eq!(world.count(lists), 1);
    for command in [
        ban_range("203.0.113.7"),
        unban_range("203.0.113.7"),
        orders::Command::AddressBans {
            range: range("203.0.113.7"),
        },
    ] {
        world.console.clear();
        assert_eq!(world.order(order(Some(ann()), command)), None);
        assert!(
            world.says("VyHub has no bans of addresses"),
            "{:?}",
            world.console
        );
    }
}

#[test]
fn a_request_that_was_not_sent_does_not_make_a_backend_reachable() {
    let mut first = world();
    first.run(30, |request| Some(fair(request)));
    let mut world = first.restarted();
    world.run(120, |request| match request {
        Request::ListAddressBans { .. } => Some(Err(Failure::unsupported("none"))),
        _ => Some(Err(Failure {
            reachable: false,
            ..failure(FailureKind::Unreachable)
        })),
    });
    assert!(world.community.addresses.is_unsupported());
    assert!(!world.community.backend.is_reachable());
}

#[test]
fn what_must_not_be_banned_is_refused_with_a_sentence() {
    let mut world = world();
    let mut hub = Hub::default();
    world.see(STATUS);
    world.serve(30, &mut hub);
    for (command, expected) in [
        (ban_range("203.0.0.0/15"), "too wide"),
        (ban_range("10.1.2.3"), "private networks"),
        (ban_range("127.0.0.1"), "private networks"),
        (ban_range("169.254.7.0/24"), "private networks"),
        (ban_range("192.0.2.0/24"), "That would be yourself"),
    ] {
        world.console.clear();
        let entry = world.order(order(Some(ann()), command.clone()));
        assert_eq!(entry, None, "{command:?}");
        assert!(world.says(expected), "{command:?} {:?}", world.console);
    }
    // The addresses of these players are nobody's own.
    for (status, expected) in [(RELAYED, "is not known"), (AT_HOME, "private networks")] {
        world.see(EMPTY);
        world.serve(10, &mut hub);
        world.see(status);
        let ann = orders::AddressTarget::Player(orders::Target::Userid(7));
        world.console.clear();
        let entry = world.order(order(Some(self::ann()), ban_address(ann)));
        assert_eq!(entry, None, "{status}");
        assert!(world.says(expected), "{status} {:?}", world.console);
        assert!(!world.says("192.168"), "nobody reads her address");
    }
}

#[test]
fn who_ranks_higher_is_not_banned_with_a_range() {
    let mut world = world();
    world.see(STATUS);
    let mut hub = Hub::default();
    let high = Group {
        permission_level: 9,
        ..may_ban()
    };
    let mut reply = |request: &Request| match request {
        Request::GroupsOfUser { user: of, .. } => {
            let group = if *of == user(ann(), false).id {
                high.clone()
            } else {
                may_ban()
            };
            Some(Ok(groups(vec![group], 0)))
        }
        _ => hub.reply(request),
    };
    let directory = &mut world.community.directory;
    directory.want_user(admin(), world.now);
    directory.want_rights(admin(), BUNDLE, world.now);
    world.run(30, &mut reply);
    assert_eq!(
        world.order(order(Some(admin()), ban_range("192.0.2.0/24"))),
        None
    );
    assert!(
        world
            .order(order(Some(admin()), ban_range("192.0.3.0/24")))
            .is_some()
    );
    let longest = Group {
        max_ban_s: Some(60),
        ..may_ban()
    };
    let directory = &mut world.community.directory;
    directory.want_rights(admin(), BUNDLE, world.now);
    world.run(5, |request| match request {
        Request::GroupsOfUser { .. } => Some(Ok(groups(vec![longest.clone()], 0))),
        _ => hub.reply(request),
    });
    assert_eq!(
        world.order(order(Some(admin()), ban_range("192.0.4.0/24"))),
        None
    );
}

#[test]
fn an_unban_of_what_is_not_banned_names_the_range_that_is() {
    let mut world = world();
    let mut hub = Hub::with(&["203.0.113.0/24"]);
    world.see(STATUS);
    hub.admins.push(ann());
    world.serve(30, &mut hub);
    for (address, expected) in [
        ("203.0.113.7", "203.0.113.0/24 is"),
        ("198.51.100.1", "198.51.100.1 is not banned."),
    ] {
        world.console.clear();
        assert_eq!(world.order(order(Some(ann()), unban_range(address))), None);
        world.serve(5, &mut hub);
        assert!(world.says(expected), "{:?}", world.console);
    }
    // Another server has banned it just now.
    hub.bans.extend(Hub::with(&["198.51.100.1"]).bans);
    assert_eq!(
        world.order(order(Some(ann()), unban_range("198.51.100.1"))),
        None
    );
    world.serve(10, &mut hub);
    assert_eq!(hub.ended, [range("198.51.100.1")]);
}

#[test]
fn bans_around_an_address_and_in_a_range_are_listed_in_the_readers_console_only() {
    let mut world = world();
    let mut hub = Hub::with(&["203.0.113.0/24", "203.0.113.7", "198.51.100.1"]);
    hub.admins.push(ann());
    world.see(STATUS);
    world.serve(30, &mut hub);
    world
        .order(order(None, ban_range("203.0.0.0/16")))
        .expect("an entry");
    for (asked, count) in [
        ("203.0.113.7", 3),
        ("203.0.112.0/23", 3),
        ("198.51.0.0/16", 1),
    ] {
        world.console.clear();
        let range = range(asked);
        world.order(order(Some(ann()), orders::Command::AddressBans { range }));
        let listed = world.console.iter().filter(|line| line.contains(", by "));
        assert_eq!(listed.count(), count, "{asked} {:?}", world.console);
    }
}

#[test]
fn a_list_that_cannot_all_be_read_or_is_too_long_lifts_nothing() {
    let mut world = world();
    let mut hub = Hub::with(&["192.0.2.9"]);
    world.serve(10, &mut hub);
    (hub.bans, hub.skipped) = (Hub::with(&["198.51.100.0/24"]).bans, 1);
    hub.bans[0].id = Uuid(99);
    world.serve(70, &mut hub);
    world.see(STATUS);
    world.serve(1, &mut hub);
    assert_eq!(
        world.kicks_of_ann().len(),
        1,
        "it may be the one that cannot be read"
    );
    hub.skipped = 0;
    let one = hub.bans[0].clone();
    hub.bans = (0..=limits::ADDRESS_BANS_MAX as u32)
        .map(|n| AddressBan {
            range: AddressRange::of(n.into()),
            ..one.clone()
        })
        .collect();
    world.serve(70, &mut hub);
    let kicks = world.kicks_of_ann().len();
    world.serve(10, &mut hub);
    assert!(world.kicks_of_ann().len() > kicks);
    // One that is empty is believed when it comes twice.
    hub.bans.clear();
    world.serve(90, &mut hub);
    let kicks = world.kicks_of_ann().len();
    world.serve(30, &mut hub);
    assert_eq!(world.kicks_of_ann().len(), kicks);
}

#[test]
fn game_scripts_get_no_address_with_a_hook() {
    let mut world = world();
    let mut hub = Hub::default();
    world.serve(10, &mut hub);
    world.see(STATUS);
    let started = GameReport::MapStarted {
        map: "cp_a".into(),
        max_players: None,
    };
    let servers = &mut world.shared.servers;
    servers.reported(ONE, HostId(0), &started, world.now, &mut world.out);
    world.see(STATUS);
    let ann = orders::AddressTarget::Player(orders::Target::Steam(ann()));
    world
        .order(order(None, ban_address(ann)))
        .expect("an entry");
    let (name, data) = world.game_hooks.last().expect("a hook");
    assert_eq!(name, "vyhub_address_banned");
    assert_eq!(
        (&data["name"], &data["reason"]),
        (&json!("Ann"), &json!("evades"))
    );
    assert!(!data.to_string().contains("192.0.2"), "{data}");
    assert_eq!(world.hooks.last().unwrap().1["address"], "192.0.2.9");
    // A range has no other name.
    let range = orders::AddressTarget::Range("198.51.100.0/24".parse().unwrap());
    world
        .order(order(None, ban_address(range)))
        .expect("an entry");
    let data = &world.game_hooks.last().expect("a hook").1;
    assert_eq!(data["name"], json!(null));
    assert!(!data.to_string().contains("198.51"), "{data}");
    assert_eq!(world.hooks.last().unwrap().1["name"], "198.51.100.0/24");
}

#[test]
fn who_is_on_is_listed_with_userids_for_those_who_may_see_bans() {
    for (right, expected) in [
        ("ban_show", "#7 Ann: admins"),
        ("warning_show", "Ann: admins"),
    ] {
        let mut world = world();
        world.see(STATUS);
        let group = Group {
            properties: vec![Property {
                name: right.into(),
                granted: true,
            }],
            ..may_ban()
        };
        world.run(30, |request| match request {
            Request::GroupsOfUser { .. } => Some(Ok(groups(vec![group.clone()], 0))),
            _ => Some(fair(request)),
        });
        world.console.clear();
        world.order(order(Some(ann()), orders::Command::Who));
        assert!(world.says(expected), "{:?}", world.console);
        assert_eq!(world.says("#7"), right == "ban_show");
        assert!(!world.says("192.0.2"));
        // Soon again, it is not.
        world.console.clear();
        world.order(order(Some(ann()), orders::Command::Who));
        assert!(world.says("Wait a moment") && !world.says(expected));
        world.run(10, |request| Some(fair(request)));
        world.order(order(Some(ann()), orders::Command::Who));
        assert!(world.says(expected));
    }
}
