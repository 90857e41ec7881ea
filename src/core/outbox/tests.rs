use super::*;
use crate::protocol::address_range::AddressRange;
use crate::protocol::steam_id::SteamId;

fn at(s: u64) -> Now {
    Now {
        mono_ms: s * 1_000,
        wall_s: 1_800_000_000 + s as i64,
    }
}

fn wish(account: u32, change: Change) -> NewEntry {
    NewEntry {
        change,
        server: Uuid(1),
        bundle: Uuid(2),
        whom: SteamId::new(account).unwrap().into(),
        name: format!("player {account}"),
        issuer: None,
        call: None,
    }
}

fn ban() -> Change {
    Change::Ban {
        length_s: Some(3_600),
        reason: "x".into(),
        standing: true,
    }
}

fn empty() -> Outbox {
    Outbox::restore(&[], 0, at(0)).0
}

fn created() -> Timestamp {
    "2026-03-01T12:00:00.123456Z".parse().unwrap()
}

fn begin(outbox: &mut Outbox, now: Now) -> Option<EntryId> {
    outbox.begin(now, |_| Some(0))
}

/// Accepts and stores.
fn add(outbox: &mut Outbox, account: u32, change: Change, now: Now) -> EntryId {
    let entry = outbox.accept(wish(account, change), created(), now.wall_s, now);
    let id = entry.expect("there is room").id;
    outbox.stored(id);
    id
}

#[test]
fn an_entry_of_a_backup_is_looked_for_before_it_is_sent_where_the_backend_can_tell() {
    let mut outbox = empty();
    let of_backup = |outbox: &mut Outbox, change: Change| {
        let id = add(outbox, 1, change, at(0));
        let entry = outbox.get(id).unwrap();
        let text = entry.clone().of_backup(at(0).wall_s).text();
        Entry::parse(&entry.file(), &text).unwrap()
    };
    let banned = of_backup(&mut outbox, ban());
    assert_eq!(banned.state, State::Sending);
    // Nothing that it made is older than its order; the last try may still be under way.
    assert_eq!(banned.sent_s, Some(created().as_second()));
    assert!(banned.settles_ms(at(0)) > 0 && banned.settles_ms(at(60)) == 0);
    let lifted = of_backup(&mut outbox, Change::Unban);
    assert_eq!(
        (lifted.state, lifted.may_count_twice()),
        (State::Waiting, false)
    );
    let played = of_backup(
        &mut outbox,
        Change::Playtime(Playtime {
            attribute: Uuid(5),
            date: created(),
            counter: 1,
            to_ms: 60_000,
            ms: 60_000,
            before: None,
        }),
    );
    assert!(played.may_count_twice());
    // What was refused, or is done, stays so.
    let mut dead = banned;
    dead.state = State::Dead;
    assert_eq!(dead.of_backup(0).state, State::Dead);
}

#[test]
fn an_entry_comes_back_from_its_file() {
    let mut outbox = empty();
    for change in [
        ban(),
        Change::Unban,
        Change::Warning {
            reason: "\"; x".into(),
        },
        Change::Membership {
            group: Uuid(3),
            group_name: "VIP".into(),
            length_s: None,
        },
        Change::MembershipEnd {
            group: None,
            group_name: String::new(),
        },
        Change::Reward { reward: Uuid(5) },
    ] {
        add(&mut outbox, 7, change, at(1));
    }
    let files: Vec<(String, String)> = outbox
        .all()
        .map(|entry| (entry.file(), entry.text()))
        .collect();
    let (restored, strangers) = Outbox::restore(&files, 0, at(0));
    assert!(strangers.is_empty());
    let (before, after): (Vec<_>, Vec<_>) = (outbox.all().collect(), restored.all().collect());
    assert_eq!(before, after);
}

