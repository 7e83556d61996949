//! Requests of HTTP/2 and what another request could be hidden in, were they said again in HTTP/1.1: raw frames at each of a guard's
//! doors. None reaches the program; a plain one beside them does.

use crate::floods::{Doors, frame};
use crate::programs;
use crate::world::PATIENCE;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

type Fields = Vec<(&'static [u8], &'static [u8])>;

/// One frame with a whole request: fields that stand in no table (RFC 7541 section 6.2.2).
fn request(fields: &Fields) -> Vec<u8> {
    const END_STREAM_AND_HEADERS: u8 = 5;
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            assert!(text.len() < 127, "a length of one byte");
            block.push(text.len() as u8);
            block.extend_from_slice(text);
        }
    }
    frame(1, END_STREAM_AND_HEADERS, 1, &block)
}

/// A good request, and `change`d.
fn with(change: impl FnOnce(&mut Fields)) -> Fields {
    let mut fields: Fields =
        vec![(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/api/x"), (b":authority", b"api")];
    change(&mut fields);
    fields
}

fn and(name: &'static [u8], value: &'static [u8]) -> Fields {
    with(|fields| fields.push((name, value)))
}

fn instead(name: &'static [u8], value: &'static [u8]) -> Fields {
    with(|fields| fields.iter_mut().filter(|field| field.0 == name).for_each(|field| field.1 = value))
}

fn refused_forms() -> Vec<(&'static str, Fields)> {
    vec![
        ("a line end in a name", and(b"x\r\nsmuggled: 1", b"y")),
        ("a colon in a name", and(b"x: 1\r\ny", b"z")),
        ("a space in a name", and(b"x y", b"z")),
        ("a NUL in a name", and(b"x\0", b"z")),
        ("a byte that is no ASCII in a name", and(b"x\xff", b"z")),
        ("an upper-case name", and(b"Smuggled", b"1")),
        ("no name", and(b"", b"1")),
        ("a line end in a value", and(b"x", b"y\r\nsmuggled: 1")),
        ("a line feed in a value", and(b"x", b"y\nsmuggled: 1")),
        ("a carriage return in a value", and(b"x", b"y\rsmuggled: 1")),
        ("a NUL in a value", and(b"x", b"y\0")),
        ("a request in a path", instead(b":path", b"/api/x HTTP/1.1\r\nsmuggled: 1\r\n\r\n")),
        ("a space in a path", instead(b":path", b"/api/x y")),
        ("a path that is none", instead(b":path", b"api")),
        ("an empty path", instead(b":path", b"")),
        ("an absolute target", instead(b":path", b"http://other/x")),
        ("a request line in a method", instead(b":method", b"GET /smuggled HTTP/1.1\r\nx: ")),
        ("a space in a method", instead(b":method", b"GET /smuggled")),
        ("a line end in an authority", instead(b":authority", b"api\r\nsmuggled: 1")),
        ("a path in an authority", instead(b":authority", b"api/smuggled")),
        ("a user in an authority", instead(b":authority", b"smuggled@api")),
        ("another host", and(b"host", b"smuggled")),
        ("a path twice", and(b":path", b"/smuggled")),
        ("a field of control that there is not", with(|fields| fields.insert(0, (b":smuggled", b"1")))),
        ("a field of a response", with(|fields| fields.insert(0, (b":status", b"200")))),
        (
            "a field of control after others",
            with(|fields| {
                let path = fields.remove(2);
                fields.extend([(&b"x"[..], &b"y"[..]), path]);
            }),
        ),
        ("a method that is missing", with(|fields| _ = fields.remove(0))),
        ("a path that is missing", with(|fields| _ = fields.remove(2))),
        ("what is for one hop", and(b"connection", b"x")),
        ("a framing of HTTP/1.1", and(b"transfer-encoding", b"chunked")),
        ("a framing in disguise", and(b"transfer_encoding", b"chunked")),
        ("a switch", and(b"upgrade", b"h2c")),
        ("a length that does not come", and(b"content-length", b"5")),
        ("a length that is none", and(b"content-length", b"+0")),
        ("two lengths", with(|fields| fields.extend([(&b"content-length"[..], &b"0"[..]), (b"content-length", b"0")]))),
    ]
}

/// What became of stream 1: true where it was answered with 200.
async fn is_answered(stream: &mut (impl AsyncReadExt + Unpin)) -> bool {
    let mut all = Vec::new();
    loop {
        while let Some(header) = all.first_chunk::<9>().copied() {
            let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
            if all.len() < 9 + length {
                break;
            }
            match header[3] {
                1 => return all[9] == 0x88, // the field for 200 in HPACK's own table
                3 | 7 => return false,
                _ => drop(all.drain(..9 + length)),
            }
        }
        if timeout(PATIENCE, stream.read_buf(&mut all)).await.expect("something becomes of it").unwrap_or(0) == 0 {
            return false;
        }
    }
}

#[tokio::test]
async fn what_would_be_another_request_in_http1_reaches_no_program() {
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let notes = Arc::clone(&heard);
    let program = programs::custom(move |mut stream| {
        let notes = Arc::clone(&notes);
        async move {
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = stream.read(&mut bytes).await {
                notes.lock().unwrap().push(String::from_utf8_lossy(&bytes[..n]).into_owned());
                if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.is_err() {
                    return;
                }
            }
        }
    });
    let doors = Doors::new(program.await).await;
    for (what, fields) in refused_forms() {
        for (door, mut stream, _) in doors.open().await {
            stream.write_all(&request(&fields)).await.unwrap();
            stream.flush().await.unwrap();
            assert!(!is_answered(&mut stream).await, "{what}, {door}");
        }
        let heard = heard.lock().unwrap();
        assert!(heard.is_empty(), "{what} reached the program: {heard:?}");
    }
    for (door, mut stream, _) in doors.open().await {
        stream.write_all(&request(&and(b"x", b"y"))).await.unwrap();
        stream.flush().await.unwrap();
        assert!(is_answered(&mut stream).await, "a plain one, {door}");
    }
    assert_eq!(heard.lock().unwrap().len(), 3);
}
