//! A database that goes and comes back, and connections that break at a chosen moment.

use super::support::*;
use crate::io::community::admin::{Admin, AdminError, NewBan as AdminBan, Player};
use crate::io::community::changes::Topic;
use crate::io::community::row::steam_value;
use crate::io::sql::own::tests::support::{Proxy, beds, mysql, on};
use crate::protocol::address_range::AddressRange;
use crate::protocol::backend::*;
use crate::protocol::local_ids::{self, BUNDLE};
use crate::protocol::uuid::Uuid;
use test_mariadb::Server;

/// Also what is in memory does not hide that.
#[test]
fn an_outage_is_an_outage_for_all_requests_and_ends_by_itself() {
    let mut server = Server::start();
    let bed = on(&server);
    let mut vpid = vpid(&bed, 1);
    vpid.reply(create_ban(ban(1, 1), None));
    assert_eq!(vpid.banned(), [steam(1)]);
    bed.until(|| vpid.is_listening(), "it listens");
    server.kill();
    for request in [
        create_ban(ban(2, 2), None),
        Request::ListBans {
            bundle: BUNDLE,
            newest: false,
        },
        Request::FindBundle(BUNDLE),
        Request::FindServer(local_ids::server("one")),
        Request::ListActivity {
            server: local_ids::server("one"),
        },
    ] {
        let kind = request.kind();
        let failure = vpid.ask(request).unwrap_err();
        assert_eq!(
            (failure.kind, failure.reachable),
            (FailureKind::Unreachable, false),
            "{kind}: {failure}"
        );
        assert!(failure.why.contains("database stats"), "{failure}");
    }
    server.restart();
    bed.until(
        || vpid.ask(create_ban(ban(2, 2), None)).is_ok(),
        "it is back",
    );
    bed.until(|| vpid.is_listening(), "it listens again");
    assert_eq!(vpid.banned(), [steam(1), steam(2)]);
    let mut other = super::support::vpid(&bed, 2);
    vpid.changed = Topics::default();
    other.reply(create_ban(ban(3, 3), None));
    vpid.until_changed(|topics| topics.bans);
}

/// A server closes what was idle for long, or was restarted.
#[test]
fn a_connection_that_broke_while_it_was_idle_costs_no_request() {
    let mut server = Server::start();
    let bed = on(&server);
    let mut vpid = vpid(&bed, 1);
    vpid.reply(create_ban(ban(1, 1), None));
    server.kill();
    server.restart();
    vpid.reply(create_ban(ban(2, 2), None));
}

#[test]
fn a_server_that_does_not_answer_costs_a_request_its_time_and_no_more() {
    let server = Server::start();
    let bed = on(&server);
    let mut vpid = vpid(&bed, 1);
    vpid.reply(create_ban(ban(1, 1), None));
    assert_eq!(vpid.banned(), [steam(1)]);
    bed.until(|| vpid.is_listening(), "it listens");
    server.freeze();
    let outcome = vpid.outcome(create_ban(ban(2, 2), None), 500);
    // Who waits for changes has not noticed yet; what is in memory counts no more.
    let list = vpid.outcome(
        Request::ListBans {
            bundle: BUNDLE,
            newest: false,
        },
        500,
    );
    server.go_on();
    assert_eq!(list.result.unwrap_err().kind, FailureKind::Unreachable);
    let failure = outcome.result.unwrap_err();
    assert_eq!(
        (failure.kind, failure.reachable),
        (FailureKind::Unreachable, false),
        "{failure}"
    );
    bed.until(
        || vpid.ask(create_ban(ban(2, 2), None)).is_ok(),
        "it goes on",
    );
    let mut owner = Owner::new(&bed);
    assert_eq!(
        owner.numbers("SELECT COUNT(*) FROM vpid_bans WHERE lifted_us IS NULL"),
        [2]
    );
}

fn changes() -> [Request; 4] {
    [
        create_ban(ban(1, 1), None),
        Request::CreateWarning {
            warning: warning(2, 1),
            issuer: None,
        },
        Request::CreateMembership {
            membership: membership(3, 1, Uuid(1)),
            issuer: None,
        },
        Request::AddAllToAttribute([4, 5].map(half_an_hour).to_vec()),
    ]
}

