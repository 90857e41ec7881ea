use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::limits::{BANS_LINE_BYTES_MAX, BANS_PATCH_MAX};

const ANN: &str = "76561197960287930";
const BOB: &str = "76561197960287931";

fn steam(text: &str) -> SteamId {
    text.parse().unwrap()
}

fn ban(number: u128, username: &str, reason: &str) -> Value {
    json!({
        "id": Uuid(number), "length": 3600.0, "reason": reason,
        "creator": {"id": Uuid(9), "username": "Admin"}, "created_on": "2026-03-01T12:00:00+00:00",
        "status": "ACTIVE", "ends_on": "2026-03-01T13:00:00+00:00", "active": true,
        "user": {"id": Uuid(8), "username": username}, "serverbundle": null, "new": [{}],
    })
}

/// A list of these.
pub fn of(bans: &[Listed<'_>]) -> BanList {
    let mut builder = Builder::default();
    for ban in bans {
        builder.add(ban).unwrap();
    }
    builder.finish()
}

fn read(value: &Value) -> BanList {
    BanList::read(value.to_string().as_bytes()).unwrap()
}

/// A list of as many bans as are asked for, as VyHub would send it.
fn long(count: usize) -> Vec<u8> {
    let mut map = serde_json::Map::new();
    for number in 0..count {
        let id = SteamId::new(1 + number as u32 * 7).unwrap().to_string();
        let name = format!("player {number}");
        let reason = format!("cheating, seen in demo {number}");
        map.insert(id, json!([ban(number as u128, &name, &reason)]));
    }
    Value::from(map).to_string().into_bytes()
}

#[test]
fn bans_are_found_by_player() {
    let mut newer = ban(3, "Ann", "again");
    newer["created_on"] = json!("2026-04-01T12:00:00.123456");
    newer["ends_on"] = Value::Null;
    newer["length"] = Value::Null;
    newer["creator"] = Value::Null;
    let list = read(&json!({BOB: [ban(2, "Bob", "b")], ANN: [newer, ban(1, "Ann", "a")]}));
    assert_eq!((list.len(), list.skipped(), list.is_empty()), (3, 0, false));
    let of_ann: Vec<Listed<'_>> = list.of(steam(ANN)).collect();
    assert_eq!(of_ann[0].id, Uuid(1));
    assert_eq!(of_ann[0].username, "Ann");
    assert_eq!(of_ann[0].reason, "a");
    assert_eq!(of_ann[0].creator, "Admin");
    assert_eq!(of_ann[0].created_s, 1_772_366_400);
    assert_eq!(of_ann[0].ends_s, Some(1_772_370_000));
    assert_eq!(
        (of_ann[1].id, of_ann[1].creator, of_ann[1].ends_s),
        (Uuid(3), "", None)
    );
    assert_eq!(of_ann.len(), 2);
    assert_eq!(list.of(steam(BOB)).count(), 1);
    assert_eq!(list.of(steam("76561197960287929")).count(), 0);
    assert_eq!(list.of(steam("76561197960287932")).count(), 0);
}

#[test]
fn what_is_not_in_force_is_passed_over_and_what_is_odd_is_counted() {
    let mut lifted = ban(2, "Ann", "x");
    lifted["status"] = json!("UNBANNED");
    let mut over = ban(3, "Ann", "x");
    over["active"] = json!(false);
    let mut odd = ban(4, "Ann", "x");
    odd["created_on"] = json!("soon");
    let mut endless = ban(5, "Ann", "x");
    endless["ends_on"] = json!("never");
    let mut no_end = ban(6, "Ann", "x");
    no_end["ends_on"] = Value::Null;
    let mut bare = ban(7, "", "");
    for field in ["reason", "creator", "serverbundle"] {
        bare.as_object_mut().unwrap().remove(field);
    }
    let [mut no_user, mut not_said] = [8, 9].map(|id| ban(id, "Ann", "x"));
    no_user.as_object_mut().unwrap().remove("user");
    not_said.as_object_mut().unwrap().remove("active");
    let list = read(&json!({
        ANN: [lifted, over, odd, endless, no_user, not_said, 7, null, [], {"id": 1}, no_end, bare],
        BOB: null,
        "76561197960287933": {"detail": "x"},
        "somebody@discord": [ban(9, "x", "x")],
        "[U:1:7]": [ban(9, "x", "x")],
        "76561197960265728": [{"a": [1, {"b": "c"}]}],
    }));
    let ids: Vec<Uuid> = list.of(steam(ANN)).map(|ban| ban.id).collect();
    assert_eq!(ids, [Uuid(5), Uuid(6), Uuid(7), Uuid(8)]);
    assert_eq!((list.len(), list.skipped()), (4, 8));
    let ends: Vec<_> = list.of(steam(ANN)).map(|ban| ban.ends_s).collect();
    assert_eq!(ends, [Some(1_772_370_000); 4]);
}

#[test]
fn a_ban_whose_end_is_beyond_all_dates_or_unreadable_is_in_force() {
    let with = |id: u128, ends_on: Value, length: Value| {
        let mut ban = ban(id, "Ann", "x");
        ban["ends_on"] = ends_on;
        ban["length"] = length;
        ban["user"] = Value::Null;
        ban
    };
    let list = read(&json!({ANN: [
        with(1, json!("9999-12-31T23:59:59.999999+00:00"), json!(3600.0)),
        with(2, json!("never"), Value::Null),
        with(3, json!(7), json!(60.0)),
        with(4, json!({}), Value::Null),
    ]}));
    let ends: Vec<_> = list.of(steam(ANN)).map(|ban| ban.ends_s).collect();
    assert_eq!(ends, [None, None, Some(1_772_366_460), None]);
    assert_eq!(list.skipped(), 0);
}

#[test]
fn what_is_no_whole_list_is_none_at_all() {
    for body in [
        "",
        "null",
        "[]",
        "<html>",
        "{\"76561197960287930\": [",
        "{\"detail\": \"Internal Server Error\"}",
        "{\"detail\": {}}",
        "{\"detail\": []}",
        "{\"76561197960287930\": [{\"id\": 1}, {}]}",
        "{} {}",
        "{\"a\": 1,}",
    ] {
        assert!(BanList::read(body.as_bytes()).is_err(), "{body}");
    }
    let whole = json!({ANN: [ban(1, "Ann", "a")], BOB: []}).to_string();
    for end in 0..whole.len() {
        assert!(BanList::read(&whole.as_bytes()[..end]).is_err(), "{end}");
    }
    let error = BanList::read(&whole.as_bytes()[..40]).unwrap_err();
    let error = error.to_string();
    assert!(error.starts_with("the list of bans broke off"), "{error}");
    assert_eq!(BanList::read("{}".as_bytes()), Ok(BanList::default()));
}

#[test]
fn what_cannot_be_read_of_a_player_stays_as_it_was_known() {
    let known = read(&json!({
        ANN: [ban(1, "Ann", "one"), ban(2, "Ann", "two")],
        BOB: [ban(3, "Bob", "three"), ban(4, "Bob", "four")],
    }));
    let odd = |id: u128| json!({"id": Uuid(id)});
    let came = |ann: Value, bob: Value| {
        let list = read(&json!({ANN: ann, BOB: bob}));
        let list = list.filled_up(&known).unwrap_or(list);
        let mut file = Vec::new();
        list.write(&mut file, 1).unwrap();
        let (again, _) = BanList::read_cached(&file[..]).unwrap();
        assert_eq!(again.len(), list.len());
        let reasons: Vec<String> = list.all().map(|ban| ban.reason.to_owned()).collect();
        reasons.join(" ")
    };
    let (new, two) = (ban(5, "Ann", "new"), ban(2, "Ann", "two"));
    for (ann, bob, expected) in [
        (json!([odd(1), two]), json!([]), "one two"),
        (json!([odd(1), new]), json!([]), "one new"),
        (json!([new]), json!([{}]), "new three four"),
        (json!([new, odd(9)]), json!([]), "new"),
        (
            json!([new, odd(2), {}]),
            json!([odd(3)]),
            "one two new three",
        ),
        (json!([new]), json!([]), "new"),
    ] {
        assert_eq!(came(ann, bob), expected);
    }
}

#[test]
fn texts_are_bounded() {
    let name = "ä".repeat(1000);
    let list = read(&json!({ANN: [ban(1, &name, &name)]}));
    let listed = list.of(steam(ANN)).next().unwrap();
    assert_eq!(listed.username.chars().count(), VYHUB_NAME_CHARS_MAX);
    assert_eq!(listed.reason.chars().count(), BAN_REASON_CHARS_MAX);
    let mut file = Vec::new();
    let worst = "\u{1}".repeat(1000);
    read(&json!({ANN: [ban(1, &worst, &worst)]}))
        .write(&mut file, 1)
        .unwrap();
    assert!(
        file.split(|byte| *byte == b'\n')
            .all(|line| line.len() < BANS_LINE_BYTES_MAX)
    );
    assert!(BanList::read_cached(&file[..]).is_ok());
}

#[test]
fn names_are_found_by_a_part_and_whole_ones_first() {
    let list = read(&json!({
        "76561197960287001": [ban(1, "xX Ann Xx", "a"), ban(2, "xX Ann Xx", "b")],
        "76561197960287002": [ban(3, "ann", "a")],
        "76561197960287003": [ban(4, "Jürgen", "a")],
        "76561197960287004": [ban(5, "", "a")],
        "76561197960287005": [ban(6, "ANNa", "a"), ban(7, "Ann", "a")],
        "76561197960287006": [ban(8, "ΑΝΝ ÜBER", "a")],
    }));
    let names = |part, max| -> Vec<&str> {
        let found = list.named(part, max);
        found.into_iter().map(|(_, name)| name).collect()
    };
    assert_eq!(names("ANN", 10), ["ann", "Ann", "xX Ann Xx"]);
    assert_eq!(names("ann", 2), ["ann", "Ann"]);
    assert_eq!(names("ann", 1), ["ann"]);
    assert_eq!(names("jÜR", 10), ["Jürgen"]);
    assert_eq!(names("über", 10), ["ΑΝΝ ÜBER"]);
    assert_eq!(names("BER", 10), ["ΑΝΝ ÜBER"]);
    assert!(names("", 10).is_empty() && names("nobody", 10).is_empty());
    assert_eq!(list.named("ann", 10)[0].0, steam("76561197960287002"));
}

#[test]
fn equal_lists_have_equal_digests_in_any_order() {
    let (a, b) = (ban(1, "Ann", "a"), ban(2, "Ann", "b"));
    let one = read(&json!({ANN: [a, b], BOB: [ban(3, "Bob", "a")]}));
    let text = format!(
        "{{\"{BOB}\": [{}], \"{ANN}\": [{b}, {a}, {a}, 7]}}",
        ban(3, "Bob", "a")
    );
    let other = BanList::read(text.as_bytes()).unwrap();
    assert_eq!((one.digest(), other.skipped()), (other.digest(), 1));
    assert_eq!(one, other);
    assert_eq!(one, one.clone());
    let mut changed = ban(2, "Ann", "b");
    changed["ends_on"] = json!("2026-03-01T13:00:01+00:00");
    let third = read(&json!({ANN: [a, changed], BOB: [ban(3, "Bob", "a")]}));
    assert_ne!(one.digest(), third.digest());
    assert_ne!(one, third);
    assert_eq!(BanList::default().digest(), read(&json!({})).digest());
    assert!(format!("{one:?}").len() < 60);
}

#[test]
fn a_list_comes_back_from_its_file() {
    let list = BanList::read(&long(1000)[..]).unwrap();
    assert_eq!(list.len(), 1000);
    let mut file = Vec::new();
    let snapshot = list.write(&mut file, 7).unwrap();
    assert_eq!(snapshot.number, 7);
    assert_eq!(BanList::read_cached(&file[..]).unwrap(), (list, snapshot));
    let mut empty = Vec::new();
    let snapshot = BanList::default().write(&mut empty, 8).unwrap();
    assert_eq!(
        BanList::read_cached(&empty[..]).unwrap(),
        (BanList::default(), snapshot)
    );
}

#[test]
fn a_file_that_was_cut_or_changed_is_none() {
    let list = read(&json!({ANN: [ban(1, "Ann", "a")], BOB: [ban(2, "Bob", "b")]}));
    let mut file = Vec::new();
    list.write(&mut file, 1).unwrap();
    for end in 0..file.len() {
        assert!(BanList::read_cached(&file[..end]).is_err(), "{end}");
    }
    let text = String::from_utf8(file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for foreign in [
        format!("{}\n{}\n", lines[0], lines[1]),
        format!("{text}{}\n", lines[1]),
        text.replace("Bob", "Rob"),
        text.replace("\"version\":1", "\"version\":2"),
        text.replace("\"bans\":2", "\"bans\":3"),
        text.replace("{\"vpid\":\"bans\"", "{\"vpid\":\"users\""),
        "{}\n".into(),
        "x".repeat(BANS_LINE_BYTES_MAX * 2),
        json!({ANN: []}).to_string(),
    ] {
        assert!(
            BanList::read_cached(foreign.as_bytes()).is_err(),
            "{foreign:.80}"
        );
    }
    assert!(BanList::read_cached(&b"\xff\n"[..]).is_err());
}

#[test]
fn no_file_is_too_odd_to_be_read() {
    arbtest::arbtest(|u| {
        let bytes: Vec<u8> = u.arbitrary()?;
        let _ = BanList::read_cached(&bytes[..]);
        let _ = BanList::read(&bytes[..]);
        Ok(())
    });
}

/// So a hundred thousand take less than 20 MiB.
#[test]
fn ten_thousand_bans_are_small() {
    let list = BanList::read(&long(10_000)[..]).unwrap();
    let Rows { rows, text } = &list.base.rows;
    let places = list.base.by_id.len() + list.base.by_end.len();
    let bytes = rows.len() * size_of::<Row>() + text.len() + places * size_of::<u32>();
    assert_eq!(list.len(), 10_000);
    assert!(bytes < 2 << 20, "{bytes}");
}

/// Gives a byte at a time, as a slow connection does.
struct Slow<'a>(&'a [u8]);

impl std::io::Read for Slow<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let Some((first, rest)) = self.0.split_first() else {
            return Ok(0);
        };
        into[0] = *first;
        self.0 = rest;
        Ok(1)
    }
}

