//! Game servers as the backend knows them: their records and bundles, and the life-cycle that is
//! reported to scripts.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Answer, Cx, Message, Subject, Ticket};
use crate::core::servers::{ServerId, Servers};
use crate::jobs::store::{Content, Shelf, StoreError};
use crate::limits;
use crate::protocol::backend::{Bundle, Failure, Links, Reply, Request, Server};
use crate::protocol::log_targets::log_server;
use crate::protocol::uuid::Uuid;

/// One server of the backend's.
pub struct ServerRecord {
    pub server: ServerId,
    pub id: Uuid,
    known: Option<Document>,
    /// A record whose bundle is being fetched.
    coming: Option<Server>,
    due_ms: u64,
    busy: bool,
    /// Whether the last fetch worked, as it was reported to scripts.
    worked: Option<bool>,
    ready: bool,
    /// When what is known from before is used, if the backend has not replied by then.
    cache_due_ms: Option<u64>,
    /// What is known from before is too old for anything but its bundle's bans.
    old: bool,
}

/// What is kept of a server, in its file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Document {
    version: u64,
    fetched_s: i64,
    server: Server,
    bundle: Bundle,
    #[serde(default)]
    links: Option<Links>,
}

impl ServerRecord {
    fn document_name(&self) -> String {
        format!("server-{}", self.id)
    }

    /// The backend has replied in this run, and to the last fetch.
    pub fn is_current(&self) -> bool {
        self.worked == Some(true)
    }

    /// Once the server is ready.
    pub fn bundle(&self) -> Option<&Bundle> {
        let known = self.known.as_ref().filter(|_| self.ready)?;
        Some(&known.bundle)
    }

    /// Options of the owner's, once the server is ready.
    pub fn extra(&self) -> Option<&Value> {
        let known = self.known.as_ref().filter(|_| self.ready)?;
        Some(&known.server.extra)
    }

    /// As the backend calls its type, such as `SOURCE`; empty where it is not known.
    pub fn kind(&self) -> &str {
        self.known.as_ref().map_or("", |known| &known.server.kind)
    }