fn half_an_hour(change: u64) -> Addition {
    Addition {
        change,
        attribute: local_ids::PLAYTIME,
        user: user(1),
        bundle: BUNDLE,
        value: "0.500000".into(),
        date: time("2026-11-30T12:00:00Z"),
    }
}

/// An operator's order whose first try was carried out, and whose result was lost: what it reports is what it did.
#[test]
fn an_operators_order_that_was_repeated_reports_what_its_first_try_did() {
    let bed = mysql();
    let mut owner = Owner::new(&bed);
    owner.group(1, 10, None, &[]);
    let proxy = Proxy::new(&bed.socket());
    let mut admin = Admin::open(&bed.by_socket(&proxy.path)).unwrap();
    let player = Player {
        steam: steam(1),
        name: String::new(),
    };
    let ban = AdminBan {
        length_s: None,
        reason: "x",
    };
    let range: AddressRange = "203.0.113.0/24".parse().unwrap();
    let groups = owner.0.rows("SELECT name FROM vpid_groups", &[]);
    let group = groups.unwrap()[0][0].text().unwrap().to_owned();
    let mut lost = 0;
    let mut break_it = |delivered| {
        lost += 1;
        proxy.break_at("COMMIT", delivered);
    };
    for delivered in [true, false] {
        admin.add_ban(&player, &ban).unwrap();
        break_it(delivered);
        assert_eq!(admin.lift_of_player(&player), Ok(1), "{delivered}");
        let none = admin.lift_of_player(&player);
        assert!(matches!(none, Err(AdminError::NotBanned(_))), "{none:?}");
        let id = admin.add_ban(&player, &ban).unwrap();
        let found = admin.ban(&id.to_string()).unwrap();
        break_it(delivered);
        assert_eq!(admin.lift(&found), Ok(true), "{delivered}");
        assert_eq!(admin.lift(&found), Ok(false));
        admin.add_address_ban(range, &ban).unwrap();
        break_it(delivered);
        assert_eq!(admin.lift_of_range(range), Ok(1), "{delivered}");
        let none = admin.lift_of_range(range);
        assert!(matches!(none, Err(AdminError::NotBanned(_))), "{none:?}");
        for wanted in [Some(group.as_str()), None] {
            admin.add_member(steam(1), &group, None).unwrap();
            break_it(delivered);
            assert_eq!(admin.remove_member(&player, wanted), Ok(1), "{delivered}");
            let none = admin.remove_member(&player, wanted);
            assert!(
                matches!(none, Err(AdminError::NotMember { .. })),
                "{none:?}"
            );
        }
    }
    assert_eq!(lost, 10);
}

/// Each change, broken at each point, sent again: it is there once.
#[test]
fn a_change_whose_connection_breaks_is_made_once() {
    let mut unclear = 0;
    for (words, delivered) in [
        ("START TRANSACTION", false),
        ("INSERT IGNORE INTO", false),
        ("INSERT IGNORE INTO", true),
        ("COMMIT", false),
        ("COMMIT", true),
    ] {
        let bed = mysql();
        let mut owner = Owner::new(&bed);
        owner.group(1, 10, None, &[]);
        let proxy = Proxy::new(&bed.socket());
        let mut vpid = vpid_on(&bed.by_socket(&proxy.path), 1);
        for request in changes() {
            let case = format!("{words} {delivered} {}", request.kind());
            // Connected, so that only the change itself breaks; and its statements are prepared anew.
            bed.until(
                || {
                    vpid.ask(Request::FindUser(steam(1))).is_ok()
                        || vpid.ask(Request::CreateUser(steam(1))).is_ok()
                },
                "a connection",
            );
            proxy.break_at(words, delivered);
            let found = vpid.ask(request.clone());
            let found = found.map_err(|it| (it.kind, it.under_way, it.reachable));
            match found {
                Err((FailureKind::Unclear, true, false)) if words == "COMMIT" => unclear += 1,
                // A connection that was just being made has these words, too.
                Ok(_) | Err((FailureKind::Unreachable, false, false)) => {}
                odd => panic!("{case}: {odd:?}"),
            }
            bed.until(|| vpid.ask(request.clone()).is_ok(), &case);
        }
        for (table, wanted) in [
            ("SELECT COUNT(*) FROM vpid_bans", 1),
            ("SELECT COUNT(*) FROM vpid_warnings", 1),
            ("SELECT COUNT(*) FROM vpid_members", 1),
            ("SELECT ms FROM vpid_playtime", 3_600_000),
        ] {
            assert_eq!(
                owner.numbers(table),
                [wanted],
                "{words} {delivered}: {table}"
            );
        }
    }
    assert!(unclear > 0, "none broke while it was committed");
}

