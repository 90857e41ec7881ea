//! The workers by which `vpid check` sends requests to VyHub and consoles, one after the other.

use crate::protocol::server_id::ServerId;
use std::collections::hash_map::{Entry, HashMap};
use std::sync::mpsc;
use std::time::Duration;

use crate::config::{Rcon, Vyhub};
use crate::io::http::Http;
use crate::io::rcon::Console;
use crate::limits;
use crate::protocol::rcon::{self, Failure as ConsoleFailure};
use crate::protocol::vyhub::{Done, Failure, Job, Outcome, Request};

/// How much longer than its own deadline a worker is waited for.
const GRACE: Duration = Duration::from_secs(2);

/// VyHub's API. The worker starts with the first request.
#[derive(Default)]
pub struct Api {
    worker: Option<(Http, mpsc::Receiver<Done>)>,
}

impl Api {
    pub fn ask(&mut self, vyhub: &Vyhub, request: Request) -> Outcome {
        let none = |why: String| Outcome {
            result: Err(Failure::Unreachable(why)),
            api_s: None,
        };
        if self.worker.is_none() {
            let (send, receive) = mpsc::channel();
            match Http::start(vyhub, move |done| drop(send.send(done))) {
                Ok(http) => self.worker = Some((http, receive)),
                Err(why) => return none(why.to_string()),
            }
        }
        let Some((http, receive)) = &self.worker else {
            return none("there is no worker".into());
        };
        http.submit(Job {
            ticket: 0,
            request,
            patience_ms: limits::CHECK_PATIENCE_MS,
        });
        let patience = Duration::from_millis(limits::CHECK_PATIENCE_MS) + GRACE;
        match receive.recv_timeout(patience) {
            Ok(done) => done.outcome,
            Err(_) => none("it took too long".into()),
        }
    }
}

/// Consoles by the numbers of their servers: one connection each, so one login.
#[derive(Default)]
pub struct Consoles {
    workers: HashMap<usize, (Console, mpsc::Receiver<rcon::Done>)>,
}

impl Consoles {
    pub fn ask(
        &mut self,
        server: usize,
        rcon: &Rcon,
        line: &str,
    ) -> Result<String, ConsoleFailure> {
        let away = |why: String| ConsoleFailure::Away(why);
        let (worker, receive) = match self.workers.entry(server) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(vacant) => {
                let (send, receive) = mpsc::channel();
                let worker =
                    Console::start(ServerId(server), rcon, move |done| drop(send.send(done)));
                vacant.insert((worker, receive))
            }
        };
        worker.submit(rcon::Job {
            ticket: 0,
            line: line.to_owned(),
        });
        let patience = Duration::from_millis(limits::CHECK_PATIENCE_MS) + GRACE;
        match receive.recv_timeout(patience) {
            Ok(done) => done.result,
            Err(_) => Err(away("it took too long".into())),
        }
    }
}
