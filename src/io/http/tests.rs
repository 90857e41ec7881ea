//! The lane with a VyHub that behaves: what is sent, and who does what when.

mod faults;
mod hostile;
mod once;
mod support;
mod tls;

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use super::Http;
use crate::config::Password;
use crate::limits::{HTTP_JOBS_MAX, HTTP_KEEP_FOR_CHANGES_MS, HTTP_THREADS_MAX};
use crate::protocol::backend;
use crate::protocol::vyhub::{Links, Reply, Request};
use support::unban;
use support::{
    BAN, Desk, ID, KEY, PATIENCE, SERVER, Server, ban, header, server, unreachable, user, vyhub,
};

#[test]
fn a_request_says_who_asks_and_gets_its_answer() {
    let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: application/json\r\n";
    let vyhub = Server::answering("200 OK", date, SERVER);
    let outcome = Desk::new(&vyhub).ask_within(server(), PATIENCE);
    assert!(matches!(outcome.result, Ok(Reply::Server(ref it)) if it.id == ID));
    assert_eq!(outcome.api_s, Some(784_111_777));

    let (_, request) = vyhub.seen().remove(0);
    let line = request.lines().next().unwrap();
    assert_eq!(line, format!("GET /name/v1/server/{ID} HTTP/1.1"));
    let bearer = format!("Bearer {KEY}");
    let host = vyhub.address.to_string();
    for (name, value) in [
        ("authorization", bearer.as_str()),
        ("accept", "application/json"),
        ("user-agent", concat!("vpid/", env!("CARGO_PKG_VERSION"))),
        ("host", &host),
        ("accept-encoding", "gzip"),
    ] {
        assert_eq!(header(&request, name), Some(value), "{request}");
    }
    assert_eq!(header(&request, "content-type"), None);
}

#[test]
fn what_is_created_goes_as_json_and_a_patch_may_be_empty() {
    let vyhub = Server::answering("200 OK", "", BAN);
    let desk = Desk::new(&vyhub);
    assert!(matches!(desk.ask(ban(3)), Ok(Reply::Ban(_))));
    assert_eq!(desk.ask(unban(Some(ID))), Ok(Reply::Nothing));
    let seen = vyhub.seen();
    let (head, body) = seen[0].1.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("POST /name/v1/ban/ HTTP/1.1\r\n"),
        "{head}"
    );
    assert_eq!(header(head, "content-type"), Some("application/json"));
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(Some(body), ban(3).body);
    let path = format!("/name/v1/user/{ID}/ban?serverbundle_id={ID}&morph_user_id={ID}");
    assert!(seen[1].1.starts_with(&format!("PATCH {path} HTTP/1.1\r\n")));
    assert_eq!(header(&seen[1].1, "content-length"), Some("0"));
}

#[test]
fn a_connection_is_used_again() {
    let vyhub = Server::answering("200 OK", "", SERVER);
    let desk = Desk::new(&vyhub);
    desk.ask(server()).unwrap();
    // An answer that is no good is read to its end all the same, and so is a refusal.
    desk.ask(user()).unwrap_err();
    desk.ask(ban(1)).unwrap_err();
    desk.ask(server()).unwrap();
    let connections: Vec<usize> = vyhub.seen().iter().map(|(number, _)| *number).collect();
    assert_eq!(connections, [0; 4]);

    let strict = Server::answering("404 Not Found", "", "{\"detail\":\"no\"}");
    let desk = Desk::new(&strict);
    desk.ask(server()).unwrap_err();
    desk.ask(server()).unwrap_err();
    assert_eq!(strict.seen()[1].0, 0);
}

/// The other side may be about to close it.
#[test]
fn a_connection_that_was_idle_is_not_used_for_changes() {
    let vyhub = Server::answering("200 OK", "", SERVER);
    let desk = Desk::new(&vyhub);
    desk.ask(server()).unwrap();
    std::thread::sleep(Duration::from_millis(HTTP_KEEP_FOR_CHANGES_MS + 50));
    desk.ask(ban(1)).unwrap_err();
    desk.ask(server()).unwrap();
    let connections: Vec<usize> = vyhub.seen().iter().map(|(number, _)| *number).collect();
    assert_eq!(connections[..2], [0, 1]);
}

#[test]
fn answers_come_in_pieces_or_compressed() {
    let chunked = Server::start(|peer| {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for piece in SERVER.as_bytes().chunks(10) {
            peer.send(format!("{:x}\r\n", piece.len()));
            peer.send(piece);
            peer.send("\r\n");
        }
        peer.send("0\r\n\r\n");
        peer.wait_for_end();
    });
    assert!(matches!(
        Desk::new(&chunked).ask(server()),
        Ok(Reply::Server(_))
    ));

    // {"frontend_url":"https://example.org"}
    const COMPRESSED: [u8; 58] = [
        31, 139, 8, 0, 0, 0, 0, 0, 2, 255, 171, 86, 74, 43, 202, 207, 43, 73, 205, 75, 137, 47, 45,
        202, 81, 178, 82, 202, 40, 41, 41, 40, 182, 210, 215, 79, 173, 72, 204, 45, 200, 73, 213,
        203, 47, 74, 87, 170, 5, 0, 161, 154, 186, 218, 38, 0, 0, 0,
    ];
    let gzip = Server::start(|peer| {
        peer.request();
        let length = COMPRESSED.len();
        let head = format!("Content-Encoding: gzip\r\nContent-Length: {length}");
        peer.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n"));
        peer.send(COMPRESSED);
        peer.wait_for_end();
    });
    let url = Reply::Links(Links::of("https://example.org"));
    assert_eq!(
        Desk::new(&gzip).ask(Request::of(&backend::Request::FindLinks).unwrap()),
        Ok(url)
    );
}

