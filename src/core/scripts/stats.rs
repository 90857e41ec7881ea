//! What operators see of how scripts work: how often their hooks, functions and timers ran, and for how long.
//!
//! Scripts count that themselves, and send what they have counted now and then, at their end, and when an operator
//! wants to see it (`vpid_stats.py`). It is summed up here, so it outlives reloads and restarts. A script that is busy
//! is not waited for: what it has sent so far is shown, and that it did not respond.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::orders::Issuer;
use super::{Cx, Message};
use crate::core::ids::ScriptId;
use crate::limits;
use crate::protocol::script_channel::{self as channel, Counted, MessageId};

/// Of one hook, function or timer.
#[derive(Debug, Default)]
struct Times {
    calls: u64,
    total_s: f64,
    worst_s: f64,
    /// By the number of the bucket, as far as there were any.
    buckets: Vec<u64>,
}

/// What one script has counted since it is known.
#[derive(Debug, Default)]
pub struct Stats {
    /// By kind (`hook`, `function` or `timer`) and name.
    times: BTreeMap<(String, String), Times>,
    memory_bytes: Option<u64>,
    /// Processes of it that were started.
    pub starts: u64,
}

impl Times {
    fn add(&mut self, counted: &Counted) {
        for (bucket, count) in &counted.counts {
            let at = (*bucket).min(limits::SCRIPT_STATS_BUCKETS - 1);
            if self.buckets.len() <= at {
                self.buckets.resize(at + 1, 0);
            }
            self.buckets[at] = self.buckets[at].saturating_add(*count);
            self.calls = self.calls.saturating_add(*count);
        }
        self.total_s += counted.total_s.max(0.0);
        self.worst_s = self.worst_s.max(counted.worst_s);
    }

    /// The time within which this part of all calls ended: the upper bound of its bucket.
    fn quantile_s(&self, part: f64) -> f64 {
        let rank = (self.calls as f64 * part).ceil() as u64;
        let mut seen = 0_u64;
        let place = self.buckets.iter().position(|count| {
            seen = seen.saturating_add(*count);
            seen >= rank.max(1)
        });
        place.map_or(self.worst_s, |place| {
            bucket_bound_s(place).min(self.worst_s)
        })
    }

    fn describe(&self, kind: &str, name: &str) -> Value {
        json!({
            "kind": kind,
            "name": name,
            "calls": self.calls,
            "total_s": self.total_s.min(f64::MAX),
            "p50_s": self.quantile_s(0.5),
            "p99_s": self.quantile_s(0.99),
            "worst_s": self.worst_s,
        })
    }
}

/// The upper bound of a bucket: four in each doubling, from a microsecond on; the same as in `vpid_stats.py`.
fn bucket_bound_s(bucket: usize) -> f64 {
    1e-6 * (bucket as f64 / 4.0).exp2()
}

impl Stats {
    pub fn add(&mut self, counted: &[Counted], memory_bytes: Option<u64>) {
        for each in counted {
            let mut key = (each.kind.clone(), each.name.clone());
            let is_full = self.times.len() >= limits::SCRIPT_STATS_NAMES_MAX;
            if is_full && !self.times.contains_key(&key) {
                key.1 = "(others)".into();
            }
            self.times.entry(key).or_default().add(each);
        }
        self.memory_bytes = memory_bytes.or(self.memory_bytes);
    }

    /// The process has ended, and uses nothing any more.
    fn process_ended(&mut self) {
        self.memory_bytes = None;
    }

    /// How many hooks, functions and timers ran, and for how long together.
    pub fn sums(&self) -> (u64, f64) {
        let all = self.times.values();
        all.fold((0, 0.0), |(calls, total_s), it| {
            (
                it.calls.saturating_add(calls),
                (it.total_s + total_s).min(f64::MAX),
            )
        })
    }

    pub fn memory_bytes(&self) -> Option<u64> {
        self.memory_bytes
    }

    /// What took the most time comes first.
    fn describe(&self) -> Value {
        let mut all: Vec<_> = self.times.iter().collect();
        all.sort_by(|(_, one), (_, other)| other.total_s.total_cmp(&one.total_s));
        all.iter()
            .map(|((kind, name), times)| times.describe(kind, name))
            .collect()
    }
}

/// An operator's request that waits for scripts.
struct Inquiry {
    issuer: Issuer,
    /// The scripts that are shown.
    shown: Vec<ScriptId>,
    /// Those that have not responded.
    awaited: BTreeMap<ScriptId, MessageId>,
    due_ms: u64,
}

#[derive(Default)]
pub struct Inquiries(Vec<Inquiry>);

