//! A server as VyHub knows it: its record and bundle, and the life-cycle that scripts hear of.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::api::Purpose;
use super::bans::Bundle as Bans;
use super::{Cx, Message, Vyhub};
use crate::core::Now;
use crate::core::servers::ServerId;
use crate::limits;
use crate::protocol::signed::messages::Push;
use crate::protocol::store::{Content, Shelf};
use crate::protocol::uuid::Uuid;
use crate::protocol::vyhub::{Bundle, Failure, Outcome, Reply, Request, Server};

/// One server of VyHub's.
pub struct Served {
    pub server: ServerId,
    pub id: Uuid,
    known: Option<Record>,
    /// A record whose bundle is being asked for.
    coming: Option<Server>,
    record_due_ms: u64,
    record_asked: bool,
    /// Whether VyHub answered the last time; what scripts were told.
    api: Option<bool>,
    pub ready: bool,
    /// When what is known from before is used, if VyHub has not answered by then.
    cache_due_ms: Option<u64>,
    pub state_due_ms: u64,
    pub state_asked: bool,
    /// When each userid was kicked last.
    pub kicked: HashMap<i64, u64>,
}

/// What is kept of a server, in its file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Record {
    version: u64,
    fetched_s: i64,
    server: Server,
    bundle: Bundle,
    /// Where players find VyHub's pages.
    frontend: Option<String>,
}

impl Served {
    pub fn new(server: ServerId, id: Uuid) -> Self {
        Self {
            server,
            id,
            known: None,
            coming: None,
            record_due_ms: 0,
            record_asked: false,
            api: None,
            ready: false,
            cache_due_ms: None,
            state_due_ms: 0,
            state_asked: false,
            kicked: HashMap::new(),
        }
    }

    /// Its file's name.
    pub fn document(id: Uuid) -> String {
        format!("server-{id}")
    }

    /// Takes up what an earlier run has kept, if it is fresh enough to be used.
    pub fn restore(&mut self, text: &str, now: Now) -> Result<(), String> {
        let record: Record = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let age_s = now.wall_s.saturating_sub(record.fetched_s);
        if record.server.id == self.id && age_s <= limits::VYHUB_RECORD_S_MAX {
            self.known = Some(record);
            self.cache_due_ms = Some(now.mono_ms + limits::VYHUB_CACHE_MS);
        }
        Ok(())
    }

    /// Its bundle, once the server is ready.
    pub fn bundle(&self) -> Option<Uuid> {
        let known = self.known.as_ref().filter(|_| self.ready)?;
        Some(known.bundle.id)
    }

    pub fn bundle_name(&self) -> &str {
        self.known.as_ref().map_or("", |known| &known.bundle.name)
    }

    pub fn frontend(&self) -> Option<&str> {
        self.known.as_ref()?.frontend.as_deref()
    }

    pub fn due_ms(&self) -> Option<u64> {
        let record = (!self.record_asked).then_some(self.record_due_ms);
        let state = (self.ready && !self.state_asked).then_some(self.state_due_ms);
        let cache = self.cache_due_ms.filter(|_| !self.ready);
        record.into_iter().chain(state).chain(cache).min()
    }
}

impl Vyhub {
    pub(super) fn fetch_records(&mut self, cx: &mut Cx<'_>) {
        for served in &mut self.served {
            if !served.record_asked && served.record_due_ms <= cx.now.mono_ms {
                served.record_asked = true;
                let purpose = Purpose::Record(served.server);
                self.api.ask(purpose, Request::server(served.id), cx.out);
            }
        }
    }

    /// A VyHub that takes its time keeps nobody from being served.
    pub(super) fn use_caches(&mut self, cx: &mut Cx<'_>) {
        let due = |served: &Served| {
            let over = served
                .cache_due_ms
                .is_some_and(|due_ms| due_ms <= cx.now.mono_ms);
            (over && !served.ready).then_some(served.server)
        };
        let due: Vec<ServerId> = self.served.iter().filter_map(due).collect();
        for server in due {
            self.make_ready(server, cx);
        }
    }

    pub(super) fn served_mut(&mut self, server: ServerId) -> Option<&mut Served> {
        self.served
            .iter_mut()
            .find(|served| served.server == server)
    }

    pub(super) fn served(&self, server: ServerId) -> Option<&Served> {
        self.served.iter().find(|served| served.server == server)
    }

    /// The record of a server has come, or not.
    pub(super) fn record_answered(&mut self, server: ServerId, outcome: Outcome, cx: &mut Cx<'_>) {
        let failure = match outcome.result {
            Ok(Reply::Server(record)) => {
                let Some(served) = self.served_mut(server) else {
                    return;
                };
                if let Some(bundle) = record.bundle {
                    served.coming = Some(record);
                    let purpose = Purpose::Bundle(server);
                    return self.api.ask(purpose, Request::bundle(bundle), cx.out);
                }
                let why = "VyHub has this server in no bundle; put it into one there".to_owned();
                Failure::Unclear(why)
            }
            Ok(_) => Failure::Unclear("a strange answer".into()),
            Err(failure) => failure,
        };
        self.record_failed(server, &failure, cx);
    }

