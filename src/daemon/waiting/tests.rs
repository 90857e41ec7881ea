use super::*;

const STOCK: Kind = Kind::Stock;

fn of(host: &str, kind: Kind, proven: bool) -> Of<'_> {
    Of { host, kind, proven }
}

fn file(what: What, name: &str) -> Waiting {
    Waiting {
        what,
        client_time: (0, 0),
        name: name.into(),
    }
}

const CALLS: What = What::Calls(Origin::Game);

/// Adds a call file whose name ends in its time.
fn add(waiting: &mut WaitingFiles, of: Of<'_>, name: &str) -> bool {
    waiting.add(of, file(CALLS, name), time)
}

fn time(name: &str) -> Option<i64> {
    name.rsplit('-').next()?.parse().ok()
}

/// Serves the next host: its name, and the file.
fn serve(waiting: &mut WaitingFiles, cost: impl Fn(&str) -> u64) -> Option<(String, String)> {
    let chosen = waiting.next(|_| false)?;
    let (host, ..) = waiting.of(chosen.lane).expect("a lane");
    let name = waiting.pop(chosen.lane).expect("a file").name;
    waiting.done(chosen, cost(&host));
    Some((host.to_string(), name.to_string()))
}

fn names(waiting: &mut WaitingFiles) -> Vec<String> {
    std::iter::from_fn(|| serve(waiting, |_| 1))
        .map(|(_, name)| name)
        .collect()
}

#[test]
fn a_host_is_served_in_the_order_of_writing_and_its_map_start_first() {
    for proven in [false, true] {
        let mut waiting = WaitingFiles::default();
        let host = of("a", STOCK, proven);
        add(&mut waiting, host, "x-3");
        let earlier = What::Calls(Origin::EarlierRun(FileId(7)));
        waiting.add(host, file(earlier, "x-1"), time);
        waiting.add(host, file(What::Restart, "restart"), |_| panic!("asked"));
        add(&mut waiting, host, "x-2");
        add(&mut waiting, host, "x-2");
        assert_eq!(waiting.len(), 4, "the same name waits once");
        assert_eq!(names(&mut waiting), ["restart", "x-1", "x-2", "x-3"]);
        assert_eq!(waiting.len(), 0);
        assert!(waiting.lanes.is_empty() && !waiting.is_ready(|_| false));
        add(&mut waiting, host, "x-2");
        assert_eq!(names(&mut waiting), ["x-2"]);
    }
}

#[test]
fn a_file_alone_is_not_asked_for_its_time() {
    let mut waiting = WaitingFiles::default();
    let asked = std::cell::Cell::new(0);
    let look = |name: &str| {
        asked.set(asked.get() + 1);
        time(name)
    };
    for n in 1..=2 {
        for host in ["a", "b", "c"] {
            waiting.add(
                of(host, STOCK, false),
                file(CALLS, &format!("{host}-{n}")),
                look,
            );
        }
        assert_eq!(asked.get(), [0, 6][n - 1]);
    }
}

#[test]
fn a_proven_host_is_next_whatever_strangers_have() {
    arbtest::arbtest(|u| {
        let mut waiting = WaitingFiles::default();
        let strangers: usize = u.int_in_range(1..=200)?;
        let mut written = 0;
        let mut write = |waiting: &mut WaitingFiles, host: &str, kind, proven| {
            written += 1;
            add(
                waiting,
                of(host, kind, proven),
                &format!("{host}-{written}"),
            );
        };
        for _ in 0..u.int_in_range(0..=500)? {
            let host = format!("stranger{}", u.int_in_range(0..=strangers)?);
            let kind = *u.choose(&[Kind::Stock, Kind::Signed])?;
            write(&mut waiting, &host, kind, false);
        }
        let cost: u64 = u.int_in_range(1..=30_000)?;
        for _ in 0..u.int_in_range(0..=30)? {
            serve(&mut waiting, |_| cost);
        }
        // It had nothing to do, and comes in the middle of them.
        for _ in 0..3 {
            write(&mut waiting, "victim", Kind::Session, true);
            write(&mut waiting, "stranger0", Kind::Stock, false);
            let first: Vec<_> = (0..2)
                .filter_map(|_| serve(&mut waiting, |_| cost))
                .collect();
            assert!(first.iter().any(|(host, _)| host == "victim"), "{first:?}");
        }
        Ok(())
    });
}

#[test]
fn proven_hosts_share_equally_and_all_strangers_have_one_share_together() {
    arbtest::arbtest(|u| {
        let mut waiting = WaitingFiles::default();
        let mut hosts = vec![("a".to_string(), true), ("b".into(), true)];
        let strangers: usize = u.int_in_range(1..=40)?;
        hosts.extend((0..strangers).map(|n| (format!("s{n}"), false)));
        let costs: Vec<u64> = (0..hosts.len())
            .map(|_| u.int_in_range(1..=100).unwrap_or(1))
            .collect();
        let mut spent = [0u64; 3];
        for n in 0..2_000 {
            for (nth, (host, proven)) in hosts.iter().enumerate() {
                // Everybody has always more, strangers in both folders.
                let kind = [Kind::Stock, Kind::Signed][nth % 2];
                add(
                    &mut waiting,
                    of(host, kind, *proven),
                    &format!("{host}-{n}"),
                );
            }
            let of_host = |host: &str| hosts.iter().position(|(name, _)| name == host).unwrap();
            let (host, _) = serve(&mut waiting, |host| costs[of_host(host)]).unwrap();
            spent[of_host(&host).min(2)] += costs[of_host(&host)];
        }
        let (least, most) = (spent.iter().min().unwrap(), spent.iter().max().unwrap());
        assert!(most - least <= 400, "{spent:?} of {costs:?}");
        Ok(())
    });
}

