//! The shipped scripts, the built daemon and VyHub: what scripts get of it, what they can call, and
//! what players see.

use std::net::SocketAddr;

use fake_rcon::{FakeServer, Player};
use fake_vyhub::FakeVyhub;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::support::daemon::{Daemon, KEY, scriptdata};
use crate::support::{Game, Setup, What};
use vpid::vscripts::{MAPSPAWN, vpi_with};

const LISTENER: &str = r#"
::heard <- {}
::Hear <- function(name, data) { if (!(name in ::heard)) ::heard[name] <- []; ::heard[name].append(data) }
::Listener <- {
    function OnScriptHook_vyhub_ready(data) { ::Hear("ready", data) }
    function OnScriptHook_community_ply_connected(data) { ::Hear("connected", data) }
    function OnScriptHook_vyhub_ply_initialized(data) { ::Hear("initialized", data) }
    function OnScriptHook_vyhub_ply_banned(data) { ::Hear("banned", data) }
}
__CollectGameEventCallbacks(::Listener)
"#;

const ADMIN: (&str, u64) = ("[U:1:5]", 76_561_197_960_265_733);
const ROGUE: (&str, u64) = ("[U:1:6]", 76_561_197_960_265_734);

struct Story {
    game: Game,
    daemon: Daemon,
    vyhub: FakeVyhub,
    _dir: TempDir,
}

/// `rcon`: where the game's console is reached; else only its scripts can act.
fn story(vyhub: FakeVyhub, rcon: Option<SocketAddr>) -> Story {
    let dir = TempDir::new().expect("a folder");
    let mut server = format!("vyhub_server_id = \"{}\"\n", vyhub.server_id());
    if let Some(address) = rcon {
        server += &format!("rcon = \"{address}\"\nrcon_password = \"word\"\n");
    }
    let (url, key) = (vyhub.api_url(), vyhub.key());
    let tables = format!("[vyhub]\napi_url = \"{url}\"\napi_key = \"{key}\"\n");
    let daemon = Daemon::start_signed_beside(dir.path(), &server, &tables);
    let mapspawn = MAPSPAWN.to_owned();
    let include = "\nIncludeScript(\"listener\", this)";
    let mut game = Setup::new(&scriptdata(dir.path()))
        .hostname("My Server #1")
        .script("mapspawn.nut", &(mapspawn + include))
        .script("vpi.nut", &vpi_with(KEY))
        .script("listener.nut", LISTENER)
        .start("cp_first");
    game.set_cvar("sv_allow_point_servercommand", "always");
    let mut story = Story {
        game,
        daemon,
        vyhub,
        _dir: dir,
    };
    story.until("ready", |story| story.heard("ready").is_some());
    story
}

impl Story {
    #[track_caller]
    fn until(&mut self, what: &str, is_so: impl Fn(&mut Story) -> bool) {
        for _ in 0..500 {
            if is_so(self) {
                return self.game.assert_no_errors();
            }
            self.game.run_real(0.02);
        }
        let (log, prints) = (self.daemon.log(), self.game.record().prints());
        let heard = self.game.run("test.nut", "return ::heard");
        let requests = self.vyhub.requests();
        panic!("waited in vain: {what}: {heard:#}\n{requests:#?}\n{prints:#?}\n{log:#?}");
    }

    /// What a hook brought last.
    fn heard(&mut self, hook: &str) -> Option<Json> {
        let heard = self.game.run("test.nut", "return ::heard");
        heard[hook].as_array().and_then(|all| all.last()).cloned()
    }

    #[track_caller]
    fn wait_for_hook(&mut self, hook: &str, userid: i32) -> Json {
        let of = move |data: &Json| data["userid"] == userid;
        self.until(hook, |story| {
            story.heard(hook).is_some_and(|data| of(&data))
        });
        self.heard(hook).expect("just looked")
    }

    /// Waits until this player reads it in chat.
    #[track_caller]
    fn reads(&mut self, userid: i32, part: &str) {
        self.until(part, |story| {
            let prints = story.game.record().client_prints();
            let mut prints = prints.iter();
            prints.any(|(to, dest, text)| *to == Some(userid) && *dest == 3 && text.contains(part))
        });
    }

    /// An admin, whose rights are known.
    fn admin(&mut self) -> i32 {
        let admin = self.game.join("admin", ADMIN.0);
        self.wait_for_hook("initialized", admin);
        admin
    }

    fn commands(&self) -> Vec<String> {
        let record = self.game.record();
        let commands = record.0.iter().filter_map(|entry| match &entry.what {
            What::Command(command) => Some(command.clone()),
            _ => None,
        });
        commands.collect()
    }
}

