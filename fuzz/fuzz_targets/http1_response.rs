//! The head of a response: however it is cut it reads the same, what is accepted httparse accepts too and reads the same, and
//! nothing of it could become a second line further on.
#![no_main]

use bartizan_proxy::http1::response::{Read, read};
use http::Method;
use libfuzzer_sys::fuzz_target;

fn check(bytes: &[u8], found: &Read) {
    let mut headers = [httparse::EMPTY_HEADER; bartizan_proxy::limits::HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    assert_eq!(response.parse(bytes), Ok(httparse::Status::Complete(found.bytes)));
    assert_eq!(response.code, Some(found.head.status.as_u16()));
    assert_eq!(response.headers.len(), found.head.fields.len());
    for (theirs, (name, value)) in response.headers.iter().zip(found.head.fields.iter()) {
        assert!(theirs.name.as_bytes().eq_ignore_ascii_case(name));
        assert_eq!(theirs.value, value);
        assert!(!value.iter().any(|byte| b"\r\n\0".contains(byte)));
    }
}

fuzz_target!(|input: (u16, &[u8])| {
    let (cut, bytes) = (usize::from(input.0) % (input.1.len() + 1), input.1);
    let whole = read(bytes, &mut 0, &Method::GET);
    let mut seen = 0;
    let pieces = match read(&bytes[..cut], &mut seen, &Method::GET) {
        Ok(None) => read(bytes, &mut seen, &Method::GET),
        first => first,
    };
    let of = |read: &Result<Option<Read>, _>| {
        read.as_ref().map(|read| read.as_ref().map(|read| (read.bytes, read.rest))).map_err(Clone::clone)
    };
    assert_eq!(of(&whole), of(&pieces));
    if let Ok(Some(found)) = &whole {
        check(bytes, found);
    }
});