#[test]
fn it_makes_no_difference_in_what_pieces_a_list_comes() {
    let body = long(500);
    assert_eq!(BanList::read(Slow(&body)), BanList::read(&body[..]));
}

#[test]
fn more_bans_than_anybody_has_are_refused() {
    let mut builder = Builder::default();
    let ban = Listed {
        id: Uuid(1),
        steam: steam(ANN),
        username: "",
        reason: "",
        creator: "",
        created_s: 0,
        ends_s: None,
    };
    for _ in 0..BANS_MAX {
        builder.add(&ban).unwrap();
    }
    assert_eq!(builder.add(&ban), Err(TooLong::Bans));
}

/// A file as versions wrote it that kept no changes beside it.
#[test]
fn a_file_of_an_earlier_version_is_read_and_its_state_is_none_to_go_on_from() {
    let list = read(&json!({ANN: [ban(1, "Ann", "a")], BOB: [ban(2, "Bob", "b")]}));
    let file = "{\"vpid\":\"bans\",\"version\":1,\"bans\":2,\"digest\":\"d12d7f8de5f0091e\"}\n\
        {\"id\":\"00000000-0000-0000-0000-000000000001\",\"steam\":\"76561197960287930\",\"username\":\"Ann\",\
        \"reason\":\"a\",\"creator\":\"Admin\",\"created_s\":1772366400,\"ends_s\":1772370000}\n\
        {\"id\":\"00000000-0000-0000-0000-000000000002\",\"steam\":\"76561197960287931\",\"username\":\"Bob\",\
        \"reason\":\"b\",\"creator\":\"Admin\",\"created_s\":1772366400,\"ends_s\":1772370000}\n";
    let (read, snapshot) = BanList::read_cached(file.as_bytes()).unwrap();
    assert_eq!((read, snapshot.number), (list, 0));
}

