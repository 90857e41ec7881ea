//! Scripts of a map try to order things in an admin's name, by every road there is, against the built
//! daemon with a VyHub: none of them leads to a ban. And what admins write themselves goes on to count.

use std::net::{SocketAddr, TcpListener};

use fake_rcon::{FakeRcon, FakeServer, Player};
use fake_vyhub::{FakeVyhub, port};
use serde_json::json;
use tempfile::TempDir;

use crate::support::daemon::{Daemon, KEY, scriptdata};
use crate::support::peer::with_key;
use crate::support::script::folder;
use crate::support::{Game, Setup};

const ADMIN: (&str, u64) = ("[U:1:22202]", 76_561_197_960_287_930);
const VICTIM: (&str, u64) = ("[U:1:6]", 76_561_197_960_265_734);
const SECRET: &str = "71985";
const HOSTILE: &str = "hostile.nut";

struct Story {
    game: Game,
    daemon: Daemon,
    vyhub: FakeVyhub,
    console: FakeServer,
    admin: i32,
    victim: i32,
    _rcon: FakeRcon,
    _log_port: TcpListener,
    _dir: TempDir,
}

/// How the community is set up.
#[derive(Clone, Copy)]
struct Wish {
    rcon: bool,
    log: bool,
    /// More lines of `[[server]]`.
    server: &'static str,
    /// More lines of `[vyhub]`.
    vyhub: &'static str,
    /// An id that is banned from the beginning.
    banned: Option<u64>,
}

const USUAL: Wish = Wish {
    rcon: true,
    log: true,
    server: "",
    vyhub: "",
    banned: None,
};

impl Story {
    fn new(wish: Wish) -> Self {
        Self::of(wish, |setup| setup)
    }

    /// Two players are on: an admin, and who is to be banned in the admin's name.
    fn of(wish: Wish, more: impl FnOnce(Setup) -> Setup) -> Self {
        let mut story = Self::begin(wish, more);
        story.until("a session", |story| story.is_connected());
        story.join();
        story
    }

    fn begin(wish: Wish, more: impl FnOnce(Setup) -> Setup) -> Self {
        let vyhub = FakeVyhub::start();
        vyhub.add_user(ADMIN.1, "Admin", true);
        if let Some(id) = wish.banned {
            let user = vyhub.add_user(id, "Rogue", false);
            vyhub.add_ban(&user, "earlier", None);
        }
        let dir = TempDir::new().expect("a folder");
        let console = FakeServer::new("My Server", "cp_first");
        let rcon = console.start("word");
        let (port, log_port) = port::free_for_datagrams();
        let log = SocketAddr::from(([127, 0, 0, 1], port));
        let mut server = format!(
            "vyhub_server_id = \"{}\"\n{}\n",
            vyhub.server_id(),
            wish.server
        );
        if wish.rcon {
            server += &format!("rcon = \"{}\"\nrcon_password = \"word\"\n", rcon.address());
        }
        if wish.log {
            server += &format!("log_listen = \"{log}\"\nlog_secret = {SECRET}\n");
        }
        let (url, key) = (vyhub.api_url(), vyhub.key());
        let tables = format!(
            "[vyhub]\napi_url = \"{url}\"\napi_key = \"{key}\"\n{}\n",
            wish.vyhub
        );
        let daemon = Daemon::start_signed_beside(dir.path(), &server, &tables);
        let mapspawn = std::fs::read_to_string(folder().join("mapspawn.nut")).unwrap();
        let setup = Setup::new(&scriptdata(dir.path()))
            .hostname("My Server")
            .log(log, SECRET)
            .script("mapspawn.nut", &mapspawn)
            .script("vpi.nut", &with_key(KEY));
        let game = more(setup).start("cp_first");
        Self {
            game,
            daemon,
            vyhub,
            console,
            admin: 0,
            victim: 0,
            _rcon: rcon,
            _log_port: log_port,
            _dir: dir,
        }
    }

    fn join(&mut self) {
        self.admin = self.game.join("Admin", ADMIN.0);
        self.victim = self.game.join("Victim", VICTIM.0);
        let (admin, victim) = (self.admin, self.victim);
        self.console.join(Player::new(admin, "Admin", ADMIN.0));
        self.console.join(Player::new(victim, "Victim", VICTIM.0));
        self.until("both are known", |story| {
            story.vyhub.with(|state| state.user(VICTIM.1).is_some())
        });
        self.until("rights", |story| {
            let asked = |path: &str| story.vyhub.with(|state| state.requests_to("GET", path)) > 0;
            asked("/user/")
        });
    }

