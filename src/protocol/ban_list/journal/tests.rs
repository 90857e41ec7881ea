use super::super::{Builder, Listed};
use super::*;

fn ban(number: u32, reason: &str) -> Listed<'_> {
    Listed {
        id: Uuid(u128::from(number)),
        steam: SteamId::new(number + 1).unwrap(),
        username: "Ann\n\u{2028}\"",
        reason,
        creator: "",
        created_s: 5,
        ends_s: None,
    }
}

fn of(bans: &[(u32, &str)]) -> BanList {
    let mut builder = Builder::default();
    for (number, reason) in bans {
        builder.add(&ban(*number, reason)).unwrap();
    }
    builder.finish()
}

/// The states of a list, with the journal of the changes between them, line by line.
fn states() -> (Vec<BanList>, Snapshot, Vec<Vec<u8>>) {
    let states = vec![
        of(&[(1, "one"), (2, "two")]),
        of(&[(1, "one"), (2, "two"), (3, "three")]),
        of(&[(2, "two again"), (3, "three")]),
        of(&[]),
    ];
    let snapshot = states[0].write(Vec::new(), 9).unwrap();
    let mut lines = vec![Journal::head(snapshot)];
    for pair in states.windows(2) {
        let changes = pair[1].changes_since(&pair[0], 10).unwrap();
        lines.push(pair[1].journal_line(&changes));
    }
    (states, snapshot, lines)
}

#[test]
fn a_journal_that_was_cut_anywhere_leads_to_the_last_whole_change() {
    let (states, snapshot, lines) = states();
    let whole = lines.concat();
    for end in 0..=whole.len() {
        let read = Journal::read(&whole[..end], snapshot, states[0].clone());
        let (mut at, mut count) = (0, 0);
        while count < lines.len() && at + lines[count].len() <= end {
            at += lines[count].len();
            count += 1;
        }
        let expected = states[count.saturating_sub(1)].clone();
        let torn = match count {
            0 => Some(Torn::OtherSnapshot),
            _ => (at < end).then_some(Torn::Cut),
        };
        assert_eq!((read.list, read.torn), (expected, torn), "{end}");
    }
}

#[test]
fn a_byte_that_was_changed_is_noticed_wherever_it_is() {
    let (states, snapshot, lines) = states();
    let whole = lines.concat();
    for at in 0..whole.len() {
        let mut odd = whole.clone();
        odd[at] ^= 1;
        let read = Journal::read(&odd, snapshot, states[0].clone());
        assert!(read.torn.is_some(), "{at}");
        assert!(states[..3].contains(&read.list), "{at}");
    }
}

#[test]
fn a_journal_counts_with_its_own_snapshot_alone() {
    let (states, snapshot, lines) = states();
    let whole = lines.concat();
    for other in [
        // The same list, written again.
        Snapshot {
            number: 10,
            ..snapshot
        },
        Snapshot {
            digest: 1,
            ..snapshot
        },
        Snapshot {
            number: 0,
            ..snapshot
        },
    ] {
        let read = Journal::read(&whole, other, states[0].clone());
        assert_eq!(
            (read.list, read.torn),
            (states[0].clone(), Some(Torn::OtherSnapshot))
        );
    }
    // Whole lines that do not fit together: one is missing.
    let gap = [&lines[0][..], &lines[2]].concat();
    let read = Journal::read(&gap, snapshot, states[0].clone());
    assert_eq!(
        (read.list, read.torn),
        (states[0].clone(), Some(Torn::Changed))
    );
}

#[test]
fn more_changes_than_are_wanted_are_none() {
    let (states, ..) = states();
    assert_eq!(states[2].changes_since(&states[1], 1), None);
    assert_eq!(
        states[2].changes_since(&states[1], 2).map(|it| it.len()),
        Some(2)
    );
}
