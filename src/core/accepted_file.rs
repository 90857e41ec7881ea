//! A file that is authenticated, as its calls are opened: what is to be done, and where responses go.

use super::ids::{Caller, HostId, RequestId, ServerId, SessionNumber, Source};
use super::trace::BegunCall;
use crate::protocol::call::CallResult;
use crate::protocol::signed::Id;
use crate::protocol::stock::call_file::{Sketch, Span};
use crate::sql::DatabaseId;

/// Where the responses to a file's calls go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Nowhere: the file's map is over.
    Nowhere,
    /// Into the input file, while this is the map.
    Stock { session: SessionNumber },
    /// Into signed files of this session.
    Signed { session: Id },
    /// To a Python script, which means this game server.
    Script {
        request: RequestId,
        server: Option<ServerId>,
    },
    /// To an operator, by the number of the request.
    Operator {
        ticket: u64,
        server: Option<ServerId>,
    },
}

/// By which a file that is done is known to the part that authenticated it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    None,
    /// The fingerprint of a stock identity.
    Identity(u64),
    /// A file of the game by its number.
    Signed {
        host: HostId,
        session: Id,
        n: u64,
    },
}

/// A file that is authenticated, with its calls.
pub struct AcceptedFile {
    pub source: Source,
    pub caller: Caller,
    pub proof: Proof,
    pub route: Route,
    pub recovered: bool,
    /// The bytes in which calls stand that are not read yet.
    pub text: Vec<u8>,
    /// Calls that do not depend on each other.
    pub singles: Vec<OpenCall>,
    /// Lists that run in order.
    pub chains: Vec<Vec<OpenCall>>,
}

/// A call that waits for its turn, or that runs.
pub struct OpenCall {
    pub token: String,
    pub function: String,
    pub callback: bool,
    /// The call itself until it starts.
    pub parked: Option<Parked>,
    /// While a database's lane has it: which, and until when its caller waits (for ever where that
    /// is not at all).
    pub lane: Option<(DatabaseId, u64)>,
    pub chain: Option<Chain>,
    /// The bytes that are counted for it while it runs.
    pub cost: usize,
    /// What operators see of it, where they traced when it began.
    pub traced: Option<Box<BegunCall>>,
}

/// A call that has not started.
pub enum Parked {
    /// As it came, in the bytes of its file.
    Raw(Span),
    Read(Box<CallResult>),
}

/// The chain that a call stands in.
#[derive(Clone, Copy)]
pub struct Chain {
    pub first: u32,
    /// The call whose caller gets the answer.
    pub last: u32,
    /// An error ends it, as in our own client's chains. Those of the stock protocol go on.
    pub stops: bool,
}

/// Lays the calls of a file out, and gives which of them start at once. `stops`: an error ends a
/// chain.
pub fn open_calls(
    mut calls: Vec<OpenCall>,
    chains: Vec<Vec<OpenCall>>,
    stops: bool,
) -> (Vec<OpenCall>, Vec<u32>) {
    let mut starts: Vec<u32> = (0..calls.len() as u32).collect();
    for chain in chains.into_iter().filter(|chain| !chain.is_empty()) {
        let first = calls.len() as u32;
        let last = first + chain.len() as u32 - 1;
        starts.push(first);
        let of = Some(Chain { first, last, stops });
        calls.extend(chain.into_iter().map(|call| OpenCall { chain: of, ..call }));
    }
    (calls, starts)
}

impl OpenCall {
    fn new(token: String, function: String, callback: bool, parked: Parked) -> Self {
        Self {
            token,
            function,
            callback,
            parked: Some(parked),
            lane: None,
            chain: None,
            cost: 0,
            traced: None,
        }
    }

    /// The bytes that it takes while it waits, besides those of its file.
    pub fn waiting_bytes(&self) -> usize {
        match &self.parked {
            Some(Parked::Read(call)) => crate::protocol::call::weigh(call),
            _ => crate::limits::CALL_OVERHEAD_BYTES,
        }
    }
}

impl From<Sketch> for OpenCall {
    fn from(it: Sketch) -> Self {
        Self::new(it.token, it.function, it.callback, Parked::Raw(it.call))
    }
}

impl From<CallResult> for OpenCall {
    fn from(call: CallResult) -> Self {
        let (token, function, callback) = match &call {
            Ok(call) => (&call.token, &call.function, call.callback),
            Err(bad) => (&bad.token, &bad.function, bad.callback),
        };
        let (token, function) = (token.clone(), function.clone());
        Self::new(token, function, callback, Parked::Read(Box::new(call)))
    }
}
