//! Lines of text: the common and combined formats of Apache and nginx, Envoy's default, Istio's default.

use super::{Access, address, said, short};
use crate::limits::{ACCESS_LINE_BYTES_MAX, ACCESS_WORDS_MAX};
use crate::moment::{common_log, rfc3339};

/// Length of `15/Jan/2027:08:59:58 +0100` in bytes.
const TIME_BYTES: usize = 26;

/// A line, where it is one of those.
pub(crate) fn read(line: &str) -> Option<Access> {
    let line = line.trim();
    if line.len() > ACCESS_LINE_BYTES_MAX || !line.contains('"') {
        return None;
    }
    if line.starts_with('[') { envoy(&words(line)?) } else { combined(line) }
}

/// A text that is longer than any line that is read, up to its first query: what is read leaves its line behind, and this one does not.
pub(crate) fn without_query(text: &str) -> &str {
    let query = text.find('"').and_then(|quote| Some(quote + text[quote..].find('?')?));
    query.filter(|_| text.len() > ACCESS_LINE_BYTES_MAX).map_or(text, |at| &text[..at])
}

/// What stands between blanks; in quotes or brackets, blanks belong to it.
fn words(line: &str) -> Option<Vec<&str>> {
    let (mut words, mut rest) = (Vec::new(), line);
    while !rest.is_empty() {
        if words.len() >= ACCESS_WORDS_MAX {
            return None;
        }
        let (text, used) = match rest.as_bytes()[0] {
            b'"' => quoted(&rest[1..]).map(|end| (&rest[1..=end], end + 2))?,
            b'[' => rest.find(']').map(|end| (&rest[1..end], end + 1))?,
            _ => {
                let end = rest.find(' ').unwrap_or(rest.len());
                (&rest[..end], end)
            }
        };
        words.push(text);
        rest = rest[used..].trim_start_matches(' ');
    }
    Some(words)
}

/// Where a quoted text ends; a quote after a backslash does not end it.
fn quoted(rest: &str) -> Option<usize> {
    let mut escaped = false;
    rest.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

/// `ADDRESS IDENT USER [TIME] "REQUEST" STATUS BYTES "REFERER" "AGENT"`, with or without the last two, and whatever follows.
///
/// A user is whatever somebody typed, blanks and brackets among it; quotes in it are escaped, so that no other time stands before one.
fn combined(line: &str) -> Option<Access> {
    let (client, rest) = line.split_once(' ')?;
    let client = address(client)?;
    let (who, at, rest) = rest.match_indices(" [").find_map(|(start, _)| {
        let (time, after) = rest[start + 2..].split_at_checked(TIME_BYTES)?;
        Some((&rest[..start], common_log(time)?, after.strip_prefix("] ").filter(|it| it.starts_with('"'))?))
    })?;
    let user = who.split_once(' ')?.1;
    let words = words(rest)?;
    let [request, status, bytes, rest @ ..] = &*words else { return None };
    let mut it = Access { at: Some(at), client, user: said(user), ..Access::default() };
    it.status = status.parse().ok()?;
    it.sent = bytes.parse().ok();
    it.request_or_else(request);
    it.agent = rest.get(1).and_then(|word| said(word));
    Some(it)
}

/// `[TIME] "REQUEST" STATUS FLAGS` and then Envoy's own, or Istio's four words more.
fn envoy(words: &[&str]) -> Option<Access> {
    let [time, request, status, _, rest @ ..] = words else { return None };
    let mut it = Access { at: Some(rfc3339(time)?), ..Access::default() };
    it.status = status.parse().ok()?;
    it.request_or_else(request);
    // Istio puts why the connection ended between flags and bytes: a word, a word, a text.
    let istio = rest.first().is_some_and(|word| word.parse::<u64>().is_err());
    let rest = if istio { rest.get(3..)? } else { rest };
    let [received, sent, _, _, forwarded, agent, _, authority, _, more @ ..] = rest else { return None };
    it.received = received.parse().ok();
    it.sent = sent.parse().ok();
    it.agent = said(agent);
    let cluster = more.first().map_or("", |word| *word);
    let remote = more.get(3).map_or("", |word| *word);
    it.client = address(forwarded).or_else(|| address(remote)).unwrap_or_default();
    it.to = short(cluster).filter(|_| cluster.starts_with("outbound|")).or_else(|| short(authority));
    Some(it)
}
