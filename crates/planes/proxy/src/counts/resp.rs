//! The Redis serialization protocol, version 2, as far as it is needed: commands of texts, answers of numbers.

use crate::limits::{COUNTS_BATCH_MAX, COUNTS_REPLY_BYTES_MAX};

/// Longest line of an answer, in bytes: a number, or an error.
const LINE_BYTES_MAX: usize = 1024;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `+`: done.
    Done(String),
    /// `-`: refused.
    Refused(String),
    /// `:`: a number.
    Number(i64),
    /// `*` of `:`: numbers.
    Numbers(Vec<i64>),
}

/// What is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is none of Redis: {0}")]
pub struct RespError(&'static str);

/// A command and its arguments.
pub fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// The answer that `bytes` begin with, and its length; `None` where it is not whole yet.
///
/// # Errors
/// [`RespError`] where it can become none.
pub fn reply(bytes: &[u8]) -> Result<Option<(Reply, usize)>, RespError> {
    let Some((kind, text, mut at)) = line(bytes)? else { return too_long(bytes) };
    let read = match kind {
        b'+' => Reply::Done(text.to_owned()),
        b'-' => Reply::Refused(text.to_owned()),
        b':' => Reply::Number(number(text)?),
        b'*' => {
            let count = usize::try_from(number(text)?).ok().filter(|count| *count <= COUNTS_BATCH_MAX);
            let count = count.ok_or(RespError("a list of more than was asked for"))?;
            let mut numbers = Vec::with_capacity(count);
            for _ in 0..count {
                match line(&bytes[at..])? {
                    None => return too_long(bytes),
                    Some((b':', text, length)) => {
                        numbers.push(number(text)?);
                        at += length;
                    }
                    Some(_) => return Err(RespError("a list of something else than numbers")),
                }
            }
            Reply::Numbers(numbers)
        }
        _ => return Err(RespError("a kind that was not asked for")),
    };
    Ok(Some((read, at)))
}

/// Nothing yet, as long as there is room for more.
fn too_long(bytes: &[u8]) -> Result<Option<(Reply, usize)>, RespError> {
    if bytes.len() >= COUNTS_REPLY_BYTES_MAX { Err(RespError("too long")) } else { Ok(None) }
}

/// Kind, text, and length of a line.
fn line(bytes: &[u8]) -> Result<Option<(u8, &str, usize)>, RespError> {
    let Some(end) = bytes.iter().take(LINE_BYTES_MAX).position(|byte| *byte == b'\n') else {
        return if bytes.len() >= LINE_BYTES_MAX { Err(RespError("a line without end")) } else { Ok(None) };
    };
    let text = bytes[..end].strip_suffix(b"\r").ok_or(RespError("a line that ends otherwise"))?;
    let (kind, text) = text.split_first().ok_or(RespError("an empty line"))?;
    let text = std::str::from_utf8(text).map_err(|_| RespError("no text"))?;
    Ok(Some((*kind, text, end + 1)))
}

fn number(text: &str) -> Result<i64, RespError> {
    text.parse().map_err(|_| RespError("no number"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_was_not_asked_for_is_refused() {
        for bytes in [
            &b"$1\r\nx\r\n"[..],
            b"*1\r\n$1\r\nx\r\n",
            b"*-1\r\n",
            b"*2049\r\n",
            b"*99999999999999999999\r\n",
            b":x\r\n",
            b":1\n",
            b"\r\n",
            b"%1\r\n",
            b"*1\r\n*1\r\n",
        ] {
            assert!(reply(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
        assert!(reply(&[b'+'; LINE_BYTES_MAX]).is_err());
    }

    #[test]
    fn answers_are_read_once_they_are_whole() {
        for (bytes, expected) in [
            (&b"+OK\r\n"[..], Reply::Done("OK".to_owned())),
            (b"-NOAUTH no\r\n", Reply::Refused("NOAUTH no".to_owned())),
            (b":-7\r\n", Reply::Number(-7)),
            (b"*2\r\n:1\r\n:2\r\n", Reply::Numbers(vec![1, 2])),
            (b"*0\r\n", Reply::Numbers(Vec::new())),
        ] {
            for end in 0..bytes.len() {
                assert_eq!(reply(&bytes[..end]), Ok(None), "{}", String::from_utf8_lossy(&bytes[..end]));
            }
            let more = [bytes, b"+more\r\n"].concat();
            assert_eq!(reply(&more), Ok(Some((expected, bytes.len()))));
        }
        assert_eq!(command(&[b"AUTH", b"a\r\nb"]), b"*2\r\n$4\r\nAUTH\r\n$4\r\na\r\nb\r\n");
    }

    proptest! {
        #[test]
        fn an_answer_is_never_longer_than_what_came(bytes in prop::collection::vec(prop::sample::select(b"*:+-$19\r\nx".to_vec()), 0..60)) {
            if let Ok(Some((_, length))) = reply(&bytes) {
                prop_assert!(length <= bytes.len());
                prop_assert_eq!(reply(&bytes[..length]).unwrap().unwrap().1, length);
            }
        }
    }
}
