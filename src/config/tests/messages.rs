//! The texts of languages: those that are built in, and those of owners.

use super::super::messages::{Texts, built_in};
use super::*;
use crate::limits::{MESSAGE_CHARS_MAX, MESSAGES_FILE_BYTES_MAX};
use crate::protocol::template_text::fill;

/// What can be filled into the texts that take something.
const PLACES: &str = "ban_kick{reason,since,until,admin,id,link} \
    ban_kick_permanent{reason,since,admin,id,link} ban_done{player,length,reason} \
    ban_queued{player,length,reason} ban_refused{player,why} ban_not_saved{player} \
    unban_done{player} unban_queued{player} unban_refused{player,why} unban_none{player} \
    warn_done{player,reason} warn_queued{player,reason} warn_refused{player,why} \
    warned{reason,admin} no_right{command} rights_unknown{command} player_unknown{text} \
    player_ambiguous{text,candidates} player_higher{player} banned_self{} length_bad{text} \
    length_too_long{max} reason_missing{} usage_ban{prefix} usage_unban{prefix} \
    usage_warn{prefix} usage_warns{prefix} usage_bans{prefix} list_bans_none{player} \
    list_bans_head{player,count} list_ban{reason,since,until,admin} list_warns_none{player} \
    list_warns_head{player,count} list_warn{reason,since,admin} list_away{} \
    state_ready{bundle,bans} state_waiting{} state_refused{} state_away{minutes} \
    state_queue{waiting,dead} state_link{link} permanent{} \
    unknown_admin{} server_admin{} no_reason{} minute_one{} \
    minutes{n} hour_one{} hours{n} day_one{} days{n} queue_full{} too_long{} \
    chat_off{command} chat_no_key{command} chat_no_session{command} chat_touched{command} \
    chat_unconfirmed{command} player_unconfirmed{player} setgroup_done{player,group,length} \
    setgroup_queued{player,group,length} setgroup_refused{player,group,why} \
    removegroup_done{player,group} removegroup_queued{player,group} \
    removegroup_refused{player,group,why} group_added{group} group_removed{group} \
    group_unknown{text,groups} groups_unknown{} group_higher{group} group_all{} rank_unknown{player} \
    usage_setgroup{prefix} usage_removegroup{prefix} \
    playtime{player,time} playtime_away{} usage_playtime{prefix} usage_dashboard{prefix} \
    usage_user{prefix} usage_login{prefix} link{link} link_away{} \
    dashboard_player{userid,player,user,groups,warnings,bans} dashboard_listed{} slots_full{} \
    slots_kick{} login_sure{} login_none{} login_done{} login_unknown{} login_away{} \
    login_tries{} rewards_unclear{count} \
    banip_done{player,length,reason} banip_queued{player,length,reason} \
    banip_refused{player,why} unbanip_done{player} unbanip_queued{player} \
    unbanip_refused{player,why} unbanip_none{address} unbanip_wider{address,range} \
    addresses_none{} address_bad{text} address_bits{text,range} address_wide{text,most} \
    address_reserved{text} address_unknown{player} \
    list_address_ban{address,since,until,admin,reason} bans_in_console{} usage_banip{prefix} \
    usage_unbanip{prefix} usage_who{prefix} who_userid{userid,player,groups} \
    who_player{player,groups} who_soon{}";

struct Owner(tempfile::TempDir);

impl Owner {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let folder = self.0.path().join("messages");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), text).unwrap();
    }

    /// With this language, and further lines from line 9 on.
    fn read(&self, language: &str, lines: &str) -> Result<(Texts, Vec<String>), Vec<String>> {
        let id = "vyhub_server_id = \"0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9\"";
        let text = signed(id)
            + "[vyhub]\napi_url = \"https://h/v1\"\napi_key = \"k\"\n"
            + &format!("language = \"{language}\"\n{lines}\n");
        let config = parse(&text, self.0.path(), set(&[]));
        let config =
            config.map_err(|all| all.iter().map(Problem::to_string).collect::<Vec<_>>())?;
        Ok((config.community.unwrap().messages, config.warnings))
    }

    #[track_caller]
    fn is_refused(&self, language: &str, expected: &[&str]) {
        let found = self
            .read(language, "")
            .expect_err("should have been refused");
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                found.contains(expected),
                "{found}\n  should hold\n{expected}"
            );
        }
    }
}

