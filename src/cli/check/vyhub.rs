//! VyHub: whether its API is there, takes the key, and knows the servers.

use std::path::Path;

use super::Report;
use crate::config::{Config, Vyhub};
use crate::io::admins_file;
use crate::io::http;
use crate::limits::CHECK_CLOCK_S_MAX;
use crate::protocol::uuid::Uuid;
use crate::protocol::vyhub::{Failure, Outcome, Reply, Request, Server};

/// Servers of these types have players that VyHub knows by their SteamIDs.
const STEAM_TYPES: [&str; 3] = ["SOURCE", "GMOD", "RUST"];

/// `ask` makes one request and waits for its result; `now_s` is our clock.
pub(super) fn check(
    config: &Config,
    now_s: i64,
    ask: &mut dyn FnMut(&Vyhub, Request) -> Outcome,
    report: &mut Report<'_>,
) {
    let Some(community) = &config.community else {
        return;
    };
    let Some(vyhub) = community.vyhub() else {
        return;
    };
    if let Some(name) = http::unused_proxy(vyhub) {
        report.warn(format!("VyHub: {}", http::proxy_warning(name)));
    }
    if let Some(path) = &community.admins_file {
        sourcemod(path, report);
    }
    let mut ask = |request| ask(vyhub, request);
    let ids: Vec<Uuid> = config
        .servers
        .iter()
        .filter_map(|it| it.community_id)
        .collect();
    let reached = ask(Request::reachable());
    if !reachable(&vyhub.api_url, &reached, now_s, report) {
        return;
    }
    for id in ids {
        match ask(Request::server(id)).result {
            Ok(Reply::Server(found)) => {
                server(&found, community.rewards.enabled, report);
                if let Some(bundle) = found.bundle {
                    of_bundle(&found, &ask(Request::bundle(bundle)), report);
                }
            }
            Ok(_) => report.bad(
                format!("VyHub: its reply for the server {id} is not a server"),
                "compare api_url with the address of the API in VyHub",
            ),
            // The key is the same for all servers.
            Err(failure) => {
                if !unknown(id, &failure, report) {
                    return;
                }
            }
        }
    }
}

/// Whether vpid can keep its block in SourceMod's file.
pub(super) fn sourcemod(path: &Path, report: &mut Report<'_>) {
    match admins_file::check(path) {
        Ok(()) => report.ok(format!("SourceMod: {} can be written", path.display())),
        Err(why) => {
            let remedy = "name SourceMod's own file with admins_simple, which vpid's user must be able to write, and \
                          whose owner must be that user";
            report.bad(format!("SourceMod: {why}"), remedy);
        }
    }
}

/// Whether it makes sense to go on.
fn reachable(api_url: &str, outcome: &Outcome, now_s: i64, report: &mut Report<'_>) -> bool {
    let at = format!("VyHub: {api_url}");
    match &outcome.result {
        Ok(_) => report.ok(format!("{at} replies")),
        Err(Failure::Unreachable(problem)) => {
            let remedy = "correct api_url, or make it reachable from this machine; until then \
                          vpid works with its cache";
            report.bad(format!("{at} is unreachable: {problem}"), remedy);
            return false;
        }
        Err(Failure::Unclear(problem)) => {
            let remedy = "try again; if the problem remains, correct api_url";
            report.bad(format!("{at} sends no valid reply: {problem}"), remedy);
            return false;
        }
        Err(Failure::Status { code, detail, .. }) => {
            let said = format!("{at} replies {code}{}", words(detail.as_deref()));
            if *code == 429 || *code >= 500 {
                report.warn(format!(
                    "{said}: it is reachable but does not work now; vpid retries by itself"
                ));
            } else {
                let remedy = "correct api_url: it is the address of the API, https://.../NAME/v1, not that \
                              of the pages";
                report.bad(said, remedy);
            }
            return false;
        }
    }
    if let Some(api_s) = outcome.api_s
        && api_s.abs_diff(now_s) > CHECK_CLOCK_S_MAX
    {
        report.warn(format!(
            "VyHub: its clock and this machine's are {} s apart, and bans end by this machine's; synchronize \
             the clock with NTP",
            api_s.abs_diff(now_s)
        ));
    }
    true
}

fn server(server: &Server, has_rewards: bool, report: &mut Report<'_>) {
    let (name, id, kind) = (&server.name, server.id, &server.kind);
    report.ok(format!(
        "VyHub: the key is valid; it knows the server {name} ({id})"
    ));
    if !kind.is_empty() && !STEAM_TYPES.contains(&kind.as_str()) {
        report.warn(format!(
            "VyHub: the server {name} has the type {kind} there, but TF2 identifies players by their \
             SteamIDs; give it the type GMOD"
        ));
    }
    if kind == "SOURCE" && has_rewards {
        report.warn(format!(
            "VyHub: the server {name} has the type SOURCE there, so vpid executes no rewards: VyHub executes \
             them itself by RCON, and all would run twice. Give it the type GMOD, or set `enabled = false` in \
             [vyhub.rewards]"
        ));
    }
    if server.bundle.is_none() {
        report.bad(
            format!("VyHub: the server {name} is in no bundle"),
            "add it to one: bans and warnings belong to bundles",
        );
    }
}

