//! A community with VyHub: new players are registered, banned ones are kicked, an admin bans
//! while VyHub is unreachable, and what a player buys is executed once.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::PATIENCE;
use super::community::{ADMINS_FILE, ANA, BOB, CARL, Community, MALLORY, MAP, OWN_ADMINS, Person};
use super::signed_act::Crowd;
use super::stage::Stage;
use super::{Failure, Outcome};
use crate::io::control;
use crate::protocol::control::{QueueRequest, Request, RewardsRequest};

/// A banned player is to be gone within this time, also on a busy machine. One that is overlooked at first is found
/// much later.
const KICK_MAX: Duration = Duration::from_secs(5);
/// How late the console replies at a moment that is meant to be the wrong one.
const LATE_REPLY: Duration = Duration::from_secs(2);
/// For how long VIP is bought.
const VIP_TIME: Duration = Duration::from_secs(30 * 86_400);
const BAN: &str = "!ban Bob 2h aimbot; quit";
const REASON: &str = "aimbot; quit";

/// The stage, who plays on it, and the community around.
struct Scene<'a, 's> {
    stage: &'a mut Stage<'s>,
    community: &'a mut Community,
    crowd: Crowd,
    ana: i32,
}

pub fn play(stage: &mut Stage<'_>, community: &mut Community) -> Outcome {
    let crowd = Crowd::start(stage, community)?;
    let mut scene = Scene {
        stage,
        community,
        crowd,
        ana: 0,
    };
    let bob = scene.newcomers()?;
    scene.state()?;
    scene.banned_on_sight()?;
    scene.away(bob)?;
    scene.killed()?;
    scene.back()?;
    scene.purchase()?;
    scene.unclear_purchase()?;
    let Scene {
        stage,
        community,
        crowd,
        ..
    } = scene;
    let wrong = community.vyhub.violations();
    if !wrong.is_empty() {
        return Failure::unexpected(format!(
            "VyHub got requests that its API does not take: {wrong:?}"
        ));
    }
    crowd.end(stage, community)
}

impl Scene<'_, '_> {
    /// Waits while the game goes on.
    fn soon<T>(
        &mut self,
        what: &str,
        mut look: impl FnMut(&Community, &Crowd) -> Option<T>,
    ) -> Outcome<T> {
        let Self {
            stage,
            community,
            crowd,
            ..
        } = self;
        stage.until(what, |_| {
            let found = look(community, crowd);
            if found.is_none() {
                crowd.goes_on();
            }
            Ok(found)
        })
    }

    fn newcomers(&mut self) -> Outcome<i32> {
        self.community
            .log(&format!("Started map \"{MAP}\" (CRC \"1\")"))?;
        let began = Instant::now();
        self.ana = self.crowd.join(self.community, ANA)?;
        let bob = self.crowd.join(self.community, BOB)?;
        self.soon("Bob's user in VyHub", |community, _| community.user(BOB))?;
        let took = began.elapsed();
        self.stage.step(
            "a new player",
            "Ana, an admin, and Bob join; Bob has never been here",
        )?;
        self.stage.outcome("VyHub has a user for Bob", Some(took))?;
        // What Ana may do must be known here before VyHub goes away.
        let rights = self.stage.path().join("state/vyhub/rights.json");
        let ana = ANA.steam64().to_string();
        self.soon("Ana's rights on disk", |_, _| {
            let kept = fs::read_to_string(&rights).unwrap_or_default();
            kept.contains(&ana).then_some(())
        })?;
        Ok(bob)
    }

    /// The last status that VyHub got has both players.
    fn state(&mut self) -> Outcome {
        let state = self.soon("the status in VyHub", |community, _| {
            let state = community.vyhub.last_status()?;
            (state["users_current"] == json!(2)).then_some(state)
        })?;
        let activities = state["user_activities"].as_array();
        let named = |who: Person| {
            let mut names = activities.into_iter().flatten();
            names.any(|user| user["extra"]["Nickname"] == json!(who.name))
        };
        if state["map"] != json!(MAP) || state["is_alive"] != json!(true) {
            return Failure::unexpected(format!("the status is {state}"));
        }
        // Bob was made a user at the same time, so he may be named by the next status only.
        if !named(ANA) {
            return Failure::unexpected(format!("the status does not name Ana: {state}"));
        }
        self.stage.step(
            "status",
            "a second after the map began, and then each minute",
        )?;
        let status = format!(
            "VyHub knows: {} on {MAP}, alive, and how each player does",
            state["users_current"]
        );
        self.stage.outcome(&status, None)
    }

