//! VyHub is unreachable and vpid dies: what was decided in the game holds, and reaches VyHub once.

use std::fs;
use std::time::{Duration, Instant};

use fake_vyhub::{Fault, Page};
use serde_json::{Value, json};
use vpid::game_side::stock::GameCall;

use crate::support::{
    Community, Keeper, KeptBan, PATIENCE, Random, Visitor, stays, wait_until, with_keepers,
};

with_keepers! {
    a_ban_that_is_given_in_an_outage_holds_through_a_kill_and_arrives_once: vyhub lone_mariadb;
    rights_that_are_known_from_earlier_hold_in_an_outage_and_others_do_not: vyhub lone_mariadb;
    in_an_outage_a_server_is_ready_by_what_it_knew_and_else_when_that_is_over: vyhub lone_mariadb;
    a_call_that_comes_back_after_a_kill_bans_once: vyhub lone_mariadb;
    through_random_faults_and_kills_no_ban_is_lost_or_doubled: vyhub sqlite lone_mariadb;
}

/// The story of the whole thing.
fn a_ban_that_is_given_in_an_outage_holds_through_a_kill_and_arrives_once(keeper: Keeper) {
    let mut community = Community::kept_by(keeper).started();
    let admin = community.admin(2, "admin");
    let rogue = Visitor::new(3, "rogue");
    community.joins(&rogue);
    community.wait_for_user(&rogue);
    let issuer = match community.is_vyhub() {
        true => community
            .vyhub
            .with(|state| state.user(admin.steam64()).unwrap().id.clone()),
        false => vpid::protocol::uuid::Uuid(u128::from(admin.steam64())).to_string(),
    };
    community.pause();

    community.log.says(&admin, "!ban rogue permanent aimbot");
    let text = community.kicked_at_once(&rogue);
    assert!(
        text.contains("aimbot") && text.contains("by admin"),
        "{text}"
    );
    let [entry] = &community.outbox()[..] else {
        panic!("kicked before it was on disk: {:?}", community.outbox())
    };
    assert_eq!(entry["kind"], "ban", "{entry:#}");
    assert_eq!(entry["issuer"]["user"], json!(issuer), "{entry:#}");
    community.told(
        &admin,
        community.either(
            "rogue is banned here (permanent): aimbot. VyHub is unreachable",
            "rogue is banned here (permanent): aimbot. The database is unreachable",
        ),
    );
    community.log.leaves(&rogue);
    let again = rogue.again();
    community.stays_out(&again);

    community.vpid.kill();
    let (code, listed) = community.queue(&["list"]);
    assert!(code == Some(0) && listed.contains("rogue"), "{listed}");
    // By `status` alone: while vpid is dead.
    let last = again.again();
    community.enters(&last);
    community.start_away();
    let later = last.again();
    community.stays_out(&later);
    community.kicked(&last);
    if community.is_vyhub() {
        assert!(community.vyhub.bans().is_empty());
    }

    community.resume();
    community.hurry();
    community.wait_until_sent();
    let ban = KeptBan {
        steam: rogue.steam64(),
        reason: "aimbot".into(),
        length_s: None,
        issuer: Some(admin.steam64()),
        is_lifted: false,
    };
    assert_eq!(community.bans(), [ban]);
    wait_until("nothing of it is left in the outbox", || {
        let outbox = community.outbox();
        outbox.iter().all(|entry| entry["kind"] == "playtime")
    });
    community.stays_out(&later.again());
    community.all_well();
}

fn rights_that_are_known_from_earlier_hold_in_an_outage_and_others_do_not(keeper: Keeper) {
    let mut community = Community::kept_by(keeper).started();
    let admin = community.admin(2, "admin");
    let stranger = Visitor::new(4, "stranger");
    community.member(&stranger, &[("ban_edit", true)], None);
    let rogue = Visitor::new(3, "rogue");
    community.vpid.stop();
    community.pause();
    community.start_away();
    community.log.connects(&admin);
    community.joins(&stranger);
    community.joins(&rogue);
    community.log.says(&stranger, "!ban rogue 5 x");
    community.told(&stranger, "Your rights are not known yet");
    assert!(community.outbox().is_empty());
    community.log.says(&rogue, "!vyhub");
    community.told(&rogue, " has been unreachable for 1 min.");
    community.log.says(&admin, "!ban rogue 5 x");
    community.kicked_at_once(&rogue);
    community.resume();
    community.hurry();
    community.wait_until_sent();
    assert_eq!(community.bans().len(), 1);
    community.all_well();
}

