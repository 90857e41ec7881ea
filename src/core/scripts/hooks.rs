//! Which scripts have which hooks. An event that no script handles costs a look into a map.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Cx, Message};
use crate::core::event::LaunchKind;
use crate::core::ids::{ScriptId, ServerId};
use crate::protocol::script_channel as channel;

#[derive(Default)]
pub struct Hooks {
    listeners: BTreeMap<String, BTreeSet<ScriptId>>,
    /// Their hooks are not known yet: what happens meanwhile waits for them.
    loading: BTreeSet<ScriptId>,
}

impl Hooks {
    pub fn on_message(&mut self, message: &Message) {
        let (id, hooks) = match message {
            Message::Loaded(id, hooks) => (id, &hooks[..]),
            Message::Loading(id, _) | Message::Unloaded(id) => (id, &[][..]),
            Message::Functions(..) | Message::ProcessEnded(..) => return,
        };
        self.loading.remove(id);
        self.listeners.retain(|_, listeners| {
            listeners.remove(id);
            !listeners.is_empty()
        });
        for hook in hooks {
            self.listeners.entry(hook.clone()).or_default().insert(*id);
        }
        // The file of VPI functions never has hooks.
        if matches!(message, Message::Loading(_, LaunchKind::Script)) {
            self.loading.insert(*id);
        }
    }

    pub fn listens(&self, hook: &str) -> bool {
        self.listeners.contains_key(hook) || !self.loading.is_empty()
    }

    /// Scripts that have this hook, or may turn out to have it; in the order of the start.
    pub fn listeners(&self, hook: &str) -> impl Iterator<Item = ScriptId> {
        let listeners = self.listeners.get(hook).into_iter().flatten();
        listeners.chain(&self.loading).copied()
    }

    pub fn has(&self, id: ScriptId, hook: &str) -> bool {
        let listeners = self.listeners.get(hook);
        listeners.is_some_and(|listeners| listeners.contains(&id))
    }

    /// The hooks of a script.
    pub fn of(&self, id: ScriptId) -> Vec<&str> {
        let hooks = self.listeners.iter();
        let hooks = hooks.filter(|(_, listeners)| listeners.contains(&id));
        hooks.map(|(hook, _)| hook.as_str()).collect()
    }
}

impl Cx<'_> {
    /// Calls a hook of every script that has it, or may turn out to have it.
    pub(super) fn raise(&mut self, hook: &str, server: Option<ServerId>, args: &[Value]) {
        if self.hooks.listens(hook) {
            let event = channel::event(hook, server, args);
            for id in self.hooks.listeners(hook) {
                self.scripts[id].push_event(event.clone());
            }
        }
    }
}
