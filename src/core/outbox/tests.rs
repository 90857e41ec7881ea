use super::*;

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
        steam: SteamId::new(account).unwrap(),
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
    Outbox::restore(&[], 1).0
}

/// Accepts and stores.
fn add(outbox: &mut Outbox, account: u32, change: Change, now: Now) -> EntryId {
    let entry = outbox.accept(wish(account, change), now.wall_s, now);
    let id = entry.expect("there is room").id;
    outbox.stored(id);
    id
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
    ] {
        add(&mut outbox, 7, change, at(1));
    }
    let files: Vec<(String, String)> = outbox
        .all()
        .map(|entry| (entry.file(), entry.text()))
        .collect();
    let (restored, strangers) = Outbox::restore(&files, 1);
    assert_eq!(strangers, []);
    let (before, after): (Vec<_>, Vec<_>) = (outbox.all().collect(), restored.all().collect());
    assert_eq!(before, after);
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
    let (restored, strangers) = Outbox::restore(&files, 1);
    assert_eq!(restored.all().count(), 1);
    let names: Vec<&str> = strangers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["1", "2", "3", "4"]);
}

#[test]
fn nothing_is_sent_before_it_is_stored() {
    let mut outbox = empty();
    let id = outbox.accept(wish(7, ban()), 0, at(1)).unwrap().id;
    assert_eq!(outbox.begin(at(1)), None);
    assert_eq!(outbox.of(SteamId::new(7).unwrap()).count(), 0);
    outbox.stored(id);
    assert_eq!(outbox.begin(at(1)), Some(id));
}

#[test]
fn changes_of_one_player_keep_their_order_and_others_pass() {
    let mut outbox = empty();
    let first = add(&mut outbox, 7, ban(), at(1));
    let second = add(&mut outbox, 7, Change::Unban, at(1));
    let other = add(&mut outbox, 8, ban(), at(1));
    assert_eq!(outbox.begin(at(2)), Some(first));
    assert_eq!(outbox.begin(at(3)), Some(other));
    assert_eq!(outbox.begin(at(4)), None);
    outbox.hold(first, "no".into(), false, at(4));
    outbox.done(other, at(4));
    assert_eq!(outbox.to_record(at(4)), Some(other));
    // What holds the first one up holds the second one up, too.
    assert_eq!(outbox.begin(at(5)), None);
    outbox.retry(first, at(5)).unwrap();
    assert_eq!(outbox.begin(at(5)), Some(first));
    outbox.kill(first, "no".into(), at(6));
    assert_eq!(outbox.begin(at(7)), Some(second));
}

#[test]
fn a_change_does_not_wait_for_those_of_another_kind() {
    let mut outbox = empty();
    let ban = add(&mut outbox, 7, ban(), at(1));
    let unban = add(&mut outbox, 7, Change::Unban, at(1));
    let reason = "x".to_owned();
    let warning = add(&mut outbox, 7, Change::Warning { reason }, at(1));
    assert_eq!(outbox.begin(at(2)), Some(ban));
    outbox.hold(ban, "no".into(), false, at(2));
    assert_eq!(outbox.begin(at(3)), Some(warning));
    outbox.done(warning, at(4));
    // Neither does it wait for its own end to be on disk.
    outbox.retry(ban, at(4)).unwrap();
    assert_eq!(outbox.begin(at(5)), Some(ban));
    outbox.kill(ban, "no".into(), at(6));
    assert_eq!(outbox.begin(at(7)), Some(unban));
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
            mono_ms: outbox.due_ms().unwrap().max(now.mono_ms),
            ..now
        };
        let id = outbox.begin(now).expect("something is due");
        match id == poison {
            true => outbox.again(id, "500".into(), Wait::default(), now),
            false => {
                outbox.done(id, now);
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
fn an_outage_is_met_with_patience() {
    let mut outbox = empty();
    for account in 1..=50 {
        add(&mut outbox, account, ban(), at(0));
    }
    let (mut tries, mut now) = (0, at(0));
    let whole = Wait {
        whole: true,
        ..Wait::default()
    };
    while now.mono_ms < 86_400_000 {
        let id = outbox.begin(now).unwrap();
        outbox.again(id, "away".into(), whole, now);
        tries += 1;
        now.mono_ms = outbox.due_ms().unwrap();
    }
    // One a few minutes, whatever waits.
    assert!((200..500).contains(&tries), "{tries}");
}

#[test]
fn equal_bans_of_one_player_differ_in_time() {
    let mut outbox = empty();
    for _ in 0..5 {
        add(&mut outbox, 7, ban(), at(1));
    }
    let seconds: Vec<i64> = outbox
        .all()
        .map(|entry| entry.created.as_second())
        .collect();
    let apart = |pair: &[i64]| pair[1] - pair[0] > limits::SAME_BAN_S;
    assert!(seconds.windows(2).all(apart), "{seconds:?}");
}

#[test]
fn there_is_a_bound_and_a_warning_long_before() {
    let mut outbox = empty();
    let mut warnings = 0;
    for account in 1..=limits::OUTBOX_ENTRIES_MAX as u32 {
        add(&mut outbox, account, ban(), at(1));
        warnings += usize::from(outbox.warning().is_some());
    }
    assert!(outbox.accept(wish(7, ban()), 0, at(1)).is_none());
    assert!((4..8).contains(&warnings), "{warnings}");
}

#[test]
fn what_is_done_stays_until_the_list_and_the_calls_are_past_it() {
    let mut outbox = empty();
    let plain = add(&mut outbox, 7, ban(), at(1));
    let mut asked = wish(8, ban());
    asked.call = Some(Origin { file: 5, index: 0 });
    let asked = outbox.accept(asked, 0, at(1)).unwrap().id;
    outbox.stored(asked);
    assert_eq!(outbox.begin(at(10)), Some(plain));
    assert_eq!(outbox.begin(at(11)), Some(asked));
    outbox.done(plain, at(20));
    outbox.done(asked, at(20));
    // Not before that is on disk.
    assert_eq!(
        outbox.settled(Uuid(2), 20_001, at(500)),
        Vec::<EntryId>::new()
    );
    write_ends_down(&mut outbox, at(20));
    assert_eq!(
        outbox.settled(Uuid(2), 20_000, at(500)),
        Vec::<EntryId>::new()
    );
    assert_eq!(
        outbox.settled(Uuid(9), 20_001, at(500)),
        Vec::<EntryId>::new()
    );
    assert_eq!(outbox.settled(Uuid(2), 20_001, at(21)), [plain]);
    assert_eq!(outbox.settled(Uuid(2), 20_001, at(500)), [plain, asked]);
}
