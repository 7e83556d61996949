//! The parts of a query, and of a form that is sent as content.

use crate::limits;
use std::borrow::Cow;

/// One `name=value`.
#[derive(Clone, Debug)]
pub(crate) struct Pair<'q> {
    /// As it stands in the query.
    pub(crate) raw: &'q str,
    pub(crate) name: Cow<'q, str>,
    /// Before percent-encoding is undone: a comma that was encoded separates nothing.
    pub(crate) raw_value: &'q str,
}

/// Takes a query apart.
///
/// # Errors
/// Why it cannot be read.
pub(crate) fn pairs(query: &str) -> Result<Vec<Pair<'_>>, String> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    let mut out = Vec::new();
    for raw in parts {
        if out.len() >= limits::QUERY_PARAMETERS_MAX {
            return Err(format!("has more than {} parameters", limits::QUERY_PARAMETERS_MAX));
        }
        let (name, raw_value) = raw.split_once('=').unwrap_or((raw, ""));
        out.push(Pair { raw, name: decode(name, true)?, raw_value });
    }
    Ok(out)
}

/// Undoes percent-encoding, and in forms `+`.
///
/// # Errors
/// Where it is broken, or is no text.
pub(crate) fn decode(text: &str, is_form: bool) -> Result<Cow<'_, str>, String> {
    if !text.contains(['%', '+']) {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, more)) = rest.split_first() {
        rest = more;
        match byte {
            b'+' if is_form => out.push(b' '),
            b'%' => {
                let hex = more.get(..2).filter(|hex| hex.iter().all(u8::is_ascii_hexdigit));
                let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok());
                let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).ok_or("has broken percent-encoding")?;
                out.push(byte);
                rest = &more[2..];
            }
            byte => out.push(byte),
        }
    }
    String::from_utf8(out).map(Cow::Owned).map_err(|_| "is not UTF-8".to_owned())
}
