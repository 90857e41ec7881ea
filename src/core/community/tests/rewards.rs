//! Rewards: each is executed once, whatever fails, and what is not known is left to the operator.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::*;
use crate::core::roster::News;
use crate::protocol::backend::{Action, Reward, RewardEvent, RewardList};
use crate::protocol::game_report::GameReport;
use crate::protocol::signed::messages::FromGame;

const AWAY: fn(&str) -> Result<String, rcon::Failure> = |_| Err(rcon::Failure::Away("x".into()));
const LOST: fn(&str) -> Result<String, rcon::Failure> = |_| Err(rcon::Failure::Unclear("x".into()));
const FINE: fn(&str) -> Result<String, rcon::Failure> = |_| Ok(String::new());

fn config(lines: &str) -> String {
    let rcon = "rcon = '127.0.0.1:1'\nrcon_password = 'x'\n[vyhub]";
    format!(
        "{}[vyhub.rewards]\n{lines}\n",
        CONFIG.replace("[vyhub]", rcon)
    )
}

fn world(lines: &str) -> World {
    World::of(&config(lines), Found::default(), STATUS)
}

fn reward(id: u128, on: RewardEvent) -> Reward {
    Reward {
        id: Uuid(id),
        of: Uuid(1),
        name: format!("R{id}"),
        steam: ann(),
        user: user(ann(), false).id,
        action: Action::Command(format!("sm_give{id} %steamid64%")),
        on,
        order: 1.0,
        once: true,
        once_from_all: false,
        reactivates: false,
        is_fulfilled: true,
        applied_packet: Uuid(8),
        packet_title: "Gold".into(),
        amount: Some("5 EUR".into()),
        executed_on: Vec::new(),
    }
}

fn direct(id: u128) -> Reward {
    reward(id, RewardEvent::Direct)
}

fn listed(rewards: &[Reward]) -> Answer {
    Ok(Reply::Rewards(RewardList {
        items: rewards.to_vec(),
        ..RewardList::default()
    }))
}

/// As it is while nothing is wrong, and these are open: the backend lists what was reported no more.
struct Shop {
    rewards: Vec<Reward>,
    reported: Vec<Uuid>,
    refuses: Option<FailureKind>,
    tries: usize,
    lists: usize,
}

impl Shop {
    fn new(rewards: &[Reward]) -> Self {
        Self {
            rewards: rewards.to_vec(),
            reported: Vec::new(),
            refuses: None,
            tries: 0,
            lists: 0,
        }
    }

    fn reply(&mut self, request: &Request) -> Option<Answer> {
        Some(match request {
            Request::ListRewards { .. } => {
                self.lists += 1;
                let open = self.rewards.iter();
                let open = open.filter(|it| !self.reported.contains(&it.id));
                listed(&open.cloned().collect::<Vec<_>>())
            }
            Request::ReportReward { reward, server, .. } => {
                assert_eq!(*server, Uuid(1));
                self.tries += 1;
                match self.refuses {
                    Some(kind) => Err(failure(kind)),
                    None => {
                        self.reported.push(*reward);
                        Ok(Reply::Nothing)
                    }
                }
            }
            request => fair(request),
        })
    }
}

impl World {
    fn shop(&mut self, seconds: u64, shop: &mut Shop) {
        self.run(seconds, |request| shop.reply(request));
    }

    /// What rewards have run.
    fn ran(&self) -> Vec<&str> {
        let lines = self.console.iter().map(String::as_str);
        lines.filter(|line| line.starts_with("sm_")).collect()
    }

    fn given(&self, id: u128) -> usize {
        let name = format!("sm_give{id} ");
        self.ran()
            .iter()
            .filter(|line| line.starts_with(&name))
            .count()
    }

    fn record(&self, id: u128) -> Option<Value> {
        let name = format!("{}-{}", Uuid(1), Uuid(id));
        let text = self.disk.get(&(Shelf::Rewards, name))?;
        serde_json::from_str(text).ok()
    }

    fn record_state(&self, id: u128) -> String {
        let record = self.record(id);
        record.map_or("none".into(), |it| it["state"].as_str().unwrap().to_owned())
    }

    /// What a new start finds after a crash at this moment.
    fn crashed(&self) -> Found {
        let texts = |shelf| {
            let all = self.disk.iter().filter(move |((of, _), _)| *of == shelf);
            all.map(|((_, name), text)| (name.clone(), text.clone()))
                .collect()
        };
        Found {
            outbox: texts(Shelf::Outbox),
            rewards: texts(Shelf::Rewards),
            ..Found::default()
        }
    }

    fn operate(&mut self, request: &RewardsRequest) -> Result<Value, String> {
        let cx = &mut self.shared.context(self.now, &mut self.out);
        let reply = self.community.rewards(request, cx);
        self.carry_out();
        reply
    }

    fn shown(&mut self) -> Vec<Value> {
        let list = self.operate(&RewardsRequest::List).unwrap();
        list["rewards"].as_array().unwrap().clone()
    }
}

