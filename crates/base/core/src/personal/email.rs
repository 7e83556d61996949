//! Addresses of mail: a name, `@` (or `%40` in a path) and a domain with a top level of letters (RFC 5321, section 4.1.2).

use crate::redact::{Found, Kind};

/// Longest name before the `@`, in bytes (RFC 5321, section 4.5.3.1.1).
const LOCAL_BYTES_MAX: usize = 64;
/// Longest domain, in bytes.
const DOMAIN_BYTES_MAX: usize = 253;
/// Ends of file names that follow an `@`, as in `icon@2x.png`, and are no top levels.
const FILE_ENDS: &[&str] = &["png", "jpg", "jpeg", "gif", "svg", "webp", "js", "css", "service", "timer"];

pub(super) fn find(bytes: &[u8], found: &mut Vec<Found>) {
    let mut at = 0;
    while let Some(next) = bytes[at..].iter().position(|b| matches!(b, b'@' | b'%')) {
        let sign = at + next;
        let after = match &bytes[sign..] {
            [b'@', ..] => sign + 1,
            [b'%', b'4', b'0', ..] => sign + 3,
            _ => {
                at = sign + 1;
                continue;
            }
        };
        at = after;
        if let (Some(from), Some(end)) = (local(bytes, sign), domain(bytes, after))
            && !is_place_of_git(&bytes[from..sign], &bytes[end..])
        {
            found.push(Found { kind: Kind::Email, range: from..end });
            at = end;
        }
    }
}

/// Where the name before the sign begins; `None` where there is none, or it is the user of a URL.
fn local(bytes: &[u8], sign: usize) -> Option<usize> {
    let is_local = |b: &u8| b.is_ascii_alphanumeric() || b"._+-'%".contains(b) || !b.is_ascii();
    let length = bytes[..sign].iter().rev().take(LOCAL_BYTES_MAX + 1).take_while(|b| is_local(b)).count();
    if length > LOCAL_BYTES_MAX {
        return None;
    }
    // A quotation mark around it, or the dash of a list, is not part of it.
    let from = (sign - length..sign).find(|at| !matches!(bytes[*at], b'\'' | b'-' | b'.'))?;
    let is_user = bytes[..from].ends_with(b"://");
    (!is_user).then_some(from)
}

fn domain(bytes: &[u8], from: usize) -> Option<usize> {
    let is_domain = |b: &&u8| b.is_ascii_alphanumeric() || matches!(**b, b'.' | b'-') || !b.is_ascii();
    let length = bytes[from..].iter().take(DOMAIN_BYTES_MAX + 1).take_while(is_domain).count();
    if length > DOMAIN_BYTES_MAX {
        return None;
    }
    let mut end = from + length;
    while end > from && matches!(bytes[end - 1], b'.' | b'-') {
        end -= 1;
    }
    let mut labels = bytes[from..end].split(|b| *b == b'.');
    let last = labels.next_back()?;
    let mut others = 0;
    for label in labels {
        if label.is_empty() || label.starts_with(b"-") {
            return None;
        }
        others += 1;
    }
    let is_top = last.len() >= 2
        && (last.iter().all(|b| b.is_ascii_alphabetic() || !b.is_ascii()) || last.starts_with(b"xn--"))
        && !FILE_ENDS.iter().any(|end| last.eq_ignore_ascii_case(end.as_bytes()));
    (others > 0 && is_top).then_some(end)
}

/// `git@host.example:group/project` names a place.
fn is_place_of_git(local: &[u8], after: &[u8]) -> bool {
    local == b"git" && after.first() == Some(&b':')
}
