//! Heads of a tar file (POSIX.1-1988, "ustar"), as far as an archive of plain files needs them: each file is a head of
//! 512 bytes, its content, and zeros up to the next 512; two blocks of zeros are the end. Other programs read it.

pub const BLOCK: usize = 512;
/// Of a name: a hundred bytes, and 155 before the last slash that fits.
pub const NAME_BYTES_MAX: usize = 255;

/// Places of the fields.
const NAME: std::ops::Range<usize> = 0..100;
const MODE: std::ops::Range<usize> = 100..108;
const UID: std::ops::Range<usize> = 108..116;
const GID: std::ops::Range<usize> = 116..124;
const SIZE: std::ops::Range<usize> = 124..136;
const MTIME: std::ops::Range<usize> = 136..148;
const CHECKSUM: std::ops::Range<usize> = 148..156;
const KIND: usize = 156;
const MAGIC: std::ops::Range<usize> = 257..265;
const PREFIX: std::ops::Range<usize> = 345..500;

const USTAR: &[u8] = b"ustar\x0000";
/// A plain file.
const PLAIN: u8 = b'0';

/// A file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub name: String,
    pub size: u64,
    /// Unix seconds.
    pub mtime_s: u64,
}

/// Why a block is no head of such an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    #[error("it is no tar archive, or is damaged")]
    Damaged,
    #[error("it has a link, a folder or a device, and a backup has plain files only")]
    NotPlain,
    #[error("it has a file without a readable name")]
    Name,
}

impl Head {
    /// None: the name is too long.
    pub fn encode(&self) -> Option<[u8; BLOCK]> {
        let mut block = [0; BLOCK];
        let (prefix, name) = split(&self.name)?;
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[PREFIX][..prefix.len()].copy_from_slice(prefix.as_bytes());
        // For the owner alone, no matter who unpacks it.
        octal(&mut block[MODE], 0o600);
        octal(&mut block[UID], 0);
        octal(&mut block[GID], 0);
        size(&mut block[SIZE], self.size);
        octal(&mut block[MTIME], self.mtime_s.min(0o77_777_777_777));
        block[KIND] = PLAIN;
        block[MAGIC].copy_from_slice(USTAR);
        let sum = checksum(&block);
        let text = format!("{sum:06o}\0 ");
        block[CHECKSUM].copy_from_slice(text.as_bytes());
        Some(block)
    }

    /// None: a block of zeros, of which the end has two.
    pub fn decode(block: &[u8; BLOCK]) -> Result<Option<Self>, HeadError> {
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let stated = number(&block[CHECKSUM]).ok_or(HeadError::Damaged)?;
        if &block[MAGIC] != USTAR || stated != checksum(block) {
            return Err(HeadError::Damaged);
        }
        if block[KIND] != PLAIN {
            return Err(HeadError::NotPlain);
        }
        let (prefix, name) = (text(&block[PREFIX])?, text(&block[NAME])?);
        let name = match prefix {
            "" => name.to_owned(),
            prefix => format!("{prefix}/{name}"),
        };
        Ok(Some(Self {
            name,
            size: number(&block[SIZE]).ok_or(HeadError::Damaged)?,
            mtime_s: number(&block[MTIME]).ok_or(HeadError::Damaged)?,
        }))
    }
}

/// How many zeros follow so many bytes.
pub fn padding(size: u64) -> usize {
    (BLOCK - (size % BLOCK as u64) as usize) % BLOCK
}

/// Whether a head has room for the name.
pub fn fits(name: &str) -> bool {
    split(name).is_some()
}

fn split(name: &str) -> Option<(&str, &str)> {
    if name.len() <= NAME.len() {
        return Some(("", name));
    }
    let slashes = name.match_indices('/').map(|(at, _)| at);
    let fits = |at: &usize| *at <= PREFIX.len() && name.len() - at - 1 <= NAME.len();
    let at = slashes.filter(|at| *at > 0).find(fits)?;
    Some((&name[..at], &name[at + 1..]))
}

fn octal(field: &mut [u8], number: u64) {
    let digits = field.len() - 1;
    let text = format!("{number:0digits$o}");
    field[..digits].copy_from_slice(text.as_bytes());
}

/// From 8 GiB on in binary, as GNU's and others have it.
fn size(field: &mut [u8], size: u64) {
    if size < 1 << 33 {
        return octal(field, size);
    }
    field[0] = 0x80;
    field[4..].copy_from_slice(&size.to_be_bytes());
}

fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        let (high, low) = field.split_at(field.len() - 8);
        // Fields of eight bytes have numbers in digits only.
        let (mark, rest) = high.split_first()?;
        let is_small = *mark == 0x80 && rest.iter().all(|byte| *byte == 0);
        return is_small.then(|| u64::from_be_bytes(low.try_into().unwrap_or_default()));
    }
    let text = std::str::from_utf8(field).ok()?;
    let text = text.trim_matches(['\0', ' ']);
    let is_octal = text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    is_octal.then(|| u64::from_str_radix(text, 8).ok())?
}

/// The bytes of a head, with spaces where it stands itself.
fn checksum(block: &[u8; BLOCK]) -> u64 {
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    sum(&block[..CHECKSUM.start]) + 8 * u64::from(b' ') + sum(&block[CHECKSUM.end..])
}

fn text(field: &[u8]) -> Result<&str, HeadError> {
    let end = field.iter().position(|byte| *byte == 0);
    let text = &field[..end.unwrap_or(field.len())];
    std::str::from_utf8(text).map_err(|_| HeadError::Name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(name: &str, size: u64) -> Head {
        Head {
            name: name.to_owned(),
            size,
            mtime_s: 1_700_000_000,
        }
    }

    #[test]
    fn a_head_comes_back_whatever_its_name_and_size() {
        let long = format!("scripts/{}/{}", "a".repeat(120), "b".repeat(100));
        for head in [
            head("state/begun", 0),
            head("state/outbox/17.json", 511),
            head(&long, (1 << 33) - 1),
            head("database/default.db", 1 << 33),
            head("database/default.db", u64::MAX),
        ] {
            let block = head.encode().unwrap();
            assert_eq!(Head::decode(&block), Ok(Some(head)));
        }
        let name = "b".repeat(101);
        assert_eq!(head(&name, 0).encode(), None);
        assert_eq!(head(&format!("{}/b", "a".repeat(156)), 0).encode(), None);
        assert!(fits(&long) && fits(&"b".repeat(100)) && !fits(&name));
        // Short enough in all, but no slash is where the halves fit.
        assert!(!fits(&format!("scripts/{}.py", "b".repeat(98))));
        assert_eq!((padding(0), padding(1), padding(512)), (0, 511, 0));
    }

    #[test]
    fn what_is_no_head_of_a_plain_file_is_refused() {
        assert_eq!(Head::decode(&[0; BLOCK]), Ok(None));
        let good = head("state/begun", 7).encode().unwrap();
        for at in [0, 125, 150, 257, 400] {
            let mut block = good;
            block[at] ^= 1;
            assert_eq!(Head::decode(&block), Err(HeadError::Damaged), "{at}");
        }
        for kind in *b"1257xLg" {
            let mut block = good;
            block[KIND] = kind;
            let sum = checksum(&block);
            block[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            assert_eq!(Head::decode(&block), Err(HeadError::NotPlain));
        }
        for bytes in [[0xff; BLOCK], [0x80; BLOCK]] {
            assert_eq!(Head::decode(&bytes), Err(HeadError::Damaged));
        }
    }
}
