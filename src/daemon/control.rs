//! Commands of an operator, by the control socket.

use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};
use std::io;
use std::os::fd::BorrowedFd;

use rustix::event::PollFlags;
use serde_json::{Value, json};

use super::trace::{NoServer, Reader, unix_ms};
use super::{Daemon, Due};
use crate::core::servers::ServerId;
use crate::core::{Event, HostId, OperatorRequest};
use crate::io::control::{Connection, Listener, is_shortage};
use crate::limits;
use crate::protocol::control::{self, Request, ScriptRequest};
use crate::protocol::signed::messages::{FromGame, Push};

#[derive(Default)]
pub struct Control {
    listener: Option<Listener>,
    /// The listener is left alone for now: the system has no room for a connection.
    is_resting: bool,
    /// That is logged, and none was accepted since.
    is_shortage_logged: bool,
    connections: Vec<Client>,
    /// Some of them trace, as the core knows.
    is_traced: bool,
    last_ticket: u64,
    /// What somebody waits for the outcome of, by the number of their connection; whether the
    /// outcome is the whole answer.
    tickets: HashMap<u64, (u64, bool)>,
    /// Of those that requested a list of scripts: what is in the folder and is none.
    passed_over: HashMap<u64, Vec<String>>,
}

struct Client {
    number: u64,
    connection: Connection,
    watch: Option<Watch>,
    trace: Option<Reader>,
}

impl Client {
    /// Sends nothing more, and gets nothing that it has requested.
    fn is_done(&self, tickets: &HashMap<u64, (u64, bool)>) -> bool {
        let follows = self.watch.is_some() || self.trace.is_some();
        let waits = || tickets.values().any(|(number, _)| *number == self.number);
        let connection = &self.connection;
        let is_owed = || connection.wants_to_write() || connection.has_request() || waits();
        connection.has_ended() && (follows || !is_owed())
    }
}

/// What a connection wants to hear.
struct Watch {
    /// `None`: of all hosts.
    host: Option<String>,
}

impl Control {
    pub fn new(listener: Option<Listener>) -> Self {
        Self {
            listener,
            ..Self::default()
        }
    }

    /// What to wait for: a descriptor, and what of it.
    pub fn fds(&self) -> Vec<(BorrowedFd<'_>, PollFlags)> {
        let listener = self.listener.iter().filter(|_| !self.is_resting);
        let listener = listener.map(|listener| (listener.fd(), PollFlags::IN));
        let clients = self.connections.iter().map(|client| {
            let connection = &client.connection;
            let mut what = PollFlags::empty();
            what.set(PollFlags::IN, connection.wants_to_read());
            what.set(PollFlags::OUT, connection.wants_to_write());
            (connection.fd(), what)
        });
        // Of one that waits for a reply and sends nothing more, only that it has gone would come, again and again.
        let clients = clients.filter(|(_, what)| !what.is_empty());
        listener.chain(clients).collect()
    }

    /// Whether requests have come that can be carried out.
    pub fn has_requests(&self) -> bool {
        let mut clients = self.connections.iter();
        clients.any(|client| client.connection.has_request() && !self.owes(client.number))
    }

    /// Whether this connection waits for the whole answer to a request. The next one is not carried out before: what
    /// many lists together would hold is not bounded.
    fn owes(&self, number: u64) -> bool {
        let mut tickets = self.tickets.values();
        tickets.any(|(of, whole)| *of == number && *whole)
    }

    /// The next request of this connection, unless it is gone.
    fn next_request(&mut self, number: u64) -> Option<Vec<u8>> {
        if self.owes(number) {
            return None;
        }
        self.client(number)?.connection.next_request()
    }

    /// Connections are accepted again.
    pub(super) fn listen_again(&mut self) {
        self.is_resting = false;
    }

    fn is_watched(&self) -> bool {
        self.connections.iter().any(|client| client.watch.is_some())
    }

    /// Whether an operator traces.
    pub(super) fn is_traced(&self) -> bool {
        self.is_traced
    }

    /// What this connection is sent from now on.
    pub(super) fn trace(&mut self, number: u64, reader: Reader) {
        if let Some(client) = self.client(number) {
            client.trace = Some(reader);
        }
    }