fn in_an_outage_a_server_is_ready_by_what_it_knew_and_else_when_that_is_over(keeper: Keeper) {
    let mut community = Community::kept_by(keeper);
    let rogue = Visitor::new(2, "rogue");
    community.ban_elsewhere(&rogue, "kept", Some(86_400));
    community.start();
    community.vpid.kill();
    community.pause();
    community.start_away();
    community.vpid.wait_for_log("the cached record is used");
    community.stays_out(&rogue);
    community.vpid.kill();
    // Without anything from before, nobody is looked at; and it is no reason to end.
    fs::remove_dir_all(community.cached("")).unwrap();
    community.vpid.start();
    community
        .vpid
        .wait_for_log("no bans are known until it works");
    let again = rogue.again();
    community.joins(&again);
    stays("nobody is kicked", Duration::from_millis(200), || {
        community.kicks(again.userid) == 0
    });
    community.all_well();
}

fn a_call_that_comes_back_after_a_kill_bans_once(keeper: Keeper) {
    let mut community = Community::kept_by_and(keeper, |vpid| {
        vpid.signed().permission("\"ranked.nut\" = [\"VYHUB_Ban\"]")
    });
    let rogue = Visitor::new(3, "rogue");
    community.start();
    community.pause();
    let mut host = community.vpid.host("my_server");
    host.ping();
    community.vpid.at_rest();
    // Its answer has no room, so its file stays.
    fs::write(host.input_path(), "somebody else's").unwrap();
    let kwargs = json!({"player": rogue.steam3(), "reason": "left", "minutes": 60});
    let call = GameCall::new("ranked.nut", "VYHUB_Ban", kwargs);
    let tokens = host.send(&[call]).unwrap();
    let entry = community.wait_for_entry("the ban", |entry| entry["kind"] == "ban");
    for _ in 0..2 {
        community.vpid.kill();
        assert!(
            community
                .vpid
                .files()
                .iter()
                .any(|name| name.ends_with(".taken"))
        );
        let file = fs::File::options()
            .append(true)
            .open(host.input_path())
            .unwrap();
        file.set_modified(std::time::SystemTime::now()).unwrap();
        community.start_away();
    }
    host.empty().unwrap();
    let answer = host.answers(&tokens).remove(0);
    assert_eq!(answer["queued"], json!(entry["id"].to_string()), "{answer}");
    assert_eq!(community.outbox().len(), 1);
    community.resume();
    community.hurry();
    community.wait_until_sent();
    let ban = KeptBan {
        steam: rogue.steam64(),
        reason: "left".into(),
        length_s: Some(3_600),
        issuer: None,
        is_lifted: false,
    };
    assert_eq!(community.bans(), [ban]);
    community.all_well();
}

/// How often vpid is killed, where the environment does not say it.
const KILLS: u64 = 16;

/// How often an operator has what waits tried at once.
const HURRY: Duration = Duration::from_secs(2);

/// What an admin has ordered, and vpid has accepted: it was on disk before the kill.
struct Given {
    is_ban: bool,
    target: Visitor,
    is_lifted: bool,
}

/// How many of the changes that were accepted came to be in the books.
#[derive(Default)]
struct Figures {
    accepted: usize,
    delivered: usize,
    lost: usize,
    doubled: usize,
}

