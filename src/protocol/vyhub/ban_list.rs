//! VyHub's list of bans as it comes, ban by ban: the JSON is never in memory as a whole.

use std::fmt;
use std::io::{BufReader, Read};

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::read::{Date, seconds};
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
            match serde_json::from_str::<Model>(raw.get()) {
                Ok(ban) if ban.status == "ACTIVE" && ban.active != Some(false) => {
                    let ban = ban.listed(self.steam);
                    self.builder.add(&ban).map_err(S::Error::custom)?;
                }
                Ok(_) => {}
                Err(_) => self.builder.skipped += 1,
            }
        }
        Ok(())
    }
}

/// `BanModelReduced`, as far as it is needed.
#[derive(Deserialize)]
struct Model {
    id: Uuid,
    reason: Option<String>,
    length: Option<f64>,
    created_on: Date,
    ends_on: Option<Date>,
    status: String,
    active: Option<bool>,
    user: Option<Person>,
    creator: Option<Person>,
}

/// `UserModelShort`.
#[derive(Deserialize)]
struct Person {
    username: Option<String>,
}

impl Model {
    fn listed(&self, steam: SteamId) -> Listed<'_> {
        fn name(person: &Option<Person>) -> &str {
            let username = person.as_ref().and_then(|it| it.username.as_deref());
            username.unwrap_or_default()
        }
        let created_s = self.created_on.0.as_second();
        let ends_s = self.ends_on.as_ref().map(|ends| ends.0.as_second());
        let length_s = self.length.map(seconds);
        Listed {
            id: self.id,
            steam,
            username: name(&self.user),
            reason: self.reason.as_deref().unwrap_or_default(),
            creator: name(&self.creator),
            created_s,
            ends_s: ends_s.or(length_s.map(|length_s| created_s.saturating_add(length_s))),
        }
    }
}
