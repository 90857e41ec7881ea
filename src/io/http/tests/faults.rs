//! Everything that can go wrong between us and VyHub, and what it means each time.

use std::net::TcpListener;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::support::{
    BAN, Desk, ID, KEY, PATIENCE, Peer, SERVER, Server, ban, server, unclear, unreachable, vyhub,
};
use super::support::{ban_list, unban};
use crate::limits::HTTP_BODY_BYTES_MAX;
use crate::protocol::vyhub::{Failure, Reply};

const SHORT: Duration = Duration::from_millis(400);

/// What comes of one request for a server, and of one for a ban, each on a VyHub of its own.
fn both(script: fn(&mut Peer)) -> [Result<Reply, Failure>; 2] {
    [server(), ban(1)].map(|request| {
        let vyhub = Server::start(script);
        let begin = Instant::now();
        let result = Desk::new(&vyhub).ask_within(request, SHORT).result;
        assert!(begin.elapsed() < Duration::from_secs(5));
        result
    })
}

fn status(code: u16, detail: Option<&str>) -> Result<Reply, Failure> {
    Err(Failure::Status {
        code,
        retry_after_s: None,
        detail: detail.map(String::from),
    })
}

#[test]
fn nobody_there_is_surely_nothing_done() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let desk = Desk::with(&vyhub(closed), PATIENCE);
    let why = unreachable(desk.ask(ban(1)));
    assert_eq!(
        why,
        "127.0.0.1 cannot be reached: the connection was refused"
    );

    let desk = Desk::with(&vyhub("http://vyhub.invalid/v1".into()), PATIENCE);
    let why = unreachable(desk.ask(ban(1)));
    assert!(
        why.starts_with("vyhub.invalid cannot be reached: "),
        "{why}"
    );
}

#[test]
fn an_answer_that_does_not_come_leaves_it_open() {
    for result in both(|peer| {
        peer.request();
        peer.wait_for_end();
    }) {
        assert_eq!(
            unclear(result),
            "127.0.0.1 did not answer: its time was over"
        );
    }
    // Nobody reads it; it left all the same.
    for result in both(|_| sleep(Duration::from_secs(2))) {
        unclear(result);
    }
}

#[test]
fn a_connection_that_breaks_leaves_it_open() {
    let before = both(|peer| peer.wait_for_bytes());
    let after = both(|peer| drop(peer.request()));
    let within = both(|peer| {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\nContent-Le");
    });
    for result in before.into_iter().chain(after).chain(within) {
        let why = unclear(result);
        assert_eq!(why, "127.0.0.1 did not answer: the connection was closed");
    }
}

/// A byte each 100 ms is not a sign of life for ever.
#[test]
fn a_trickle_ends_with_the_time_of_all() {
    fn trickle(peer: &mut Peer, head: &str, rest: &str) {
        peer.request();
        peer.send(head);
        for byte in rest.bytes() {
            sleep(Duration::from_millis(100));
            peer.send([byte]);
        }
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n";
    for result in both(|peer| trickle(peer, "", "HTTP/1.1 200 OK Now It Comes")) {
        unclear(result);
    }
    let in_body: fn(&mut Peer) = |peer| {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n";
        trickle(peer, head, "                            ");
    };
    for result in both(in_body) {
        let why = unclear(result);
        assert!(
            why.ends_with("its answer broke off: its time was over"),
            "{why}"
        );
    }
    let vyhub = Server::start(move |peer| trickle(peer, head, "{\"76561197960287930\":[  "));
    let desk = Desk::new(&vyhub);
    let why = unclear(desk.ask_within(ban_list(), SHORT).result);
    assert!(why.ends_with("its time was over"), "{why}");
}

#[test]
fn an_answer_that_cannot_be_understood_leaves_it_open() {
    for body in ["", "null", "{", "[]", "{}", "\"", "<html>", "{\"id\":7}"] {
        let vyhub = Server::start(move |peer| {
            while peer.request().is_some() {
                peer.json(body);
            }
        });
        let desk = Desk::new(&vyhub);
        for request in [server(), ban(1)] {
            let why = unclear(desk.ask(request));
            let start = "127.0.0.1 answered, but not as expected: ";
            assert!(why.starts_with(start), "{body}: {why}");
        }
    }
    for cut in both(|peer| {
        peer.request();
        let length = SERVER.len();
        let half = &SERVER[..length / 2];
        peer.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{half}"
        ));
    }) {
        let why = unclear(cut);
        assert!(
            why.ends_with("its answer broke off: the connection was closed"),
            "{why}"
        );
    }
    // Without a length, only JSON itself tells that something is missing.
    for cut in both(|peer| {
        peer.request();
        peer.send(format!("HTTP/1.1 200 OK\r\n\r\n{}", &BAN[..BAN.len() - 1]));
    }) {
        assert!(unclear(cut).contains("it is no JSON"));
    }
}