    /// Does something with those who trace. False: this one is gone.
    pub(super) fn each_reader(
        &mut self,
        mut act: impl FnMut(&mut Reader, &mut Connection) -> bool,
    ) {
        self.connections
            .retain_mut(|client| match &mut client.trace {
                Some(reader) => act(reader, &mut client.connection),
                None => true,
            });
    }

    fn client(&mut self, number: u64) -> Option<&mut Client> {
        self.connections
            .iter_mut()
            .find(|client| client.number == number)
    }

    /// Answers a connection.
    pub(super) fn send(&mut self, number: u64, line: &Value) {
        let Some(place) = self.connections.iter().position(|it| it.number == number) else {
            return;
        };
        let client = &mut self.connections[place];
        if !client.connection.send(&line.to_string()) || client.is_done(&self.tickets) {
            self.connections.remove(place);
        }
    }
}

/// Why a request is not carried out.
#[derive(Debug, thiserror::Error)]
enum RequestError {
    #[error(transparent)]
    NoGame(#[from] NoGame),
    #[error(transparent)]
    NoServer(#[from] NoServer),
}

/// Why no game was chosen.
#[derive(Debug)]
struct NoGame {
    wanted: Option<String>,
    connected: Vec<String>,
}

impl std::error::Error for NoGame {}

impl Display for NoGame {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let names = self.connected.join(", ");
        match (&self.wanted, self.connected.is_empty()) {
            (None, true) => write!(f, "no game is connected"),
            (None, false) => write!(f, "several games are known; say which with --host: {names}"),
            (Some(wanted), true) => {
                write!(f, "no game is connected, so none of the name {wanted}")
            }
            (Some(wanted), false) => {
                write!(
                    f,
                    "no game of the name {wanted} is connected; there is: {names}"
                )
            }
        }
    }
}

impl Daemon {
    /// Something happened at the control socket or one of its connections.
    pub(super) fn serve_control(&mut self) {
        self.accept_control();
        self.control
            .connections
            .retain_mut(|client| client.connection.read() && client.connection.flush());
        let clients = self.control.connections.iter();
        let numbers: Vec<u64> = clients.map(|client| client.number).collect();
        for number in numbers {
            // Those behind wait for the next turn.
            for _ in 0..limits::CONTROL_REQUESTS_MAX {
                let Some(line) = self.control.next_request(number) else {
                    break;
                };
                self.carry_out_request(number, &line);
            }
        }
        let Control {
            connections,
            tickets,
            passed_over,
            ..
        } = &mut self.control;
        connections.retain(|client| !client.is_done(tickets));
        tickets.retain(|_, (number, _)| connections.iter().any(|client| client.number == *number));
        passed_over.retain(|ticket, _| tickets.contains_key(ticket));
        let watched = self.control.is_watched();
        self.events.push_back(Event::Watched(watched));
        self.control.each_reader(Reader::report_dropped);
    }

    fn carry_out_request(&mut self, number: u64, line: &[u8]) {
        let request = control::parse(line).map_err(|error| error.to_string());
        let answered = request.and_then(|request| {
            let answered = self.request(number, request);
            answered.map_err(|error| error.to_string())
        });
        match answered {
            Ok(None) => {}
            Ok(Some(answer)) => self.control.send(number, &answer),
            Err(problem) => self.control.send(number, &json!({ "error": problem })),
        }
    }

    /// Reports to the core whether an operator traces, once that has changed. Whoever does may be gone without a
    /// descriptor that says so.
    pub(super) fn look_at_tracing(&mut self) {
        let mut clients = self.control.connections.iter();
        let is_traced = clients.any(|client| client.trace.is_some());
        if is_traced != self.control.is_traced {
            self.control.is_traced = is_traced;
            self.set_tracing(is_traced);
        }
    }

    fn accept_control(&mut self) {
        let listener = self.control.listener.as_ref();
        let listener = listener.filter(|_| !self.control.is_resting);
        let next = listener.map(Listener::accept);
        match next {
            Some(Ok(Some(connection))) => self.accepted(connection),
            Some(Err(error)) => self.not_accepted(&error),
            Some(Ok(None)) | None => {}
        }
    }

