#![no_main]
//! A scenario of the simulator.

#[expect(dead_code, reason = "shared by all targets")]
#[path = "../../tests/suite/fuzz/verdicts.rs"]
mod verdicts;

libfuzzer_sys::fuzz_target!(|raw: &[u8]| verdicts::scenario(raw));
