//! The part of JSON Schema that the catalog uses, with a few keywords of our own.

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An object.
    Object,
}

/// A schema.
#[derive(Clone, Debug)]
pub struct Schema {
    /// What it is.
    pub kind: Kind,
}
