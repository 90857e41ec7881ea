//! VyHub's list of bans as it comes, ban by ban: the JSON is never in memory as a whole.

use std::fmt;
use std::io::{BufReader, Read};

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::read::{date, seconds};
use crate::protocol::ban_list::{BanList, Builder, Listed};
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

impl BanList {
    /// Reads the body of an answer: an object of lists by SteamID, of bans that are in force. Keys
    /// that are no player's SteamID are passed over, and so are bans that are lifted or over; a
    /// ban that cannot be understood is too, and counted.
    ///
    /// Errors: a sentence.
    pub fn read(from: impl Read) -> Result<Self, String> {
        let mut builder = Builder::default();
        let mut json = serde_json::Deserializer::from_reader(BufReader::new(from));
        json.deserialize_map(Players(&mut builder))
            .and_then(|()| json.end())
            .map_err(|error| match error.is_io() || error.is_eof() {
                true => format!("the list of bans broke off: {error}"),
                false => format!("the list of bans cannot be understood: {error}"),
            })?;
        Ok(builder.finish())
    }
}

/// The object around everything.
struct Players<'a>(&'a mut Builder);

impl<'de> Visitor<'de> for Players<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("lists of bans by SteamID")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut players: M) -> Result<(), M::Error> {
        while let Some(key) = players.next_key::<String>()? {
            // The 64-bit form; no other comes from VyHub.
            let steam = key.parse().ok().and_then(SteamId::from_u64);
            match steam {
                Some(steam) => players.next_value_seed(Bans {
                    steam,
                    builder: self.0,
                })?,
                None => {
                    players.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// The bans of one player.
struct Bans<'a> {
    steam: SteamId,
    builder: &'a mut Builder,
}

impl<'de> DeserializeSeed<'de> for Bans<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bans<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of bans")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut bans: S) -> Result<(), S::Error> {
        // A ban is cut out first and understood then: so one that is odd spoils no other.
        while let Some(raw) = bans.next_element::<Box<RawValue>>()? {
            match Entry::parse(&raw) {
                Some(entry) if entry.in_force => {
                    let ban = entry.listed(self.steam);
                    self.builder.add(&ban).map_err(S::Error::custom)?;
                }
                Some(_) => {}
                None => self.builder.skipped += 1,
            }
        }
        Ok(())
    }
}

/// `BanModelReduced`, as far as it is needed.
#[derive(Deserialize)]
struct Model {
    id: Uuid,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    length: Option<f64>,
    created_on: String,
    #[serde(default)]
    ends_on: Option<String>,
    status: String,
    #[serde(default)]
    active: Option<bool>,
    #[serde(default)]
    user: Option<Person>,
    #[serde(default)]
    creator: Option<Person>,
}

/// `UserModelShort`.
#[derive(Deserialize)]
struct Person {
    #[serde(default)]
    username: Option<String>,
}

impl Person {
    fn name(person: Option<Self>) -> String {
        person.and_then(|it| it.username).unwrap_or_default()
    }
}

struct Entry {
    id: Uuid,
    username: String,
    reason: String,
    creator: String,
    created_s: i64,
    ends_s: Option<i64>,
    in_force: bool,
}

impl Entry {
    fn parse(raw: &RawValue) -> Option<Self> {
        let model: Model = serde_json::from_str(raw.get()).ok()?;
        let created_s = date(&model.created_on)?.as_second();
        let ends_s = match (&model.ends_on, model.length) {
            (Some(ends), _) => Some(date(ends)?.as_second()),
            (None, Some(length)) => Some(created_s.saturating_add(seconds(length))),
            (None, None) => None,
        };
        Some(Self {
            id: model.id,
            username: Person::name(model.user),
            reason: model.reason.unwrap_or_default(),
            creator: Person::name(model.creator),
            created_s,
            ends_s,
            in_force: model.status == "ACTIVE" && model.active != Some(false),
        })
    }

    fn listed(&self, steam: SteamId) -> Listed<'_> {
        Listed {
            id: self.id,
            steam,
            username: &self.username,
            reason: &self.reason,
            creator: &self.creator,
            created_s: self.created_s,
            ends_s: self.ends_s,
        }
    }
}
