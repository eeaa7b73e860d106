use lapin::BasicProperties;
use lapin::protocol::basic::parse_properties;
use lapin::types::{AMQPValue, FieldTable};
use proptest::prelude::*;

use super::super::hostile::{any_bytes, deliver, frame, header, through};
use super::super::notes;
use super::*;

const FRAME_MAX: usize = 131_072;

fn parsed(properties: &[u8]) -> BasicProperties {
    let (rest, properties) = parse_properties(properties).unwrap();
    assert!(rest.is_empty());
    properties
}

/// The properties of the one header in these frames.
fn only_header(out: &[u8]) -> (u64, BasicProperties) {
    let (mut rest, mut found) = (out, None);
    while let Some((kind, _, size)) = head(rest) {
        if kind == HEADER {
            let payload = &rest[HEAD..HEAD + size];
            found = Some((u64::from_be_bytes(payload[4..12].try_into().unwrap()), parsed(&payload[12..])));
        }
        rest = &rest[size + AROUND..];
    }
    found.unwrap()
}

#[test]
fn a_usual_message_passes_byte_for_byte() {
    // content_type, headers, delivery_mode, message_id
    let properties = b"\xb0\x80\x04json\x00\x00\x00\x03\x01aV\x02\x02m1";
    let tune = frame(METHOD, b"\x00\x0a\x00\x1e\x00\x00\x00\x02\x00\x00\x00\x3c");
    let body = [frame(BODY, b"he"), frame(HEARTBEAT, b""), frame(BODY, b"llo")].concat();
    let bytes = [tune, deliver(b"x"), header(5, properties), body].concat();
    for at_once in [1, 7, 8, 64, 10_000] {
        assert_eq!(through(&bytes, at_once, 100), (bytes.clone(), vec![5]), "{at_once}");
    }
    assert_eq!(parsed(properties).content_type().as_ref().unwrap().as_str(), "json");
}

#[test]
fn a_text_that_is_no_utf_8_is_marked_and_spelt_out() {
    let properties = [&b"\x80\x08\x04json"[..], b"\x06", &[0xbb, 0xe1, b'-', 0xd2, 0xe9, b'x']].concat();
    let (out, _) = through(&[deliver(b"\xbb\xe1"), header(0, &properties)].concat(), 9, 100);
    let (_, properties) = only_header(&out);
    assert_eq!(properties.app_id().as_ref().unwrap().as_str(), "\u{1a}\\xbb\\xe1-\\xd2\\xe9x");
    assert_eq!(properties.content_type().as_ref().unwrap().as_str(), "json");
    assert_eq!(
        notes::unreadable(&properties),
        [("app_id", "expected UTF-8, got \"\\xbb\\xe1-\\xd2\\xe9x\"".to_owned())]
    );
    assert!(out.windows(5).any(|window| window == b"\x02??\x03k"), "the exchange's name is ASCII now");
    let long = [&b"\x00\x08\xff"[..], &[0xff; 255]].concat();
    assert!(only_header(&through(&[deliver(b""), header(0, &long)].concat(), 9, 100).0).1.app_id().is_some());
}

#[test]
fn headers_that_nobody_can_parse_are_set_aside() {
    let odd = b"\x20\x80\x00\x00\x00\x04\x01aZ!\x02m1";
    let (_, properties) = only_header(&through(&[deliver(b""), header(0, odd)].concat(), 9, 100).0);
    assert_eq!(properties.message_id().as_ref().unwrap().as_str(), "m1");
    assert_eq!(notes::unreadable(&properties)[0].0, "headers");
    for broken in [&b"\x00"[..], b"\x80\x00\xff", b"\x00\x01", b"\x20\x00\xff\xff\xff\xff", b"\x00\x00rest"] {
        let (_, properties) = only_header(&through(&[deliver(b""), header(0, broken)].concat(), 9, 100).0);
        assert_eq!(notes::unreadable(&properties)[0].0, "properties", "{broken:?}");
    }
}

#[test]
fn a_header_frame_over_the_negotiated_size_fits_afterwards() {
    let tune = frame(METHOD, &[&[0, 10, 0, 30, 0, 0][..], &131_072_u32.to_be_bytes(), &[0, 60]].concat());
    let table = [&b"\x01aS"[..], &130_990_u32.to_be_bytes(), &vec![b'x'; 130_990]].concat();
    let with = |name: &str| {
        let text = [&[u8::try_from(name.len()).unwrap()], name.as_bytes()].concat();
        let length = u32::try_from(table.len()).unwrap().to_be_bytes();
        let message =
            [deliver(b""), header(3, &[&b"\x20\x80"[..], &length, &table, &text].concat()), frame(BODY, b"abc")];
        through(&[tune.clone(), message.concat()].concat(), 4_096, 100).0
    };
    assert!(notes::unreadable(&only_header(&with("m")).1).is_empty(), "it just fits");
    let out = with(&"m".repeat(200));
    let (size, properties) = only_header(&out);
    assert_eq!((size, properties.message_id().as_ref().unwrap().as_str().len()), (3, 200));
    assert_eq!(notes::unreadable(&properties)[0].0, "headers");
    assert!(out.len() < FRAME_MAX);
}

