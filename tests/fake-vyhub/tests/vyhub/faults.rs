//! What goes wrong goes wrong just so, and no further.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use fake_vyhub::{FakeVyhub, Fault, Matcher, Page, RetryAfter};
use serde_json::{Value, json};

use crate::client::{Client, Reply};

const ANNA: u64 = 76_561_198_000_000_001;
const PATIENCE: Duration = Duration::from_secs(20);

/// What a client sees of a POST that meets a fault, and whether it was carried out.
struct Met {
    reply: std::io::Result<Reply>,
    applied: bool,
    vyhub: FakeVyhub,
}

fn ban(fault: Fault) -> Met {
    let vyhub = FakeVyhub::start();
    let anna = vyhub.add_user(ANNA, "Anna", false);
    let mut client = Client::of(&vyhub);
    vyhub.faults.next(("POST", "/ban/"), fault);
    // Another request goes through.
    client.get("/general/frontend-url");
    assert_eq!(vyhub.faults.waiting(), 1);
    let body = json!({"user_id": anna, "length": 60});
    let reply = client.send("POST", "/ban/", Some(&body));
    assert_eq!(vyhub.faults.played(), 1);
    let applied = !vyhub.bans().is_empty();
    assert_eq!(vyhub.requests()[1].applied, applied);
    let status = reply.as_ref().ok().map(|reply| reply.status);
    if status.is_some() {
        assert_eq!(vyhub.requests()[1].status, status);
    }
    // The next one meets no fault.
    let again = Client::of(&vyhub).send("POST", "/ban/", Some(&body));
    assert_eq!(again.expect("an answer").status, 200);
    assert_eq!(vyhub.violations(), Vec::<String>::new());
    Met {
        reply,
        applied,
        vyhub,
    }
}

