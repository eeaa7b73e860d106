#![no_main]
//! A CSV file of jobs.

#[expect(dead_code, reason = "shared by all targets")]
#[path = "../../tests/suite/fuzz/verdicts.rs"]
mod verdicts;

libfuzzer_sys::fuzz_target!(|raw: &[u8]| verdicts::rows(raw, paceline::domain::rows::Format::Csv));
