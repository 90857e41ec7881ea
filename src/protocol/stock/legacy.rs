//! The stock identity: how a stock client and its server recognise each other.
//!
//! Each file carries the shared secret, enciphered with itself:
//! `enc[i] = 32 + (secret[i] + h + iv[i] + secret[i]) mod 95`, where `h` comes from the time in
//! the file. It is kept for the sake of stock clients only: a program that reads one file can compute
//! the secret, and nothing ties it to the calls beside it (docs/security.md).

/// The identity of one file, as it stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub enc: Vec<u8>,
    pub iv: Vec<u8>,
    /// Unix seconds by the client's clock (local time read as UTC-5).
    pub timestamp: i64,
    /// Game time / 0.015 s; 0 from a server.
    pub ticks: i64,
}

/// The hash of the time that is mixed into every character, 0 to 127.
fn time_hash(timestamp: i64, ticks: i64) -> i64 {
    let t = timestamp.wrapping_add(ticks).rem_euclid(1024);
    let wave = ((16 * t) as f64).sin().abs();
    (wave * 127.0 + 0.5).floor() as i64
}

/// Whether `identity` was made with `secret`. Takes the same time wherever
/// the first difference is.
pub fn verify(secret: &[u8], identity: &Identity) -> bool {
    if secret.is_empty() || identity.enc.len() != secret.len() || identity.iv.len() < secret.len() {
        return false;
    }
    let h = time_hash(identity.timestamp, identity.ticks);
    let mut difference = 0u8;
    for ((&enc, &iv), &key) in identity.enc.iter().zip(&identity.iv).zip(secret) {
        let mut plain = (i64::from(enc) - 32 - h - i64::from(iv) - i64::from(key)).rem_euclid(95);
        if plain < 32 {
            plain += 95;
        }
        difference |= (plain as u8) ^ key;
    }
    std::hint::black_box(difference) == 0
}

/// Makes an identity. `random` gives fresh random bytes; characters that a decoder could
/// stumble over (a quote, a backslash) are avoided in both texts.
pub fn seal(secret: &[u8], timestamp: i64, mut random: impl FnMut() -> u8) -> Identity {
    let h = time_hash(timestamp, 0);
    let mut enc = Vec::with_capacity(secret.len());
    let mut iv = Vec::with_capacity(secret.len());
    for &key in secret {
        loop {
            // 35..=126 is what the client accepts; the first 184 values map to it evenly.
            let byte = random();
            if byte >= 184 {
                continue;
            }
            let salt = 35 + byte % 92;
            let sum = i64::from(key) + h + i64::from(salt) + i64::from(key);
            let sealed = 32 + sum.rem_euclid(95) as u8;
            if salt != b'\\' && !matches!(sealed, b'\\' | b'"') {
                enc.push(sealed);
                iv.push(salt);
                break;
            }
        }
    }
    Identity {
        enc,
        iv,
        timestamp,
        ticks: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random() -> impl FnMut() -> u8 {
        let mut state = 7u32;
        move || {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            (state >> 24) as u8
        }
    }

    #[test]
    fn a_sealed_identity_verifies_and_holds_nothing_that_needs_escaping() {
        let secret: Vec<u8> = (32..=126).collect();
        let mut random = random();
        for timestamp in 1_700_000_000..1_700_001_100 {
            let identity = seal(&secret, timestamp, &mut random);
            assert!(verify(&secret, &identity));
            for text in [&identity.enc, &identity.iv] {
                assert!(
                    text.iter()
                        .all(|b| (32..=126).contains(b) && *b != b'"' && *b != b'\\')
                );
            }
        }
    }

    #[test]
    fn an_identity_of_another_secret_time_or_length_is_refused() {
        let identity = seal(b"correct horse", 1_700_000_000, random());
        assert!(verify(b"correct horse", &identity));
        assert!(!verify(b"correct house", &identity));
        assert!(!verify(b"correct hors", &identity));
        assert!(!verify(b"", &identity));
        let later = Identity {
            timestamp: identity.timestamp + 1,
            ..identity.clone()
        };
        assert!(!verify(b"correct horse", &later));
        let short_iv = Identity {
            iv: identity.iv[..3].to_vec(),
            ..identity
        };
        assert!(!verify(b"correct horse", &short_iv));
    }

    /// Computed by hand from the formula: secret "A" (65), iv "#" (35), t = 0 so h = 0.
    #[test]
    fn the_cipher_is_the_stock_one() {
        let identity = Identity {
            enc: vec![32 + (65 + 35 + 65) % 95],
            iv: vec![35],
            timestamp: 1024,
            ticks: 0,
        };
        assert!(verify(b"A", &identity));
    }
}
