//! The text of a configuration without its secrets, for a backup.
//!
//! A secret becomes `[]`, which no key takes for a value: a restored configuration is refused until its owner has put
//! the secrets back, and none is used that is wrong.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::TABLES;
use super::nearest::nearest;
use crate::protocol::redact::names_secret;

/// Keys whose values are secrets, in whatever table.
const SECRETS: [&str; 6] = [
    "key",
    "legacy_secret",
    "rcon_password",
    "log_secret",
    "api_key",
    "password",
];
const COMMENT_LEFT_OUT: &str = "# left out";
/// For people, where a Python script gets texts.
const LEFT_OUT: &str = "\"left out of the backup\"";

const HEAD: &str = "# From a backup. Secrets were left out: each [] below stands for one, and so does each text in\n\
                    # the config of a script. So were comments that may have one. Put them back, then run vpid check.\n\n";

/// The text, and how many secrets were left out. None: it is no TOML, so nothing is known of what is secret in it.
pub fn redacted(text: &str) -> Option<(String, usize)> {
    let document = DeTable::parse(text).ok()?;
    let mut places: Vec<(Range<usize>, &str)> = Vec::new();
    table(document.get_ref(), false, &mut places);
    let count = places.len();
    comments(text, &mut places);
    places.sort_by_key(|(place, _)| place.start);
    if places.is_empty() {
        return Some((text.to_owned(), 0));
    }
    let mut kept = HEAD.to_owned();
    let mut from = 0;
    for (place, instead) in places {
        if place.start < from {
            // Within what was left out.
            continue;
        }
        kept += &text[from..place.start];
        kept += instead;
        // What stands behind a secret may be the one before.
        let line_end = |at: usize| text[at..].find('\n').map_or(text.len(), |end| at + end);
        let rest = &text[place.end..line_end(place.end)];
        from = match rest.trim_start().starts_with('#') {
            true => line_end(place.end),
            false => place.end,
        };
    }
    Some((kept + &text[from..], count))
}

/// What an empty list stands for where this key has one; none where a backup leaves no such list.
pub(super) fn stands_for(key: &str, value: &DeValue<'_>) -> Option<&'static str> {
    let is_empty = matches!(value, DeValue::Array(items) if items.is_empty());
    match key {
        _ if !is_empty => None,
        "proxy" => Some("address"),
        key => SECRETS.contains(&key).then_some("secret"),
    }
}

/// What a backup left out of the text and nobody has put back, in the order of the lines: each line, counted from 1,
/// with its key.
pub fn left_out(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    if let Ok(document) = DeTable::parse(text) {
        missing(document.get_ref(), "", false, &mut found);
    }
    found.sort();
    let line = |at: usize| 1 + text[..at].matches('\n').count();
    let lines = found.into_iter().map(|(at, key)| (line(at), key));
    lines.collect()
}

/// `free`: as for [`table`].
fn missing(table: &DeTable<'_>, before: &str, free: bool, found: &mut Vec<(usize, String)>) {
    for (name, value) in table {
        let name = name.get_ref().as_ref();
        let is_list = !free && stands_for(name, value.get_ref()).is_some();
        missing_in(value, &format!("{before}{name}"), (free, is_list), found);
    }
}

/// `key`: with its tables.
fn missing_in(
    value: &Spanned<DeValue<'_>>,
    key: &str,
    (free, is_list): (bool, bool),
    found: &mut Vec<(usize, String)>,
) {
    let is_free = free || key.ends_with(".config");
    match value.get_ref() {
        _ if is_list => found.push((value.span().start, key.to_owned())),
        DeValue::String(text) if free && text.as_ref() == LEFT_OUT.trim_matches('"') => {
            found.push((value.span().start, key.to_owned()));
        }
        DeValue::Table(inner) => missing(inner, &format!("{key}."), is_free, found),
        DeValue::Array(items) => {
            for item in items {
                missing_in(item, key, (free, false), found);
            }
        }
        _ => {}
    }
}

/// Whether this is no key of vpid, and most likely that of a secret that is misspelt.
fn may_be_secret(name: &str) -> bool {
    let is_known = || TABLES.iter().any(|table| table.key(name).is_some());
    (names_secret(name) || nearest(name, &SECRETS).is_some()) && !is_known()
}

/// `free`: below the `config` of a script, whose keys are the owner's.
fn table(table: &DeTable<'_>, free: bool, places: &mut Vec<(Range<usize>, &'static str)>) {
    for (name, value) in table {
        let name = name.get_ref().as_ref();
        let is_url = |text: &str| name == "proxy" && text.contains('@');
        match value.get_ref() {
            _ if free => all_texts(value, places),
            DeValue::Table(inner) => self::table(inner, name == "config", places),
            _ if SECRETS.contains(&name) => places.push((value.span(), "[]")),
            DeValue::String(text) if is_url(text) || may_be_secret(name) => {
                places.push((value.span(), "[]"));
            }
            DeValue::Array(items) => {
                for item in items {
                    if let DeValue::Table(inner) = item.get_ref() {
                        self::table(inner, false, places);
                    }
                }
            }
            _ => {}
        }
    }
}

