//! Answers that no VyHub gives: each is a failure or an answer, and the lane goes on.

use std::thread::sleep;
use std::time::Duration;

use super::support::{Desk, PATIENCE, SERVER, Server, ban, ban_list, server};

const SHORT: Duration = Duration::from_millis(500);

/// Every answer on a connection of its own, by the number in the request's path.
fn play(answers: Vec<Vec<u8>>) {
    let count = answers.len();
    let vyhub = Server::start(move |peer| {
        let Some(request) = peer.request() else {
            return;
        };
        let number = request
            .split(['?', ' '])
            .nth(2)
            .and_then(|n| n.parse().ok());
        match number.and_then(|number: usize| answers.get(number)) {
            Some(answer) => peer.send(answer),
            None => peer.json(SERVER),
        }
    });
    let desk = Desk::new(&vyhub);
    for number in 0..count {
        for mut request in [server(), ban_list()] {
            request.path = format!("/x?{number}");
            let _ = desk.ask_within(request, SHORT);
        }
    }
    assert!(desk.ask(server()).is_ok());
}

#[test]
fn no_answer_is_too_odd() {
    let many = "X-Header: y\r\n".repeat(2_000);
    let long = "y".repeat(100_000);
    let answers = [
        "",
        "\0",
        "\r\n\r\n",
        "HTTP/1.1",
        "HTTP/1.1 \r\n\r\n",
        "HTTP/0.9 200 OK\r\n\r\n{}",
        "HTTP/2 200 OK\r\n\r\n{}",
        "HTTP/1.0 200\r\n\r\n{}",
        "HTTP/1.1 000 Nothing\r\n\r\n",
        "HTTP/1.1 99999 Much\r\n\r\n",
        "HTTP/1.1 -1 Less\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 199 What\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 307 Elsewhere\r\nLocation: \r\n\r\n",
        "HTTP/1.1 307 Elsewhere\r\nLocation: http://[\r\n\r\n",
        "HTTP/1.1 307 Elsewhere\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}{}{}HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n{}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\n{}\r\n0\r\nA: b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-16\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nDate: \u{7f}\r\nRetry-After: \u{e4}\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nHeader without a colon\r\n\r\n{}",
        "HTTP/1.1 429 Slow\r\nDate: Sun, 31 Dec 9999 23:59:59 GMT\r\nRetry-After: Mon, 01 Jan 0001 00:00:00 GMT\r\n\r\n",
        "HTTP/1.1 429 Slow\r\nRetry-After: 18446744073709551616\r\n\r\n",
    ];
    let mut answers = answers.map(|answer| answer.as_bytes().to_vec()).to_vec();
    answers.push(format!("HTTP/1.1 200 OK\r\n{many}\r\n{{}}").into_bytes());
    answers.push(format!("HTTP/1.1 200 OK\r\nX: {long}\r\n\r\n{{}}").into_bytes());
    answers.push(format!("HTTP/1.1 200 {long}\r\n\r\n{{}}").into_bytes());
    answers.push(long.into_bytes());
    play(answers);
}

/// Good answers with a few odd bytes in them.
#[test]
fn no_damage_is_too_odd() {
    let length = SERVER.len();
    let good = [
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nDate: x\r\n\r\n{SERVER}"),
        format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{SERVER}\r\n0\r\n\r\n"
        ),
        "HTTP/1.1 422 No\r\nRetry-After: 7\r\nContent-Length: 14\r\n\r\n{\"detail\":\"x\"}".into(),
    ];
    let mut answers = Vec::new();
    arbtest::arbtest(|u| {
        let mut bytes = u.choose(&good)?.clone().into_bytes();
        for _ in 0..u.int_in_range(1..=4)? {
            let at = u.choose_index(bytes.len())?;
            match u.int_in_range(0..=2)? {
                0 => bytes[at] = u.arbitrary()?,
                1 => bytes.truncate(at.max(1)),
                _ => drop(bytes.remove(at)),
            }
            if bytes.is_empty() {
                break;
            }
        }
        if answers.len() < 300 {
            answers.push(bytes);
        }
        Ok(())
    });
    play(answers);
}

/// More is said than was asked for: it is no answer to what is asked next.
#[test]
fn an_answer_that_nobody_asked_for_answers_nothing() {
    let vyhub = Server::start(|peer| {
        peer.request();
        peer.json(SERVER);
        peer.json("{\"id\":\"ffffffff-ffff-ffff-ffff-ffffffffffff\",\"status\":\"ACTIVE\",\"created_on\":\"2026-03-01T12:00:00\"}");
        peer.wait_for_end();
    });
    let desk = Desk::new(&vyhub);
    desk.ask(server()).unwrap();
    sleep(Duration::from_millis(50));
    let result = desk.ask_within(ban(1), PATIENCE).result;
    assert!(!format!("{result:?}").contains("ffffffff"), "{result:?}");
}
