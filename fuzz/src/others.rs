//! Python scripts, VyHub, ids of players, and files that owners and earlier runs wrote.

use std::path::Path;

use serde_json::Value;
use vpid::config;
use vpid::core::ServerId;
use vpid::core::outbox::Entry;
use vpid::protocol::script_channel::{self as scripts, Caller};
use vpid::protocol::signed::session_log::{Note, Sessions};
use vpid::protocol::steam_id::SteamId;
use vpid::protocol::template_text::fill;
use vpid::protocol::uuid::Uuid;
use vpid::protocol::vyhub::{BanList, Expect, detail, reply};
use vpid::vscripts::squirrel;

use super::text;

/// Whatever a script says is read or refused; whatever is sent to it is one line of JSON that holds
/// what was meant.
pub fn script(bytes: &[u8]) {
    let _ = scripts::parse(bytes);
    let text = text(bytes);
    let value = serde_json::from_slice(bytes).unwrap_or_else(|_| Value::from(text.as_str()));
    let caller = Caller {
        script: text.clone(),
        ..Caller::default()
    };
    let event = scripts::event(&text, Some(ServerId(1)), std::slice::from_ref(&value));
    let call = scripts::call(scripts::MessageId(7), &text, &[], &value, &caller);
    let error = scripts::answer_error(scripts::RequestNumber(7), &text, &text);
    for message in [event, call, error] {
        assert!(!message.contains('\n'));
        assert!(serde_json::from_str::<Value>(&message).is_ok_and(|read| read.is_array()));
    }
}

const REPLIES: [Expect; 11] = [
    Expect::Nothing,
    Expect::Server,
    Expect::Bundle,
    Expect::User,
    Expect::Groups,
    Expect::Ban,
    Expect::Bans(1),
    Expect::Warning,
    Expect::Warnings(1),
    Expect::Membership,
    Expect::Links,
];

/// Any bytes are a reply of VyHub's or are none; a list that is read comes back from our own file.
pub fn vyhub_reply(bytes: &[u8]) {
    for expect in REPLIES {
        let _ = reply(expect, bytes);
    }
    let _ = detail(bytes);
    if let Ok(list) = BanList::read(bytes) {
        let mut kept = Vec::new();
        list.write(&mut kept).expect("memory takes it");
        assert_eq!(BanList::read_cached(&kept[..]).unwrap(), list);
    }
}

/// Any text is an id or is none, and an id is read again from each way of writing it.
pub fn ids(bytes: &[u8]) {
    let text = text(bytes);
    if let Ok(id) = text.parse::<SteamId>() {
        assert_eq!(id.steam3().parse(), Ok(id));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(SteamId::from_u64(id.as_u64()), Some(id));
    }
    if let Ok(id) = text.parse::<Uuid>() {
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string(), text.to_ascii_lowercase());
    }
    // What is filled in is not read as a template again.
    assert_eq!(fill("<{name}>", &[("name", &text)]), format!("<{text}>"));
}

/// What an earlier run or a crash left in the state folder is read or refused.
pub fn state_files(bytes: &[u8]) {
    let mut sessions = Sessions::default();
    for line in text(bytes).lines() {
        if let Some(note) = Note::parse(line) {
            sessions.apply(&note);
        }
    }
    let mut again = Sessions::default();
    sessions.notes().iter().for_each(|note| again.apply(note));
    assert_eq!(again, sessions);

    let text = text(bytes);
    let named = serde_json::from_str::<Value>(&text).ok();
    let name = named.as_ref().and_then(|entry| entry["id"].as_str());
    if let Ok(entry) = Entry::parse(name.unwrap_or_default(), &text) {
        assert_eq!(Entry::parse(&entry.file(), &entry.text()).ok(), Some(entry));
    }
    let _ = BanList::read_cached(bytes);
}

/// Any configuration and any Squirrel file is understood or refused; all problems name a place in
/// the file.
pub fn owner_files(bytes: &[u8]) {
    let _ = squirrel::returned_text(bytes, "GetSecret");
    let _ = squirrel::local_text(bytes, "SECRET");
    let _ = squirrel::has_function(bytes, "GetSecret");
    let _ = squirrel::includes(bytes, "vpi");
    let text = text(bytes);
    // Files that a configuration names are not to be opened here.
    if ["_file", "schema", "language"]
        .iter()
        .any(|key| text.contains(key))
    {
        return;
    }
    if let Err(problems) = config::parse(&text, Path::new("/nowhere"), |_| None) {
        let lines = text.split('\n').count();
        assert!(!problems.is_empty());
        let is_inside = |line: usize| (1..=lines).contains(&line);
        assert!(
            problems
                .iter()
                .all(|problem| problem.line.is_none_or(is_inside))
        );
    }
}