#[test]
fn what_was_bought_is_given_once_and_reported_once() {
    let mut world = world("");
    let mut shop = Shop::new(&[direct(7)]);
    world.shop(600, &mut shop);
    assert_eq!(world.ran(), [format!("sm_give7 {}", ann())]);
    assert_eq!(shop.reported, [Uuid(7)]);
    assert_eq!(world.record_state(7), "settled");
    let hooks: Vec<_> = world
        .hooks
        .iter()
        .filter(|(name, _)| name == "vyhub_reward_executed")
        .collect();
    assert_eq!(hooks.len(), 1);
    assert_eq!(hooks[0].1["packet"], "Gold");
    // About one list a minute, and one more when Ann came.
    assert!((10..14).contains(&shop.lists), "{}", shop.lists);
    assert!(world.disk.keys().all(|(shelf, _)| *shelf != Shelf::Outbox));
}

#[test]
fn what_comes_back_is_given_again_only_where_it_was_extended() {
    let mut world = world("");
    let extended = Reward {
        reactivates: true,
        ..direct(8)
    };
    let mut shop = Shop::new(&[direct(7), extended]);
    world.shop(300, &mut shop);
    assert_eq!((world.given(7), world.given(8)), (1, 1));
    shop.reported.clear();
    // Also after a new start.
    world.shop(300, &mut shop);
    let mut world = World::of(&config(""), world.crashed(), STATUS);
    shop.reported.clear();
    world.shop(300, &mut shop);
    assert_eq!((world.given(7), world.given(8)), (0, 1));
}

#[test]
fn what_is_listed_still_after_it_was_acknowledged_is_not_given_again() {
    let mut world = world("");
    let mut shop = Shop::new(&[Reward {
        reactivates: true,
        ..direct(7)
    }]);
    world.run(600, |request| {
        let reply = shop.reply(request);
        shop.reported.clear();
        reply
    });
    assert_eq!(world.given(7), 1);
    assert_eq!(world.record_state(7), "acknowledged");
}

#[test]
fn a_list_that_was_requested_before_the_acknowledgement_says_nothing_of_what_is_listed_later() {
    let mut world = world("");
    let extended = Reward {
        reactivates: true,
        ..direct(7)
    };
    // The report has no reply yet, and a list is requested meanwhile.
    world.run(70, |request| match request {
        Request::ReportReward { .. } => None,
        Request::ListRewards { .. } => Some(listed(std::slice::from_ref(&extended))),
        request => Some(fair(request)),
    });
    world.run(50, |request| match request {
        Request::ReportReward { .. } | Request::ListRewards { .. } => None,
        request => Some(fair(request)),
    });
    let is_list = |request: &Request| matches!(request, Request::ListRewards { .. });
    assert!(world.open.iter().any(|job| is_list(&job.request)));
    world.run(1, |request| match request {
        Request::ListRewards { .. } => None,
        request => Some(fair(request)),
    });
    assert_eq!(world.record_state(7), "acknowledged");
    // It comes from a replica that has the report already, and the next one from another that has not.
    let mut lists = 0;
    world.run(300, |request| match request {
        Request::ListRewards { .. } => {
            lists += 1;
            Some(listed(match lists {
                1 => &[],
                _ => std::slice::from_ref(&extended),
            }))
        }
        request => Some(fair(request)),
    });
    assert!(lists > 2);
    assert_eq!(world.given(7), 1);
}

#[test]
fn it_is_on_disk_before_it_is_sent_and_not_sent_if_it_cannot_be() {
    let mut world = world("");
    world.is_full = true;
    let mut shop = Shop::new(&[direct(7)]);
    world.shop(120, &mut shop);
    assert_eq!(world.ran(), [""; 0]);
    let shown = world.shown();
    assert_eq!(shown[0]["state"], "failed");
    let problem = shown[0]["problem"].as_str().unwrap();
    assert!(problem.contains("cannot be recorded"), "{problem}");
    world.is_full = false;
    world.shop(400, &mut shop);
    assert_eq!(world.given(7), 1);
}

#[test]
fn what_was_cut_short_by_a_crash_follows_the_policy_and_is_never_repeated_by_itself() {
    let mut crashed = world("");
    // The console never says what came of it.
    crashed.console_replies = |line| match line.starts_with("sm_") {
        true => panic!("a crash"),
        false => Ok(String::new()),
    };
    let mut shop = Shop::new(&[direct(7)]);
    let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        crashed.shop(120, &mut shop);
    }));
    assert!(died.is_err());
    let found = crashed.crashed();
    assert_eq!(crashed.record_state(7), "running");
    for (policy, given, reported, state) in [
        ("", 0, 0, "unclear"),
        ("on_unclear = 'ask'", 0, 0, "unclear"),
        ("on_unclear = 'repeat'", 1, 1, "settled"),
        ("on_unclear = 'done'", 0, 1, "settled"),
    ] {
        let mut world = World::of(&config(policy), found.clone(), STATUS);
        let mut shop = Shop::new(&[direct(7)]);
        world.shop(600, &mut shop);
        let result = (world.given(7), shop.reported.len());
        assert_eq!(result, (given, reported), "{policy}");
        assert_eq!(world.record_state(7), state, "{policy}");
        // The next start does nothing more.
        let mut world = World::of(&config(policy), world.crashed(), STATUS);
        world.shop(600, &mut shop);
        assert_eq!(world.given(7), 0, "{policy}");
    }
}

