//! `[[server]]`: the folder of a game, what its files are signed with, and how else it is reached.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::about_players::{Asked, Type};
use super::address::{host_and_port, is_here};
use super::file::Blanks;
use super::key::{Declared, InForce, Key, Kind, Usual, key, text};
use super::reader::{Given, IN_SCRIPTDATA, Location, Reader, TWO_BRACKETS, Table, wrong_type};
use super::secret::{Password, Secret};
use crate::limits::{
    ANSWER_FILE_BYTES_MAX, HOST_BYTES_MAX, LOG_SECRET_DIGITS_MAX, RCON_PASSWORD_BYTES_MAX,
    SECRET_BYTES_ADVISED, SERVER_NAME_CHARS_MAX, SERVERS_MAX, SIGNED_HOST_BYTES_MAX,
};
use crate::protocol::engine_log::LogSecret;
use crate::protocol::local_ids;
use crate::protocol::stock::response_file::frame_bytes;
use crate::protocol::uuid::Uuid;

pub static TABLE: Declared = Declared {
    head: "[[server]]",
    keys: &[FILES, CONNECTIONS],
    also: &[],
    doc: "One [[server]] for each scriptdata folder, or for each host that shares one.",
    example: "[[server]]",
};

/// What it takes to speak with vpid through the folder.
pub const FILES: &[Key] = &[
    text(
        "scriptdata",
        "The folder that the game writes into, `.../tf/scriptdata`; the game creates it on its first write.",
    )
    .default(Usual::Required("required"))
    .example("\"/home/tf2/serverfiles/tf/scriptdata\"")
    .variables(&SCRIPTDATA)
    .shown(),
    text(
        "hostname",
        "Serve only the files of this host: the game's `hostname`, or what is before `_vpi_` in the names of its \
         files. At most 230 bytes; with a `key` 128, where vpid's scripts cut it.",
    ).variables(&["VPID_SERVER_HOSTNAME"])
    .default(Usual::Words("every host"))
    .example("\"my_server\""),
    text(
        "key",
        "The key with which vpid and its own vpi.nut sign their files: 32 to 64 printable ASCII characters, \
         without space, quotes and backslash. The game's vpi.nut contains the same key; `vpid init --vscripts \
         DIR` writes it there.",
    )
    .default(Usual::Required("a server needs a key, or a `legacy_secret`, or both"))
    .example("'PUT-A-KEY-OF-32-TO-64-SIGNS-HERE'")
    .variables(&["VPID_KEY"])
    .replaces(&["key_file"])
    .shown(),
    text(
        "key_file",
        "A file (mode 600) with the key in its only line, instead of `key`.",
    )
    .example("\"vpid.key\"")
    .variables(&["VPID_KEY_FILE"])
    .replaces(&["key"]),
    text(
        "legacy_secret",
        "Serves the stock vpi.nut, instead of vpid's scripts or beside them: the text that GetSecret returns \
         there, 1 to 7,500 characters from space to `~`. Everyone who can read one of its files can compute this \
         secret, so it must not be the key. Write it between single quotes, in which a backslash means itself. \
         vpid warns below 32 characters, and if the secret is so long that less than half of each file is left \
         for responses.",
    )
    .default(Usual::Words("off"))
    .example("'PUT-THE-SECRET-OF-vpi.nut-HERE--'")
    .variables(&["VPID_LEGACY_SECRET"])
    .replaces(&["legacy_secret_file"]),
    text(
        "legacy_secret_file",
        "A file (mode 600) with the secret in its only line, instead of `legacy_secret`.",
    )
    .example("\"legacy.secret\"")
    .variables(&["VPID_LEGACY_SECRET_FILE"])
    .replaces(&["legacy_secret"]),
    key(
        "legacy_identity",
        Kind::Words(&["required", "optional"]),
        "\"optional\" also accepts stock files that are not authenticated. Only for a fork of the stock vpi.nut that \
         sends no identity: everyone who can write into the folder can then make any call; see \
         [security.md](security.md).",
    ).variables(&["VPID_SERVER_LEGACY_IDENTITY"]),
];