    /// The listener would be ready again at once, and for ever.
    fn not_accepted(&mut self, error: &io::Error) {
        if !is_shortage(error) {
            log::error!(
                "the control socket is closed ({error}): commands cannot reach this vpid; restart it"
            );
            self.control.listener = None;
            return;
        }
        if !self.control.is_shortage_logged {
            log::error!("no connection of a command can be accepted ({error}); raise LimitNOFILE");
            self.control.is_shortage_logged = true;
        }
        self.control.is_resting = true;
        let again_ms = self.now().mono_ms + limits::CONTROL_SHORTAGE_MS;
        self.wheel.insert(Due::Accept, (), again_ms);
    }

    fn accepted(&mut self, mut connection: Connection) {
        self.control.is_shortage_logged = false;
        if self.control.connections.len() >= limits::CONTROL_CONNECTIONS_MAX {
            let most = limits::CONTROL_CONNECTIONS_MAX;
            let problem = format!("{most} commands are connected to this vpid already; end some");
            log::warn!("{problem}");
            connection.send(&json!({ "error": problem }).to_string());
        } else {
            self.control.last_ticket += 1;
            let number = self.control.last_ticket;
            self.control.connections.push(Client {
                number,
                connection,
                watch: None,
                trace: None,
            });
        }
    }

    /// Does what was asked for. `None`: the answer comes later.
    fn request(&mut self, number: u64, request: Request) -> Result<Option<Value>, RequestError> {
        match request {
            Request::Games => {
                let games = self.core.games(self.now()).into_iter();
                let games = games.map(|(_, name, mut game)| {
                    game["host"] = name.into();
                    game
                });
                Ok(Some(json!({ "games": games.collect::<Vec<_>>() })))
            }
            Request::Status => Ok(Some(json!({ "status": self.observe() }))),
            Request::Reload => {
                self.reload_for(number);
                Ok(None)
            }
            Request::Hold => Ok(Some(json!({ "ok": self.services.hold() }))),
            Request::Release => Ok(Some(json!({ "ok": self.services.release() }))),
            Request::Watch { host } => {
                let note = self.note_on(host.as_deref());
                if let Some(client) = self.control.client(number) {
                    client.watch = Some(Watch { host });
                }
                Ok(Some(json!({ "ok": true, "note": note })))
            }
            Request::Trace(wants) => Ok(Some(self.trace_for(number, wants)?)),
            Request::Queue(request) => {
                self.ask_core(number, true, OperatorRequest::Queue(request));
                Ok(None)
            }
            Request::Rewards(request) => {
                self.ask_core(number, true, OperatorRequest::Rewards(request));
                Ok(None)
            }
            Request::Function(request) => {
                self.ask_core(number, true, OperatorRequest::Call(request));
                Ok(None)
            }
            Request::Script(request) => {
                let lists = request == ScriptRequest::List;
                let ticket = self.ask_core(number, true, OperatorRequest::Script(request));
                if lists {
                    let passed_over = self.scripts_passed_over();
                    self.control.passed_over.insert(ticket, passed_over);
                }
                Ok(None)
            }
            Request::Push { host, push, keep } => {
                let game = self.choose_game(host.as_deref());
                let request = match (game, self.choose_console(host.as_deref(), &push)) {
                    (Ok(host), _) => OperatorRequest::Push { host, push, keep },
                    (Err(_), Some(server)) => OperatorRequest::ToConsole { server, push },
                    (Err(problem), None) => return Err(problem.into()),
                };
                self.ask_core(number, false, request);
                Ok(None)
            }
        }
    }

    /// The game of this name, or the only one.
    fn choose_game(&self, wanted: Option<&str>) -> Result<HostId, NoGame> {
        let games = self.core.games(self.now());
        let found = match wanted {
            Some(wanted) => games.iter().find(|(_, name, _)| *name == wanted),
            None => games.first().filter(|_| games.len() == 1),
        };
        let names = || games.iter().map(|(_, name, _)| (*name).to_owned());
        found.map(|(host, ..)| *host).ok_or_else(|| NoGame {
            wanted: wanted.map(str::to_owned),
            connected: names().collect(),
        })
    }

