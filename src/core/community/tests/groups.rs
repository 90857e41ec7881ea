//! Groups: a player gets and loses them, with commands, hooks and SourceMod's file.

use super::*;
use crate::protocol::backend::{Activity, Mapping, Membership};

const RCON: &str = "rcon = '127.0.0.1:1'\nrcon_password = 'p'\n";
const COMMANDS: &str = "[vyhub.groups.vip]\non_add = ['sm_vip %userid% \"%nick%\" %group%']\n\
    on_remove = ['sm_unvip %steamid64%']\nsourcemod = '@VIP'\n\
    [vyhub.groups.gold]\non_add = ['sm_gold %userid%']\non_remove = ['sm_ungold %userid%']\n\
    [vyhub.sourcemod]\nadmins_simple = '/c/admins_simple.ini'\n";
const RELOAD: &str = "sm_reloadadmins";
const VIP: Uuid = Uuid(0x11);
const GOLD: Uuid = Uuid(0x22);

fn config() -> String {
    CONFIG.replace("[vyhub]", &format!("{RCON}[vyhub]")) + COMMANDS
}

fn group(id: Uuid, name: &str, level: i64) -> Group {
    Group {
        id,
        name: format!("The {name}"),
        permission_level: level,
        properties: Vec::new(),
        max_ban_s: None,
        mappings: vec![Mapping {
            name: name.into(),
            bundle: None,
        }],
    }
}

fn vip() -> Group {
    group(VIP, "vip", 10)
}

fn gold() -> Group {
    group(GOLD, "gold", 20)
}

/// What the backend has of Ann.
#[derive(Clone, Default)]
struct Hub {
    /// With their ends, unix seconds.
    groups: Vec<(Group, Option<i64>)>,
    multigroup: bool,
    /// The failure of lists of who is on.
    refuses: Option<Failure>,
    /// The backend gives out one more group, for which there is no membership.
    default_group: Option<Group>,
}

impl Hub {
    fn with(groups: &[Group]) -> Self {
        Self {
            groups: groups.iter().map(|it| (it.clone(), None)).collect(),
            ..Self::default()
        }
    }

    fn reply(&self, request: &Request) -> Option<Answer> {
        let of = |items| Some(Ok(groups(items, 0)));
        match request {
            Request::GroupsOfUser { .. } => {
                let own = self.groups.iter().map(|(group, _)| group.clone());
                of(own.chain(self.default_group.clone()).collect())
            }
            Request::ListGroups => of(vec![vip(), gold()]),
            Request::ListActivity { .. } => Some(match &self.refuses {
                Some(failure) => Err(failure.clone()),
                None => Ok(Reply::Activity(Listing {
                    items: vec![self.activity()],
                    skipped: 0,
                })),
            }),
            Request::FindBundle(id) => Some(Ok(Reply::Bundle(Bundle {
                id: *id,
                name: "b".into(),
                multigroup: self.multigroup,
            }))),
            _ => Some(fair(request)),
        }
    }

    fn activity(&self) -> Activity {
        let user = user(ann(), false);
        let memberships = self.groups.iter().map(|(group, end_s)| Membership {
            id: Uuid(group.id.0 + 1_000),
            user: user.id,
            group: group.id,
            bundle: BUNDLE,
            begin: jiff::Timestamp::UNIX_EPOCH,
            end: end_s.map(|end_s| jiff::Timestamp::from_second(end_s).unwrap()),
            active: None,
        });
        Activity {
            user: user.id,
            steam: user.steam,
            username: None,
            memberships: memberships.collect(),
            warnings: 0,
            bans: 0,
        }
    }
}

fn world() -> World {
    World::of(&config(), Found::default(), STATUS)
}

impl World {
    fn hub(&mut self, seconds: u64, hub: &Hub) {
        self.run(seconds, |request| hub.reply(request));
    }

    /// The owner's commands that ran since the last time.
    fn taken(&mut self) -> Vec<String> {
        let is_own = |line: &String| line.starts_with("sm_") && line != RELOAD;
        let own = self.console.iter().filter(|line| is_own(line)).cloned();
        let own = own.collect();
        self.console.retain(|line| line == RELOAD);
        own
    }

    /// How often SourceMod read its admins since the last time.
    fn reloads(&mut self) -> usize {
        let count = self.console.iter().filter(|line| *line == RELOAD).count();
        self.console.retain(|line| line != RELOAD);
        count
    }

    fn asked(&self, kind: &Request) -> usize {
        self.count(|request| request.kind() == kind.kind())
    }

    fn admins(&self) -> Option<&str> {
        match self.stored.get("admins") {
            Some(Content::Admins(lines)) => Some(lines),
            _ => None,
        }
    }

