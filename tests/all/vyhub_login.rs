//! Logins of browsers that players confirm in chat.

use std::time::Duration;

use crate::support::{Community, Visitor, stays};

fn community() -> Community {
    Community::configured(|vpid| vpid.vyhub_line("login = true")).started()
}

#[test]
fn a_login_is_confirmed_by_two_commands_and_its_code_is_logged_nowhere() {
    let community = community();
    let player = Visitor::new(3, "player");
    community.joins(&player);
    let code = community.vyhub.add_login();
    community.log.says(&player, "!login yes");
    community.told(&player, "There is no login to confirm");
    community.log.says(&player, &format!("!login {code}"));
    community.told(&player, "A browser would be logged in as you");
    stays(
        "one command is not enough",
        Duration::from_millis(200),
        || community.asked("PATCH", "/auth/request/") == 0,
    );
    community.log.says(&player, "!login yes");
    community.told(&player, "The browser is logged in");
    let login = community.vyhub.login(&code).unwrap();
    assert_eq!(login.confirmed_by, Some(player.steam64().to_string()));
    // Once.
    community.log.says(&player, "!login yes");
    community.told_times(&player, "There is no login to confirm", 2);
    let log = community.vpid.log();
    assert!(!log.contains(&code), "{log}");
    community.all_well();
}

#[test]
fn guesses_are_few() {
    let community = community();
    let player = Visitor::new(3, "player");
    community.joins(&player);
    let guess = "!login 01234567-89ab-4def-a123-456789abcdef";
    for times in 1..=3 {
        community.log.says(&player, guess);
        community.told_times(&player, "A browser would be logged in as you", times);
    }
    community.log.says(&player, "!login yes");
    community.told(&player, "VyHub does not know this code");
    community.log.says(&player, guess);
    community.told(&player, "Too many codes");
    community.log.says(&player, "!login yes");
    community.told(&player, "There is no login to confirm");
    assert_eq!(community.asked("PATCH", "/auth/request/"), 1);
    community.all_well();
}

#[test]
fn without_the_owner_s_word_there_is_no_such_command() {
    let community = Community::new().started();
    let player = Visitor::new(3, "player");
    community.joins(&player);
    let code = community.vyhub.add_login();
    for text in [&*format!("!login {code}"), "!login yes", "!login"] {
        community.log.says(&player, text);
    }
    community.log.says(&player, "!vyhub");
    community.told(&player, "VyHub is connected");
    let shown = community.game.shown();
    assert!(
        shown.iter().all(|it| !it.text.contains("login")),
        "{shown:#?}"
    );
    assert_eq!(community.asked("PATCH", "/auth/request/"), 0);
    community.all_well();
}
