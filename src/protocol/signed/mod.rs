//! Files of the signed protocol: their names, their frame and their keys (docs/protocol.md).
//!
//! What stands in a body is not read here.

pub mod messages;
pub mod session_log;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::protocol::names::is_signed_host;

/// The folder below scriptdata in which all files are.
pub const FOLDER: &str = "vpid";
/// The version of the protocol that this program speaks.
pub const VERSION: u64 = 1;

/// The map of a game that vpid's own commands play.
pub const NO_MAP: &str = "none";

const FRAME: &str = "vpid1";
const SUFFIX: &str = ".interface";
const MAC_DIGITS: usize = 64;

/// 128 random bits as lower case hexadecimal digits: a session's name, or a nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id([u8; 32]);

impl Id {
    pub fn from_random(bytes: [u8; 16]) -> Self {
        let mut digits = [0; 32];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
            pair.copy_from_slice(&hex_of(byte));
        }
        Self(digits)
    }

    pub fn parse(text: &str) -> Option<Self> {
        let digits: [u8; 32] = text.as_bytes().try_into().ok()?;
        digits
            .iter()
            .all(|digit| is_hex(*digit))
            .then_some(Self(digits))
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only digits")
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a file of the folder is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Hello,
    Welcome,
    /// Messages of the game, by their number from 1.
    Game(u64),
    /// Messages of vpid.
    Vpid(u64),
    /// Messages of the game that a vpid has claimed under this id.
    Taken {
        n: u64,
        id: u64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name<'a> {
    pub host: &'a str,
    pub session: Id,
    pub kind: Kind,
}

/// Reads a file name; `None` for a file that is not of the protocol.
pub fn parse_name(name: &str) -> Option<Name<'_>> {
    if let Some(stem) = name.strip_suffix(SUFFIX) {
        return parse_stem(stem);
    }
    let (original, id) = name.strip_suffix(".taken")?.rsplit_once('.')?;
    let id = number(id)?;
    match parse_stem(original.strip_suffix(SUFFIX)?)? {
        Name {
            host,
            session,
            kind: Kind::Game(n),
        } => {
            let kind = Kind::Taken { n, id };
            Some(Name {
                host,
                session,
                kind,
            })
        }
        _ => None,
    }
}

fn parse_stem(stem: &str) -> Option<Name<'_>> {
    let (rest, what) = stem.rsplit_once('_')?;
    let (host, session) = rest.rsplit_once('_')?;
    let kind = match what {
        "hello" => Kind::Hello,
        "welcome" => Kind::Welcome,
        _ => match what.split_at_checked(1)? {
            ("c", n) => Kind::Game(number(n)?),
            ("d", m) => Kind::Vpid(number(m)?),
            _ => return None,
        },
    };
    let session = Id::parse(session)?;
    is_signed_host(host).then_some(Name {
        host,
        session,
        kind,
    })
}

