#![no_main]
//! What a broker sends.

libfuzzer_sys::fuzz_target!(|raw: &[u8]| {
    if let Some((at_once, bytes)) = raw.split_first() {
        paceline_amqp::hostile::any_bytes(bytes, usize::from(*at_once).max(1));
    }
});
