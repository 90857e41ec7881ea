//! What players read: the built-in texts, and the files of owners that are laid over them.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};
use thiserror::Error;

use super::file;
use super::nearest::did_you_mean;
use super::reader::{Location, Reader, Table};
use crate::limits::{LANGUAGE_BYTES_MAX, MESSAGE_CHARS_MAX, MESSAGES_FILE_BYTES_MAX};

/// English comes first: its texts say which keys there are, and what can be filled into each. The second texts are
/// those that differ in a community of one's own, where the first name VyHub.
const BUILT_IN: [(&str, &str, &str); 2] = [
    (
        "en",
        include_str!("messages/en.json"),
        include_str!("messages/en.local.json"),
    ),
    (
        "de",
        include_str!("messages/de.json"),
        include_str!("messages/de.local.json"),
    ),
];
/// Missing texts that are named in a warning; the others are counted.
const NAMED_MAX: usize = 5;

pub(super) type Texts = BTreeMap<String, String>;

/// The texts of a language that vpid has itself. `is_local`: for a community of one's own.
pub(super) fn built_in(language: &str, is_local: bool) -> Option<Texts> {
    let (_, text, local) = BUILT_IN.iter().find(|(name, ..)| *name == language)?;
    // The tests read them all.
    let mut texts: Texts = serde_json::from_str(text).ok()?;
    if is_local {
        texts.extend(serde_json::from_str::<Texts>(local).ok()?);
    }
    Some(texts)
}

impl Reader<'_> {
    /// Every text there is, whatever the owner's file leaves out.
    pub(super) fn messages(&mut self, table: &Table, is_local: bool) -> Texts {
        let english = built_in("en", is_local).unwrap_or_default();
        let Some(language) = self.language(table) else {
            return english;
        };
        let place = table.place("language").unwrap_or(&table.place);
        let folder = match table.place("messages") {
            Some(_) => self.outside_path(table, "messages"),
            None => Some(self.written.base_dir.join("messages")),
        };
        let Some(folder) = folder else {
            return english;
        };
        if let Some(place) = table.place("messages")
            && !folder.is_dir()
        {
            let message = format!(
                "{} is no folder; make it, or take this out",
                folder.display()
            );
            self.problem(place, message);
        }
        let path = folder.join(format!("{language}.json"));
        self.files.push(path.clone());
        let own = built_in(&language, is_local);
        if !path.exists() {
            if own.is_none() {
                let built_in = BUILT_IN.map(|(name, ..)| format!("{name:?}")).join(" and ");
                let message = format!(
                    "{language:?} has no texts: {} is not there, and only {built_in} are built in",
                    path.display()
                );
                self.problem(place, message);
            }
            return own.unwrap_or(english);
        }
        // What can be filled in is the same in every community.
        let model = built_in("en", false).unwrap_or_default();
        let written = self.language_file(&path, &model);
        let base = own.as_ref().unwrap_or(&english);
        if own.is_none() && !written.is_empty() {
            self.warn_of_missing(&path, &written, &english);
        }
        let mut texts = base.clone();
        texts.extend(written);
        texts
    }

    /// None when it can be no language; that has been reported then.
    fn language(&mut self, table: &Table) -> Option<String> {
        let name = table.word("language");
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        if (1..=LANGUAGE_BYTES_MAX).contains(&name.len()) && name.bytes().all(fits) {
            return Some(name.to_owned());
        }
        let message = format!(
            "{name:?} is no language; write the name of its file in the folder of messages, \
             without .json: letters, digits, _ and -"
        );
        self.problem(table.place("language")?, message);
        None
    }

    /// The texts of a file that can be used. What is wrong with it is reported.
    fn language_file(&mut self, path: &Path, english: &Texts) -> Texts {
        let source = path.display().to_string();
        let place_of = |line: Option<usize>, key: &str| Location {
            source: source.clone(),
            line,
            key: key.to_owned(),
        };
        let bytes = match file::read(path, MESSAGES_FILE_BYTES_MAX, "texts of a language") {
            Ok(bytes) => bytes,
            Err(wrong) => {
                self.problem(&place_of(None, ""), wrong.to_string());
                return Texts::new();
            }
        };
        let text = match file::text(bytes) {
            Ok(text) => text,
            Err(wrong) => {
                self.problem(&place_of(Some(wrong.line), ""), wrong.message);
                return Texts::new();
            }
        };
        let entries: Map<String, Value> = match serde_json::from_str(&text) {
            Ok(entries) => entries,
            Err(error) => {
                let message = "is no JSON object of texts from here on: {\"key\": \"text\", ...}";
                self.problem(&place_of(Some(error.line()), ""), message);
                return Texts::new();
            }
        };
        let known: Vec<&str> = english.keys().map(String::as_str).collect();
        let mut texts = Texts::new();
        for (key, value) in entries {
            let quoted = format!("\"{key}\"");
            let line = text.lines().position(|line| line.contains(&quoted));
            let place = place_of(line.map(|line| line + 1), &key);
            let Some(model) = english.get(&key) else {
                let hint = did_you_mean(&key, &known);
                self.warn(&place, format!("is no text that vpid has{hint}"));
                continue;
            };
            match good_text(value, model) {
                Ok(text) => drop(texts.insert(key, text)),
                Err(unfit) => self.problem(&place, unfit.to_string()),
            }
        }
        texts
    }

    fn warn_of_missing(&mut self, path: &Path, written: &Texts, english: &Texts) {
        let missing: Vec<&str> = english
            .keys()
            .filter(|key| !written.contains_key(*key))
            .map(String::as_str)
            .collect();
        if missing.is_empty() {
            return;
        }
        let named = missing.iter().take(NAMED_MAX).copied();
        let named = named.collect::<Vec<_>>().join(", ");
        let more = match missing.len() > NAMED_MAX {
            true => ", ...",
            false => "",
        };
        self.warnings.push(format!(
            "{}: {} of {} texts are missing and stay English: {named}{more}",
            path.display(),
            missing.len(),
            english.len()
        ));
    }
}

