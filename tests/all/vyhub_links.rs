//! Commands that show addresses of VyHub's pages, and who is on.

use crate::support::{Community, Visitor, wait_until};

const PAGES: &str = "https://fake.vyhub.example";
/// Where a text is shown, by the engine's number.
const CONSOLE: i64 = 2;

#[test]
fn every_page_has_a_command() {
    let community = Community::new().started();
    let player = Visitor::new(3, "player");
    community.joins(&player);
    community.wait_for_vyhub("a user", |state| state.user(player.steam64()).is_some());
    let server = community.vyhub.server_id();
    let user = community
        .vyhub
        .with(|state| state.user(player.steam64()).unwrap().id.clone());
    for (command, path) in [
        ("!shop", "/shop".to_owned()),
        ("/news", "/news".to_owned()),
        ("!bans", "/bans".to_owned()),
        ("!warnings", "/warnings".to_owned()),
        ("!user", format!("/user/{user}")),
        ("!dashboard", format!("/server-dashboard/{server}")),
    ] {
        community.log.says(&player, command);
        community.told(&player, &format!("{PAGES}{path}"));
    }
    // A player without any right reads no list.
    community.log.says(&player, "!bans #3");
    community.told(&player, "You have no right to use bans");
    let listed = community.game.shown();
    assert!(
        listed.iter().all(|shown| shown.place != CONSOLE),
        "{listed:#?}"
    );
    community.all_well();
}

#[test]
fn nobody_makes_users_in_vyhub_by_asking_for_ids() {
    let community = Community::new().started();
    let player = Visitor::new(3, "player");
    let gone = Visitor::new(4, "gone");
    community.joins(&gone);
    community.wait_for_vyhub("a user", |state| state.user(gone.steam64()).is_some());
    community.log.leaves(&gone);
    community.game.leave(gone.userid);
    community.joins(&player);
    community.wait_for_vyhub("a user", |state| state.user(player.steam64()).is_some());
    for command in ["!user", "!playtime"] {
        let stranger = Visitor::new(5, "stranger").steam3();
        community
            .log
            .says(&player, &format!("{command} {stranger}"));
        community.told(&player, &format!("There is no player {stranger}"));
    }
    let user = community
        .vyhub
        .with(|state| state.user(gone.steam64()).unwrap().id.clone());
    community
        .log
        .says(&player, &format!("!user {}", gone.steam3()));
    community.told(&player, &format!("{PAGES}/user/{user}"));
    assert_eq!(community.vyhub.users().len(), 2);
    community.all_well();
}

#[test]
fn an_admin_reads_in_the_console_who_is_on() {
    let community = Community::new().started();
    let rogue = Visitor::new(4, "rogue");
    let user = community
        .vyhub
        .add_user(rogue.steam64(), "Rogue of VyHub", false);
    let group = community.vyhub.add_group("Regulars", 1, &[], None);
    community.vyhub.put_in_group(&user, &group);
    community.joins(&rogue);
    let path = format!("/user/{user}/group");
    wait_until("the groups were requested", || {
        community.asked("GET", &path) > 0
    });
    let admin = community.admin(2, "admin");
    community.log.says(&admin, "!warn rogue spam");
    community.wait_for_vyhub("a warning", |state| !state.warnings().is_empty());
    let line = "#4 rogue = Rogue of VyHub: Regulars. Warnings: 1, bans: 0";
    // VyHub has them on this server from the next report on.
    let reports = community.vyhub.statuses().len();
    community
        .log
        .line("Started map \"cp_granary\" (CRC \"9a\")");
    wait_until("the state is reported", || {
        community.vyhub.statuses().len() > reports
    });
    community.log.says(&admin, "!dashboard");
    community.told(&admin, "Who is on stands in your console");
    wait_until("the line is shown", || {
        let shown = community.game.shown();
        let mut to_admin = shown.iter().filter(|it| it.to == Some(admin.userid));
        to_admin.any(|it| it.place == CONSOLE && it.text.ends_with(line))
    });
    community.all_well();
}
