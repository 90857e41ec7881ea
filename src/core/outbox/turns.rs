//! Which entry is sent next, indexed so that no event scans all entries.

use std::collections::{BTreeMap, BTreeSet};

use super::entry::EntryId;
use super::kinds::Series;

/// What may be sent from the same moment on: a series, and the kind of the request.
pub type Class = (Series, &'static str);

/// Where an entry stands whose turn it is, or will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub class: Class,
    pub due_ms: u64,
    pub tries: u32,
}

#[derive(Debug, Default)]
pub struct Turns {
    /// As many as there are kinds.
    classes: BTreeMap<Class, Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// By when they are due, and how often they were tried.
    later: BTreeMap<(u64, EntryId), u32>,
    /// Those that are due: what was tried less comes first.
    due: BTreeSet<(u32, EntryId)>,
}

impl Turns {
    /// An entry has another place than before, or none.
    pub fn change(&mut self, id: EntryId, before: Option<Place>, after: Option<Place>) {
        if before == after {
            return;
        }
        if let Some(place) = before
            && let Some(waiting) = self.classes.get_mut(&place.class)
        {
            waiting.later.remove(&(place.due_ms, id));
            waiting.due.remove(&(place.tries, id));
        }
        if let Some(place) = after {
            let waiting = self.classes.entry(place.class).or_default();
            waiting.later.insert((place.due_ms, id), place.tries);
        }
    }

    /// What is due now, the first of each class: its series, how often it was tried, and its id.
    pub fn due(&mut self, now_ms: u64) -> impl Iterator<Item = (Series, u32, EntryId)> {
        for waiting in self.classes.values_mut() {
            while let Some(first) = waiting.later.first_entry()
                && first.key().0 <= now_ms
            {
                let ((_, id), tries) = first.remove_entry();
                waiting.due.insert((tries, id));
            }
        }
        let classes = self.classes.iter();
        classes.filter_map(|((series, _), waiting)| {
            let (tries, id) = *waiting.due.first()?;
            Some((*series, tries, id))
        })
    }

    /// The one of each class that is due first.
    pub fn next(&self) -> impl Iterator<Item = (Series, EntryId)> {
        self.classes.iter().filter_map(|((series, _), waiting)| {
            let due = waiting.due.first().map(|(_, id)| *id);
            let id = due.or_else(|| waiting.later.first_key_value().map(|((_, id), _)| *id))?;
            Some((*series, id))
        })
    }
}