/// Texts of a community of one's own take nothing that the others do not, and none names VyHub.
#[test]
fn a_community_of_ones_own_has_texts_that_do_not_name_vyhub() {
    for language in ["en", "de"] {
        let usual = built_in(language, false).unwrap();
        let local = built_in(language, true).unwrap();
        assert!(local.keys().eq(usual.keys()), "{language}");
        for (key, text) in &local {
            assert!(!text.contains("VyHub"), "{language} {key}: {text}");
            let places = |text: &str| -> Vec<String> {
                let pieces = text.split('{').skip(1);
                let places = pieces.map(|piece| piece.split_once('}').unwrap().0.to_owned());
                places.collect()
            };
            let known = places(&usual[key]);
            let strange = places(text)
                .into_iter()
                .find(|place| !known.contains(place));
            assert_eq!(strange, None, "{language} {key}");
            assert!(text.len() <= 160, "{language} {key}: {}", text.len());
        }
        let named = usual.iter().filter(|(_, text)| text.contains("VyHub"));
        assert!(named.count() > 20, "{language}");
    }
    let owner = Owner::new();
    owner.write("en.json", "{\"state_ready\": \"{bundle}: {bans}\"}");
    let text = signed("[community]\ntype = 'local'");
    let config = parse(&text, owner.0.path(), set(&[])).unwrap();
    let texts = config.community.unwrap().messages;
    assert_eq!(texts["state_ready"], "{bundle}: {bans}");
    assert_eq!(texts["link_away"], "This community has no page for that.");
}

#[test]
fn the_built_in_texts_are_whole_and_can_be_carried() {
    let english = built_in("en", false).unwrap();
    for language in ["en", "de"] {
        let texts = built_in(language, false).unwrap();
        assert!(texts.keys().eq(english.keys()), "{language}");
        for entry in PLACES.split_whitespace() {
            let (key, places) = entry.strip_suffix('}').unwrap().split_once('{').unwrap();
            let text = &texts[key];
            let values: Vec<_> = places.split(',').map(|place| (place, "X")).collect();
            let filled = fill(text, &values);
            let whole = !filled.contains(['{', '}']) && places.is_empty() != filled.contains('X');
            assert!(whole, "{language} {key}: {filled}");
            for (place, _) in values.iter().filter(|(place, _)| !place.is_empty()) {
                assert!(
                    text.contains(&format!("{{{place}}}")),
                    "{language} {key} {place}"
                );
            }
            assert!(
                !text.contains('"') && !text.contains(char::is_control),
                "{key}"
            );
            // The rest of the 400 bytes of a kick is for names, dates and the reason.
            assert!(text.len() <= 160, "{language} {key}: {}", text.len());
        }
        assert_eq!(texts.len(), PLACES.split_whitespace().count(), "{language}");
    }
    assert_eq!(built_in("fr", false), None);
}

#[test]
fn a_file_changes_single_texts_of_a_built_in_language() {
    let owner = Owner::new();
    assert_eq!(
        owner.read("de", "").unwrap(),
        (built_in("de", false).unwrap(), vec![])
    );
    let (bom, own) = ("\u{feff}", "{\"permanent\": \"für immer\"}");
    owner.write("de.json", format!("{bom}{own}"));
    let (texts, warnings) = owner.read("de", "").unwrap();
    assert_eq!(texts["permanent"], "für immer");
    assert_eq!(texts["day_one"], "1 Tag");
    assert_eq!(warnings, [""; 0]);
    assert_eq!(
        owner.read("en", "").unwrap().0,
        built_in("en", false).unwrap()
    );
}

#[test]
fn another_language_stays_english_where_it_says_nothing() {
    let owner = Owner::new();
    owner.write(
        "fr.json",
        "{\"permanent\": \"définitif\", \"day_one\": \"1 jour\"}",
    );
    let (texts, warnings) = owner.read("fr", "").unwrap();
    assert_eq!(texts["permanent"], "définitif");
    assert_eq!(texts["minute_one"], "1 minute");
    assert_eq!(texts.len(), built_in("en", false).unwrap().len());
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let missing = texts.len() - 2;
    let expected = format!(
        "fr.json: {missing} of {} texts are missing and stay English: address_bad, \
         address_bits, address_reserved, address_unknown, address_wide, ...",
        texts.len()
    );
    assert!(warnings[0].ends_with(&expected), "{warnings:?}");

    let mut whole = built_in("en", false).unwrap();
    whole.remove("too_long");
    owner.write("fr.json", serde_json::to_string(&whole).unwrap());
    let warnings = owner.read("fr", "").unwrap().1;
    assert!(
        warnings[0].ends_with("stay English: too_long"),
        "{warnings:?}"
    );
}