/// A list of these bans, each of a player of its own; the reasons are those of `round`.
fn list_of(numbers: impl IntoIterator<Item = u32>, round: u32) -> BanList {
    let texts: Vec<_> = numbers
        .into_iter()
        .map(|number| {
            (
                number,
                format!("player {number}"),
                format!("reason {}", round % 3),
            )
        })
        .collect();
    let listed = texts.iter().map(|(number, name, reason)| Listed {
        id: Uuid(u128::from(*number)),
        steam: SteamId::new(*number / 2 + 1).unwrap(),
        username: name,
        reason,
        creator: "",
        created_s: i64::from(*number % 5),
        ends_s: (number % 3 == 0).then(|| i64::from(*number)),
    });
    of(&listed.collect::<Vec<_>>())
}

/// Whatever changes in whatever steps, a list is what it would be if it were built of its bans, and its journal leads to it.
#[test]
fn a_list_that_was_changed_is_as_one_made_of_the_same_bans() {
    arbtest::arbtest(|u| {
        let count: u32 = u.int_in_range(0..=40)?;
        let mut rounds: BTreeMap<u32, u32> = (0..count).map(|number| (number, 0)).collect();
        let mut list = list_of(0..count, 0);
        let first = list.clone();
        let mut file = Vec::new();
        let snapshot = first.write(&mut file, 1).unwrap();
        let mut journal = Journal::head(snapshot);
        let mut now_s = -1;
        for round in 1..u.int_in_range(1..=6)? {
            let changed: Vec<u32> = (0..u.int_in_range(0..=8)?)
                .map(|_| u.int_in_range(0..=50))
                .collect::<Result<_, _>>()?;
            let ids = changed.iter().map(|it| Uuid(u128::from(*it))).collect();
            now_s += u.int_in_range(0..=5)?;
            let stands = |number: &u32| !number.is_multiple_of(3) || i64::from(*number) > now_s;
            let new: Vec<u32> = changed
                .iter()
                .copied()
                .filter(|it| it % 4 != 1)
                .filter(stands)
                .collect();
            rounds.retain(|number, _| !changed.contains(number));
            rounds.extend(new.iter().map(|it| (*it, round)));
            rounds.retain(|number, _| stands(number));
            let new = list_of(new, round);
            let next = list.updated(&ids, now_s, new.all()).unwrap();
            // Also where no rows are shared.
            let settled = next.clone().rebuilt().unwrap();
            let changes = next.changes_since(&list, usize::MAX).unwrap();
            assert_eq!(
                settled.changes_since(&list, usize::MAX).as_ref(),
                Some(&changes)
            );
            assert_eq!((&settled, settled.digest()), (&next, next.digest()));
            assert_eq!(settled.next_end_s(), next.next_end_s());
            if !changes.is_empty() {
                journal.extend(next.journal_line(&changes));
            }
            list = match u.arbitrary()? {
                true => settled,
                false => next,
            };
            let made = rounds
                .iter()
                .map(|(number, round)| list_of([*number], *round));
            let made: Vec<BanList> = made.collect();
            let made = of(&made.iter().flat_map(BanList::all).collect::<Vec<_>>());
            assert_eq!(list, made);
            assert_eq!(list.next_end_s(), made.next_end_s());
            for number in 0..26 {
                let steam = SteamId::new(number + 1).unwrap();
                assert!(list.of(steam).eq(made.of(steam)));
            }
            assert_eq!(list.named("player", 9), made.named("player", 9));
        }
        let read = Journal::read(&journal, snapshot, first);
        assert_eq!((read.list, read.torn), (list, None));
        Ok(())
    });
}