#[test]
fn an_entry_about_addresses_comes_back_from_its_file_and_so_does_one_of_an_earlier_version() {
    let mut outbox = empty();
    let range: AddressRange = "203.0.113.0/24".parse().unwrap();
    let of_addresses = |change| NewEntry {
        whom: range.into(),
        name: range.to_string(),
        ..wish(7, change)
    };
    let ban = Change::AddressBan {
        length_s: None,
        reason: "x".into(),
        standing: true,
    };
    let mut files = Vec::new();
    for change in [ban, Change::AddressUnban] {
        let entry = outbox.accept(of_addresses(change), created(), 0, at(1));
        let entry = entry.expect("there is room");
        assert_eq!(entry.describe().matches("203.0.113.0/24").count(), 2);
        files.push((entry.file(), entry.text()));
    }
    assert!(files[0].1.contains("\"kind\": \"address ban\"") && !files[0].1.contains("steam"));
    let earlier = r#"{"version": 1, "id": 5, "kind": "ban", "length_s": 60, "reason": "x",
        "standing": true, "server": "00000000-0000-0000-0000-000000000001",
        "bundle": "00000000-0000-0000-0000-000000000002", "steam": "76561197960265735",
        "name": "Ann", "issuer": null, "created": "2026-03-01T12:00:00.123456Z",
        "state": "waiting", "tries": 1, "next_s": 1800000000, "problem": null, "sent_s": null}"#;
    files.push(("5".into(), earlier.into()));
    let (restored, strangers) = Outbox::restore(&files, 0, at(0));
    assert!(strangers.is_empty(), "{strangers:?}");
    assert_eq!(restored.of(range).count(), 2);
    assert_eq!(restored.of(SteamId::new(7).unwrap()).count(), 1);
    let before: Vec<_> = outbox.all().collect();
    let after: Vec<_> = restored.all().filter(|entry| entry.id != 5).collect();
    assert_eq!(before, after);
}

#[test]
fn a_change_of_a_player_that_is_about_addresses_is_not_accepted_from_a_file_and_cannot_be_sent() {
    let mut outbox = empty();
    let range: AddressRange = "203.0.113.7".parse().unwrap();
    for (whom, change) in [
        (Whom::from(range), ban()),
        (Whom::from(range), Change::Unban),
        (SteamId::new(7).unwrap().into(), Change::AddressUnban),
    ] {
        let new = NewEntry {
            whom,
            ..wish(7, change)
        };
        let entry = outbox.accept(new, created(), 0, at(1)).expect("room");
        assert_eq!(entry.change.request(entry, Uuid(1)), None, "{entry:?}");
        let error = Entry::parse(&entry.file(), &entry.text()).unwrap_err();
        assert!(matches!(error, EntryError::OtherWhom(..)), "{error}");
    }
}

#[test]
fn what_is_done_about_addresses_waits_for_their_own_list() {
    let mut outbox = empty();
    let range: AddressRange = "203.0.113.7".parse().unwrap();
    let new = NewEntry {
        whom: range.into(),
        ..wish(7, Change::AddressUnban)
    };
    let id = outbox.accept(new, created(), 0, at(1)).expect("room").id;
    outbox.stored(id);
    assert_eq!(begin(&mut outbox, at(1)), Some(id));
    outbox.done(id, None, at(2));
    outbox.recorded(id, true, at(2));
    for (list, is_gone) in [(List::Bans, false), (List::Addresses, true)] {
        outbox.listed(Uuid(2), list, 20_000);
        outbox.settled(Uuid(2), list, 20_000);
        assert_eq!(outbox.unlisted(range).count() == 0, is_gone, "{list:?}");
        assert_eq!(!outbox.expired(at(600)).is_empty(), is_gone, "{list:?}");
    }
}

#[test]
fn a_file_that_cannot_be_read_leaves_the_others_alone() {
    let mut outbox = empty();
    let id = add(&mut outbox, 7, ban(), at(1));
    let good = outbox.get(id).unwrap();
    let newer = good.text().replace("\"version\": 1", "\"version\": 2");
    let files = [
        (good.file(), good.text()),
        ("1".into(), "{".into()),
        ("2".into(), good.text()),
        ("3".into(), newer),
        ("4".into(), "{\"version\": 1}".into()),
    ];
    let (restored, strangers) = Outbox::restore(&files, 0, at(0));
    assert_eq!(restored.all().count(), 1);
    let names: Vec<&str> = strangers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["1", "2", "3", "4"]);
}

