//! The client of VyHub, as owners have it: the built program between VyHub, a game and its admins.
//! What goes wrong is in `vyhub_trouble` and `vyhub_kill`.

use std::time::Duration;

use fake_rcon::Player;
use serde_json::{Value, json};

use crate::service::cost;
use crate::support::{Community, Visitor, Vpid, stays, wait_until};

/// A map starts: VyHub is told soon after.
fn next_status(community: &Community, map: &str) -> Value {
    let before = community.vyhub.statuses().len();
    community.game.set_map(map);
    community
        .log
        .line(&format!("Started map \"{map}\" (CRC \"9a\")"));
    community.wait_for_vyhub("a status", |state| state.statuses().len() > before);
    community.vyhub.last_status().expect("just looked")
}

#[test]
fn adverts_are_shown_in_turn_in_their_colour_and_none_on_an_empty_server() {
    let configure = |vpid: Vpid| vpid.vyhub_line("advert_interval_s = 1");
    let mut community = Community::configured(configure);
    community.vyhub.add_advert("Be kind.\nAlways.", "#FF8800");
    community.vyhub.add_advert("<red>Join</red> us!", "#00ff00");
    community.start();
    let texts = |community: &Community| {
        let shown = community.game.shown();
        let all = shown.iter().filter(|shown| shown.to.is_none());
        all.map(|shown| shown.text.clone()).collect::<Vec<_>>()
    };
    community.wait_for_vyhub("adverts are read", |state| {
        let mut requests = state.requests().iter();
        requests.any(|request| request.path.starts_with("/advert/"))
    });
    stays("nobody is there", Duration::from_millis(1_300), || {
        texts(&community).is_empty() && community.game.said().is_empty()
    });
    let player = Visitor::new(2, "player");
    community.joins(&player);
    let both = [
        "\x07FF8800[\u{2605}] Be kind.",
        "\x07FF8800[\u{2605}] Always.",
        "\x0700ff00[\u{2605}] \x07FF1823Join\x0700ff00 us!",
    ];
    wait_until("all were shown, and the first again", || {
        texts(&community).len() >= 5
    });
    assert_eq!(texts(&community)[..3], both);
    assert_eq!(texts(&community)[3..5], both[..2]);
    // While VyHub is away, what it had is shown.
    community.vpid.kill();
    community.vyhub.pause();
    let before = texts(&community).len();
    community.start_away();
    wait_until("they are shown again", || {
        texts(&community).len() >= before + 3
    });
    community.vyhub.resume();
    community.all_well();
}

#[test]
fn adverts_that_are_not_wanted_any_more_cost_nothing_though_they_are_cached() {
    let configure = |vpid: Vpid| vpid.vyhub_line("advert_interval_s = 86400");
    let mut community = Community::configured(configure);
    community.vyhub.add_advert("Be kind.", "#FF8800");
    community.start();
    let state = community.vpid.path("state/vyhub");
    wait_until("they are cached", || {
        let mut files = std::fs::read_dir(&state).expect("a folder");
        files.any(|file| {
            let name = file.expect("a file").file_name();
            name.to_string_lossy().starts_with("adverts-")
        })
    });
    community.vpid.stop();
    let vpid = &mut community.vpid;
    vpid.change_vyhub_line("advert_interval_s = 86400", "advert_interval_s = 0");
    community.start_away();
    let (before, _) = cost(community.vpid.pid());
    stays("it sleeps", Duration::from_secs(1), || {
        cost(community.vpid.pid()).0 - before <= 20
    });
}