/// A whole number from 1, without leading zeros.
fn number(text: &str) -> Option<u64> {
    let plain = (1..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    (plain && !text.starts_with('0')).then(|| text.parse().ok())?
}

pub fn hello(host: &str, session: Id) -> String {
    format!("{host}_{session}_hello{SUFFIX}")
}

pub fn welcome(host: &str, session: Id) -> String {
    format!("{host}_{session}_welcome{SUFFIX}")
}

/// The name of the game's file `n`.
pub fn of_game(host: &str, session: Id, n: u64) -> String {
    format!("{host}_{session}_c{n}{SUFFIX}")
}

/// The name of vpid's file `m`.
pub fn of_vpid(host: &str, session: Id, m: u64) -> String {
    format!("{host}_{session}_d{m}{SUFFIX}")
}

/// A key as the mac needs it. Not printed.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

impl Key {
    fn new(bytes: &[u8]) -> Self {
        Self(Hmac::new_from_slice(bytes).expect("any length will do"))
    }

    fn derive(&self, parts: &[&str]) -> Self {
        let mut mac = self.0.clone();
        parts.iter().for_each(|part| mac.update(part.as_bytes()));
        Self::new(&mac.finalize().into_bytes())
    }

    fn mac(&self, name: &str, head: &str, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        for part in [name.as_bytes(), b"\n", head.as_bytes(), b"\n", body] {
            mac.update(part);
        }
        mac
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

/// The keys of one host, or of one of its sessions: one for each direction.
#[derive(Debug, Clone)]
pub struct Keys {
    pub game: Key,
    pub vpid: Key,
}

impl Keys {
    /// For `hello` and `welcome`; from the owner's key.
    pub fn of_host(owner: &[u8], host: &str) -> Self {
        let owner = Key::new(owner);
        Self {
            game: owner.derive(&[FRAME, " game ", host]),
            vpid: owner.derive(&[FRAME, " vpid ", host]),
        }
    }

    /// For `c` and `d`; from the host's keys.
    pub fn of_session(&self, session: Id, nonce: Id) -> Self {
        let parts = [session.as_str(), " ", nonce.as_str()];
        Self {
            game: self.game.derive(&parts),
            vpid: self.vpid.derive(&parts),
        }
    }
}

/// Puts a file together, without the NUL. `name` is the bare name under which it will stand.
pub fn seal(key: &Key, name: &str, ack: u64, body: &str) -> String {
    let head = format!("{FRAME} {ack} {}", body.len());
    let mac = key
        .mac(name, &head, body.as_bytes())
        .finalize()
        .into_bytes();
    let mut file = format!("{head}\n{body}\n");
    file.reserve(MAC_DIGITS);
    file.extend(mac.into_iter().flat_map(hex_of).map(char::from));
    file
}

/// A file that is authentic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened<'a> {
    pub ack: u64,
    pub body: &'a [u8],
}

/// Why a file is not authentic, as the rest of a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAuthentic {
    #[error("it has not the form of a signed file")]
    Form,
    #[error("it is shorter or longer than it says: its writing was cut short")]
    Length,
    #[error("it was not signed with this server's key, or was changed or copied afterwards")]
    Mac,
}

/// Checks a file that ends before its closing NUL. The mac is compared in constant time.
pub fn open<'a>(key: &Key, name: &str, file: &'a [u8]) -> Result<Opened<'a>, NotAuthentic> {
    let frame = read_frame(file)?;
    let expected = key.mac(name, frame.head, frame.opened.body);
    let is_equal = expected.verify_slice(&frame.mac);
    is_equal.map_err(|_| NotAuthentic::Mac)?;
    Ok(frame.opened)
}

/// Reads a file without a look at its mac: what is in it can be of anyone.
pub fn open_unchecked(file: &[u8]) -> Result<Opened<'_>, NotAuthentic> {
    Ok(read_frame(file)?.opened)
}

/// A file of the right form.
struct Frame<'a> {
    head: &'a str,
    opened: Opened<'a>,
    mac: [u8; 32],
}

fn read_frame(file: &[u8]) -> Result<Frame<'_>, NotAuthentic> {
    let line = file.iter().take(64).position(|byte| *byte == b'\n');
    let (head, rest) = file.split_at(line.ok_or(NotAuthentic::Form)?);
    let head = std::str::from_utf8(head).map_err(|_| NotAuthentic::Form)?;
    let mut words = head.split(' ');
    let (frame, ack, length) = (words.next(), words.next(), words.next());
    if frame != Some(FRAME) || words.next().is_some() {
        return Err(NotAuthentic::Form);
    }
    let count = |text: Option<&str>| match text {
        Some("0") => Some(0),
        text => number(text?),
    };
    let ack = count(ack).ok_or(NotAuthentic::Form)?;
    let length = count(length).ok_or(NotAuthentic::Form)?;
    let rest = &rest[1..];
    if rest.len() as u64 != length + 1 + MAC_DIGITS as u64 {
        return Err(NotAuthentic::Length);
    }
    let (body, mac) = rest.split_at(length as usize);
    if mac[0] != b'\n' {
        return Err(NotAuthentic::Form);
    }
    let mac = hex(&mac[1..]).ok_or(NotAuthentic::Form)?;
    let opened = Opened { ack, body };
    Ok(Frame { head, opened, mac })
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn hex_of(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)])
}