fn of_bundle(server: &Server, outcome: &Outcome, report: &mut Report<'_>) {
    let name = &server.name;
    match &outcome.result {
        Ok(Reply::Bundle(bundle)) => report.ok(format!(
            "VyHub: the server {name} is in the bundle {}",
            bundle.name
        )),
        Ok(_) => report.warn(format!("VyHub: the bundle of {name} cannot be read")),
        Err(failure) => report.warn(format!(
            "VyHub: the bundle of {name} cannot be read: {}",
            sentence(failure)
        )),
    }
}

/// Whether another server may fare better.
fn unknown(id: Uuid, failure: &Failure, report: &mut Report<'_>) -> bool {
    let why = sentence(failure);
    match failure {
        Failure::Status { code: 401, .. } => {
            let remedy = "copy the key of the server into api_key_file again";
            report.bad(format!("VyHub: the key is not valid: {why}"), remedy);
            false
        }
        Failure::Status { code: 403, .. } => {
            let remedy = "give the key the rights of a server, with user_morph among them";
            report.bad(format!("VyHub: the key lacks a right: {why}"), remedy);
            false
        }
        Failure::Status {
            code: 404 | 422, ..
        } => {
            let remedy = "copy its id from VyHub into vyhub_server_id";
            report.bad(format!("VyHub: it knows no server {id}: {why}"), remedy);
            true
        }
        _ => {
            report.warn(format!(
                "VyHub: it is unknown whether it knows the server {id}: {why}"
            ));
            true
        }
    }
}

fn sentence(failure: &Failure) -> String {
    match failure {
        Failure::Unreachable(problem) | Failure::Unclear(problem) => problem.clone(),
        Failure::Status { code, detail, .. } => {
            format!("it replies {code}{}", words(detail.as_deref()))
        }
    }
}

