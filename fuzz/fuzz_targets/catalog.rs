#![no_main]
//! A file of the catalog: a method's or a platform's.

#[expect(dead_code, reason = "shared by all targets")]
#[path = "../../tests/suite/fuzz/verdicts.rs"]
mod verdicts;

libfuzzer_sys::fuzz_target!(|raw: &[u8]| verdicts::catalog(raw));