fn hex(digits: &[u8]) -> Option<[u8; 32]> {
    if digits.len() != MAC_DIGITS || !digits.iter().all(|digit| is_hex(*digit)) {
        return None;
    }
    let value = |digit: u8| {
        if digit <= b'9' {
            digit - b'0'
        } else {
            digit - b'a' + 10
        }
    };
    let mut bytes = [0; 32];
    for (place, pair) in digits.chunks_exact(2).enumerate() {
        bytes[place] = value(pair[0]) << 4 | value(pair[1]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCD";
    const SESSION: &str = "00112233445566778899aabbccddeeff";
    const NONCE: &str = "ffeeddccbbaa99887766554433221100";

    fn session() -> Id {
        Id::parse(SESSION).unwrap()
    }

    fn keys() -> Keys {
        Keys::of_host(OWNER, "my_server").of_session(session(), Id::parse(NONCE).unwrap())
    }

    #[test]
    fn names_we_make_are_names_we_read_whatever_the_host() {
        for host in ["my_server", "a_b_c1", "", "x_d7"] {
            let cases = [
                (hello(host, session()), Kind::Hello),
                (welcome(host, session()), Kind::Welcome),
                (of_game(host, session(), 12), Kind::Game(12)),
                (of_vpid(host, session(), 1), Kind::Vpid(1)),
            ];
            for (name, kind) in cases {
                let expected = Name {
                    host,
                    session: session(),
                    kind,
                };
                assert_eq!(parse_name(&name), Some(expected), "{name}");
            }
            let taken = format!("{}.77.taken", of_game(host, session(), 3));
            assert_eq!(
                parse_name(&taken).unwrap().kind,
                Kind::Taken { n: 3, id: 77 }
            );
        }
    }

    #[test]
    fn foreign_names_are_not_ours() {
        for name in [
            "a_vpi_1_2_output.interface".to_string(),
            format!("a_{SESSION}_c0.interface"),
            format!("a_{SESSION}_c01.interface"),
            format!("a_{SESSION}_c.interface"),
            format!("a_{SESSION}_c-1.interface"),
            format!("a_{SESSION}_\u{e9}1.interface"),
            format!("a_{SESSION}_x1.interface"),
            format!("a_{}_c1.interface", SESSION.to_uppercase()),
            format!("a/b_{SESSION}_c1.interface"),
            format!("a_{}_c1.interface", &SESSION[1..]),
            format!("a_{SESSION}_d1.interface.5.taken"),
            format!("a_{SESSION}_hello.interface.5.taken"),
            format!("a_{SESSION}_c99999999999999999999.interface"),
            ".interface".into(),
        ] {
            assert_eq!(parse_name(&name), None, "{name}");
        }
    }

    #[test]
    fn a_file_is_good_under_its_own_name_and_key_only() {
        let name = of_game("my_server", session(), 1);
        let file = seal(&keys().game, &name, 7, "[]");
        let opened = open(&keys().game, &name, file.as_bytes());
        assert_eq!(
            opened,
            Ok(Opened {
                ack: 7,
                body: b"[]"
            })
        );
        let other = of_game("my_server", session(), 2);
        assert_eq!(
            open(&keys().game, &other, file.as_bytes()),
            Err(NotAuthentic::Mac)
        );
        assert_eq!(
            open(&keys().vpid, &name, file.as_bytes()),
            Err(NotAuthentic::Mac)
        );
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_noticed() {
        let name = of_game("my_server", session(), 1);
        let file = seal(&keys().game, &name, 12, r#"[{"event":"x","data":{}}]"#);
        for at in 0..file.len() {
            assert!(open(&keys().game, &name, &file.as_bytes()[..at]).is_err());
            let mut changed = file.clone().into_bytes();
            changed[at] ^= 1;
            assert!(open(&keys().game, &name, &changed).is_err(), "byte {at}");
        }
        assert!(open(&keys().game, &name, format!("{file}0").as_bytes()).is_err());
    }

    /// The test vectors of docs/protocol.md.
    #[test]
    fn the_vectors_of_the_manual_hold() {
        let manual = include_str!("../../../docs/protocol.md");
        let host = Keys::of_host(OWNER, "my_server");
        let files = [
            (
                &host.game,
                hello("my_server", session()),
                0,
                r#"{"version":1,"script":"0.1.0","map":"cp_badlands"}"#.to_string(),
            ),
            (
                &host.vpid,
                welcome("my_server", session()),
                0,
                format!(r#"{{"version":1,"vpid":"0.1.0","nonce":"{NONCE}"}}"#),
            ),
            (
                &keys().game,
                of_game("my_server", session(), 1),
                0,
                r#"[{"event":"map_start","data":{"map":"cp_badlands","max_players":24}}]"#.into(),
            ),
            (
                &keys().vpid,
                of_vpid("my_server", session(), 1),
                1,
                "[]".into(),
            ),
        ];
        for (key, name, ack, body) in files {
            let file = seal(key, &name, ack, &body);
            let indented: String = file.lines().map(|line| format!("    {line}\n")).collect();
            let vector = format!("`{name}`:\n\n{indented}");
            assert!(
                manual.contains(&vector),
                "docs/protocol.md lacks:\n{vector}"
            );
        }
        assert!(manual.contains(std::str::from_utf8(OWNER).unwrap()));
    }
}
