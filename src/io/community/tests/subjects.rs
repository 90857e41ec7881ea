//! What each request that reads gives, and what there is to be read.

use jiff::Timestamp;

use super::support::*;
use crate::io::community::changes::Topic;
use crate::io::community::row::{id_value, steam_value};
use crate::io::sql::own::tests::support::beds;
use crate::protocol::backend::*;
use crate::protocol::local_ids::{self, BUNDLE};
use crate::protocol::uuid::Uuid;
use serde_json::json;

#[test]
fn a_server_is_registered_by_its_name_and_shows_how_it_is() {
    for bed in beds() {
        let (mut vpid, mut owner) = (vpid(&bed, 1), Owner::new(&bed));
        let id = local_ids::server("one");
        let find = || Request::FindServer(id);
        let outcome = vpid.outcome(find(), 20_000);
        assert!(outcome.api_s.is_some(), "{}: no clock", bed.name);
        let Ok(Reply::Server(server)) = outcome.result else {
            panic!("{outcome:?}");
        };
        assert_eq!((server.name.as_str(), server.bundle), ("one", Some(BUNDLE)));
        assert_eq!(server.extra, json!({}));
        let set = "UPDATE vpid_servers SET extra = ? WHERE name = 'one'";
        for (extra, read) in [
            ("{\"res_slots\": 2}", json!({"res_slots": 2})),
            ("[1]", json!({})),
        ] {
            owner.0.run(set, &[extra.into()]).unwrap();
            let Reply::Server(server) = vpid.reply(find()) else {
                panic!()
            };
            assert_eq!(server.extra, read);
        }
        vpid.reply(Request::CreateUser(steam(1)));
        vpid.reply(report_state("one", &[(1, "Alice")]));
        let read = "SELECT map FROM vpid_servers WHERE alive = 1 AND players_current = 1 AND players_max = 24 \
                    AND seen_us > 0 AND name = 'one'";
        assert_eq!(owner.texts(read), ["pl_upward"]);
        assert_eq!(
            owner.texts("SELECT players FROM vpid_servers WHERE name = 'one'"),
            [format!("[\"{}\"]", steam(1))]
        );
        assert_eq!(
            owner.texts("SELECT name FROM vpid_users WHERE seen_us > 0"),
            ["Alice"]
        );
        let failure = vpid.ask(Request::FindServer(Uuid(9))).unwrap_err();
        assert_eq!(failure.kind, FailureKind::NotFound);
    }
}

/// Else each of them would show the players of the other.
#[test]
fn a_server_that_another_vpid_reports_is_left_to_it() {
    for bed in beds() {
        let (mut first, mut second) = (vpid(&bed, 1), vpid(&bed, 2));
        let mut owner = Owner::new(&bed);
        first.reply(Request::FindServer(local_ids::server("one")));
        second.reply(Request::FindServer(local_ids::server("one")));
        first.reply(report_state("one", &[]));
        for _ in 0..2 {
            first.reply(report_state("one", &[]));
            second.reply(report_state("one", &[(1, "Alice")]));
        }
        assert_eq!(
            owner.numbers("SELECT players_current FROM vpid_servers"),
            [0]
        );
        let long_ago = "UPDATE vpid_servers SET seen_us = seen_us - 600000000";
        owner.0.run(long_ago, &[]).unwrap();
        second.reply(report_state("one", &[(1, "Alice")]));
        assert_eq!(
            owner.numbers("SELECT players_current FROM vpid_servers"),
            [1]
        );
    }
}

#[test]
fn users_are_made_once_and_named_as_they_play() {
    for bed in beds() {
        let (mut vpid, mut owner) = (vpid(&bed, 1), Owner::new(&bed));
        let missing = vpid.ask(Request::FindUser(steam(1))).unwrap_err();
        assert_eq!(missing.kind, FailureKind::NotFound);
        for _ in 0..2 {
            let Reply::User(made) = vpid.reply(Request::CreateUser(steam(1))) else {
                panic!()
            };
            assert_eq!((made.id, made.username, made.admin), (user(1), None, false));
        }
        owner.admin(2);
        vpid.reply(report_state("one", &[(1, "Alice"), (2, "Bob 🎩")]));
        vpid.reply(report_state("one", &[(1, "Alice II"), (2, "Bob 🎩")]));
        for (account, name, admin) in [(1, "Alice II", false), (2, "Bob 🎩", true)] {
            let found = vpid.reply(Request::FindUser(steam(account)));
            let Reply::User(found) = found else { panic!() };
            assert_eq!(
                (found.username.as_deref(), found.admin),
                (Some(name), admin)
            );
        }
    }
}

