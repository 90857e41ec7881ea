//! Ids of a community that is kept in a database: each follows from what it is of, so that no table has to be
//! read to find one, and what is made twice is the same row.

use sha2::{Digest, Sha256};

use super::backend::ChangeId;
use super::steam_id::SteamId;
use super::uuid::Uuid;

/// The only bundle that there is.
pub const BUNDLE: Uuid = Uuid(0x7670_6964_0000_4000_8000_0000_0000_0001);
/// The attribute for the time that players were on, of each server that counts it.
pub const PLAYTIME: Uuid = Uuid(0x7670_6964_0000_4000_8000_0000_0000_0002);

/// Of a user: the SteamID as a number.
pub fn user(steam: SteamId) -> Uuid {
    Uuid(u128::from(steam.as_u64()))
}

/// Whose id this is; `None`: no user's.
pub fn steam(user: Uuid) -> Option<SteamId> {
    u64::try_from(user.0).ok().and_then(SteamId::from_u64)
}

/// Of a server, by its name in the community.
pub fn server(name: &str) -> Uuid {
    hashed("server", &[name.as_bytes()])
}

/// Of what a change makes. `kind`: such as "ban"; `instance`: of the vpid that the change was accepted by.
pub fn made(kind: &str, instance: u64, change: ChangeId) -> Uuid {
    hashed(kind, &[&instance.to_be_bytes(), &change.to_be_bytes()])
}

/// Of a reward as it is owed for a membership, or to a user where it belongs to no group.
pub fn applied(reward: Uuid, to: Uuid) -> Uuid {
    hashed("reward", &[&reward.0.to_be_bytes(), &to.0.to_be_bytes()])
}

fn hashed(kind: &str, parts: &[&[u8]]) -> Uuid {
    let mut sha = Sha256::new();
    sha.update("vpid ");
    sha.update(kind);
    parts.iter().for_each(|part| sha.update(part));
    let digest: [u8; 32] = sha.finalize().into();
    let first = digest.iter().take(16);
    Uuid(first.fold(0, |number, byte| number << 8 | u128::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_the_id() {
        let one = SteamId::new(22_202).unwrap();
        assert_eq!(steam(user(one)), Some(one));
        assert_eq!(
            user(one).to_string(),
            "00000000-0000-0000-0110-0001000056ba"
        );
        for other in [BUNDLE, PLAYTIME, Uuid(0), Uuid(u128::MAX)] {
            assert_eq!(steam(other), None);
        }
    }

    /// They stand in databases, so they never change.
    #[test]
    fn ids_are_what_they_were() {
        assert_eq!(
            server("Duels 1").to_string(),
            "dd865569-89d9-9a3b-854a-76e6d522776a"
        );
        assert_eq!(
            made("ban", 1, 2).to_string(),
            "3b4398e8-188f-d6af-519c-cd71a5da0885"
        );
        assert_eq!(
            applied(Uuid(1), Uuid(2)).to_string(),
            "098ca467-5cf4-296d-c7da-d1ec99973b71"
        );
        assert_ne!(made("ban", 1, 2), made("ban", 2, 1));
        assert_ne!(made("ban", 1, 2), made("warning", 1, 2));
    }
}