/// What the deciding thread does with a list costs nothing of its length; what is shared shows it.
#[test]
fn a_change_copies_no_more_than_what_has_changed() {
    let list = list_of(0..5_000, 0);
    let mut changed = list.clone();
    for number in 10_000..10_000 + BANS_PATCH_MAX as u32 - 1 {
        let id = Uuid(u128::from(number));
        let new = list_of([number], 0);
        changed = changed
            .updated(&HashSet::from([id]), -1, new.all())
            .unwrap();
        assert!(Arc::ptr_eq(&changed.base, &list.base));
    }
    let lifted = HashSet::from([1, 10_000].map(Uuid));
    let changed = changed.updated(&lifted, -1, []).unwrap();
    assert!(Arc::ptr_eq(&changed.base, &list.base));
    assert_eq!(changed.len(), 5_000 + BANS_PATCH_MAX - 1 - 2);
    let expected = list_of((0..5_000).filter(|it| *it != 1).chain(10_001..10_999), 0);
    assert_eq!(changed, expected);
    // A large patch is made a base.
    let more = list_of(20_000..20_003, 0);
    let settled = changed.updated(&HashSet::new(), -1, more.all()).unwrap();
    assert!(!Arc::ptr_eq(&settled.base, &list.base) && settled.gone.is_empty());
    assert_eq!(settled.len(), changed.len() + 3);
}

#[test]
fn what_could_not_be_understood_stays_so_until_it_changes() {
    let mut builder = Builder::default();
    builder.skip(steam(ANN), Some(Uuid(1)));
    builder.skip(steam(BOB), Some(Uuid(2)));
    let list = builder.finish();
    let new = list_of([7], 0);
    let list = list
        .updated(&HashSet::from([Uuid(7)]), -1, new.all())
        .unwrap();
    assert_eq!((list.len(), list.skipped()), (1, 2));
    let list = list.updated(&HashSet::from([Uuid(1)]), -1, []).unwrap();
    assert_eq!((list.len(), list.skipped()), (1, 1));
    assert_eq!(list.rebuilt().unwrap().skipped(), 1);
}