#[test]
fn an_operator_decides_what_is_unclear() {
    let mut world = world("");
    world.console_replies = LOST;
    let mut shop = Shop::new(&[direct(7), direct(8)]);
    world.shop(120, &mut shop);
    assert_eq!((world.given(7), world.given(8)), (1, 1));
    let shown = world.shown();
    let states: Vec<_> = shown
        .iter()
        .map(|it| it["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["unclear", "unclear"]);
    assert_eq!(shown[0]["player"], "Ann");
    world.console_replies = FINE;
    let id = Uuid(7).to_string();
    let ambiguous = RewardsRequest::Run {
        id: id[..8].to_owned(),
    };
    assert!(world.operate(&ambiguous).unwrap_err().contains("several"));
    world
        .operate(&RewardsRequest::Run { id: id.clone() })
        .unwrap();
    let skipped = Uuid(8).to_string();
    world
        .operate(&RewardsRequest::Skip { id: skipped })
        .unwrap();
    world.shop(300, &mut shop);
    assert_eq!((world.given(7), world.given(8)), (2, 1));
    let reported: BTreeSet<Uuid> = shop.reported.iter().copied().collect();
    assert_eq!(reported, BTreeSet::from([Uuid(7), Uuid(8)]));
    assert_eq!(world.shown(), Vec::<Value>::new());
    let error = world.operate(&RewardsRequest::Run { id }).unwrap_err();
    assert!(error.contains("no open reward"), "{error}");
}

#[test]
fn what_was_surely_not_sent_is_sent_when_the_console_is_back() {
    let mut world = world("");
    world.console_replies = AWAY;
    let mut shop = Shop::new(&[direct(7)]);
    world.shop(300, &mut shop);
    assert!((1..20).contains(&world.given(7)), "{}", world.given(7));
    let before = world.given(7);
    assert_eq!(world.record_state(7), "none");
    world.console_replies = FINE;
    let line = "status".to_owned();
    world.run_command(
        ONE,
        rcon::Job {
            ticket: 0,
            line,
            is_urgent: false,
        },
    );
    world.shop(120, &mut shop);
    assert_eq!(world.given(7), before + 1);
    assert_eq!(shop.reported, [Uuid(7)]);
}

#[test]
fn a_command_that_the_game_does_not_know_leaves_the_reward_open() {
    let mut world = world("");
    world.console_replies = |_| Ok("Unknown command \"sm_give7\"\n".into());
    let mut shop = Shop::new(&[direct(7)]);
    world.shop(600, &mut shop);
    assert!((2..4).contains(&world.given(7)), "{}", world.given(7));
    let shown = world.shown();
    assert_eq!(shown[0]["state"], "failed");
    assert!(
        shown[0]["problem"]
            .as_str()
            .unwrap()
            .contains("Unknown command")
    );
    world.console_replies = FINE;
    world.shop(400, &mut shop);
    assert_eq!(shop.reported, [Uuid(7)]);
}

#[test]
fn one_that_is_cut_short_by_the_game_is_not_begun_again() {
    let mut world = world("");
    world.console_replies = |line| match line {
        "sm_two" => Ok("Unknown command \"sm_two\"\n".into()),
        _ => Ok(String::new()),
    };
    let action = Action::Command("sm_one; sm_two; sm_three".into());
    let mut shop = Shop::new(&[Reward {
        action,
        ..direct(7)
    }]);
    world.shop(900, &mut shop);
    assert_eq!(world.ran(), ["sm_one", "sm_two"]);
    assert_eq!(world.record_state(7), "failed");
    assert_eq!(shop.reported, [Uuid(0); 0]);
}

#[test]
fn servers_whose_rewards_vyhub_executes_itself_are_refused() {
    let mut world = world("");
    let mut shop = Shop::new(&[direct(7)]);
    world.run(600, |request| match (request, shop.reply(request)) {
        (Request::FindServer(_), Some(Ok(Reply::Server(server)))) => {
            let kind = "SOURCE".into();
            Some(Ok(Reply::Server(Server { kind, ..server })))
        }
        (_, reply) => reply,
    });
    assert_eq!((world.ran().len(), shop.lists), (0, 0));
}

#[test]
fn nothing_is_fetched_where_rewards_are_turned_off() {
    let mut world = world("enabled = false");
    let mut shop = Shop::new(&[direct(7)]);
    world.shop(600, &mut shop);
    assert_eq!((world.ran().len(), shop.lists), (0, 0));
}

#[test]
fn each_command_must_be_allowed_as_it_is_written() {
    let mut world = world("allow = ['sm_give*', 'sm_say \"%nick%\"*']");
    let command = |text: &str| Action::Command(text.to_owned());
    let with = |id, text| Reward {
        action: command(text),
        ..direct(id)
    };
    let mut shop = Shop::new(&[
        with(1, "sm_give1 x"),
        with(2, "sm_give2 x; quit"),
        with(3, "quit"),
        with(4, "sm_say \"%nick%\" has paid"),
        with(5, "sm_give5 x\nexec evil"),
        with(6, "sm_give6 \"a; b\""),
    ]);
    world.shop(120, &mut shop);
    let ran = ["sm_give1 x", "sm_say \"Ann\" has paid", "sm_give6 \"a; b\""];
    assert_eq!(world.ran(), ran);
    assert!(!world.console.iter().any(|line| line.contains("quit")));
    let failed = world.shown();
    assert_eq!(failed.len(), 3);
    for one in failed {
        let problem = one["problem"].as_str().unwrap();
        assert!(problem.contains("no pattern of `allow`"), "{problem}");
    }
}

#[test]
fn a_hostile_name_stays_one_word_and_a_quote_keeps_nobody_from_what_they_bought() {
    let status = "map     : cp_a at: 0 x\nplayers : 1 humans, 0 bots (24 max)\n# userid name\n\
        # 7 \"a\";quit;//b\" [U:1:5] 05:12 50 0 active 192.0.2.9:27005\n";
    let mut world = world("");
    world.see(status);
    let mut shop = Shop::new(&[Reward {
        action: Action::Command("sm_say %nick% %packet_title% %purchase_amount% %odd%".into()),
        packet_title: "\"Gold\"; quit".into(),
        ..direct(7)
    }]);
    world.shop(120, &mut shop);
    assert_eq!(
        world.ran(),
        ["sm_say \"a';quit;//b\" \"'Gold'; quit\" \"5 EUR\" %odd%"]
    );
}

#[test]
fn what_no_console_can_carry_stays_open_with_a_sentence() {
    let mut world = world("");
    let mut shop = Shop::new(&[Reward {
        action: Action::Command("sm_say %packet_title%".into()),
        packet_title: "a\nb".into(),
        ..direct(7)
    }]);
    world.shop(120, &mut shop);
    assert_eq!(world.ran(), [""; 0]);
    let problem = world.shown()[0]["problem"].to_string();
    assert!(problem.contains("%packet_title%"), "{problem}");
    assert_eq!(shop.reported, [Uuid(0); 0]);
}

#[test]
fn code_runs_only_where_the_owner_wants_that() {
    let code = Reward {
        action: Action::Script("PLAYER.Say(\"%nick%\")".into()),
        ..direct(7)
    };
    let mut off = world("");
    let mut shop = Shop::new(std::slice::from_ref(&code));
    off.shop(120, &mut shop);
    assert!(
        off.shown()[0]["problem"]
            .to_string()
            .contains("scripts = true")
    );
    let mut on = world("scripts = true");
    on.shop(120, &mut shop);
    let ran = |line: &&String| {
        line.starts_with("script compilestring(\"local PLAYER=GetPlayerFromUserID(7)")
    };
    assert_eq!(on.console.iter().filter(ran).count(), 1);
    assert_eq!(shop.reported, [Uuid(7)]);
    // One that throws has done something already.
    let mut throws = world("scripts = true");
    throws.console_replies = |_| Ok("AN ERROR HAS OCCURRED [x]".into());
    throws.shop(600, &mut Shop::new(&[code]));
    assert_eq!(throws.record_state(7), "failed");
    let lines = throws
        .console
        .iter()
        .filter(|line| line.starts_with("script"));
    assert_eq!(lines.count(), 1);
}

#[test]
fn each_event_has_its_rewards() {
    use RewardEvent::{Connect, Death, Disable, Disconnect, Spawn};
    let mut world = world("");
    let every = |id, on| Reward {
        once: false,
        ..reward(id, on)
    };
    let mut shop = Shop::new(&[
        every(1, RewardEvent::Direct),
        every(2, Disable),
        every(3, Connect),
        every(4, Spawn),
        every(5, Death),
        every(6, Disconnect),
        reward(7, Spawn),
    ]);
    let given = |world: &World| [1, 2, 3, 4, 5, 6, 7].map(|id| world.given(id));
    world.shop(200, &mut shop);
    // Ann was on before vpid was; what comes with each list is given once.
    assert_eq!(given(&world), [1, 1, 0, 0, 0, 0, 0]);
    for _ in 0..3 {
        let person = |world: &mut World, news: News| {
            let game = world.shared.servers.get_mut(ONE).unwrap();
            game.roster.push_news_for_test(news);
            world.advance();
        };
        person(&mut world, News::Spawned(7));
        world.shop(10, &mut shop);
        person(&mut world, News::Died(7));
        world.shop(10, &mut shop);
    }
    assert_eq!(given(&world), [1, 1, 0, 3, 3, 0, 1]);
    assert_eq!(shop.reported, [Uuid(7)]);
    world.see(EMPTY);
    world.shop(60, &mut shop);
    assert_eq!(given(&world), [1, 1, 0, 3, 3, 1, 1]);
    world.see(
        "map     : cp_a at: 0 x\nplayers : 1 humans, 0 bots (24 max)\n# userid name\n\
         # 8 \"Ann\" [U:1:5] 00:01 50 0 active 192.0.2.9:27005\n",
    );
    world.shop(30, &mut shop);
    assert_eq!(given(&world), [1, 1, 1, 3, 3, 1, 1]);
}

#[test]
fn the_first_players_of_an_empty_server_have_come_and_whom_vpid_finds_has_not() {
    let mut world = World::of(&config(""), Found::default(), EMPTY);
    let mut shop = Shop::new(&[Reward {
        once: false,
        ..reward(3, RewardEvent::Connect)
    }]);
    world.shop(30, &mut shop);
    // The scripts report the player before `status` does.
    let claim = || FromGame::Event {
        name: "player_active".into(),
        data: json!({"userid": 7, "name": "Ann", "id": ann().steam3(), "bot": false}),
    };
    let game = world.shared.servers.get_mut(ONE).unwrap();
    game.roster.reported(&GameReport::read(claim()), world.now);
    world.advance();
    world.shop(5, &mut shop);
    let lists = shop.lists;
    assert!(lists > 0);
    world.see(
        "map     : cp_a at: 0 x\nplayers : 1 humans, 0 bots (24 max)\n# userid name\n\
         # 7 \"Ann\" [U:1:5] 00:06 50 0 active 192.0.2.9:27005\n",
    );
    world.shop(1, &mut shop);
    assert_eq!((world.given(3), shop.lists), (1, lists));
    // Another map.
    let cx = &mut world.shared.context(world.now, &mut world.out);
    world.community.happened(ONE, GameEvent::MapStarted, cx);
    let game = world.shared.servers.get_mut(ONE).unwrap();
    game.roster.reported(&GameReport::read(claim()), world.now);
    world.shop(200, &mut shop);
    assert_eq!(world.given(3), 1, "once");

    // vpid restarts.
    let mut again = World::of(&config(""), Found::default(), STATUS);
    again.shop(200, &mut shop);
    assert_eq!(again.given(3), 0);
}

#[test]
fn nobody_gets_anything_before_the_game_has_confirmed_who_they_are() {
    let mut world = world("");
    let bob = SteamId::new(6).unwrap();
    let claim = FromGame::Event {
        name: "player_active".into(),
        data: json!({"userid": 9, "name": "Bob", "id": bob.steam3(), "bot": false}),
    };
    let game = world.shared.servers.get_mut(ONE).unwrap();
    game.roster.reported(&GameReport::read(claim), world.now);
    world.advance();
    let mut shop = Shop::new(&[Reward {
        steam: bob,
        ..direct(7)
    }]);
    world.shop(20, &mut shop);
    let game = world.shared.servers.get_mut(ONE).unwrap();
    assert!(game.roster.by_steam(bob).is_some());
    assert!(shop.lists > 0);
    assert_eq!(world.ran(), [""; 0]);
    world.see(
        "map     : cp_a at: 0 x\nplayers : 2 humans, 0 bots (24 max)\n# userid name\n\
         # 7 \"Ann\" [U:1:5] 05:12 50 0 active 192.0.2.9:27005\n\
         # 9 \"Bob\" [U:1:6] 00:20 50 0 active 192.0.2.9:27006\n",
    );
    world.shop(5, &mut shop);
    assert_eq!(world.given(7), 1);
}

#[test]
fn rewards_of_a_player_are_given_in_their_order_and_those_not_fulfilled_wait() {
    let mut world = world("");
    let at = |id, order| Reward {
        order,
        ..direct(id)
    };
    let waits = Reward {
        is_fulfilled: false,
        ..direct(9)
    };
    let elsewhere = Reward {
        once_from_all: true,
        executed_on: vec![Uuid(99)],
        ..direct(10)
    };
    let here = Reward {
        executed_on: vec![Uuid(1)],
        ..direct(11)
    };
    let mut shop = Shop::new(&[at(1, 3.0), at(2, 1.5), at(3, 2.0), waits, elsewhere, here]);
    world.shop(120, &mut shop);
    let ran: Vec<_> = world.ran().iter().map(|line| &line[..8]).collect();
    assert_eq!(ran, ["sm_give2", "sm_give3", "sm_give1"]);
}

#[test]
fn what_is_once_from_all_is_given_on_one_server_and_other_things_on_each() {
    let one = config("");
    let (server, rest) = one.split_at(one.find("[vyhub]").unwrap());
    let other = server.replace("'one'", "'two'");
    let other = other.replace("000000000001'", "000000000002'");
    let other = other.replace("127.0.0.1:1'", "127.0.0.1:2'");
    let both = format!("{server}{other}{rest}");
    let mut world = World::of(&both, Found::default(), STATUS);
    let status = server_status::parse(STATUS).unwrap();
    let game = world.shared.servers.get_mut(ServerId(1)).unwrap();
    game.roster.status(&status, world.now);
    world.advance();
    let from_all = Reward {
        once_from_all: true,
        ..direct(7)
    };
    let (mut reported, mut lists) = (Vec::new(), BTreeSet::new());
    world.run(100, |request| match request {
        Request::ListRewards { server, .. } => {
            lists.insert(*server);
            Some(listed(&[from_all.clone(), direct(8)]))
        }
        Request::ReportReward { reward, server, .. } => {
            reported.push((*reward, *server));
            Some(Ok(Reply::Nothing))
        }
        request => Some(fair(request)),
    });
    assert_eq!(lists, BTreeSet::from([Uuid(1), Uuid(2)]));
    assert_eq!((world.given(7), world.given(8)), (1, 2));
    assert_eq!(reported.len(), 3);
}

#[test]
fn a_report_ends_with_what_vyhub_says_and_with_nothing_else() {
    for (kind, is_final) in [
        (FailureKind::NotFound, true),
        (FailureKind::Invalid, true),
        (FailureKind::Unauthorized, false),
        (FailureKind::Forbidden(Lacking::Key), false),
        (FailureKind::Broken, false),
        (FailureKind::Busy, false),
        (FailureKind::Foreign, false),
        (FailureKind::Unclear, false),
    ] {
        let mut world = world("");
        let mut shop = Shop::new(&[direct(7)]);
        shop.refuses = Some(kind);
        world.shop(3_600, &mut shop);
        assert_eq!(shop.tries == 1, is_final, "{kind:?}: {}", shop.tries);
        assert!(shop.tries < 100, "{kind:?}: {}", shop.tries);
        shop.refuses = None;
        world.shop(1_200, &mut shop);
        assert_eq!(shop.reported.is_empty(), is_final, "{kind:?}");
        assert_eq!(world.given(7), 1, "{kind:?}");
    }
}

#[test]
fn a_report_outlives_a_crash_at_any_moment() {
    let mut world = world("");
    let mut shop = Shop::new(&[direct(7)]);
    shop.refuses = Some(FailureKind::Broken);
    world.shop(120, &mut shop);
    assert_eq!(world.record_state(7), "executed");
    let mut found = world.crashed();
    assert_eq!(found.outbox.len(), 1);
    // The entry was on disk, and that it was executed was not.
    for (_, text) in &mut found.rewards {
        *text = text.replace("\"executed\"", "\"running\"");
    }
    let without_entry = Found {
        outbox: Vec::new(),
        rewards: world.crashed().rewards,
        ..Found::default()
    };
    shop.refuses = None;
    for found in [world.crashed(), found, without_entry] {
        shop.reported.clear();
        let mut world = World::of(&config(""), found, STATUS);
        world.shop(300, &mut shop);
        assert_eq!((world.given(7), shop.reported.len()), (0, 1));
        assert_eq!(world.record_state(7), "settled");
    }
}

#[test]
fn bans_do_not_wait_behind_reports() {
    let mut world = world("");
    let many: Vec<Reward> = (100..140).map(direct).collect();
    let mut shop = Shop::new(&many);
    let is_report = |request: &Request| matches!(request, Request::ReportReward { .. });
    // The first report has no reply yet, and the others wait for it.
    world.run(15, |request| match is_report(request) {
        true => None,
        false => shop.reply(request),
    });
    assert_eq!(world.count(is_report), 1);
    world.add_ban();
    world.sent.clear();
    world.shop(30, &mut shop);
    assert!(world.count(is_report) > 30);
    let is_ban = |request: &Request| matches!(request, Request::CreateBan { .. });
    let ban = world.sent.iter().position(|(_, request)| is_ban(request));
    let before = world.sent[..ban.expect("a ban")].iter();
    let before = before.filter(|(_, request)| is_report(request)).count();
    assert!(before <= 3, "{before} reports before the ban");
}

#[test]
fn many_that_cannot_be_executed_are_looked_at_some_in_each_turn() {
    let mut world = world("allow = []");
    let many: Vec<Reward> = (0..500).map(|n| direct(1_000 + n)).collect();
    let mut shop = Shop::new(&many);
    world.shop(30, &mut shop);
    assert_eq!(world.shown().len(), 500);
    let failed = |world: &mut World| {
        let shown = world.shown();
        shown.iter().filter(|it| it["state"] == "failed").count()
    };
    assert_eq!(failed(&mut world), 500);
    assert_eq!(world.ran(), [""; 0]);
    // None of them starves one that can be executed.
    let mut world = World::of(&config("allow = ['sm_give5 *']"), Found::default(), STATUS);
    let mut shop = Shop::new(&many);
    shop.rewards.push(Reward {
        order: 9.0,
        ..direct(5)
    });
    world.shop(30, &mut shop);
    assert_eq!(world.given(5), 1);
}

#[test]
fn a_minute_of_many_players_and_rewards_takes_little_and_few_requests() {
    let mut world = world("");
    let player = |n: u32| SteamId::new(1_000 + n).unwrap();
    let mut status =
        "map     : cp_a at: 0 x\nplayers : 100 humans, 0 bots (100 max)\n# userid name\n"
            .to_owned();
    for n in 0..100 {
        status += &format!(
            "# {} \"P{n}\" [U:1:{}] 05:12 50 0 active 192.0.2.9:27005\n",
            n + 10,
            1_000 + n
        );
    }
    world.see(status.leak());
    let many: Vec<Reward> = (0..5_000)
        .map(|n| Reward {
            steam: player(n % 100),
            ..reward(10_000 + u128::from(n), RewardEvent::Death)
        })
        .collect();
    let reply = |request: &Request| match request {
        Request::ListRewards { users, .. } => {
            let of = |it: &&Reward| {
                let id = Uuid(u128::from(it.steam.account()));
                users.contains(&id)
            };
            Some(listed(&many.iter().filter(of).cloned().collect::<Vec<_>>()))
        }
        request => Some(fair(request)),
    };
    world.run(300, reply);
    let is_rewards = |request: &Request| matches!(request, Request::ListRewards { .. });
    let before = world.count(is_rewards);
    world.run(240, reply);
    assert_eq!(world.count(is_rewards) - before, 2 * 4);
    // The deciding thread's part of one minute: two lists.
    let mut spent = Duration::ZERO;
    let mut lists = 0;
    while lists < 2 {
        world.now = at(world.due_ms.unwrap().max(world.now.mono_ms + 1));
        world.advance();
        let mut at = 0;
        while at < world.open.len() {
            let Some(answer) = reply(&world.open[at].request) else {
                at += 1;
                continue;
            };
            let job = world.open.remove(at);
            let counts = is_rewards(&job.request);
            let began = Instant::now();
            world.done(job.ticket, answer);
            if counts {
                spent += began.elapsed();
                lists += 1;
            }
        }
    }
    let most = if cfg!(debug_assertions) { 1_000 } else { 50 };
    println!("two lists of 5,000 rewards: {spent:?}");
    assert!(spent < Duration::from_millis(most), "{spent:?}");
}

/// A status of these players: each with a userid and an account.
fn status(players: impl IntoIterator<Item = (u32, u32)>) -> &'static str {
    let rows = players.into_iter().map(|(userid, account)| {
        format!("# {userid} \"P{account}\" [U:1:{account}] 05:12 50 0 active 192.0.2.9:27005\n")
    });
    let head = "map     : cp_a at: 0 x\nplayers : 1 humans, 0 bots (100 max)\n# userid name\n";
    (head.to_owned() + &rows.collect::<String>()).leak()
}

/// Records of rewards of an earlier run that the backend knows: each with the account of its player.
fn acknowledged(rewards: &[Reward]) -> Found {
    let records = rewards.iter().map(|reward| {
        let record = super::super::rewards::Record::new(reward, (Uuid(1), BUNDLE), "x", 0);
        let text = record.text().replace("\"running\"", "\"acknowledged\"");
        (record.file(), text)
    });
    Found {
        rewards: records.collect(),
        ..Found::default()
    }
}

#[test]
fn those_who_are_gone_are_looked_up_in_turn_however_many_are_on() {
    let of = |n: u32| Reward {
        steam: SteamId::new(2_000 + n).unwrap(),
        user: Uuid(u128::from(2_000 + n)),
        ..direct(u128::from(n))
    };
    let gone: Vec<Reward> = (1..=300).map(of).collect();
    let on = [1, 80, 100];
    for on in on {
        let status = status((0..on).map(|n| (10 + n, 5_000 + n)));
        let mut world = World::of(&config(""), acknowledged(&gone), status);
        // The first 100 stay listed for ever.
        world.run(1_500, |request| match request {
            Request::ListRewards { users, .. } => {
                assert!(users.len() <= limits::REWARD_USERS_MAX);
                let is_of = |it: &&Reward| users.contains(&it.user);
                let listed_ones: Vec<Reward> = gone[..100].iter().filter(is_of).cloned().collect();
                Some(listed(&listed_ones))
            }
            request => Some(fair(request)),
        });
        for (n, state) in [
            (1, "acknowledged"),
            (100, "acknowledged"),
            (101, "settled"),
            (300, "settled"),
        ] {
            assert_eq!(world.record_state(n), state, "{n} with {on}");
        }
        assert_eq!(world.ran(), [""; 0]);
    }
}

#[test]
fn a_reward_that_cannot_be_read_holds_up_no_renewal_of_others() {
    let renewed = Reward {
        reactivates: true,
        ..direct(7)
    };
    let other = SteamId::new(77).unwrap();
    for (unread, given) in [
        (vec![(other, None)], 2),
        (vec![(ann(), Some(Uuid(8)))], 2),
        // These may be it.
        (vec![(ann(), Some(Uuid(7)))], 1),
        (vec![(ann(), None)], 1),
    ] {
        let mut world = world("");
        let mut lists = 0;
        world.run(600, |request| match request {
            Request::ListRewards { .. } => {
                lists += 1;
                let items = match lists {
                    1 | 5.. => vec![renewed.clone()],
                    _ => Vec::new(),
                };
                let unread = unread.iter().copied().collect();
                Some(Ok(Reply::Rewards(RewardList { items, unread })))
            }
            request => Some(fair(request)),
        });
        assert!(lists > 5);
        assert_eq!(world.given(7), given, "{unread:?}");
    }
}

#[test]
fn what_is_once_from_all_is_not_given_on_another_server_by_a_list_from_before() {
    let mut world = world("");
    let from_all = |id, reactivates| Reward {
        once_from_all: true,
        reactivates,
        ..direct(id)
    };
    let rewards = [from_all(7, false), from_all(8, true)];
    let mut found = acknowledged(&rewards);
    for (name, text) in &mut found.rewards {
        *name = name.replacen(&Uuid(1).to_string(), &Uuid(2).to_string(), 1);
        let server = |id: u128| format!("\"server\": \"{}\"", Uuid(id));
        *text = text.replace(&server(1), &server(2));
        *text = text.replace("\"acknowledged\"", "\"settled\"");
    }
    world.shop(1, &mut Shop::new(&[]));
    let mut world = World::of(&config(""), found, STATUS);
    world.shop(120, &mut Shop::new(&rewards));
    // An extension begins anew.
    assert_eq!((world.given(7), world.given(8)), (0, 1));
}

/// Both commands name the userid.
fn two_commands(on: RewardEvent) -> Reward {
    Reward {
        action: Action::Command("sm_one %userid%; sm_two %userid%".into()),
        ..reward(7, on)
    }
}

fn is_away_for_the_second(line: &str) -> Result<String, rcon::Failure> {
    match line.starts_with("sm_two") {
        true => Err(rcon::Failure::Away("x".into())),
        false => Ok(String::new()),
    }
}

#[test]
fn the_rest_of_what_was_interrupted_is_for_the_same_player_or_for_nobody() {
    let same = STATUS;
    for (after, state) in [
        (same, "settled"),
        // The game has started anew: Ann has another userid, and another player has hers; or she is not on.
        (status([(7, 50), (8, 5)]), "failed"),
        (status([(7, 50)]), "failed"),
    ] {
        let mut world = world("");
        world.console_replies = is_away_for_the_second;
        let mut shop = Shop::new(&[two_commands(RewardEvent::Direct)]);
        world.shop(30, &mut shop);
        assert_eq!(world.record_state(7), "running");
        world.console_replies = FINE;
        let line = "status".to_owned();
        world.run_command(
            ONE,
            rcon::Job {
                ticket: 0,
                line,
                is_urgent: false,
            },
        );
        world.console.clear();
        world.see(after);
        world.shop(200, &mut shop);
        let expected = usize::from(state == "settled");
        let ran = world.ran();
        assert_eq!(ran.iter().filter(|it| **it == "sm_two 7").count(), expected);
        assert_eq!(ran.len(), expected, "{ran:?}");
        assert_eq!(world.record_state(7), state);
    }
}

#[test]
fn the_userid_of_one_who_has_left_is_nobodys_once_the_game_was_away() {
    let leaves = |replies: fn(&str) -> Result<String, rcon::Failure>, after| {
        let mut world = world("");
        let mut shop = Shop::new(&[two_commands(RewardEvent::Disconnect)]);
        world.shop(90, &mut shop);
        world.console_replies = replies;
        world.see(after);
        world.shop(10, &mut shop);
        world.console_replies = FINE;
        let line = "status".to_owned();
        world.run_command(
            ONE,
            rcon::Job {
                ticket: 0,
                line,
                is_urgent: false,
            },
        );
        world.console.clear();
        world.shop(120, &mut shop);
        (world, shop)
    };
    let (world, _) = leaves(AWAY, EMPTY);
    assert_eq!(world.ran(), ["sm_one 0", "sm_two 0"]);
    let (world, _) = leaves(is_away_for_the_second, EMPTY);
    assert_eq!(world.ran(), ["sm_two 0"]);
    let mut world = self::world("");
    let mut shop = Shop::new(&[two_commands(RewardEvent::Disconnect)]);
    world.shop(90, &mut shop);
    world.see(status([(7, 50)]));
    world.shop(120, &mut shop);
    assert_eq!(world.ran(), ["sm_one 0", "sm_two 0"]);
    let mut world = self::world("");
    world.shop(90, &mut shop);
    shop.reported.clear();
    world.shop(90, &mut shop);
    world.see(EMPTY);
    world.shop(120, &mut shop);
    assert_eq!(world.ran(), ["sm_one 7", "sm_two 7"]);
}

#[test]
fn a_console_that_says_nothing_makes_few_rewards_unclear() {
    let mut world = world("");
    world.console_replies = LOST;
    let many: Vec<Reward> = (100..200).map(direct).collect();
    let mut shop = Shop::new(&many);
    world.shop(600, &mut shop);
    let unclear = |world: &mut World| {
        let shown = world.shown();
        shown.iter().filter(|it| it["state"] == "unclear").count()
    };
    let count = unclear(&mut world);
    assert!((5..20).contains(&count), "{count}");
    world.console_replies = FINE;
    let line = "status".to_owned();
    world.run_command(
        ONE,
        rcon::Job {
            ticket: 0,
            line,
            is_urgent: false,
        },
    );
    world.shop(300, &mut shop);
    assert_eq!(unclear(&mut world), count);
    assert_eq!(world.ran().len(), 100);
}

#[test]
fn what_was_not_sent_when_vpid_ends_is_open_at_the_next_start() {
    let mut shop = Shop::new(&[direct(7)]);
    let mut whole = world("");
    whole.shop(60, &mut Shop::new(&[direct(7)]));
    let is_mark = |write: &Write| write.shelf == Shelf::Rewards;
    let mark = whole.written.iter().position(is_mark).expect("a record");
    // It ends while the record is being written.
    let mut world = world("");
    world.writes_left = mark + 1 - world.written.len();
    world.shop(60, &mut shop);
    assert!(world.has_crashed());
    assert_eq!(world.record_state(7), "running");
    world.writes_left = usize::MAX;
    let cx = &mut world.shared.context(world.now, &mut world.out);
    world.community.stop(cx);
    world.carry_out();
    world.shop(60, &mut shop);
    assert_eq!(world.ran(), [""; 0]);
    assert_eq!(world.record_state(7), "none");
    let mut world = World::of(&config(""), world.crashed(), STATUS);
    world.shop(120, &mut shop);
    assert_eq!((world.given(7), shop.reported.len()), (1, 1));
}
