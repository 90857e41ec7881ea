//! Addresses of players, one or many: `203.0.113.7`, `203.0.113.0/24`. The engine speaks IPv4 alone.

use ::core::net::Ipv4Addr;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// All addresses that begin with the same bits, as CIDR writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressRange {
    /// The first of them; the bits behind the prefix are 0.
    first: u32,
    /// 0 to 32: how many bits they share.
    prefix_bits: u8,
}

/// RFC 6890 and RFC 6598, as far as such an address can be seen at all, and everything from multicast on.
const RESERVED: [([u8; 4], u8); 8] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 168, 0, 0], 16),
    ([224, 0, 0, 0], 3),
];

/// Why a text is no range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RangeError {
    #[error("is no address; write one such as 203.0.113.7, or a range such as 203.0.113.0/24")]
    NoAddress,
    #[error("has no length of 0 to 32 bits behind its slash, such as 203.0.113.0/24")]
    NoLength,
    /// The range that is meant, as far as one can tell.
    #[error("is no range, since its address has more bits than that; {0} is one")]
    MoreBits(AddressRange),
}

impl AddressRange {
    /// A single address.
    pub fn of(address: Ipv4Addr) -> Self {
        Self {
            first: address.to_bits(),
            prefix_bits: 32,
        }
    }

    /// `prefix_bits`: 0 to 32. All addresses that share so many bits with this one.
    pub fn around(address: Ipv4Addr, prefix_bits: u8) -> Self {
        Self {
            first: address.to_bits() & mask(prefix_bits),
            prefix_bits,
        }
    }

    pub fn first(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.first)
    }

    pub fn last(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.first | !mask(self.prefix_bits))
    }

    pub fn prefix_bits(self) -> u8 {
        self.prefix_bits
    }

    /// All ranges that contain this address, the narrowest first.
    pub fn all_around(address: Ipv4Addr) -> impl Iterator<Item = Self> {
        (0..=32).rev().map(move |bits| Self::around(address, bits))
    }

    /// Whether all addresses of `other` are in this one.
    pub fn covers(self, other: Self) -> bool {
        self.prefix_bits <= other.prefix_bits && self.contains(other.first())
    }

    /// Whether it has addresses that are no player's own on the internet: of the machine itself, of private
    /// networks and those of providers, and those that the engine makes up for Steam's relays.
    pub fn touches_reserved(self) -> bool {
        let touches = |(first, bits): &([u8; 4], u8)| {
            let reserved = Self::around((*first).into(), *bits);
            reserved.covers(self) || self.covers(reserved)
        };
        RESERVED.iter().any(touches)
    }

    pub fn contains(self, address: Ipv4Addr) -> bool {
        address.to_bits() & mask(self.prefix_bits) == self.first
    }
}

fn mask(prefix_bits: u8) -> u32 {
    u32::MAX
        .checked_shl(32 - u32::from(prefix_bits.min(32)))
        .unwrap_or(0)
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first())?;
        match self.prefix_bits {
            32 => Ok(()),
            bits => write!(f, "/{bits}"),
        }
    }
}

impl FromStr for AddressRange {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => {
                let digits = bits.bytes().all(|byte| byte.is_ascii_digit());
                let bits = bits.parse().ok().filter(|bits| digits && *bits <= 32);
                (address, bits.ok_or(RangeError::NoLength)?)
            }
            None => (text, 32),
        };
        let address = address.parse().map_err(|_| RangeError::NoAddress)?;
        let range = Self::around(address, bits);
        match range.first() == address {
            true => Ok(range),
            false => Err(RangeError::MoreBits(range)),
        }
    }
}

impl Serialize for AddressRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AddressRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_reads_and_writes_itself() {
        for text in ["203.0.113.7", "203.0.113.0/24", "10.0.0.0/8", "0.0.0.0/0"] {
            let range: AddressRange = text.parse().unwrap();
            assert_eq!(range.to_string(), text);
        }
        let range = |text: &str| text.parse::<AddressRange>();
        assert_eq!(range("203.0.113.7/32").unwrap().to_string(), "203.0.113.7");
        for (text, error) in [
            ("", RangeError::NoAddress),
            ("203.0.113", RangeError::NoAddress),
            ("203.0.113.7:27005", RangeError::NoAddress),
            ("::1", RangeError::NoAddress),
            ("203.0.113.0/", RangeError::NoLength),
            ("203.0.113.0/33", RangeError::NoLength),
            ("203.0.113.0/+8", RangeError::NoLength),
            (
                "203.0.113.7/24",
                RangeError::MoreBits(range("203.0.113.0/24").unwrap()),
            ),
        ] {
            assert_eq!(range(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn an_address_that_is_no_players_own_on_the_internet_is_reserved() {
        let touches = |text: &str| text.parse::<AddressRange>().unwrap().touches_reserved();
        for text in [
            "127.0.0.1",
            "10.1.2.3",
            "172.17.0.1",
            "192.168.1.0/24",
            "192.0.0.0/8",
            "169.254.1.2",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "0.0.0.0/0",
        ] {
            assert!(touches(text), "{text}");
        }
        for text in [
            "203.0.113.7",
            "172.32.0.0/16",
            "192.169.0.0/16",
            "100.128.0.0/16",
        ] {
            assert!(!touches(text), "{text}");
        }
    }

    #[test]
    fn the_ranges_around_an_address_are_all_that_contain_it() {
        let address: Ipv4Addr = "203.0.113.7".parse().unwrap();
        let all: Vec<AddressRange> = AddressRange::all_around(address).collect();
        assert_eq!(all.len(), 33);
        assert!(all.iter().all(|range| range.contains(address)));
        assert!(
            all.windows(2)
                .all(|pair| pair[1].covers(pair[0]) && !pair[0].covers(pair[1]))
        );
        assert_eq!(all[0], AddressRange::of(address));
    }

    #[test]
    fn a_range_has_its_addresses_and_no_others() {
        let range: AddressRange = "203.0.113.0/24".parse().unwrap();
        let has = |text: &str| range.contains(text.parse().unwrap());
        assert!(has("203.0.113.0") && has("203.0.113.255"));
        assert!(!has("203.0.112.255") && !has("203.0.114.0"));
        assert_eq!(range.last().to_string(), "203.0.113.255");
        let all: AddressRange = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains(Ipv4Addr::BROADCAST));
        assert_eq!(all.last(), Ipv4Addr::BROADCAST);
    }
}
