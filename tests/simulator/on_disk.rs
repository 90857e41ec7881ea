//! What must be on disk at the moment at which a change is sent to VyHub, so that no crash can lose it or do it twice.

use serde_json::Value;
use vpid::protocol::backend::Request;

use crate::world::Outside;

/// How long before a change is on disk it may have been decided what an earlier one is sent as.
const DECIDED_MS: u64 = 60;

/// The name of the entry that a request sends; of those that end something, any entry of that kind may be it.
enum Of {
    Entry(u64),
    Kind(&'static str),
    Report { reward: String, server: String },
}

fn sends(request: &Request) -> Option<Of> {
    Some(match request {
        Request::CreateBan { ban, .. } => Of::Entry(ban.change),
        Request::CreateWarning { warning, .. } => Of::Entry(warning.change),
        Request::CreateMembership { membership, .. } => Of::Entry(membership.change),
        Request::AddToAttribute(addition) => Of::Entry(addition.change),
        Request::EndBan { .. } | Request::EndBans { .. } => Of::Kind("unban"),
        Request::ReportReward { reward, server, .. } => Of::Report {
            reward: reward.to_string(),
            server: server.to_string(),
        },
        _ => return None,
    })
}

/// A change is sent by an entry that is on disk, marked as one that is being sent; reports need no mark.
pub fn check_request(request: &Request, out: &Outside) {
    let Some(of) = sends(request) else { return };
    let is_its = |(name, text): (&String, &String)| -> Option<Value> {
        let is_its = match &of {
            Of::Entry(id) => *name == id.to_string(),
            Of::Kind(kind) => text.contains(&format!("\"kind\": \"{kind}\"")),
            Of::Report { reward, .. } => text.contains(reward),
        };
        let entry = is_its.then(|| serde_json::from_str::<Value>(text).expect("JSON"))?;
        let is_sent = match &of {
            Of::Report { server, .. } => entry["server"] == *server,
            _ => entry["state"] == "sending",
        };
        is_sent.then_some(entry)
    };
    let entry = out.disk.outbox.iter().find_map(is_its);
    let now_ms = out.now.ms;
    let Some(entry) = entry else {
        panic!("at {now_ms} ms this is sent, and is not on disk: {request:?}")
    };
    match request {
        Request::CreateBan { ban, .. } if ban.standing => check_standing(ban.change, &entry, out),
        Request::AddToAttribute(_) => check_counter(&entry, out),
        _ => {}
    }
}

/// No unban was on disk when it was decided that this ban is sent, and as what.
fn check_standing(id: u64, entry: &Value, out: &Outside) {
    let Some(marked_ms) = out.disk.marked_ms.get(&id.to_string()) else {
        panic!("{entry:#} was never marked");
    };
    let later = out.disk.outbox.iter().filter(|(_, text)| {
        let other: Value = serde_json::from_str(text).expect("JSON");
        let is_later = other["id"].as_u64() > Some(id);
        other["kind"] == "unban" && other["steam"] == entry["steam"] && is_later
    });
    for (name, text) in later {
        let since_ms = out.disk.accepted_ms[name];
        assert!(
            since_ms + DECIDED_MS > *marked_ms,
            "a ban was to be sent as standing at {marked_ms} ms, and was lifted at {since_ms} ms: {entry:#} {text}"
        );
    }
}

/// The counter from which playtime was taken has that on disk, or is gone.
fn check_counter(entry: &Value, out: &Outside) {
    let is_it = |counter: &&Value| counter["id"] == entry["counter"];
    for text in out.disk.playtime() {
        let document: Value = serde_json::from_str(text).expect("JSON");
        let counters = document["counters"].as_array().expect("counters");
        if let Some(counter) = counters.iter().find(is_it) {
            assert!(
                counter["sent_ms"].as_u64() >= entry["to_ms"].as_u64(),
                "this is sent, and its counter does not have it: {entry:#} {counter:#}"
            );
        }
    }
}

/// A report of a reward came to be on disk: no other one is there of the same.
pub fn check_report(entry: &Value, out: &Outside) {
    let is_same = |text: &&String| {
        let is_near = entry["reward"].as_str().is_some_and(|id| text.contains(id));
        let other = is_near.then(|| serde_json::from_str::<Value>(text).expect("JSON"));
        other.is_some_and(|other| {
            other["id"] != entry["id"]
                && other["reward"] == entry["reward"]
                && other["server"] == entry["server"]
        })
    };
    let other = out.disk.outbox.values().find(is_same);
    assert!(other.is_none(), "reported twice: {entry:#} {other:#?}");
}
