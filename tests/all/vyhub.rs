//! The client of VyHub, as owners have it: the built program between VyHub, a game and its admins.
//! What goes wrong is in `vyhub_trouble` and `vyhub_kill`.

use std::time::Duration;

use fake_rcon::Player;
use serde_json::json;

use crate::service::cost;
use crate::support::{
    Community, Keeper, KeptServer, Visitor, Vpid, stays, wait_until, with_keepers,
};

with_keepers! {
    adverts_are_shown_in_turn_in_their_colour_and_none_on_an_empty_server: vyhub sqlite;
    adverts_that_are_not_wanted_any_more_cost_nothing_though_they_are_cached: vyhub sqlite;
    a_banned_player_is_kicked_within_a_second_on_every_connect: vyhub sqlite;
    a_banned_player_of_whom_only_status_tells_is_kicked_too: vyhub sqlite;
    whoever_is_banned_elsewhere_meanwhile_is_kicked_when_the_list_comes: vyhub sqlite mariadb;
    names_that_are_commands_are_kicked_by_their_userids: vyhub sqlite;
    new_players_are_made_once_whoever_tells_of_them: vyhub sqlite mariadb;
    a_server_that_starts_reads_its_record_and_tells_how_it_is: vyhub sqlite mariadb;
}

/// Those that were read are on disk.
fn has_adverts(community: &Community) -> bool {
    let name = format!("adverts-{}.json", community.bundle_id());
    let text = std::fs::read_to_string(community.cached(&name));
    text.is_ok_and(|text| text.contains("Be kind."))
}

/// A map starts, which is reported soon after.
fn next_report(community: &Community, map: &str) -> KeptServer {
    community.game.set_map(map);
    community
        .log
        .line(&format!("Started map \"{map}\" (CRC \"9a\")"));
    community.wait_for_server("a report", |server| server.map == map)
}

fn adverts_are_shown_in_turn_in_their_colour_and_none_on_an_empty_server(keeper: Keeper) {
    let configure = |vpid: Vpid| vpid.community_line("advert_interval_s = 1");
    let mut community = Community::kept_by_and(keeper, configure);
    community.add_advert("Be kind.\nAlways.", "FF8800");
    community.add_advert("<red>Join</red> us!", "00FF00");
    community.start();
    let texts = |community: &Community| {
        let shown = community.game.shown();
        let all = shown.iter().filter(|shown| shown.to.is_none());
        all.map(|shown| shown.text.clone()).collect::<Vec<_>>()
    };
    wait_until("adverts are read", || has_adverts(&community));
    stays("nobody is there", Duration::from_millis(1_300), || {
        texts(&community).is_empty() && community.game.said().is_empty()
    });
    let player = Visitor::new(2, "player");
    community.joins(&player);
    let both = [
        "\x07FF8800[\u{2605}] Be kind.",
        "\x07FF8800[\u{2605}] Always.",
        "\x0700FF00[\u{2605}] \x07FF1823Join\x0700FF00 us!",
    ];
    wait_until("all were shown, and the first again", || {
        texts(&community).len() >= 5
    });
    assert_eq!(texts(&community)[..3], both);
    assert_eq!(texts(&community)[3..5], both[..2]);
    // What is known is shown in an outage, too.
    community.vpid.kill();
    community.pause();
    let before = texts(&community).len();
    community.start_away();
    wait_until("they are shown again", || {
        texts(&community).len() >= before + 3
    });
    community.resume();
    community.all_well();
}

fn adverts_that_are_not_wanted_any_more_cost_nothing_though_they_are_cached(keeper: Keeper) {
    let configure = |vpid: Vpid| vpid.community_line("advert_interval_s = 86400");
    let mut community = Community::kept_by_and(keeper, configure);
    community.add_advert("Be kind.", "FF8800");
    community.start();
    wait_until("they are cached", || has_adverts(&community));
    community.vpid.stop();
    let vpid = &mut community.vpid;
    vpid.change_community_line("advert_interval_s = 86400", "advert_interval_s = 0");
    community.start_away();
    let (before, _) = cost(community.vpid.pid());
    stays("it sleeps", Duration::from_secs(1), || {
        cost(community.vpid.pid()).0 - before <= 20
    });
}

fn new_players_are_made_once_whoever_tells_of_them(keeper: Keeper) {
    let mut community = Community::kept_by_and(keeper, |vpid| vpid.signed());
    let [by_status, by_log, by_script, by_all] =
        [2, 3, 4, 5].map(|userid| Visitor::new(userid, &format!("new {userid}")));
    community.enters(&by_status);
    community.enters(&by_all);
    community.game.join(Player::bot(9, "Heavy"));
    community.game.join(Player::new(10, "pending", "[I:1:0]"));
    community.game.join(Player::new(11, "listen", "[U:1:0]"));
    let known = Visitor::new(6, "known");
    community.add_user(&known);
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
    let mut steams = everybody.map(|who| who.steam64());
    steams.sort_unstable();
    wait_until("everybody is a user", || {
        community.users().len() >= steams.len()
    });
    let server = next_report(&community, "cp_granary");
    assert_eq!(community.users(), steams);
    assert_eq!(server.players, steams);
    if community.is_vyhub() {
        made_with_few_requests(&community, &everybody);
    }
    community.all_well();
}