const CONNECTIONS: &[Key] = &[
    text(
        "vscripts",
        "Where the game's scripts are, for `vpid check` and `vpid init`.",
    ).variables(&["VPID_SERVER_VSCRIPTS"])
    .default(Usual::Words("`scripts/vscripts` beside `scriptdata`"))
    .example("\"/home/tf2/serverfiles/tf/scripts/vscripts\""),
    text(
        "vyhub_server_id",
        "The id of this server in VyHub; needs `[vyhub]`. [vyhub.md](vyhub.md#1-in-vyhub) says where to find it.",
    )
    .example("\"01234567-89ab-cdef-0123-456789abcdef\"")
    .variables(&["VPID_VYHUB_SERVER_ID"])
    .in_force(InForce::WithNextStart),
    text(
        "community_name",
        "The name of this server in a community of type \"local\", at most 128 characters. No two servers that \
         share the database can have the same name. Under another name, it is another server.",
    )
    .default(Usual::Words("`hostname`, or else `scriptdata`"))
    .example("\"Payload #1\"")
    .variables(&["VPID_COMMUNITY_NAME"])
    .in_force(InForce::WithNextStart),
    key(
        "community",
        Kind::Truth,
        "`false` leaves this server out of the community.",
    ).variables(&["VPID_SERVER_COMMUNITY"])
    .default(Usual::Words("true"))
    .example("false")
    .in_force(InForce::WithNextStart),
    text(
        "rcon",
        "The game's console, as `host:port` (`[::1]:27015` for IPv6): for kicks and commands, and to know who is \
         on the server.",
    )
    .example("\"127.0.0.1:27015\"")
    .variables(&["VPID_RCON"])
    .in_force(InForce::WithNextStart),
    text(
        "rcon_password_file",
        "A file (mode 600) with the `rcon_password` of the game's server.cfg in its only line: 1 to 256 bytes \
         without control characters.",
    )
    .default(Usual::Required("this or `rcon_password` is required with `rcon`"))
    .example("\"rcon.password\"")
    .variables(&["VPID_RCON_PASSWORD_FILE"])
    .replaces(&["rcon_password"]),
    text(
        "rcon_password",
        "The password itself, instead of `rcon_password_file`.",
    )
    .example("'PUT-THE-RCON-PASSWORD-HERE'")
    .variables(&["VPID_RCON_PASSWORD"])
    .replaces(&["rcon_password_file"])
    .in_force(InForce::WithNextStart),
    text(
        "log_listen",
        "An address and port of this machine at which vpid receives the engine's own log by UDP: what players \
         write in chat, who joins and who leaves.\n\
         In server.cfg: log on; logaddress_add 127.0.0.1:27500; sv_logsecret 1234567890123456",
    ).variables(&["VPID_SERVER_LOG_LISTEN"])
    .example("\"127.0.0.1:27500\"")
    .in_force(InForce::WithNextStart),
    key(
        "log_secret",
        Kind::Digits,
        "The game's `sv_logsecret`: 1 to 20 digits, not all 0, leading zeros included; in quotes, or as a number. \
         Use 16 random ones.",
    ).variables(&["VPID_SERVER_LOG_SECRET"]).replaces(&["log_secret_file"])
    .default(Usual::Required("required where `log_listen` is no loopback address"))
    .example("\"1234567890123456\"")
    .in_force(InForce::WithNextStart),
    text(
        "log_secret_file",
        "A file (mode 600) with these digits, instead of `log_secret`.",
    ).variables(&["VPID_SERVER_LOG_SECRET_FILE"]).replaces(&["log_secret"])
    .example("\"log.secret\""),
    key(
        "chat_commands",
        Kind::Words(&["guarded", "log", "off"]),
        "Which commands in chat that change something are accepted (!ban, !unban, !warn, !load and the like): \
         \"guarded\": on maps on which vpid's scripts guard the chat, of players whom the game has confirmed; \
         \"log\": all that are in the engine's log, even if a script of the map may have written them; \"off\": \
         none.",
    ).variables(&["VPID_SERVER_CHAT_COMMANDS"])
    .in_force(InForce::WithNextStart),
];

