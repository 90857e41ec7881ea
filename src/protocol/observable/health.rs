//! Whether vpid does what it is there for: what `vpid status --health` reports.

use super::{ObservableState, Server};
use crate::limits::HEALTH_UNSEEN_S;

/// What is wrong, as sentences; none: it is healthy.
pub fn problems(state: &ObservableState) -> Vec<String> {
    let mut problems = Vec::new();
    if state.stopping {
        problems.push("vpid is stopping".to_owned());
    }
    for server in &state.servers {
        problems.extend(of_server(server, state));
    }
    for database in &state.databases {
        if let Some(problem) = &database.problem {
            problems.push(problem.clone());
        }
    }
    if state.community.as_ref().is_some_and(|it| it.outbox_full) {
        problems.push(
            "the queue is full, and no ban or other change can be accepted: see `vpid queue list`"
                .to_owned(),
        );
    }
    problems
}

/// What is wrong with a server.
pub fn of_server(server: &Server, state: &ObservableState) -> Option<String> {
    let name = &server.name;
    if !server.folder_open {
        let folder = &server.scriptdata;
        return Some(format!(
            "{name}: {folder} is not there or cannot be read; see the log"
        ));
    }
    if let Some(problem) = &server.problem {
        return Some(format!("{name}: {problem}"));
    }
    let up_s = state.at_s - state.started_s;
    let is_unseen = server.seen_s.is_none() && !server.has_earlier_session;
    (is_unseen && up_s >= HEALTH_UNSEEN_S).then(|| {
        format!("{name}: nothing has come from it since vpid started; is the game running? see `vpid check`")
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Community, Database};
    use super::*;

    fn state(server: Server) -> ObservableState {
        ObservableState {
            at_s: 1_000 + HEALTH_UNSEEN_S,
            started_s: 1_000,
            servers: vec![server],
            community: Some(Community::default()),
            databases: vec![Database::default()],
            ..ObservableState::default()
        }
    }

    fn seen() -> Server {
        Server {
            name: "red".into(),
            folder_open: true,
            seen_s: Some(1_001),
            ..Server::default()
        }
    }

    #[test]
    fn what_is_seen_and_has_room_is_healthy() {
        assert_eq!(problems(&state(seen())), [""; 0]);
        let earlier = Server {
            seen_s: None,
            has_earlier_session: true,
            ..seen()
        };
        assert_eq!(problems(&state(earlier)), [""; 0]);
    }

    #[test]
    fn each_trouble_is_named() {
        let unseen = Server {
            seen_s: None,
            ..seen()
        };
        let mut young = state(unseen.clone());
        young.at_s -= 1;
        assert_eq!(problems(&young), [""; 0]);
        let closed = Server {
            folder_open: false,
            scriptdata: "/s".into(),
            ..seen()
        };
        let missed = Server {
            problem: Some("no message has come".into()),
            ..seen()
        };
        let mut stopping = state(seen());
        stopping.stopping = true;
        let mut full = state(seen());
        full.community = Some(Community {
            outbox_full: true,
            ..Community::default()
        });
        let mut away = state(seen());
        away.databases[0].problem = Some("the database x is away".into());
        for (state, words) in [
            (state(unseen), "red: nothing has come from it"),
            (state(closed), "red: /s is not there"),
            (state(missed), "red: no message has come"),
            (stopping, "is stopping"),
            (full, "the queue is full"),
            (away, "the database x is away"),
        ] {
            let found = problems(&state);
            assert!(found.len() == 1 && found[0].contains(words), "{found:?}");
        }
    }
}