#[test]
fn new_players_are_made_once_whoever_tells_of_them() {
    let mut community = Community::configured(|vpid| vpid.signed());
    let [by_status, by_log, by_script, by_all] =
        [2, 3, 4, 5].map(|userid| Visitor::new(userid, &format!("new {userid}")));
    community.enters(&by_status);
    community.enters(&by_all);
    community.game.join(Player::bot(9, "Heavy"));
    community.game.join(Player::new(10, "pending", "[I:1:0]"));
    community.game.join(Player::new(11, "listen", "[U:1:0]"));
    let known = Visitor::new(6, "known");
    let known_id = community.vyhub.add_user(known.steam64(), "known", false);
    community.start();
    community.joins(&known);
    community.log.connects(&by_log);
    community.log.connects(&by_all);
    community
        .log
        .line("\"Scout<12><BOT><>\" connected, address \"none\"");
    community
        .log
        .line("\"x<13><STEAM_ID_PENDING><>\" connected, address \"1.2.3.4:5\"");
    let mut script = community.vpid.signed_game("my_server");
    let claim = |who: &Visitor| json!({"userid": who.userid, "name": who.name, "id": who.steam3(), "bot": false});
    let events =
        [&by_script, &by_all].map(|who| json!({"event": "player_active", "data": claim(who)}));
    script.send(&events).expect("a file can be written");
    let everybody = [&by_status, &by_log, &by_script, &by_all, &known];
    let mut steams = everybody.map(|who| who.steam64().to_string());
    steams.sort();
    wait_until("everybody is a user", || {
        community.vyhub.users().len() >= steams.len()
    });
    let status = next_status(&community, "cp_granary");
    let users = community.vyhub.users();
    let found: Vec<&str> = users.iter().map(|user| &*user.steam).collect();
    assert_eq!(found, steams);
    for who in everybody {
        let path = format!("/user/{}", who.steam64());
        assert_eq!(community.asked("GET", &path), 1, "{}", who.name);
    }
    assert_eq!(community.asked("POST", "/user/"), 4);
    let activities = status["user_activities"].as_array().expect("a list");
    let told = |activity: &Value| activity["user_id"].as_str().map(str::to_owned);
    let mut told: Vec<String> = activities.iter().filter_map(told).collect();
    told.sort();
    let mut ids: Vec<String> = users.iter().map(|user| user.id.clone()).collect();
    ids.sort();
    assert_eq!(told, ids, "{status:#}");
    assert!(ids.contains(&known_id));
    let extra = &activities[0]["extra"];
    for name in ["Score", "Deaths", "Connection Time", "Ping", "Nickname"] {
        assert!(!extra[name].is_null(), "{name} in {extra}");
    }
    community.all_well();
}

#[test]
fn a_server_that_starts_reads_its_record_and_tells_how_it_is() {
    let community = Community::new();
    let players = [Visitor::new(2, "one"), Visitor::new(3, "two")];
    players.iter().for_each(|who| community.enters(who));
    let community = community.started();
    let [server, bundle] = [community.vyhub.server_id(), community.vyhub.bundle_id()];
    assert_eq!(community.asked("GET", &format!("/server/{server}")), 1);
    assert!(community.asked("GET", &format!("/server/bundle/{bundle}")) >= 2);
    community.wait_for_vyhub("a status", |state| !state.statuses().is_empty());
    let first = community.vyhub.last_status().expect("just looked");
    assert_eq!(
        [&first["map"], &first["is_alive"], &first["users_current"]],
        [&json!("cp_badlands"), &json!(true), &json!(2)],
        "as it is, and not as it was before anything was heard"
    );
    let status = next_status(&community, "koth_viaduct");
    assert_eq!(
        [
            &status["map"],
            &status["is_alive"],
            &status["users_max"],
            &status["users_current"]
        ],
        [&json!("koth_viaduct"), &json!(true), &json!(24), &json!(2)]
    );
    let log = community.vpid.log();
    let mut rest = &*log;
    for event in [
        "vyhub_loading_start",
        "vyhub_loading_finish",
        "vyhub_api_ready",
        "vyhub_ready",
    ] {
        let at = rest.find(event).unwrap_or_else(|| panic!("{event}: {log}"));
        rest = &rest[at..];
    }
    community.all_well();
}

