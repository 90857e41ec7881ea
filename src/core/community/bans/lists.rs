//! The bans of each bundle as the backend listed them last, in memory and on disk.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::super::{Answer, Cx, Message, Subject, Ticket};
use crate::core::Now;
use crate::jobs::store::{Content, Shelf, StoreError};
use crate::limits;
use crate::protocol::backend::{BanList, Reply, Request};
use crate::protocol::uuid::Uuid;

#[derive(Default)]
pub struct Lists {
    by_bundle: BTreeMap<Uuid, Bundle>,
    /// Lists of an earlier run whose bundles no server has yet.
    cached: HashMap<Uuid, BanList>,
}

struct Bundle {
    list: Arc<BanList>,
    /// When the next fetch is due, on the daemon's clock.
    due_ms: u64,
    /// When the one under way was requested.
    asked_ms: Option<u64>,
    /// The list under way may be older than a change.
    refresh_soon: bool,
    /// The digest of what is on disk.
    stored: Option<u64>,
    /// The backend has replied in this run.
    fetched: bool,
    /// The last list that came was empty, and this one is not.
    doubted: bool,
}

impl Bundle {
    /// What is to be known from now on, when a list has come. `None`: an empty one in the place of one with
    /// bans, which would lift all of them, is believed when it comes twice.
    fn judged(&mut self, list: Arc<BanList>) -> Option<Arc<BanList>> {
        let lifts_all = list.is_empty() && !self.list.is_empty();
        if lifts_all && !std::mem::replace(&mut self.doubted, true) {
            return None;
        }
        self.doubted = false;
        let filled_up = list.filled_up(&self.list);
        Some(filled_up.map_or(list, Arc::new))
    }
}

impl Lists {
    /// With what an earlier run has cached, by the names of files.
    pub fn restore(found: Vec<(String, BanList)>) -> Self {
        let cached = found.into_iter().filter_map(|(name, list)| {
            let bundle = name.strip_prefix("bans-")?.parse().ok()?;
            Some((bundle, list))
        });
        Self {
            by_bundle: BTreeMap::new(),
            cached: cached.collect(),
        }
    }

    pub fn get(&self, bundle: Uuid) -> Option<&BanList> {
        Some(&self.by_bundle.get(&bundle)?.list)
    }

    /// Whether the list is of this run.
    pub fn is_fetched(&self, bundle: Uuid) -> bool {
        self.by_bundle
            .get(&bundle)
            .is_some_and(|bundle| bundle.fetched)
    }

    /// Something has changed: the list of this bundle is fetched soon.
    pub fn refresh(&mut self, bundle: Uuid, now: Now) {
        self.refresh_at(bundle, now.mono_ms + limits::VYHUB_SOON_MS);
    }

    pub fn refresh_at(&mut self, bundle: Uuid, due_ms: u64) {
        if let Some(bundle) = self.by_bundle.get_mut(&bundle) {
            bundle.refresh_soon |= bundle.asked_ms.is_some();
            bundle.due_ms = bundle.due_ms.min(due_ms);
        }
    }

    fn begin(&mut self, bundle: Uuid) {
        let cached = &mut self.cached;
        self.by_bundle.entry(bundle).or_insert_with(|| {
            let list = cached.remove(&bundle).unwrap_or_default();
            Bundle {
                stored: (!list.is_empty()).then(|| list.digest()),
                list: Arc::new(list),
                due_ms: 0,
                asked_ms: None,
                refresh_soon: false,
                fetched: false,
                doubted: false,
            }
        });
    }
}

/// Fetches the lists.
#[derive(Default)]
pub struct Fetches;

/// The list of a bundle, and when it was requested.
pub struct Asked {
    bundle: Uuid,
    at_ms: u64,
}

impl Subject for Fetches {
    type Ticket = Asked;

    fn on_reply(&mut self, asked: Asked, reply: Answer, cx: &mut Cx<'_>) {
        let id = asked.bundle;
        let Some(bundle) = cx.lists.by_bundle.get_mut(&id) else {
            return;
        };
        bundle.asked_ms = None;
        bundle.due_ms = match std::mem::take(&mut bundle.refresh_soon) {
            true => cx.now.mono_ms + limits::VYHUB_SOON_MS,
            false => asked.at_ms + limits::VYHUB_ROUND_MS,
        };
        match reply {
            Ok(Reply::BanList(list)) => {
                let Some(list) = bundle.judged(list) else {
                    bundle.due_ms = cx.now.mono_ms + limits::VYHUB_SOON_MS;
                    return;
                };
                let digest = list.digest();
                bundle.list = Arc::clone(&list);
                bundle.fetched = true;
                let known = bundle.stored.replace(digest) == Some(digest);
                cx.send(Message::BansChanged);
                cx.send(Message::Fetched(id, asked.at_ms, true));
                if known {
                    return cx.send(Message::Listed(id, asked.at_ms));
                }
                let (name, content) = (format!("bans-{id}"), Some(Content::Bans(list)));
                cx.store(Shelf::Cache, name, content, Some(Ticket::Lists(asked)));
            }
            Ok(_) => {}
            Err(failure) => {
                bundle.due_ms = cx.backend.again_ms(limits::VYHUB_ROUND_MS, cx.now);
                cx.backend.report_refusal(&failure, cx.now);
                cx.send(Message::Fetched(id, asked.at_ms, false));
            }
        }
    }

    fn on_stored(&mut self, asked: Asked, result: Result<(), StoreError>, cx: &mut Cx<'_>) {
        if result.is_ok() {
            cx.send(Message::Listed(asked.bundle, asked.at_ms));
        } else if let Some(bundle) = cx.lists.by_bundle.get_mut(&asked.bundle) {
            bundle.stored = None;
        }
    }

    fn advance(&mut self, cx: &mut Cx<'_>) {
        for (_, bundle) in cx.records.enforced() {
            cx.lists.begin(bundle);
        }
        let at_ms = cx.now.mono_ms;
        let mut due = Vec::new();
        for (id, bundle) in &mut cx.lists.by_bundle {
            if bundle.asked_ms.is_none() && bundle.due_ms <= at_ms {
                bundle.asked_ms = Some(at_ms);
                due.push(*id);
            }
        }
        for bundle in due {
            let ticket = Ticket::Lists(Asked { bundle, at_ms });
            cx.request(ticket, Request::ListBans(bundle));
        }
    }

    fn next_due(&self, cx: &Cx<'_>) -> Option<u64> {
        let lists = cx.lists.by_bundle.values();
        let idle = lists.filter(|bundle| bundle.asked_ms.is_none());
        idle.map(|bundle| bundle.due_ms).min()
    }
}
