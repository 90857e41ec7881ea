//! Connections that break at a chosen moment, by a proxy that reads along.

use super::super::super::tests::support::{ALL, PATIENCE, insert, raw};
use super::support::{Desk, TABLE, shared};
use mysql::prelude::Queryable;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

/// When a connection is to break: once, at a packet with these words.
#[derive(Default)]
struct Break {
    words: Option<&'static str>,
    /// The server gets the packet, and vpid does not get its answer.
    delivered: bool,
    /// It gets the packet only when this says so, long after vpid has lost its connection. Then
    /// the other side hears that it has answered.
    late: Option<(Receiver<()>, Sender<()>)>,
    /// Each time, not only once.
    always: bool,
}

pub(in crate::io) struct Proxy {
    _folder: tempfile::TempDir,
    pub path: PathBuf,
    next: Arc<Mutex<Break>>,
}

impl Proxy {
    pub fn new(server: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p");
        let listener = UnixListener::bind(&path).unwrap();
        let next = Arc::new(Mutex::new(Break::default()));
        let (server, shared) = (server.to_owned(), Arc::clone(&next));
        // It ends with the process.
        std::thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                let server = UnixStream::connect(&server).unwrap();
                let next = Arc::clone(&shared);
                std::thread::spawn(move || pass(&client, &server, &next));
            }
        });
        Self {
            _folder: folder,
            path,
            next,
        }
    }

    pub fn break_at(&self, words: &'static str, delivered: bool) {
        *self.next.lock().unwrap() = Break {
            words: Some(words),
            delivered,
            ..Break::default()
        };
    }

    /// What lets the packet with these words go, and what tells that it has arrived.
    fn delay(&self, words: &'static str) -> (Sender<()>, Receiver<()>) {
        let (go, gone) = channel();
        let (arrive, arrived) = channel();
        *self.next.lock().unwrap() = Break {
            words: Some(words),
            late: Some((gone, arrive)),
            ..Break::default()
        };
        (go, arrived)
    }

    pub fn has_broken(&self) -> bool {
        self.next.lock().unwrap().words.is_none()
    }
}