    /// Joins with a banned player; gives the reason of the kick, and how soon it came.
    fn turned_away(&mut self, who: Person) -> Outcome<(String, Duration)> {
        let began = Instant::now();
        let userid = self.crowd.join(self.community, who)?;
        let (reason, took) = self.kick_of(who, userid, began)?;
        if took > KICK_MAX {
            let took = took.as_millis();
            return Failure::unexpected(format!("{} was kicked after {took} ms only", who.name));
        }
        Ok((reason, took))
    }

    fn kick_of(&mut self, who: Person, userid: i32, began: Instant) -> Outcome<(String, Duration)> {
        let what = format!("the kick of {}", who.name);
        let reason = self.soon(&what, |community, _| community.kicked(userid))?;
        let took = began.elapsed();
        self.crowd.left(self.community, who, userid)?;
        // However hostile its words: a kick is one command, and the only one.
        let ran = self.community.console.ran();
        let foreign = ran.iter().find(|command| {
            let name = command.first().map(String::as_str);
            !matches!(
                name,
                Some(
                    "status"
                        | "sv_visiblemaxplayers"
                        | "kickid"
                        | "say"
                        | "script"
                        | "sm_reloadadmins"
                )
            )
        });
        match foreign {
            Some(command) => Failure::unexpected(format!("the console has run {command:?}")),
            None => Ok((reason, took)),
        }
    }

    fn banned_on_sight(&mut self) -> Outcome {
        let (reason, took) = self.turned_away(MALLORY)?;
        if !reason.contains("sold items") {
            return Failure::unexpected(format!("Mallory was kicked with the words {reason:?}"));
        }
        self.stage
            .step("a banned player", "Mallory, who is banned in VyHub, joins")?;
        self.stage.outcome(&format!("kicked: {reason}"), Some(took))
    }

    fn away(&mut self, bob: i32) -> Outcome {
        self.community.vyhub.pause();
        self.stage.step(
            "!ban",
            &format!("VyHub's API goes down. Ana writes into the chat: {BAN}"),
        )?;
        let began = Instant::now();
        self.community.chat(ANA, self.ana, BAN)?;
        let (reason, took) = self.kick_of(BOB, bob, began)?;
        if !reason.contains(REASON) || !reason.contains(ANA.name) {
            return Failure::unexpected(format!("Bob was kicked with the words {reason:?}"));
        }
        let entry = self.only_entry()?;
        let wanted = [("kind", "ban"), ("state", "waiting")];
        let is = |(key, value): (&str, &str)| entry[key].as_str() == Some(value);
        // It may be on its way just now.
        if !is(wanted[0]) || !(is(wanted[1]) || is(("state", "sending"))) {
            return Failure::unexpected(format!("the queue has {entry}"));
        }
        self.stage
            .outcome("on disk first; then Bob is kicked", Some(took))?;
        let ana = self.ana;
        self.soon("the text to Ana", |community, crowd| {
            let shown =
                crowd.was_shown(community, ana, "VyHub is unreachable and will get it later");
            shown.then_some(())
        })?;
        self.stage
            .outcome("Ana reads that VyHub gets the ban later", None)?;
        let (_, took) = self.turned_away(BOB)?;
        self.stage.step("staying out", "Bob tries again")?;
        self.stage.outcome("kicked", Some(took))
    }

    /// What stands in the queue, as `vpid queue list` shows it.
    fn only_entry(&self) -> Outcome<Value> {
        let queue = self.queue()?;
        match queue.as_slice() {
            [entry] => Ok(entry.clone()),
            others => Failure::unexpected(format!(
                "the queue should have one entry, and has {others:?}"
            )),
        }
    }

