#![no_main]
//! A file of any kind: texts in any encoding, workbooks.

#[expect(dead_code, reason = "shared by all targets")]
#[path = "../../tests/suite/fuzz/verdicts.rs"]
mod verdicts;

libfuzzer_sys::fuzz_target!(|raw: &[u8]| verdicts::table(raw));
