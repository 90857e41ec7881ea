//! A community around the demo's game: a VyHub, the game's console by RCON, and the engine's log.
//! All of it is made up, on this machine, and gone with the demo.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use fake_rcon::{FakeRcon, FakeServer, Player};
use fake_vyhub::{FakeVyhub, port};

use super::{Failure, Outcome, secret};
use crate::io::random;
use crate::protocol::steam_id::SteamId;

/// What the game is called.
pub const HOSTNAME: &str = "Community Server";
pub const MAP: &str = "cp_community";
/// SourceMod's, in the folder of the stage, and what the owner has written into it.
pub const ADMINS_FILE: &str = "admins_simple.ini";
pub const OWN_ADMINS: &str = "\"STEAM_0:1:100\" \"99:z\"\n";

/// A player.
#[derive(Clone, Copy)]
pub struct Person {
    pub name: &'static str,
    account: u32,
}

pub const ANA: Person = person("Ana", 201);
pub const BOB: Person = person("Bob", 202);
pub const MALLORY: Person = person("Mallory", 203);
pub const CARL: Person = person("Carl", 204);

const fn person(name: &'static str, account: u32) -> Person {
    Person { name, account }
}

impl Person {
    /// As the engine writes it.
    pub fn id(self) -> String {
        format!("[U:1:{}]", self.account)
    }

    /// As VyHub knows them.
    pub fn steam64(self) -> u64 {
        SteamId::new(self.account).map_or(0, SteamId::as_u64)
    }

    /// As SourceMod writes it.
    pub fn steam2(self) -> String {
        SteamId::new(self.account).map_or_else(String::new, SteamId::steam2)
    }
}

pub struct Community {
    pub vyhub: FakeVyhub,
    /// The group of the shop that games call `vip`.
    pub vips: String,
    /// The game as its console shows it.
    pub console: FakeServer,
    rcon: FakeRcon,
    rcon_password: String,
    engine: UdpSocket,
    log_address: SocketAddr,
    log_secret: u32,
    /// Keeps the port of the log while the demo's daemon is dead.
    _log_port: TcpListener,
}

impl Community {
    /// Ana is in a group that may ban, Mallory is banned, Bob has never been here.
    pub fn set_up() -> Outcome<Self> {
        let vyhub = FakeVyhub::start();
        let ana = vyhub.add_user(ANA.steam64(), ANA.name, false);
        let admins = vyhub.add_group("Admins", 100, &[("ban_edit", true)], None);
        vyhub.put_in_group(&ana, &admins);
        let vips = vyhub.add_mapped_group("VIP", 10, "vip");
        let mallory = vyhub.add_user(MALLORY.steam64(), MALLORY.name, false);
        let ban = vyhub.add_ban(&mallory, "sold items for \"free\"; quit", None);
        vyhub.edit_ban(&ban, |ban| ban.creator = Some(ana));
        let console = FakeServer::new(HOSTNAME, MAP);
        let rcon_password = secret();
        let rcon = console.start(&rcon_password);
        let mut random = random::bytes();
        let number = u32::from_le_bytes(std::array::from_fn(|_| random()));
        let (log_port, keeper) = port::free_for_datagrams();
        let engine = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
        Ok(Self {
            vyhub,
            vips,
            console,
            rcon,
            rcon_password,
            engine: engine.map_err(Failure::system("no socket for the engine's log"))?,
            log_address: (Ipv4Addr::LOCALHOST, log_port).into(),
            log_secret: number.max(1),
            _log_port: keeper,
        })
    }

    /// Its part of vpid's configuration. `key`: that of the game's scripts. None run here that could
    /// guard chat, so the log alone has to do.
    pub fn config(&self, key: &str) -> String {
        format!(
            "\n[[server]]\nscriptdata = \"scriptdata\"\nhostname = \"{HOSTNAME}\"\n\
             key = \"{key}\"\nvyhub_server_id = \"{}\"\nrcon = \"{}\"\nrcon_password = \"{}\"\n\
             log_listen = \"{}\"\nlog_secret = {}\nchat_commands = \"log\"\n\n\
             [vyhub]\napi_url = \"{}\"\napi_key = \"{}\"\ntime_zone = \"UTC\"\n\n\
             [vyhub.sourcemod]\nadmins_simple = \"{ADMINS_FILE}\"\n\n\
             [vyhub.groups.\"vip\"]\non_add = ['sm_addvip \"%steamid64%\"']\nsourcemod = \"@VIP\"\n",
            self.vyhub.server_id(),
            self.rcon.address(),
            self.rcon_password,
            self.log_address,
            self.log_secret,
            self.vyhub.api_url(),
            self.vyhub.key(),
        )
    }

    /// The engine writes a line into its log.
    pub fn log(&self, event: &str) -> Outcome {
        let date = "11/20/2026 - 20:00:00";
        let line = format!("S{}L {date}: {event}\n\0", self.log_secret);
        let packet = [b"\xff\xff\xff\xff", line.as_bytes()].concat();
        self.engine.send_to(&packet, self.log_address)?;
        Ok(())
    }

    /// A player writes into chat. Commands count where they stand in the engine's own log.
    pub fn chat(&self, who: Person, userid: i32, line: &str) -> Outcome {
        let (name, id) = (who.name, who.id());
        self.log(&format!("\"{name}<{userid}><{id}><Red>\" say \"{line}\""))
    }

    /// Adds a player to the list of the console.
    pub fn lists(&self, who: Person, userid: i32) {
        let mut player = Player::new(userid, who.name, &who.id());
        player.connected_s = 0;
        self.console.join(player);
    }

    /// A player's id in VyHub.
    pub fn user(&self, who: Person) -> Option<String> {
        let steam = who.steam64().to_string();
        let users = self.vyhub.users().into_iter();
        let mut of = users.filter(|user| user.steam == steam);
        of.next().map(|user| user.id)
    }

    /// The reason with which a player was kicked.
    pub fn kicked(&self, userid: i32) -> Option<String> {
        let kicked = self.console.kicked().into_iter();
        let mut of = kicked.filter(|(who, _)| *who == userid);
        of.next().map(|(_, reason)| reason)
    }
}
