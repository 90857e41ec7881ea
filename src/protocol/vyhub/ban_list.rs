//! VyHub's list of bans as it comes, player by player: the JSON is never in memory as a whole.

use std::fmt;
use std::io::{BufReader, Read};

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::read::{Date, ReadError, date, seconds};
use crate::protocol::ban_list::{BanList, Builder, Listed, TooLong};
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

impl BanList {
    /// Reads the body of an answer: an object of lists by SteamID, of bans that are in force. Keys
    /// that are no player's SteamID are passed over, and so are bans that are lifted or over; a
    /// ban that cannot be understood is too, and counted. Where none can be understood, this is no list.
    pub fn read(from: impl Read) -> Result<Self, ReadError> {
        let mut builder = Builder::default();
        let mut json = serde_json::Deserializer::from_reader(BufReader::new(from));
        json.deserialize_map(Players(&mut builder))
            .and_then(|()| json.end())
            .map_err(|error| match error.is_io() || error.is_eof() {
                true => ReadError::BrokenOff(error.to_string()),
                false => ReadError::Odd("the list of bans", error.to_string()),
            })?;
        let list = builder.finish();
        match list.is_empty() && list.skipped() > 0 {
            true => Err(ReadError::NoneRead),
            false => Ok(list),
        }
    }
}

/// The key of a body in which VyHub says what is wrong, and of no list.
const COMPLAINT: &str = "detail";

/// The object around everything.
struct Players<'a>(&'a mut Builder);

impl<'de> Visitor<'de> for Players<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("lists of bans by SteamID")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut players: M) -> Result<(), M::Error> {
        while let Some(key) = players.next_key::<String>()? {
            if key == COMPLAINT {
                return Err(M::Error::custom("it is a complaint and no list"));
            }
            // The 64-bit form; no other comes from VyHub.
            match key.parse().ok().and_then(SteamId::from_u64) {
                Some(steam) => {
                    let bans: Box<RawValue> = players.next_value()?;
                    self.0.add_all(steam, &bans).map_err(M::Error::custom)?;
                }
                None => drop(players.next_value::<Vec<IgnoredAny>>()?),
            }
        }
        Ok(())
    }
}

impl Builder {
    /// The bans of one player. Each is cut out first and understood then: so one that is odd spoils no other.
    fn add_all(&mut self, steam: SteamId, bans: &RawValue) -> Result<(), TooLong> {
        let Ok(bans) = serde_json::from_str::<Vec<&RawValue>>(bans.get()) else {
            self.skip(steam, None);
            return Ok(());
        };
        for raw in bans {
            match serde_json::from_str::<Model>(raw.get()) {
                Ok(ban) if ban.status == "ACTIVE" && ban.active => self.add(&ban.listed(steam))?,
                Ok(_) => {}
                Err(_) => {
                    let known: Option<Known> = serde_json::from_str(raw.get()).ok();
                    self.skip(steam, known.map(|known| known.id));
                }
            }
        }
        Ok(())
    }
}

/// What may be known of a ban that cannot be understood.
#[derive(Deserialize)]
struct Known {
    id: Uuid,
}

/// `BanModelReduced`, with what the definition requires; the user is the key's, so it may be left out.
#[derive(Deserialize)]
struct Model {
    id: Uuid,
    reason: Option<String>,
    length: Option<f64>,
    created_on: Date,
    #[serde(default, deserialize_with = "date_or_none")]
    ends_on: Option<Timestamp>,
    status: String,
    active: bool,
    /// `UserModelShort`, of which only the name is shown.
    #[serde(default)]
    user: Value,
    #[serde(default)]
    creator: Value,
}

/// What is no date is as one that is not there: nobody is let in for it.
fn date_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    let value = Value::deserialize(from)?;
    Ok(value.as_str().and_then(date))
}

impl Model {
    fn listed(&self, steam: SteamId) -> Listed<'_> {
        fn name(person: &Value) -> &str {
            person["username"].as_str().unwrap_or_default()
        }
        let created_s = self.created_on.0.as_second();
        let by_length = |length: f64| created_s.saturating_add(seconds(length));
        let ends_s = match self.ends_on {
            // Beyond all moments is never.
            Some(ends) if ends == Timestamp::MAX => None,
            Some(ends) => Some(ends.as_second()),
            None => self.length.map(by_length),
        };
        Listed {
            id: self.id,
            steam,
            username: name(&self.user),
            reason: self.reason.as_deref().unwrap_or_default(),
            creator: name(&self.creator),
            created_s,
            ends_s,
        }
    }
}