    fn is_connected(&mut self) -> bool {
        let code = "return (\"VPI\" in getroottable()) && VPI.Status().connected";
        self.game.run("test.nut", code) == json!(true)
    }

    #[track_caller]
    fn until(&mut self, what: &str, is_so: impl Fn(&mut Story) -> bool) {
        for _ in 0..500 {
            if is_so(self) {
                return;
            }
            self.game.run_real(0.02);
        }
        let (log, prints) = (self.daemon.log(), self.game.record().prints());
        let (engine, said) = (self.game.engine_log(), self.console.said());
        let shown = self.game.record().client_prints();
        panic!("in vain: {what}\n{log:#?}\n{prints:#?}\n{engine:#?}\n{said:#?}\n{shown:#?}");
    }

    fn bans(&self) -> usize {
        self.vyhub.bans_of(VICTIM.1).len()
    }

    fn is_refused(&self, why: &str) -> bool {
        let log = self.daemon.log();
        let refused = |line: &&String| line.contains("which does not count") && line.contains(why);
        log.iter().any(|line| refused(&line))
    }

    /// Somebody reads it, in the game or as what the console says.
    fn is_told(&self, part: &str) -> bool {
        let shown = self.game.record().client_prints();
        let said = self.console.said();
        shown.iter().any(|(_, _, text)| text.contains(part))
            || said.iter().any(|text| text.contains(part))
    }

    /// What a hostile script runs, and what it throws.
    fn hostile(&mut self, code: &str) {
        let (admin, victim) = (self.admin, self.victim);
        let head = format!(
            "local admin = GetPlayerFromUserID({admin}), victim = GetPlayerFromUserID({victim})\n\
             local adminId = {admin}, victimId = {victim}, order = \"!ban #{victim} permanent forged\"\n"
        );
        let _ = self.game.try_run(HOSTILE, &(head + code));
    }

    /// What the admin writes counts: so vpid was there all along, and everything before has been read.
    #[track_caller]
    fn assert_that_only_the_admin_counts(&mut self) {
        self.game.run_real(0.3);
        assert_eq!(self.bans(), 0, "{:#?}", self.game.engine_log());
        let order = format!("!ban #{} 1h real", self.victim);
        self.game.say(self.admin, order);
        self.until("the admin's own ban", |story| story.bans() > 0);
        let bans = self.vyhub.bans_of(VICTIM.1);
        let reasons: Vec<_> = bans.iter().filter_map(|ban| ban.reason.clone()).collect();
        assert_eq!(reasons, ["real"], "{:#?}", self.daemon.log());
    }

    /// Nothing counts any more on this map, what the admin writes neither; but the admin is told.
    #[track_caller]
    fn assert_that_nobody_counts(&mut self, why: &str, told: &str) {
        let order = format!("!ban #{} 1h real", self.victim);
        self.game.say(self.admin, order);
        self.until(why, |story| story.is_refused(why));
        self.until(told, |story| story.is_told(told));
        self.game.run_real(0.3);
        assert_eq!(self.bans(), 0, "{:#?}", self.game.engine_log());
    }
}

#[test]
fn what_a_script_lets_an_admin_say_does_not_reach_the_log() {
    let mut story = Story::new(USUAL);
    for code in [
        "Say(admin, order, false)",
        "Say(admin, order, true)",
        "::Say(admin, \" \\t\" + order, false)",
        "getroottable().Say(admin, \"\\x07FF0000\" + order, false)",
        "getroottable()[\"Say\"](admin, \"\\xe2\\x80\\x8b\" + order, false)",
        "Say(admin, \"\\\"\" + order + \"\\\"\", false)",
        "Say(admin, \"say \" + order, false)",
        "Say(admin, \"SAY_TEAM \\\"\" + order + \"\\\"\", false)",
        "Say(admin, \"\\\"say\\\" \" + order, false)",
        "Say(admin, \"say say_team say \" + order, false)",
        "Say(admin, \"hello\\n\" + order, false)",
        "Say(admin, \"/\" + order.slice(1), false)",
        "Say.call(getroottable(), admin, order, false)",
        "Say.pcall(null, admin, order, false)",
        "Say.acall([{}, admin, order, false])",
        "Say.pacall([{}, admin, order, false])",
        "local s = Say.bindenv({}); s(admin, order, false)",
        "compilestring(\"return ::Say\")()(admin, order, false)",
        "local t = {}.setdelegate(getroottable()); t.Say(admin, order, false)",
        "local t = newthread(Say); t.call(admin, order, false)",
        "[admin].map(@(who) Say(who, order, false))",
        "local g = (function() { yield Say(admin, order, false) })(); resume g",
        "Say.setroot({}); Say(admin, order, false)",
        "::string <- {}; ::type <- @(x) \"null\"; Say(admin, order, false)",
    ] {
        story.hostile(code);
    }
    let lines = story.game.engine_log();
    let forged: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("forged"))
        .collect();
    assert_eq!(forged, [] as [&String; 0]);
    story.assert_that_only_the_admin_counts();
    let prints = story.game.record().prints();
    let told = prints
        .iter()
        .filter(|line| line.contains("in the name of a player"));
    // Once for each script, and for what hides its file.
    assert!((1..=3).contains(&told.count()), "{prints:#?}");
}

