//! What the measuring client reads of an answer file: which calls are answered, and which with an
//! error. The values themselves are skipped.

use std::fmt;
use std::io;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::game_side::stock::Game;

/// The tokens of an answer file, and whether each was answered with an error.
pub(super) struct Answers(pub Vec<(String, bool)>);

impl Answers {
    /// What stands in a game's input file. A server that writes in place can be caught at half
    /// a file: that is left for the next look.
    pub fn read(game: &Game) -> io::Result<Self> {
        let bytes = game.peek()?.unwrap_or_default();
        let file = serde_json::from_slice(&bytes);
        Ok(file.map_or(Self(Vec::new()), |file: AnswerFile| file.calls))
    }
}

#[derive(Deserialize)]
struct AnswerFile {
    #[serde(rename = "Calls")]
    calls: Answers,
}

impl<'de> Deserialize<'de> for Answers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ByToken;
        impl<'de> Visitor<'de> for ByToken {
            type Value = Answers;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("answers by token")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Answers, M::Error> {
                let mut answers = Vec::new();
                while let Some((token, IsError(error))) = map.next_entry()? {
                    answers.push((token, error));
                }
                Ok(Answers(answers))
            }
        }
        deserializer.deserialize_map(ByToken)
    }
}

/// A value of which only that matters.
struct IsError(bool);

impl<'de> Deserialize<'de> for IsError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyValue;
        impl<'de> Visitor<'de> for AnyValue {
            type Value = IsError;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an answer")
            }
            fn visit_str<E>(self, text: &str) -> Result<IsError, E> {
                Ok(IsError(text.starts_with("[VPI ERROR]")))
            }
            fn visit_unit<E>(self) -> Result<IsError, E> {
                Ok(IsError(false))
            }
            fn visit_bool<E>(self, _: bool) -> Result<IsError, E> {
                Ok(IsError(false))
            }
            fn visit_i64<E>(self, _: i64) -> Result<IsError, E> {
                Ok(IsError(false))
            }
            fn visit_u64<E>(self, _: u64) -> Result<IsError, E> {
                Ok(IsError(false))
            }
            fn visit_f64<E>(self, _: f64) -> Result<IsError, E> {
                Ok(IsError(false))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<IsError, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(IsError(false))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<IsError, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(IsError(false))
            }
        }
        deserializer.deserialize_any(AnyValue)
    }
}
