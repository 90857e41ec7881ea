//! Reserved slots: on which rights a player is kicked.

use super::*;

const RCON: &str = "rcon = '127.0.0.1:1'\nrcon_password = 'p'\n[vyhub]";

fn property(name: &str) -> Property {
    let name = name.into();
    let granted = true;
    Property { name, granted }
}

/// All slots are reserved. `rights`: Ann's properties; `None`: there is no reply about them.
fn hub(rights: Option<&[&str]>) -> impl Fn(&Request) -> Option<Answer> {
    let group = rights.map(|names| Group {
        properties: names.iter().map(|name| property(name)).collect(),
        ..may_ban()
    });
    move |request| match request {
        Request::FindServer(id) => Some(Ok(Reply::Server(Server {
            id: *id,
            name: "one".into(),
            kind: String::new(),
            bundle: Some(BUNDLE),
            extra: json!({"res_slots": 24}),
        }))),
        Request::GroupsOfUser { .. } => {
            let group = group.clone()?;
            Some(Ok(groups(vec![group], 0)))
        }
        _ => Some(fair(request)),
    }
}

impl World {
    fn kicks(&self) -> usize {
        let kicks = self.console.iter().filter(|it| it.starts_with("kickid 7"));
        kicks.count()
    }
}

fn world(found: Found) -> World {
    World::of(&CONFIG.replace("[vyhub]", RCON), found, EMPTY)
}

#[test]
fn nobody_is_kicked_on_rights_of_before_they_came() {
    let mut world = world(Found::default());
    world.see(STATUS);
    world.run(30, hub(Some(&["ban_edit"])));
    assert!(world.kicks() > 0, "it is known that there is no right");
    world.see(EMPTY);
    world.run(30, hub(None));
    let kicks = world.kicks();
    // They have bought it meanwhile, and VyHub takes its time.
    world.see(STATUS);
    world.run(10, hub(None));
    assert_eq!(world.kicks(), kicks);
    world.run(60, hub(Some(&["ban_edit", "reserved_slot_use"])));
    assert_eq!(world.kicks(), kicks);
}

#[test]
fn nobody_is_kicked_on_rights_of_an_earlier_run() {
    let mut before = world(Found::default());
    before.see(STATUS);
    before.run(30, hub(Some(&["ban_edit"])));
    let rights = before.stored.get("rights").cloned();
    let Some(Content::Json(text)) = rights else {
        panic!("none are kept");
    };
    let cache = vec![("rights".to_owned(), text)];
    let mut world = world(Found {
        cache,
        ..Found::default()
    });
    world.see(STATUS);
    world.run(10, hub(None));
    assert_eq!(world.kicks(), 0);
    world.run(30, hub(Some(&["ban_edit"])));
    assert!(world.kicks() > 0);
}

#[test]
fn slots_are_hidden_as_soon_as_it_is_known_how_many_there_are() {
    let hidden = |request: &Request| match request {
        Request::FindServer(id) => Some(Ok(Reply::Server(Server {
            id: *id,
            name: "one".into(),
            kind: String::new(),
            bundle: Some(BUNDLE),
            extra: json!({"res_slots": 2, "res_slots_hide": true}),
        }))),
        _ => Some(fair(request)),
    };
    const UNKNOWN: &str =
        "map     : cp_a at: 0 x\nplayers : 0 humans, 0 bots (0 max)\n# userid name\n";
    let mut world = World::of(&CONFIG.replace("[vyhub]", RCON), Found::default(), UNKNOWN);
    world.run(30, hidden);
    let count = |world: &World| {
        let shown = world.console.iter();
        shown.filter(|it| *it == "sv_visiblemaxplayers 22").count()
    };
    assert_eq!(count(&world), 0);
    world.see(EMPTY);
    world.run(90, hidden);
    assert_eq!(count(&world), 1);
    world.run(300, hidden);
    assert_eq!(count(&world), 1);
}
