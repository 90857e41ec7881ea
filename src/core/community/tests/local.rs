//! A community that is kept in a database: what is other than with VyHub.

use super::*;
use crate::protocol::backend::{Keeper, Topics};

const LOCAL: &str = "[[server]]\nscriptdata = '/s'\nhostname = 'one'\n\
    key = '0123456789abcdef0123456789abcdef'\n[community]\ntype = 'local'\n";

fn local() -> World {
    World::of(LOCAL, Found::default(), STATUS)
}

impl World {
    fn change(&mut self, topics: Topics) {
        let cx = &mut self.shared.context(self.now, &mut self.out);
        self.community.changed(topics, cx);
        self.carry_out();
    }

    /// The kinds of requests that follow at once when somebody has changed this.
    fn asked_after(&mut self, topics: Topics) -> Vec<&'static str> {
        let before = self.sent.len();
        self.change(topics);
        self.fair(1);
        let mut kinds: Vec<_> = self.sent[before..]
            .iter()
            .map(|(_, it)| it.kind())
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }
}

#[test]
fn what_somebody_changes_is_fetched_at_once_and_nothing_else() {
    let mut world = local();
    world.fair(200);
    let none = Topics::default();
    assert_eq!(world.asked_after(none), [""; 0]);
    for (topics, expected) in [
        (Topics { bans: true, ..none }, &["listing bans"][..]),
        (
            Topics {
                groups: true,
                ..none
            },
            &["listing groups"],
        ),
        (
            Topics {
                adverts: true,
                ..none
            },
            &["listing adverts"],
        ),
        (
            Topics {
                rewards: true,
                ..none
            },
            &["listing rewards"],
        ),
        (
            Topics {
                servers: true,
                ..none
            },
            &[
                "finding its pages",
                "finding the bundle",
                "finding the server",
            ],
        ),
        (
            Topics {
                members: true,
                ..none
            },
            &["finding users", "listing rewards", "listing who is on"],
        ),
    ] {
        assert_eq!(world.asked_after(topics), expected, "{topics:?}");
        // Far from the next time that it would be fetched anyway.
        world.fair(3);
    }
}

#[test]
fn one_who_is_made_an_administrator_has_the_rights_at_once() {
    let mut world = local();
    world.fair(200);
    let is_admin = |world: &World| {
        let bundle = world.community.records.bundle(ONE).unwrap();
        let rights = world.community.directory.rights(ann(), bundle);
        rights.is_some_and(|rights| rights.admin)
    };
    for admin in [true, false] {
        let members = true;
        world.change(Topics {
            members,
            ..Topics::default()
        });
        let reply = |request: &Request| match request {
            Request::FindUser(steam) => Some(Ok(Reply::User(user(*steam, admin)))),
            request => Some(fair(request)),
        };
        for _ in 0..10 {
            world.reply(&mut { reply });
            world.now.mono_ms += 100;
            world.advance();
        }
        assert_eq!(is_admin(&world), admin);
    }
}

#[test]
fn calls_that_cannot_be_answered_have_an_error_that_names_no_vyhub() {
    let world = local();
    let keeper = world.community.backend.keeper;
    assert_eq!(keeper, Keeper::Database);
    let error = keeper.unavailable(format!("{keeper} has not been reached yet"));
    assert_eq!(error.reason, "CommunityUnavailable");
    let vyhub = World::new().community.backend.keeper;
    assert_eq!(vyhub.unavailable("x").reason, "VyHubUnavailable");
}

#[test]
fn functions_have_a_second_name() {
    for name in orders::FUNCTIONS {
        assert_eq!(orders::function_named(name), Some(name));
        let second = orders::second_name(name);
        assert!(second.starts_with("COMMUNITY_"), "{second}");
        assert_eq!(orders::function_named(&second), Some(name));
    }
    for other in ["COMMUNITY_", "COMMUNITY_x", "VYHUB_", "Ban", "VPI_Ping"] {
        assert_eq!(orders::function_named(other), None, "{other}");
    }
}

