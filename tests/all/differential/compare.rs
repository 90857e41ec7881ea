//! Whether two servers did the same.

use std::collections::BTreeMap;

use serde_json::Value;

use super::calls::Case;
use super::classes::{self, Class};
use super::model::{Engine, Outcome, Reply};

/// A call that came out differently.
#[derive(Debug, Clone)]
pub struct Difference {
    pub engine: Engine,
    pub case: Case,
    pub stock: Outcome,
    pub ours: Outcome,
    /// What an error of ours said, whole.
    pub said: String,
}

impl Difference {
    /// None where both did the same.
    pub fn between(
        engine: Engine,
        case: &Case,
        stock: Outcome,
        ours: Outcome,
        said: String,
    ) -> Option<Self> {
        let is_same =
            same_reply(&sorted(&stock.reply), &sorted(&ours.reply)) && stock.rows == ours.rows;
        (!is_same).then(|| Self {
            engine,
            case: case.clone(),
            stock,
            ours,
            said,
        })
    }
}

/// A reply out of an answer, and the whole text of an error.
pub fn reply_of(answer: Value) -> (Reply, String) {
    let Some(text) = answer
        .as_str()
        .and_then(|text| text.strip_prefix("[VPI ERROR] ("))
    else {
        return (Reply::Value(answer), String::new());
    };
    let reason = text.split_once(") :: ").map_or(text, |(_, reason)| reason);
    let name = reason.split(':').next().unwrap_or_default();
    (Reply::Error(name.to_string()), reason.to_string())
}

/// No call says in which order its rows come, so an engine may give them in any.
fn sorted(reply: &Reply) -> Reply {
    match reply {
        Reply::Value(Value::Array(rows)) => {
            let mut rows = rows.clone();
            rows.sort_by_key(Value::to_string);
            Reply::Value(rows.into())
        }
        other => other.clone(),
    }
}

/// What vpid refuses by itself may have any name where the stock server failed, too.
fn same_reply(stock: &Reply, ours: &Reply) -> bool {
    const OF_VPID: [&str; 4] = ["ValueError", "KeyError", "PermissionError", "MalformedCall"];
    match (stock, ours) {
        (Reply::Value(stock), Reply::Value(ours)) => same_value(stock, ours),
        (Reply::Error(_), Reply::Error(name)) if OF_VPID.contains(&name.as_str()) => true,
        _ => stock == ours,
    }
}

/// Floats are the same where the game, whose floats have 32 bits, reads the same.
fn same_value(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| same_value(one, other))
        }
        (Value::Number(one), Value::Number(other)) if one.is_f64() && other.is_f64() => {
            let [one, other] = [one, other].map(|number| number.as_f64().unwrap_or_default());
            one as f32 == other as f32
        }
        _ => one == other,
    }
}

/// Differences by their classes.
#[derive(Default)]
pub struct Report {
    pub calls: usize,
    pub known: BTreeMap<&'static str, Vec<Difference>>,
    /// Those of no class: silent differences.
    pub unknown: Vec<Difference>,
}

impl Report {
    pub fn add(&mut self, difference: Difference) {
        match classes::of(&difference) {
            Some(Class { name, .. }) => self.known.entry(name).or_default().push(difference),
            None => self.unknown.push(difference),
        }
    }

    /// A line for each class, then every call of no class.
    pub fn text(&self) -> String {
        let mut text = format!("{} calls\n", self.calls);
        for class in &classes::ALL {
            if let Some(differences) = self.known.get(class.name) {
                let (count, first) = (differences.len(), &differences[0]);
                text += &format!("{count:6}  {}: {}\n", class.name, first.shown());
                text += &format!("        the manual: {}\n", class.line);
            }
        }
        for difference in &self.unknown {
            text += &format!("  NEW  {}\n", difference.shown());
        }
        text
    }
}

impl Difference {
    fn shown(&self) -> String {
        let Self {
            engine,
            case,
            stock,
            ours,
            said,
        } = self;
        let changed: Vec<_> = stock
            .rows
            .iter()
            .filter(|row| !ours.rows.contains(row))
            .collect();
        let ours_changed: Vec<_> = ours
            .rows
            .iter()
            .filter(|row| !stock.rows.contains(row))
            .collect();
        format!(
            "{engine:?} {} {}\n          stock: {:?} {changed:?}\n          vpid:  {:?} {ours_changed:?} {said}",
            case.function, case.kwargs, stock.reply, ours.reply
        )
    }
}
