//! Python scripts, VyHub, ids of players, and files that owners and earlier runs wrote.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::Path;

use serde_json::Value;
use vpid::config;
use vpid::core::ServerId;
use vpid::core::outbox::Entry;
use vpid::protocol::address_range::AddressRange;
use vpid::protocol::admins_file::{BEGIN, END, Grant, block, lines, with_block};
use vpid::protocol::ban_list::{Journal, Snapshot};
use vpid::protocol::imports::{self, server_cfg, sourcemod};
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
        let snapshot = list.write(&mut kept, 1).expect("memory takes it");
        assert_eq!(BanList::read_cached(&kept[..]).unwrap(), (list, snapshot));
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
    let snapshot = Snapshot {
        number: 1,
        digest: 0,
    };
    let mut journal = Journal::head(snapshot);
    journal.extend_from_slice(bytes);
    let _ = Journal::read(&journal, snapshot, BanList::default());
}

/// Any file of SourceMod's admins is left alone, or gets vpid's block and keeps all else. Grants, one in each line
/// before a NUL, are refused or are two quoted words of one line.
pub fn admins_file(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0);
    let (before, file) = match end {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (&[][..], bytes),
    };
    let before = text(before);
    let grants: Vec<Grant> = before
        .lines()
        .filter_map(|line| line.parse().ok())
        .collect();
    let steam = |at: usize| SteamId::new(at as u32 + 1).expect("an id");
    let grants: BTreeSet<(SteamId, &Grant)> = grants
        .iter()
        .enumerate()
        .map(|(at, grant)| (steam(at), grant))
        .collect();
    let block_lines = lines(&grants);
    assert_eq!(block_lines.lines().count(), grants.len(), "{block_lines}");
    for line in block_lines.lines() {
        let words: Vec<&str> = line.split('"').collect();
        assert_eq!(words.len(), 5, "{line}");
        assert_eq!((words[0], words[2], words[4]), ("", " ", ""), "{line}");
    }
    let (found, made) = (block(file), with_block(file, &block_lines));
    let Ok(made) = made else {
        assert!(found.is_err());
        return;
    };
    let own = block(&made).expect("it is whole").expect("it is there");
    let inside = &made[own.clone()];
    assert_eq!(inside, format!("{BEGIN}\n{block_lines}{END}\n").as_bytes());
    let (before, after) = (&made[..own.start], &made[own.end..]);
    match found.expect("it was replaced") {
        Some(range) => assert_eq!((before, after), (&file[..range.start], &file[range.end..])),
        None => {
            let gap = &before[file.len()..];
            assert!(before.starts_with(file) && [&b""[..], b"\n"].contains(&gap));
            assert!(after.is_empty());
        }
    }
    assert_eq!(with_block(&made, &block_lines).as_deref(), Ok(&made[..]));
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

/// Any file of another program is read as far as it can be: every entry is in a line of it, the lines rise, and what is
/// shown of an entry has nothing that a terminal obeys.
pub fn imports(bytes: &[u8]) {
    let users: Vec<_> = server_cfg::banned_users(bytes).collect();
    let addresses: Vec<_> = server_cfg::banned_addresses(bytes).collect();
    let admins = sourcemod::read(bytes);
    in_lines(bytes, &users);
    in_lines(bytes, &addresses);
    in_lines(bytes, &admins);
    for range in addresses
        .iter()
        .filter_map(|entry| entry.read.as_ref().ok())
    {
        assert_eq!(
            range.to_string().parse::<AddressRange>().as_ref(),
            Ok(range)
        );
    }
    for item in admins.iter().filter_map(|entry| entry.read.as_ref().ok()) {
        let names = match item {
            sourcemod::Item::Admin(admin) => {
                [std::slice::from_ref(&admin.name), &admin.groups[..]].concat()
            }
            sourcemod::Item::Group(group) => vec![group.name.clone()],
        };
        assert!(!names.concat().contains(is_obeyed), "{names:?}");
    }
}

fn in_lines<T: Debug>(bytes: &[u8], entries: &[imports::Entry<T>]) {
    let lines = 1 + bytes.iter().filter(|byte| **byte == b'\n').count();
    assert!(
        entries
            .iter()
            .all(|entry| (1..=lines).contains(&entry.line))
    );
    assert!(entries.is_sorted_by_key(|entry| entry.line));
    for problem in entries.iter().filter_map(|entry| entry.read.as_ref().err()) {
        assert!(
            !problem.to_string().contains(char::is_control),
            "{problem:?}"
        );
    }
}

/// Whether a terminal does more than to show it.
fn is_obeyed(sign: char) -> bool {
    sign.is_control() && sign != '\t'
}

/// A database about addresses. What it says of any address is bounded, or an error.
pub fn mmdb(bytes: &[u8]) {
    let Ok(database) = vpid::protocol::mmdb::Mmdb::open(bytes) else {
        return;
    };
    for text in [
        "203.0.113.7",
        "255.255.255.255",
        "0.0.0.0",
        "2001:db8:1::5",
        "ffff::",
    ] {
        let address = vpid::protocol::geoip::address(text).expect("an address");
        if let Ok(Some(found)) = database.find(address) {
            assert!(found.to_string().len() <= 8 * vpid::limits::MMDB_RECORD_BYTES_MAX);
        }
    }
}

/// Heads and manifests of an archive. What is accepted leads nowhere else, and is written as it was read.
pub fn backup(bytes: &[u8]) {
    use vpid::protocol::backup::tar::{BLOCK, Head};
    use vpid::protocol::backup::{Manifest, Member};
    let mut block = [0; BLOCK];
    let length = bytes.len().min(BLOCK);
    block[..length].copy_from_slice(&bytes[..length]);
    if let Ok(Some(head)) = Head::decode(&block)
        && let Some(again) = head.encode()
    {
        let again = Head::decode(&again).expect("a head").expect("not the end");
        assert_eq!((again.name, again.size), (head.name, head.size));
    }
    if let Ok(manifest) = Manifest::parse(bytes) {
        for file in &manifest.files {
            let member = Member::parse(&file.name).expect("of a manifest that was accepted");
            assert_eq!(member.to_string(), file.name);
            assert!(
                !file
                    .name
                    .split('/')
                    .any(|part| matches!(part, "" | "." | ".."))
            );
        }
    }
    let name = text(bytes);
    if let Some(member) = Member::parse(&name) {
        assert_eq!(member.to_string(), name);
        assert!(!name.contains(is_obeyed));
    }
}
