//! What changes something: once, however often it is sent, and only for who may.

use jiff::Timestamp;

use super::support::*;
use crate::io::community::changes::Topic;
use crate::io::community::row::{id_value, steam_value};
use crate::io::sql::own::tests::support::{beds, on, sqlite};
use crate::protocol::backend::*;
use crate::protocol::local_ids::{self, BUNDLE};
use crate::protocol::uuid::Uuid;

fn add(change: u64, hours: &str, date: &str) -> Request {
    Request::AddToAttribute(Addition {
        change,
        attribute: local_ids::PLAYTIME,
        user: user(1),
        bundle: BUNDLE,
        value: hours.into(),
        date: time(date),
    })
}

#[test]
fn a_change_that_is_sent_again_is_not_made_again() {
    for bed in beds() {
        let mut vpid = vpid(&bed, 1);
        let mut owner = Owner::new(&bed);
        owner.group(1, 10, None, &[]);
        let requests = [
            create_ban(ban(1, 1), None),
            Request::CreateWarning {
                warning: warning(2, 1),
                issuer: None,
            },
            Request::CreateMembership {
                membership: membership(3, 1, Uuid(1)),
                issuer: None,
            },
            add(4, "1.500000", "2026-11-30T23:59:59Z"),
        ];
        for request in requests {
            let first = vpid.reply(request.clone());
            // Also where its first try was another run's.
            for instance in [1, 1] {
                let mut again = super::support::vpid(&bed, instance);
                assert_eq!(
                    again.reply(request.clone()),
                    first,
                    "{}: {}",
                    bed.name,
                    request.kind()
                );
            }
            let mut other = super::support::vpid(&bed, 2);
            other.reply(request);
        }
        // Two vpids have made each.
        for table in ["vpid_bans", "vpid_warnings"] {
            assert_eq!(
                owner.numbers(&format!("SELECT COUNT(*) FROM {table}")),
                [2],
                "{table}"
            );
        }
        // A member who is added again is one all the same.
        assert_eq!(owner.numbers("SELECT COUNT(*) FROM vpid_members"), [1]);
        assert_eq!(
            owner.numbers("SELECT ms FROM vpid_playtime"),
            [2 * 5_400_000]
        );
    }
}

/// A ban that was sent, lifted by another server, and is sent again since its reply was lost.
#[test]
fn a_ban_that_was_lifted_meanwhile_stays_lifted() {
    for bed in beds() {
        let (mut first, mut second) = (vpid(&bed, 1), vpid(&bed, 2));
        first.reply(create_ban(ban(1, 1), None));
        second.reply(end_bans(1, None));
        first.reply(create_ban(ban(1, 1), None));
        bed.until(
            || first.banned().is_empty() && second.banned().is_empty(),
            "it is lifted",
        );
    }
}

/// A full server's hour: one transaction, whose statements do not become more with the players.
#[test]
fn the_playtime_of_many_is_few_statements_and_each_is_added_once() {
    let server = test_mariadb::Server::start();
    for bed in [on(&server), sqlite()] {
        let (mut vpid, mut owner) = (vpid(&bed, 1), Owner::new(&bed));
        let of = |changes: std::ops::Range<u32>| {
            let one = |change: u32| Addition {
                change: u64::from(change),
                attribute: local_ids::PLAYTIME,
                user: user(1 + change % 60),
                bundle: BUNDLE,
                value: "1.000000".into(),
                date: time("2026-11-30T12:00:00Z"),
            };
            Request::AddAllToAttribute(changes.map(one).collect())
        };
        // Connected and listening.
        vpid.reply(Request::FindAttribute(PLAYTIME));
        let questions = |owner: &mut Owner| match owner.0.is_mysql() {
            true => {
                let rows = owner.0.rows("SHOW GLOBAL STATUS LIKE 'Questions'", &[]);
                rows.unwrap()[0][1].integer().unwrap()
            }
            false => 0,
        };
        let before = questions(&mut owner);
        vpid.reply(of(0..100));
        let cost = questions(&mut owner) - before;
        assert!(cost < 60, "{}: {cost} statements", bed.name);
        // Some of these were added before, and one stands twice.
        vpid.reply(of(90..120));
        vpid.reply(of(0..120));
        let sums = owner.numbers(
            "SELECT COUNT(*) FROM vpid_playtime UNION ALL SELECT SUM(ms) FROM vpid_playtime",
        );
        assert_eq!(sums, [60, 120 * 3_600_000], "{}", bed.name);
        let mut odd = vec![];
        for value in ["1.000000", "x"] {
            odd.push(Addition {
                change: 500,
                attribute: local_ids::PLAYTIME,
                user: user(1),
                bundle: BUNDLE,
                value: value.into(),
                date: time("2026-11-30T12:00:00Z"),
            });
        }
        vpid.ask(Request::AddAllToAttribute(odd)).unwrap_err();
        let sums = owner.numbers("SELECT SUM(ms) FROM vpid_playtime");
        assert_eq!(sums, [120 * 3_600_000], "all or none");
    }
}