    /// As another run finds it.
    fn left(&self) -> Found {
        let cache = self
            .stored
            .iter()
            .filter_map(|(name, content)| match content {
                Content::Json(text) => Some((name.clone(), text.clone())),
                _ => None,
            });
        Found {
            cache: cache.collect(),
            ..Found::default()
        }
    }

    fn changes_of_groups(&self) -> Vec<&Value> {
        let hooks = self.hooks.iter();
        let of_groups = hooks.filter(|(name, _)| name == "vyhub_ply_groups_changed");
        of_groups.map(|(_, data)| data).collect()
    }
}

const LIST: Request = Request::ListActivity { server: BUNDLE };
const OF_USER: Request = Request::GroupsOfUser {
    user: BUNDLE,
    bundle: BUNDLE,
};
const ADMIN_LINE: &str = "\"STEAM_0:1:2\" \"@VIP\"\n";

#[test]
fn a_purchase_makes_a_vip_within_a_minute_and_its_end_ends_it() {
    let mut world = world();
    world.hub(30, &Hub::default());
    assert_eq!((world.reloads(), world.admins()), (1, Some("")));
    world.hub(61, &Hub::with(&[vip()]));
    assert_eq!(world.taken(), ["sm_vip 7 \"Ann\" vip"]);
    assert_eq!((world.reloads(), world.admins()), (1, Some(ADMIN_LINE)));
    let [change] = world.changes_of_groups()[..] else {
        panic!("{:?}", world.hooks)
    };
    assert_eq!(
        [
            &change["groups"],
            &change["added"],
            &change["removed"],
            &change["userid"]
        ],
        [&json!(["vip"]), &json!(["vip"]), &json!([]), &json!(7)]
    );
    world.hub(61, &Hub::default());
    assert_eq!(world.taken(), ["sm_unvip 76561197960265733"]);
    assert_eq!(world.admins(), Some(""));
}

#[test]
fn requests_do_not_grow_with_time_where_nothing_changes() {
    let mut world = world();
    let hub = Hub {
        default_group: Some(gold()),
        ..Hub::with(&[vip()])
    };
    world.hub(120, &hub);
    let before = (world.asked(&LIST), world.asked(&OF_USER));
    world.hub(3_600, &hub);
    let lists = world.asked(&LIST) - before.0;
    assert!((58..=62).contains(&lists), "{lists}");
    // The difference is looked into, and then it is known.
    assert!(
        world.asked(&OF_USER) - before.1 <= 1,
        "{}",
        world.asked(&OF_USER)
    );
    let groups = world.count(|request| *request == Request::ListGroups);
    assert!((12..=14).contains(&groups), "{groups}");
}

#[test]
fn a_key_that_may_not_list_who_is_on_fetches_each_players_groups() {
    let mut world = world();
    let refused = failure(FailureKind::Forbidden(Lacking::Unsaid));
    let refusing = |groups: &[Group]| Hub {
        refuses: Some(refused.clone()),
        ..Hub::with(groups)
    };
    world.hub(30, &refusing(&[]));
    world.taken();
    world.hub(400, &refusing(&[vip()]));
    assert_eq!(world.taken(), ["sm_vip 7 \"Ann\" vip"]);
    assert!(world.asked(&LIST) <= 2, "{}", world.asked(&LIST));
}

#[test]
fn in_a_bundle_with_one_group_the_highest_mapped_one_counts() {
    let unmapped = Group {
        mappings: Vec::new(),
        ..group(Uuid(0x33), "owner", 99)
    };
    let elsewhere = Group {
        mappings: vec![Mapping {
            name: "gold".into(),
            bundle: Some(Uuid(99)),
        }],
        ..group(Uuid(0x44), "x", 98)
    };
    let all = [vip(), gold(), unmapped, elsewhere];
    let mut world = world();
    world.hub(30, &Hub::with(&all));
    assert_eq!(world.taken()[0], "sm_gold 7");
    assert_eq!(world.admins(), Some(""));
    let mut many = World::of(&config(), Found::default(), STATUS);
    many.hub(
        30,
        &Hub {
            multigroup: true,
            ..Hub::with(&all)
        },
    );
    let ran = many.taken();
    assert!(
        ran.contains(&"sm_gold 7".into()) && ran.contains(&"sm_vip 7 \"Ann\" vip".into()),
        "{ran:?}"
    );
    assert_eq!(many.admins(), Some(ADMIN_LINE));
}

