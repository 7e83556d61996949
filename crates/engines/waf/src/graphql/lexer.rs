//! From text to tokens. Commas, blanks and comments separate and say nothing.

use super::{Refusal, refuse};
use crate::limits;

/// A token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'t> {
    /// One of `! $ & ( ) : = @ [ ] { | }`.
    Mark(char),
    /// `...`
    Spread,
    Name(&'t str),
    Int(&'t str),
    Float,
    Text,
}

pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, Refusal> {
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut out = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', '\r', ',']);
        if let Some(comment) = rest.strip_prefix('#') {
            rest = comment.trim_start_matches(|c| !matches!(c, '\n' | '\r'));
            continue;
        }
        let Some(first) = rest.chars().next() else { return Ok(out) };
        if out.len() >= limits::GRAPHQL_TOKENS_MAX {
            return refuse("the query has too many tokens");
        }
        let (token, len) = match first {
            '!' | '$' | '&' | '(' | ')' | ':' | '=' | '@' | '[' | ']' | '{' | '|' | '}' => (Token::Mark(first), 1),
            '.' if rest.starts_with("...") => (Token::Spread, 3),
            'a'..='z' | 'A'..='Z' | '_' => {
                let len = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
                (Token::Name(&rest[..len]), len)
            }
            '-' | '0'..='9' => number(rest)?,
            '"' => (Token::Text, text_len(rest)?),
            _ => return refuse("the query has a character that means nothing in GraphQL"),
        };
        out.push(token);
        rest = &rest[len..];
    }
}

fn number(rest: &str) -> Result<(Token<'_>, usize), Refusal> {
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.' | b'_');
    let len = rest.bytes().take_while(is_part).count();
    let number = &rest[..len];
    if len > limits::NUMBER_BYTES_MAX || !bartizan_core::document::is_json_number(number) {
        return refuse("the query has a number that is none");
    }
    let is_int = number.strip_prefix('-').unwrap_or(number).bytes().all(|b| b.is_ascii_digit());
    Ok((if is_int { Token::Int(number) } else { Token::Float }, len))
}

/// The length of a text, quotes included.
fn text_len(rest: &str) -> Result<usize, Refusal> {
    let cut = || Refusal("the query has a string without its end".into());
    if let Some(block) = rest.strip_prefix("\"\"\"") {
        let (mut at, bytes) = (0, block.as_bytes());
        loop {
            match bytes.get(at) {
                None => return Err(cut()),
                Some(b'\\') if block[at..].starts_with("\\\"\"\"") => at += 4,
                Some(b'"') if block[at..].starts_with("\"\"\"") => return Ok(at + 6),
                Some(byte) if *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r') => {
                    return refuse("the query has a control character");
                }
                Some(_) => at += block[at..].chars().next().map_or(1, char::len_utf8),
            }
        }
    }
    let (mut at, bytes) = (1, rest.as_bytes());
    loop {
        match bytes.get(at) {
            None | Some(b'\n' | b'\r') => return Err(cut()),
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => match bytes.get(at + 1) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => at += 2,
                Some(b'u') if rest.get(at + 2..at + 6).is_some_and(|it| it.bytes().all(|b| b.is_ascii_hexdigit())) => {
                    at += 6
                }
                _ => return refuse("the query has a string with an escape that means nothing"),
            },
            Some(byte) if *byte < 0x20 && *byte != b'\t' => return refuse("the query has a control character"),
            Some(_) => at += 1,
        }
    }
}