#[test]
fn strangers_take_turns_among_themselves() {
    let mut waiting = WaitingFiles::default();
    for n in 0..100 {
        add(&mut waiting, of("many", STOCK, false), &format!("many-{n}"));
    }
    for kind in [Kind::Stock, Kind::Signed] {
        let name = format!("few-{kind:?}-1");
        add(&mut waiting, of("few", kind, false), &name);
    }
    let first: Vec<_> = (0..4).filter_map(|_| serve(&mut waiting, |_| 1)).collect();
    let of_few = first.iter().filter(|(host, _)| host == "few").count();
    assert_eq!(of_few, 2, "{first:?}");
}

#[test]
fn a_host_that_proves_itself_leaves_the_strangers() {
    let mut waiting = WaitingFiles::default();
    for host in ["a", "b", "c"] {
        for n in 0..10 {
            add(&mut waiting, of(host, STOCK, false), &format!("{host}-{n}"));
        }
    }
    add(&mut waiting, of("b", STOCK, true), "b-10");
    assert_eq!(waiting.strangers, 20);
    let served: Vec<_> = (0..10).filter_map(|_| serve(&mut waiting, |_| 1)).collect();
    let of_b = served.iter().filter(|(host, _)| host == "b").count();
    assert_eq!(of_b, 5, "half of all: {served:?}");
    add(&mut waiting, of("b", STOCK, false), "b-11");
    assert_eq!(waiting.strangers, waiting.len());
    let left = names(&mut waiting);
    assert_eq!(left.len(), 32 - 10);
    assert_eq!(waiting.strangers, 0);
}

#[test]
fn hosts_without_room_are_tried_again_some_at_a_time() {
    let mut waiting = WaitingFiles::default();
    for n in 0..10 {
        let name = format!("host{n}");
        add(
            &mut waiting,
            of(&name, STOCK, n % 2 == 0),
            &format!("{name}-1"),
        );
    }
    while let Some(chosen) = waiting.next(|_| false) {
        waiting.park(chosen);
    }
    assert!(!waiting.is_ready(|_| false), "the loop may sleep");
    add(&mut waiting, of("host3", STOCK, false), "host3-2");
    assert!(!waiting.is_ready(|_| false));
    waiting.retry();
    let mut tried = 0;
    while waiting.is_ready(|_| false) {
        waiting.unpark(3);
        let mut of_turn = 0;
        while let Some(chosen) = waiting.next(|_| false) {
            waiting.park(chosen);
            of_turn += 1;
        }
        assert!(of_turn <= 3);
        tried += of_turn;
    }
    assert_eq!(tried, 10);
    waiting.retry();
    waiting.unpark(10);
    assert_eq!(names(&mut waiting).len(), 11);
}

#[test]
fn strangers_leave_room_for_proven_hosts_and_each_of_these_for_the_others() {
    let mut waiting = WaitingFiles::default();
    let most = limits::STRANGERS_WAITING_FILES_MAX;
    for n in 0..most {
        let host = format!("s{}", n % 1_000);
        assert!(add(
            &mut waiting,
            of(&host, STOCK, false),
            &format!("s-{n}")
        ));
    }
    assert!(!add(&mut waiting, of("late", STOCK, false), "late-1"));
    assert!(!waiting.has_room_for_strangers());
    let mut hosts = 0;
    loop {
        let host = format!("h{hosts}");
        let host = of(&host, STOCK, true);
        let count = (0..=limits::HOST_WAITING_FILES_MAX)
            .take_while(|n| add(&mut waiting, host, &format!("{hosts}-{n}")))
            .count();
        assert!(count <= limits::HOST_WAITING_FILES_MAX);
        hosts += 1;
        if count == limits::HOST_WAITING_FILES_SURE {
            break;
        }
    }
    assert!(hosts >= 4, "{hosts} hosts fill it");
    assert_eq!(waiting.wants_rescan(), None);
    for _ in 0..limits::RESCAN_FILES {
        serve(&mut waiting, |_| 1);
    }
    assert_eq!(waiting.wants_rescan(), Some(Protocol::Stock));
    assert_eq!(waiting.wants_rescan(), None, "once");
}

#[test]
fn a_folder_that_is_held_back_does_not_stop_the_other_one() {
    let mut waiting = WaitingFiles::default();
    add(&mut waiting, of("a", STOCK, true), "a-1");
    add(&mut waiting, of("s", STOCK, false), "s-1");
    let is_held = |protocol| protocol == Protocol::Stock;
    assert!(!waiting.is_ready(is_held) && waiting.next(is_held).is_none());
    add(&mut waiting, of("b", Kind::Session, true), "b-1");
    let chosen = waiting.next(is_held).unwrap();
    assert_eq!(&*waiting.pop(chosen.lane).unwrap().name, "b-1");
    waiting.done(chosen, 1);
    assert!(!waiting.is_ready(is_held));
    waiting.clear(Protocol::Signed);
    assert_eq!(waiting.len(), 2);
    waiting.clear(Protocol::Stock);
    assert!(waiting.lanes.is_empty() && waiting.names.is_empty() && waiting.strangers == 0);
}