#[test]
fn a_restart_applies_nothing_twice_and_a_map_neither() {
    let mut world = world();
    world.hub(30, &Hub::with(&[vip()]));
    assert_eq!(world.taken().len(), 1);
    let cx = &mut world.shared.context(world.now, &mut world.out);
    world.community.happened(ONE, GameEvent::MapStarted, cx);
    world.hub(120, &Hub::with(&[vip()]));
    assert_eq!(world.taken(), [""; 0]);
    let mut again = World::of(&config(), world.left(), STATUS);
    // Also while the backend is unreachable.
    again.run(30, |request| match request {
        Request::FindServer(_) | Request::FindBundle(_) | Request::FindUser(_) => {
            Some(fair(request))
        }
        _ => Some(Err(failure(FailureKind::Broken))),
    });
    assert_eq!(again.taken(), [""; 0]);
    assert_eq!(again.admins(), Some(ADMIN_LINE));
    again.hub(120, &Hub::with(&[vip()]));
    assert_eq!(again.taken(), [""; 0]);
}

#[test]
fn an_end_that_is_known_comes_also_while_the_backend_is_away() {
    let mut world = world();
    let hub = Hub {
        groups: vec![
            (gold(), Some(world.now.wall_s + 300)),
            (vip(), Some(world.now.wall_s + 600)),
        ],
        ..Hub::default()
    };
    world.hub(90, &hub);
    assert_eq!(world.taken()[0], "sm_gold 7");
    let away = Failure {
        reachable: false,
        ..failure(FailureKind::Unreachable)
    };
    let silent = |_: &Request| Some(Err(away.clone()));
    world.run(180, silent);
    assert_eq!(world.taken(), [""; 0]);
    world.run(60, silent);
    assert_eq!(world.taken(), ["sm_ungold 7", "sm_vip 7 \"Ann\" vip"]);
    world.run(300, silent);
    assert_eq!(world.taken(), ["sm_unvip 76561197960265733"]);
    assert_eq!(world.admins(), Some(""));
}

#[test]
fn what_is_not_known_changes_nothing() {
    let mut world = world();
    world.hub(90, &Hub::with(&[vip()]));
    assert_eq!(world.taken().len(), 1);
    world.run(900, |request| match request {
        Request::ListActivity { .. } => Some(Ok(Reply::Activity(Listing {
            items: Vec::new(),
            skipped: 1,
        }))),
        Request::GroupsOfUser { .. } => Some(Ok(groups(Vec::new(), 1))),
        Request::ListGroups => Some(Ok(groups(Vec::new(), 0))),
        _ => Some(fair(request)),
    });
    assert_eq!(world.taken(), [""; 0]);
    assert_eq!(world.admins(), Some(ADMIN_LINE));
}

#[test]
fn commands_wait_until_the_game_can_be_reached_and_run_once_then() {
    let mut world = world();
    world.console_reply = Err(rcon::Failure::Away("refused".into()));
    world.hub(90, &Hub::with(&[vip()]));
    let tries = world.taken();
    assert!(tries.len() <= 1, "{tries:?}");
    assert!(world.changes_of_groups().is_empty());
    world.console_reply = Ok(String::new());
    // It is found out by `status`.
    let done = rcon::Done {
        server: ONE,
        ticket: u64::MAX,
        result: Ok(String::new()),
    };
    world
        .shared
        .servers
        .rcon_done(done, world.now, &mut world.out);
    world.see(STATUS);
    world.hub(30, &Hub::with(&[vip()]));
    assert_eq!(world.taken(), ["sm_vip 7 \"Ann\" vip"]);
    assert_eq!(world.changes_of_groups().len(), 1);
    world.hub(120, &Hub::with(&[vip()]));
    assert_eq!(world.taken(), [""; 0]);
}

#[test]
fn a_command_of_a_plugin_that_is_not_loaded_yet_is_run_again() {
    let mut world = world();
    world.console_replies = |line| {
        Ok(match line.starts_with("sm_vip") {
            true => "Unknown command \"sm_vip\"\n".into(),
            false => String::new(),
        })
    };
    world.hub(25, &Hub::with(&[vip()]));
    assert!(world.taken().len() > 1);
    assert!(world.changes_of_groups().is_empty());
    world.console_replies = |_| Ok(String::new());
    world.hub(15, &Hub::with(&[vip()]));
    assert_eq!(world.taken(), ["sm_vip 7 \"Ann\" vip"]);
    assert_eq!(world.changes_of_groups().len(), 1);
}

#[test]
fn a_full_disk_delays_commands_and_none_runs_of_which_the_disk_knows_nothing() {
    let mut world = world();
    world.hub(30, &Hub::default());
    world.is_full = true;
    world.hub(180, &Hub::with(&[vip()]));
    assert_eq!(world.taken(), [""; 0]);
    world.is_full = false;
    world.hub(61, &Hub::with(&[vip()]));
    assert_eq!(world.taken(), ["sm_vip 7 \"Ann\" vip"]);
    world.is_full = true;
    world.hub(180, &Hub::default());
    assert_eq!(world.taken(), [""; 0]);
    world.is_full = false;
    world.hub(61, &Hub::default());
    assert_eq!(world.taken(), ["sm_unvip 76561197960265733"]);
    world.hub(600, &Hub::default());
    assert_eq!(world.taken(), [""; 0]);
}