fn vyhub() -> FakeVyhub {
    let vyhub = FakeVyhub::start();
    vyhub.add_user(ADMIN.1, "Admin", true);
    vyhub
}

#[test]
fn scripts_hear_of_vyhub_and_of_players_and_can_ask() {
    let mut story = story(vyhub(), None);
    let ready = story.heard("ready").expect("it was waited for");
    assert_eq!(ready["server"], json!(story.vyhub.server_id()));
    assert_eq!(ready["bundle"], json!(story.vyhub.bundle_id()));
    let newcomer = story.game.join("new", "[U:1:77]");
    let connected = story.wait_for_hook("connected", newcomer);
    assert_eq!(
        [&connected["name"], &connected["id"]],
        [&json!("new"), &json!("76561197960265805")]
    );
    let initialized = story.wait_for_hook("initialized", newcomer);
    let user = story
        .vyhub
        .with(|state| state.user(76_561_197_960_265_805).unwrap().clone());
    assert_eq!(
        [&initialized["user_id"], &initialized["admin"]],
        [&json!(user.id), &json!(false)]
    );
    let ask = r#"VPI.AsyncCall({ func = "VYHUB_GetUser", kwargs = { player = "[U:1:5]" },
        urgent = true, callback = function(response, error) { ::Hear("user", response) } })"#;
    story.game.run("test.nut", ask);
    story.until("an answer", |story| story.heard("user").is_some());
    let user = story.heard("user").expect("just looked");
    assert_eq!(
        [&user["username"], &user["admin"]],
        [&json!("Admin"), &json!(true)]
    );
    // Scripts of the next map know nothing, and get it again.
    story.game.change_map("cp_second");
    story.until("ready again", |story| story.heard("ready").is_some());
    assert_eq!(story.vyhub.violations(), Vec::<String>::new());
}

#[test]
fn without_rcon_a_script_kicks_and_admins_read_their_answers() {
    let mut story = story(vyhub(), None);
    let admin = story.admin();
    let rogue = story.game.join("rogue;quit", ROGUE.0);
    story.wait_for_hook("initialized", rogue);
    story.game.say(admin, "!ban rogue 1h \";quit");
    let kick = format!("kickid {rogue} \"You are banned until ");
    story.until("a kick", |story| {
        story
            .commands()
            .iter()
            .any(|command| command.starts_with(&kick))
    });
    for command in story.commands() {
        let read = fake_rcon::console::commands(command.as_bytes());
        assert!(
            read.len() == 1 && read[0].len() == 3 && read[0][0] == "kickid",
            "{read:?}"
        );
    }
    let banned = story.heard("banned").expect("before the kick");
    assert_eq!(
        [&banned["id"], &banned["minutes"], &banned["issuer"]],
        [&json!(ROGUE.1.to_string()), &json!(60), &json!("admin")]
    );
    story.reads(admin, "rogue;quit is banned (1 hour): ';quit");
    story.game.say(admin, "!vyhub");
    story.reads(admin, "VyHub is connected: Fake bundle");
    story.game.say(rogue, "!ban admin 1h x");
    story.reads(rogue, "You have no right to use ban.");
    assert_eq!(story.vyhub.bans_of(ROGUE.1).len(), 1);
    assert_eq!(story.vyhub.violations(), Vec::<String>::new());
}

#[test]
fn a_banned_player_who_joins_is_kicked_through_rcon() {
    let vyhub = vyhub();
    let user = vyhub.add_user(ROGUE.1, "Rogue", false);
    vyhub.add_ban(&user, "earlier", None);
    let console = FakeServer::new("My Server #1", "cp_first");
    let rcon = console.start("word");
    let mut story = story(vyhub, Some(rcon.address()));
    let admin = story.admin();
    console.join(Player::new(admin, "admin", ADMIN.0));
    let rogue = story.game.join("rogue", ROGUE.0);
    console.join(Player::new(rogue, "rogue", ROGUE.0));
    story.until("a kick", |_| !console.kicked().is_empty());
    let kicked = console.kicked();
    assert!(kicked.len() == 1 && kicked[0].0 == rogue, "{kicked:?}");
    assert!(kicked[0].1.contains("earlier"), "{kicked:?}");
    assert_eq!((story.commands(), console.said()), (Vec::new(), Vec::new()));
    story.game.leave(rogue, "Kicked");
    story.game.say(admin, "!bans [U:1:6]");
    story.reads(admin, "by -: earlier");
    assert_eq!(story.vyhub.violations(), Vec::<String>::new());
}