#[test]
fn resets_and_closings_come_before_and_after() {
    let met = ban(Fault::ResetBefore);
    assert_eq!(met.reply.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert!(!met.applied);
    let met = ban(Fault::ResetAfterApplying);
    assert_eq!(met.reply.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert!(met.applied);
    let met = ban(Fault::CloseAfterApplying);
    assert_eq!(met.reply.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert!(met.applied);
    assert_eq!(met.vyhub.requests()[1].status, None);
}

#[test]
fn a_request_without_a_body_is_reset_too() {
    let vyhub = FakeVyhub::start();
    vyhub.faults.next(Matcher::any(), Fault::ResetBefore);
    let reply = Client::of(&vyhub).send("GET", "/general/frontend-url", None);
    assert_eq!(reply.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn errors_are_json_or_pages_or_nothing() {
    let met = ban(Fault::Status(503, Page::Html));
    let reply = met.reply.unwrap();
    assert_eq!((reply.status, met.applied), (503, false));
    assert!(
        reply
            .header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    let met = ban(Fault::Status(500, Page::Json));
    assert_eq!(met.reply.unwrap().json()["detail"]["code"], "fault");
    let met = ban(Fault::StatusAfterApplying(504, Page::Empty));
    let reply = met.reply.unwrap();
    assert_eq!(
        (reply.status, reply.body.len(), met.applied),
        (504, 0, true)
    );
    let met = ban(Fault::Html200);
    let reply = met.reply.unwrap();
    assert_eq!((reply.status, met.applied), (200, false));
    assert!(reply.body.starts_with(b"<html>"));
}

#[test]
fn too_many_requests_say_when_to_come_again() {
    let after = |retry_after| {
        let reply = ban(Fault::TooManyRequests(retry_after)).reply.unwrap();
        assert_eq!(reply.status, 429);
        reply.header("retry-after").map(str::to_owned)
    };
    assert_eq!(after(RetryAfter::Missing), None);
    assert_eq!(after(RetryAfter::Seconds(7)).as_deref(), Some("7"));
    let date = after(RetryAfter::Date(90)).unwrap();
    assert!(date.ends_with(" GMT") && date.len() == 29, "{date}");
}

#[test]
fn answers_are_cut_and_spoilt_after_they_were_earned() {
    for fault in [Fault::CutJson, Fault::CutChunked] {
        let met = ban(fault.clone());
        assert_eq!(
            met.reply.unwrap_err().kind(),
            ErrorKind::UnexpectedEof,
            "{fault:?}"
        );
        assert!(met.applied);
    }
    let met = ban(Fault::InvalidJson);
    assert!(serde_json::from_slice::<Value>(&met.reply.unwrap().body).is_err());
    assert!(met.applied);
    let met = ban(Fault::WrongContentType);
    let reply = met.reply.unwrap();
    assert!(
        reply
            .header("content-type")
            .unwrap()
            .starts_with("text/plain")
    );
    assert_eq!(reply.json()["length"], 60.0);
    let met = ban(Fault::Redirect);
    let reply = met.reply.unwrap();
    assert_eq!((reply.status, met.applied), (307, false));
    assert!(reply.header("location").unwrap().ends_with("/elsewhere"));
}

#[test]
fn a_trickle_is_whole_but_slow() {
    let began = Instant::now();
    let met = ban(Fault::Trickle(1));
    assert_eq!(met.reply.unwrap().json()["length"], 60.0);
    assert!(began.elapsed() > Duration::from_millis(300));
}

#[test]
fn a_wrong_clock_is_wrong_everywhere() {
    let met = ban(Fault::ClockSkew(-400 * 24 * 3_600_000));
    let reply = met.reply.unwrap();
    let year = reply.json()["created_on"].as_str().unwrap()[..4].to_owned();
    assert!(reply.header("date").unwrap().contains(&year), "{reply:?}");
    let others = met.vyhub.bans();
    assert!(others[0].created_on < others[1].created_on);
}

#[test]
fn what_hangs_lasts_until_somebody_gives_up_and_keeps_nobody_else() {
    for (fault, applied) in [(Fault::HangBefore, false), (Fault::HangAfterApplying, true)] {
        let vyhub = FakeVyhub::start();
        let anna = vyhub.add_user(ANNA, "Anna", false);
        vyhub.faults.next(("POST", "/ban/"), fault);
        let client = Client::of(&vyhub);
        let request = client.request("POST", "/ban/", Some(&json!({"user_id": anna})));
        client.stream().write_all(request.as_bytes()).unwrap();
        assert!(vyhub.wait_until(|state| state.requests_to("POST", "/ban/") == 1, PATIENCE));
        assert!(vyhub.wait_until(|state| state.bans().is_empty() != applied, PATIENCE));
        let short = Some(Duration::from_millis(50));
        client.stream().set_read_timeout(short).unwrap();
        let nothing = client.stream().read(&mut [0]);
        assert_eq!(nothing.unwrap_err().kind(), ErrorKind::WouldBlock);
        Client::of(&vyhub).get("/general/frontend-url");
    }
}

#[test]
fn a_pause_refuses_connections_and_forgets_nothing() {
    let mut vyhub = FakeVyhub::start();
    vyhub.add_user(ANNA, "Anna", false);
    let mut client = Client::of(&vyhub);
    client.get("/general/frontend-url");
    for _ in 0..3 {
        vyhub.pause();
        assert!(client.send("GET", "/general/frontend-url", None).is_err());
        let refused = TcpStream::connect(("127.0.0.1", vyhub.port()));
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        vyhub.resume();
        client = Client::of(&vyhub);
        client.get(&format!("/user/{ANNA}?type=STEAM"));
    }
}

#[test]
fn an_end_leaves_nobody_hanging() {
    let vyhub = FakeVyhub::start();
    vyhub.faults.always(Matcher::any(), Fault::HangBefore);
    let client = Client::of(&vyhub);
    let request = client.request("GET", "/general/frontend-url", None);
    client.stream().write_all(request.as_bytes()).unwrap();
    assert!(vyhub.wait_until(|state| state.requests().len() == 1, PATIENCE));
    let port = vyhub.port();
    drop(vyhub);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn a_seed_gives_the_same_faults_again() {
    let statuses = |seed| {
        let vyhub = FakeVyhub::start();
        vyhub.faults.random(seed, 500);
        let ask = |_| Client::of(&vyhub).send("GET", "/general/frontend-url", None);
        let replies: Vec<_> = (0..60).map(ask).collect();
        let status = |reply: std::io::Result<Reply>| reply.map(|reply| reply.status).ok();
        let statuses: Vec<_> = replies.into_iter().map(status).collect();
        assert!((15..45).contains(&vyhub.faults.played()));
        vyhub.faults.clear();
        Client::of(&vyhub).get("/general/frontend-url");
        statuses
    };
    assert_eq!(statuses(1), statuses(1));
    assert_ne!(statuses(1), statuses(2));
}