/// A database knows a change by its id: one that has an id of before would count as made already.
#[test]
fn ids_do_not_come_back_after_a_restart_or_when_the_clock_was_set_back() {
    let ids = |seed: u64, files: &[(String, String)]| -> Vec<EntryId> {
        let (mut outbox, _) = Outbox::restore(files, seed, at(0));
        (0..3).map(|_| add(&mut outbox, 7, ban(), at(0))).collect()
    };
    let mut ahead = empty();
    let waiting = add(&mut ahead, 7, ban(), at(3_600));
    let waiting = ahead.get(waiting).unwrap();
    let files = [(waiting.file(), waiting.text())];
    for files in [&[][..], &files[..]] {
        let (first, second) = (ids(1_000, files), ids(2_000, files));
        assert!(first.iter().all(|id| !second.contains(id)), "{first:?}");
        assert!(first.is_sorted(), "{first:?}");
        assert!(files.is_empty() || first[0] > waiting.id);
    }
}

#[test]
fn nothing_is_sent_before_it_is_stored() {
    let mut outbox = empty();
    let id = outbox
        .accept(wish(7, ban()), created(), 0, at(1))
        .unwrap()
        .id;
    assert_eq!(begin(&mut outbox, at(1)), None);
    assert_eq!(outbox.of(SteamId::new(7).unwrap()).count(), 0);
    outbox.stored(id);
    assert_eq!(begin(&mut outbox, at(1)), Some(id));
}

#[test]
fn changes_of_one_player_keep_their_order_and_others_pass() {
    let mut outbox = empty();
    let first = add(&mut outbox, 7, ban(), at(1));
    let second = add(&mut outbox, 7, Change::Unban, at(1));
    let other = add(&mut outbox, 8, ban(), at(1));
    assert_eq!(begin(&mut outbox, at(2)), Some(first));
    assert_eq!(begin(&mut outbox, at(3)), Some(other));
    assert_eq!(begin(&mut outbox, at(4)), None);
    outbox.hold(first, "no".into(), 300_000, at(4));
    outbox.done(other, None, at(4));
    assert_eq!(outbox.to_record(at(4)), Some(other));
    // What holds the first one up holds the second one up, too.
    assert_eq!(begin(&mut outbox, at(5)), None);
    outbox.retry(first, 0, at(5)).unwrap();
    assert_eq!(begin(&mut outbox, at(5)), Some(first));
    outbox.kill(first, "no".into(), at(6));
    assert_eq!(begin(&mut outbox, at(7)), Some(second));
}

#[test]
fn a_change_does_not_wait_for_those_of_another_kind() {
    let mut outbox = empty();
    let ban = add(&mut outbox, 7, ban(), at(1));
    let unban = add(&mut outbox, 7, Change::Unban, at(1));
    let reason = "x".to_owned();
    let warning = add(&mut outbox, 7, Change::Warning { reason }, at(1));
    assert_eq!(begin(&mut outbox, at(2)), Some(ban));
    outbox.hold(ban, "no".into(), 300_000, at(2));
    assert_eq!(begin(&mut outbox, at(3)), Some(warning));
    outbox.done(warning, None, at(4));
    // Neither does it wait for its own end to be on disk.
    outbox.retry(ban, 0, at(4)).unwrap();
    assert_eq!(begin(&mut outbox, at(5)), Some(ban));
    outbox.kill(ban, "no".into(), at(6));
    assert_eq!(begin(&mut outbox, at(7)), Some(unban));
}

#[test]
fn what_is_done_counts_until_a_list_that_was_requested_after_it_has_come() {
    let mut outbox = empty();
    let steam = SteamId::new(7).unwrap();
    let ban = add(&mut outbox, 7, ban(), at(1));
    assert_eq!(begin(&mut outbox, at(2)), Some(ban));
    outbox.done(ban, None, at(3));
    assert_eq!(outbox.droppable(ban), Err(QueueError::Done(ban)));
    for (asked_ms, bundle, counts) in [(3_000, 2, 1), (3_001, 9, 1), (3_001, 2, 0)] {
        outbox.listed(Uuid(bundle), List::Bans, asked_ms);
        assert_eq!(
            outbox.unlisted(steam).count(),
            counts,
            "{asked_ms} {bundle}"
        );
    }
    assert_eq!(outbox.of(steam).count(), 1);
}

/// The ends of what is done are on disk.
fn write_ends_down(outbox: &mut Outbox, now: Now) {
    while let Some(id) = outbox.to_record(now) {
        outbox.recorded(id, true, now);
    }
}

