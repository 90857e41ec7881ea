//! What connects a vpid with a fake VyHub, with its game's RCON and with the engine's log.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;

use fake_vyhub::FakeVyhub;

use super::Vpid;
use super::keeper::Place;

impl Vpid {
    /// Is the client of this VyHub, for every one of its servers.
    pub fn vyhub(self, vyhub: &FakeVyhub) -> Self {
        self.vyhub_line(&format!("api_url = \"{}\"", vyhub.api_url()))
            .vyhub_line(&format!("api_key = \"{}\"", vyhub.key()))
            .server_line(&format!("vyhub_server_id = \"{}\"", vyhub.server_id()))
    }

    /// Keeps its community in a database; not with VyHub, which is only there to import from.
    pub(super) fn kept_in(self, place: &Place) -> Self {
        match place {
            Place::Nowhere => self,
            Place::File { .. } => self.community_line("type = 'local'"),
            #[cfg(feature = "mysql")]
            Place::Server { database, .. } => self
                .community_line("type = 'local'\ndatabase = 'community'")
                .table(&format!("[database.community]\n{}", database.lines())),
        }
    }

    /// Reaches its game by RCON, with the password in a file of its own.
    pub fn rcon(self, address: SocketAddr, password: &str) -> Self {
        let path = self.path("rcon.pw");
        fs::write(&path, password).expect("a file for the password");
        let private = fs::Permissions::from_mode(0o600);
        fs::set_permissions(&path, private).expect("a file for oneself");
        self.server_line(&format!("rcon = \"{address}\""))
            .server_line(&format!("rcon_password_file = '{}'", path.display()))
    }

    /// Listens to the engine's log.
    pub fn log_listen(self, address: SocketAddr) -> Self {
        self.server_line(&format!("log_listen = \"{address}\""))
    }
}

#[test]
fn the_configuration_names_all_that_connects_a_server() {
    let vyhub = FakeVyhub::start();
    let address = SocketAddr::from(([127, 0, 0, 1], 27015));
    let vpid = Vpid::new()
        .vyhub(&vyhub)
        .vyhub_line("language = \"de\"")
        .rcon(address, "word")
        .log_listen(address)
        .queries("[query.one]\nsql = \"SELECT 1\"");
    let config: toml::Table = vpid.config_text().parse().expect("TOML");
    let expected = [
        ("api_url", vyhub.api_url()),
        ("api_key", vyhub.key()),
        ("language", "de".to_owned()),
    ];
    for (name, value) in expected {
        assert_eq!(config["vyhub"][name].as_str(), Some(&*value), "{name}");
    }
    let server = &config["server"][0];
    let id = vyhub.server_id();
    assert_eq!(server["vyhub_server_id"].as_str(), Some(&*id));
    assert_eq!(server["rcon"].as_str(), Some("127.0.0.1:27015"));
    assert_eq!(server["log_listen"].as_str(), Some("127.0.0.1:27015"));
    let password = server["rcon_password_file"].as_str().expect("a path");
    assert_eq!(fs::read_to_string(password).expect("a file"), "word");
}
