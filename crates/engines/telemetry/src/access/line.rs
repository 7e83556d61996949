//! Lines of text: the common and combined formats of Apache and nginx, Envoy's default, Istio's default.

use super::{Access, address, said, short};
use crate::limits::{ACCESS_LINE_BYTES_MAX, ACCESS_WORDS_MAX};
use crate::moment::{common_log, rfc3339};

/// What stands between two blanks; in quotes or brackets, blanks belong to it.
struct Word<'a> {
    text: &'a str,
    quoted: bool,
}

/// A line, where it is one of those.
pub(super) fn read(line: &str) -> Option<Access> {
    let line = line.trim();
    if line.len() > ACCESS_LINE_BYTES_MAX || !line.contains('"') {
        return None;
    }
    let words = words(line)?;
    if line.starts_with('[') { envoy(&words) } else { combined(&words) }
}

fn words(line: &str) -> Option<Vec<Word<'_>>> {
    let (mut words, mut rest) = (Vec::new(), line);
    while !rest.is_empty() {
        if words.len() >= ACCESS_WORDS_MAX {
            return None;
        }
        let (text, quoted, used) = match rest.as_bytes()[0] {
            b'"' => quoted(&rest[1..]).map(|end| (&rest[1..=end], true, end + 2))?,
            b'[' => rest.find(']').map(|end| (&rest[1..end], true, end + 1))?,
            _ => {
                let end = rest.find(' ').unwrap_or(rest.len());
                (&rest[..end], false, end)
            }
        };
        words.push(Word { text, quoted });
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
fn combined(words: &[Word<'_>]) -> Option<Access> {
    let [client, _, user, time, request, status, bytes, rest @ ..] = words else { return None };
    if !time.quoted || !request.quoted {
        return None;
    }
    let mut it = Access { at: Some(common_log(time.text)?), client: address(client.text)?, ..Access::default() };
    it.user = said(user.text);
    it.status = status.text.parse().ok()?;
    it.sent = bytes.text.parse().ok();
    if it.request(request.text).is_none() {
        // Somebody sent what is no request; that is worth knowing too.
        it.method = "-".to_owned();
        it.path = request.text.to_owned();
    }
    it.agent = rest.get(1).and_then(|word| said(word.text));
    Some(it)
}

/// `[TIME] "REQUEST" STATUS FLAGS` and then Envoy's own, or Istio's four words more.
fn envoy(words: &[Word<'_>]) -> Option<Access> {
    let [time, request, status, _, rest @ ..] = words else { return None };
    let mut it = Access { at: Some(rfc3339(time.text)?), ..Access::default() };
    it.status = status.text.parse().ok()?;
    it.request(request.text)?;
    // Istio puts why the connection ended between flags and bytes: a word, a word, a text.
    let istio = rest.first().is_some_and(|word| word.text.parse::<u64>().is_err());
    let rest = if istio { rest.get(3..)? } else { rest };
    let [received, sent, _, _, forwarded, agent, _, authority, _, more @ ..] = rest else { return None };
    it.received = received.text.parse().ok();
    it.sent = sent.text.parse().ok();
    it.agent = said(agent.text);
    let cluster = more.first().map_or("", |word| word.text);
    let remote = more.get(3).map_or("", |word| word.text);
    it.client = address(forwarded.text).or_else(|| address(remote)).unwrap_or_default();
    it.to = short(cluster).filter(|_| cluster.starts_with("outbound|")).or_else(|| short(authority.text));
    Some(it)
}