#[test]
fn who_is_banned_or_warned_before_a_report_names_them_has_a_name() {
    for bed in beds() {
        let mut vpid = vpid(&bed, 1);
        let named = |name: &str| Some(name.to_owned());
        let quick = NewBan {
            name: named(" Rogue "),
            ..ban(1, 1)
        };
        vpid.reply(create_ban(quick, None));
        let rude = NewWarning {
            name: named("Rude"),
            ..warning(2, 2)
        };
        let issuer = None;
        vpid.reply(Request::CreateWarning {
            warning: rude,
            issuer,
        });
        // Another name does not take the place of the one that is known, nor does none.
        let again = NewBan {
            name: named("Other"),
            ..ban(3, 2)
        };
        vpid.reply(create_ban(again, None));
        vpid.reply(create_ban(ban(4, 1), None));
        for (account, name) in [(1, "Rogue"), (2, "Rude")] {
            let found = vpid.reply(Request::FindUser(steam(account)));
            let Reply::User(found) = found else { panic!() };
            assert_eq!(found.username.as_deref(), Some(name), "{}", bed.name);
        }
    }
}

#[test]
fn groups_count_while_their_memberships_do() {
    for bed in beds() {
        let (mut vpid, mut owner) = (vpid(&bed, 1), Owner::new(&bed));
        owner.group(1, 10, None, &["ban_show"]);
        owner.group(2, 50, Some(3_600), &["ban_edit", "!warning_edit"]);
        owner.member(11, 1, 1, -60, None);
        owner.member(12, 1, 2, -60, Some(60));
        owner.member(13, 2, 2, -60, Some(-30));
        owner.member(14, 2, 1, 60, None);
        let mut groups_of = |account| {
            let request = Request::GroupsOfUser {
                user: user(account),
                bundle: BUNDLE,
            };
            match vpid.reply(request) {
                Reply::Groups(groups) => groups.items,
                reply => panic!("{reply:?}"),
            }
        };
        let groups = groups_of(1);
        assert_eq!(names(&groups), ["group 2", "group 1"]);
        let property = |name: &str, granted| Property {
            name: name.into(),
            granted,
        };
        let all = [
            property("ban_edit", true),
            property("ban_show", true),
            property("warning_edit", false),
        ];
        assert_eq!(groups[0].properties, all, "with what it has from below");
        assert_eq!(
            (groups[0].max_ban_s, groups[0].permission_level),
            (Some(3_600), 50)
        );
        assert_eq!(groups[0].mappings[0].name, "group 2");
        assert!(groups_of(2).is_empty() && groups_of(3).is_empty());
        let Reply::Groups(all) = vpid.reply(Request::ListGroups) else {
            panic!()
        };
        assert_eq!(names(&all.items), ["group 2", "group 1"]);
    }
}