/// What the writes of a run leave to the next one.
fn left_by(written: &[Write]) -> Found {
    let mut cache = BTreeMap::new();
    for write in written {
        if let (Shelf::Cache, Some(Content::Json(text))) = (write.shelf, &write.content) {
            cache.insert(write.name.clone(), text.clone());
        }
    }
    Found {
        cache: cache.into_iter().collect(),
        ..Found::default()
    }
}

#[test]
fn wherever_vpid_crashes_a_group_whose_commands_ran_is_taken_away_or_given_again() {
    let mut without_result = 0;
    for writes in 1.. {
        let mut world = world();
        world.writes_left = writes;
        world.hub(90, &Hub::with(&[vip()]));
        let was_given = !world.taken().is_empty();
        let is_over = world.writes_left > 0;
        // The crash comes before the last write is on disk.
        let written = world.written.len() - usize::from(!is_over);
        let left = left_by(&world.written[..written]);
        let is_applied = |text: &str| text.contains("\"applied\":{\"");
        let recorded = left.cache.iter().any(|(_, text)| is_applied(text));
        without_result += usize::from(was_given && !recorded);

        let mut ended = World::of(&config(), left.clone(), STATUS);
        ended.hub(90, &Hub::default());
        let taken = ended.taken();
        assert!(
            !was_given || taken == ["sm_unvip 76561197960265733"],
            "{writes}: {taken:?}"
        );
        ended.hub(600, &Hub::default());
        assert_eq!(ended.taken(), [""; 0], "{writes}: once");

        let mut goes_on = World::of(&config(), left, STATUS);
        goes_on.hub(90, &Hub::with(&[vip()]));
        let given = goes_on.taken();
        assert_eq!(given.len(), usize::from(!recorded), "{writes}: {given:?}");
        if is_over {
            break;
        }
    }
    assert!(without_result > 0, "no crash came before the result");
}

#[test]
fn commands_that_fail_for_ever_are_left_alone_after_some_tries() {
    let mut world = world();
    world.console_reply = Err(rcon::Failure::Unclear("no reply".into()));
    world.hub(600, &Hub::with(&[vip()]));
    let tries = world.taken();
    let tries = tries
        .iter()
        .filter(|line| line.starts_with("sm_vip"))
        .count();
    assert_eq!(tries, limits::GROUP_TRIES_MAX as usize);
}

#[test]
fn a_player_of_whom_only_a_script_says_who_it_is_gets_nothing() {
    let mut world = World::of(&config(), Found::default(), EMPTY);
    world.hub(10, &Hub::with(&[vip()]));
    let packet = b"\xff\xff\xff\xffRL 11/20/2026 - 08:00:00: \"Ann<7><[U:1:5]><>\" connected, \
        address \"1.2.3.4:5\"\n\0";
    let line = crate::protocol::engine_log::parse(packet, None).expect("a line");
    world.shared.servers.logged(ONE, &line, world.now);
    world.advance();
    world.hub(20, &Hub::with(&[vip()]));
    assert!(!world.taken().iter().any(|line| line.starts_with("sm_vip")));
    world.see(STATUS);
    world.hub(15, &Hub::with(&[vip()]));
    assert!(world.taken().iter().any(|line| line.starts_with("sm_vip")));
}

#[test]
fn sourcemods_file_that_cannot_be_written_is_tried_again() {
    let mut world = world();
    world.store_reply = Err(StoreError::TooManyWait);
    world.hub(90, &Hub::with(&[vip()]));
    world.stored.remove("admins");
    assert_eq!(world.reloads(), 0);
    world.store_reply = Ok(());
    world.hub(61, &Hub::with(&[vip()]));
    assert_eq!(world.admins(), Some(ADMIN_LINE));
    assert_eq!(world.reloads(), 1);
}

fn set(group: &str) -> orders::Command {
    orders::Command::SetGroup {
        who: orders::Target::Steam(ann()),
        group: group.into(),
        length: orders::Length::Seconds(3_600),
    }
}

fn take(group: Option<&str>) -> orders::Command {
    orders::Command::RemoveGroup {
        who: orders::Target::Steam(ann()),
        group: group.map(str::to_owned),
    }
}

impl World {
    fn memberships_created(&self) -> Vec<backend::NewMembership> {
        let sent = self.sent.iter().filter_map(|(_, request)| match request {
            Request::CreateMembership { membership, .. } => Some(membership.clone()),
            _ => None,
        });
        sent.collect()
    }
}