    pub fn ready_data(&self) -> Value {
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

#[derive(Default)]
pub struct Records {
    all: Vec<ServerRecord>,
    links: Option<Links>,
}

impl Records {
    pub fn new(servers: &Servers) -> Self {
        let record = |(server, id)| ServerRecord {
            server,
            id,
            known: None,
            coming: None,
            due_ms: 0,
            busy: false,
            worked: None,
            ready: false,
            cache_due_ms: None,
            old: false,
        };
        let ids = servers
            .iter()
            .filter_map(|(server, game)| Some((server, game.community?)));
        Self {
            all: ids.map(record).collect(),
            links: None,
        }
    }

    pub fn all(&self) -> &[ServerRecord] {
        &self.all
    }

    pub fn get(&self, server: ServerId) -> Option<&ServerRecord> {
        self.all.iter().find(|record| record.server == server)
    }

    fn get_mut(&mut self, server: ServerId) -> Option<&mut ServerRecord> {
        self.all.iter_mut().find(|record| record.server == server)
    }

    /// The game server that the backend knows under this id.
    pub fn server_of(&self, id: Uuid) -> Option<ServerId> {
        let record = self.all.iter().find(|record| record.id == id)?;
        Some(record.server)
    }

    /// The bundle of a server, once that is ready.
    pub fn bundle(&self, server: ServerId) -> Option<Uuid> {
        Some(self.get(server)?.bundle()?.id)
    }

    /// A bundle, once a server of it is ready.
    pub fn bundle_of(&self, id: Uuid) -> Option<&Bundle> {
        let mut bundles = self.all.iter().filter_map(ServerRecord::bundle);
        bundles.find(|bundle| bundle.id == id)
    }

    /// Servers that are ready, with their bundles.
    pub fn ready(&self) -> impl Iterator<Item = (ServerId, Uuid)> {
        let ready = |record: &ServerRecord| Some((record.server, record.bundle()?.id));
        self.all.iter().filter_map(ready)
    }

    /// Servers on which the bans of their bundles are enforced: also those whose records are old.
    pub fn enforced(&self) -> impl Iterator<Item = (ServerId, Uuid)> {
        let known = |record: &ServerRecord| {
            let bundle = record.known.as_ref()?.bundle.id;
            (record.ready || record.old).then_some((record.server, bundle))
        };
        self.all.iter().filter_map(known)
    }

    /// Where players find the backend's pages.
    pub fn links(&self) -> Option<&Links> {
        self.links.as_ref()
    }
}

/// Fetches records.
#[derive(Default)]
pub struct Fetches;

pub enum Step {
    Record,
    Bundle,
    Links,
    /// All of it is on disk.
    Stored,
}

impl Subject for Fetches {
    type Ticket = (ServerId, Step);

    /// What an earlier run has kept is used if it is fresh enough, and for bans always.
    fn restore(&mut self, name: &str, text: &str, cx: &mut Cx<'_>) -> serde_json::Result<()> {
        let mut all = cx.records.all.iter_mut();
        let Some(record) = all.find(|record| record.document_name() == name) else {
            return Ok(());
        };
        let known: Document = serde_json::from_str(text)?;
        let age_s = cx.now.wall_s.saturating_sub(known.fetched_s);
        if known.server.id == record.id {
            record.old = age_s > limits::VYHUB_RECORD_S_MAX;
            record.known = Some(known);
            record.cache_due_ms = Some(cx.now.mono_ms + limits::VYHUB_CACHE_MS);
        }
        Ok(())
    }

    fn on_message(&mut self, message: &Message, cx: &mut Cx<'_>) {
        match message {
            // A game script with a new session knows nothing.
            Message::SessionBegan(server) => {
                let record = cx.records.get(*server).filter(|record| record.ready);
                if let Some(data) = record.map(ServerRecord::ready_data) {
                    cx.hook(*server, "vyhub_ready", data);
                }
            }
            Message::Changed(topics) if topics.servers => {
                for record in &mut cx.records.all {
                    record.due_ms = record.due_ms.min(cx.now.mono_ms);
                }
            }
            _ => {}
        }
    }

    fn on_reply(&mut self, (server, step): (ServerId, Step), reply: Answer, cx: &mut Cx<'_>) {
        let Some(record) = cx.records.get_mut(server) else {
            return;
        };
        match (step, reply) {
            (Step::Record, Ok(Reply::Server(found))) => {
                let Some(bundle) = found.bundle else {
                    let keeper = cx.backend.keeper;
                    let why =
                        format!("{keeper} has this server in no bundle; put it into one there");
                    return failed(server, &Failure::unclear(&why), cx);
                };
                record.coming = Some(found);
                let ticket = Ticket::Records((server, Step::Bundle));
                cx.request(ticket, Request::FindBundle(bundle));
            }
            (Step::Bundle, Ok(Reply::Bundle(bundle))) => {
                let Some(found) = record.coming.take() else {
                    return;
                };
                let before = record.known.take();
                let is_other = before.as_ref().map(|it| &it.server) != Some(&found);
                let links = before.and_then(|known| known.links);
                record.known = Some(Document {
                    version: 1,
                    fetched_s: cx.now.wall_s,
                    server: found,
                    bundle,
                    links,
                });
                let ticket = Ticket::Records((server, Step::Links));
                cx.request(ticket, Request::FindLinks);
                if is_other {
                    cx.send(Message::RecordChanged);
                }
            }
            // A server is ready without it, too.
            (Step::Links, reply) => fetched(server, reply.ok(), cx),
            (_, Ok(_)) => failed(server, &Failure::unclear("a strange answer"), cx),
            (_, Err(failure)) => failed(server, &failure, cx),
        }
    }

    /// A start while the backend is unreachable needs the record: it is fetched and written again soon.
    fn on_stored(
        &mut self,
        (server, _): (ServerId, Step),
        result: Result<(), StoreError>,
        cx: &mut Cx<'_>,
    ) {
        if let (Err(error), Some(record)) = (result, cx.records.get_mut(server)) {
            log::warn!("the reply about a server is not on disk: {error}");
            record.due_ms = record.due_ms.min(cx.now.mono_ms + limits::VYHUB_ROUND_MS);
        }
    }

    fn advance(&mut self, cx: &mut Cx<'_>) {
        for at in 0..cx.records.all.len() {
            let record = &mut cx.records.all[at];
            let (server, id) = (record.server, record.id);
            // A slow backend keeps no server from being served.
            let wait_is_over = record
                .cache_due_ms
                .is_some_and(|due_ms| due_ms <= cx.now.mono_ms);
            let use_cache = wait_is_over && !record.ready;
            if !record.busy && record.due_ms <= cx.now.mono_ms {
                record.busy = true;
                record.due_ms = cx.now.mono_ms + limits::VYHUB_RECORD_MS;
                let ticket = Ticket::Records((server, Step::Record));
                cx.request(ticket, Request::FindServer(id));
            }
            if use_cache {
                make_ready(server, cx);
            }
        }
    }

    fn next_due(&self, cx: &Cx<'_>) -> Option<u64> {
        let dues = cx.records.all.iter().flat_map(|record| {
            let fetch = (!record.busy).then_some(record.due_ms);
            [fetch, record.cache_due_ms.filter(|_| !record.ready)]
        });
        dues.flatten().min()
    }
}

/// All of a server's record has come.
fn fetched(server: ServerId, links: Option<Reply>, cx: &mut Cx<'_>) {
    let Some(record) = cx.records.get_mut(server) else {
        return;
    };
    if let (Some(Reply::Links(links)), Some(known)) = (links, &mut record.known) {
        known.links = Some(links);
    }
    // Until now its bans held by the old one.
    record.old = false;
    record.busy = false;
    let text = serde_json::to_string_pretty(&record.known).unwrap_or_default();
    let name = record.document_name();
    let first = record.worked.replace(true) != Some(true);
    let ticket = Ticket::Records((server, Step::Stored));
    cx.store(Shelf::Cache, name, Some(Content::Json(text)), Some(ticket));
    if first {
        let (label, keeper) = (cx.label(server), cx.backend.keeper);
        log_server!(info, label, "{keeper} has replied");
        cx.hook(server, "vyhub_api_ready", json!({}));
    }
    make_ready(server, cx);
}

fn failed(server: ServerId, failure: &Failure, cx: &mut Cx<'_>) {
    cx.backend.report_refusal(failure, cx.now);
    let again_ms = cx.backend.again_ms(limits::VYHUB_ROUND_MS, cx.now);
    let Some(record) = cx.records.get_mut(server) else {
        return;
    };
    record.coming = None;
    record.busy = false;
    record.due_ms = again_ms;
    let first = record.worked.replace(false) != Some(false);
    let (id, cached, old) = (record.id, record.known.is_some(), record.old);
    if first {
        let rest = match (cached, old) {
            (true, false) => "the cached record is used",
            (true, true) => {
                "the cached record is older than a week, and only its bans stay in force until it works"
            }
            (false, _) => "players are not looked up and no bans are known until it works",
        };
        let label = cx.label(server);
        log_server!(
            error,
            label,
            "server {id} could not be asked for ({failure}); {rest}"
        );
        cx.hook(server, "vyhub_api_failed", json!({ "why": failure.why }));
    }
    if cached {
        make_ready(server, cx);
    }
}

/// The server's record is known, from the backend or from an earlier run.
fn make_ready(server: ServerId, cx: &mut Cx<'_>) {
    let Some(record) = cx.records.get_mut(server) else {
        return;
    };
    let Some(known) = &record.known else { return };
    let (links, data) = (known.links.clone(), record.ready_data());
    let first = !record.old && !std::mem::replace(&mut record.ready, true);
    if record.old {
        record.cache_due_ms = None;
        cx.send(Message::BansChanged);
    }
    if links.is_some() {
        cx.records.links = links;
    }
    if first {
        cx.send(Message::BansChanged);
        let label = cx.label(server);
        log_server!(
            info,
            label,
            "ready, as server {} of the bundle {}",
            data["name"],
            data["bundle_name"]
        );
        cx.hook(server, "vyhub_ready", data);
    }
}
