use serde::{Deserialize, Serialize};

/// A `[[server]]`, by its place in the configuration that vpid started with; those that a reload brings get
/// the next numbers. Numbers are never used twice.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct ServerId(pub usize);