/// As the backend lists what a request has made.
fn made(id: u128, new: &backend::NewMembership) -> Membership {
    Membership {
        id: Uuid(id),
        user: new.user,
        group: new.group,
        bundle: new.bundle,
        begin: new.begin,
        end: new.end,
        active: Some(true),
    }
}

fn memberships(items: &[Membership]) -> Answer {
    let items = items.to_vec();
    Ok(Reply::Memberships(Listing { items, skipped: 0 }))
}

fn earlier(id: u128, group: Uuid) -> Membership {
    Membership {
        id: Uuid(id),
        user: user(ann(), false).id,
        group,
        bundle: BUNDLE,
        begin: jiff::Timestamp::UNIX_EPOCH,
        end: None,
        active: Some(true),
    }
}

#[test]
fn a_new_group_ends_the_others_of_a_bundle_with_one_and_no_later_one() {
    for multigroup in [false, true] {
        let mut world = world();
        let hub = Hub {
            multigroup,
            ..Hub::default()
        };
        world.hub(30, &hub);
        let id = world.order(order(None, set("THE VIP"))).expect("an entry");
        let (mut new, mut ended) = (None, Vec::new());
        world.run(10, |request| match request {
            Request::CreateMembership { membership, issuer } => {
                assert_eq!((membership.group, *issuer), (VIP, None));
                let it = made(50, membership);
                new = Some(it.clone());
                Some(Ok(Reply::Membership(it)))
            }
            Request::ListMemberships { .. } => {
                let mine = new.clone().expect("it stands first");
                let later = Membership {
                    id: Uuid(53),
                    begin: mine.begin
                        + jiff::SignedDuration::from_secs(limits::MEMBERSHIP_EARLY_S + 1),
                    ..mine.clone()
                };
                let over = Membership {
                    active: Some(false),
                    ..earlier(54, GOLD)
                };
                let elsewhere = Membership {
                    bundle: Uuid(99),
                    ..earlier(55, GOLD)
                };
                Some(memberships(&[
                    mine,
                    earlier(51, GOLD),
                    earlier(52, VIP),
                    later,
                    over,
                    elsewhere,
                ]))
            }
            Request::EndMembership { membership, .. } => {
                ended.push(membership.0);
                Some(match ended.len() {
                    // It has ended by itself.
                    1 => Err(failure(FailureKind::NotFound)),
                    _ => Ok(Reply::Nothing),
                })
            }
            _ => hub.reply(request),
        });
        ended.sort_unstable();
        let expected: &[u128] = if multigroup { &[] } else { &[51, 52] };
        assert_eq!(ended, expected, "{multigroup}");
        assert!(
            matches!(world.state(id), None | Some(State::Done)),
            "{:?}",
            world.state(id)
        );
        let created = world.memberships_created();
        let length = created[0].end.unwrap().duration_since(created[0].begin);
        let expected = 3_600 + limits::MEMBERSHIP_EARLY_S;
        assert_eq!((created.len(), length.as_secs()), (1, expected));
    }
}

#[test]
fn a_lost_reply_makes_no_second_membership_also_over_a_restart() {
    for crash in [false, true] {
        let mut world = world();
        world.hub(30, &Hub::default());
        world.order(order(None, set("vip"))).expect("an entry");
        let lost = Failure {
            under_way: true,
            reachable: false,
            ..Failure::unclear("no reply")
        };
        world.run(3, |request| match request {
            Request::CreateMembership { .. } => Some(Err(lost.clone())),
            _ => Hub::default().reply(request),
        });
        let created = world.memberships_created();
        assert_eq!(created.len(), 1);
        if crash {
            let found = Found {
                outbox: outbox_of(&world),
                ..world.left()
            };
            world = World::of(&config(), found, STATUS);
            assert_eq!(world.community.outbox.open_count(), 1);
        }
        let listed = [made(50, &created[0])];
        world.run(90, |request| match request {
            Request::ListMemberships { .. } => Some(memberships(&listed)),
            Request::CreateMembership { .. } => panic!("twice"),
            Request::EndMembership { .. } => panic!("its own"),
            _ => Hub::default().reply(request),
        });
        assert_eq!(world.community.outbox.open_count(), 0, "{crash}");
    }
}

fn outbox_of(world: &World) -> Vec<(String, String)> {
    let entries = world.community.outbox.all();
    entries
        .map(|entry| (entry.id.to_string(), entry.text()))
        .collect()
}