#[test]
fn playtime_is_added_up_exactly() {
    for bed in beds() {
        let (mut vpid, mut owner) = (vpid(&bed, 1), Owner::new(&bed));
        let of_user = || Request::AttributesOfUser {
            user: user(1),
            bundle: BUNDLE,
        };
        assert_eq!(vpid.reply(of_user()), Reply::Attributes(Default::default()));
        let Reply::Attribute(attribute) = vpid.reply(Request::FindAttribute(PLAYTIME)) else {
            panic!()
        };
        assert!(attribute.accumulated && attribute.id == local_ids::PLAYTIME);
        for (change, hours, date) in [
            (1, "0.000005", "2026-11-30T23:59:59Z"),
            (2, "10.250000", "2026-11-30T00:00:00Z"),
            (3, "0.250000", "2026-12-01T00:00:00Z"),
        ] {
            vpid.reply(add(change, hours, date));
        }
        let all = vpid.reply(of_user());
        let Reply::Attributes(all) = all else {
            panic!()
        };
        assert_eq!(all[PLAYTIME], "10.500005", "{}", bed.name);
        assert_eq!(
            owner.texts("SELECT day FROM vpid_playtime ORDER BY day"),
            ["2026-11-30", "2026-12-01"]
        );
        for hours in ["", "x", "-1.0"] {
            let failure = vpid.ask(add(9, hours, "2026-12-01T00:00:00Z")).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Invalid);
        }
    }
}

#[test]
fn it_is_forgotten_after_months_which_additions_were_made() {
    for bed in beds() {
        let mut owner = Owner::new(&bed);
        for (id, at_us) in [(1, 0), (2, jiff::Timestamp::now().as_microsecond())] {
            let values = [id_value(Uuid(id)), at_us.into()];
            owner
                .0
                .run("INSERT INTO vpid_done (id, at_us) VALUES (?, ?)", &values)
                .unwrap();
        }
        vpid(&bed, 1).reply(add(1, "1.000000", "2026-11-30T00:00:00Z"));
        let left = owner.numbers("SELECT COUNT(*) FROM vpid_done WHERE at_us > 0");
        assert_eq!(
            (left, owner.numbers("SELECT COUNT(*) FROM vpid_done")),
            (vec![2], vec![2]),
            "{}",
            bed.name
        );
    }
}

