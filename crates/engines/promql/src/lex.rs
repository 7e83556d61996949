//! From a text to its words.

use crate::duration;
use crate::error::Error;
use crate::number;
use crate::quoted::unquoted;

/// A word of a query.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    /// A name, which may be a word of the language.
    Name(String),
    Number(f64),
    /// A span of time, in milliseconds.
    Span(i64),
    Text(String),
    /// `(`, `==`, `=~` and their like.
    Sign(&'static str),
}

/// Signs, the longer before those that they begin with.
const SIGNS: [&str; 23] = [
    "=~", "==", "!=", "!~", "<=", ">=", "(", ")", "{", "}", "[", "]", ",", "+", "-", "*", "/", "%", "^", "<", ">", "=",
    "@",
];

/// The words of a text, each with where it begins.
pub(crate) fn words(text: &str) -> Result<Vec<(usize, Token)>, Error> {
    let (mut at, mut out) = (0, Vec::new());
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let (length, token) = match c {
            ' ' | '\t' | '\n' | '\r' => (1, None),
            '#' => (rest.find('\n').unwrap_or(rest.len()), None),
            '"' | '\'' | '`' => {
                text_in_quotes(rest, c).map(|(n, t)| (n, Some(t))).map_err(|why| Error::text(at, why))?
            }
            '0'..='9' => figure(rest).map(|(n, t)| (n, Some(t))).ok_or_else(|| no_figure(at, rest))?,
            '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                figure(rest).map(|(n, t)| (n, Some(t))).ok_or_else(|| no_figure(at, rest))?
            }
            c if c.is_ascii_alphabetic() || c == '_' || c == ':' => {
                let length = rest.bytes().take_while(|b| is_name_byte(*b)).count();
                (length, Some(name(&rest[..length])))
            }
            _ => match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                Some(sign) => (sign.len(), Some(Token::Sign(sign))),
                None => return Err(Error::text(at, format!("`{c}` says nothing here"))),
            },
        };
        out.extend(token.map(|token| (at, token)));
        at += length;
    }
    Ok(out)
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':'
}

fn name(word: &str) -> Token {
    match word.to_ascii_lowercase().as_str() {
        "inf" => Token::Number(f64::INFINITY),
        "nan" => Token::Number(f64::NAN),
        _ => Token::Name(word.to_owned()),
    }
}

fn no_figure(at: usize, rest: &str) -> Error {
    let word: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '.').take(40).collect();
    Error::text(at, format!("`{word}` is neither a number nor a span of time such as `1h30m`"))
}

/// A number or a span of time, and how long it is.
fn figure(rest: &str) -> Option<(usize, Token)> {
    let bytes = rest.as_bytes();
    let is_hex = rest.starts_with("0x") || rest.starts_with("0X");
    let mut length = 0;
    while let Some(byte) = bytes.get(length) {
        // A sign belongs to the number only behind the `e` of its exponent.
        let exponent = !is_hex && length > 0 && matches!(bytes[length - 1], b'e' | b'E') && matches!(byte, b'+' | b'-');
        if !(byte.is_ascii_alphanumeric() || *byte == b'.' || *byte == b'_' || exponent) {
            break;
        }
        length += 1;
    }
    let word = &rest[..length];
    let token = number::read(word).map(Token::Number).or_else(|| duration::read(word).map(Token::Span))?;
    Some((length, token))
}

/// A text in quotes, and how long it is with them.
fn text_in_quotes(rest: &str, quote: char) -> Result<(usize, Token), String> {
    let bytes = rest.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quote != '`' => at += 2,
            byte if char::from(byte) == quote => {
                return Ok((at + 1, Token::Text(unquoted(&rest[1..at], quote)?)));
            }
            _ => at += 1,
        }
    }
    Err(format!("a text that begins with {quote} does not end"))
}