    fn queue(&self) -> Outcome<Vec<Value>> {
        let request = Request::Queue(QueueRequest::List);
        let mut reply = control::ask(&self.stage.path().join("state"), &request, PATIENCE)?;
        match reply["queue"].take() {
            Value::Array(queue) => Ok(queue),
            other => Failure::unexpected(format!("the queue is {other}")),
        }
    }

    fn killed(&mut self) -> Outcome {
        self.stage.step(
            "kill -9",
            "the daemon is killed and started again; VyHub is still unreachable; Bob tries again",
        )?;
        self.stage.kill_daemon()?;
        let files = entries_in(&self.stage.path().join("state/outbox"));
        if files != 1 {
            return Failure::unexpected(format!(
                "state/outbox should have one entry, and has {files}"
            ));
        }
        self.stage.start_daemon()?;
        let began = Instant::now();
        let bob = self.crowd.join(self.community, BOB)?;
        let (reason, took) = self.kick_of(BOB, bob, began)?;
        if !reason.contains(REASON) {
            return Failure::unexpected(format!("Bob was kicked with the words {reason:?}"));
        }
        self.stage.outcome(
            "kicked, by what was on disk: bans, rights, queue",
            Some(took),
        )
    }

    fn back(&mut self) -> Outcome {
        self.stage.step(
            "recovery",
            "VyHub's API is reachable again; the operator does nothing",
        )?;
        let before = self.community.vyhub.bans_of(BOB.steam64()).len();
        if before != 0 {
            return Failure::unexpected(format!(
                "VyHub had {before} bans of Bob before it was reachable"
            ));
        }
        let began = Instant::now();
        self.community.vyhub.resume();
        let bans = |community: &Community| community.vyhub.bans_of(BOB.steam64());
        // vpid tries again a few seconds after VyHub was found to be unreachable, and later each time.
        self.soon("the ban in VyHub", |community, _| {
            (!bans(community).is_empty()).then_some(())
        })?;
        let took = began.elapsed();
        // An entry goes when the list that VyHub gives holds what it did.
        let outbox = self.stage.path().join("state/outbox");
        self.soon("the end of the queue", |_, _| {
            (entries_in(&outbox) == 0).then_some(())
        })?;
        let ana = self.community.user(ANA);
        let stands = bans(self.community);
        let one = match stands.as_slice() {
            [ban] => ban,
            others => {
                return Failure::unexpected(format!("Bob has {} bans in VyHub", others.len()));
            }
        };
        let right = one.creator == ana && one.length_s == Some(7_200.0) && one.status == "ACTIVE";
        if !right || one.reason.as_deref() != Some(REASON) {
            return Failure::unexpected(format!("the ban in VyHub is {one:?}"));
        }
        let said = "the ban stands there, once: by Ana, 2 hours, aimbot; quit";
        self.stage.outcome(said, Some(took))?;
        let (reason, took) = self.turned_away(BOB)?;
        let id = one.id.split('-').next().unwrap_or_default();
        if !reason.contains(id) {
            return Failure::unexpected(format!("Bob was kicked with the words {reason:?}"));
        }
        self.stage
            .outcome(&format!("Bob tries again. Kicked: {reason}"), Some(took))
    }

    /// How often the console has run this command for Carl.
    fn ran(community: &Community, command: &str) -> usize {
        let steam = CARL.steam64().to_string();
        let ran = community.console.ran();
        let is_it = |ran: &&Vec<String>| ran.starts_with(&[command.to_owned(), steam.clone()]);
        ran.iter().filter(is_it).count()
    }

    /// Waits until VyHub knows that a reward was executed.
    fn reported(&mut self, reward: &str) -> Outcome {
        let reward = reward.to_owned();
        self.soon("the report in VyHub", move |community, _| {
            let executed_on = community.vyhub.reward(&reward).executed_on;
            (executed_on == [community.vyhub.server_id()]).then_some(())
        })
    }