/// Why a text cannot be shown to players, as the end of a sentence.
#[derive(Error, Debug)]
enum Unfit {
    #[error("must be a text in quotes")]
    NotText,
    #[error("is empty; remove it to have the built-in text")]
    Empty,
    #[error("has {0} characters; players see {MESSAGE_CHARS_MAX} at most")]
    TooLong(usize),
    #[error(
        "has a double quote or a control character in it, which the game's console cannot carry; \
         use other quotes, and one line"
    )]
    Sign,
    #[error("has {{{0}}}, which nothing is filled into; this text can have no placeholder")]
    NoPlaceholder(String),
    #[error("has {{{0}}}, which nothing is filled into; this text can have {1}")]
    Placeholder(String, String),
}

/// A text that can take the place of the English one.
fn good_text(value: Value, model: &str) -> Result<String, Unfit> {
    let Value::String(text) = value else {
        return Err(Unfit::NotText);
    };
    let length = text.chars().count();
    let known = placeholders(model);
    if text.trim().is_empty() {
        Err(Unfit::Empty)
    } else if length > MESSAGE_CHARS_MAX {
        Err(Unfit::TooLong(length))
    } else if text.contains(|sign: char| sign.is_control() || sign == '"') {
        Err(Unfit::Sign)
    } else if let Some(other) = placeholders(&text)
        .iter()
        .find(|name| !known.contains(name))
    {
        let other = (*other).to_owned();
        let known: Vec<_> = known.iter().map(|name| format!("{{{name}}}")).collect();
        Err(match known.is_empty() {
            true => Unfit::NoPlaceholder(other),
            false => Unfit::Placeholder(other, known.join(", ")),
        })
    } else {
        Ok(text)
    }
}

/// The names of what is filled into a text, as `protocol::template_text` finds them.
fn placeholders(text: &str) -> Vec<&str> {
    let pieces = text.split('{').skip(1);
    let names = pieces.filter_map(|piece| Some(piece.split_once('}')?.0));
    names.collect()
}