/// Where the folder of an only server is: our own variable, else the one that the stock server reads.
pub const SCRIPTDATA: [&str; 2] = ["VPID_SCRIPTDATA", "VPI_SCRIPTDATA_DIR"];

/// What config.example.toml has where the password belongs.
const PLACEHOLDER_PASSWORD: &str = "PUT-THE-RCON-PASSWORD-HERE";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The folder the game writes into; may not exist yet.
    pub scriptdata: PathBuf,
    /// Only files of this host, as it stands in file names (`a-z 0-9 _`); none: every host.
    pub hostname: Option<String>,
    /// What files of our own scripts are signed with; none: they are not believed. There is a
    /// key or `legacy`, or both. It is the stock secret of no server.
    pub key: Option<Secret>,
    /// How files of the stock client are believed; none: they are not.
    pub legacy: Option<Legacy>,
    /// Where the owner says that the game's scripts are; see [`Server::installed_scripts`].
    pub vscripts: Option<PathBuf>,
    /// Its id in VyHub, as the owner has written it.
    pub vyhub_id: Option<Uuid>,
    /// Whether it is to be one of the community, if there is one.
    pub in_community: bool,
    /// Its id in the community; there is a [`Config::community`](super::Config::community) then.
    pub community_id: Option<Uuid>,
    /// What it is called in a community of one's own.
    pub community_name: String,
    pub rcon: Option<Rcon>,
    pub log: Option<LogListen>,
    pub chat: ChatCommands,
}

impl Server {
    /// What it is called in sentences.
    pub fn label(&self) -> String {
        label(self.hostname.as_deref(), &self.scriptdata)
    }

    /// The folder from which the game loads its scripts; it may not exist.
    pub fn installed_scripts(&self) -> PathBuf {
        let usual = || usual_scripts(&self.scriptdata);
        self.vscripts.clone().unwrap_or_else(usual)
    }
}

fn label(hostname: Option<&str>, scriptdata: &Path) -> String {
    let path = || scriptdata.display().to_string();
    hostname.map_or_else(path, str::to_owned)
}

/// Where the scripts of a game are that writes into this scriptdata folder.
pub fn usual_scripts(scriptdata: &Path) -> PathBuf {
    scriptdata.with_file_name("scripts").join("vscripts")
}

/// What the stock protocol needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Legacy {
    pub secret: Secret,
    /// False where a fork of the client sends no identity: then anything is believed.
    pub identity_required: bool,
}

/// How a game is reached by RCON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rcon {
    /// `host:port`; looked up when it is connected to.
    pub address: String,
    pub password: Password,
}

/// Which commands in chat count that change something. Those that only show something always do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ChatCommands {
    /// Those of a map on which the signed scripts run and nothing has touched their guard, by players
    /// whom the game has confirmed.
    #[default]
    Guarded,
    /// Whatever the engine's log has, or, without a log, the scripts report.
    Log,
    /// None.
    Off,
}

/// Where the engine's log comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogListen {
    pub address: SocketAddr,
    /// What the game has as `sv_logsecret`; `None`: none.
    pub secret: Option<LogSecret>,
}

/// A server whose values are good, with its table.
struct Placed {
    table: Table,
    server: Server,
}

impl Placed {
    fn secret_place(&self, name: &str) -> Option<&Location> {
        let file = format!("{name}_file");
        self.table.place(name).or_else(|| self.table.place(&file))
    }
}