#[test]
fn one_that_always_fails_is_in_nobodys_way() {
    let mut outbox = empty();
    let poison = add(&mut outbox, 1, ban(), at(0));
    let others: Vec<EntryId> = (2..200)
        .map(|n| add(&mut outbox, n, ban(), at(0)))
        .collect();
    let (mut done, mut now) = (Vec::new(), at(1));
    while done.len() < others.len() {
        now = Now {
            mono_ms: outbox.due_ms(|_| Some(0)).unwrap().max(now.mono_ms),
            ..now
        };
        let id = begin(&mut outbox, now).expect("something is due");
        match id == poison {
            true => outbox.again(id, "500".into(), false, now.mono_ms + 5_000, now),
            false => {
                outbox.done(id, None, now);
                write_ends_down(&mut outbox, now);
                done.push(id);
            }
        }
    }
    assert_eq!(done, others);
    assert!(now.mono_ms < 60_000, "{}", now.mono_ms);
    assert_eq!(outbox.get(poison).unwrap().state, State::Waiting);
}

#[test]
fn an_operator_gets_when_an_entry_is_tried_and_it_is_never_before_the_backend_has_finished() {
    let mut outbox = empty();
    let id = add(&mut outbox, 7, ban(), at(1));
    assert_eq!(outbox.retry(id, 0, at(2)), Ok(2_000));
    assert_eq!(outbox.retry(id, 9_000, at(2)), Ok(9_000));
    let entry = outbox.get_mut(id).unwrap();
    entry.state = State::Sending;
    entry.settled_s = Some(at(22).wall_s);
    assert_eq!(outbox.retry(id, 0, at(2)), Ok(22_000));
    assert_eq!(outbox.retry(id, 0, at(30)), Ok(30_000));
    assert_eq!(outbox.retry(8, 0, at(2)), Err(QueueError::Unknown(8)));
    let after = add(&mut outbox, 7, Change::Unban, at(2));
    assert_eq!(outbox.open_before(after), [id]);
}

#[test]
fn what_may_still_be_carried_out_after_a_crash_waits_as_long_as_that_takes_and_no_longer() {
    let mut outbox = empty();
    let id = add(&mut outbox, 7, ban(), at(1));
    let entry = outbox.get_mut(id).unwrap();
    entry.state = State::Sending;
    for (settled_s, clock_set_s, left_s) in [
        (Some(20), 0, 10),
        (Some(5), 0, 0),
        // The clock was set meanwhile.
        (Some(20), 86_400, 0),
        (Some(20), -86_400, limits::VYHUB_SETTLE_S as u64),
        // As older versions have left it.
        (None, 0, limits::VYHUB_SETTLE_S as u64),
    ] {
        let entry = outbox.get_mut(id).unwrap();
        entry.settled_s = settled_s.map(|s| at(s).wall_s);
        let files = [(entry.file(), entry.text())];
        let now = Now {
            mono_ms: 7,
            wall_s: at(10).wall_s + clock_set_s,
        };
        let (restored, _) = Outbox::restore(&files, 0, now);
        let due_ms = restored.due_ms(|_| Some(0));
        assert_eq!(
            due_ms,
            Some(7 + left_s * 1_000),
            "{settled_s:?} {clock_set_s}"
        );
    }
}

#[test]
fn there_is_a_bound_and_a_warning_long_before() {
    let mut outbox = empty();
    let mut warnings = 0;
    for account in 1..=limits::OUTBOX_ENTRIES_MAX as u32 {
        add(&mut outbox, account, ban(), at(1));
        warnings += usize::from(outbox.warning().is_some());
    }
    assert!(outbox.accept(wish(7, ban()), created(), 0, at(1)).is_none());
    assert!((4..8).contains(&warnings), "{warnings}");
}

#[test]
fn what_is_done_stays_until_the_list_and_the_calls_are_past_it() {
    let mut outbox = empty();
    let plain = add(&mut outbox, 7, ban(), at(1));
    let mut asked = wish(8, ban());
    asked.call = Some(Origin { file: 5, index: 0 });
    let asked = outbox.accept(asked, created(), 0, at(1)).unwrap().id;
    outbox.stored(asked);
    assert_eq!(begin(&mut outbox, at(10)), Some(plain));
    assert_eq!(begin(&mut outbox, at(11)), Some(asked));
    outbox.done(plain, None, at(20));
    outbox.done(asked, None, at(20));
    let none = Vec::<EntryId>::new();
    // Not before that is on disk, and a list that was requested later.
    outbox.settled(Uuid(2), List::Bans, 20_001);
    assert_eq!(outbox.expired(at(500)), none);
    write_ends_down(&mut outbox, at(20));
    outbox.settled(Uuid(2), List::Bans, 20_000);
    outbox.settled(Uuid(9), List::Bans, 20_001);
    assert_eq!(outbox.expired(at(500)), none);
    outbox.settled(Uuid(2), List::Bans, 20_001);
    // A change that is alike must not be taken for it.
    assert_eq!(outbox.expired(at(24)), none);
    assert_eq!(outbox.due_ms(|_| None), Some(25_000));
    assert_eq!(outbox.expired(at(25)), [plain]);
    assert_eq!(outbox.expired(at(500)), [plain, asked]);
}

