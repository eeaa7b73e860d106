#![no_main]
//! A platform's reply, with any status.

#[expect(dead_code, reason = "shared by all targets")]
#[path = "../../tests/suite/fuzz/verdicts.rs"]
mod verdicts;

libfuzzer_sys::fuzz_target!(|raw: &[u8]| {
    if let Some((head, body)) = raw.split_first_chunk() {
        verdicts::reply(100 + u16::from_be_bytes(*head) % 500, body);
    }
});