#[test]
fn some_requests_are_under_way_at_once_and_others_wait() {
    let together = Arc::new(Barrier::new(3));
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&most);
    let vyhub = Server::start(move |peer| {
        while peer.request().is_some() {
            most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
            together.wait();
            now.fetch_sub(1, SeqCst);
            peer.json(SERVER);
        }
    });
    let desk = Desk::new(&vyhub);
    assert_eq!(desk.http.workers.threads(), 0);
    for ticket in 0..9 {
        desk.submit(ticket, server(), PATIENCE);
    }
    let mut tickets: Vec<u64> = (0..9).map(|_| desk.done().ticket).collect();
    tickets.sort_unstable();
    assert_eq!(tickets, (0..9).collect::<Vec<_>>());
    assert_eq!(counted.load(SeqCst), 3);
}

#[test]
fn threads_come_when_they_are_needed_and_go() {
    let together = Barrier::new(3);
    let vyhub_server = Server::start(move |peer| {
        while peer.request().is_some() {
            together.wait();
            peer.json(SERVER);
        }
    });
    let idle = Duration::from_millis(20);
    let desk = Desk::with(&vyhub(vyhub_server.url()), idle);
    for round in 0..3 {
        for ticket in 0..3 {
            desk.submit(ticket, server(), PATIENCE);
        }
        (0..3).for_each(|_| drop(desk.done()));
        let begin = Instant::now();
        while desk.http.workers.threads() > 0 {
            assert!(begin.elapsed() < PATIENCE, "round {round}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn time_spent_waiting_for_a_turn_counts() {
    let vyhub = Server::start(|peer| {
        peer.request();
        peer.wait_for_end();
    });
    let desk = Desk::new(&vyhub);
    let begin = Instant::now();
    for ticket in 0..4 {
        desk.submit(ticket, server(), Duration::from_millis(300));
    }
    let mut done: Vec<_> = (0..4).map(|_| desk.done()).collect();
    done.sort_by_key(|done| done.ticket);
    let last = done.pop().unwrap();
    assert!(unreachable(last.outcome.result).contains("turn"));
    assert_eq!(vyhub.seen().len(), 3);
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn what_waits_is_bounded() {
    let vyhub = Server::start(|peer| peer.wait_for_end());
    let desk = Desk::new(&vyhub);
    for ticket in 0..HTTP_JOBS_MAX + HTTP_THREADS_MAX + 1 {
        desk.submit(ticket as u64, server(), PATIENCE);
    }
    let refused = desk.done();
    assert!(refused.ticket >= HTTP_JOBS_MAX as u64);
    assert!(unreachable(refused.outcome.result).contains("too many"));
}

#[test]
fn the_end_waits_for_what_was_submitted() {
    let vyhub = Server::answering("200 OK", "", SERVER);
    let desk = Desk::new(&vyhub);
    for ticket in 0..20 {
        desk.submit(ticket, server(), PATIENCE);
    }
    let (all_done, reported) = desk.stop(PATIENCE);
    assert!(all_done);
    assert_eq!(reported.len(), 20);
    assert!(reported.iter().all(|done| done.outcome.result.is_ok()));
}

#[test]
fn the_end_does_not_wait_for_ever() {
    let vyhub = Server::start(|peer| {
        peer.request();
        peer.wait_for_end();
    });
    let desk = Desk::new(&vyhub);
    for ticket in 0..5 {
        desk.submit(ticket, server(), PATIENCE);
    }
    let begin = Instant::now();
    let (all_done, reported) = desk.stop(Duration::from_millis(100));
    assert!(!all_done);
    assert_eq!(reported, []);
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn what_is_wrong_with_the_configuration_is_said_without_the_key() {
    let start = |config| {
        let error = Http::start(&config, |_| {}).map(drop);
        let error = error.unwrap_err().to_string();
        assert!(!error.contains(KEY), "{error}");
        error
    };
    let good = || vyhub("https://vyhub.example/v1".into());
    let mut odd = good();
    odd.api_key.0.push('\n');
    assert!(start(odd.clone()).starts_with("vyhub.api_key"));
    odd.api_key.0.clear();
    assert!(start(odd).starts_with("vyhub.api_key"));
    for url in ["", "vyhub", "ftp://vyhub.example/v1", "https:///v1", "/v1"] {
        let error = start(vyhub(url.into()));
        assert!(error.starts_with("vyhub.api_url"), "{url}: {error}");
    }
    for file in [
        "/nowhere/ca.pem",
        concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        "/",
    ] {
        let mut config = good();
        config.ca_file = Some(file.into());
        let error = start(config);
        assert!(
            error.starts_with(&format!("vyhub.ca_file: {file} ")),
            "{error}"
        );
    }
    let mut config = good();
    config.proxy = Some(Password(format!("socks5://{KEY}@127.0.0.1:1")));
    assert!(start(config.clone()).starts_with("vyhub.proxy"));
    config.proxy = Some(Password("http://127.0.0.1:1".into()));
    config.api_url = "http://127.0.0.1:2/v1".into();
    assert!(start(config).contains("not encrypted"));
}