    /// The server of this name, or the only one, where RCON can do what is wanted without the game's
    /// scripts.
    fn choose_console(&self, wanted: Option<&str>, push: &Push) -> Option<ServerId> {
        if !matches!(push, Push::Print { .. } | Push::Command(_)) {
            return None;
        }
        let mut all = self.core.consoles();
        // Of one that has refused the password, the core says so.
        let mut refused = self.core.refused_consoles();
        let Some(wanted) = wanted else {
            let (only, another) = match all.next() {
                Some((only, _)) => (only, all.next()),
                None => (refused.next()?.0, refused.next()),
            };
            let is_alone = another.is_none() && self.core.games(self.now()).is_empty();
            return is_alone.then_some(only);
        };
        let mut of_name = all.chain(refused).filter(|(_, name)| *name == Some(wanted));
        of_name.next().map(|(server, _)| server)
    }

    /// The response goes to this connection; `whole`: as it is.
    fn ask_core(&mut self, number: u64, whole: bool, request: OperatorRequest) -> u64 {
        self.control.last_ticket += 1;
        let ticket = self.control.last_ticket;
        self.control.tickets.insert(ticket, (number, whole));
        self.events.push_back(Event::Operator { ticket, request });
        ticket
    }

    /// What came of a push.
    pub(super) fn pushed(&mut self, ticket: u64, outcome: Result<Value, String>) {
        if let Some((number, whole)) = self.control.tickets.remove(&ticket) {
            let passed_over = self.control.passed_over.remove(&ticket);
            let answer = match outcome {
                Ok(mut value) if whole => {
                    if let Some(sentences) = passed_over {
                        self.add_script_paths(&mut value);
                        value["passed_over"] = sentences.into();
                    }
                    value
                }
                Ok(value) => json!({ "ok": value }),
                Err(problem) => json!({ "error": problem }),
            };
            self.control.send(number, &answer);
        }
    }

