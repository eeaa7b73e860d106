//! What a person is told when the broker cannot be used.
