//! What comes behind a call of a chain.
//!
//! Our own client's chains (`VPI.ChainCall`) end at the first error, and that is their answer. A
//! chain of the stock protocol runs every call, as the servers did for which such clients were
//! written (vpi.py until January 2025, and forks of it to this day): one that fails ends itself
//! alone, one whose function does not exist is passed over, and the answer is the result of the
//! last call that was not passed over.

use super::OpenFile;
use crate::core::accepted_file::Chain;
use crate::core::functions::{Functions, unknown};

/// What is to be done when a call of a chain has ended.
pub(super) struct Onward {
    /// The call that starts now. Without one, the call that has ended gives the answer.
    pub next: Option<u32>,
    /// Calls behind it that will not run, and are done too.
    pub dropped: u32,
}

impl Onward {
    /// Behind the call at this place.
    pub(super) fn of(
        file: &OpenFile,
        index: u32,
        chain: Chain,
        failed: bool,
        functions: &Functions,
    ) -> Self {
        if failed && chain.stops {
            return Self {
                next: None,
                dropped: chain.last - index,
            };
        }
        let behind = index + 1..=chain.last;
        // What has no name at all is answered for what it is.
        let runs = |at: &u32| {
            let function = file.calls[*at as usize].function.as_str();
            chain.stops || function.is_empty() || functions.is_known(function)
        };
        let next = behind.clone().find(runs);
        let dropped = next.unwrap_or(chain.last + 1) - behind.start();
        for at in behind.take(dropped as usize) {
            let function = &file.calls[at as usize].function;
            let error = unknown(function).to_answer(function);
            log::warn!("a call of a chain is passed over: {error}");
        }
        Self { next, dropped }
    }
}