#[test]
fn a_record_that_cannot_be_read_leaves_it_unsure_only_where_it_may_be_this_one() {
    use crate::protocol::backend::{Ban, PAGE_SIZE, Page, Reply, Warning};
    let mut outbox = empty();
    let reason = "x".to_owned();
    let warn = Change::Warning { reason };
    let (ban, warning) = (ban(), add(&mut outbox, 7, warn, at(1)));
    let ban = add(&mut outbox, 7, ban, at(1));
    outbox.get_mut(warning).unwrap().sent_s = Some(created().as_second());
    let time = |text: &str| Some(text.parse::<Timestamp>().unwrap());
    let (before, same) = (time("2026-02-01T12:00:00Z"), time("2026-03-01T12:00:00Z"));
    let later = time("2026-03-02T12:00:00Z");
    let mine = Ban {
        id: Uuid(5),
        reason: Some("x".into()),
        length_s: Some(3_600),
        created: created(),
        ends: None,
        creator: None,
        creator_name: None,
        bundle: None,
        active: None,
    };
    let next = |unsure| Comparison::NextPage { unsure };
    for (skipped, pages, listed, before_it, expected) in [
        (vec![], 1, false, false, Comparison::Absent),
        (vec![before, later], 1, false, false, Comparison::Absent),
        (vec![same], 1, false, false, Comparison::Unsure),
        (vec![None], 1, false, false, Comparison::Unsure),
        (vec![before], 1, false, true, Comparison::Unsure),
        (vec![None], 2, false, false, next(true)),
        (vec![before], 2, false, false, next(false)),
        (vec![None], 1, true, true, Comparison::Present(Uuid(5))),
    ] {
        let items = if listed { vec![mine.clone()] } else { vec![] };
        let total = (pages - 1) * PAGE_SIZE + 1;
        let reply = Reply::Bans(Page {
            items,
            skipped: skipped.clone(),
            total,
        });
        let entry = outbox.get(ban).unwrap();
        let found = entry.change.compare(entry, (&reply, 1), before_it);
        assert_eq!(found, Some(expected), "{skipped:?} {pages} {listed}");
    }
    for (skipped, expected) in [
        (before, Comparison::Absent),
        (same, Comparison::Unsure),
        (later, Comparison::Unsure),
    ] {
        let reply = Reply::Warnings(Page::<Warning> {
            items: vec![],
            skipped: vec![skipped],
            total: 1,
        });
        let entry = outbox.get(warning).unwrap();
        let found = entry.change.compare(entry, (&reply, 1), false);
        assert_eq!(found, Some(expected), "{skipped:?}");
    }
}

fn playtime(ms: u64, before: Option<&str>) -> Playtime {
    let before = before.map(|hours| Total {
        user: Uuid(5),
        hours: (!hours.is_empty()).then(|| hours.to_owned()),
    });
    Playtime {
        attribute: Uuid(70),
        date: created(),
        counter: u64::MAX,
        to_ms: ms,
        ms,
        before,
    }
}

#[test]
fn playtime_comes_back_from_its_file_and_waits_for_its_counter() {
    let mut outbox = empty();
    let id = add(
        &mut outbox,
        7,
        Change::Playtime(playtime(36, Some("1.5"))),
        at(1),
    );
    let entry = outbox.get(id).unwrap();
    let (restored, strangers) = Outbox::restore(&[(entry.file(), entry.text())], 0, at(0));
    assert!(strangers.is_empty());
    assert_eq!(restored.get(id), Some(entry));
    assert!(!restored.is_stored(id));
    assert_eq!(restored.due_ms(|_| Some(0)), None);
}