fn all_texts(value: &Spanned<DeValue<'_>>, places: &mut Vec<(Range<usize>, &'static str)>) {
    match value.get_ref() {
        DeValue::String(_) => places.push((value.span(), LEFT_OUT)),
        DeValue::Array(items) => items.iter().for_each(|item| all_texts(item, places)),
        DeValue::Table(inner) => inner.values().for_each(|item| all_texts(item, places)),
        _ => {}
    }
}

/// Comments that may have a secret: those with a value in them, and those that follow in the lines below, where it may
/// go on.
fn comments(text: &str, places: &mut Vec<(Range<usize>, &'static str)>) {
    let mut suspect_to = None;
    for comment in all_comments(text) {
        let before = &text[suspect_to.unwrap_or(0)..comment.start];
        let goes_on =
            suspect_to.is_some() && before.trim().is_empty() && before.matches('\n').count() == 1;
        let is_suspect = goes_on || text[comment.clone()].contains(['=', ':']);
        suspect_to = is_suspect.then_some(comment.end);
        if is_suspect {
            places.push((comment, COMMENT_LEFT_OUT));
        }
    }
}

/// Where comments are, each up to the end of its line. `text` is TOML.
fn all_comments(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = text[at..].find(['#', '"', '\'']) {
        let start = at + next;
        let rest = &text[start..];
        let quote = &rest[..1];
        at = match quote {
            "#" => {
                let end = rest.find('\n').unwrap_or(rest.len());
                let end = start + rest[..end].trim_end().len();
                found.push(start..end);
                end
            }
            _ => start + string_bytes(rest, quote),
        };
    }
    found
}

/// How long the string is with which a text begins.
fn string_bytes(text: &str, quote: &str) -> usize {
    let three = quote.repeat(3);
    let (ends, is_long) = match text.starts_with(&three) {
        true => (three.as_str(), true),
        false => (quote, false),
    };
    let mut at = ends.len();
    while at < text.len() && !text[at..].starts_with(ends) {
        let mut rest = text[at..].chars();
        let first = rest.next().unwrap_or_default();
        at += first.len_utf8();
        if first == '\\' && quote == "\"" {
            at += rest.next().map_or(0, char::len_utf8);
        }
    }
    at = (at + ends.len()).min(text.len());
    // A long one may end in up to two quotes of its own.
    let more = text[at..].len() - text[at..].trim_start_matches(quote).len();
    if is_long { at + more.min(2) } else { at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_secret_that_can_be_written_is_left_out() {
        let text = "# key = 'geheim1'\n#server.api_key='geheim2' # geheim3\nstate_dir = 'state' # stays\n\
                    [[server]]\nscriptdata = 'a'\nkey = \"geheim4\" # was geheim5\nlegacy_secret = '''\ngeheim6'''\n\
                    rcon_password = 'geheim7'\nlog_secret = 12345\n[database]\npassword = 'geheim8'\n\
                    [database.b]\npassword_file = 'stays'\n[vyhub]\napi_key = 'geheim9'\n\
                    proxy = 'http://me:geheim10@p:1'\n[script.x]\nconfig = { a = 'geheim11', b = ['geheim12'], c = 7 }\n\
                    [script.y.config]\ntoken = 'geheim13'\n[script.y.config.deep]\nit = 'geheim14'\n";
        let (kept, count) = redacted(text).unwrap();
        assert!(
            !kept.contains("geheim") && !kept.contains("12345"),
            "{kept}"
        );
        for part in [
            "# stays",
            "password_file = 'stays'",
            "key = []\n",
            "c = 7",
            "\n# left out\n# left out\nstate_dir",
        ] {
            assert!(kept.contains(part), "{part}: {kept}");
        }
        assert_eq!(count, 11);
        let read = DeTable::parse(&kept);
        assert!(read.is_ok(), "{kept}");
    }

    #[test]
    fn what_was_left_out_is_named_until_it_is_put_back() {
        let text = "[[server]]\nkey = 'geheim1'\nhostname = 'a'\n[[server]]\nkey_file = 'k'\n[vyhub]\n\
                    proxy = 'http://me:geheim2@p:1'\n[script.x.config]\na = ['geheim3']\nkey = []\n\
                    [permissions]\n'n' = []\n";
        let (kept, _) = redacted(text).unwrap();
        let named: Vec<_> = left_out(&kept).into_iter().map(|(_, key)| key).collect();
        assert_eq!(named, ["server.key", "vyhub.proxy", "script.x.config.a"]);
        let first = kept.lines().position(|line| line == "key = []").unwrap();
        assert_eq!(left_out(&kept)[0].0, first + 1);
        assert!(left_out(text).is_empty() && left_out("key = [").is_empty());
    }

    #[test]
    fn a_configuration_without_secrets_stays_as_it_is_and_no_toml_is_none() {
        let text = "state_dir = 'state' # password\nproxy = 'http://p:1'\n";
        assert_eq!(redacted(text), Some((text.to_owned(), 0)));
        assert_eq!(redacted("key = 'x"), None);
    }

    #[test]
    fn a_secret_under_a_misspelt_key_is_left_out() {
        let text = "keyy = 'geheim'\n[[server]]\nrcon_pasword = 'geheim'\nrconPass = 'geheim'\nhostname = 'x'\n";
        let (kept, count) = redacted(text).unwrap();
        assert!(
            !kept.contains("geheim") && kept.contains("hostname = 'x'"),
            "{kept}"
        );
        assert_eq!(count, 3);
    }

    #[test]
    fn comments_with_values_are_left_out_and_strings_that_look_so_are_not() {
        let text = "# plain\na = 1 # the old one: geheim\n# legacy_secret = '''\n# geheim'''\n\n# stays\n\
                    b = \"\\\" # x = 1\"\nc = ''' # y = ''\n# z = 2'''''#v=geheim\nd = [ # w = geheim\n'#', \"#:\"]\n\
                    e = \"\"\"\\\"\"\" # u = 1\"\"\"\n# key geheim=";
        let (kept, count) = redacted(text).unwrap();
        let expected = "# plain\na = 1 # left out\n# left out\n# left out\n\n# stays\n\
                        b = \"\\\" # x = 1\"\nc = ''' # y = ''\n# z = 2'''''# left out\nd = [ # left out\n'#', \"#:\"]\n\
                        e = \"\"\"\\\"\"\" # u = 1\"\"\"\n# left out";
        assert_eq!(kept.strip_prefix(HEAD), Some(expected));
        assert_eq!(count, 0);
        let values = |text: &str| text.parse::<toml::Table>().unwrap();
        assert_eq!(values(&kept), values(text));
    }

    #[test]
    fn the_list_has_every_key_that_can_also_stand_in_a_file_of_its_own() {
        let mut count = 0;
        for name in TABLES.iter().flat_map(|table| table.names()) {
            let Some(of) = name.strip_suffix("_file") else {
                continue;
            };
            if !["log", "ca", "metrics"].contains(&of) {
                assert!(SECRETS.contains(&of), "{of}");
                count += 1;
            }
        }
        assert!(count >= SECRETS.len(), "{count}");
    }
}
