//! Whether a request is one that VyHub would take, as strictly as its definition reads.

use serde_json::Value;

use crate::answer::Answer;
use crate::call::Call;
use crate::http::Received;
use crate::routes::{Found, Name, Operation, find};
use crate::schema::{Problem, check_query, check_record, is_steam64, is_uuid};
use crate::state::State;

/// Below which all paths are.
pub const BASE: &str = "/test/v1";

/// Answers a request that was received whole.
pub fn answer(state: &mut State, received: &Received, host: &str) -> Answer {
    let label = format!("{} {}", received.method, received.target);
    if let Some(why) = &received.malformed {
        state.violation("not HTTP", why);
        return Answer::sentence(400, "Invalid HTTP request received.");
    }
    let around = around(state, received, host);
    if !around.is_empty() {
        around.iter().for_each(|what| state.violation(&label, what));
        return Answer::sentence(400, &around.join("; "));
    }
    let (path, query) = received
        .target
        .split_once('?')
        .unwrap_or((&received.target, ""));
    let below = path.strip_prefix(BASE).unwrap_or_default();
    let (operation, id) = match find(&received.method, below) {
        Found::Operation(operation, id) => (operation, id),
        Found::OtherMethod => {
            state.violation(&label, "the path has no such method");
            return Answer::sentence(405, "Method Not Allowed");
        }
        Found::OtherSlash(other) => {
            state.violation(&label, &format!("the defined form is {other}"));
            let mark = if query.is_empty() { "" } else { "?" };
            let location = format!("http://{host}{BASE}{other}{mark}{query}");
            return Answer::sentence(307, "").with_header("Location", location);
        }
        Found::Nothing => {
            state.violation(&label, "there is no such path");
            return Answer::sentence(404, "Not Found");
        }
    };
    if let Some(refused) = check_key(state, received, operation, &label) {
        return refused;
    }
    let (query, body) = match check_contents(received, operation, id, query) {
        Ok(contents) => contents,
        Err(problems) => {
            let sentences = problems.iter().map(Problem::sentence);
            sentences.for_each(|sentence| state.violation(&label, &sentence));
            let details: Vec<Value> = problems.iter().map(Problem::json).collect();
            return Answer::json(422, &serde_json::json!({"detail": details}));
        }
    };
    let call = Call {
        name: operation.name,
        id,
        query: &query,
        body: &body,
    };
    if operation.name == Name::Unban && call.parameter("serverbundle_id").is_none() {
        state.violation(
            &label,
            "without serverbundle_id the bans of all bundles are lifted",
        );
    }
    call.carry_out(state)
}

/// What is wrong with the HTTP around a request.
fn around(state: &State, received: &Received, host: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let hosts: Vec<&str> = received.all("host").collect();
    if hosts != [host] {
        wrong.push(format!("the Host header is {hosts:?} instead of {host:?}"));
    }
    let body = String::from_utf8_lossy(&received.body);
    if received.target.contains(&state.key) || body.contains(&state.key) {
        wrong.push("the key stands in the address or the body".to_owned());
    }
    if received.body.is_empty()
        && received.header("content-length").is_none()
        && received.method == "POST"
    {
        wrong.push("a POST without a Content-Length".to_owned());
    }
    wrong
}

fn check_key(
    state: &mut State,
    received: &Received,
    operation: &Operation,
    label: &str,
) -> Option<Answer> {
    if operation.name == Name::OpenApi {
        return None;
    }
    let given: Vec<&str> = received.all("authorization").collect();
    let [given] = given[..] else {
        state.violation(label, "there is not exactly one Authorization header");
        return Some(Answer::sentence(401, "Not authenticated"));
    };
    match given.strip_prefix("Bearer ") {
        Some(key) if key == state.key => None,
        // A key that is wrong is the owner's mistake, not the client's.
        Some(key) if !key.is_empty() => Some(Answer::sentence(401, "Invalid token")),
        _ => {
            state.violation(label, "the Authorization header is no Bearer");
            Some(Answer::sentence(401, "Not authenticated"))
        }
    }
}

type Contents = (Vec<(String, String)>, Value);

/// The query and the body, when they are what the operation takes.
fn check_contents(
    received: &Received,
    operation: &Operation,
    id: &str,
    query: &str,
) -> Result<Contents, Vec<Problem>> {
    let mut problems = Vec::new();
    let query = parse_query(query, &mut problems);
    check_query(&query, operation.query, &mut problems);
    check_id(operation, id, &query, &mut problems);
    let body = check_body(received, operation, &mut problems);
    if problems.is_empty() {
        Ok((query, body))
    } else {
        Err(problems)
    }
}

fn check_id(
    operation: &Operation,
    id: &str,
    query: &[(String, String)],
    problems: &mut Vec<Problem>,
) {
    let steam = query
        .iter()
        .any(|(name, value)| name == "type" && value == "STEAM");
    let right = match operation.name {
        Name::GetUser if steam => is_steam64(id),
        Name::GetUser if !query.is_empty() => true,
        Name::GetDefinition => true,
        _ => is_uuid(id) || !operation.path.contains('{'),
    };
    if !right {
        let what = format!("{id:?} is not an id of this kind");
        problems.push(Problem::new(&["path", "id"], what, "uuid_parsing"));
    }
}

fn check_body(received: &Received, operation: &Operation, problems: &mut Vec<Problem>) -> Value {
    let Some(fields) = operation.body else {
        if !received.body.is_empty() {
            problems.push(Problem::new(
                &["body"],
                "there must be none",
                "extra_forbidden",
            ));
        }
        return Value::Null;
    };
    if received.body.is_empty() {
        problems.push(Problem::new(&["body"], "is missing", "missing"));
        return Value::Null;
    }
    let types: Vec<&str> = received.all("content-type").collect();
    let is_json = |given: &str| {
        let kind = given.split(';').next().unwrap_or_default();
        kind.trim().eq_ignore_ascii_case("application/json")
    };
    if types.len() != 1 || !is_json(types[0]) {
        let what = format!("Content-Type is {types:?}, not application/json");
        problems.push(Problem::new(&["header"], what, "content_type"));
    }
    let body: Value = match serde_json::from_slice(&received.body) {
        Ok(body) => body,
        Err(error) => {
            let what = format!("is no JSON: {error}");
            problems.push(Problem::new(&["body"], what, "json_invalid"));
            return Value::Null;
        }
    };
    check_record(&body, fields, &["body"], problems);
    let steam = operation.name == Name::CreateUser && body["type"] == "STEAM";
    if steam && !body["identifier"].as_str().is_some_and(is_steam64) {
        let what = format!("{} is no SteamID64", body["identifier"]);
        problems.push(Problem::new(&["body", "identifier"], what, "value_error"));
    }
    body
}

fn parse_query(query: &str, problems: &mut Vec<Problem>) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for pair in query.split('&').filter(|_| !query.is_empty()) {
        let parts = pair.split_once('=');
        let decoded = parts.and_then(|(name, value)| Some((decode(name)?, decode(value)?)));
        match decoded {
            Some(decoded) => pairs.push(decoded),
            None => {
                let what = format!("{pair:?} is no parameter");
                problems.push(Problem::new(&["query"], what, "malformed"));
            }
        }
    }
    pairs
}

/// A text without its percent signs. What may not stand in a query unescaped is refused.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let digits = std::str::from_utf8(&digits).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
            }
            b'+' => bytes.push(b' '),
            b'?' | b'#' | b'"' | b'<' | b'>' | b'=' => return None,
            _ => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok()
}