    /// A game told something.
    pub(super) fn heard(&mut self, host: HostId, message: &FromGame) {
        let Some((_, name)) = self.core.host(host) else {
            return;
        };
        let Some(mut line) = control::watched(name, message) else {
            return;
        };
        line["at_ms"] = unix_ms().into();
        let line = line.to_string();
        self.control
            .connections
            .retain_mut(|client| match &client.watch {
                Some(Watch { host }) if host.as_deref().is_none_or(|host| host == name) => {
                    client.connection.send(&line)
                }
                _ => true,
            });
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixStream;
    use std::time::{Duration, Instant};

    use rustix::io::Errno;
    use tempfile::TempDir;

    use super::*;
    use crate::config;
    use crate::daemon::reload::Reloading;
    use crate::io::control::connect;

    fn daemon() -> (TempDir, Daemon) {
        let dir = TempDir::new().unwrap();
        std::fs::create_dir(dir.path().join("scriptdata")).unwrap();
        let text = "[[server]]\nscriptdata = 'scriptdata'\nlegacy_secret = '0123456789abcdef'\n";
        let config = config::parse(text, dir.path(), |_| None).expect("a configuration");
        let reloading = Reloading::new(None, Box::new(|_| None), &config);
        let mut daemon = Daemon::start(config, reloading).unwrap();
        daemon.prepare_at_start().unwrap();
        (dir, daemon)
    }

    fn client(daemon: &Daemon) -> UnixStream {
        let client = connect(&daemon.config.state_dir).unwrap();
        client
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        client
    }

    #[test]
    fn a_client_gets_some_answers_in_a_turn_and_others_theirs() {
        let (_dir, mut daemon) = daemon();
        let (mut greedy, mut other) = (client(&daemon), client(&daemon));
        greedy.write_all("{}\n".repeat(20).as_bytes()).unwrap();
        other.write_all(b"{}\n").unwrap();
        // Each of these accepts one.
        daemon.serve_control();
        daemon.serve_control();
        daemon.drain_events();
        daemon.is_left_over = false;
        assert!(daemon.control.has_requests());
        let began = Instant::now();
        let wake = daemon.wait().unwrap();
        assert!(began.elapsed() < Duration::from_secs(10));
        let mut line = String::new();
        BufReader::new(&other).read_line(&mut line).unwrap();
        assert!(line.contains("error"), "{line}");
        // Whatever woke the loop.
        daemon.turn(wake);
        assert!(!daemon.control.has_requests());
        let mut answers = BufReader::new(&greedy).lines();
        assert!(answers.by_ref().take(20).all(|answer| answer.is_ok()));
        drop(answers);
        drop(greedy);
        daemon.serve_control();
        assert_eq!(daemon.control.connections.len(), 1);
    }

    #[test]
    fn a_client_that_sends_nothing_more_gets_its_replies_and_then_the_end() {
        let (_dir, mut daemon) = daemon();
        let mut one = client(&daemon);
        one.write_all(b"{}\n{}\n").unwrap();
        one.shutdown(std::net::Shutdown::Write).unwrap();
        daemon.serve_control();
        while !daemon.control.connections.is_empty() {
            let wake = daemon.wait().unwrap();
            daemon.turn(wake);
        }
        assert_eq!(
            BufReader::new(&one).lines().map_while(Result::ok).count(),
            2
        );
        // One that follows has nothing to wait for.
        let mut one = client(&daemon);
        one.write_all(b"{\"do\": \"watch\", \"host\": null}\n")
            .unwrap();
        daemon.serve_control();
        daemon.serve_control();
        one.shutdown(std::net::Shutdown::Write).unwrap();
        daemon.serve_control();
        assert!(daemon.control.connections.is_empty());
    }

    #[test]
    fn of_several_lists_that_a_client_requests_at_once_each_waits_for_the_one_before() {
        let (_dir, mut daemon) = daemon();
        let mut one = client(&daemon);
        let request = json!({"do": "queue", "verb": "list"}).to_string() + "\n";
        one.write_all(request.repeat(3).as_bytes()).unwrap();
        daemon.serve_control();
        daemon.serve_control();
        assert_eq!(daemon.control.tickets.len(), 1);
        assert!(!daemon.control.has_requests());
        let reader = std::thread::spawn(move || BufReader::new(one).lines().take(3).count());
        while !reader.is_finished() {
            daemon.drain_events();
            let wake = daemon.wait().unwrap();
            daemon.turn(wake);
        }
        assert_eq!(reader.join().unwrap(), 3);
    }

    #[test]
    fn one_command_too_many_is_told_so() {
        let (_dir, mut daemon) = daemon();
        let clients: Vec<UnixStream> = (0..=limits::CONTROL_CONNECTIONS_MAX)
            .map(|_| {
                let client = client(&daemon);
                daemon.serve_control();
                client
            })
            .collect();
        let mut line = String::new();
        let last = clients.last().expect("one");
        BufReader::new(last).read_line(&mut line).unwrap();
        assert!(
            line.contains("are connected to this vpid already"),
            "{line}"
        );
    }

    #[test]
    fn what_a_removed_client_wants_is_not_done() {
        let (_dir, mut daemon) = daemon();
        let mut client = client(&daemon);
        client.write_all(b"{}\n{}\n").unwrap();
        daemon.accept_control();
        let number = daemon.control.last_ticket;
        assert!(daemon.control.connections[0].connection.read());
        assert!(daemon.control.next_request(number).is_some());
        drop(client);
        daemon.control.send(number, &json!({ "ok": true }));
        assert!(daemon.control.connections.is_empty());
        assert_eq!(daemon.control.next_request(number), None);
    }

    #[test]
    fn after_a_shortage_connections_are_accepted_again() {
        let (_dir, mut daemon) = daemon();
        daemon.not_accepted(&Errno::MFILE.into());
        assert!(daemon.control.fds().is_empty() && daemon.control.is_shortage_logged);
        let client = client(&daemon);
        daemon.serve_control();
        assert!(daemon.control.connections.is_empty());
        assert!(daemon.wheel.contains(Due::Accept));
        let due_ms = daemon.now().mono_ms + limits::CONTROL_SHORTAGE_MS;
        let due = std::iter::from_fn(|| daemon.wheel.pop_due(due_ms));
        assert!(due.into_iter().any(|(due, ())| due == Due::Accept));
        daemon.control.listen_again();
        daemon.serve_control();
        assert_eq!(daemon.control.connections.len(), 1);
        assert!(!daemon.control.is_shortage_logged);
        drop(client);
        // What does not pass by itself.
        daemon.not_accepted(&Errno::INVAL.into());
        assert!(daemon.control.listener.is_none());
    }
}
