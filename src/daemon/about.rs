//! What an event or an effect is about, in a few words: for the ring of the last moments and for `vpid trace`. No
//! arguments, results and texts are among them.

use crate::core::ended::ShortName;
use crate::core::{
    Caller, Core, Effect, Event, HostId, OperatorRequest, ScriptAct, ScriptId, ScriptReport,
    ServerId, Timer,
};
use crate::jobs::store::Shelf;
use crate::protocol::signed::messages::Push;

/// Whose something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose<'a> {
    /// Of vpid as a whole.
    Vpid,
    /// Of the host of this name, which may not be known yet.
    Named(&'a str),
    Host(HostId),
    Server(ServerId),
    /// Of a Python script.
    Script(ScriptId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About<'a> {
    pub whose: Whose<'a>,
    /// A function, or what else there is.
    pub name: &'a str,
    pub bytes: usize,
}

impl<'a> About<'a> {
    fn new(whose: Whose<'a>, name: &'a str, bytes: usize) -> Self {
        Self { whose, name, bytes }
    }

    pub fn event(event: &'a Event) -> Self {
        use Whose::{Host, Named, Script, Server, Vpid};
        match event {
            Event::Restore(_)
            | Event::Configuration { .. }
            | Event::Start(_)
            | Event::StartScripts(_)
            | Event::Stop
            | Event::Watched(_)
            | Event::Tracing(_)
            | Event::CommunityChanged(_)
            | Event::Api(_)
            | Event::InterfacesEdited => Self::new(Vpid, "", 0),
            Event::Calls(file) => Self::new(Named(&file.host), "", file.bytes.len()),
            Event::Hello { file, .. }
            | Event::Signed { file, .. }
            | Event::SentFound { file, .. } => Self::new(Named(&file.host), "", file.bytes.len()),
            Event::Restart { host, .. } | Event::SignedCut { host, .. } => {
                Self::new(Named(host), "", 0)
            }
            Event::Input { host, .. }
            | Event::AnswersWritten { host, .. }
            | Event::SignedWritten { host, .. } => Self::new(Host(*host), "", 0),
            Event::SqlDone(done) => {
                let bytes = |outcome: &Result<String, _>| outcome.as_ref().map_or(0, String::len);
                Self::new(Vpid, "", done.iter().map(|it| bytes(&it.outcome)).sum())
            }
            Event::Rcon(done) => Self::new(
                Server(done.server),
                "",
                done.result.as_ref().map_or(0, String::len),
            ),
            Event::Logged { server, .. } => Self::new(Server(*server), "", 0),
            Event::Stored(_) => Self::new(Vpid, "", 0),
            Event::Operator { request, .. } => Self::new(Vpid, requested(request), 0),
            Event::Script { script, what, .. } => {
                let (name, bytes) = reported(what);
                Self::new(Script(*script), name, bytes)
            }
            Event::Located { request, .. } => Self::new(Script(request.script), "", 0),
            Event::Timer(timer) => Self::timer(*timer),
        }
    }

    pub fn effect(effect: &'a Effect) -> Self {
        use Whose::{Host, Script, Server, Vpid};
        match effect {
            Effect::Remember(_)
            | Effect::Remove { .. }
            | Effect::Reject { .. }
            | Effect::Note(_)
            | Effect::RemoveSigned { .. }
            | Effect::Pushed { .. }
            | Effect::Begun(_) => Self::new(Vpid, "", 0),
            Effect::Sql(job) => {
                let whose = match job.caller {
                    Caller::Host(host) => Host(host),
                    Caller::Script(script) => Script(script),
                    Caller::Operator => Vpid,
                };
                Self::new(whose, &job.function, 0)
            }
            Effect::WriteAnswers { host, answers } => {
                let bytes = answers.iter().map(|(token, text)| token.len() + text.len());
                Self::new(Host(*host), "", bytes.sum())
            }
            Effect::LookAtInput { host } | Effect::Heard { host, .. } => {
                Self::new(Host(*host), "", 0)
            }
            Effect::WriteSigned { text, of, .. } => {
                let whose = of.map_or(Vpid, |(host, _)| Host(host));
                Self::new(whose, "", text.len())
            }
            Effect::Rcon { server, job } => {
                // The rest may be a password, which may follow without a space: rcon_password"...".
                let ends = |c: char| !c.is_alphanumeric() && c != '_';
                let word = job.line.split(ends).next().unwrap_or_default();
                Self::new(Server(*server), word, job.line.len())
            }
            Effect::Api(job) => Self::new(Vpid, job.request.kind(), 0),
            Effect::Store(write) => Self::new(Vpid, shelf(write.shelf), 0),
            Effect::Script { script, act, .. } => {
                let (name, bytes) = acted(act);
                Self::new(Script(*script), name, bytes)
            }
            Effect::Locate { request, .. } => Self::new(Script(request.script), "", 0),
            Effect::SetTimer { timer, .. } | Effect::CancelTimer(timer) => Self::timer(*timer),
        }
    }

    fn timer(timer: Timer) -> Self {
        match timer {
            Timer::Answers(host) => Self::new(Whose::Host(host), "responses", 0),
            Timer::Link(host) => Self::new(Whose::Host(host), "link", 0),
            Timer::Silence(host) => Self::new(Whose::Host(host), "silence", 0),
            Timer::Deadlines => Self::new(Whose::Vpid, "deadlines", 0),
            Timer::Servers => Self::new(Whose::Vpid, "servers", 0),
            Timer::Vyhub => Self::new(Whose::Vpid, "community", 0),
            Timer::Scripts => Self::new(Whose::Vpid, "scripts", 0),
            Timer::Starts => Self::new(Whose::Vpid, "starts", 0),
        }
    }

    /// The host, and the name with that of the Python script before it, as the ring keeps them.
    pub fn short(&self, core: &Core) -> (ShortName, ShortName) {
        let name = || ShortName::new(self.name);
        match self.whose {
            Whose::Vpid => (ShortName::default(), name()),
            Whose::Named(host) => (ShortName::new(host), name()),
            Whose::Host(host) => {
                let host = core.host(host).map_or("", |(_, host)| host);
                (ShortName::new(host), name())
            }
            Whose::Server(server) => {
                let label = core.server_label(server).unwrap_or_default();
                (ShortName::new(label), name())
            }
            Whose::Script(script) => {
                let script = core.script_name(script).unwrap_or_default();
                let name = format!("{script} {}", self.name);
                (ShortName::default(), ShortName::new(name.trim()))
            }
        }
    }
}

fn requested(request: &OperatorRequest) -> &'static str {
    match request {
        OperatorRequest::Push { push, .. } | OperatorRequest::ToConsole { push, .. } => {
            match push {
                Push::Call { .. } => "call into a game",
                push => push.kind(),
            }
        }
        OperatorRequest::Queue(_) => "queue",
        OperatorRequest::Rewards(_) => "rewards",
        OperatorRequest::Script(_) => "script",
        OperatorRequest::Call(_) => "call",
    }
}