/// Orders wait in the outbox, and may come from who is no admin any more.
#[test]
fn the_rights_of_issuers_are_judged_when_a_change_is_made() {
    for bed in beds() {
        let (mut vpid, mut owner) = (vpid(&bed, 1), Owner::new(&bed));
        owner.admin(1);
        owner.group(
            1,
            50,
            Some(3_600),
            &["ban_edit", "warning_edit", "user_edit"],
        );
        owner.group(2, 90, None, &["!ban_edit"]);
        // 2 may; 3 may no more; 4 is denied it by another group; 5 never could.
        owner.member(12, 2, 1, -60, None);
        owner.member(13, 3, 1, -60, Some(-30));
        owner.member(14, 4, 1, -60, None);
        owner.member(15, 4, 2, -60, None);
        let hour = NewBan {
            length_s: Some(3_600),
            ..ban(0, 100)
        };
        let two = NewBan {
            length_s: Some(7_200),
            ..ban(0, 100)
        };
        let of_admin = NewBan {
            user: user(1),
            ..hour.clone()
        };
        let of_higher = NewBan {
            user: user(4),
            ..hour.clone()
        };
        let mut change = 0;
        for (new, issuer, may) in [
            (&two, None, true),
            (&two, Some(1), true),
            (&hour, Some(2), true),
            (&two, Some(2), false),
            (&ban(0, 100), Some(2), false),
            (&of_admin, Some(2), false),
            (&of_higher, Some(2), false),
            (&of_admin, Some(1), true),
            (&hour, Some(3), false),
            (&hour, Some(4), false),
            (&hour, Some(5), false),
        ] {
            change += 1;
            let new = NewBan {
                change,
                ..new.clone()
            };
            let result = vpid.ask(create_ban(new, issuer.map(user)));
            let case = format!("{}: {change} {issuer:?} {result:?}", bed.name);
            match may {
                true => assert!(result.is_ok(), "{case}"),
                false => assert_eq!(result.unwrap_err().kind, forbidden(), "{case}"),
            }
        }
        assert_eq!(
            owner.numbers("SELECT COUNT(*) FROM vpid_bans"),
            [4],
            "nothing of what was refused"
        );
        let issuers = owner.texts(
            "SELECT issuer_name FROM vpid_bans WHERE issuer IS NOT NULL AND steam > 0 \
                                   ORDER BY issuer_name",
        );
        assert_eq!(issuers, ["", "The Admin", "The Admin"]);
    }
}

type ByIssuer = Box<dyn Fn(Option<Uuid>) -> Request>;

/// Each kind of change, and the group that may make it.
fn requests_with_rights() -> Vec<(u32, ByIssuer)> {
    let range = "203.0.113.7".parse().unwrap();
    let (user, bundle, group) = (user(100), BUNDLE, Uuid(1));
    let address = move || NewAddressBan {
        change: 7,
        range,
        bundle,
        length_s: None,
        reason: String::new(),
        created: time("2026-11-30T12:00:00Z"),
        standing: true,
    };
    use Request as R;
    vec![
        (1, Box::new(|issuer| create_ban(ban(1, 100), issuer))),
        (1, Box::new(|issuer| end_bans(100, issuer))),
        (
            1,
            Box::new(move |issuer| {
                let ban = address();
                R::CreateAddressBan { ban, issuer }
            }),
        ),
        (
            1,
            Box::new(move |issuer| R::EndAddressBans {
                range,
                until: Timestamp::MAX,
                bundle,
                issuer,
            }),
        ),
        (
            2,
            Box::new(|issuer| {
                let warning = warning(2, 100);
                R::CreateWarning { warning, issuer }
            }),
        ),
        (
            3,
            Box::new(move |issuer| {
                let membership = membership(3, 100, group);
                R::CreateMembership { membership, issuer }
            }),
        ),
        (
            3,
            Box::new(move |issuer| R::EndMembershipsOfGroup {
                user,
                bundle,
                group,
                issuer,
            }),
        ),
        (
            3,
            Box::new(move |issuer| R::EndMemberships {
                user,
                bundle,
                issuer,
            }),
        ),
    ]
}

