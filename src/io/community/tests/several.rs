//! Several vpids on one database: what one changes, the others see, and quiet ones cost nothing.

use super::support::*;
use crate::io::community::changes::Topic;
use crate::io::sql::own::tests::support::{Bed, beds, mysql, on};
use crate::protocol::backend::*;
use crate::protocol::local_ids::{self, BUNDLE};
use crate::protocol::uuid::Uuid;
use std::time::{Duration, Instant};

fn listening(bed: &Bed, vpid: &Vpid) {
    bed.until(|| vpid.is_listening(), "it listens");
}

#[test]
fn what_one_vpid_changes_another_one_sees() {
    for bed in beds() {
        let (mut first, mut second) = (vpid(&bed, 1), vpid(&bed, 2));
        let mut owner = Owner::new(&bed);
        owner.group(1, 10, None, &[]);
        // Somebody is on, so changes are to be seen at once.
        for vpid in [&mut first, &mut second] {
            listening(&bed, vpid);
            vpid.reply(Request::CreateUser(steam(1)));
            vpid.reply(report_state("one", &[(1, "Alice")]));
            assert!(vpid.banned().is_empty());
        }
        second.changed = Topics::default();
        first.reply(create_ban(ban(1, 1), None));
        assert_eq!(first.banned(), [steam(1)], "one's own at once");
        second.until_changed(|topics| topics.bans);
        assert_eq!(second.banned(), [steam(1)], "{}", bed.name);
        second.reply(end_bans(1, None));
        first.until_changed(|topics| topics.bans);
        bed.until(|| first.banned().is_empty(), "it is lifted");
        first.reply(Request::CreateMembership {
            membership: membership(2, 1, Uuid(1)),
            issuer: None,
        });
        second.until_changed(|topics| topics.members && !topics.addresses);
        let groups = Request::GroupsOfUser {
            user: user(1),
            bundle: BUNDLE,
        };
        let Reply::Groups(groups) = second.reply(groups) else {
            panic!()
        };
        assert_eq!(names(&groups.items), ["group 1"]);
    }
}

/// By no more than its own statement that waits: what it sees comes from who has changed it.
#[test]
fn a_change_wakes_who_waits_on_a_server() {
    let bed = mysql();
    let (mut first, mut second) = (vpid(&bed, 1), vpid(&bed, 2));
    listening(&bed, &first);
    let mut owner = Owner::new(&bed);
    let waiting = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() \
                   AND info LIKE 'SELECT /* vpid waits%'";
    let mut both_wait = || owner.numbers(waiting) == [2];
    bed.until(&mut both_wait, "both wait");
    let began = Instant::now();
    first.reply(create_ban(ban(1, 1), None));
    second.until_changed(|topics| topics.bans);
    // It would have slept on for longer by itself.
    let waited = began.elapsed();
    let alone = Duration::from_secs(crate::limits::LOCAL_WAIT_S.cast_unsigned());
    assert!(waited < alone / 2, "{waited:?}");
    bed.until(&mut both_wait, "both wait again");
}