#[test]
fn the_end_of_others_goes_on_after_a_crash_and_the_membership_is_not_made_again() {
    let mut world = world();
    world.hub(30, &Hub::default());
    world.order(order(None, set("vip"))).expect("an entry");
    let mut new = None;
    world.run(5, |request| match request {
        Request::CreateMembership { membership, .. } => {
            new = Some(made(50, membership));
            new.clone().map(|it| Ok(Reply::Membership(it)))
        }
        Request::ListMemberships { .. } => None,
        _ => Hub::default().reply(request),
    });
    let found = Found {
        outbox: outbox_of(&world),
        ..world.left()
    };
    let mut again = World::of(&config(), found, STATUS);
    let (listed, mut ended) = ([new.expect("it was made"), earlier(51, GOLD)], Vec::new());
    again.run(60, |request| match request {
        Request::CreateMembership { .. } => panic!("twice"),
        Request::ListMemberships { .. } => Some(memberships(&listed)),
        Request::EndMembership { membership, .. } => {
            ended.push(membership.0);
            Some(Ok(Reply::Nothing))
        }
        _ => Hub::default().reply(request),
    });
    let entries: Vec<_> = again.community.outbox.all().collect();
    assert_eq!(ended, [51], "{entries:#?}");
    assert_eq!(again.community.outbox.open_count(), 0);
}

#[test]
fn a_protected_group_ends_the_change_with_a_sentence_and_a_wrong_key_holds_it() {
    for (lacking, expected) in [
        (Lacking::Unsaid, State::Dead),
        (Lacking::Issuer, State::Dead),
        (Lacking::Key, State::Held),
    ] {
        let mut world = world();
        world.hub(30, &Hub::default());
        let id = world.order(order(None, set("vip"))).expect("an entry");
        world.run(10, |request| match request {
            Request::CreateMembership { .. } => Some(Err(failure(FailureKind::Forbidden(lacking)))),
            _ => Hub::default().reply(request),
        });
        assert_eq!(world.state(id), Some(expected), "{lacking:?}");
    }
}

#[test]
fn a_group_is_ended_by_itself_or_with_all_others_and_twice_is_as_once() {
    let mut world = world();
    world.hub(30, &Hub::default());
    world
        .order(order(None, take(Some("gold"))))
        .expect("an entry");
    world.order(order(None, take(None))).expect("an entry");
    let mut stand = vec![earlier(51, GOLD), earlier(52, VIP), earlier(53, VIP)];
    let mut ended = Vec::new();
    world.run(120, |request| match request {
        Request::ListMemberships { .. } => Some(memberships(&stand)),
        Request::EndMembership { membership, .. } => {
            ended.push(membership.0);
            // Its reply is lost; it has ended.
            stand.retain(|it| it.id != *membership);
            Some(match ended.len() {
                1 => Err(failure(FailureKind::Broken)),
                _ => Ok(Reply::Nothing),
            })
        }
        _ => Hub::default().reply(request),
    });
    assert_eq!(ended[0], 51, "in their order");
    ended.sort_unstable();
    assert_eq!(ended, [51, 52, 53], "each once");
    assert_eq!(world.community.outbox.open_count(), 0);
    assert_eq!(world.community.subjects.changes.remembered_count(), 0);
}

/// After a while in which the backend was away, memberships that were bought meanwhile stand beside older ones.
fn ended_after_an_outage(group: Option<&str>, skipped: usize) -> (Vec<u128>, usize, bool) {
    let mut world = world();
    world.hub(30, &Hub::default());
    let id = world.order(order(None, take(group))).expect("an entry");
    let ordered_s = world.now.wall_s;
    let away = Failure {
        reachable: false,
        ..failure(FailureKind::Unreachable)
    };
    world.run(600, |_| Some(Err(away.clone())));
    let since = |id, group, s| Membership {
        begin: jiff::Timestamp::from_second(s).unwrap(),
        ..earlier(id, group)
    };
    let found = Found {
        outbox: outbox_of(&world),
        ..world.left()
    };
    let mut again = World::made(&config(), (found, world.now), STATUS);
    let mut stand = vec![
        since(51, VIP, ordered_s - 60),
        since(52, GOLD, ordered_s - 60),
        since(53, VIP, ordered_s + 300),
        since(54, GOLD, ordered_s + 300),
    ];
    let mut ended = Vec::new();
    again.run(120, |request| match request {
        Request::ListMemberships { .. } => {
            let items = stand.clone();
            Some(Ok(Reply::Memberships(Listing { items, skipped })))
        }
        Request::EndMembership { membership, .. } => {
            ended.push(membership.0);
            stand.retain(|it| it.id != *membership);
            Some(Ok(Reply::Nothing))
        }
        _ => Hub::default().reply(request),
    });
    ended.sort_unstable();
    let whole = again.count(|it| {
        matches!(
            it,
            Request::EndMemberships { .. } | Request::EndMembershipsOfGroup { .. }
        )
    });
    let is_open = !matches!(again.state(id), None | Some(State::Done));
    (ended, whole, is_open)
}