#[test]
fn who_is_on_is_listed_with_memberships_and_counts() {
    for bed in beds() {
        let (mut vpid, mut owner) = (vpid(&bed, 1), Owner::new(&bed));
        owner.group(1, 10, None, &[]);
        for account in [1, 2] {
            vpid.reply(Request::CreateUser(steam(account)));
        }
        vpid.reply(report_state("one", &[(1, "Alice"), (2, "Bob")]));
        vpid.reply(report_state("two", &[]));
        let activity = |server: &str, vpid: &mut Vpid| {
            let server = local_ids::server(server);
            match vpid.reply(Request::ListActivity { server }) {
                Reply::Activity(all) => all.items,
                reply => panic!("{reply:?}"),
            }
        };
        let before = activity("one", &mut vpid);
        assert!(before[0].memberships.is_empty() && before[0].warnings == 0);
        owner.member(11, 1, 1, -60, None);
        for request in [
            create_ban(ban(1, 2), None),
            create_ban(ban(2, 2), None),
            Request::CreateWarning {
                warning: warning(3, 1),
                issuer: None,
            },
        ] {
            vpid.reply(request);
        }
        bed.until(
            || activity("one", &mut vpid)[0].memberships.len() == 1,
            "the membership is seen",
        );
        let all = activity("one", &mut vpid);
        let shown = all
            .iter()
            .map(|it| (it.username.as_deref(), it.warnings, it.bans));
        assert_eq!(
            shown.collect::<Vec<_>>(),
            [(Some("Alice"), 1, 0), (Some("Bob"), 0, 2)]
        );
        assert_eq!(all[0].memberships[0].active, Some(true));
        vpid.reply(end_bans(2, None));
        assert_eq!(activity("one", &mut vpid)[1].bans, 0);
        assert!(activity("two", &mut vpid).is_empty());
    }
}

#[test]
fn adverts_are_listed_in_their_order() {
    for bed in beds() {
        let (mut vpid, mut owner) = (vpid(&bed, 1), Owner::new(&bed));
        let sql = "INSERT INTO vpid_adverts (id, content, colour, position, enabled, changed) VALUES (?, ?, ?, ?, ?, 0)";
        for (id, text, position, enabled) in [
            (1, "second", 2, true),
            (2, "first", 1, true),
            (3, "off", 0, false),
        ] {
            let values = [
                id_value(Uuid(id)),
                text.into(),
                "FF8800".into(),
                i64::from(position).into(),
                enabled.into(),
            ];
            owner.change(Topic::Adverts, sql, &values);
        }
        let Reply::Adverts(adverts) = vpid.reply(Request::ListAdverts(BUNDLE)) else {
            panic!()
        };
        let texts: Vec<_> = adverts.items.iter().map(|it| it.content.as_str()).collect();
        assert_eq!(texts, ["first", "second"], "{}", bed.name);
        assert_eq!(adverts.items[0].colour, "FF8800");
    }
}

#[test]
fn bans_and_warnings_of_a_player_come_in_pages_the_newest_first() {
    for bed in beds() {
        let (mut vpid, mut owner) = (vpid(&bed, 1), Owner::new(&bed));
        for nth in 0..103_u64 {
            let mut new = ban(nth + 1, 1);
            new.created = new
                .created
                .checked_add(jiff::SignedDuration::from_secs(nth as i64))
                .unwrap();
            new.length_s = Some(60);
            vpid.reply(create_ban(new, None));
        }
        let mut page = |page| {
            let request = Request::BansOfUser {
                user: user(1),
                bundle: BUNDLE,
                page,
            };
            match vpid.reply(request) {
                Reply::Bans(page) => page,
                reply => panic!("{reply:?}"),
            }
        };
        let (first, second, third) = (page(1), page(2), page(3));
        assert_eq!((first.total, first.items.len()), (103, 100), "{}", bed.name);
        assert_eq!(second.items.len(), 3);
        assert!(third.items.is_empty() && first.has_next(1) && !second.has_next(2));
        assert!(first.items[99].created > second.items[0].created);
        assert_eq!(first.items[0].reason.as_deref(), Some("cheats"));
        let created_us = first.items[0].created.as_microsecond();
        assert_eq!(created_us % 1_000_000, 123_456, "as it was sent");
        vpid.reply(Request::CreateWarning {
            warning: warning(200, 1),
            issuer: None,
        });
        let mut warnings = || {
            let request = Request::WarningsOfUser {
                user: user(1),
                bundle: BUNDLE,
                page: 1,
            };
            match vpid.reply(request) {
                Reply::Warnings(page) => page.items.len(),
                reply => panic!("{reply:?}"),
            }
        };
        assert_eq!(warnings(), 1);
        let withdraw = "UPDATE vpid_warnings SET withdrawn_us = 1 WHERE steam = ?";
        owner.change(Topic::Warnings, withdraw, &[steam_value(steam(1))]);
        assert_eq!(warnings(), 0);
    }
}