#[test]
fn what_was_played_is_exactly_so_many_hours() {
    for (ms, hours) in [
        (18, "0.000005"),
        (3_600_000, "1.000000"),
        (3_600_018, "1.000005"),
        (360_000_000_000, "100000.000000"),
    ] {
        assert_eq!(playtime(ms, None).hours(), hours);
    }
}

#[test]
fn a_total_shows_whether_playtime_was_added_also_where_it_is_rounded() {
    use crate::protocol::backend::{PLAYTIME, Reply};
    let hour = 3_600_000;
    for (ms, before, now, expected) in [
        (hour, "1.5", "2.5", Comparison::Added),
        (hour, "1.5", "1.5", Comparison::Absent),
        (hour, "1.5", "1.50", Comparison::Absent),
        (hour, "", "1", Comparison::Added),
        (hour, "", "", Comparison::Absent),
        (hour, "1.499", "2.5", Comparison::Added),
        (hour, "1.5", "3.5", Comparison::Neither),
        (hour, "1.5", "1.4", Comparison::Neither),
        (hour, "1.5", "", Comparison::Neither),
        (hour, "1.5", "much", Comparison::Neither),
        (hour, "much", "much", Comparison::Neither),
        (hour, "NaN", "NaN", Comparison::Neither),
        // 18 s are 0.005 hours.
        (18_000, "1.500000", "1.505000", Comparison::Added),
        (18_000, "1.500000", "1.500000", Comparison::Absent),
        (18_000, "1.500000", "1.502500", Comparison::Neither),
    ] {
        let mut outbox = empty();
        let change = Change::Playtime(playtime(ms, Some(before)));
        let id = add(&mut outbox, 7, change, at(1));
        let entry = outbox.get(id).unwrap();
        let all = [(PLAYTIME.to_owned(), now.to_owned())].into_iter();
        let reply = Reply::Attributes(all.filter(|(_, now)| !now.is_empty()).collect());
        let found = entry.change.compare(entry, (&reply, 1), false);
        assert_eq!(found, Some(expected), "{ms} {before} {now}");
    }
}

#[test]
fn what_is_not_urgent_comes_last_and_leaves_a_place() {
    let mut outbox = empty();
    let first = add(&mut outbox, 7, Change::Playtime(playtime(36, None)), at(1));
    let second = add(&mut outbox, 8, Change::Playtime(playtime(36, None)), at(1));
    let ban = add(&mut outbox, 9, ban(), at(1));
    assert_eq!(begin(&mut outbox, at(2)), Some(ban));
    assert_eq!(begin(&mut outbox, at(2)), None);
    assert_eq!(outbox.due_ms(|_| Some(0)), None);
    outbox.done(ban, None, at(3));
    assert_eq!(begin(&mut outbox, at(3)), Some(first));
    assert_eq!(begin(&mut outbox, at(3)), None);
    outbox.again(first, "no".into(), true, 9_000, at(4));
    assert_eq!(begin(&mut outbox, at(4)), Some(second));
}

#[test]
fn reports_have_no_order_one_is_sent_at_once_and_they_leave_room_for_bans() {
    let mut outbox = empty();
    let report = |n: u128| Change::Reward { reward: Uuid(n) };
    let first = add(&mut outbox, 7, report(1), at(1));
    let second = add(&mut outbox, 7, report(2), at(1));
    let ban = add(&mut outbox, 7, ban(), at(1));
    assert_eq!(outbox.open_before(second), [0; 0]);
    assert_eq!(begin(&mut outbox, at(2)), Some(ban));
    assert_eq!(begin(&mut outbox, at(2)), None);
    outbox.done(ban, None, at(3));
    // The first one fails, and is not in the way of the second one.
    assert_eq!(begin(&mut outbox, at(3)), Some(first));
    outbox.again(first, "500".into(), false, 60_000, at(3));
    assert_eq!(begin(&mut outbox, at(3)), Some(second));
    assert_eq!(begin(&mut outbox, at(70)), None);
    outbox.remove(second);
    assert_eq!(begin(&mut outbox, at(70)), Some(first));
    outbox.remove(first);
    for n in 0..limits::OUTBOX_REWARDS_MAX as u128 {
        add(&mut outbox, 8, report(n), at(80));
    }
    let more = outbox.accept(wish(8, report(0)), created(), 0, at(80));
    assert!(more.is_none());
    add(&mut outbox, 8, Change::Unban, at(80));
}

