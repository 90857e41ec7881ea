//! How a line of the log looks: as text for people, or as an object of JSON for programs. Pure but for the clock.

use jiff::{Timestamp, Zoned};
use log::Level;
use log::kv::{Key, Value, VisitSource};
use serde::Serialize;

/// What is logged.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    pub level: Level,
    /// Of vpid: `sql`, `rcon` and others.
    pub part: &'static str,
    /// The module.
    pub target: &'a str,
    pub about: &'a About,
    pub text: &'a str,
}

/// What a line is about, for programs: the text names it, too. `log::warn!(server:% = label; "{label}: ...")`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    pub server: Option<String>,
    /// A game, by the name under which it writes files.
    pub host: Option<String>,
    /// A Python script.
    pub script: Option<String>,
}

impl About {
    /// Of the keys and values of a line. Other keys count for nothing.
    pub fn of(record: &log::Record<'_>) -> Self {
        let mut about = Self::default();
        // It gives only what the visitor does.
        let _ = record.key_values().visit(&mut about);
        about
    }
}

impl<'a> VisitSource<'a> for About {
    fn visit_pair(&mut self, key: Key<'a>, value: Value<'a>) -> Result<(), log::kv::Error> {
        let place = match key.as_str() {
            "server" => &mut self.server,
            "host" => &mut self.host,
            "script" => &mut self.script,
            _ => return Ok(()),
        };
        *place = Some(value.to_string());
        Ok(())
    }
}

/// In front of a line of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Front {
    /// The journal adds the time itself, and takes the priority from this.
    Journal(&'static str),
    Time,
    TimeAndColours,
}

/// Wide enough for every level and every part.
const LEVEL: usize = 5;
const PART: usize = 9;

/// A line for people, with its end.
pub fn text(line: &Line<'_>, front: Front, now: &Zoned) -> String {
    let level = format!("{:<LEVEL$}", line.level);
    let (part, text) = (format!("{:<PART$}", line.part), one_line(line.text));
    let time = || now.strftime("%Y-%m-%d %H:%M:%S%.3f");
    match front {
        Front::Journal(priority) => format!("{priority}{level} {part} {text}\n"),
        Front::Time => format!("{} {level} {part} {text}\n", time()),
        Front::TimeAndColours => format!(
            "{DIM}{}{PLAIN} {}{level}{PLAIN} {DIM}{part}{PLAIN} {text}\n",
            time(),
            colour(line.level)
        ),
    }
}

const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

fn colour(level: Level) -> &'static str {
    match level {
        Level::Error => "\x1b[1;31m",
        Level::Warn => "\x1b[33m",
        Level::Info => "",
        Level::Debug | Level::Trace => DIM,
    }
}

#[derive(Serialize)]
struct Object<'a> {
    time: String,
    level: &'a str,
    part: &'a str,
    module: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    script: Option<String>,
    message: String,
}

/// An object, with the end of its line. `before`: a priority for the journal.
pub fn json(line: &Line<'_>, before: &str, now: Timestamp) -> String {
    let level = line.level.as_str().to_ascii_lowercase();
    let clean = |name: &Option<String>| name.as_deref().map(one_line);
    let object = Object {
        time: format!("{now:.3}"),
        level: &level,
        part: line.part,
        module: line.target,
        server: clean(&line.about.server),
        host: clean(&line.about.host),
        script: clean(&line.about.script),
        // A file of objects is also looked at in a terminal.
        message: one_line(line.text),
    };
    let object = serde_json::to_string(&object).unwrap_or_default();
    format!("{before}{object}\n")
}

/// Names and texts of players reach the log: nothing of theirs that moves a cursor, begins a line, or turns the
/// direction of writing around reaches a terminal.
pub fn one_line(text: &str) -> String {
    text.chars()
        .map(|sign| match sign {
            '\u{200e}' | '\u{200f}' | '\u{61c}' => '\u{fffd}',
            '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
            sign if sign.is_control() => '\u{fffd}',
            sign => sign,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    const NOTHING: About = About {
        server: None,
        host: None,
        script: None,
    };
    const LINE: Line<'_> = Line {
        level: Level::Warn,
        part: "rcon",
        target: "vpid::io::rcon",
        about: &NOTHING,
        text: "a \x1b[2Jname\nof \u{202e}a \u{9b}player",
    };
    const CLEAN: &str = "a \u{fffd}[2Jname\u{fffd}of \u{fffd}a \u{fffd}player";

    fn now() -> Zoned {
        let now: Timestamp = "2026-03-04T05:06:07.0891Z".parse().unwrap();
        now.to_zoned(TimeZone::UTC)
    }

    #[test]
    fn a_line_of_text_has_its_time_level_and_part_and_colours_for_a_terminal_alone() {
        let plain = text(&LINE, Front::Time, &now());
        assert_eq!(
            plain,
            format!("2026-03-04 05:06:07.089 WARN  rcon      {CLEAN}\n")
        );
        let journal = text(&LINE, Front::Journal("<4>"), &now());
        assert_eq!(journal, format!("<4>WARN  rcon      {CLEAN}\n"));
        let coloured = text(&LINE, Front::TimeAndColours, &now());
        assert!(coloured.contains("\x1b[33mWARN \x1b[0m"), "{coloured:?}");
        assert!(coloured.ends_with(&format!("{CLEAN}\n")));
    }

    #[test]
    fn an_object_has_all_that_is_known_and_no_control_characters() {
        let about = About {
            server: Some("tf2\x1b".to_owned()),
            ..NOTHING
        };
        let line = Line {
            about: &about,
            ..LINE
        };
        let line = json(&line, "<4>", now().timestamp());
        let object: serde_json::Value = serde_json::from_str(&line[3..]).unwrap();
        let expected = serde_json::json!({
            "time": "2026-03-04T05:06:07.089Z",
            "level": "warn",
            "part": "rcon",
            "module": "vpid::io::rcon",
            "server": "tf2\u{fffd}",
            "message": CLEAN,
        });
        assert_eq!(object, expected);
        assert!(!line.trim_end().contains(|sign: char| sign.is_control()));
        let without = json(&LINE, "", now().timestamp());
        assert!(!without.contains("server"), "{without}");
    }
}