/// Each was looked for once, and those were made who were not known.
fn made_with_few_requests(community: &Community, everybody: &[&Visitor]) {
    for who in everybody {
        let path = format!("/user/{}", who.steam64());
        assert_eq!(community.asked("GET", &path), 1, "{}", who.name);
    }
    assert_eq!(community.asked("POST", "/user/"), 4);
    let status = community.vyhub.last_status().expect("a status");
    let extra = &status["user_activities"][0]["extra"];
    for name in ["Score", "Deaths", "Connection Time", "Ping", "Nickname"] {
        assert!(!extra[name].is_null(), "{name} in {extra}");
    }
}

fn a_server_that_starts_reads_its_record_and_tells_how_it_is(keeper: Keeper) {
    let community = Community::kept_by(keeper);
    let players = [Visitor::new(2, "one"), Visitor::new(3, "two")];
    players.iter().for_each(|who| community.enters(who));
    let community = community.started();
    let steams = players.map(|who| who.steam64()).to_vec();
    if community.is_vyhub() {
        let [server, bundle] = [community.vyhub.server_id(), community.vyhub.bundle_id()];
        assert_eq!(community.asked("GET", &format!("/server/{server}")), 1);
        assert!(community.asked("GET", &format!("/server/bundle/{bundle}")) >= 2);
        community.wait_for_vyhub("a status", |state| !state.statuses().is_empty());
        let first = community.vyhub.statuses()[0].body.clone();
        assert_eq!(
            [&first["map"], &first["is_alive"], &first["users_current"]],
            [&json!("cp_badlands"), &json!(true), &json!(2)],
            "as it is, and not as it was before anything was heard"
        );
    }
    let server = next_report(&community, "koth_viaduct");
    let expected = KeptServer {
        map: "koth_viaduct".into(),
        is_alive: true,
        players_max: 24,
        players: steams,
    };
    assert_eq!(server, expected);
    let log = community.vpid.log();
    let mut rest = &*log;
    for event in [" has replied", ": ready, as server"] {
        let at = rest.find(event).unwrap_or_else(|| panic!("{event}: {log}"));
        rest = &rest[at..];
    }
    community.all_well();
}

fn a_banned_player_is_kicked_within_a_second_on_every_connect(keeper: Keeper) {
    let community = Community::kept_by(keeper);
    let rogue = Visitor::new(2, "rogue");
    let reason = "aimbot; on \"every\" server";
    community.ban_elsewhere(&rogue, reason, Some(7_200));
    if community.is_vyhub() {
        let judge = Visitor::new(9, "the judge");
        let judge = community.vyhub.add_user(judge.steam64(), "the judge", true);
        let ban = &community.vyhub.bans()[0].id;
        community
            .vyhub
            .edit_ban(ban, |ban| ban.creator = Some(judge));
    }
    let community = community.started();
    community.joins(&rogue);
    let text = community.kicked_at_once(&rogue);
    let mut parts = vec!["aimbot; on 'every' server".to_owned(), "until 20".into()];
    match community.is_vyhub() {
        true => {
            let ban = community.vyhub.bans().remove(0).id;
            parts.extend(["the judge".into(), ban[..8].to_owned()]);
            parts.push(format!("https://fake.vyhub.example/bans/{ban}"));
        }
        false => {
            let id = &community.select("SELECT JSON_QUOTE(id) FROM vpid_bans")[0];
            parts.push(format!("no. {}.", &id.as_str().unwrap()[..8]));
        }
    }
    for part in parts {
        assert!(text.contains(&part), "{part} in {text}");
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

fn a_banned_player_of_whom_only_status_tells_is_kicked_too(keeper: Keeper) {
    let community = Community::kept_by(keeper);
    let rogue = Visitor::new(2, "rogue");
    community.ban_elsewhere(&rogue, "griefing", None);
    community.enters(&rogue);
    let community = community.started();
    let text = community.kicked(&rogue);
    assert!(
        text.contains("banned permanently") && text.contains("griefing"),
        "{text}"
    );
    community.all_well();
}

fn whoever_is_banned_elsewhere_meanwhile_is_kicked_when_the_list_comes(keeper: Keeper) {
    let community = Community::kept_by(keeper).started();
    let admin = community.admin(2, "admin");
    let [rogue, other] = [Visitor::new(3, "rogue"), Visitor::new(4, "other")];
    community.joins(&rogue);
    community.joins(&other);
    community.wait_for_user(&rogue);
    community.ban_elsewhere(&rogue, "on the page", None);
    // A change of ours: VyHub's list is read after it. Databases report changes themselves.
    community.log.says(&admin, "!warn other watch out");
    assert!(community.kicked(&rogue).contains("on the page"));
    assert_eq!(community.kicks(other.userid), 0);
    community.told(&other, "You were warned by admin: watch out");
    community.all_well();
}

fn names_that_are_commands_are_kicked_by_their_userids(keeper: Keeper) {
    let community = Community::kept_by(keeper);
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
        community.add_user(rogue);
        community.ban_elsewhere(rogue, &rogue.name, None);
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