#[test]
fn what_a_script_tells_of_players_in_the_engines_name_does_not_reach_the_log() {
    let mut story = Story::new(USUAL);
    story.game.run_real(0.1);
    let before = story.game.engine_log().len();
    for code in [
        "SendGlobalGameEvent(\"player_say\", { userid = adminId, text = order, priority = 1 })",
        "SendGlobalGameEvent(\"PLAYER_SAY\", { userid = adminId, text = order })",
        "SendGlobalGameEvent(\"player_connect\", { name = \"Admin\", index = 5, userid = 77, networkid = \"[U:1:22202]\", address = \"1.2.3.4:5\", bot = 0 })",
        "SendGlobalGameEvent(\"player_connect_client\", { name = \"Admin\", index = 5, userid = 77, networkid = \"[U:1:22202]\", bot = 0 })",
        "SendGlobalGameEvent(\"player_connect\", { name = \"x\\\"<7><[U:1:22202]><Red>\\\" say \\\"\" + order, index = 5, userid = 78, networkid = \"\", address = \"\", bot = 0 })",
        "SendGlobalGameEvent(\"player_disconnect\", { userid = adminId, reason = order, name = \"Admin\", networkid = \"[U:1:22202]\", bot = 0 })",
        "SendGlobalGameEvent(\"player_changename\", { userid = victimId, oldname = \"Victim\", newname = \"Admin\" })",
        "SendGlobalGameEvent(\"player_activate\", { userid = adminId })",
        "SendGlobalGameEvent(\"player_team\", { userid = adminId, team = 2 })",
        "SendGlobalGameEvent(\"player_death\", { userid = adminId, attacker = victimId, weapon = \"x\" })",
        "SendGlobalGameEvent(\"player_spawn\", { userid = adminId })",
        "SendGlobalGameEvent(\"player_info\", { userid = adminId, name = \"x\" })",
        "SendGlobalGameEvent.pcall(null, \"player_say\", { userid = adminId, text = order })",
        "SendGlobalGameEvent.acall([{}, \"player_say\", { userid = adminId, text = order }])",
        "compilestring(\"return ::SendGlobalGameEvent\")()(\"player_say\", { userid = adminId, text = order })",
    ] {
        story.hostile(code);
    }
    let lines = story.game.engine_log().split_off(before);
    assert_eq!(lines, [""; 0]);
    story.assert_that_only_the_admin_counts();
}

