//! Quotas: their text, and the book of windows that grants permits.

mod text;

pub use text::{Quota, Window};
