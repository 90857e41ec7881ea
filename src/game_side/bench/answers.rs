//! What the measuring client reads of a response file: which calls are answered, and which with an
//! error. The values themselves are skipped.

use std::collections::HashMap;
use std::io;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::game_side::stock::Game;

#[derive(Deserialize)]
struct AnswerFile<'a> {
    #[serde(borrow, rename = "Calls")]
    calls: HashMap<String, &'a RawValue>,
}

/// The tokens in a game's input file, and whether each was answered with an error. A server that writes in
/// place can be caught at half a file: that is left for the next look.
pub(super) fn read(game: &Game) -> io::Result<Vec<(String, bool)>> {
    let bytes = game.peek()?.unwrap_or_default();
    let Ok(file) = serde_json::from_slice::<AnswerFile>(&bytes) else {
        return Ok(Vec::new());
    };
    let is_error = |value: &RawValue| value.get().starts_with("\"[VPI ERROR]");
    let answers = file.calls.into_iter();
    Ok(answers
        .map(|(token, value)| (token, is_error(value)))
        .collect())
}
