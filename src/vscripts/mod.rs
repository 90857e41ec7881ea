//! The game scripts that are part of this binary, and how they are distinguished from others.

pub mod squirrel;

use squirrel::Returned;

/// Holds the owner's key once it is installed. `build.rs` puts it together from the files in
/// `vscripts/vpi/`.
pub const VPI: &str = include_str!(concat!(env!("OUT_DIR"), "/vpi.nut"));
/// The owner's settings; never replaced.
pub const VPI_CONFIG: &str = include_str!("../../vscripts/vpi_config.nut");
/// What the game runs first; never replaced, since owners have their own.
pub const MAPSPAWN: &str = include_str!("../../vscripts/mapspawn.nut");

/// All of them, by the names that the game knows them by.
pub const ALL: [(&str, &str); 3] = [
    ("vpi.nut", VPI),
    ("vpi_config.nut", VPI_CONFIG),
    ("mapspawn.nut", MAPSPAWN),
];

/// What the shipped [`VPI`] has where the key belongs.
pub const KEY_PLACEHOLDER: &str = "PUT-THE-KEY-OF-vpid.toml-HERE";

/// The line of [`MAPSPAWN`] that an owner's own mapspawn.nut needs too.
pub fn include_line() -> &'static str {
    let mut lines = MAPSPAWN.lines().map(str::trim);
    let line = lines.find(|line| includes_vpi(line.as_bytes()));
    line.unwrap_or("IncludeScript(\"vpi.nut\")")
}

pub fn includes_vpi(script: &[u8]) -> bool {
    squirrel::includes(script, "vpi")
}

/// Whether a stock script, or one made from it, sends an identity with its calls.
pub fn sends_identity(script: &[u8]) -> bool {
    squirrel::has_word(script, "Identity")
}

/// The `vpi.nut` to install for an owner's key.
pub fn vpi_with(key: &str) -> String {
    VPI.replacen(KEY_PLACEHOLDER, key, 1)
}

/// Text that went through an editor or a transfer that changes line ends is still the same.
pub fn same_text(installed: &[u8], shipped: &str) -> bool {
    let plain = |text: &[u8]| String::from_utf8_lossy(text).replace("\r\n", "\n");
    plain(installed) == plain(shipped.as_bytes())
}

/// What a `vpi.nut` that lies in the game turns out to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Installed {
    Ours {
        /// As the script says; empty where it does not.
        version: String,
        /// Empty where there is none to be read.
        key: Vec<u8>,
    },
    /// The stock one, or something else.
    Foreign,
}

impl Installed {
    pub fn of(script: &[u8]) -> Self {
        if !squirrel::has_function(script, "OwnerKey") {
            return Self::Foreign;
        }
        Self::Ours {
            version: squirrel::local_text(script, "VERSION").unwrap_or_default(),
            key: match squirrel::returned_text(script, "OwnerKey") {
                Returned::Text { text, .. } => text,
                Returned::Empty { .. } | Returned::Nothing => Vec::new(),
            },
        }
    }
}

/// The version of the scripts that are part of this binary.
pub fn version() -> String {
    squirrel::local_text(VPI.as_bytes(), "VERSION").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn names(folder: &Path) -> BTreeSet<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".nut")).collect()
    }

    #[test]
    fn every_script_of_the_folder_is_part_of_the_binary_and_no_other() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vscripts");
        let mut there = names(&folder);
        assert!(there.insert("vpi.nut".into()), "vpi.nut is put together");
        let listed: BTreeSet<_> = ALL.iter().map(|(name, _)| name.to_string()).collect();
        assert_eq!(there, listed, "vscripts/mod.rs and the folder differ");
    }

    /// The game must never look for a part: one of a map would be handed the key.
    #[test]
    fn vpi_nut_holds_each_of_its_parts_once_and_asks_for_none() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vscripts/vpi");
        let mut parts = names(&folder);
        assert!(parts.remove("main.nut"));
        let headings = VPI
            .lines()
            .filter_map(|line| line.strip_prefix("// ======== "));
        let mut held: Vec<_> = headings.map(str::to_owned).collect();
        held.sort();
        assert_eq!(held, parts.into_iter().collect::<Vec<_>>());
        let asks = |line: &&str| line.contains("//@ ") || line.contains("IncludeScript(\"vpi/");
        assert_eq!(VPI.lines().find(asks), None);
    }

    #[test]
    fn the_shipped_script_takes_a_key_in_one_place() {
        assert_eq!(VPI.matches(KEY_PLACEHOLDER).count(), 1);
        let line = format!("local function OwnerKey() {{ return \"{KEY_PLACEHOLDER}\" }}");
        assert!(VPI.lines().any(|found| found == line), "{line}");
        assert!(!version().is_empty());
        let key = "~#!$%&()*+,-./:;<=>?@[]^_`{|}0123456789";
        let ours = Installed::Ours {
            version: version(),
            key: key.into(),
        };
        assert_eq!(Installed::of(vpi_with(key).as_bytes()), ours);
        let stock = b"local function GetSecret() { return @\"OwnerKey\" }";
        assert_eq!(Installed::of(stock), Installed::Foreign);
    }

    #[test]
    fn the_shipped_mapspawn_includes_vpi_with_a_line_to_copy() {
        assert!(includes_vpi(MAPSPAWN.as_bytes()));
        let line = include_line();
        assert!(includes_vpi(line.as_bytes()), "{line}");
        let count = |sign| line.matches(sign).count();
        assert_eq!(count('('), count(')'), "{line}");
        assert_eq!(count('{'), count('}'), "{line}");
    }

    #[test]
    fn line_ends_do_not_count() {
        assert!(same_text(b"a\r\nb\n", "a\nb\n"));
        assert!(!same_text(b"a\nb", "a\nb\n"));
    }
}