/// Bans, unbans and warnings while requests fail at random, or the database dies, and vpid is killed at random:
/// 16 times, or as often as `VPID_KILLS` says.
fn through_random_faults_and_kills_no_ban_is_lost_or_doubled(keeper: Keeper) {
    let seed = Random::seed();
    let kills = std::env::var("VPID_KILLS");
    let kills = kills.map_or(KILLS, |text| text.parse().expect("VPID_KILLS is a number"));
    println!("VPID_SEED={seed} VPID_KILLS={kills}");
    let mut random = Random::new(seed);
    let mut community = Community::kept_by(keeper).started();
    let admin = community.admin(2, "admin");
    let mut given = Vec::new();
    let faults = [
        Fault::ResetBefore,
        Fault::ResetAfterApplying,
        Fault::CloseAfterApplying,
        Fault::CutJson,
        Fault::Late(1_500),
        Fault::Status(502, Page::Html),
        Fault::StatusAfterApplying(504, Page::Html),
    ];
    community.vyhub.faults.random_of(seed, 300, &faults);
    for _ in 0..kills {
        let has_outage = keeper.has_outages() && random.below(2) == 0;
        if has_outage {
            community.pause();
        }
        for _ in 0..1 + random.below(3) {
            order(&community, &admin, &mut given, &mut random);
        }
        std::thread::sleep(Duration::from_millis(random.below(250)));
        community.vpid.kill();
        if has_outage {
            community.resume();
        }
        community.start_away();
        community.log.connects(&admin);
    }
    community.vyhub.faults.clear();
    wait_while_it_goes_on(&community);
    let figures = compare(&community, &given);
    let Figures {
        accepted,
        delivered,
        lost,
        doubled,
    } = figures;
    let found = format!(
        "{kills} kills, {accepted} bans and warnings accepted, {delivered} delivered, {lost} lost, {doubled} doubled"
    );
    println!("{found}");
    assert!(lost == 0 && doubled == 0, "{found}, VPID_SEED={seed}");
    community.all_well();
}

/// A ban, which may be lifted again at once, or a warning, of a player who was not there before. What is not on disk
/// before the kill was never accepted.
fn order(community: &Community, admin: &Visitor, given: &mut Vec<Given>, random: &mut Random) {
    let number = given.len() + 1;
    let target = Visitor::new(10 + number as i32, &format!("target{number}"));
    let steam = target.steam64().to_string();
    let accepts = |kind: &str| {
        let is_it = |entry: &Value| entry["steam"] == json!(steam) && entry["kind"] == kind;
        let deadline = Instant::now() + PATIENCE;
        while !community.outbox().iter().any(is_it) {
            let shown = community.game.shown();
            let is_late = Instant::now() >= deadline;
            assert!(
                !is_late,
                "the {kind} of {target:?} was not accepted: {shown:#?}"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    community.log.connects(&target);
    let is_ban = random.chance(60);
    let (kind, length) = if is_ban {
        ("ban", " 60")
    } else {
        ("warning", "")
    };
    let command = if is_ban { "!ban" } else { "!warn" };
    let text = format!("{command} #{}{length} reason {number}", target.userid);
    community.log.says(admin, &text);
    accepts(kind);
    let is_lifted = is_ban && random.chance(40);
    if is_lifted {
        community
            .log
            .says(admin, &format!("!unban {}", target.steam3()));
        accepts("unban");
    }
    given.push(Given {
        is_ban,
        target,
        is_lifted,
    });
}

/// Waits until nothing is on its way any more: for as long as there are fewer entries than before within a while.
fn wait_while_it_goes_on(community: &Community) {
    let open = || {
        let outbox = community.outbox();
        outbox
            .iter()
            .filter(|entry| entry["state"] != "done")
            .count()
    };
    let mut least = open();
    while least > 0 {
        let mut hurried = None;
        wait_until(&format!("fewer than {least} changes wait"), || {
            if hurried.is_none_or(|at: Instant| at.elapsed() > HURRY) {
                community.hurry();
                hurried = Some(Instant::now());
            }
            open() < least
        });
        least = open();
    }
}

/// What was accepted, against the books.
fn compare(community: &Community, given: &[Given]) -> Figures {
    let (bans, warnings) = (community.bans(), community.warnings());
    let mut figures = Figures {
        accepted: given.len(),
        ..Figures::default()
    };
    for one in given {
        let steam = one.target.steam64();
        let of = bans.iter().filter(|ban| ban.steam == steam);
        let lifted = of.clone().filter(|ban| ban.is_lifted).count();
        let count = match one.is_ban {
            true => of.count(),
            false => warnings.iter().filter(|it| it.steam == steam).count(),
        };
        assert!(
            count == 0 || one.is_lifted == (lifted > 0),
            "{:?}: {bans:#?}",
            one.target
        );
        figures.delivered += usize::from(count > 0);
        figures.lost += usize::from(count == 0);
        figures.doubled += count.saturating_sub(1);
    }
    let all = bans.len() + warnings.len();
    assert_eq!(
        all,
        figures.delivered + figures.doubled,
        "what was never given: {bans:#?} {warnings:#?}"
    );
    figures
}