#[test]
fn an_end_that_an_outage_has_delayed_ends_nothing_that_was_bought_meanwhile() {
    assert_eq!(ended_after_an_outage(None, 0), (vec![51, 52], 0, false));
    assert_eq!(ended_after_an_outage(Some("gold"), 0), (vec![52], 0, false));
    // What cannot be read may be older, or not.
    assert_eq!(ended_after_an_outage(None, 1), (vec![51, 52], 0, true));
}

#[test]
fn memberships_that_cannot_be_read_end_with_all_others_where_none_came_later() {
    let mut world = world();
    world.hub(30, &Hub::default());
    world.order(order(None, take(None))).expect("an entry");
    world.run(60, |request| match request {
        Request::ListMemberships { .. } => {
            let items = vec![earlier(51, GOLD)];
            Some(Ok(Reply::Memberships(Listing { items, skipped: 1 })))
        }
        Request::EndMemberships { .. } => Some(Ok(Reply::Nothing)),
        _ => Hub::default().reply(request),
    });
    let whole = |it: &Request| matches!(it, Request::EndMemberships { .. });
    assert_eq!(world.count(whole), 1);
    assert_eq!(world.community.outbox.open_count(), 0);
}

#[test]
fn nobody_grants_what_ranks_above_them_or_acts_against_who_does() {
    let mut world = world();
    let leader = Group {
        properties: vec![Property {
            name: "user_edit".into(),
            granted: true,
        }],
        ..group(Uuid(0x55), "leader", 15)
    };
    let hub = |of_ann: Vec<Group>| {
        let leader = leader.clone();
        move |request: &Request| match request {
            Request::GroupsOfUser { user, .. } => Some(Ok(groups(
                match user.0 {
                    9 => vec![leader.clone()],
                    _ => of_ann.clone(),
                },
                0,
            ))),
            _ => Hub::default().reply(request),
        }
    };
    world.run(30, hub(Vec::new()));
    world
        .community
        .directory
        .want_rights(admin(), BUNDLE, world.now);
    world.advance();
    world.run(5, hub(Vec::new()));
    let by_admin = |command| order(Some(admin()), command);
    assert_eq!(world.order(by_admin(set("gold"))), None);
    assert!(world.order(by_admin(set("vip"))).is_some());
    assert_eq!(world.order(by_admin(set("nonsense"))), None);
    world
        .community
        .directory
        .want_rights(ann(), BUNDLE, world.now);
    world.advance();
    world.run(5, hub(vec![gold()]));
    assert_eq!(world.order(by_admin(set("vip"))), None);
    assert_eq!(world.order(by_admin(take(None))), None);
}

#[test]
fn an_issuer_changes_no_player_of_whom_it_is_not_known_how_high_they_rank() {
    let mut world = world();
    let editor = Group {
        properties: vec![Property {
            name: "user_edit".into(),
            granted: true,
        }],
        ..group(Uuid(0x55), "leader", 15)
    };
    let hub = |request: &Request| match request {
        Request::GroupsOfUser { user, .. } => Some(Ok(groups(
            match user.0 {
                9 => vec![editor.clone()],
                77 => vec![gold()],
                _ => vec![vip()],
            },
            0,
        ))),
        _ => Hub::default().reply(request),
    };
    world.run(30, hub);
    world
        .community
        .directory
        .want_rights(admin(), BUNDLE, world.now);
    world.advance();
    world.run(2, hub);
    // Neither is on, and nothing is known of them.
    for (account, may) in [(77, false), (78, true)] {
        let take = || orders::Command::RemoveGroup {
            who: orders::Target::Steam(SteamId::new(account).unwrap()),
            group: None,
        };
        assert_eq!(world.order(order(Some(admin()), take())), None);
        world.run(2, hub);
        let made = world.order(order(Some(admin()), take()));
        assert_eq!(made.is_some(), may, "{account}");
    }
    let unknown = orders::Command::RemoveGroup {
        who: orders::Target::Steam(SteamId::new(79).unwrap()),
        group: None,
    };
    assert!(
        world.order(order(None, unknown)).is_some(),
        "the server may"
    );
}

#[test]
fn a_player_who_is_missing_in_the_list_of_who_is_on_is_still_fetched() {
    let mut world = world();
    let hub = |groups: &[Group]| {
        let hub = Hub::with(groups);
        move |request: &Request| match request {
            Request::ListActivity { .. } => Some(Ok(Reply::Activity(Listing {
                items: Vec::new(),
                skipped: 1,
            }))),
            _ => hub.reply(request),
        }
    };
    world.run(30, hub(&[]));
    assert_eq!(world.taken(), [""; 0]);
    world.run(400, hub(&[vip()]));
    assert_eq!(world.taken(), ["sm_vip 7 \"Ann\" vip"]);
}