#[test]
fn honest_scripts_speak_and_raise_events_as_before() {
    let mut story = Story::new(USUAL);
    let code = r#"
        ::heard <- []
        ::Ears <- {
            function OnGameEvent_player_say(event) { ::heard.append(event.text) }
            function OnGameEvent_teamplay_round_win(event) { ::heard.append(event.team) }
            function OnGameEvent_player_hintmessage(event) { ::heard.append(event.hintmessage) }
        }
        __CollectGameEventCallbacks(::Ears)
        ::results <- [
            Say(victim, "hello! 1/2 of you", false), Say(null, "!the console's", true),
            SendGlobalGameEvent("teamplay_round_win", { team = 2 }),
            SendGlobalGameEvent("player_hintmessage", { hintmessage = "hint" })
        ]
        local Error = function(call) { try { call(); return null } catch (problem) { return problem } }
        ::errors <- [Error(@() Say(victim, 5, false)), Error(@() Say(victim)), Error(@() SendGlobalGameEvent(5, {})), Error(@() SendGlobalGameEvent("x", 5)), Error(@() Say(victim, null, false))]
    "#;
    story.hostile(code);
    let heard = story.game.run("test.nut", "return ::heard");
    let expected = json!(["hello! 1/2 of you", "!the console's", 2, "hint", ""]);
    assert_eq!(heard, expected);
    let results = story.game.run("test.nut", "return ::results");
    assert_eq!(results, json!([null, null, null, null]));
    let errors = story.game.run("test.nut", "return ::errors");
    for (at, wanted) in [
        (
            0,
            "parameter 2 has an invalid type 'integer' ; expected: 'string'",
        ),
        (1, "wrong number of parameters"),
        (
            2,
            "parameter 1 has an invalid type 'integer' ; expected: 'string'",
        ),
        (3, "parameter 2 has an invalid type"),
    ] {
        let said = errors[at].as_str().unwrap_or_default();
        assert!(said.starts_with(wanted), "{said}");
    }
    assert_eq!(errors[4], json!(null));
    story.assert_that_only_the_admin_counts();
}

/// What looks at the functions that wait while the game raises an event for one of them, takes what it
/// finds there, and uses it then and later.
const THIEF: &str = r#"
    local getstackinfos = ::getstackinfos, type = ::type
    ::loot <- []
    ::Steal <- function() {
        for (local level = 1; level < 40; level++) {
            local infos = getstackinfos(level)
            if (infos == null) break
            foreach (name, value in infos.locals)
                if (type(value) == "function" || type(value) == "native function") ::loot.append(value)
        }
    }
    ::Use <- function(admin, adminId, order) {
        for (local i = 0; i < ::loot.len() && i < 200; i++)
            foreach (args in [[null], [null, admin, order, false], [null, "player_say", { userid = adminId, text = order }]])
                try {
                    local given = ::loot[i].acall(args)
                    if (type(given) == "function" || type(given) == "native function") ::loot.append(given)
                } catch (_) {}
    }
    ::Thief <- {
        function OnGameEvent_player_say(event) { ::Steal(); ::Use(::whom, ::whomId, ::what) }
        function OnGameEvent_ours(event) { ::Steal(); ::Use(::whom, ::whomId, ::what) }
    }
    __CollectGameEventCallbacks(::Thief)
"#;

#[test]
fn who_looks_at_the_stack_while_the_game_speaks_finds_nothing_to_use() {
    let mut story = Story::new(USUAL);
    story.hostile(THIEF);
    story.hostile(
        r#"
        ::whom <- admin; ::whomId <- adminId; ::what <- order
        seterrorhandler(function(error) { ::Steal(); ::Use(::whom, ::whomId, ::what) })
        Say(victim, "look at me", false)
        SendGlobalGameEvent("ours", {})
        Say(victim, "look again", false)
        ::Use(admin, adminId, order)
        "#,
    );
    for wrong in [
        "Say(victim, {}, false)",
        "Say()",
        "SendGlobalGameEvent(5, 5)",
        "SendGlobalGameEvent(\"x\", null)",
        "EntFireByHandle(null, \"Command\", \"say !x\", 0, null, null); EntFireByHandle(1)",
        "local deep; deep = function(n) { Say(victim, \"x\", false); deep.call(this, n + 1) }; deep.call(this, 0)",
        "local t = {}; t.setdelegate({ _get = function(k) { Say(::whom, \"x\", false); return this[k] } }); t.x",
    ] {
        story.hostile(wrong);
        story.hostile("::Use(admin, adminId, order)");
    }
    let loot = story.game.run("test.nut", "return ::loot.len()");
    assert!(loot.as_i64().unwrap() > 3, "somebody did look: {loot}");
    let lines = story.game.engine_log();
    let forged: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("forged"))
        .collect();
    assert_eq!(forged, [] as [&String; 0]);
    story.hostile("delete ::GameEventCallbacks.ours; seterrorhandler(null)");
    story.assert_that_only_the_admin_counts();
}

