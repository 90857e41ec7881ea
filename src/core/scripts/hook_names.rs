//! The names of hooks: which there are, and what is said of a function that is named like one and is none.

use crate::config::nearest;

/// All hooks, in the order of the manual (docs/scripts.md, docs/vyhub.md).
const HOOKS: [&str; 35] = [
    "OnServerStart",
    "OnServerStop",
    "OnMapStart",
    "OnMapEnd",
    "OnPlayerConnect",
    "OnPlayerActive",
    "OnPlayerSpawn",
    "OnPlayerDeath",
    "OnPlayerTeam",
    "OnPlayerClass",
    "OnPlayerName",
    "OnPlayerChat",
    "OnPlayerDisconnect",
    "OnRoundStart",
    "OnRoundWin",
    "OnHeartbeat",
    "OnEvent",
    "OnMessage",
    "OnTimer",
    "OnUnLoad",
    "OnVyHubLoadingStart",
    "OnVyHubLoadingFinish",
    "OnVyHubApiReady",
    "OnVyHubApiFailed",
    "OnVyHubReady",
    "OnVyHubPlayerConnected",
    "OnVyHubPlayerInitialized",
    "OnVyHubPlayerBanned",
    "OnVyHubPlayerUnbanned",
    "OnVyHubPlayerWarned",
    "OnVyHubPlayerGroupChanged",
    "OnVyHubPlayerGroupsChanged",
    "OnVyHubRewardExecuted",
    "OnVyHubAddressBanned",
    "OnVyHubAddressUnbanned",
];

/// Hooks of Verlihub's Python plugin and names that other games have, and what to use instead.
const OTHERS: [(&str, &str); 25] = [
    (
        "OnPlayerJoin",
        "here it is OnPlayerConnect, or OnPlayerActive",
    ),
    (
        "OnPlayerJoined",
        "here it is OnPlayerConnect, or OnPlayerActive",
    ),
    ("OnPlayerLeave", "here it is OnPlayerDisconnect"),
    ("OnPlayerLeft", "here it is OnPlayerDisconnect"),
    ("OnPlayerKilled", "here it is OnPlayerDeath"),
    ("OnPlayerDied", "here it is OnPlayerDeath"),
    ("OnPlayerSay", "here it is OnPlayerChat"),
    (
        "OnUserLogin",
        "here it is OnPlayerConnect, or OnPlayerActive",
    ),
    ("OnUserInList", "here it is OnPlayerActive"),
    ("OnUserLogout", "here it is OnPlayerDisconnect"),
    ("OnCloseConn", "here it is OnPlayerDisconnect"),
    ("OnCloseConnEx", "here it is OnPlayerDisconnect"),
    ("OnParsedMsgChat", "here it is OnPlayerChat"),
    ("OnUserCommand", "use OnPlayerChat, or game.command_handler"),
    (
        "OnOperatorCommand",
        "use OnPlayerChat, or game.command_handler",
    ),
    ("OnHubCommand", "use OnPlayerChat, or game.command_handler"),
    ("OnNewBan", "here it is OnVyHubPlayerBanned"),
    (
        "OnOperatorKicks",
        "use OnPlayerDisconnect, which has the reason",
    ),
    ("OnScriptCommand", "here it is OnMessage"),
    (
        "OnParsedMsgMyINFO",
        "use OnPlayerName, OnPlayerTeam or OnPlayerClass",
    ),
    (
        "OnNewConn",
        "scripts cannot refuse a connection; see OnPlayerConnect",
    ),
    (
        "OnParsedMsgValidateNick",
        "scripts cannot refuse a connection; see OnPlayerConnect",
    ),
    ("OnParsedMsgPM", "there are no private messages here"),
    ("OnParsedMsgMCTo", "there are no private messages here"),
    ("OnOpChatMessage", "there is no chat of operators here"),
];

pub fn is_hook(name: &str) -> bool {
    // Hooks of the community have two names.
    let first = name.strip_prefix("OnCommunity");
    let first = first.map(|rest| format!("OnVyHub{rest}"));
    HOOKS.contains(&first.as_deref().unwrap_or(name))
}

/// What is said of a function that is named like a hook and is none. `None`: it is one.
pub fn complaint(name: &str) -> Option<String> {
    if is_hook(name) {
        return None;
    }
    let other = OTHERS.iter().find(|(known, _)| *known == name);
    let near = || {
        // What all of them begin with distinguishes none of them.
        let bare = |name: &'static str| &name["On".len()..];
        let all = HOOKS.map(bare);
        let near = nearest(name.strip_prefix("On").unwrap_or(name), &all);
        near.map_or("the manual lists all of them".into(), |near| {
            format!("did you mean On{near}?")
        })
    };
    let advice = other.map_or_else(near, |(_, advice)| (*advice).to_owned());
    Some(format!("{name} is no hook, and is never called; {advice}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first cells of a table's rows, in backquotes.
    fn rows(page: &'static str) -> impl Iterator<Item = &'static str> {
        let rows = page.lines().filter(|line| line.starts_with("| `"));
        let cells = rows.filter_map(|line| line[2..].split_once(" | "));
        cells
            .flat_map(|(cell, _)| cell.split(", "))
            .map(|name| name.trim_matches('`'))
    }

    #[test]
    fn the_manual_and_this_list_have_the_same_hooks() {
        let (_, scripts) = include_str!("../../../docs/scripts.md")
            .split_once("## Hooks")
            .unwrap();
        let (scripts, _) = scripts.split_once("## The module game").unwrap();
        let mut found: Vec<String> = rows(scripts).map(str::to_owned).collect();
        found.retain(|name| name != "OnVyHubReady" && name != "...");
        let of_vyhub = rows(include_str!("../../../docs/vyhub.md"));
        let of_vyhub = of_vyhub.filter(|name| name.starts_with("vyhub_"));
        found.extend(
            of_vyhub.map(|name| super::super::events::community_hook_names(name)[0].clone()),
        );
        let mut known = HOOKS.to_vec();
        found.sort();
        known.sort_unstable();
        assert_eq!(found, known);
        let (_, verlihub) = include_str!("../../../docs/verlihub.md")
            .split_once("\n## Hooks\n")
            .unwrap();
        let (verlihub, _) = verlihub.split_once("\n## ").unwrap();
        for name in rows(verlihub).filter(|name| name.starts_with("On") && !is_hook(name)) {
            assert!(OTHERS.iter().any(|(known, _)| *known == name), "{name}");
        }
    }

    #[test]
    fn what_is_no_hook_is_named_with_the_one_that_is_meant() {
        for (name, part) in [
            ("OnUserLogin", "here it is OnPlayerConnect"),
            ("OnPlayerJoin", "here it is OnPlayerConnect"),
            ("OnPlayerConect", "did you mean OnPlayerConnect?"),
            ("OnPlayerKilled", "here it is OnPlayerDeath"),
            ("OnRoundStrat", "did you mean OnRoundStart?"),
            ("OnX", "the manual lists"),
        ] {
            let sentence = complaint(name).unwrap();
            assert!(
                sentence.contains(name) && sentence.contains(part),
                "{sentence}"
            );
        }
        assert_eq!(complaint("OnTimer"), None);
    }
}
