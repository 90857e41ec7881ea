//! Where an address is, out of what databases of MaxMind's format say of it.

use ::core::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};

use super::address_range::AddressRange;

/// What the three kinds of databases say of an address; each may be missing.
#[derive(Debug, Clone, Default)]
pub struct Found {
    pub city: Option<Value>,
    pub country: Option<Value>,
    pub asn: Option<Value>,
}

/// An address, with or without a port.
pub fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let with_port = || text.parse::<SocketAddr>().ok().map(|it| it.ip());
    let address = text.parse().ok().or_else(with_port)?;
    Some(match address {
        IpAddr::V6(it) => it.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    })
}

/// Whether an address is one of a private network, of the machine itself, or one that the engine makes up for Steam's
/// relays: it is nowhere.
pub fn is_nowhere(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => AddressRange::of(address).touches_reserved(),
        IpAddr::V6(address) => {
            let first = address.segments()[0];
            // Unique local, of the link alone, and many at once.
            let is_local = first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80 || first >= 0xff00;
            is_local || address.is_loopback() || address.is_unspecified()
        }
    }
}

/// What scripts get. Null where no database knows the address.
pub fn place(address: IpAddr, found: &Found) -> Value {
    let empty = Value::Null;
    if found.city.is_none() && found.country.is_none() && found.asn.is_none() {
        return empty;
    }
    let (city, country) = (found.city.as_ref(), found.country.as_ref());
    let first = |path: &str| {
        let mut all = [city, country].into_iter().flatten();
        let value = all.find_map(|record| record.pointer(path));
        value.unwrap_or(&empty)
    };
    let asn = |key: &str| found.asn.as_ref().and_then(|record| record.get(key));
    // Of some networks only the country that they are registered in is known.
    let or = |value: &Value, path: &str| match value {
        Value::Null => first(path).clone(),
        value => value.clone(),
    };
    json!({
        "address": address.to_string(),
        "country": or(first("/country/iso_code"), "/registered_country/iso_code"),
        "country_name": or(first("/country/names/en"), "/registered_country/names/en"),
        "continent": first("/continent/code"),
        "region": first("/subdivisions/0/names/en"),
        "city": first("/city/names/en"),
        "postal": first("/postal/code"),
        "latitude": first("/location/latitude"),
        "longitude": first("/location/longitude"),
        "time_zone": first("/location/time_zone"),
        "asn": asn("autonomous_system_number"),
        "network": asn("autonomous_system_organization"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::mmdb::{Mmdb, MmdbError};

    const CITY: &[u8] = include_bytes!("../../tests/geoip/city.mmdb");
    const ASN: &[u8] = include_bytes!("../../tests/geoip/asn.mmdb");
    const COUNTRY: &[u8] = include_bytes!("../../tests/geoip/country.mmdb");

    fn find(bytes: &[u8], text: &str) -> Option<Value> {
        let database = Mmdb::open(bytes).unwrap();
        database.find(address(text).unwrap()).unwrap()
    }

    #[test]
    fn a_place_is_read_out_of_files_that_another_program_has_written() {
        let text = "203.0.113.7:27005";
        let found = Found {
            city: find(CITY, text),
            country: find(COUNTRY, text),
            asn: find(ASN, text),
        };
        let place = place(address(text).unwrap(), &found);
        assert_eq!(
            place,
            json!({
                "address": "203.0.113.7", "country": "AT", "country_name": "Austria", "continent": "EU",
                "region": "Vienna", "city": "Vienna", "postal": "1010", "latitude": 48.2, "longitude": 16.37,
                "time_zone": "Europe/Vienna", "asn": 64500, "network": "Example Networks",
            })
        );
        assert_eq!(
            find(CITY, "2001:db8:1::5").unwrap()["city"]["names"]["en"],
            "Graz"
        );
        assert_eq!(
            find(COUNTRY, "198.51.100.1").unwrap()["country"]["iso_code"],
            "DE"
        );
        for unknown in ["192.0.2.1", "8.8.8.8", "2001:4860::1", "::1"] {
            assert_eq!(find(CITY, unknown), None, "{unknown}");
        }
        // That of countries has addresses of IPv4 alone.
        assert_eq!(find(COUNTRY, "2001:db8:1::5"), None);
    }

    #[test]
    fn addresses_that_are_nowhere_are_known() {
        for text in [
            "10.1.2.3",
            "192.168.0.9:27005",
            "169.254.1.1",
            "127.0.0.1",
            "::1",
            "fe80::1",
            "fd00::1",
        ] {
            assert!(is_nowhere(address(text).unwrap()), "{text}");
        }
        for text in ["203.0.113.7", "[2001:db8::1]:27005", "::ffff:203.0.113.7"] {
            assert!(!is_nowhere(address(text).unwrap()), "{text}");
        }
        assert_eq!(address("[U:1:7]"), None);
        assert_eq!(address("STEAM_0:1:3"), None);
    }

    #[test]
    fn a_damaged_file_is_an_error_and_nothing_worse() {
        let lookups = ["203.0.113.7", "255.255.255.255", "2001:db8:1::5"];
        let try_all = |bytes: &[u8]| {
            if let Ok(database) = Mmdb::open(bytes) {
                for text in lookups {
                    let _ = database.find(address(text).unwrap());
                }
            }
        };
        for end in 0..CITY.len() {
            try_all(&CITY[..end]);
        }
        for at in 0..CITY.len() {
            for value in [0, 0x20, 0x3f, 0x7f, 0xe0, 0xff] {
                let mut bytes = CITY.to_vec();
                bytes[at] = value;
                try_all(&bytes);
            }
        }
        let error = Mmdb::open(&b"nothing"[..]).unwrap_err();
        assert_eq!(
            error,
            MmdbError::Damaged("is no database of MaxMind's format")
        );
    }

    #[test]
    fn records_that_refer_to_themselves_end() {
        // Tree: one node, whose sides lead to the first record, which is a pointer to itself.
        let mut file = vec![0, 0, 17, 0, 0, 17];
        file.extend([0; 16]);
        file.extend([0x20, 0x00]);
        file.extend(b"\xab\xcd\xefMaxMind.com");
        let text = |text: &str| [&[0x40 | text.len() as u8], text.as_bytes()].concat();
        file.push(0xe4);
        for (key, value) in [
            ("node_count", vec![0xa1, 1]),
            ("record_size", vec![0xa1, 24]),
            ("ip_version", vec![0xa1, 4]),
            ("binary_format_major_version", vec![0xa1, 2]),
        ] {
            file.extend(text(key));
            file.extend(value);
        }
        let database = Mmdb::open(&file[..]).unwrap();
        let found = database.find(address("203.0.113.7").unwrap());
        assert!(matches!(found, Err(MmdbError::Damaged(_))), "{found:?}");
    }
}