impl Inquiries {
    pub fn on_message(&mut self, message: &Message, cx: &mut Cx<'_>) {
        match message {
            Message::StatsRequested(shown, issuer) => {
                let mut awaited = BTreeMap::new();
                for id in shown {
                    if cx.scripts[*id].is_running() {
                        let number = cx.scripts.next_message();
                        cx.scripts[*id].queue.send(&channel::stats(number));
                        awaited.insert(*id, number);
                    }
                }
                self.0.push(Inquiry {
                    issuer: *issuer,
                    shown: shown.clone(),
                    awaited,
                    due_ms: cx.now.mono_ms + limits::SCRIPT_STATS_MS,
                });
            }
            Message::ProcessEnded(id, _) => {
                cx.scripts[*id].stats.process_ended();
                for inquiry in &mut self.0 {
                    inquiry.awaited.remove(id);
                }
            }
            Message::Loading(..)
            | Message::Loaded(..)
            | Message::Functions(..)
            | Message::Unloaded(_) => {}
        }
        self.answer(cx);
    }

    /// A script has sent what it has counted, for this inquiry or by itself.
    pub fn counted(
        &mut self,
        id: ScriptId,
        inquiry: Option<MessageId>,
        (counted, memory_bytes): (&[Counted], Option<u64>),
        cx: &mut Cx<'_>,
    ) {
        cx.scripts[id].stats.add(counted, memory_bytes);
        for each in &mut self.0 {
            if each.awaited.get(&id).is_some_and(|it| Some(*it) == inquiry) {
                each.awaited.remove(&id);
            }
        }
        self.answer(cx);
    }

    /// Answers those for which every script has responded, or whose time is over.
    fn answer(&mut self, cx: &mut Cx<'_>) {
        let now_ms = cx.now.mono_ms;
        let is_over = |it: &mut Inquiry| it.awaited.is_empty() || it.due_ms <= now_ms;
        for inquiry in self.0.extract_if(.., is_over) {
            let shown = inquiry.shown.iter();
            let known = shown.filter_map(|id| Some((id, cx.scripts.get(*id)?)));
            let all = known.map(|(id, script)| {
                let mut about = script.describe_briefly();
                about["starts"] = script.stats.starts.into();
                about["memory_bytes"] = script.stats.memory_bytes.into();
                about["responded"] = (!inquiry.awaited.contains_key(id)).into();
                about["times"] = script.stats.describe();
                about
            });
            let all: Value = all.collect();
            cx.reply(inquiry.issuer, Ok(json!({ "stats": all })));
        }
    }

    pub fn advance(&mut self, cx: &mut Cx<'_>) {
        self.answer(cx);
    }

    pub fn next_due(&self) -> Option<u64> {
        self.0.iter().map(|inquiry| inquiry.due_ms).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(name: &str, counts: &[(usize, u64)], total_s: f64, worst_s: f64) -> Counted {
        Counted {
            kind: "hook".into(),
            name: name.into(),
            total_s,
            worst_s,
            counts: counts.to_vec(),
        }
    }

    #[test]
    fn times_are_summed_and_read_within_a_fifth_of_what_they_were() {
        let mut stats = Stats::default();
        // 1 ms is in bucket 40: 1 µs doubled ten times is 1.024 ms.
        stats.add(&[counted("OnTimer", &[(40, 98)], 0.098, 0.001)], Some(1));
        stats.add(&[counted("OnTimer", &[(80, 2)], 2.0, 1.0)], None);
        let about = &stats.describe()[0];
        assert_eq!(
            (&about["calls"], &about["worst_s"]),
            (&100.into(), &1.0.into())
        );
        let seconds = |key: &str| about[key].as_f64().unwrap();
        assert!((0.001..0.0012).contains(&seconds("p50_s")), "{about}");
        assert!((0.8..=1.0).contains(&seconds("p99_s")), "{about}");
        assert!((seconds("total_s") - 2.098).abs() < 1e-9);
        assert_eq!(stats.memory_bytes, Some(1));
    }

    #[test]
    fn names_and_buckets_are_bounded_whatever_a_script_sends() {
        let mut stats = Stats::default();
        for number in 0..2 * limits::SCRIPT_STATS_NAMES_MAX {
            let name = number.to_string();
            stats.add(
                &[counted(&name, &[(usize::MAX, u64::MAX)], f64::MAX, 1.0)],
                None,
            );
        }
        assert_eq!(stats.times.len(), limits::SCRIPT_STATS_NAMES_MAX + 1);
        let longest = stats.times.values().map(|times| times.buckets.len()).max();
        assert_eq!(longest, Some(limits::SCRIPT_STATS_BUCKETS));
        let lies = counted("0", &[], f64::NAN, f64::NAN);
        stats.add(&[lies], None);
        assert!(!stats.describe().to_string().contains("null"));
    }
}