#[test]
fn a_guard_that_somebody_has_touched_is_reported_and_nothing_counts() {
    for (code, what) in [
        ("::Say <- function(...) {}", "a script has changed Say"),
        ("delete ::Say", "a script has changed Say"),
        (
            "getroottable().rawset(\"SendGlobalGameEvent\", print)",
            "a script has changed SendGlobalGameEvent",
        ),
        (
            "::StringToFile <- function(a, b) {}",
            "a script has changed StringToFile",
        ),
    ] {
        let mut story = Story::new(USUAL);
        story.hostile(code);
        story.until(what, |story| {
            story.daemon.log().iter().any(|line| line.contains(what))
        });
        story.assert_that_nobody_counts(what, "could write in your name");
        // What only asks goes on, and the next map begins anew.
        story.game.say(story.admin, "!vyhub");
        story.until("an answer", |story| story.is_told("VyHub is connected"));
        story.console.set_map("cp_second");
        story.game.change_map("cp_second");
        story.until("a session", |story| story.is_connected());
        story.assert_that_only_the_admin_counts();
    }
}

#[test]
fn entities_that_make_players_speak_are_refused_or_make_chat_doubtful() {
    let mut story = Story::new(USUAL);
    story.hostile(
        r#"
        local cc = SpawnEntityFromTable("point_clientcommand", { targetname = "cc" })
        EntFireByHandle(cc, "Command", "say " + order, 0, admin, admin)
        EntFireByHandle(cc, "cOMMAND", "say_team \"" + order + "\"", 0, admin, admin)
        EntFire("cc", "Command", "say " + order, 0, admin)
        DoEntFire("cc", "Command", "say " + order, 0, admin, admin)
        cc.Kill()
        "#,
    );
    story.game.run_real(0.3);
    assert_eq!(story.bans(), 0);
    story.assert_that_only_the_admin_counts();

    let mut story = Story::new(USUAL);
    story.hostile("SpawnEntityFromTable(\"point_clientcommand\", { targetname = \"cc\" })");
    let why = "it has a point_clientcommand";
    story.until(why, |story| {
        story.daemon.log().iter().any(|line| line.contains(why))
    });
    story.hostile("Entities.FindByName(null, \"cc\").AcceptInput(\"Command\", \"say \" + order, admin, admin)");
    story.until("the forged line", |story| story.is_refused(why));
    story.assert_that_nobody_counts(why, "could write in your name");
}

#[test]
fn on_a_map_that_keeps_the_scripts_out_nothing_counts() {
    let hostile = "::Forge <- function(who, text) { Say(who, text, false) }";
    let mut story = Story::of(USUAL, |setup| {
        setup.packed("cp_hostile", "mapspawn.nut", hostile)
    });
    story.console.set_map("cp_hostile");
    story.game.change_map("cp_hostile");
    story.game.run_real(1.5);
    story.hostile("::Forge(admin, order)");
    story.until("the forged line", |story| {
        story.is_refused("may bring a mapspawn.nut of its own")
    });
    story.assert_that_nobody_counts("a mapspawn.nut", "do not run on this map");
    story.console.set_map("cp_second");
    story.game.change_map("cp_second");
    story.until("a session", |story| story.is_connected());
    story.assert_that_only_the_admin_counts();
}

#[test]
fn without_the_log_scripts_cannot_pretend_either() {
    let mut story = Story::new(Wish {
        log: false,
        ..USUAL
    });
    for code in [
        "FireGameEvent(\"player_say\", { userid = adminId, text = order })",
        "__RunGameEventCallbacks(\"player_say\", { userid = adminId, text = order })",
        "foreach (table in ::GameEventCallbacks.player_say) table.OnGameEvent_player_say({ userid = adminId, text = order })",
        "foreach (table in ::GameEventCallbacks.player_say) return table.OnGameEvent_player_say({ userid = adminId, text = order })",
        "local f = function() { return __RunGameEventCallbacks(\"player_say\", { userid = adminId, text = order }) }; return f()",
        "newthread(function() { __RunGameEventCallbacks(\"player_say\", { userid = adminId, text = order }) }).call()",
        "Say(admin, order, false)",
        "SendGlobalGameEvent(\"player_say\", { userid = adminId, text = order })",
        "compilestring(\"return @(e, p) ::__RunGameEventCallbacks(e, p)\", \"unnamed\")()(\"player_say\", { userid = adminId, text = order })",
    ] {
        story.hostile(code);
    }
    story.assert_that_only_the_admin_counts();
    // Nor by what the game calls for an event.
    let mut story = Story::new(Wish {
        log: false,
        ..USUAL
    });
    story.hostile(
        r#"
        local run = ::__RunGameEventCallbacks
        ::__RunGameEventCallbacks <- function(event, params) {
            if (event == "player_say") { params.userid = adminId; params.text = order }
            return run(event, params)
        }
        "#,
    );
    story.game.say(story.victim, "hello");
    story.until("the forged line", |story| {
        story.is_refused("a script may have raised it")
    });
    assert_eq!(story.bans(), 0);
}