/// What [`Outbox::begin`] must give, by a look at all entries.
fn expected(outbox: &Outbox, now: Now) -> Option<EntryId> {
    let mut first = BTreeSet::new();
    let mut ready = Vec::new();
    for kept in outbox.entries.values() {
        let series = kept.entry.change.series();
        let is_first = (kept.entry.is_open() || !kept.recorded)
            && (first.insert((kept.entry.whom, series)) || series == Series::Reports);
        let may = kept.stored && !kept.busy && kept.recorded && kept.due_ms <= now.mono_ms;
        if is_first && may && outbox.places()(series) {
            ready.push((series, kept.entry.tries, kept.entry.id));
        }
    }
    ready.into_iter().min().map(|(.., id)| id)
}

fn change_of(kind: u64, number: u64) -> Change {
    match kind {
        0 | 1 => ban(),
        2 => Change::Unban,
        3 => Change::Playtime(playtime(36, None)),
        _ => Change::Reward {
            reward: Uuid(u128::from(number)),
        },
    }
}

fn assert_is_counted(outbox: &Outbox) {
    let open = outbox.all().filter(|entry| entry.is_open()).count();
    let dead = outbox.all().filter(|entry| entry.state == State::Dead);
    assert_eq!(
        (outbox.open_count(), outbox.dead_count()),
        (open, dead.count())
    );
}

#[test]
fn whose_turn_it_is_is_as_if_all_were_looked_at_whatever_happens_to_them() {
    let mut drawn = 7_u64;
    let mut draw = move |below: u64| {
        drawn = drawn
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(99);
        (drawn >> 33) % below
    };
    let (mut outbox, mut ids, mut under_way) = (empty(), Vec::new(), Vec::new());
    let (mut begun, mut removed) = (0, 0);
    for step in 0..4_000 {
        let now = at(1 + step / 4);
        match draw(12) {
            0..=2 => {
                let change = change_of(draw(6), step);
                let new = wish(1 + draw(6) as u32, change);
                ids.extend(outbox.accept(new, created(), 0, now).map(|it| it.id));
            }
            3 | 4 if !ids.is_empty() => outbox.stored(ids[draw(ids.len() as u64) as usize]),
            5..=7 if !under_way.is_empty() => {
                let id = under_way.swap_remove(draw(under_way.len() as u64) as usize);
                match draw(5) {
                    0 => outbox.again(id, "x".into(), true, now.mono_ms + draw(60_000), now),
                    1 => outbox.hold(id, "x".into(), now.mono_ms + 30_000, now),
                    2 => outbox.kill(id, "x".into(), now),
                    _ if outbox.get(id).unwrap().change.is_report() => drop(outbox.remove(id)),
                    _ => outbox.done(id, None, now),
                }
            }
            8 => {
                if let Some(id) = outbox.to_record(now) {
                    outbox.recorded(id, draw(4) > 0, now);
                }
            }
            9 => match draw(3) {
                0 => outbox.settled(Uuid(2), List::Bans, now.mono_ms),
                1 => outbox.release_held(now.mono_ms),
                _ => {
                    let is_listed = draw(2) == 0;
                    outbox.settle_but(|_, _| is_listed);
                }
            },
            10 if !ids.is_empty() => {
                let id = ids[draw(ids.len() as u64) as usize];
                if draw(3) == 0 && outbox.droppable(id).is_ok() {
                    outbox.remove(id);
                } else if !under_way.contains(&id) {
                    let _ = outbox.retry(id, now.mono_ms, now);
                }
            }
            _ => {
                for id in outbox.expired(now) {
                    outbox.remove(id);
                    removed += 1;
                }
            }
        }
        let wanted = expected(&outbox, now);
        let due_ms = outbox.due_ms(|_| Some(0));
        assert!(wanted.is_none() || due_ms.unwrap() <= now.mono_ms, "{step}");
        let id = begin(&mut outbox, now);
        assert_eq!(id, wanted, "{step}");
        begun += usize::from(id.is_some());
        under_way.extend(id);
        assert_is_counted(&outbox);
        assert_eq!(outbox.busy, under_way.len(), "{step}");
        ids.retain(|id| outbox.get(*id).is_some());
    }
    assert!(begun > 300 && removed > 20, "{begun} {removed}");
}