#[test]
fn a_web_page_is_no_answer_even_where_none_is_needed() {
    let page = "<html>Welcome to the hotel</html>";
    let vyhub = Server::answering("200 OK", "Content-Type: Text/HTML; charset=utf-8\r\n", page);
    let desk = Desk::new(&vyhub);
    for request in [server(), ban(1), unban(None)] {
        assert!(unclear(desk.ask(request)).contains("web page"));
    }
    // Another wrong type is forgiven.
    let vyhub = Server::answering("200 OK", "Content-Type: text/plain\r\n", SERVER);
    assert!(Desk::new(&vyhub).ask(server()).is_ok());
}

#[test]
fn what_needs_no_answer_is_done_by_its_status() {
    let unban = || unban(None);
    for (status, body) in [
        ("200 OK", "null"),
        ("200 OK", "{\"a\":[]}"),
        ("204 No Content", ""),
        ("201 Created", ""),
    ] {
        let vyhub = Server::answering(status, "", body);
        assert_eq!(
            Desk::new(&vyhub).ask(unban()),
            Ok(Reply::Nothing),
            "{status}"
        );
    }
    let vyhub = Server::answering("204 No Content", "", "");
    unclear(Desk::new(&vyhub).ask(server()));
    // But it is JSON, and whole: else it may be from something in between.
    for body in ["{", "OK", "<html>"] {
        let vyhub = Server::answering("200 OK", "", body);
        unclear(Desk::new(&vyhub).ask(unban()));
    }
    let vyhub = Server::start(|peer| {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nnu");
    });
    unclear(Desk::new(&vyhub).ask(unban()));
}

#[test]
fn an_answer_is_bounded() {
    fn too_much(peer: &mut Peer, status: &str) {
        peer.request();
        let length = HTTP_BODY_BYTES_MAX as usize + 1;
        let body = format!("{{\"detail\":\"{}\"}}", "x".repeat(length));
        peer.answer(status, "", &body);
        peer.wait_for_end();
    }
    let vyhub = Server::start(|peer| too_much(peer, "200 OK"));
    let desk = Desk::new(&vyhub);
    for request in [server(), ban(1)] {
        let why = unclear(desk.ask(request));
        assert!(why.ends_with("its answer is larger than 1 MiB"), "{why}");
    }
    // No length is announced, and it never ends.
    let vyhub = Server::start(|peer| {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\n\r\n");
        for _ in 0..100 {
            peer.send(vec![b' '; 100_000]);
        }
    });
    let why = unclear(Desk::new(&vyhub).ask(server()));
    assert!(why.ends_with("its answer is larger than 1 MiB"), "{why}");

    let vyhub = Server::start(|peer| too_much(peer, "500 Internal Server Error"));
    assert_eq!(Desk::new(&vyhub).ask(server()), status(500, None));
    // Lists of bans may be larger.
    let vyhub = Server::start(|peer| {
        peer.request();
        let spaces = " ".repeat(2 * HTTP_BODY_BYTES_MAX as usize);
        peer.json(&format!("{{{spaces}}}"));
    });
    let Ok(Reply::BanList(list)) = Desk::new(&vyhub).ask(ban_list()) else {
        panic!("no list");
    };
    assert!(list.is_empty());
}

