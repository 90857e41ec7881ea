//! Any bytes are an answer of VyHub's or are none; a list that is read comes back from our own file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vpid::wire::vyhub::{BanList, Expect, detail, reply};

const ALL: [Expect; 11] = [
    Expect::Nothing,
    Expect::Server,
    Expect::Bundle,
    Expect::User,
    Expect::Groups,
    Expect::Properties,
    Expect::Ban,
    Expect::Bans,
    Expect::Warning,
    Expect::Warnings,
    Expect::FrontendUrl,
];

fuzz_target!(|bytes: &[u8]| {
    for expect in ALL {
        let _ = reply(expect, bytes);
    }
    let _ = detail(bytes);
    let _ = BanList::read_kept(bytes);
    if let Ok(list) = BanList::read(bytes) {
        let mut kept = Vec::new();
        list.write(&mut kept).expect("memory takes it");
        assert_eq!(BanList::read_kept(&kept[..]), Ok(list));
    }
});