#[test]
fn polls_cost_no_statement_while_nothing_changes() {
    // A server of its own: nobody else counts in it.
    let server = test_mariadb::Server::start();
    let bed = on(&server);
    let mut vpid = vpid(&bed, 1);
    let mut owner = Owner::new(&bed);
    owner.group(1, 10, None, &[]);
    owner.member(11, 1, 1, -60, None);
    vpid.reply(Request::CreateUser(steam(1)));
    vpid.reply(Request::FindServer(local_ids::server("one")));
    vpid.reply(report_state("one", &[(1, "Alice")]));
    let polls = || {
        [
            Request::ListBans {
                bundle: BUNDLE,
                newest: false,
            },
            Request::ListAddressBans {
                bundle: BUNDLE,
                newest: false,
            },
            Request::ListAdverts(BUNDLE),
            Request::ListGroups,
            Request::ListActivity {
                server: local_ids::server("one"),
            },
            Request::GroupsOfUser {
                user: user(1),
                bundle: BUNDLE,
            },
            Request::ListRewards {
                server: local_ids::server("one"),
                bundle: BUNDLE,
                users: vec![user(1)],
            },
            Request::FindBundle(BUNDLE),
            Request::FindLinks,
            Request::FindAttribute(PLAYTIME),
        ]
    };
    let waiting = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT /* vpid waits%'";
    let waits = |owner: &mut Owner| bed.until(|| owner.numbers(waiting) == [1], "it waits");
    let questions = |owner: &mut Owner| {
        let sql = "SELECT CAST(variable_value AS SIGNED) FROM information_schema.global_status WHERE variable_name = 'QUESTIONS'";
        owner.numbers(sql)[0]
    };
    polls()
        .into_iter()
        .for_each(|request| drop(vpid.reply(request)));
    waits(&mut owner);
    let before = questions(&mut owner);
    for _ in 0..20 {
        polls()
            .into_iter()
            .for_each(|request| drop(vpid.reply(request)));
    }
    // The question itself is one.
    assert_eq!(questions(&mut owner) - before, 1);
    // And the state of a server is one for each report, once each thread has its connection.
    let five_reports_are_five = || {
        let before = questions(&mut owner);
        for _ in 0..5 {
            vpid.reply(report_state("one", &[(1, "Alice")]));
        }
        questions(&mut owner) - before == 1 + 5
    };
    bed.until(five_reports_are_five, "a report costs one statement");
    owner.change(
        Topic::Bans,
        "UPDATE vpid_bans SET changed = 0 WHERE id = ''",
        &[],
    );
    assert!(questions(&mut owner) > before, "it counts at all");
}

/// Who has another account cannot wake the others, nor be woken.
#[test]
fn vpids_with_different_accounts_look_by_themselves() {
    let bed = mysql();
    let mut owner = Owner::new(&bed);
    owner
        .0
        .plain("CREATE USER IF NOT EXISTS 'other'@'localhost' IDENTIFIED BY 'secret of vpid'")
        .unwrap();
    owner
        .0
        .plain("GRANT ALL ON *.* TO 'other'@'localhost'")
        .unwrap();
    owner
        .0
        .plain("REVOKE PROCESS, SUPER ON *.* FROM 'other'@'localhost'")
        .unwrap();
    let mut database = bed.database.clone();
    if let crate::config::Engine::Mysql(settings) = &mut database.engine {
        settings.user = "other".into();
    }
    let first = vpid(&bed, 1);
    listening(&bed, &first);
    let notes = "SELECT COUNT(DISTINCT account) FROM vpid_listeners";
    bed.until(|| owner.numbers(notes) == [1], "the first has noted itself");
    let mut second = vpid_on(&database, 2);
    bed.until(
        || owner.numbers(notes) == [2],
        "the second has noted itself",
    );
    bed.until(|| owner.numbers("SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE \
                                'SELECT /* vpid waits% SLEEP(4)%'") == [1], "it looks more often");
    // No one wakes it.
    owner.change(
        Topic::Bans,
        "UPDATE vpid_bans SET changed = 0 WHERE id = ''",
        &[],
    );
    second.until_changed(|topics| topics.bans);
}

#[test]
fn a_database_that_was_restored_from_a_backup_is_read_anew() {
    for bed in beds() {
        let mut vpid = vpid(&bed, 1);
        listening(&bed, &vpid);
        vpid.reply(Request::CreateUser(steam(1)));
        vpid.reply(report_state("one", &[(1, "Alice")]));
        for change in 1..5 {
            vpid.reply(create_ban(ban(change, change as u32), None));
        }
        assert_eq!(vpid.banned().len(), 4);
        vpid.until_changed(|topics| topics.bans);
        let mut owner = Owner::new(&bed);
        owner
            .0
            .transaction(|own| {
                own.run("DELETE FROM vpid_bans WHERE steam > 76561197960265729", &[])?;
                own.run(
                    "UPDATE vpid_changes SET counter = 0 WHERE topic = 'bans'",
                    &[],
                )
            })
            .unwrap();
        bed.until(|| vpid.banned() == [steam(1)], "the backup counts");
    }
}