impl Reader<'_> {
    pub(super) fn servers(&mut self, document: &DeTable<'_>, asked: &Asked) -> Vec<Server> {
        let Some((place, mut tables)) = self.server_tables(document) else {
            return Vec::new();
        };
        let inline = ["key", "legacy_secret", "rcon_password", "log_secret"];
        let has_secret = |table: &Table| inline.iter().any(|name| table.place(name).is_some());
        if tables.iter().any(has_secret) {
            self.warn_if_exposed(self.written.file.as_deref());
        }
        self.overlay_server(&mut tables);
        if tables.is_empty() {
            let message = "there is none; add a [[server]] with its scriptdata folder";
            self.missing(&place, message);
        }
        let is_beyond = tables.len() > SERVERS_MAX;
        self.bound(is_beyond.then_some(&place), tables.len(), SERVERS_MAX);
        let mut servers: Vec<Placed> = Vec::new();
        for table in tables {
            if let Some(server) = self.server(&table, asked) {
                let placed = Placed { table, server };
                self.no_twin(&placed, &servers);
                servers.push(placed);
            }
        }
        let folders = servers
            .iter()
            .map(|placed| placed.server.scriptdata.clone());
        self.scriptdata = folders.collect();
        self.keys_are_no_stock_secrets(&servers);
        self.no_shared_connections(&servers);
        if asked.kind == Type::Local {
            self.no_shared_names(&servers);
        }
        for placed in &servers {
            let (place, path) = (placed.table.place("vscripts"), &placed.server.vscripts);
            // Any game script could overwrite the scripts there.
            if let (Some(place), Some(path)) = (place, path)
                && self.in_scriptdata(path)
            {
                self.problem(place, IN_SCRIPTDATA);
            }
            self.warn_of_unguarded_chat(placed);
        }
        servers.into_iter().map(|placed| placed.server).collect()
    }

    /// None when something stands there that cannot be servers.
    fn server_tables(&mut self, document: &DeTable<'_>) -> Option<(Location, Vec<Table>)> {
        let Some((name, value)) = document.get_key_value("server") else {
            return Some((self.absent("server"), Vec::new()));
        };
        let place = self.place(&name.span(), "server");
        let mut tables = Vec::new();
        match value.get_ref() {
            DeValue::Array(entries) => {
                for entry in entries {
                    let place = self.place(&entry.span(), "server");
                    if let Some(table) = self.table_of(&place, entry, "a [[server]] table") {
                        tables.push(self.table(&TABLE, place, table));
                    }
                }
            }
            DeValue::Table(table) => {
                self.problem(&place, TWO_BRACKETS);
                tables.push(self.table(&TABLE, place.clone(), table));
            }
            other => {
                self.problem(&place, wrong_type("a [[server]] table", other));
                return None;
            }
        }
        Some((place, tables))
    }

    /// Lays the variables for the only server over it; they make one where the file has none.
    fn overlay_server(&mut self, tables: &mut Vec<Table>) {
        let set: Vec<_> = TABLE
            .keys
            .iter()
            .flat_map(|keys| self.variables_of(keys))
            .collect();
        if tables.len() > 1 {
            for (_, name, _) in &set {
                let message = "cannot say which of several [[server]] it is for; unset it and \
                               use the file";
                self.problem(&Location::of_variable(name), message);
            }
        }
        if tables.is_empty() && !set.is_empty() {
            tables.push(Table::empty(&TABLE, Location::of_variable("server")));
        }
        let is_only = tables.len() == 1;
        for table in tables {
            for keys in TABLE.keys {
                match is_only {
                    true => self.overlay(table, keys),
                    false => self.check(table, keys),
                }
            }
        }
    }

    /// None when it cannot be compared with others; that has been reported then.
    fn server(&mut self, table: &Table, asked: &Asked) -> Option<Server> {
        let credentials = ["key", "key_file", "legacy_secret", "legacy_secret_file"];
        if credentials.iter().all(|name| table.is_absent(name)) {
            let message = "has neither a key nor a legacy_secret, so no file in it could be \
                           believed; `vpid init` writes a key, and legacy_secret serves the \
                           stock vpi.nut";
            self.missing(&table.place, message);
        }
        let key = self.key(table);
        let legacy = self.legacy(table, key.is_some());
        let vyhub_id = self.vyhub_id(table, asked);
        let rcon = self.rcon(table);
        let log = self.log_listen(table);
        let hostname = self.hostname(table, key.is_some());
        let vscripts = table
            .text("vscripts")
            .and_then(|(place, text)| self.path(place, text));
        if table.is_absent("scriptdata") {
            let message = "has no scriptdata; name the folder the game writes into, \
                           .../tf/scriptdata";
            self.missing(&table.place, message);
        }
        let (place, scriptdata) = table.text("scriptdata")?;
        let scriptdata = self.path(place, scriptdata)?;
        let usual = label(hostname.as_deref(), &scriptdata);
        let community_name = self.community_name(table, usual, asked);
        let in_community = table.truth("community") != Some(false);
        let community_id = match asked.kind {
            _ if !in_community => None,
            Type::Vyhub => vyhub_id,
            Type::Local => Some(local_ids::server(&community_name)),
            Type::None => None,
        };
        Some(Server {
            scriptdata,
            hostname,
            key,
            legacy,
            vscripts,
            vyhub_id,
            in_community,
            community_id,
            community_name,
            rcon,
            log,
            chat: match table.word("chat_commands") {
                "log" => ChatCommands::Log,
                "off" => ChatCommands::Off,
                _ => ChatCommands::Guarded,
            },
        })
    }

    fn hostname(&mut self, table: &Table, signed: bool) -> Option<String> {
        let (place, text) = table.text("hostname")?;
        let host = host_of(text);
        let message = if host.is_empty() {
            "has no letter or digit that the game puts into its file names; copy what stands before \
             _vpi_ in them"
                .to_owned()
        } else if host.len() > HOST_BYTES_MAX {
            format!("is longer than the {HOST_BYTES_MAX} that fit a file name")
        } else if signed && host.len() > SIGNED_HOST_BYTES_MAX {
            format!(
                "is longer than the {SIGNED_HOST_BYTES_MAX} at which vpid's scripts cut it; write \
                 {:?} for them, or take hostname out",
                &host[..SIGNED_HOST_BYTES_MAX]
            )
        } else {
            return Some(host);
        };
        self.problem(place, message);
        Some(host)
    }

    fn no_twin(&mut self, placed: &Placed, others: &[Placed]) {
        let server = &placed.server;
        let is_same = |other: &&Placed| serves_the_same(&other.server, server);
        let Some(first) = others.iter().find(is_same) else {
            return;
        };
        let of = match &server.hostname {
            Some(host) => format!("for the host {host}"),
            None => "for every host".to_owned(),
        };
        let message = format!(
            "serves the same folder {of} as the one of line {}; give each its own hostname, \
             or remove one",
            first.table.place.line.unwrap_or_default()
        );
        self.problem(&placed.table.place, message);
    }

    /// What can be there once only. A kick goes by the number that one game has for a player, so
    /// it must not reach another.
    fn no_shared_connections(&mut self, servers: &[Placed]) {
        type Value = fn(&Server) -> Option<String>;
        let unique: [(&str, Value, &str); 3] = [
            (
                "vyhub_server_id",
                |server| Some(server.vyhub_id?.to_string()),
                "give each server its own id of VyHub",
            ),
            (
                "rcon",
                |server| Some(server.rcon.as_ref()?.address.to_lowercase()),
                "each game has a console of its own",
            ),
            (
                "log_listen",
                |server| Some(server.log?.address.to_string()),
                "give each game's log a port of its own",
            ),
        ];
        for (at, placed) in servers.iter().enumerate() {
            for (name, value, remedy) in unique {
                let own = value(&placed.server);
                let is_same = |other: &&Placed| own.is_some() && value(&other.server) == own;
                let first = servers[..at].iter().find(is_same);
                let first = first.and_then(|other| other.table.place(name));
                if let (Some(place), Some(first)) = (placed.table.place(name), first) {
                    let line = first.line.unwrap_or_default();
                    let message = format!("is the same as that of line {line}; {remedy}");
                    self.problem(place, message);
                }
            }
        }
    }
}

