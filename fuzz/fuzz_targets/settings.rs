#![no_main]
//! A file of settings.

#[expect(dead_code, reason = "shared by all targets")]
#[path = "../../tests/suite/fuzz/verdicts.rs"]
mod verdicts;

libfuzzer_sys::fuzz_target!(|raw: &[u8]| verdicts::settings_file(raw, std::collections::BTreeMap::new()));