/// Where a database names no player, it was the server, or its operator: no unknown person.
#[test]
fn a_kick_for_an_operators_ban_names_the_server() {
    const RCON: &str =
        "key = '0123456789abcdef0123456789abcdef'\nrcon = '127.0.0.1:1'\nrcon_password = 'p'\n";
    for (config, by) in [(LOCAL, "the server"), (CONFIG, "unknown")] {
        let config = config.replace("key = '0123456789abcdef0123456789abcdef'\n", RCON);
        let mut world = World::of(&config, Found::default(), STATUS);
        world.run(10, |request| match is_list(request) {
            true => Some(banned(ann())),
            false => Some(fair(request)),
        });
        let kick = world.console.iter().find(|it| it.starts_with("kickid 7"));
        let kick = kick.expect("a kick");
        assert!(kick.contains(by), "{kick}");
    }
}

const THREE: &str = "map     : cp_a at: 0 x\nplayers : 3 humans, 0 bots (24 max)\n# userid name\n\
    # 7 \"Ann\" [U:1:5] 05:12 50 0 active 192.0.2.9:27005\n\
    # 8 \"Bob\" [U:1:6] 05:12 50 0 active 192.0.2.9:27005\n\
    # 9 \"Cid\" [U:1:7] 05:12 50 0 active 192.0.2.9:27005\n";

/// A database knows a change by its id: nothing is read before, and one transaction takes them all.
#[test]
fn the_playtime_of_all_players_is_one_request() {
    let mut world = World::of(LOCAL, Found::default(), THREE);
    let attribute = |request: &Request| match request {
        Request::FindAttribute(_) => Ok(Reply::Attribute(backend::Attribute {
            id: Uuid(70),
            name: backend::PLAYTIME.into(),
            accumulated: true,
        })),
        Request::AddAllToAttribute(_) | Request::AddToAttribute(_) => Ok(Reply::Nothing),
        request => fair(request),
    };
    let mut tries = 0;
    world.run(2 * 3_600 + 90, |request| match request {
        // Its reply is lost, and one of them is refused: the others are added all the same.
        Request::AddAllToAttribute(_) => {
            tries += 1;
            match tries {
                1 => Some(Err(Failure::unclear("lost"))),
                2 => Some(Err(failure(FailureKind::Invalid))),
                _ => Some(attribute(request)),
            }
        }
        request => Some(attribute(request)),
    });
    let together = world.sent.iter().filter_map(|(_, request)| match request {
        Request::AddAllToAttribute(additions) => Some(additions),
        _ => None,
    });
    let together: Vec<_> = together.collect();
    assert_eq!(together.len(), 2, "{together:?}");
    let all_three = together.iter().all(|additions| additions.len() == 3);
    assert!(all_three, "{together:?}");
    // Each is sent again as what it was.
    let single = world.sent.iter().filter_map(|(_, request)| match request {
        Request::AddToAttribute(addition) => Some(addition),
        _ => None,
    });
    let mut single: Vec<_> = single.collect();
    single.sort_by_key(|addition| addition.change);
    assert!(together.into_iter().flatten().eq(single));
    assert_eq!(
        world.count(|it| matches!(it, Request::AttributesOfUser { .. })),
        0
    );
    assert_eq!(
        world
            .community
            .outbox
            .all()
            .filter(|it| it.is_open())
            .count(),
        0
    );
}

/// A database answers in a millisecond, and a full server is looked up at once.
#[test]
fn twenty_four_players_are_looked_up_within_two_seconds() {
    let lookups = |mut world: World| {
        for n in 0..24 {
            let steam = SteamId::new(1_000 + n).unwrap();
            world.community.directory.want_user(steam, world.now);
        }
        let from_ms = world.now.mono_ms;
        while world.now.mono_ms < from_ms + 2_000 {
            world.advance();
            world.reply(&mut |request| Some(fair(request)));
            world.now.mono_ms += 1;
        }
        let users = |(_, request): &&(u64, Request)| matches!(request, Request::FindUser(_));
        world.sent.iter().filter(users).count()
    };
    assert!(lookups(local()) >= 24);
    // VyHub allows ten requests a second, to all of a community's servers together.
    assert!(lookups(World::new()) < 20);
}

