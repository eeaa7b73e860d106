//! Some of many.

use crate::messages;

messages! {
    /// Names in a sentence: all of them, or the first and how many more there are.
    pub enum Names {
        AllNames { names: Vec<String> } = "{names}", "{names}";
        FirstNames { names: Vec<String>, more: usize } = "{names} and {more} more", "{names}，另有 {more} 个";
    }
}

impl Names {
    /// The first `max` of these; `count` is how many there are.
    pub fn first(names: impl Iterator<Item = impl Into<String>>, count: usize, max: usize) -> Self {
        let names: Vec<String> = names.take(max).map(Into::into).collect();
        match count.saturating_sub(names.len()) {
            0 => Self::AllNames { names },
            more => Self::FirstNames { names, more },
        }
    }
}