#[test]
fn each_change_needs_its_right() {
    for bed in beds() {
        let (mut vpid, mut owner) = (vpid(&bed, 1), Owner::new(&bed));
        owner.group(1, 10, None, &["ban_edit"]);
        owner.group(2, 10, None, &["warning_edit"]);
        owner.group(3, 10, None, &["user_edit"]);
        owner.group(9, 99, None, &[]);
        for account in [1, 2, 3] {
            owner.member(10 + u128::from(account), account, account.into(), -60, None);
        }
        let requests = requests_with_rights();
        for (may, request) in &requests {
            for account in [1, 2, 3].into_iter().filter(|it| it != may) {
                let kind = vpid.ask(request(Some(user(account)))).unwrap_err().kind;
                assert_eq!(kind, forbidden(), "{}: {account}", bed.name);
            }
            vpid.reply(request(Some(user(*may))));
        }
        // A group above its issuer, and one that is gone.
        let give = |group, change| Request::CreateMembership {
            membership: membership(change, 100, Uuid(group)),
            issuer: Some(user(3)),
        };
        assert_eq!(vpid.ask(give(9, 8)).unwrap_err().kind, forbidden());
        assert_eq!(
            vpid.ask(give(77, 9)).unwrap_err().kind,
            FailureKind::Invalid
        );
    }
}

#[test]
fn a_member_who_is_added_again_keeps_the_membership_with_the_new_end() {
    for bed in beds() {
        let (mut vpid, mut owner) = (vpid(&bed, 1), Owner::new(&bed));
        owner.group(1, 10, None, &[]);
        let until = |change, begin: &str, end: &str| Request::CreateMembership {
            membership: NewMembership {
                begin: time(begin),
                end: Some(time(end)),
                ..membership(change, 1, Uuid(1))
            },
            issuer: None,
        };
        let ends = |owner: &mut Owner| {
            let ends = owner.numbers("SELECT end_us FROM vpid_members ORDER BY begin_us");
            let year = |us: &i64| Timestamp::from_microsecond(*us).unwrap().to_string();
            ends.iter()
                .map(|us| year(us)[..4].to_owned())
                .collect::<Vec<_>>()
        };
        let (first, second) = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
        vpid.reply(until(1, first, "2091-01-01T00:00:00Z"));
        let shorter = until(2, second, "2090-01-01T00:00:00Z");
        vpid.reply(shorter.clone());
        assert_eq!(ends(&mut owner), ["2090"], "{}", bed.name);
        // Sent again after another one, it changes nothing more.
        vpid.reply(until(3, second, "2092-01-01T00:00:00Z"));
        vpid.reply(shorter);
        assert_eq!(ends(&mut owner), ["2092"], "{}", bed.name);
        // Ordered before it began, as after an outage of the other server.
        vpid.reply(until(4, "2025-12-31T00:00:00Z", "2089-01-01T00:00:00Z"));
        assert_eq!(ends(&mut owner), ["2089", "2092"], "{}", bed.name);
    }
}

#[test]
fn memberships_end_once_and_leave_others() {
    for bed in beds() {
        let (mut vpid, mut owner) = (vpid(&bed, 1), Owner::new(&bed));
        for group in [1, 2, 3] {
            owner.group(group, 10, None, &[]);
            let made = Request::CreateMembership {
                membership: membership(group as u64, 1, Uuid(group)),
                issuer: None,
            };
            vpid.reply(made);
        }
        let active = |vpid: &mut Vpid| {
            let list = Request::ListMemberships {
                user: user(1),
                bundle: BUNDLE,
            };
            let Reply::Memberships(all) = vpid.reply(list) else {
                panic!()
            };
            let active = all.items.iter().filter(|it| it.active == Some(true));
            let mut groups: Vec<u128> = active.map(|it| it.group.0).collect();
            groups.sort_unstable();
            groups
        };
        assert_eq!(active(&mut vpid), [1, 2, 3]);
        let one = local_ids::made("membership", 1, 1);
        for _ in 0..2 {
            vpid.reply(Request::EndMembership {
                membership: one,
                issuer: None,
            });
        }
        assert_eq!(active(&mut vpid), [2, 3], "{}", bed.name);
        vpid.reply(Request::EndMembershipsOfGroup {
            user: user(1),
            bundle: BUNDLE,
            group: Uuid(2),
            issuer: None,
        });
        assert_eq!(active(&mut vpid), [3]);
        vpid.reply(Request::EndMemberships {
            user: user(1),
            bundle: BUNDLE,
            issuer: None,
        });
        assert!(active(&mut vpid).is_empty());
        let gone = Request::EndMembership {
            membership: Uuid(5),
            issuer: None,
        };
        assert_eq!(vpid.ask(gone).unwrap_err().kind, FailureKind::NotFound);
    }
}

