/// A `[[server]]`, by its place in the configuration that vpid started with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerId(pub usize);
