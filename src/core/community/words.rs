//! What players are told: the owner's texts, filled, in the form that chat and console carry.
//!
//! A console has no way to carry a quote or a control character, and a reason must never be what
//! keeps a banned player in. So such characters are replaced here, openly, where messages are
//! composed; what quotes commands changes nothing.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::config::Community;
use crate::limits;
use crate::protocol::cut::cut;
use crate::protocol::look_alike::turns;
use crate::protocol::template_text::fill;
use crate::protocol::uuid::Uuid;

const CUT: &str = "\u{2026}";

/// Why something was not done: a message for the player who wanted it, and its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub key: &'static str,
    pub values: Vec<(&'static str, String)>,
}

impl Problem {
    pub fn new(key: &'static str, values: &[(&'static str, &str)]) -> Self {
        let values = values.iter().map(|(name, value)| (*name, (*value).into()));
        Self {
            key,
            values: values.collect(),
        }
    }
}

/// The owner's texts and time zone.
#[derive(Debug, Clone)]
pub struct Words {
    messages: BTreeMap<String, String>,
    time_zone: TimeZone,
}

/// What a banned player is told about the ban.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BanNotice<'a> {
    /// May be empty, like the admin.
    pub reason: &'a str,
    /// Unix seconds.
    pub since_s: i64,
    /// `None`: permanent.
    pub until_s: Option<i64>,
    pub admin: &'a str,
    /// As [`short_id`] gives it.
    pub id: String,
    pub link: &'a str,
}

/// What is enough of an id for people: its first eight digits.
pub fn short_id(id: Uuid) -> String {
    format!("{:08x}", id.0 >> 96)
}

impl Words {
    pub fn new(config: &Community) -> Self {
        Self {
            messages: config.messages.clone(),
            time_zone: config.time_zone.clone(),
        }
    }

    /// A text with its places filled; not yet fit for chat or console.
    pub fn say(&self, key: &str, values: &[(&str, &str)]) -> String {
        fill(self.text(key), values)
    }

    /// A line of chat.
    pub fn chat(&self, key: &str, values: &[(&str, &str)]) -> String {
        let line = plain(&self.say(key, values));
        let line = shorten(&line, limits::CHAT_BYTES_MAX);
        // Nothing cannot be said.
        if line.is_empty() {
            return shorten(key, limits::CHAT_BYTES_MAX).into_owned();
        }
        line.into_owned()
    }

    /// The line of chat for the player who did not get what they wanted.
    pub fn problem(&self, problem: &Problem) -> String {
        let values = problem.values.iter();
        let values: Vec<_> = values.map(|(name, text)| (*name, text.as_str())).collect();
        self.chat(problem.key, &values)
    }

    /// Until when; `None`: permanent.
    pub fn until(&self, unix_s: Option<i64>) -> String {
        unix_s.map_or_else(|| self.say("permanent", &[]), |unix_s| self.date(unix_s))
    }

    /// A moment in the owner's zone: `2026-11-20 08:00 CET`.
    pub fn date(&self, unix_s: i64) -> String {
        let nearest = match unix_s < 0 {
            true => Timestamp::MIN,
            false => Timestamp::MAX,
        };
        let moment = Timestamp::from_second(unix_s).unwrap_or(nearest);
        let here = moment.to_zoned(self.time_zone.clone());
        here.strftime("%Y-%m-%d %H:%M %Z").to_string()
    }

    /// How long: `1 day 2 hours`; `None`: permanent. Seconds are rounded up to a minute.
    pub fn length(&self, seconds: Option<u64>) -> String {
        let Some(seconds) = seconds else {
            return self.say("permanent", &[]);
        };
        let minutes = seconds.div_ceil(60);
        let units = [
            (minutes / 1_440, "day_one", "days"),
            (minutes % 1_440 / 60, "hour_one", "hours"),
            (minutes % 60, "minute_one", "minutes"),
        ];
        let shown = units.iter().filter(|(n, ..)| *n > 0);
        let mut words: Vec<_> = shown
            .map(|(n, one, many)| match n {
                1 => self.say(one, &[]),
                n => self.say(many, &[("n", &n.to_string())]),
            })
            .collect();
        if words.is_empty() {
            words.push(self.say("minutes", &[("n", "0")]));
        }
        words.join(" ")
    }

    /// What a banned player reads when kicked. If it would be too long, the reason is shortened
    /// first and then the admin; dates, id and link say where the rest can be read.
    pub fn kick(&self, ban: &BanNotice) -> String {
        let key = match ban.until_s {
            Some(_) => "ban_kick",
            None => "ban_kick_permanent",
        };
        let text = plain(self.text(key));
        let or = |text: &str, key: &str| match plain(text) {
            text if text.is_empty() => plain(self.text(key)),
            text => text,
        };
        let (reason, admin) = (or(ban.reason, "no_reason"), or(ban.admin, "unknown_admin"));
        let since = plain(&self.date(ban.since_s));
        let until = ban.until_s.map(|until_s| plain(&self.date(until_s)));
        let (id, link) = (plain(&ban.id), plain(ban.link));
        let with = |reason_bytes: usize, admin_bytes: usize| {
            let values = [
                ("reason", &*shorten(&reason, reason_bytes)),
                ("since", &since),
                ("until", until.as_deref().unwrap_or_default()),
                ("admin", &shorten(&admin, admin_bytes)),
                ("id", &id),
                ("link", &link),
            ];
            fill(&text, &values)
        };
        let fits = |text: &str| text.len() <= limits::KICK_REASON_BYTES_MAX;
        let reason_bytes = most(reason.len(), |bytes| fits(&with(bytes, admin.len())));
        let admin_bytes = most(admin.len(), |bytes| fits(&with(reason_bytes, bytes)));
        let whole = plain(&with(reason_bytes, admin_bytes));
        match shorten(&whole, limits::KICK_REASON_BYTES_MAX) {
            none if none.is_empty() => key.into(),
            whole => whole.into_owned(),
        }
    }

    /// The configuration has a text for every key; one that is asked for in vain is seen as such.
    fn text<'a>(&'a self, key: &'a str) -> &'a str {
        self.messages.get(key).map_or(key, String::as_str)
    }
}

/// The largest number of bytes up to `all` that fits, else what the mark of a cut takes.
fn most(all: usize, fits: impl Fn(usize) -> bool) -> usize {
    let least = all.min(CUT.len());
    if fits(all) {
        return all;
    }
    // What fits is below, what does not is at or above.
    let (mut low, mut high) = (least, all);
    while high - low > 1 {
        let middle = low.midpoint(high);
        match fits(middle) {
            true => low = middle,
            false => high = middle,
        }
    }
    low
}

/// In the form that a console carries: on one line, without double quotes, without runs of spaces, and without what would
/// turn the text around it.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => plain.push('\''),
            c if turns(c) => {}
            c if c.is_control() || c.is_whitespace() => {
                if !plain.is_empty() && !plain.ends_with(' ') {
                    plain.push(' ');
                }
            }
            c => plain.push(c),
        }
    }
    plain.truncate(plain.trim_end().len());
    plain
}

/// At most so many bytes, cut between characters and marked as cut where there is room for that.
fn shorten(text: &str, bytes_max: usize) -> Cow<'_, str> {
    if text.len() <= bytes_max {
        return text.into();
    }
    let room = bytes_max.checked_sub(CUT.len());
    let mark = room.map_or("", |_| CUT);
    let start = cut(text, room.unwrap_or(bytes_max));
    format!("{}{mark}", start.trim_end()).into()
}

#[cfg(test)]
mod tests;
