//! Texts in quotes, both ways.

use std::fmt::Write as _;

/// A text in double quotes, as the parser reads it.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => write!(out, "\\u{:04x}", u32::from(c)).expect("a String takes everything"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// What stands between two quotes, or why it says nothing. Escapes are those of Go, without bytes that are no UTF-8.
pub(crate) fn unquoted(inner: &str, quote: char) -> Result<String, String> {
    if quote == '`' {
        return Ok(inner.to_owned());
    }
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        match c {
            '\n' => return Err("a line ends within quotes".into()),
            '\\' => out.push(escape(&mut rest, quote)?),
            c => out.push(c),
        }
    }
    Ok(out)
}

fn escape(rest: &mut std::str::Chars<'_>, quote: char) -> Result<char, String> {
    let kind = rest.next().ok_or("a text ends with `\\`")?;
    let simple = match kind {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '\\' => '\\',
        c if c == quote => c,
        'x' => return number(rest, "", 2, 16, 0x7f),
        'u' => return number(rest, "", 4, 16, u32::MAX),
        'U' => return number(rest, "", 8, 16, u32::MAX),
        c @ '0'..='7' => return number(rest, &c.to_string(), 2, 8, 0x7f),
        c => return Err(format!("`\\{c}` is no escape; a backslash itself is `\\\\`")),
    };
    Ok(simple)
}

/// A character by its number. Bytes above 127 would be parts of a character, and are refused.
fn number(rest: &mut std::str::Chars<'_>, first: &str, digits: usize, base: u32, most: u32) -> Result<char, String> {
    let text: String = first.chars().chain(rest.by_ref().take(digits)).collect();
    let wanted = first.len() + digits;
    let value = (text.chars().count() == wanted && text.chars().all(|c| c.is_digit(base)))
        .then(|| u32::from_str_radix(&text, base).ok())
        .flatten();
    value.filter(|it| *it <= most).and_then(char::from_u32).ok_or_else(|| format!("`{text}` is no character's number"))
}