fn reward(
    owner: &mut Owner,
    id: u128,
    group: Option<u128>,
    event: &str,
    (once, from_all): (bool, bool),
) {
    let values = [
        id_value(Uuid(id)),
        format!("reward {id}").into(),
        group.map(|group| Uuid(group).to_string()).into(),
        event.into(),
        once.into(),
        from_all.into(),
        (id as i64).into(),
    ];
    let sql = "INSERT INTO vpid_rewards (id, name, group_id, event, command, once, once_from_all, position, created_us, \
               changed) VALUES (?, ?, ?, ?, 'say hi', ?, ?, ?, 0, 0)";
    owner.change(Topic::Rewards, sql, &values);
}

#[test]
fn rewards_are_owed_for_memberships_until_they_were_executed() {
    for bed in beds() {
        let (mut vpid, mut owner) = (vpid(&bed, 1), Owner::new(&bed));
        owner.group(1, 10, None, &[]);
        owner.member(11, 1, 1, -60, None);
        owner.member(12, 1, 1, -30, None);
        owner.member(13, 2, 1, -60, Some(-30));
        owner.member(14, 3, 1, -60, Some(-30));
        owner.member(15, 3, 1, -60, None);
        reward(&mut owner, 1, Some(1), "DIRECT", (true, false));
        reward(&mut owner, 2, Some(1), "SPAWN", (false, false));
        reward(&mut owner, 3, Some(1), "DISABLE", (true, true));
        reward(&mut owner, 4, None, "CONNECT", (true, true));
        let owed = |vpid: &mut Vpid, server: &str, account: u32| {
            let request = Request::ListRewards {
                server: local_ids::server(server),
                bundle: BUNDLE,
                users: vec![user(account)],
            };
            let Reply::Rewards(list) = vpid.reply(request) else {
                panic!()
            };
            list.items
                .iter()
                .map(|it| (it.of.0, it.id))
                .collect::<Vec<_>>()
        };
        let of = |list: &[(u128, Uuid)]| list.iter().map(|it| it.0).collect::<Vec<_>>();
        // Both memberships are paid; what comes with each spawn comes once.
        let first = owed(&mut vpid, "one", 1);
        assert_eq!(of(&first), [1, 1, 2, 4], "{}", bed.name);
        assert_eq!(of(&owed(&mut vpid, "one", 2)), [3, 4]);
        // In the group again: nothing is taken away.
        assert_eq!(of(&owed(&mut vpid, "one", 3)), [1, 2, 4]);
        let done = |reward, server: &str| Request::ReportReward {
            reward,
            server: local_ids::server(server),
            steam: steam(1),
        };
        for _ in 0..2 {
            vpid.reply(done(first[0].1, "one"));
        }
        vpid.reply(done(first[3].1, "one"));
        assert_eq!(owed(&mut vpid, "one", 1), first[1..3]);
        assert_eq!(
            owed(&mut vpid, "two", 1),
            first[..3],
            "once on each server, or on one of all"
        );
        let rows = "SELECT COUNT(*) FROM vpid_executed WHERE reward <> ''";
        assert_eq!(owner.numbers(rows), [2]);
        let by_player = "SELECT COUNT(*) FROM vpid_executed WHERE steam = 76561197960265729";
        assert_eq!(
            (owner.numbers(by_player), steam_value(steam(1)).integer()),
            (vec![2], Some(76_561_197_960_265_729))
        );
        vpid.reply(done(Uuid(99), "one"));
    }
}
