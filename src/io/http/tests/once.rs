//! Nothing is sent a second time by itself, above all not on a connection that was kept and that
//! VyHub closes just then.

use std::thread::sleep;
use std::time::Duration;

use super::support::{BAN, Desk, PATIENCE, Peer, SERVER, Server, ban, server, unclear, vyhub};
use crate::protocol::vyhub::{Failure, Reply, Request};

/// How often the ban of this number came.
fn arrivals(vyhub: &Server, number: usize) -> usize {
    let reason = format!("reason {number}.");
    let seen = vyhub.seen();
    seen.iter()
        .filter(|(_, text)| text.contains(&reason))
        .count()
}

/// Answers a first request, and does this with what comes on the connection then. Further
/// connections are answered well, so that anything sent again would be taken.
fn after_the_first(then: fn(&mut Peer)) -> Server {
    Server::start(move |peer| {
        if peer.number == 0 {
            peer.request();
            peer.json(SERVER);
            then(peer);
        } else {
            while peer.request().is_some() {
                peer.json(BAN);
            }
        }
    })
}

fn patched() -> Request {
    Request {
        path: "/patched?reason 2.".replace(' ', "%20"),
        ..super::support::unban(None)
    }
}

#[test]
fn a_kept_connection_that_closes_without_reading_takes_nothing_twice() {
    for request in [ban(1), patched()] {
        let vyhub = after_the_first(|peer| peer.wait_for_bytes());
        let desk = Desk::new(&vyhub);
        desk.ask(server()).unwrap();
        unclear(desk.ask(request));
        // Long enough for whoever would try again.
        sleep(Duration::from_millis(50));
        assert_eq!(vyhub.seen().len(), 1, "{:?}", vyhub.seen());
    }
}

#[test]
fn a_kept_connection_that_closes_without_an_answer_takes_nothing_twice() {
    for request in [ban(1), patched()] {
        let vyhub = after_the_first(|peer| drop(peer.request()));
        let desk = Desk::new(&vyhub);
        desk.ask(server()).unwrap();
        unclear(desk.ask(request));
        sleep(Duration::from_millis(50));
        let connections: Vec<usize> = vyhub.seen().iter().map(|(number, _)| *number).collect();
        assert_eq!(connections, [0, 0]);
    }
}

#[test]
fn the_first_request_of_a_connection_is_not_sent_twice_either() {
    for script in [(|peer| peer.wait_for_bytes()) as fn(&mut Peer), |peer| {
        drop(peer.request())
    }] {
        let vyhub = Server::start(move |peer| match peer.number {
            0 => script(peer),
            _ => {
                peer.request();
                peer.json(BAN);
            }
        });
        unclear(Desk::new(&vyhub).ask(ban(1)));
        sleep(Duration::from_millis(50));
        assert!(vyhub.seen().iter().all(|(number, _)| *number == 0));
    }
}

/// VyHub closed it long before: that is seen, and the request goes over another one, once.
#[test]
fn a_kept_connection_that_was_closed_is_not_used() {
    let vyhub = after_the_first(|_| ());
    let desk = Desk::new(&vyhub);
    desk.ask(server()).unwrap();
    sleep(Duration::from_millis(100));
    assert!(matches!(desk.ask(ban(1)), Ok(Reply::Ban(_))));
    assert_eq!(arrivals(&vyhub, 1), 1);
    assert_eq!(vyhub.seen()[1].0, 1);
}

/// VyHub closes kept connections at any moment around the next request. Whatever was answered
/// came once, what is unclear at most once, and what was surely not done never.
#[test]
fn closing_at_any_moment_doubles_nothing() {
    let vyhub_server = Server::start(|peer| {
        let moment = peer.number as u64 * 37 % 400;
        while peer.request().is_some() {
            peer.json(BAN);
            sleep(Duration::from_micros(moment));
            if peer.number % 3 > 0 {
                return;
            }
        }
    });
    let desk = Desk::with(&vyhub(vyhub_server.url()), PATIENCE);
    let mut answered = 0;
    for number in 0..300 {
        let result = desk.ask(ban(number));
        let came = arrivals(&vyhub_server, number);
        match result {
            Ok(_) => assert_eq!(came, 1, "{number}"),
            Err(Failure::Unclear(_)) => assert!(came <= 1, "{number}: {came}"),
            Err(Failure::Unreachable(_)) => assert_eq!(came, 0, "{number}"),
            Err(other) => panic!("{other:?}"),
        }
        answered += came;
        sleep(Duration::from_micros(number as u64 % 7 * 50));
    }
    assert!(answered > 100, "{answered}");
    for number in 0..300 {
        assert!(arrivals(&vyhub_server, number) <= 1, "{number}");
    }
}