/// From client to server, and back in a thread of its own.
fn pass(mut client: &UnixStream, mut server: &UnixStream, next: &Mutex<Break>) {
    let mute = Arc::new(Mutex::new(false));
    let (mut to, mut from) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let muted = Arc::clone(&mute);
    let back = std::thread::spawn(move || {
        let mut bytes = [0; 65_536];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            if *muted.lock().unwrap() || to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    });
    let mut bytes = [0; 65_536];
    while let Ok(count @ 1..) = client.read(&mut bytes) {
        let text = String::from_utf8_lossy(&bytes[..count]);
        let mut next = next.lock().unwrap();
        if next.words.is_some_and(|words| text.contains(words)) {
            next.words = next.words.filter(|_| next.always);
            if let Some((gone, arrive)) = next.late.take() {
                drop(next);
                // The other thread reads what it answers, in vain.
                let _ = client.shutdown(Shutdown::Both);
                gone.recv().unwrap();
                server.write_all(&bytes[..count]).unwrap();
                let _ = server.shutdown(Shutdown::Write);
                back.join().unwrap();
                arrive.send(()).unwrap();
                return;
            }
            if !next.delivered {
                break;
            }
            *mute.lock().unwrap() = true;
        }
        drop(next);
        if server.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    if !*mute.lock().unwrap() {
        let _ = server.shutdown(Shutdown::Both);
    }
    back.join().unwrap();
}

fn desk() -> (Proxy, Desk) {
    let mut desk = Desk::on(shared());
    desk.outside().query_drop(TABLE).unwrap();
    let proxy = Proxy::new(&shared().socket());
    desk.settings.socket = Some(proxy.path.clone());
    desk.start();
    desk.submit(vec![insert(0, 1)]);
    desk.answer(0).unwrap();
    (proxy, desk)
}

#[test]
fn whatever_becomes_of_a_connection_a_write_is_done_once() {
    for (words, delivered) in [
        ("START TRANSACTION", false),
        ("START TRANSACTION", true),
        ("wins = wins + 1", false),
        ("wins = wins + 1", true),
        ("INSERT INTO vpid_journal", false),
        ("INSERT INTO vpid_journal", true),
    ] {
        let (proxy, mut desk) = desk();
        proxy.break_at(words, delivered);
        desk.submit(vec![
            raw(1, "UPDATE user_x_t SET wins = wins + 1"),
            raw(2, "UPDATE user_x_t SET wins = wins * 10 WHERE wins > 0"),
        ]);
        assert_eq!(desk.answer(1).as_deref(), Ok("[]"));
        assert_eq!(desk.answer(2).as_deref(), Ok("[]"));
        assert!(proxy.has_broken(), "{words}");
        let all = desk.ask("Select", ALL);
        assert_eq!(all.as_deref(), Ok("[[1,10]]"), "{words} {delivered}");
    }
}

/// The id of an earlier insert would lead to another row.
#[test]
fn after_a_commit_without_a_reply_there_is_no_id_of_an_earlier_insert() {
    for (delivered, wanted) in [(true, "SELECT 0"), (false, "SELECT MAX(id) FROM user_x_t")] {
        let (proxy, mut desk) = desk();
        let insert = |index| raw(index, "INSERT INTO user_x_t (wins) VALUES (1)");
        desk.submit(vec![insert(1)]);
        desk.answer(1).unwrap();
        proxy.break_at("INSERT INTO vpid_journal", delivered);
        desk.submit(vec![insert(2), raw(3, "SELECT LAST_INSERT_ID()")]);
        assert_eq!(desk.answer(2).as_deref(), Ok("[]"));
        assert!(proxy.has_broken());
        let made = desk.query::<i64>("SELECT MAX(id) FROM user_x_t")[0];
        assert_eq!(desk.answer(3), Ok(format!("[[{made}]]")));
        let wanted = desk.query::<i64>(wanted)[0];
        let last = desk.ask_raw("SELECT LAST_INSERT_ID()").unwrap();
        assert_eq!(last, format!("[[{wanted}]]"), "{delivered}");
    }
}

/// What vpid sent before its connection broke can reach the server after all else.
#[test]
fn a_commit_that_arrives_late_does_nothing_twice() {
    // Nothing holds the second try up: it is done first.
    let (proxy, mut desk) = desk();
    let (go, arrived) = proxy.delay("vpid_journal");
    desk.submit(vec![raw(1, "INSERT INTO user_x_t (wins) VALUES (7)")]);
    desk.answer(1).unwrap();
    go.send(()).unwrap();
    arrived.recv_timeout(PATIENCE).unwrap();
    let wins = "SELECT wins FROM user_x_t ORDER BY wins";
    assert_eq!(desk.query::<i64>(wins), [0, 7]);

    // It waits for the row that the first has changed, and is undone.
    let (go, arrived) = proxy.delay("vpid_journal");
    desk.submit(vec![raw(2, "UPDATE user_x_t SET wins = wins + 1")]);
    desk.until(
        "SELECT COUNT(*) > 0 FROM information_schema.processlist \
         WHERE db = DATABASE() AND info LIKE 'UPDATE user_x_t%' AND time_ms > 50",
    );
    go.send(()).unwrap();
    arrived.recv_timeout(PATIENCE).unwrap();
    assert_eq!(desk.answer(2).as_deref(), Ok("[]"));
    assert_eq!(desk.query::<i64>(wins), [1, 8]);
}

#[test]
fn what_commits_by_itself_is_begun_once() {
    for (words, delivered, begun) in [
        ("REPLACE INTO vpid_journal", false, false),
        ("REPLACE INTO vpid_journal", true, false),
        ("CREATE TABLE user_x_u", false, true),
        ("CREATE TABLE user_x_u", true, true),
    ] {
        let (proxy, mut desk) = desk();
        proxy.break_at(words, delivered);
        let answer = desk.ask_raw("CREATE TABLE user_x_u (a INT)");
        assert!(proxy.has_broken(), "{words}");
        match begun {
            false => assert_eq!(answer.as_deref(), Ok("[]"), "{words} {delivered}"),
            true => assert_eq!(answer.unwrap_err().reason, "Interrupted"),
        }
    }
}

#[test]
fn a_read_is_begun_again_on_another_connection() {
    for delivered in [false, true] {
        let (proxy, mut desk) = desk();
        proxy.break_at("SELECT 5", delivered);
        assert_eq!(desk.ask_raw("SELECT 5").as_deref(), Ok("[[5]]"));
        assert!(proxy.has_broken());
    }
}

#[test]
fn a_call_that_always_breaks_its_connection_is_given_up() {
    let (proxy, mut desk) = desk();
    proxy.break_at("wins = 666", false);
    proxy.next.lock().unwrap().always = true;
    desk.submit(vec![
        raw(1, "UPDATE user_x_t SET wins = 5"),
        raw(2, "UPDATE user_x_t SET wins = 666"),
        raw(3, "UPDATE user_x_t SET wins = wins + 1"),
    ]);
    assert_eq!(desk.reason(2), "OperationalError");
    assert_eq!(desk.answer(1).as_deref(), Ok("[]"));
    assert_eq!(desk.answer(3).as_deref(), Ok("[]"));
    assert_eq!(desk.ask("Select", ALL).as_deref(), Ok("[[1,6]]"));
}
