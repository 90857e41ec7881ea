//! What players see of the texts that vpid has shown.

use serde_json::json;
use vpid::protocol::player_text::for_client_print;

use crate::support::peer::Talk;

/// What is sent for a text in each of the three places.
fn sent(talk: &mut Talk, texts: &[&str]) -> Vec<String> {
    talk.game.clear_record();
    for text in texts {
        let places = ["chat", "center", "console"];
        let messages = places.map(|place| json!({"print": text, "to": null, "where": place}));
        talk.peer.send(&messages);
        talk.run(10);
    }
    talk.run(60);
    let prints = talk.game.record().client_prints();
    let sent: Vec<String> = prints.chunks(3).map(|three| three[0].2.clone()).collect();
    for (text, three) in texts.iter().zip(prints.chunks(3)) {
        let places = three.iter().map(|(_, place, _)| *place);
        assert_eq!(places.collect::<Vec<_>>(), [3, 4, 2], "{text:?}");
        assert!(
            three.iter().all(|(_, _, sent)| *sent == three[0].2),
            "{text:?}"
        );
    }
    assert_eq!(sent.len(), texts.len());
    sent
}

#[test]
fn texts_show_as_they_are_meant() {
    let mut talk = Talk::start("");
    let long = "\u{e4}".repeat(200);
    let texts = [
        "#1 of the ladder",
        "%s1 has 100%sure won %s4",
        "mind the \u{7}FF0000red\u{1} line",
        long.as_str(),
    ];
    sent(&mut talk, &texts);
    let shown = talk.game.record().shown_texts();
    let shown: Vec<&str> = shown.chunks(3).map(|three| three[0].as_str()).collect();
    let cut = "\u{e4}".repeat(110);
    let expected = [
        "#1 of the ladder",
        "%s1 has 100%sure won %s4",
        "mind the red line",
        cut.as_str(),
    ];
    assert_eq!(shown, expected);
    talk.assert_quiet();
}

/// One rule in two languages: vpid has it for what it sends without these scripts.
#[test]
fn texts_are_made_as_vpid_makes_them() {
    let mut talk = Talk::start("");
    let pieces = [
        "%",
        "s",
        "%s2",
        "#",
        "\u{1}",
        "\u{2}",
        "\u{3}",
        "\u{7}",
        "\u{8}",
        "\u{7}ff00AA",
        "\u{8}12345678",
        "FF0000",
        "\u{e4}",
        "\u{20ac}",
        "\u{1f600}",
        " ",
        "a word",
    ];
    let mut state = 7_u64;
    let mut below = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % bound as u64) as usize
    };
    let texts: Vec<String> = (0..60)
        .map(|round| {
            let count = below(if round % 3 == 0 { 150 } else { 12 });
            (0..count).map(|_| pieces[below(pieces.len())]).collect()
        })
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for (text, sent) in texts.iter().zip(sent(&mut talk, &texts)) {
        assert_eq!(sent, for_client_print(text), "{text:?}");
    }
    talk.assert_quiet();
}

/// What owners must know is shown in the chat, whatever stands in it.
#[test]
fn announcements_fit() {
    let mut talk = Talk::begin("", |setup| {
        setup.script(
            "vpi_config.nut",
            &format!("const VPI_CONFIG = 1\n{} <- 1\n", "x".repeat(300)),
        )
    });
    talk.game.join("ann", "[U:1:5]");
    talk.run(200);
    let shown = talk.game.record().shown_texts();
    assert!(!shown.is_empty());
    assert_eq!(
        shown.len(),
        talk.game.record().client_prints().len(),
        "none is lost"
    );
    assert!(shown[0].starts_with("[VPI] vpi_config.nut: "), "{shown:?}");
}
