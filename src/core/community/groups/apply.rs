//! What happens on a server when the groups of a player who is on it change: the owner's commands, a line for the
//! player, and a hook.
//!
//! That commands are about to run is recorded on disk before they do, and that groups are applied when they have.
//! What was begun and has no result runs once more, also after a crash: that is wrong less often than a right that no
//! command takes away. Commands wait while they cannot be recorded, while the game cannot be reached, and while the
//! game has not confirmed who the player is: else a script of a map could have another player's rights given away.

use std::collections::BTreeMap;

use serde_json::json;

use super::members::Names;
use super::{Groups, Ticket};
use crate::config;
use crate::core::community::Cx;
use crate::core::community::template::{About, Template, Values};
use crate::core::deadlines::Expiring;
use crate::core::servers::ServerId;
use crate::limits;
use crate::protocol::console::{Command, is_control};
use crate::protocol::log_targets::log_server;
use crate::protocol::steam_id::SteamId;

/// A player on a server.
pub type Place = (ServerId, SteamId);

#[derive(Default)]
pub struct Runs {
    pub commands: config::Groups,
    /// Whom to look at, and when.
    due: Expiring<Place, ()>,
    /// Commands under way.
    under_way: Expiring<Place, Run>,
    /// How often commands for a player have failed although the game could be reached.
    failed: BTreeMap<Place, (Names, u32)>,
    last: u64,
}

struct Run {
    number: u64,
    /// How many commands have no result yet.
    left: usize,
    /// Why one of them was not run.
    problem: Option<String>,
    /// What is applied then.
    names: Names,
}

/// The groups whose commands must run.
struct Difference {
    lost: Names,
    new: Names,
}

impl Difference {
    /// `begun`: those that may be applied, or not.
    fn new((before, begun): (&Names, &Names), names: &Names) -> Self {
        let may_be = before.union(begun);
        let is_doubtful = |name: &&String| begun.contains(*name) || !before.contains(*name);
        Self {
            lost: may_be.filter(|it| !names.contains(*it)).cloned().collect(),
            new: names.iter().filter(is_doubtful).cloned().collect(),
        }
    }

    fn all(&self) -> Names {
        self.lost.union(&self.new).cloned().collect()
    }
}

impl Runs {
    pub fn look_at(&mut self, place: Place, due_ms: u64) {
        self.due.insert(place, (), due_ms);
    }

    /// A player has left: what failed is tried again when they are back.
    pub fn forget(&mut self, place: Place) {
        self.failed.remove(&place);
    }

    /// What waits may be possible now.
    pub fn hurry(&mut self, now_ms: u64) {
        for (place, ()) in self.due.remove_where(|_, ()| true) {
            self.due.insert(place, (), now_ms);
        }
    }

    pub fn next_due(&self) -> Option<u64> {
        let dues = [self.due.next_due(), self.under_way.next_due()];
        dues.into_iter().flatten().min()
    }
}

impl Groups {
    pub fn apply_due(&mut self, cx: &mut Cx<'_>) {
        while let Some((place, run)) = self.runs.under_way.pop_due(cx.now.mono_ms) {
            self.not_run(place, run, "there is no result", cx);
        }
        while let Some((place, ())) = self.runs.due.pop_due(cx.now.mono_ms) {
            self.apply(place, cx);
        }
    }

    /// Compares what a player's groups are with what was applied.
    fn apply(&mut self, place: Place, cx: &mut Cx<'_>) {
        let (server, steam) = place;
        let Some((id, bundle)) = cx
            .records
            .get(server)
            .and_then(|it| Some((it.id, it.bundle()?.id)))
        else {
            return;
        };
        let Some(userid) = userid_of(place, cx) else {
            return drop(self.runs.failed.remove(&place));
        };
        let key = (steam, bundle);
        let names = match self.members.names(key, cx.time_s()) {
            Some(names) => names,
            // They are known, and there are none.
            None if cx.directory.is_current(steam, bundle) => Names::new(),
            None => return,
        };
        let before = self.members.applied(steam, id);
        let begun = self.members.begun(steam, id);
        let difference = Difference::new((&before, &begun), &names);
        let is_none = difference.lost.is_empty() && difference.new.is_empty();
        if is_none || self.runs.under_way.contains(place) {
            return;
        }
        if let Some(game) = cx
            .servers
            .get_mut(server)
            .filter(|it| !it.may_act_on(userid, cx.now))
        {
            game.roster.want_status();
            return self
                .runs
                .look_at(place, cx.now.mono_ms + limits::GROUP_AGAIN_MS);
        }
        let given_up = self.runs.failed.get(&place);
        if given_up.is_some_and(|(of, count)| *of == names && *count >= limits::GROUP_TRIES_MAX) {
            return;
        }
        let commands = self.commands(place, userid, &difference, cx);
        if commands.is_empty() {
            return self.applied(place, names, cx);
        }
        if !cx.servers.is_within_reach(server) {
            return self
                .runs
                .look_at(place, cx.now.mono_ms + limits::GROUP_AGAIN_MS);
        }
        // They are looked at again when that is on disk.
        if (self.members).begin(key, id, &difference.all(), cx.time_s()) {
            self.run(place, names, commands, cx);
        }
    }