#[test]
fn the_list_of_bans_has_those_in_force() {
    for bed in beds() {
        let mut vpid = vpid(&bed, 1);
        vpid.reply(create_ban(ban(1, 1), None));
        assert_eq!(vpid.banned(), [steam(1)], "all are read");
        let expired = NewBan {
            length_s: Some(60),
            ..ban(2, 2)
        };
        let lifted = NewBan {
            standing: false,
            ..ban(3, 3)
        };
        let long = NewBan {
            length_s: Some(u64::MAX),
            ..ban(4, 4)
        };
        for new in [expired, lifted, long] {
            vpid.reply(create_ban(new, None));
        }
        assert_eq!(
            vpid.banned(),
            [steam(1), steam(4)],
            "what has changed is read"
        );
        let listed = vpid.reply(Request::ListBans {
            bundle: BUNDLE,
            newest: false,
        });
        let Reply::BanList(list) = listed else {
            panic!()
        };
        assert_eq!(
            list.of(steam(4)).next().unwrap().ends_s,
            None,
            "no time is as late"
        );
        vpid.reply(end_bans(1, None));
        assert_eq!(vpid.banned(), [steam(4)]);
        vpid.reply(end_bans(1, None));
        let again = super::support::vpid(&bed, 2).banned();
        assert_eq!(again, [steam(4)], "{}: a start reads the same", bed.name);
    }
}

/// Though nothing in the tables has changed.
#[test]
fn a_ban_leaves_the_list_when_its_time_is_over() {
    for bed in beds() {
        let mut vpid = vpid(&bed, 1);
        let short = NewBan {
            created: jiff::Timestamp::now(),
            length_s: Some(1_000),
            ..ban(1, 1)
        };
        vpid.reply(create_ban(short, None));
        assert_eq!(vpid.banned(), [steam(1)], "{}", bed.name);
        let over = || {
            vpid.advance_clock_s(2_000);
            vpid.banned().is_empty()
        };
        bed.until(over, "it ends");
    }
}

#[test]
fn bans_of_addresses_are_kept_by_their_exact_range() {
    for bed in beds() {
        let mut vpid = vpid(&bed, 1);
        let new = |change, range: &str| Request::CreateAddressBan {
            ban: NewAddressBan {
                change,
                range: range.parse().unwrap(),
                bundle: BUNDLE,
                length_s: (change == 3).then_some(60),
                reason: "evades".into(),
                created: time("2026-11-30T12:00:00Z"),
                standing: true,
            },
            issuer: None,
        };
        for (change, range) in [
            (1, "203.0.113.7"),
            (2, "203.0.113.0/24"),
            (3, "198.51.100.1"),
        ] {
            let Reply::AddressBan(made) = vpid.reply(new(change, range)) else {
                panic!()
            };
            assert_eq!(made.range.to_string(), range);
            assert_eq!(vpid.reply(new(change, range)), Reply::AddressBan(made));
        }
        let listed = |vpid: &mut Vpid| match vpid.reply(Request::ListAddressBans {
            bundle: BUNDLE,
            newest: false,
        }) {
            Reply::AddressBans(all) => all.items.iter().map(|it| it.range.to_string()).collect(),
            reply => panic!("{reply:?}"),
        };
        let all: Vec<String> = listed(&mut vpid);
        assert_eq!(all.len(), 2, "{}: one has ended: {all:?}", bed.name);
        let end = |vpid: &mut Vpid, until| {
            vpid.reply(Request::EndAddressBans {
                range: "203.0.113.0/24".parse().unwrap(),
                until,
                bundle: BUNDLE,
                issuer: None,
            })
        };
        // An order from before the ban was created, which has waited since.
        end(&mut vpid, Timestamp::UNIX_EPOCH);
        let all: Vec<String> = listed(&mut vpid);
        assert_eq!(all.len(), 2, "{}", bed.name);
        end(&mut vpid, Timestamp::MAX);
        assert_eq!(listed(&mut vpid), ["203.0.113.7"]);
    }
}