#[test]
fn a_name_that_no_command_can_carry_keeps_nobody_in_a_group() {
    const STRANGE: &str = "map     : cp_a at: 0 x\nplayers : 1 humans, 0 bots (24 max)\n# userid name\n\
        # 7 \"An\u{2028}n\" [U:1:5] 05:12 50 0 active 192.0.2.9:27005\n";
    let both = "on_remove = ['sm_unvip %steamid64%; sm_say %nick% is none']";
    let config = config().replace("on_remove = ['sm_unvip %steamid64%']", both);
    let mut world = World::of(&config, Found::default(), STRANGE);
    world.hub(90, &Hub::with(&[vip()]));
    assert_eq!(world.taken(), ["sm_vip 7 \"An n\" vip"]);
    world.hub(90, &Hub::default());
    let expected = ["sm_unvip 76561197960265733", "sm_say \"An n\" is none"];
    assert_eq!(world.taken(), expected);
}

#[test]
fn a_group_that_is_younger_than_the_list_of_all_stays_and_one_that_was_deleted_goes() {
    let young = Group {
        mappings: gold().mappings,
        ..group(Uuid(0x66), "young", 30)
    };
    let hub = Hub::with(std::slice::from_ref(&young));
    let with = |all: Vec<Group>| {
        let hub = hub.clone();
        move |request: &Request| match request {
            Request::ListGroups => Some(Ok(groups(all.clone(), 0))),
            _ => hub.reply(request),
        }
    };
    let mut world = world();
    world.run(90, with(vec![vip()]));
    assert_eq!(world.taken(), ["sm_gold 7"]);
    world.run(400, with(vec![vip(), gold()]));
    assert_eq!(world.taken(), [""; 0]);
    world.run(400, with(vec![vip(), gold(), young.clone()]));
    world.run(400, with(vec![vip(), gold()]));
    assert_eq!(world.taken(), ["sm_ungold 7"]);
}

#[test]
fn sourcemod_keeps_the_admins_of_a_bundle_whose_server_is_not_known_yet() {
    let mut before = world();
    before.hub(90, &Hub::with(&[vip()]));
    assert_eq!(before.admins(), Some(ADMIN_LINE));
    let mut found = before.left();
    found.cache.retain(|(name, _)| name.starts_with("groups-"));
    assert_eq!(found.cache.len(), 1);
    let second = "[[server]]\nscriptdata = '/t'\nhostname = 'two'\n\
        key = '1123456789abcdef0123456789abcdef'\n\
        vyhub_server_id = '00000000-0000-0000-0000-000000000002'\n[vyhub]";
    let config = config().replace("[vyhub]", second);
    let mut world = World::of(&config, found, STATUS);
    let other = Uuid(3);
    let hub = |of_one: Option<Uuid>| {
        move |request: &Request| match request {
            Request::FindServer(id) => {
                let bundle = if id.0 == 1 { of_one } else { Some(other) };
                let bundle = match bundle {
                    None => return Some(Err(failure(FailureKind::Broken))),
                    bundle => bundle,
                };
                Some(Ok(Reply::Server(Server {
                    id: *id,
                    name: "x".into(),
                    kind: String::new(),
                    bundle,
                    extra: json!({}),
                })))
            }
            _ => Hub::default().reply(request),
        }
    };
    world.run(200, hub(None));
    assert_eq!(world.admins(), Some(ADMIN_LINE));
    // It is in another bundle than it was.
    world.run(200, hub(Some(other)));
    assert_eq!(world.admins(), Some(""));
}

#[test]
fn what_was_applied_in_the_bundle_in_which_a_server_was_is_taken_back() {
    let mut before = world();
    before.hub(90, &Hub::with(&[vip()]));
    assert_eq!(before.taken().len(), 1);
    let mut found = before.left();
    found.cache.retain(|(name, _)| name.starts_with("groups-"));
    let moved = |request: &Request| match request {
        Request::FindServer(id) => Some(Ok(Reply::Server(Server {
            id: *id,
            name: "x".into(),
            kind: String::new(),
            bundle: Some(Uuid(3)),
            extra: json!({}),
        }))),
        _ => Hub::default().reply(request),
    };
    let mut world = World::of(&config(), found, STATUS);
    world.run(90, moved);
    assert_eq!(world.taken(), ["sm_unvip 76561197960265733"]);
    let mut again = World::of(&config(), world.left(), STATUS);
    again.run(90, moved);
    assert_eq!(again.taken(), [""; 0]);
}
