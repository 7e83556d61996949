//! Frames of a leg: what is read is well-formed, and written again it is read as the same.
#![no_main]

use bartizan_proxy::leg::frame::{self, Frame};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut at = 0;
    while let Ok(Some((stream, frame, length))) = frame::read(&bytes[at..]) {
        assert!(length >= frame::HEADER_BYTES && at + length <= bytes.len());
        at += length;
        let mut again = Vec::new();
        match &frame {
            Frame::Request(head, content, end) => {
                assert!(head.target().starts_with('/') && !head.target().contains([' ', '\r', '\n']));
                for (name, value) in head.fields.iter() {
                    assert!(
                        !name.is_empty() && !name.iter().any(|b| b" \t\r\n:".contains(b) || b.is_ascii_uppercase())
                    );
                    assert!(!value.iter().any(|b| b"\r\n\0".contains(b)));
                }
                frame::write_request(&mut again, stream, head, *content, *end);
            }
            Frame::Response(head, content, end) => frame::write_response(&mut again, stream, head, *content, *end),
            Frame::Interim(head) => frame::write_interim(&mut again, stream, head),
            Frame::Trailers(fields) => frame::write_trailers(&mut again, stream, fields),
            Frame::Data(data, end) => frame::write_data(&mut again, stream, data, *end),
            Frame::Credit(_) | Frame::Reset(_) | Frame::GoingAway(_) | Frame::Ping | Frame::Pong => continue,
        }
        let (_, second, _) = frame::read(&again).expect("what was read is written well").expect("whole");
        assert_eq!(format!("{frame:?}"), format!("{second:?}"));
    }
});
