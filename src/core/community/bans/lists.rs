//! The bans of each bundle as the backend listed them last, in memory and on disk.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::super::{Answer, Cx, Message, Subject, Ticket};
use super::fetching::{Asked, Fetching};
use crate::core::Now;
use crate::core::outbox::List;
use crate::jobs::store::{Content, Shelf, StoreError};
use crate::limits;
use crate::protocol::backend::{BanList, Reply, Request};
use crate::protocol::uuid::Uuid;

#[derive(Default)]
pub struct Lists {
    by_bundle: BTreeMap<Uuid, Bundle>,
    /// Lists of an earlier run whose bundles no server has yet.
    cached: HashMap<Uuid, Arc<BanList>>,
}

struct Bundle {
    list: Arc<BanList>,
    fetching: Fetching,
    /// The digest of what is on disk.
    stored: Option<u128>,
    /// The backend has replied in this run.
    fetched: bool,
}

impl Bundle {
    /// What is to be known from now on, when a list has come. `None`: it does not count yet.
    fn judged(&mut self, list: Arc<BanList>, now: Now) -> Option<Arc<BanList>> {
        let lifts_all = list.is_empty() && !self.list.is_empty();
        if !self.fetching.believes(lifts_all, now) {
            return None;
        }
        let filled_up = list.filled_up(&self.list);
        Some(filled_up.map_or(list, Arc::new))
    }
}

impl Lists {
    /// With what an earlier run has cached, by the names of files.
    pub fn restore(found: Vec<(String, Arc<BanList>)>) -> Self {
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
        if let Some(bundle) = self.by_bundle.get_mut(&bundle) {
            bundle
                .fetching
                .refresh_at(now.mono_ms + limits::VYHUB_SOON_MS);
        }
    }

    /// An order depends on what others have changed until now: the list of this bundle is fetched at once.
    pub fn refresh_newest(&mut self, bundle: Uuid, now: Now) {
        if let Some(bundle) = self.by_bundle.get_mut(&bundle) {
            bundle.fetching.refresh_newest(now);
        }
    }

    fn begin(&mut self, bundle: Uuid) {
        let cached = &mut self.cached;
        self.by_bundle.entry(bundle).or_insert_with(|| {
            let list = cached.remove(&bundle).unwrap_or_default();
            Bundle {
                stored: (!list.is_empty()).then(|| list.digest()),
                list,
                fetching: Fetching::default(),
                fetched: false,
            }
        });
    }
}

/// Fetches the lists.
#[derive(Default)]
pub struct Fetches;

impl Subject for Fetches {
    type Ticket = Asked;

    fn on_message(&mut self, message: &Message, cx: &mut Cx<'_>) {
        if matches!(message, Message::Changed(topics) if topics.bans) {
            for bundle in cx.lists.by_bundle.values_mut() {
                bundle.fetching.refresh_at(cx.now.mono_ms);
            }
        }
    }

    fn on_reply(&mut self, asked: Asked, reply: Answer, cx: &mut Cx<'_>) {
        let id = asked.bundle;
        let Some(bundle) = cx.lists.by_bundle.get_mut(&id) else {
            return;
        };
        bundle.fetching.ended(asked.at_ms, cx.now);
        match reply {
            Ok(Reply::BanList(list)) => {
                let Some(list) = bundle.judged(list, cx.now) else {
                    return;
                };
                let digest = list.digest();
                let known = bundle.stored.replace(digest) == Some(digest);
                // Equal lists need not be in memory twice. The first takes the place of the cached one, as later ones
                // share most rows with it.
                let is_first = !std::mem::replace(&mut bundle.fetched, true);
                if is_first || !known {
                    bundle.list = Arc::clone(&list);
                }
                cx.send(Message::BansChanged);
                cx.send(Message::Fetched(List::Bans, id, asked.at_ms, true));
                let ticket = (!known).then_some(Ticket::Lists(asked));
                if known {
                    cx.send(Message::Listed(List::Bans, id, asked.at_ms));
                }
                if is_first || !known {
                    let (name, content) = (format!("bans-{id}"), Some(Content::Bans(list)));
                    cx.store(Shelf::Cache, name, content, ticket);
                }
            }
            Ok(_) => {}
            Err(failure) => {
                let again_ms = cx.backend.again_ms(limits::VYHUB_ROUND_MS, cx.now);
                bundle.fetching.again_at(again_ms);
                cx.backend.report_refusal(&failure, cx.now);
                cx.send(Message::Fetched(List::Bans, id, asked.at_ms, false));
            }
        }
    }

    fn on_stored(&mut self, asked: Asked, result: Result<(), StoreError>, cx: &mut Cx<'_>) {
        if result.is_ok() {
            cx.send(Message::Listed(List::Bans, asked.bundle, asked.at_ms));
        } else if let Some(bundle) = cx.lists.by_bundle.get_mut(&asked.bundle) {
            bundle.stored = None;
        }
    }

    fn advance(&mut self, cx: &mut Cx<'_>) {
        for (_, bundle) in cx.records.enforced() {
            cx.lists.begin(bundle);
        }
        let at_ms = cx.now.mono_ms;
        let all = cx.lists.by_bundle.iter_mut();
        let due = all.filter_map(|(id, bundle)| Some((*id, bundle.fetching.begin(cx.now)?)));
        let due: Vec<(Uuid, bool)> = due.collect();
        for (bundle, newest) in due {
            let ticket = Ticket::Lists(Asked { bundle, at_ms });
            cx.request(ticket, Request::ListBans { bundle, newest });
        }
    }

    fn next_due(&self, cx: &Cx<'_>) -> Option<u64> {
        let lists = cx.lists.by_bundle.values();
        lists.filter_map(|bundle| bundle.fetching.next_due()).min()
    }
}