    /// The commands of the groups that a player has lost, and of those that are new.
    fn commands(
        &self,
        place: Place,
        userid: i64,
        difference: &Difference,
        cx: &Cx<'_>,
    ) -> Vec<Command> {
        let (server, steam) = place;
        let game = cx.servers.get(server);
        let person = game.and_then(|game| game.roster.person(userid));
        let name = person.map_or("", |person| &person.name);
        let mut values = cx.values(
            server,
            &About {
                user: cx.directory.user(steam).map(|user| user.id),
                steam,
                // A name that no command can carry must not keep a player in a lost group.
                name: &name.replace(is_control, " "),
                userid: Some(userid),
            },
        );
        let of = |name: &String| self.runs.commands.get(name);
        let lost = difference.lost.iter();
        let lost = lost.filter_map(|name| Some((name, &of(name)?.on_remove)));
        let new = difference.new.iter();
        let new = new.filter_map(|name| Some((name, &of(name)?.on_add)));
        let mut commands = Vec::new();
        for (name, templates) in lost.chain(new) {
            values.insert("group", name.clone());
            for template in templates {
                commands.extend(filled(template, &values, name, steam));
            }
        }
        commands
    }

    fn run(&mut self, place: Place, names: Names, commands: Vec<Command>, cx: &mut Cx<'_>) {
        self.runs.last += 1;
        let number = self.runs.last;
        let mut run = Run {
            number,
            left: 0,
            problem: None,
            names,
        };
        for command in commands {
            let ticket = super::super::Ticket::Groups(Ticket::Command(place.0, place.1, number));
            match cx.command(place.0, command, ticket) {
                Ok(()) => run.left += 1,
                Err(why) => run.problem = Some(why.to_string()),
            }
        }
        match run.left {
            0 => self.not_run(place, run, "", cx),
            _ => {
                let due_ms = cx.now.mono_ms + limits::GROUP_COMMANDS_MS;
                self.runs.under_way.insert(place, run, due_ms);
            }
        }
    }

    /// A command was run, or not.
    pub fn command_done(
        &mut self,
        place: Place,
        number: u64,
        result: Result<(), String>,
        cx: &mut Cx<'_>,
    ) {
        let run = self.runs.under_way.get_mut(place);
        let Some(run) = run.filter(|run| run.number == number) else {
            return;
        };
        run.left -= 1;
        if let Err(why) = result {
            run.problem = Some(why);
        }
        if run.left > 0 {
            return;
        }
        let Some(run) = self.runs.under_way.remove(place) else {
            return;
        };
        match run.problem {
            None => self.applied(place, run.names, cx),
            Some(_) => self.not_run(place, run, "", cx),
        }
    }

    /// Commands were not run, as far as is known: they are run once more, all of them.
    fn not_run(&mut self, place: Place, run: Run, why: &str, cx: &mut Cx<'_>) {
        let why = run.problem.as_deref().unwrap_or(why).to_owned();
        let label = cx.label(place.0);
        let steam = place.1;
        if cx.servers.is_within_reach(place.0) {
            let failed = self.runs.failed.entry(place).or_default();
            if failed.0 != run.names {
                *failed = (run.names, 0);
            }
            failed.1 += 1;
            match failed.1 {
                limits::GROUP_TRIES_MAX => log_server!(
                    error,
                    label,
                    "the commands for the groups of {steam} were not run ({why}); they are not retried \
                     until the groups change, the player returns or vpid restarts"
                ),
                _ => log_server!(
                    warn,
                    label,
                    "the commands for the groups of {steam} were not run ({why}); they are tried again"
                ),
            }
        }
        self.runs
            .look_at(place, cx.now.mono_ms + limits::GROUP_AGAIN_MS);
    }

    /// A player's groups are in force on a server.
    fn applied(&mut self, place: Place, names: Names, cx: &mut Cx<'_>) {
        let (server, steam) = place;
        self.runs.failed.remove(&place);
        let Some((id, bundle)) = cx
            .records
            .get(server)
            .and_then(|it| Some((it.id, it.bundle()?.id)))
        else {
            return;
        };
        let before = self.members.applied(steam, id);
        let begun = self.members.begun(steam, id);
        let now_s = cx.time_s();
        self.members
            .set_applied((steam, bundle), id, names.clone(), now_s);
        // They may have changed while the commands ran.
        self.runs.look_at(place, cx.now.mono_ms);
        let Difference { lost, new } = Difference::new((&before, &begun), &names);
        log_server!(
            info,
            cx.label(server),
            "the groups of {steam} are {names:?} now, and were {before:?}"
        );
        let Some(userid) = userid_of(place, cx) else {
            return;
        };
        let lines = lost.iter().map(|name| ("group_removed", name));
        for (key, name) in lines.chain(new.iter().map(|name| ("group_added", name))) {
            let text = cx.words.chat(key, &[("group", name)]);
            cx.say(Some(server), steam, &text);
        }
        let game = cx.servers.get(server);
        let person = game.and_then(|game| game.roster.person(userid));
        let data = json!({
            "userid": userid,
            "id": steam,
            "name": person.map(|person| &person.name),
            "groups": names,
            "added": new,
            "removed": lost,
        });
        cx.hook(server, "vyhub_ply_groups_changed", data);
    }
}

fn userid_of((server, steam): Place, cx: &Cx<'_>) -> Option<i64> {
    let mut places = cx.servers.find(steam);
    let (_, userid) = places.find(|(at, _)| *at == server)?;
    Some(userid)
}

/// The commands of a template. What cannot be carried is left out, with a sentence.
fn filled(template: &Template, values: &Values, group: &str, steam: SteamId) -> Vec<Command> {
    match template.fill(values) {
        Ok(filled) => {
            for place in filled.unknown {
                log::warn!(
                    "a command of the group {group:?} has %{place}%, which vpid does not know"
                );
            }
            filled.text
        }
        Err(why) => {
            log::error!("a command of the group {group:?} is not run for {steam}: {why}");
            Vec::new()
        }
    }
}
