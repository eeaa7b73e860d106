//! Operators' commands.