    /// It puts Carl into a group for a time, and has a reward.
    fn purchase(&mut self) -> Outcome {
        let vyhub = &self.community.vyhub;
        let carl = vyhub.add_user(CARL.steam64(), CARL.name, false);
        let reward = vyhub.add_reward(&carl, "DIRECT", "sm_addcoins \"%steamid64%\" 500");
        vyhub.put_in_group_for(&carl, &self.community.vips, VIP_TIME);
        self.stage.step(
            "a purchase",
            "Carl has bought VIP with 500 coins in VyHub's shop, and joins",
        )?;
        let began = Instant::now();
        let userid = self.crowd.join(self.community, CARL)?;
        self.soon("Carl's VIP", |community, _| {
            (Self::ran(community, "sm_addvip") > 0).then_some(())
        })?;
        let took = began.elapsed();
        let admins = self.stage.path().join(ADMINS_FILE);
        let line = format!("\"{}\" \"@VIP\"", CARL.steam2());
        self.soon("Carl in SourceMod's file", |community, _| {
            let text = fs::read_to_string(&admins).unwrap_or_default();
            let is_whole = text.starts_with(OWN_ADMINS) && text.contains(&line);
            let mut ran = community.console.ran().into_iter();
            let reloaded = ran.any(|command| command == ["sm_reloadadmins"]);
            (is_whole && reloaded).then_some(())
        })?;
        self.stage.outcome(
            "VIP by `sm_addvip`, and in SourceMod's admins_simple.ini",
            Some(took),
        )?;
        self.reported(&reward)?;
        match Self::ran(self.community, "sm_addcoins") {
            1 => self
                .stage
                .outcome("500 coins by `sm_addcoins`, and VyHub knows", None)?,
            times => return Failure::unexpected(format!("coins were given {times} times")),
        }
        self.community.console.leave(userid);
        self.crowd.left(self.community, CARL, userid)
    }

    /// vpid is killed after the command ran, and before the console has replied.
    fn unclear_purchase(&mut self) -> Outcome {
        let vyhub = &self.community.vyhub;
        let carl = self.community.user(CARL).unwrap_or_default();
        let reward = vyhub.add_reward(&carl, "DIRECT", "sm_addhat \"%steamid64%\"");
        self.community.console.delay("sm_addhat", LATE_REPLY);
        self.stage.step(
            "a bad moment",
            "Carl has bought a hat; kill -9 while the console runs the command",
        )?;
        self.crowd.join(self.community, CARL)?;
        self.soon("Carl's hat", |community, _| {
            (Self::ran(community, "sm_addhat") > 0).then_some(())
        })?;
        self.stage.kill_daemon()?;
        self.stage.start_daemon()?;
        let state = self.stage.path().join("state");
        let ask = |request| control::ask(&state, &Request::Rewards(request), PATIENCE);
        let unclear = self.soon("the unclear reward", |_, _| {
            // The daemon may not have begun to listen.
            let reply = ask(RewardsRequest::List).ok()?;
            let mut listed = reply["rewards"].as_array()?.iter();
            let found = listed.find(|it| it["id"].as_str() == Some(&reward))?;
            Some(found["state"].clone())
        })?;
        if unclear != "unclear" || Self::ran(self.community, "sm_addhat") != 1 {
            return Failure::unexpected(format!("the reward is {unclear} after the kill"));
        }
        self.stage
            .outcome("not repeated: `vpid rewards list` has it as unclear", None)?;
        ask(RewardsRequest::Skip { id: reward.clone() })?;
        self.reported(&reward)?;
        match Self::ran(self.community, "sm_addhat") {
            1 => self
                .stage
                .outcome("the operator sees the hat, and skips it: VyHub knows", None),
            times => Failure::unexpected(format!("the hat was given {times} times")),
        }
    }
}

/// Entries of the queue on disk; a write that a kill has interrupted leaves a file of another name.
fn entries_in(outbox: &Path) -> usize {
    let entries = fs::read_dir(outbox).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name());
    names
        .filter(|name| name.as_encoded_bytes().ends_with(b".json"))
        .count()
}