#[test]
fn an_unknown_language_says_where_it_was_looked_for() {
    let owner = Owner::new();
    let path = owner.0.path().join("messages/nl.json");
    let expected = format!(
        "vpid.toml:8: vyhub.language: \"nl\" has no texts: {} is not there, and only \"en\" and \
         \"de\" are built in",
        path.display()
    );
    owner.is_refused("nl", &[&expected]);
    for language in ["", "../en", "en.json", "a/b", "dé", &"x".repeat(33)] {
        let expected = "vpid.toml:8: vyhub.language: ";
        owner.is_refused(language, &[expected]);
    }
}

#[test]
fn the_folder_of_texts_can_be_elsewhere() {
    let owner = Owner::new();
    owner.write("en.json", "{\"permanent\": \"not here\"}");
    let folder = owner.0.path().join("texts");
    let line = "messages = \"texts\"";
    let found = owner.read("en", line).unwrap_err();
    let expected = "vpid.toml:9: vyhub.messages: ";
    assert!(
        found[0].starts_with(expected) && found[0].contains("is no folder"),
        "{found:?}"
    );
    std::fs::create_dir(&folder).unwrap();
    assert_eq!(owner.read("en", line).unwrap().0["permanent"], "permanent");
    std::fs::write(folder.join("en.json"), "{\"permanent\": \"for ever\"}").unwrap();
    assert_eq!(owner.read("en", line).unwrap().0["permanent"], "for ever");
}

#[test]
fn texts_that_cannot_be_used() {
    let owner = Owner::new();
    let long = "x".repeat(MESSAGE_CHARS_MAX);
    owner.write(
        "en.json",
        format!(
            "{{\n\"permanent\": 5,\n\"day_one\": \" \",\n\"hour_one\": \"{long}x\",\n\
             \"minute_one\": \"a\\nb\",\n\"no_reason\": \"a \\\"b\\\"\",\n\
             \"days\": \"{{m}} days\",\n\"unknown_admin\": \"{{admin}}\",\n\
             \"ban_kick\": \"{{reason}} {{ until }}\",\n\"too_long\": \"{long}\"\n}}"
        ),
    );
    owner.is_refused(
        "en",
        &[
            "en.json:2: permanent: must be a text in quotes",
            "en.json:3: day_one: is empty",
            "en.json:4: hour_one: has 401 characters",
            "en.json:5: minute_one: has a double quote or a control character",
            "en.json:6: no_reason: has a double quote",
            "en.json:7: days: has {m}, which nothing is filled into; this text can have {n}",
            "en.json:8: unknown_admin: has {admin}, which nothing is filled into; this text can have no",
            "en.json:9: ban_kick: has { until }, which nothing is filled into; this text can have \
             {until}, {reason}",
        ],
    );
}

#[test]
fn files_that_are_no_files_of_texts() {
    let owner = Owner::new();
    for (written, expected) in [
        (&b"[]"[..], "en.json:1: is no JSON object of texts"),
        (b"", "is no JSON object of texts"),
        (b"{\n\"a\": \"b\",\n}", "en.json:3: is no JSON object"),
        (b"{\n\"a\": \"\xe9\"}", "en.json:2: is not UTF-8"),
        (&vec![b' '; MESSAGES_FILE_BYTES_MAX + 1], "is larger than"),
    ] {
        owner.write("en.json", written);
        owner.is_refused("en", &[expected]);
    }
}

#[test]
fn unknown_texts_are_reported_with_the_nearest() {
    let owner = Owner::new();
    owner.write("en.json", "{\n\"permanet\": \"x\",\n\"greeting\": 5}");
    let (texts, warnings) = owner.read("en", "").unwrap();
    assert_eq!(texts, built_in("en", false).unwrap());
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    let ends = [
        "en.json:3: greeting: is no text that vpid has",
        "en.json:2: permanet: is no text that vpid has; did you mean permanent?",
    ];
    for (warning, end) in warnings.iter().zip(ends) {
        assert!(warning.ends_with(end), "{warnings:?}");
    }
}
