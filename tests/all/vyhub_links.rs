//! Commands that show addresses of VyHub's pages, and who is on.

use crate::support::{Community, Keeper, Visitor, wait_until, with_keepers};

with_keepers! {
    nobody_makes_users_in_vyhub_by_asking_for_ids: vyhub sqlite;
    an_admin_reads_in_the_console_who_is_on: vyhub sqlite;
}

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

fn nobody_makes_users_in_vyhub_by_asking_for_ids(keeper: Keeper) {
    let community = Community::kept_by(keeper).started();
    let player = Visitor::new(3, "player");
    let gone = Visitor::new(4, "gone");
    community.joins(&gone);
    community.wait_for_user(&gone);
    community.log.leaves(&gone);
    community.game.leave(gone.userid);
    community.joins(&player);
    community.wait_for_user(&player);
    // A database has no pages of users.
    let commands = match community.is_vyhub() {
        true => vec!["!user", "!playtime"],
        false => vec!["!playtime"],
    };
    for command in commands {
        let stranger = Visitor::new(5, "stranger").steam3();
        community
            .log
            .says(&player, &format!("{command} {stranger}"));
        community.told(&player, &format!("There is no player {stranger}"));
    }
    if community.is_vyhub() {
        let user = community.user_id(&gone);
        community
            .log
            .says(&player, &format!("!user {}", gone.steam3()));
        community.told(&player, &format!("{PAGES}/user/{user}"));
    }
    assert_eq!(community.users().len(), 2);
    community.all_well();
}

fn an_admin_reads_in_the_console_who_is_on(keeper: Keeper) {
    let community = Community::kept_by(keeper).started();
    let rogue = Visitor::new(4, "rogue");
    community.add_user(&Visitor {
        name: "Rogue of VyHub".into(),
        ..rogue.clone()
    });
    community.add_group("Regulars", 1, &[], None);
    match community.is_vyhub() {
        true => community.put_in_group(&rogue, "Regulars"),
        false => drop(community.operator(&["member", "add", &rogue.steam3(), "Regulars"])),
    }
    community.joins(&rogue);
    if community.is_vyhub() {
        let path = format!("/user/{}/group", community.user_id(&rogue));
        wait_until("the groups were requested", || {
            community.asked("GET", &path) > 0
        });
    }
    let admin = community.admin(2, "admin");
    community.log.says(&admin, "!warn rogue spam");
    wait_until("a warning", || !community.warnings().is_empty());
    // It is listed from the next report on.
    community
        .log
        .line("Started map \"cp_granary\" (CRC \"9a\")");
    community.game.set_map("cp_granary");
    community.wait_for_server("both are reported", |server| {
        server.map == "cp_granary" && server.players.len() == 2
    });
    let (command, line) = match community.is_vyhub() {
        true => (
            "!dashboard",
            "#4 rogue = Rogue of VyHub: Regulars. Warnings: 1, bans: 0",
        ),
        false => ("!who", "#4 rogue: Regulars"),
    };
    community.log.says(&admin, command);
    community.told(&admin, "The list of players is in your console");
    wait_until("the line is shown", || {
        let shown = community.game.shown();
        let mut to_admin = shown.iter().filter(|it| it.to == Some(admin.userid));
        to_admin.any(|it| it.place == CONSOLE && it.text.ends_with(line))
    });
    community.all_well();
}