#[test]
fn other_statuses_come_with_vyhubs_own_words_only() {
    let list = r#"{"detail":[{"loc":["body","user_id"],"msg":"field required","type":"missing"}]}"#;
    let object = r#"{"detail":{"code":"no_user","msg":"User not found"}}"#;
    let page = "<html>502 Bad Gateway nginx</html>";
    for (line, body, detail) in [
        (
            "401 Unauthorized",
            r#"{"detail":"Invalid token"}"#,
            Some("Invalid token"),
        ),
        (
            "403 Forbidden",
            r#"{"detail":"Not allowed"}"#,
            Some("Not allowed"),
        ),
        ("404 Not Found", object, Some("User not found")),
        (
            "422 Unprocessable Entity",
            list,
            Some("body.user_id: field required"),
        ),
        ("422 Unprocessable Entity", object, Some("User not found")),
        (
            "422 Unprocessable Entity",
            r#"{"detail":"odd"}"#,
            Some("odd"),
        ),
        ("500 Internal Server Error", "Internal Server Error", None),
        ("502 Bad Gateway", page, None),
        ("503 Service Unavailable", "", None),
        ("300 Multiple Choices", r#"{"detail":"x"}"#, None),
        ("999 What", "", None),
    ] {
        let vyhub = Server::answering(line, "", body);
        let desk = Desk::new(&vyhub);
        let code = line[..3].parse().unwrap();
        for request in [server(), ban(1), unban(None)] {
            assert_eq!(desk.ask(request), status(code, detail), "{line}");
        }
    }
}

#[test]
fn a_redirection_is_not_followed() {
    let target = Server::answering("200 OK", "", SERVER);
    let url = target.url();
    let location = format!("Location: {url}/server/{ID}\r\n");
    for line in [
        "301 Moved Permanently",
        "302 Found",
        "307 Temporary Redirect",
    ] {
        let location = location.clone();
        let vyhub = Server::start(move |peer| {
            while peer.request().is_some() {
                peer.answer(line, &location, "{\"detail\":\"elsewhere\"}");
            }
        });
        let desk = Desk::new(&vyhub);
        for request in [server(), ban(1)] {
            assert_eq!(desk.ask(request), status(line[..3].parse().unwrap(), None));
        }
        assert_eq!(vyhub.seen().len(), 2);
    }
    assert_eq!(target.seen(), []);
}

#[test]
fn vyhub_may_ask_for_a_pause() {
    for (headers, expected) in [
        ("Retry-After: 120\r\n", Some(120)),
        ("retry-after: 0\r\n", Some(0)),
        ("Retry-After: soon\r\n", None),
        ("", None),
        // By the other side's clock, wherever ours is.
        (
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:50:37 GMT\r\n",
            Some(60),
        ),
        // Without it by ours, and that is long past.
        ("Retry-After: Sun, 06 Nov 1994 08:50:37 GMT\r\n", Some(0)),
    ] {
        let vyhub = Server::answering("429 Too Many Requests", headers, "");
        let result = Desk::new(&vyhub).ask(server());
        let Err(Failure::Status {
            code: 429,
            retry_after_s,
            ..
        }) = result
        else {
            panic!("{result:?}");
        };
        assert_eq!(retry_after_s, expected, "{headers}");
    }
}

/// [`Desk::ask`] looks for it in every outcome.
#[test]
fn the_key_is_not_repeated_when_vyhub_repeats_it() {
    let refusal = Box::leak(format!("{{\"detail\":\"{KEY} is wrong\"}}").into_boxed_str());
    let vyhub = Server::answering("401 Unauthorized", "", refusal);
    let said = status(401, Some("(the key) is wrong"));
    assert_eq!(Desk::new(&vyhub).ask(server()), said);
    for result in both(|peer| {
        peer.request();
        peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {KEY}\r\n\r\n"));
    }) {
        unclear(result);
    }
    for result in both(|peer| {
        peer.request();
        peer.json(&format!("{{\"id\":\"{KEY}\"}}"));
    }) {
        unclear(result);
    }
}
