//! Commands of an operator, by the control socket.

use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};
use std::os::fd::BorrowedFd;

use serde_json::{Value, json};

use super::Daemon;
use crate::core::servers::ServerId;
use crate::core::{Event, HostId, OperatorRequest};
use crate::io::control::{Connection, Listener};
use crate::limits;
use crate::protocol::control::{self, Request};
use crate::protocol::signed::messages::{FromGame, Push};

#[derive(Default)]
pub struct Control {
    listener: Option<Listener>,
    connections: Vec<Client>,
    last_ticket: u64,
    /// What somebody waits for the outcome of, by the number of their connection; whether the
    /// outcome is the whole answer.
    tickets: HashMap<u64, (u64, bool)>,
}

struct Client {
    number: u64,
    connection: Connection,
    watch: Option<Watch>,
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

    /// What to wait for: a descriptor, and whether for room to write as well.
    pub fn fds(&self) -> Vec<(BorrowedFd<'_>, bool)> {
        let listener = self.listener.iter().map(|listener| (listener.fd(), false));
        let clients = self.connections.iter();
        let clients =
            clients.map(|client| (client.connection.fd(), client.connection.wants_to_write()));
        listener.chain(clients).collect()
    }

    fn is_watched(&self) -> bool {
        self.connections.iter().any(|client| client.watch.is_some())
    }

    fn client(&mut self, number: u64) -> Option<&mut Client> {
        self.connections
            .iter_mut()
            .find(|client| client.number == number)
    }

    /// Answers a connection.
    fn send(&mut self, number: u64, line: &Value) {
        let sent = self
            .client(number)
            .is_none_or(|client| client.connection.send(&line.to_string()));
        if !sent {
            self.connections.retain(|client| client.number != number);
        }
    }
}

/// Why no game was chosen.
struct NoGame {
    wanted: Option<String>,
    connected: Vec<String>,
}

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
        let mut requests = Vec::new();
        self.control.connections.retain_mut(|client| {
            let lines = client.connection.read();
            let (alive, lines) = (lines.is_some(), lines.unwrap_or_default());
            requests.extend(lines.into_iter().map(|line| (client.number, line)));
            alive && client.connection.flush()
        });
        for (number, line) in requests {
            let request = control::parse(&line).map_err(|error| error.to_string());
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
        let Control {
            connections,
            tickets,
            ..
        } = &mut self.control;
        tickets.retain(|_, (number, _)| connections.iter().any(|client| client.number == *number));
        let watched = self.control.is_watched();
        self.events.push_back(Event::Watched(watched));
    }

    fn accept_control(&mut self) {
        let new = match self.control.listener.as_ref().map(Listener::accept) {
            Some(Ok(new)) => new,
            Some(Err(error)) => {
                // It would be ready again at once, and for ever.
                log::error!("the control socket is closed ({error}): `vpid game` will not work");
                self.control.listener = None;
                None
            }
            None => None,
        };
        if let Some(connection) = new
            && self.control.connections.len() < limits::CONTROL_CONNECTIONS_MAX
        {
            self.control.last_ticket += 1;
            let number = self.control.last_ticket;
            let watch = None;
            self.control.connections.push(Client {
                number,
                connection,
                watch,
            });
        }
    }

    /// Does what was asked for. `None`: the answer comes later.
    fn request(&mut self, number: u64, request: Request) -> Result<Option<Value>, NoGame> {
        match request {
            Request::Games => {
                let games = self.core.games(self.now()).into_iter();
                let games = games.map(|(_, name, mut game)| {
                    game["host"] = name.into();
                    game
                });
                Ok(Some(json!({ "games": games.collect::<Vec<_>>() })))
            }
            Request::Watch { host } => {
                if let Some(client) = self.control.client(number) {
                    client.watch = Some(Watch { host });
                }
                Ok(Some(json!({ "ok": true })))
            }
            Request::Queue(request) => {
                self.ask_core(number, true, OperatorRequest::Queue(request));
                Ok(None)
            }
            Request::Rewards(request) => {
                self.ask_core(number, true, OperatorRequest::Rewards(request));
                Ok(None)
            }
            Request::Script(request) => {
                self.ask_core(number, true, OperatorRequest::Script(request));
                Ok(None)
            }
            Request::Push { host, push, keep } => {
                let game = self.choose_game(host.as_deref());
                let request = match (game, self.choose_console(host.as_deref(), &push)) {
                    (Ok(host), _) => OperatorRequest::Push { host, push, keep },
                    (Err(_), Some(server)) => OperatorRequest::ToConsole { server, push },
                    (Err(problem), None) => return Err(problem),
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
        let Some(wanted) = wanted else {
            let (only, _) = all.next()?;
            let is_alone = all.next().is_none() && self.core.games(self.now()).is_empty();
            return is_alone.then_some(only);
        };
        let mut of_name = all.filter(|(_, name)| *name == Some(wanted));
        of_name.next().map(|(server, _)| server)
    }

    /// The response goes to this connection; `whole`: as it is.
    fn ask_core(&mut self, number: u64, whole: bool, request: OperatorRequest) {
        self.control.last_ticket += 1;
        let ticket = self.control.last_ticket;
        self.control.tickets.insert(ticket, (number, whole));
        self.events.push_back(Event::Operator { ticket, request });
    }

    /// What came of a push.
    pub(super) fn pushed(&mut self, ticket: u64, outcome: Result<Value, String>) {
        if let Some((number, whole)) = self.control.tickets.remove(&ticket) {
            let answer = match outcome {
                Ok(value) if whole => value,
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
        let Some(line) = control::watched(name, message) else {
            return;
        };
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