#[test]
fn of_a_body_too_long_to_be_a_job_the_beginning_is_left() {
    let parts: Vec<u8> = [b'a', b'b', b'c'].into_iter().flat_map(|letter| frame(BODY, &vec![letter; 50_000])).collect();
    let message = [
        deliver(b""),
        header(150_000, b"\x00\x80\x01m"),
        parts,
        deliver(b""),
        header(2, b"\x00\x00"),
        frame(BODY, b"ok"),
    ];
    let (out, held) = through(&message.concat(), 8_192, 100_000);
    assert_eq!(held, [HEAD_BYTES, 2]);
    let first = &out[deliver(b"").len()..];
    let (_, _, size) = head(first).unwrap();
    let properties = parsed(&first[HEAD + PROPERTIES_AT..HEAD + size]);
    assert_eq!((notes::body_bytes(&properties), notes::unreadable(&properties)), (Some(150_000), Vec::new()));
    let kept = [&vec![b'a'; 50_000][..], &[END], &frame(BODY, &vec![b'b'; HEAD_BYTES - 50_000])].concat();
    assert!(out.windows(kept.len()).any(|window| window == kept), "both parts of the beginning");
    assert!(out.ends_with(&[deliver(b""), header(2, b"\x00\x00"), frame(BODY, b"ok")].concat()), "the next is whole");
    // What a publisher gets back is its own message, whole.
    let returned = [frame(METHOD, b"\x00\x3c\x00\x32\x01\x38\x02no\x00\x00"), header(150_000, b"\x00\x00")].concat();
    assert_eq!(through(&returned, 100, 100_000), (returned.clone(), Vec::new()));
}

#[test]
fn a_message_waits_until_there_is_room_for_it() {
    let bytes = [deliver(b""), header(9, b"\x00\x00"), frame(METHOD, b"\x00\x14\x00\x29")].concat();
    let mut frames = Frames::new(0, 100);
    frames.write(&bytes);
    assert_eq!(frames.next(|_, _| panic!("a method needs no room")), Next::Ready);
    assert_eq!(frames.next(|channel, bytes| (channel, bytes) != (1, 9)), Next::Wait);
    assert_eq!(frames.next(|_, _| true), Next::Ready);
    assert_eq!(frames.next(|_, _| true), Next::Closed(1));
    assert_eq!(frames.next(|_, _| true), Next::More);
}

#[test]
fn what_is_no_amqp_passes_for_the_client_to_say_so() {
    for other in
        [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"AMQP\x00\x00\x09\x01", b"\x02\x00\x01\x00\x00\x00\x01xx......"]
    {
        assert_eq!(through(other, 5, 100).0, other);
    }
    let mut frames = Frames::new(0, 100);
    frames.write(b"\x01\x00");
    assert_eq!(frames.next(|_, _| true), Next::More);
    frames.end();
    assert_eq!(
        (frames.next(|_, _| true), frames.read(&mut [0; 9]), frames.next(|_, _| true)),
        (Next::Ready, 2, Next::More)
    );
}

fn table_value() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(&b"\x00\x01\x02aVtbsIlSFAx"[..])], 0..60)
}

proptest! {
    #[test]
    fn whatever_a_header_holds_the_client_parses_it(
        flags in any::<u16>(),
        rest in prop::collection::vec(any::<u8>(), 0..200),
        table in table_value(),
        full in prop::option::of(any::<u64>()),
    ) {
        let properties = [&flags.to_be_bytes()[..], &rest].concat();
        parsed(&readable(&properties, full, FRAME_MAX));
        let with_table = [&b"\x20\x00"[..], &u32::try_from(table.len()).unwrap().to_be_bytes(), &table].concat();
        let properties = parsed(&readable(&with_table, full, FRAME_MAX));
        let whole = u64::try_from(full.unwrap_or(0).cast_signed()).ok();
        prop_assert_eq!(notes::body_bytes(&properties), full.and(whole));
    }

    #[test]
    fn no_bytes_make_it_panic_or_grow(bytes in prop::collection::vec(any::<u8>(), 0..600), at_once in 1_usize..90) {
        any_bytes(&bytes, at_once);
    }
}

#[test]
fn the_mark_is_what_the_notes_begin_with() {
    for name in [HEADERS, PROPERTIES, BODY_BYTES] {
        assert!(notes::is_note(name) && name.len() < 128);
    }
    let mut table = FieldTable::default();
    table.insert("\u{1a}mine".into(), AMQPValue::Void);
    let forged = BasicProperties::default().with_headers(table).with_message_id("\u{1a}x".into());
    assert_eq!(notes::unreadable(&forged).len(), 2, "who forges a note gets a dead letter");
}
