//! The options of `vpid community`: what several subcommands have, and values that need more than a check of their
//! form.

use super::Listing;
use crate::cli::command::{Kind, Opt, option, switch};
use crate::cli::given::{Given, Stop};
use crate::core::community::orders::{Length, NoLength};
use crate::io::community::admin::Window;
use crate::limits::{BAN_S_MAX, COMMUNITY_LIST_DEFAULT, COMMUNITY_LIST_MAX};

pub const YES_NO: Kind = Kind::Words(&["yes", "no"]);

pub const LIMIT: Opt = option(
    "--limit",
    "N",
    Kind::Count(COMMUNITY_LIST_MAX),
    "lines of the list (default: 50)",
);
pub const SKIP: Opt = option("--skip", "N", Kind::Number, "begin the list behind so many");
pub const APPLY: Opt = switch(
    "--apply",
    "write it; without, the import only reports what it would do",
);
pub const POSITION: Opt = option(
    "--position",
    "N",
    Kind::Number,
    "its place among the others",
);
pub const ENABLED: Opt = option(
    "--enabled",
    "yes|no",
    YES_NO,
    "whether it is in use; new ones are",
);

/// What a command line has said.
#[derive(Clone, Copy)]
pub struct Options<'a>(pub &'a Given);

impl<'a> Options<'a> {
    pub fn has(self, option: &str) -> bool {
        self.0.has(option)
    }

    /// The last one counts.
    pub fn text(self, option: &str) -> Option<&'a str> {
        self.0.text(option)
    }

    pub fn all(self, option: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.texts(option)
    }

    /// Of one without which there is no command.
    pub fn required(self, option: &str) -> &'a str {
        self.text(option).unwrap_or_default()
    }

    /// `None`: not given; `Some(None)`: without an end.
    pub fn length(self, option: &str) -> Result<Option<Option<u64>>, Stop> {
        let Some(text) = self.text(option) else {
            return Ok(None);
        };
        if text.eq_ignore_ascii_case("none") {
            return Ok(Some(None));
        }
        let length = Length::parse(text).map_err(|why| {
            Stop::Usage(match why {
                NoLength::NoTime => format!(
                    "{option} must be a time such as 30m, 2h, 7d or 1w, or none, not {text:?}"
                ),
                NoLength::TooLong => format!(
                    "{option}: {text:?} is too long; a time is at most a hundred years ({}d), and none has no end",
                    BAN_S_MAX / 86_400
                ),
            })
        })?;
        Ok(Some(length.seconds()))
    }

    pub fn window(self) -> Result<Window, Stop> {
        let skip = self.0.number("--skip").unwrap_or(0);
        let skip = usize::try_from(skip)
            .map_err(|_| Stop::Usage("--skip must be a whole number from 0 on".to_owned()))?;
        Ok(Window {
            limit: self.0.count("--limit").unwrap_or(COMMUNITY_LIST_DEFAULT),
            skip,
        })
    }

    /// Of what was read as a whole.
    pub fn part<T>(self, all: Vec<T>) -> Result<Listing<T>, Stop> {
        let window = self.window()?;
        let count = all.len();
        let items = all.into_iter().skip(window.skip).take(window.limit);
        let items: Vec<T> = items.collect();
        let more = count.saturating_sub(window.skip + items.len()) as u64;
        Ok(Listing {
            items,
            more,
            left_out: Vec::new(),
        })
    }
}