#[test]
fn a_lock_of_another_program_keeps_nothing_waiting_longer_than_its_time() {
    for bed in beds() {
        let mut owner = Owner::new(&bed);
        let mut vpid = vpid(&bed, 1);
        assert!(vpid.banned().is_empty());
        owner
            .0
            .transaction(|own| {
                own.run("UPDATE vpid_changes SET counter = counter + 1", &[])?;
                let failure = vpid
                    .outcome(create_ban(ban(1, 1), None), 400)
                    .result
                    .unwrap_err();
                let known = matches!(
                    failure.kind,
                    FailureKind::TooEarly | FailureKind::Unreachable
                );
                assert!(known && !failure.under_way, "{}: {failure:?}", bed.name);
                Ok(())
            })
            .unwrap();
        bed.until(
            || vpid.ask(create_ban(ban(1, 1), None)).is_ok(),
            "the lock is gone",
        );
        assert_eq!(
            owner.numbers("SELECT COUNT(*) FROM vpid_bans"),
            [1],
            "{}",
            bed.name
        );
    }
}

#[test]
fn the_end_breaks_off_what_is_under_way() {
    let server = Server::start();
    let bed = on(&server);
    let mut vpid = vpid(&bed, 1);
    vpid.reply(create_ban(ban(1, 1), None));
    server.freeze();
    assert!(!vpid.stop_at_once(create_ban(ban(2, 2), None)));
    server.go_on();
}

/// A page of the owner's may write anything.
#[test]
fn a_row_that_is_not_as_vpid_writes_it_is_left_out_and_counted_and_groups_are_not_guessed() {
    for bed in beds() {
        let (mut owner, mut vpid) = (Owner::new(&bed), vpid(&bed, 1));
        vpid.reply(create_ban(ban(1, 1), None));
        vpid.reply(create_ban(ban(2, 2), None));
        assert_eq!(vpid.banned(), [steam(1), steam(2)]);
        let odd =
            "UPDATE vpid_bans SET created_us = 9223372036854775807, changed = 9 WHERE steam = ?";
        owner.change(Topic::Bans, odd, &[steam_value(steam(1))]);
        let group = "INSERT INTO vpid_groups (id, name, level, changed) VALUES ('x', 'x', 1, 0)";
        owner.change(Topic::Groups, group, &[]);
        // Who reads a part of the list, and who reads all of it.
        let fresh = super::support::vpid(&bed, 2);
        for mut vpid in [vpid, fresh] {
            // A file is looked at soon while there are players.
            vpid.reply(Request::CreateUser(steam(1)));
            vpid.reply(Request::FindUser(steam(1)));
            let skipped = |vpid: &mut Vpid| match vpid.reply(Request::ListBans {
                bundle: BUNDLE,
                newest: false,
            }) {
                Reply::BanList(list) => (list.len(), list.skipped()),
                reply => panic!("{reply:?}"),
            };
            bed.until(|| skipped(&mut vpid) == (1, 1), "all other bans count");
            bed.until(
                || vpid.ask(Request::ListGroups).is_err(),
                "groups are not guessed",
            );
            let failure = vpid.ask(Request::ListGroups).unwrap_err();
            assert_eq!(
                (failure.kind, failure.reachable),
                (FailureKind::Broken, true)
            );
            assert!(
                failure.why.contains("vpid_groups"),
                "{}: {failure}",
                bed.name
            );
            let page = Request::BansOfUser {
                user: user(1),
                bundle: BUNDLE,
                page: 1,
            };
            let Reply::Bans(page) = vpid.reply(page) else {
                panic!()
            };
            assert_eq!(
                (page.items.len(), page.skipped.len(), page.total),
                (0, 1, 1)
            );
        }
    }
}
