//! What an operator asks about the outbox (`vpid queue`).

use serde_json::{Value, json};

use super::{Cx, Vyhub};
use crate::core::outbox::EntryId;
use crate::protocol::control::QueueRequest;
use crate::protocol::store::Shelf;

impl Vyhub {
    /// Errors are sentences.
    pub fn queue(&mut self, request: &QueueRequest, cx: &mut Cx<'_>) -> Result<Value, String> {
        let answer = match request {
            QueueRequest::List => {
                let entries: Vec<Value> = self.outbox.all().map(|entry| json!(entry)).collect();
                json!({ "queue": entries })
            }
            QueueRequest::Show { id } => {
                let entry = self.outbox.get(number(id)?);
                let none = || format!("there is no entry {id}; see `vpid queue list`");
                json!({ "entry": entry.ok_or_else(none)? })
            }
            QueueRequest::Retry { id: Some(id) } => {
                self.retry(number(id)?, cx)?;
                json!({ "ok": 1 })
            }
            QueueRequest::Retry { id: None } => {
                let open = self.outbox.all().map(|entry| entry.id);
                let ids: Vec<EntryId> = open.collect();
                let retried = ids.into_iter().filter(|id| self.retry(*id, cx).is_ok());
                json!({ "ok": retried.count() })
            }
            QueueRequest::Drop { id } => {
                let id = number(id)?;
                self.outbox.droppable(id)?;
                let entry = self.outbox.remove(id);
                let what = entry.map(|entry| entry.describe()).unwrap_or_default();
                log::warn!("an operator has dropped {what} ({id})");
                self.api
                    .write(Shelf::Outbox, id.to_string(), None, None, cx.out);
                self.enforce_all = true;
                json!({ "ok": 1 })
            }
        };
        self.advance(cx);
        Ok(answer)
    }

    fn retry(&mut self, id: EntryId, cx: &mut Cx<'_>) -> Result<(), String> {
        self.outbox.retry(id, cx.now)?;
        self.keep_entry(id, cx);
        self.enforce_all = true;
        Ok(())
    }
}

fn number(id: &str) -> Result<EntryId, String> {
    let wrong = |_| format!("{id:?} is no number of an entry; see `vpid queue list`");
    id.parse().map_err(wrong)
}