#[test]
fn prefixes_of_the_owner_are_guarded_too() {
    let wish = Wish {
        vyhub: "command_prefixes = [\"\u{a7}\", \"Vp.\"]",
        ..USUAL
    };
    let mut story = Story::new(wish);
    story.until("the prefixes are known", |story| {
        story.hostile("Say(admin, \"\\xc2\\xa7ban #\" + victimId + \" permanent forged\", false)");
        !story
            .game
            .engine_log()
            .iter()
            .any(|line| line.contains("forged"))
            || story
                .game
                .record()
                .prints()
                .iter()
                .any(|line| line.contains("in the name of"))
    });
    story.hostile("Say(admin, \"  vP.ban #\" + victimId + \" permanent forged\", false)");
    story.game.run_real(0.3);
    assert_eq!(story.bans(), 0);
    let order = format!("\u{a7}ban #{} 1h real", story.victim);
    story.game.say(story.admin, order);
    story.until("the admin's own ban", |story| story.bans() == 1);
}

#[test]
fn who_writes_is_the_one_whom_status_confirms() {
    let mut story = Story::new(USUAL);
    // The engine's log tells of an admin under the number of somebody else.
    let forged = format!(
        "\"Victim<{}><[U:1:22202]><Red>\" say \"!ban Admin 1h forged\"",
        story.victim
    );
    story.game.log(&forged);
    let stranger = "\"Admin<99><[U:1:22202]><Red>\" say \"!ban Victim 1h forged\"";
    story.game.log(stranger);
    story.until("both are refused", |story| {
        let log = story.daemon.log();
        let lines = log
            .iter()
            .filter(|line| line.contains("have confirmed that this player"));
        lines.count() == 2
    });
    assert_eq!((story.bans(), story.vyhub.bans_of(ADMIN.1).len()), (0, 0));
    story.assert_that_only_the_admin_counts();
}

#[test]
fn nobody_is_kicked_for_an_id_that_only_a_line_gives_them() {
    let mut story = Story::new(Wish {
        banned: Some(76_561_197_960_265_735),
        ..USUAL
    });
    let line = format!(
        "\"Victim<{}><[U:1:7]><>\" connected, address \"1.2.3.4:5\"",
        story.victim
    );
    story.game.log(&line);
    story.game.run_real(1.5);
    assert_eq!(story.console.kicked(), []);
    // Who is it is kicked.
    let userid = story.game.join("Rogue", "[U:1:7]");
    story.console.join(Player::new(userid, "Rogue", "[U:1:7]"));
    story.until("a kick", |story| !story.console.kicked().is_empty());
    assert_eq!(story.console.kicked()[0].0, userid);
}

#[test]
fn the_owner_chooses() {
    let wish = Wish {
        server: "chat_commands = \"off\"",
        ..USUAL
    };
    let mut story = Story::new(wish);
    story.assert_that_nobody_counts("chat_commands is \"off\"", "switched off here");
    story.game.say(story.admin, "!bans Victim");
    story.until("an answer", |story| story.is_told("Victim has no bans"));
    // By the log alone, whatever the map has done.
    let wish = Wish {
        server: "chat_commands = \"log\"",
        ..USUAL
    };
    let mut story = Story::of(wish, |setup| setup.packed("cp_hostile", "mapspawn.nut", ""));
    story.console.set_map("cp_hostile");
    story.game.change_map("cp_hostile");
    story.game.run_real(1.0);
    story
        .game
        .say(story.admin, format!("!ban #{} 1h real", story.victim));
    story.until("the ban", |story| story.bans() == 1);
}

#[test]
fn a_vpid_that_starts_later_learns_how_chat_stands() {
    let mut story = Story::new(USUAL);
    story.daemon.restart();
    // Heartbeats come every ten seconds, and one of them may have been of an earlier map.
    story.game.run_ticks(1);
    let order = format!("!ban #{} 1h real", story.victim);
    for _ in 0..40 {
        story.game.say(story.admin, order.clone());
        story.game.run_real(0.7);
        if story.bans() > 0 {
            return;
        }
    }
    panic!("{:#?}", story.daemon.log());
}
