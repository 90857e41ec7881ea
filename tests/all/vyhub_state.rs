//! What the client of VyHub keeps on disk: rubbish in it, no room for it, and very much of it.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::support::{
    ALL_RIGHTS, Community, Keeper, Visitor, stays, wait_for, wait_until, with_keepers,
};

with_keepers! {
    an_entry_that_is_rubbish_is_set_aside_alone: vyhub sqlite;
    on_a_full_disk_a_ban_is_refused_in_words_and_nothing_is_lost: vyhub sqlite;
    a_hundred_thousand_bans_cost_no_slow_turn_and_little_memory: vyhub sqlite;
}

fn an_entry_that_is_rubbish_is_set_aside_alone(keeper: Keeper) {
    let mut community = Community::kept_by(keeper).started();
    let admin = community.admin(2, "admin");
    let rogue = Visitor::new(3, "rogue");
    community.joins(&rogue);
    community.pause();
    community.log.says(&admin, "!ban rogue 1h aimbot");
    community.kicked_at_once(&rogue);
    community.vpid.kill();
    let folder = community.either("state/outbox", "state/community-outbox");
    let outbox = community.vpid.path(folder);
    let good = community.wait_for_entry("a ban", |entry| entry["kind"] == "ban");
    let mut other = good.clone();
    other["version"] = json!(99);
    let rubbish = [
        ("1.json", "garbage".to_owned()),
        ("2.json", good.to_string()),
        ("3.json", other.to_string()),
        ("4.json", String::new()),
        ("5.json", "{\"version\": 1}".to_owned()),
        ("6.json", "[".repeat(100_000)),
        ("half.tmp", "x".to_owned()),
    ];
    for (name, text) in &rubbish {
        fs::write(outbox.join(name), text).unwrap();
    }
    let (code, listed) = community.queue(&["list"]);
    assert!(
        code == Some(0) && listed.contains("rogue") && listed.contains("unreadable"),
        "{listed}"
    );
    community.start_away();
    community.stays_out(&rogue.again());
    for name in ["1", "2", "3", "4", "5", "6"] {
        let aside = outbox.join(format!("{name}.json.unreadable"));
        wait_until("it is set aside", || aside.exists());
    }
    community.resume();
    community.hurry_until_sent();
    assert_eq!(community.bans().len(), 1);
    community.all_well();
}

/// A folder on a disk of its own, which is small.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None`: this needs to be root, and more than some containers allow.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().ok()?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]);
        let mounted = mount.arg(folder.path()).output().ok()?;
        mounted.status.success().then_some(Self(folder))
    }

    /// Leaves no room on it; gives the file that takes it all.
    fn fill(&self) -> std::path::PathBuf {
        use std::io::Write;
        let path = self.0.path().join("filler");
        let mut file = fs::File::create(&path).unwrap();
        while file.write_all(&[0; 4_096]).is_ok() {}
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn on_a_full_disk_a_ban_is_refused_in_words_and_nothing_is_lost(keeper: Keeper) {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("SKIPPED: a small disk cannot be mounted here (it takes root)");
        return;
    };
    let state = disk.0.path().join("state");
    let mut community = Community::kept_by_and(keeper, |vpid| vpid.keeping(&state));
    let rogue = Visitor::new(3, "rogue");
    let [outbox, cached] = match keeper {
        Keeper::Vyhub => ["outbox", "vyhub"],
        _ => ["community-outbox", "community"],
    };
    let outbox = || fs::read_dir(state.join(outbox)).map_or(0, |files| files.count());
    community.vpid.start();
    community.vpid.wait_for_log(": ready, as server");
    let admin = Visitor::new(2, "admin");
    community.member(&admin, &ALL_RIGHTS, None);
    community.joins(&admin);
    let rights = state.join(cached).join("rights.json");
    wait_until("the rights are kept", || rights.exists());
    community.pause();
    let first = Visitor::new(4, "first");
    community.joins(&first);
    community.log.says(&admin, "!ban first 1h x");
    community.kicked_at_once(&first);
    let filler = disk.fill();
    community.joins(&rogue);
    community.log.says(&admin, "!ban rogue 1h aimbot");
    community.told(
        &admin,
        "What you ordered for rogue could not be saved and is not in force.",
    );
    community
        .vpid
        .wait_for_log("is not taken: it cannot be written down");
    stays(
        "who is not banned is in",
        Duration::from_millis(100),
        || community.kicks(rogue.userid) == 0,
    );
    community.stays_out(&first.again());
    // The first one reaches VyHub, whatever can be noted of it.
    fs::remove_file(filler).unwrap();
    community.log.says(&admin, "!ban rogue 1h aimbot");
    community.kicked(&rogue);
    assert_eq!(outbox(), 2);
    community.resume();
    wait_for("both are there", || {
        community.hurry();
        std::thread::sleep(Duration::from_millis(100));
        (community.bans().len() == 2).then_some(())
    });
    stays("no third one", Duration::from_millis(300), || {
        community.bans().len() == 2
    });
    community.vpid.stop();
    community.all_well();
}

/// What this vpid has taken of memory at most.
fn small(community: &Community) {
    let path = format!("/proc/{}/status", community.vpid.pid());
    let status = fs::read_to_string(path).expect("the state of the process");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.expect("its peak").trim();
    println!("at most {peak}");
    let kib: u64 = peak.trim_end_matches(" kB").parse().expect("a number");
    assert!(kib < 80 * 1_024, "{peak}");
}

fn a_hundred_thousand_bans_cost_no_slow_turn_and_little_memory(keeper: Keeper) {
    let mut community = Community::kept_by(keeper);
    community.grow_bans(100_000);
    community.start();
    let last = Visitor {
        account: fake_vyhub::GROWN_STEAM64 + 99_999 - 76_561_197_960_265_728,
        ..Visitor::new(3, "last of them")
    };
    community.stays_out(&last);
    community.stays_out(&last.again());
    let innocent = Visitor::new(4, "innocent");
    community.stays_in(&innocent);
    let admin = community.admin(2, "admin");
    community.log.says(&admin, "!vyhub");
    community.told(&admin, "100000 bans");
    community.log.says(&admin, "!unban grown");
    community.told(&admin, "grown may be any of these");
    community.log.says(&admin, "!unban somebody else");
    community.log.says(&admin, "!unban \"somebody else\"");
    community.told(&admin, "There is no player somebody else.");
    // The list is read again after a change, and from disk after a start.
    community.log.says(&admin, "!ban innocent 1h x");
    community.kicked_at_once(&innocent);
    let lists = community.asked("GET", "/server/bundle/");
    if community.is_vyhub() {
        community.wait_for_vyhub("a second list", |state| {
            state.requests_to("GET", "/server/bundle/") > lists
        });
    }
    community.told(&admin, "innocent is banned");
    small(&community);
    community.vpid.stop();
    community.pause();
    community.start_away();
    community.stays_out(&last.again().again());
    small(&community);
    let log = community.vpid.log();
    // A busy machine makes every turn longer; the whole list would take several times as long in this build.
    let turns = log
        .lines()
        .filter_map(|line| line.split_once("a turn took "));
    let turns = turns.filter_map(|(_, rest)| rest.split_once(" ms"));
    let slow: Vec<&str> = turns.map(|(took, _)| took).collect();
    println!("slow turns, in milliseconds: {slow:?}");
    let too_slow = |took: &&str| took.parse::<u64>().is_ok_and(|took| took > 1_000);
    assert!(!slow.iter().any(too_slow), "{log}");
    community.all_well();
}