/// What keeps the community is named by [`Keeper`]. These sentences are of VyHub alone.
#[test]
fn no_other_sentence_names_vyhub() {
    const OF_VYHUB: [&str; 4] = [
        "VyHub's pages and vpid at the shell do",
        "this server has the type {kind} in VyHub, which executes",
        "VyHub does not let this key list who is on",
        "OnVyHub",
    ];
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/core")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() && name != "tests" {
                folders.push(path);
                continue;
            }
            if !name.ends_with(".rs") || name == "tests.rs" {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for line in text.lines() {
                let code = line.trim_start();
                if code.starts_with("//") || !code.contains("VyHub") {
                    continue;
                }
                seen += 1;
                let known = OF_VYHUB.iter().any(|sentence| code.contains(sentence));
                assert!(known, "{}: {code}", path.display());
            }
        }
    }
    assert!(seen >= OF_VYHUB.len());
}

/// The same with a second server, and the id of that where servers have one.
fn two(config: &str, id: &str) -> String {
    let second = format!(
        "[[server]]\nscriptdata = '/s'\nhostname = 'two'\n\
         key = '1123456789abcdef0123456789abcdef'\n{id}"
    );
    match config
        .find("[vyhub]")
        .or_else(|| config.find("[community]"))
    {
        Some(at) => format!("{}{second}{}", &config[..at], &config[at..]),
        None => panic!("{config}"),
    }
}

/// Of a call that names none.
fn server_of(world: &World, function: &str, kwargs: &Value) -> Result<ServerId, CallError> {
    let call = parse_call(function, kwargs).unwrap();
    world.community.server_for(&call, &world.shared.servers)
}

#[test]
fn a_call_that_names_no_server_is_of_any_server_of_the_community() {
    let mut world = World::of(&two(LOCAL, ""), Found::default(), STATUS);
    world.fair(200);
    let player = json!({"player": "[U:1:6]"});
    for (function, kwargs) in [
        ("VYHUB_Ban", json!({"player": "[U:1:6]", "reason": "x"})),
        ("VYHUB_Warn", json!({"player": "[U:1:5]", "reason": "x"})),
        (
            "VYHUB_BanAddress",
            json!({"address": "203.0.113.7", "reason": "x"}),
        ),
        ("VYHUB_GetUser", player.clone()),
        ("VYHUB_IsBanned", player),
    ] {
        assert_eq!(server_of(&world, function, &kwargs), Ok(ONE), "{function}");
    }
    // What differs from server to server needs one.
    for (function, kwargs) in [
        ("VYHUB_GetServer", Value::Null),
        ("VYHUB_Ban", json!({"player": 7, "reason": "x"})),
        (
            "VYHUB_Warn",
            json!({"player": "[U:1:6]", "reason": "x", "issuer": "#7"}),
        ),
    ] {
        let error = server_of(&world, function, &kwargs).unwrap_err();
        assert_eq!(error.reason, "ValueError", "{function}");
        let detail = &error.detail;
        assert!(
            detail.contains("say which: ") && detail.contains("two"),
            "{error}"
        );
    }
}

#[test]
fn a_call_that_names_no_server_of_several_bundles_is_refused_with_their_names() {
    let id = "vyhub_server_id = '00000000-0000-0000-0000-00000000000a'\n";
    let mut world = World::of(&two(CONFIG, id), Found::default(), STATUS);
    let reply = |request: &Request| match request {
        Request::FindServer(id) => Some(Ok(Reply::Server(Server {
            id: *id,
            name: "x".into(),
            kind: String::new(),
            // Of its own.
            bundle: Some(*id),
            extra: json!({}),
        }))),
        request => Some(fair(request)),
    };
    for _ in 0..50 {
        world.reply(&mut { reply });
        world.now.mono_ms += 100;
        world.advance();
    }
    let kwargs = json!({"player": "[U:1:6]"});
    let error = server_of(&world, "VYHUB_IsBanned", &kwargs).unwrap_err();
    assert_eq!(error.reason, "ValueError");
    assert!(error.detail.contains("say which: "), "{error}");
}