/// What it is in the community.
impl Reader<'_> {
    /// Also such as the owner has not written.
    fn no_shared_names(&mut self, servers: &[Placed]) {
        for (at, placed) in servers.iter().enumerate() {
            let id = placed.server.community_id;
            let is_same = |other: &&Placed| id.is_some() && other.server.community_id == id;
            let Some(first) = servers[..at].iter().find(is_same) else {
                continue;
            };
            let line = first.table.place.line.unwrap_or_default();
            let message = format!(
                "is called {:?} in the community, like the one of line {line}; give each a community_name of its own",
                placed.server.community_name
            );
            let place = placed.table.place("community_name");
            self.problem(place.unwrap_or(&placed.table.place), message);
        }
    }
}

/// What its files are signed with.
impl Reader<'_> {
    fn key(&mut self, table: &Table) -> Option<Secret> {
        let given = self.secret(table, "key", Blanks::NoPart)?;
        let key = Secret::key(&given.value);
        self.good(&given.place, key)
    }

    fn legacy(&mut self, table: &Table, beside_key: bool) -> Option<Legacy> {
        if let ("optional", Some(place)) = (
            table.word("legacy_identity"),
            table.place("legacy_identity"),
        ) {
            let message = "\"optional\" believes every file in the folder; use it only for a fork of \
                           the client that sends no identity";
            self.warn(place, message);
        }
        let none = table.is_absent("legacy_secret") && table.is_absent("legacy_secret_file");
        if let (true, Some(place)) = (none, table.place("legacy_identity")) {
            let message = "is of no use without legacy_secret; add that, or take this out";
            self.missing(place, message);
        }
        let Given { place, value } = self.secret(table, "legacy_secret", Blanks::MaybePart)?;
        let secret = self.good(&place, Secret::new(&value))?;
        if value.len() < SECRET_BYTES_ADVISED {
            let message = format!(
                "is only {} characters long; use {SECRET_BYTES_ADVISED} or more, here and in \
                 vpi.nut",
                value.len()
            );
            self.warn(&place, message);
        }
        let room = ANSWER_FILE_BYTES_MAX - frame_bytes(value.len());
        if room < ANSWER_FILE_BYTES_MAX / 2 {
            let message = format!(
                "is {} characters long, and every answer file carries it twice: only {room} bytes \
                 are left for answers, and larger ones become errors; a shorter secret leaves more",
                value.len()
            );
            self.warn(&place, message);
        }
        self.warn(&place, legacy_warning(beside_key));
        Some(Legacy {
            secret,
            identity_required: table.word("legacy_identity") != "optional",
        })
    }

    /// A key that is a stock secret somewhere proves nothing: anyone can compute it.
    fn keys_are_no_stock_secrets(&mut self, servers: &[Placed]) {
        for placed in servers {
            let is_same = |other: &&Placed| {
                let legacy = other.server.legacy.as_ref().map(|legacy| &legacy.secret);
                legacy.is_some() && legacy == placed.server.key.as_ref()
            };
            let twin = servers.iter().find(is_same);
            let twin = twin.and_then(|other| other.secret_place("legacy_secret"));
            let (Some(place), Some(twin)) = (placed.secret_place("key"), twin) else {
                continue;
            };
            let at = match twin.line {
                Some(line) => format!("the legacy_secret of line {line}"),
                None => twin.key.clone(),
            };
            let message = format!(
                "is the same as {at}: one file of the stock protocol gives that secret away, and \
                 with it this key; `vpid init` makes another key"
            );
            self.problem(place, message);
        }
    }
}