    pub(super) fn bundle_answered(&mut self, server: ServerId, outcome: Outcome, cx: &mut Cx<'_>) {
        match outcome.result {
            Ok(Reply::Bundle(bundle)) => {
                let now_s = cx.now.wall_s;
                let Some(served) = self.served_mut(server) else {
                    return;
                };
                let Some(record) = served.coming.take() else {
                    return;
                };
                let frontend = served.frontend().map(str::to_owned);
                served.known = Some(Record {
                    version: 1,
                    fetched_s: now_s,
                    server: record,
                    bundle,
                    frontend,
                });
                let purpose = Purpose::Frontend(server);
                self.api.ask(purpose, Request::frontend_url(), cx.out);
            }
            Ok(_) => self.record_failed(server, &Failure::Unclear("a strange answer".into()), cx),
            Err(failure) => self.record_failed(server, &failure, cx),
        }
    }

    /// Where VyHub's pages are; a server is ready without it, too.
    pub(super) fn frontend_answered(
        &mut self,
        server: ServerId,
        outcome: Outcome,
        cx: &mut Cx<'_>,
    ) {
        let now = cx.now;
        let Some(served) = self.served_mut(server) else {
            return;
        };
        if let (Ok(Reply::FrontendUrl(url)), Some(known)) = (outcome.result, &mut served.known) {
            known.frontend = Some(url.trim_end_matches('/').to_owned());
        }
        served.record_asked = false;
        served.record_due_ms = now.mono_ms + limits::VYHUB_RECORD_MS;
        let text = serde_json::to_string_pretty(&served.known).unwrap_or_default();
        let (name, content) = (Served::document(served.id), Some(Content::Json(text)));
        let first = served.api != Some(true);
        served.api = Some(true);
        self.api.write(Shelf::Cache, name, content, None, cx.out);
        if first {
            self.life_cycle(server, "vyhub_api_ready", json!({}), cx);
        }
        self.make_ready(server, cx);
    }

    fn record_failed(&mut self, server: ServerId, failure: &Failure, cx: &mut Cx<'_>) {
        self.api.shout_if_refused(failure, cx.now);
        let retry_ms = failure.retry_after_s() * 1_000;
        let due_ms = cx.now.mono_ms + limits::VYHUB_ROUND_MS.max(retry_ms);
        let label = cx.servers.get(server).map_or("", |game| &game.label);
        let Some(served) = self
            .served
            .iter_mut()
            .find(|served| served.server == server)
        else {
            return;
        };
        served.coming = None;
        served.record_asked = false;
        served.record_due_ms = due_ms;
        let first = served.api != Some(false);
        served.api = Some(false);
        let cached = served.known.is_some();
        if first {
            let (id, rest) = (
                served.id,
                match cached {
                    true => "it goes on with what it knew",
                    false => "players are not looked up and no bans are known until it works",
                },
            );
            log::error!("{label}: server {id} could not be asked for ({failure}); {rest}");
            self.life_cycle(
                server,
                "vyhub_api_failed",
                json!({ "why": failure.to_string() }),
                cx,
            );
        }
        if cached {
            self.make_ready(server, cx);
        }
    }

    /// The server's record is known, from VyHub or from an earlier run.
    fn make_ready(&mut self, server: ServerId, cx: &mut Cx<'_>) {
        let now_ms = cx.now.mono_ms;
        let Some(served) = self.served_mut(server) else {
            return;
        };
        let Some(known) = &served.known else { return };
        let (bundle, frontend) = (known.bundle.id, known.frontend.clone());
        let data = served.ready_data();
        let first = !std::mem::replace(&mut served.ready, true);
        if first {
            // Until then the game has told how it is: else VyHub would show it as down.
            served.state_due_ms = now_ms + limits::VYHUB_SOON_MS;
        }
        self.frontend = frontend.or(self.frontend.take());
        let kept = self.kept_bans.remove(&bundle);
        self.bundles
            .entry(bundle)
            .or_insert_with(|| Bans::new(kept.unwrap_or_default()));
        if first {
            self.enforce_all = true;
            self.life_cycle(server, "vyhub_ready", data, cx);
        }
    }

    /// Tells the log and the game's scripts how far things are.
    pub(super) fn life_cycle(&self, server: ServerId, name: &str, data: Value, cx: &mut Cx<'_>) {
        let label = cx.servers.get(server).map_or("", |game| &game.label);
        log::info!("{label}: {name}");
        self.hook(server, name, data, cx);
    }

    pub(super) fn hook(&self, server: ServerId, name: &str, data: Value, cx: &mut Cx<'_>) {
        let name = name.to_owned();
        if let Some(host) = cx.servers.host(server) {
            let (name, data) = (name.clone(), data.clone());
            cx.out.push(host, Push::Hook { name, data }, None);
        }
        cx.out.send(Message::Hook { server, name, data });
    }

    /// A game's scripts have begun anew, and know nothing.
    pub(super) fn greet_session(&mut self, server: ServerId, cx: &mut Cx<'_>) {
        let Some(served) = self.served(server) else {
            return;
        };
        if served.ready {
            let data = served.ready_data();
            self.hook(server, "vyhub_ready", data, cx);
        }
        self.state_soon(server, cx);
    }
}

impl Served {
    fn ready_data(&self) -> Value {
        let Some(known) = &self.known else {
            return json!({});
        };
        json!({
            "server": known.server.id,
            "name": known.server.name,
            "bundle": known.bundle.id,
            "bundle_name": known.bundle.name,
            "extra": known.server.extra,
        })
    }
}