/// An administrator who was made one by the SteamID alone, and orders before a report of the server names them.
#[test]
fn an_issuer_without_a_name_is_shown_by_the_steamid_and_by_the_name_once_it_is_known() {
    for bed in beds() {
        let (mut vpid, mut owner) = (vpid(&bed, 1), Owner::new(&bed));
        owner.admin(9);
        let unnamed = "UPDATE vpid_users SET name = ''";
        owner.change(Topic::Members, unnamed, &[]);
        order_all(&mut vpid, Some(user(9)));
        assert_eq!(issuers(&mut vpid), ["[U:1:9]"; 4], "{}", bed.name);
        vpid.reply(report_state("one", &[(9, "Eve")]));
        // Lists that are kept are read again with the next change.
        owner.change(Topic::Bans, "UPDATE vpid_bans SET changed = 1000", &[]);
        let again = "UPDATE vpid_address_bans SET changed = 1000";
        owner.change(Topic::Addresses, again, &[]);
        let are_named = || issuers(&mut vpid) == ["Eve"; 4];
        bed.until(are_named, "the name is read");
        let issued = "SELECT issuer_name FROM vpid_bans";
        assert_eq!(owner.texts(issued), [""], "it is not written over");
    }
}

/// A ban, a warning and a ban of an address.
fn order_all(vpid: &mut Vpid, issuer: Option<Uuid>) {
    vpid.reply(create_ban(ban(1, 1), issuer));
    vpid.reply(Request::CreateWarning {
        warning: warning(2, 1),
        issuer,
    });
    vpid.reply(Request::CreateAddressBan {
        ban: NewAddressBan {
            change: 3,
            range: "203.0.113.7".parse().unwrap(),
            bundle: BUNDLE,
            length_s: None,
            reason: "evades".into(),
            created: time("2026-11-30T12:00:00Z"),
            standing: true,
        },
        issuer,
    });
}

/// As the list of bans, the bans and the warnings of the player, and the list of addresses have them.
fn issuers(vpid: &mut Vpid) -> Vec<String> {
    let (user, bundle, page, newest) = (user(1), BUNDLE, 1, true);
    let Reply::BanList(list) = vpid.reply(Request::ListBans { bundle, newest }) else {
        panic!("no list")
    };
    let mut all: Vec<String> = list.of(steam(1)).map(|it| it.creator.to_owned()).collect();
    let Reply::Bans(bans) = vpid.reply(Request::BansOfUser { user, bundle, page }) else {
        panic!("no bans")
    };
    all.extend(bans.items.into_iter().filter_map(|it| it.creator_name));
    let Reply::Warnings(warnings) = vpid.reply(Request::WarningsOfUser { user, bundle, page })
    else {
        panic!("no warnings")
    };
    all.extend(warnings.items.into_iter().filter_map(|it| it.creator_name));
    let addresses = Request::ListAddressBans { bundle, newest };
    let Reply::AddressBans(addresses) = vpid.reply(addresses) else {
        panic!("no addresses")
    };
    all.extend(addresses.items.into_iter().map(|it| it.creator_name));
    all
}

#[test]
fn what_a_database_has_nothing_for_is_said_so() {
    for bed in beds() {
        let mut vpid = vpid(&bed, 1);
        let login = Request::ConfirmLogin {
            code: Uuid(1),
            steam: steam(1),
        };
        let failure = vpid.ask(login).unwrap_err();
        assert_eq!(
            (failure.kind, failure.reachable),
            (FailureKind::NotFound, true)
        );
        let Reply::Links(links) = vpid.reply(Request::FindLinks) else {
            panic!()
        };
        assert_eq!(links.page(WebPage::Bans, None), None);
        let Reply::Bundle(bundle) = vpid.reply(Request::FindBundle(BUNDLE)) else {
            panic!()
        };
        assert!(bundle.multigroup);
        for request in [
            Request::ListBans {
                bundle: Uuid(5),
                newest: false,
            },
            create_ban(
                NewBan {
                    bundle: Uuid(5),
                    ..ban(1, 1)
                },
                None,
            ),
        ] {
            let failure = vpid.ask(request).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Invalid, "another community's");
        }
        let failure = vpid.ask(Request::FindAttribute("money")).unwrap_err();
        assert_eq!(failure.kind, FailureKind::NotFound);
        assert!(vpid.stop(), "{}", bed.name);
    }
}