/// How it is reached besides its files.
impl Reader<'_> {
    /// Where nothing can guard chat, commands in it do not count: the owner is to know.
    fn warn_of_unguarded_chat(&mut self, placed: &Placed) {
        let server = &placed.server;
        let by_log = server.log.is_some() && server.community_id.is_some();
        if by_log && server.key.is_none() && server.chat == ChatCommands::Guarded {
            let message = "has no key, so nothing keeps a map's script from writing in an \
                           admin's name, and commands in chat that change something are \
                           refused; install vpid's own scripts (`vpid init`), or accept the \
                           risk with chat_commands = \"log\"";
            self.warn(&placed.table.place, message);
        }
    }

    fn vyhub_id(&mut self, table: &Table, asked: &Asked) -> Option<Uuid> {
        let (place, text) = table.text("vyhub_server_id")?;
        if asked.has_vyhub && asked.kind == Type::None {
            let message = "is of no use with type = \"none\" in [community]; take one of them out";
            self.missing(place, message);
        } else if !asked.has_vyhub {
            let message = "is of no use without [vyhub]; add that table with api_url and \
                           api_key_file, or take this out";
            self.missing(place, message);
        }
        let id = text.trim().parse().ok();
        if id.is_none() {
            let message = "is no id of VyHub; copy the one of the server, which looks like \
                           01234567-89ab-cdef-0123-456789abcdef";
            self.problem(place, message);
        }
        id
    }

    /// `usual`: what it is called where the owner does not say.
    fn community_name(&mut self, table: &Table, usual: String, asked: &Asked) -> String {
        let is_local = asked.kind == Type::Local;
        let (place, name) = match table.text("community_name") {
            Some((place, name)) => (place, name.trim().to_owned()),
            None => (&table.place, usual),
        };
        if table.place("community_name").is_some() && !is_local {
            let message =
                "is of no use without type = \"local\" in [community]; take one of them out";
            self.missing(place, message);
        }
        let fits = (1..=SERVER_NAME_CHARS_MAX).contains(&name.chars().count());
        if is_local && (!fits || name.contains(char::is_control)) {
            let message = format!(
                "{name:?} cannot be its name in the community; write a community_name of 1 to \
                 {SERVER_NAME_CHARS_MAX} characters, none of them a control character"
            );
            self.problem(place, message);
        }
        name
    }

    fn rcon(&mut self, table: &Table) -> Option<Rcon> {
        let password = self.rcon_password(table);
        let names = ["rcon_password", "rcon_password_file"];
        let advice = "say there where the game is, such as rcon = \"127.0.0.1:27015\"";
        self.without(table, "rcon", &names, advice);
        let (place, address) = table.text("rcon")?;
        if names.iter().all(|name| table.is_absent(name)) {
            let message = "needs the game's rcon_password; put it into a file (mode 600) and name \
                           that with rcon_password_file";
            self.missing(place, message);
        }
        let address = address.trim();
        match host_and_port(address) {
            Err(message) => {
                self.problem(place, message);
                None
            }
            Ok((host, _)) => {
                if !is_here(host) {
                    let message = format!(
                        "goes to {host} unencrypted, password and all, as RCON always does; run \
                         vpid on the game's machine, or take a tunnel"
                    );
                    self.warn(place, message);
                }
                Some(Rcon {
                    address: address.to_owned(),
                    password: password?,
                })
            }
        }
    }

    fn rcon_password(&mut self, table: &Table) -> Option<Password> {
        let given = self.secret(table, "rcon_password", Blanks::MaybePart)?;
        let too_long = format!("is longer than {RCON_PASSWORD_BYTES_MAX} bytes");
        let message = match String::from_utf8(given.value) {
            Ok(text) if text.is_empty() => {
                "is empty, and the game takes no RCON then; set rcon_password in its server.cfg, \
                 too"
            }
            Ok(text) if text == PLACEHOLDER_PASSWORD => {
                "is still the placeholder of the example; put the game's rcon_password here"
            }
            Ok(text) if text.contains(char::is_control) => {
                "has a control character in it, which the game cannot have; it is to be one line"
            }
            Ok(text) if text.len() > RCON_PASSWORD_BYTES_MAX => &too_long,
            Ok(text) => return Some(Password(text)),
            Err(_) => "is not UTF-8; save the file as UTF-8",
        };
        self.problem(&given.place, message);
        None
    }

    fn log_listen(&mut self, table: &Table) -> Option<LogListen> {
        let secret = self.log_secret(table);
        let names = ["log_secret", "log_secret_file"];
        let of_secret = names.iter().find_map(|name| table.place(name));
        let advice = "say there where the log comes in, such as log_listen = \"127.0.0.1:27500\"";
        self.without(table, "log_listen", &names, advice);
        let (place, text) = table.text("log_listen")?;
        let address: Option<SocketAddr> = text.trim().parse().ok();
        let Some(address) = address.filter(|address| address.port() > 0) else {
            let message = "is no address and port of this machine; write it as 127.0.0.1:27500";
            self.problem(place, message);
            return None;
        };
        let is_local = address.ip().is_loopback();
        match of_secret {
            None if names.iter().any(|name| !table.is_absent(name)) => {}
            None if is_local && self.report_missing => {
                let message = "is without a log_secret: every program of this machine could send \
                               lines in the game's name; set log_secret, and sv_logsecret in \
                               server.cfg";
                self.warn(place, message);
            }
            None => {
                let message = "can be reached from outside, and anyone could send lines in the \
                               game's name; set log_secret, and sv_logsecret in server.cfg";
                self.missing(place, message);
            }
            Some(_) if is_local => {}
            Some(_) => self.warn_of_other_hosts(place, table.is_absent("rcon")),
        }
        if let (Some(true), Some(place)) = (secret.map(|it| it.is_weak()), of_secret) {
            let message = "is soon found out by trying, since it is a number below 2^24; use 16 \
                           random digits, the same in sv_logsecret (`vpid init` makes some)";
            self.warn(place, message);
        }
        Some(LogListen { address, secret })
    }

    fn warn_of_other_hosts(&mut self, place: &Location, without_rcon: bool) {
        let guarded = match without_rcon {
            true => {
                "and without rcon nothing bears its lines out; set rcon, and listen at \
                 127.0.0.1 if the game runs on this machine, or let a firewall pass the \
                 game's address only"
            }
            false => {
                "so anyone can try secrets there; listen at 127.0.0.1 if the game runs on \
                 this machine, or let a firewall pass the game's address only"
            }
        };
        self.warn(place, format!("can be reached by other hosts, {guarded}"));
    }

    /// The text that the engine sends, which other tools may set: so its zeros in front count.
    fn log_secret(&mut self, table: &Table) -> Option<LogSecret> {
        let given = self.secret(table, "log_secret", Blanks::NoPart)?;
        let text = std::str::from_utf8(&given.value).unwrap_or_default();
        let secret = text.trim().parse().ok();
        if secret.is_none() {
            let must = match given.place.key.ends_with("_file") {
                true => "hold",
                false => "be",
            };
            let message = format!(
                "must {must} 1 to {LOG_SECRET_DIGITS_MAX} digits, not all of them 0, exactly as in \
                 sv_logsecret"
            );
            self.problem(&given.place, message);
        }
        secret
    }
}