fn reported(what: &ScriptReport) -> (&'static str, usize) {
    match what {
        ScriptReport::Sent(lines) => ("sent", lines.iter().map(Vec::len).sum()),
        ScriptReport::Printed(lines) => {
            let bytes = lines.iter().map(|(_, line)| line.len());
            ("printed", bytes.sum())
        }
        ScriptReport::TooLong => ("too long", 0),
        ScriptReport::Ended(_) => ("ended", 0),
        ScriptReport::NotStarted { .. } => ("not started", 0),
        ScriptReport::Looked(_) => ("looked", 0),
    }
}

fn acted(act: &ScriptAct) -> (&'static str, usize) {
    match act {
        ScriptAct::Start(_) => ("start", 0),
        ScriptAct::Send(bytes) => ("send", bytes.len()),
        ScriptAct::Interrupt => ("interrupt", 0),
        ScriptAct::Kill => ("kill", 0),
        ScriptAct::Look(_) => ("look", 0),
    }
}

fn shelf(shelf: Shelf) -> &'static str {
    match shelf {
        Shelf::Outbox => "outbox",
        Shelf::Cache => "cache",
        Shelf::Admins => "admins",
        Shelf::Rewards => "rewards",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::rcon;

    #[test]
    fn of_a_line_for_the_console_the_first_word_is_told_and_no_password() {
        for (line, word) in [
            ("say hello", "say"),
            ("sv_logsecret\t5", "sv_logsecret"),
            ("rcon_password\"geheim\"", "rcon_password"),
            ("\"rcon_password\" \"geheim\"", ""),
        ] {
            let (ticket, line) = (1, line.to_owned());
            let is_urgent = false;
            let job = rcon::Job {
                ticket,
                line,
                is_urgent,
            };
            let server = ServerId(0);
            assert_eq!(About::effect(&Effect::Rcon { server, job }).name, word);
        }
    }
}