#[test]
fn a_banned_player_is_kicked_within_a_second_on_every_connect() {
    let community = Community::new();
    let rogue = Visitor::new(2, "rogue");
    let user = community.vyhub.add_user(rogue.steam64(), "rogue", false);
    let judge = community
        .vyhub
        .add_user(1 + rogue.steam64(), "the judge", true);
    let ban = community
        .vyhub
        .add_ban(&user, "aimbot; on \"every\" server", Some(7_200));
    community
        .vyhub
        .edit_ban(&ban, |ban| ban.creator = Some(judge));
    let community = community.started();
    community.joins(&rogue);
    let text = community.kicked_at_once(&rogue);
    let link = format!("https://fake.vyhub.example/bans/{ban}");
    for part in [
        "aimbot; on 'every' server",
        "the judge",
        &ban[..8],
        &link,
        "until 20",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    community.log.leaves(&rogue);
    let mut again = rogue.again();
    for _ in 0..3 {
        community.stays_out(&again);
        again = again.again();
    }
    // By `status` alone, and still there after a kick that did nothing.
    let innocent = Visitor::new(77, "innocent");
    community.joins(&innocent);
    stays(
        "who is not banned is in",
        Duration::from_millis(100),
        || community.kicks(innocent.userid) == 0,
    );
    community.all_well();
}

#[test]
fn a_banned_player_of_whom_only_status_tells_is_kicked_too() {
    let community = Community::new();
    let rogue = Visitor::new(2, "rogue");
    let user = community.vyhub.add_user(rogue.steam64(), None, false);
    community.vyhub.add_ban(&user, "griefing", None);
    community.enters(&rogue);
    let community = community.started();
    let text = community.kicked(&rogue);
    assert!(
        text.contains("banned permanently") && text.contains("griefing"),
        "{text}"
    );
    community.all_well();
}

#[test]
fn whoever_is_banned_in_vyhub_meanwhile_is_kicked_when_the_list_comes() {
    let community = Community::new().started();
    let admin = community.admin(2, "admin");
    let [rogue, other] = [Visitor::new(3, "rogue"), Visitor::new(4, "other")];
    community.joins(&rogue);
    community.joins(&other);
    let steam = rogue.steam64();
    community.wait_for_vyhub("a user", |state| state.user(steam).is_some());
    let user = community
        .vyhub
        .with(|state| state.user(steam).unwrap().id.clone());
    community.vyhub.add_ban(&user, "on the page", None);
    // A change of ours: the list is read after it.
    community.log.says(&admin, "!warn other watch out");
    assert!(community.kicked(&rogue).contains("on the page"));
    assert_eq!(community.kicks(other.userid), 0);
    community.told(&other, "You were warned by admin: watch out");
    community.all_well();
}

#[test]
fn names_that_are_commands_are_kicked_by_their_userids() {
    let community = Community::new();
    let names = [
        "\";quit;\"",
        "a;b",
        "kickid 1",
        "<2><[U:1:5]><>",
        "\u{1b}[31m",
        "x\" say \"!ban all",
        "%s%n",
        "\\\" ; quit",
        "'",
        "ümlaut \u{1f480}",
    ];
    let rogues: Vec<Visitor> = names
        .iter()
        .zip(20..)
        .map(|(name, userid)| Visitor::new(userid, name))
        .collect();
    for rogue in &rogues {
        let user = community
            .vyhub
            .add_user(rogue.steam64(), &*rogue.name, false);
        community.vyhub.add_ban(&user, &rogue.name, None);
        community.enters(rogue);
    }
    let innocent = Visitor::new(2, "kickid");
    community.enters(&innocent);
    let community = community.started();
    for rogue in &rogues {
        community.kicked(rogue);
    }
    for command in community.commands() {
        assert_eq!(command[0], "kickid", "{command:?}");
        assert!(
            command[1].parse::<i32>().is_ok_and(|userid| userid >= 20),
            "{command:?}"
        );
    }
    assert_eq!(community.kicks(innocent.userid), 0);
    community.all_well();
}