/// Said at every start, for as long as the stock protocol is on.
fn legacy_warning(beside_key: bool) -> &'static str {
    if beside_key {
        "serves scripts that do not sign, beside those that do: anyone who reads one file of the \
         stock vpi.nut can compute this secret, and then make any call in its name \
         (docs/security.md). `vpid init --vscripts DIR` brings scripts that sign; remove this \
         when every game has them"
    } else {
        "serves the stock vpi.nut. Anyone who reads one of its files can compute this secret \
         (docs/security.md); when you like, `vpid init --vscripts DIR` brings scripts that sign"
    }
}

/// Folders are compared by where they lead: one may be written in two ways, or through a link.
fn serves_the_same(left: &Server, right: &Server) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    left.hostname == right.hostname && real(&left.scriptdata) == real(&right.scriptdata)
}

/// What the stock client makes of the game's `hostname` variable: lower case, letters and
/// digits kept, spaces, control and non-ASCII bytes turned into `_`, the rest dropped, a real
/// `_` too. (If the hostname ends in `_` the client drops what it else would turn into `_`.)
///
/// A text of `a-z 0-9 _` alone stays as it is: owners copy it from file names.
pub fn host_of(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if text.bytes().all(|byte| plain(byte) || byte == b'_') {
        return text.to_owned();
    }
    let fill = !text.ends_with('_');
    text.bytes()
        .map(|byte| byte.to_ascii_lowercase())
        .filter_map(|byte| match byte {
            _ if plain(byte) => Some(char::from(byte)),
            0..=32 | 128.. if fill => Some('_'),
            _ => None,
        })
        .collect()
}