fn words(detail: Option<&str>) -> String {
    detail.map_or(String::new(), |detail| format!(" ({detail})"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::reported;
    use super::*;
    use crate::config;
    use crate::protocol::vyhub::Bundle;

    const ID: &str = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";
    const NOW_S: i64 = 1_795_262_400;

    fn id(text: &str) -> Uuid {
        text.parse().unwrap()
    }

    fn other() -> String {
        ID.replace("0a1b", "ffff")
    }

    #[test]
    fn sourcemods_file_is_looked_at() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("admins_simple.ini");
        let look = || reported(|report| sourcemod(&path, report));
        assert!(look().1.contains("could not be read"), "{:?}", look());
        std::fs::write(&path, "").unwrap();
        assert!(look().1.contains("can be written"), "{:?}", look());
        std::fs::write(&path, format!("{}\n", crate::protocol::admins_file::BEGIN)).unwrap();
        assert!(
            look().1.contains("write that behind the players"),
            "{:?}",
            look()
        );
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
    }

    fn config(ids: &[&str]) -> Config {
        let mut text = "[vyhub]\napi_url = 'https://h/v1'\napi_key = 'geheim'\n".to_owned();
        for id in ids {
            text += &format!(
                "[[server]]\nscriptdata = '/{id}'\nkey = '{}'\nvyhub_server_id = '{id}'\n",
                "k".repeat(32)
            );
        }
        config::parse(&text, std::path::Path::new("/"), |_| None).unwrap()
    }

    fn good(path: &str) -> Result<Reply, Failure> {
        let server = |kind: &str, bundle| Server {
            id: id(ID),
            name: "Mine".into(),
            kind: kind.into(),
            bundle,
            extra: serde_json::Value::Null,
        };
        Ok(match path {
            "/openapi.json" => Reply::Nothing,
            path if path.starts_with("/server/bundle/") => Reply::Bundle(Bundle {
                id: id(ID),
                name: "All".into(),
                multigroup: false,
            }),
            path if path.ends_with(ID) => Reply::Server(server("GMOD", Some(id(ID)))),
            _ => Reply::Server(server("DISCORD", None)),
        })
    }

    fn status(code: u16, detail: Option<&str>) -> Failure {
        Failure::Status {
            code,
            retry_after_s: None,
            detail: detail.map(str::to_owned),
        }
    }

    /// The report when everything goes well but a path that ends so; and the requests.
    fn with(config: &Config, path: &str, failure: Failure) -> (String, usize) {
        let mut asked = 0;
        let (_, said) = reported(|report| {
            let mut ask = |_: &Vyhub, request: Request| {
                asked += 1;
                let result = match request.path.ends_with(path) {
                    true => Err(failure.clone()),
                    false => good(&request.path),
                };
                let api_s = Some(NOW_S + 100);
                Outcome { result, api_s }
            };
            check(config, NOW_S, &mut ask, report);
        });
        assert!(!said.contains("geheim"), "{said}");
        (said, asked)
    }

    #[test]
    fn a_server_that_vyhub_knows_is_reported_with_its_bundle() {
        let (said, asked) = with(&config(&[ID]), "nothing", status(500, None));
        let expected = format!(
            "ok    VyHub: https://h/v1 replies\n\
             ok    VyHub: the key is valid; it knows the server Mine ({ID})\n\
             ok    VyHub: the server Mine is in the bundle All\n"
        );
        assert_eq!((said, asked), (expected, 3));
        let (said, _) = with(&config(&[&other()]), "nothing", status(500, None));
        assert!(
            said.contains("warn  VyHub: the server Mine has the type DISCORD"),
            "{said}"
        );
        assert!(
            said.contains("bad   VyHub: the server Mine is in no bundle"),
            "{said}"
        );
    }

    #[test]
    fn a_server_whose_rewards_vyhub_executes_is_reported_unless_rewards_are_off() {
        let found = Server {
            id: id(ID),
            name: "Mine".into(),
            kind: "SOURCE".into(),
            bundle: Some(id(ID)),
            extra: serde_json::Value::Null,
        };
        let said = |enabled| reported(|report| server(&found, enabled, report)).1;
        assert!(said(true).contains("vpid executes no rewards"));
        assert!(!said(false).contains("rewards"));
    }

    #[test]
    fn nothing_more_is_asked_of_an_api_that_is_not_there() {
        let config = config(&[ID]);
        for (failure, expected) in [
            (
                Failure::Unreachable("x".into()),
                "bad   VyHub: https://h/v1 is unreachable: x",
            ),
            (
                Failure::Unclear("x".into()),
                "bad   VyHub: https://h/v1 sends no valid reply: x",
            ),
            (
                status(404, None),
                "bad   VyHub: https://h/v1 replies 404 — correct api_url",
            ),
            (
                status(307, None),
                "bad   VyHub: https://h/v1 replies 307 — correct api_url",
            ),
            (
                status(502, None),
                "warn  VyHub: https://h/v1 replies 502: it is reachable",
            ),
            (
                status(429, Some("slow")),
                "warn  VyHub: https://h/v1 replies 429 (slow): it",
            ),
        ] {
            let (said, asked) = with(&config, "/openapi.json", failure);
            assert!(said.starts_with(expected), "{said}");
            assert_eq!((said.lines().count(), asked), (1, 1), "{said}");
        }
    }

    #[test]
    fn a_bad_key_is_reported_once_and_an_unknown_server_each_time() {
        let two = config(&[&other(), ID]);
        for (code, expected, lines) in [
            (
                401,
                "bad   VyHub: the key is not valid: it replies 401 (no)",
                2,
            ),
            (
                403,
                "bad   VyHub: the key lacks a right: it replies 403 (no)",
                2,
            ),
            (404, "bad   VyHub: it knows no server ffff", 4),
            (422, "bad   VyHub: it knows no server ffff", 4),
            (
                500,
                "warn  VyHub: it is unknown whether it knows the server ffff",
                4,
            ),
        ] {
            let (said, _) = with(&two, &other(), status(code, Some("no")));
            let lines_of: Vec<_> = said.lines().collect();
            assert!(lines_of[1].starts_with(expected), "{said}");
            assert_eq!(lines_of.len(), lines, "{said}");
        }
    }

    #[test]
    fn a_clock_that_is_far_off_is_reported() {
        let of = |api_s| {
            let mut ask = |_: &Vyhub, request: Request| Outcome {
                result: good(&request.path),
                api_s,
            };
            reported(|report| check(&config(&[ID]), NOW_S, &mut ask, report)).1
        };
        for far in [NOW_S - 121, NOW_S + 3_600] {
            let said = of(Some(far));
            assert!(
                said.contains("warn  VyHub: its clock and this machine's are"),
                "{said}"
            );
        }
        for near in [None, Some(NOW_S - 120)] {
            assert!(!of(near).contains("clock"));
        }
        let none = config::parse(
            "[[server]]\nscriptdata = '/a'\nkey = '01234567890123456789012345678901'",
            std::path::Path::new("/"),
            |_| None,
        );
        let mut never = |_: &Vyhub, _: Request| panic!("VyHub is not configured");
        let (_, said) = reported(|report| check(&none.unwrap(), NOW_S, &mut never, report));
        assert_eq!(said, "");
    }
}
