//! Takes out of a text what must never be stored: credentials that slipped into a path, a reason or an error message, and personal data.
//!
//! This is the last net, not the first: an event has no field for headers, queries or bodies. It works by looks, so it
//! may take out an innocent value behind `token:`, and it cannot know a password that stands alone and looks like a word.
//! Names of users and whoever acted stay in events, whatever they look like: an audit has to say who it was.

use crate::event::{
    Alerted, Budget, Clock, Config, Connection, Egress, Ended, Event, Handshake, Identity, Judged, Loss, Person,
    Predicted, Process, Refused, Request, Rotation, Telemetry, What,
};
use crate::personal;
use crate::redact_cards;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// What stands in place of what was taken out.
pub const REDACTED: &str = "[redacted]";
/// Shortest run of hex or random-looking characters taken for a key, in bytes: 128 bits in hex.
const RUN_BYTES_MIN: usize = 32;
/// Shortest token behind `Bearer`, in bytes.
const CREDENTIAL_BYTES_MIN: usize = 8;
/// Longest tail of a word looked at for a telling name, in bytes.
const KEY_BYTES_MAX: usize = 64;

const PEM_BEGIN: &[u8] = b"-----BEGIN ";
/// Names of secrets, in lower case and without `-` and `_`, anywhere in a key.
const KEYS_ANYWHERE: &[&str] = &[
    "passw",
    "passphrase",
    "secret",
    "apikey",
    "accesskey",
    "privatekey",
    "signingkey",
    "credential",
    "authorization",
    "cookie",
];
/// Names of secrets at the end of a key only: `tokenizer` and `author` are none.
const KEYS_AT_END: &[&str] = &["token", "pwd", "auth", "jwt", "sessionid"];
/// Words before a credential, in lower case.
const SCHEMES: &[&str] = &["bearer", "basic", "dpop"];
/// Beginnings of well-known keys, with the shortest length of the whole.
const KNOWN: &[(&str, usize)] = &[
    ("AKIA", 20),
    ("ASIA", 20),
    ("ghp_", 20),
    ("gho_", 20),
    ("ghs_", 20),
    ("github_pat_", 20),
    ("glpat-", 20),
    ("xoxb-", 20),
    ("xoxp-", 20),
    ("sk_live_", 20),
    ("hvs.", 20),
];

/// What was found in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A password, a token behind `Bearer`, the value of a key that names a secret.
    Credential,
    /// A private key, a key of a known provider, a long run of hex or random characters.
    Key,
    /// A signed token.
    Jwt,
    /// The number of a payment card.
    Card,
    /// An address of mail.
    Email,
    /// The number of a telephone.
    Phone,
    /// The number of a bank account.
    Iban,
    /// A birthday, under a key that says so.
    Birthdate,
    /// A social security number of the United States.
    UsSsn,
    /// A national insurance number of the United Kingdom.
    UkNino,
    /// A social security number of France.
    FrNir,
    /// An identity number of Spain, of citizens and residents.
    EsDni,
    /// A fiscal code of Italy.
    ItFiscalCode,
    /// A taxpayer's number of Brazil.
    BrCpf,
}

impl Kind {
    /// Every kind, in the order of the manual.
    pub const ALL: [Self; 14] = [
        Self::Credential,
        Self::Key,
        Self::Jwt,
        Self::Card,
        Self::Email,
        Self::Phone,
        Self::Iban,
        Self::Birthdate,
        Self::UsSsn,
        Self::UkNino,
        Self::FrNir,
        Self::EsDni,
        Self::ItFiscalCode,
        Self::BrCpf,
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::Key => "key",
            Self::Jwt => "jwt",
            Self::Card => "card",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Iban => "iban",
            Self::Birthdate => "birthdate",
            Self::UsSsn => "us_ssn",
            Self::UkNino => "uk_nino",
            Self::FrNir => "fr_nir",
            Self::EsDni => "es_dni",
            Self::ItFiscalCode => "it_fiscal_code",
            Self::BrCpf => "br_cpf",
        }
    }
}

/// One stretch of a text that is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub kind: Kind,
    /// Where it stands, in bytes.
    pub range: Range<usize>,
}

/// `text` without what looks like a credential, each replaced by [`REDACTED`]; borrowed where there is none.
///
/// Time is linear in the length of `text`. Kept although they are long: 32 hex digits (a request id) and UUIDs.
pub fn redact(text: &str) -> Cow<'_, str> {
    cleaned(text, &secrets(text))
}

/// The same, and without personal data.
pub fn redact_all(text: &str) -> Cow<'_, str> {
    cleaned(text, &find_all(text))
}

/// What [`redact_all`] takes out, in order and apart from each other.
pub fn find_all(text: &str) -> Vec<Found> {
    let mut found = secrets(text);
    let before = found.len();
    personal::find(text, &mut found);
    if found.len() > before { apart(found) } else { found }
}

fn cleaned<'a>(text: &'a str, found: &[Found]) -> Cow<'a, str> {
    if found.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(without(text, found)) }
}

/// What [`redact`] takes out.
fn secrets(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        at = step(text, at, &mut found);
    }
    let cards = redact_cards::find(text.as_bytes());
    if !cards.is_empty() {
        found.extend(cards.into_iter().map(|range| Found { kind: Kind::Card, range }));
        found = apart(found);
    }
    found
}

/// Whether `key` is the name of a secret, so that its value is one whatever it looks like.
pub fn is_telling(key: &str) -> bool {
    let key = normal(key);
    KEYS_ANYWHERE.iter().any(|k| key.contains(k)) || KEYS_AT_END.iter().any(|k| key.ends_with(k))
}

/// The same stretches in order, those that overlap as one.
fn apart(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by_key(|it| it.range.start);
    let mut apart: Vec<Found> = Vec::with_capacity(found.len());
    for it in found {
        match apart.last_mut() {
            Some(last) if it.range.start < last.range.end => last.range.end = last.range.end.max(it.range.end),
            _ => apart.push(it),
        }
    }
    apart
}

/// Looks at what begins at byte `at`, notes what has to go, and gives the byte at which to go on.
fn step(text: &str, at: usize, found: &mut Vec<Found>) -> usize {
    let bytes = text.as_bytes();
    if bytes[at..].starts_with(PEM_BEGIN) {
        let end = pem_end(bytes, at);
        found.push(Found { kind: Kind::Key, range: at..end });
        return end;
    }
    if bytes[at..].starts_with(b"://") {
        return user_info(bytes, at + 3, found);
    }
    if !is_word(bytes[at]) {
        return at + 1;
    }
    let end = word_end(bytes, at);
    let word = &text[at..end];
    // The word first, also where it is the key of what follows: a token may stand there too.
    found_in_word(bytes, at..end, found);
    let follows = value_of_telling_key(bytes, word, end).or_else(|| credential_after(bytes, word, end));
    let follows = follows.map(|range| with_pem(bytes, range));
    let next = follows.as_ref().map_or(end, |range| range.end);
    found.extend(follows.map(|range| Found { kind: Kind::Credential, range }));
    next
}

fn without(text: &str, found: &[Found]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut kept = 0;
    for Found { kind: _, range } in found {
        out.push_str(&text[kept..range.start]);
        out.push_str(REDACTED);
        kept = range.end;
    }
    out.push_str(&text[kept..]);
    out
}

/// The end of the PEM block at `at`; the end of the text where the block does not end.
fn pem_end(bytes: &[u8], at: usize) -> usize {
    let after = |from: usize, what: &[u8]| find(&bytes[from..], what).map(|i| from + i + what.len());
    after(at, b"-----END ").and_then(|end| after(end, b"-----")).unwrap_or(bytes.len())
}

/// `range`, and all of a PEM block that begins in it.
fn with_pem(bytes: &[u8], range: Range<usize>) -> Range<usize> {
    // One byte more than the range: the blank behind `BEGIN` ends most values.
    let seen = &bytes[range.start..(range.end + 1).min(bytes.len())];
    match find(seen, PEM_BEGIN) {
        Some(at) => range.start..pem_end(bytes, range.start + at).max(range.end),
        None => range,
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// `user:password` of `scheme://user:password@host`. The name goes along: some services take a token in its place.
fn user_info(bytes: &[u8], at: usize, found: &mut Vec<Found>) -> usize {
    let end = run_end(bytes, at, |b| !b.is_ascii_whitespace() && !matches!(b, b'/' | b'?' | b'#' | b'"' | b'\''));
    let authority = &bytes[at..end];
    match authority.iter().rposition(|b| *b == b'@') {
        Some(host) if authority[..host].contains(&b':') => {
            found.push(Found { kind: Kind::Credential, range: at..at + host });
            at + host
        }
        _ => at,
    }
}

/// `hunter2` of `password=hunter2`, `"password": "hunter2"` and the like.
fn value_of_telling_key(bytes: &[u8], word: &str, end: usize) -> Option<Range<usize>> {
    let at = separator_end(bytes, end)?;
    let key = normal(word);
    if !is_telling(word) {
        return None;
    }
    let value = value(bytes, at, key.ends_with("authorization") || key.ends_with("cookie"));
    (!value.is_empty() && bytes[value.clone()] != *REDACTED.as_bytes()).then_some(value)
}

/// The last part of a key in lower case, without the signs that people put between words.
fn normal(word: &str) -> String {
    let tail = &word.as_bytes()[word.len().saturating_sub(KEY_BYTES_MAX)..];
    let tail = tail.rsplit(|b| *b == b'/').next().unwrap_or_default();
    tail.iter().filter(|b| b.is_ascii_alphanumeric()).map(|b| char::from(b.to_ascii_lowercase())).collect()
}

/// Where the value begins, if there is `=` or `:` (plain or percent-encoded), with quotes and blanks around it.
fn separator_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = run_end(bytes, at, |b| matches!(b, b'"' | b'\'' | b'\\' | b' '));
    let from = at;
    while let Some(rest) = bytes.get(at..) {
        match rest {
            [b'=' | b':', ..] => at += 1,
            [b'%', b'3', b'd' | b'D' | b'a' | b'A', ..] => at += 3,
            _ => break,
        }
    }
    (at > from).then(|| run_end(bytes, at, |b| matches!(b, b' ' | b'\t')))
}

fn value(bytes: &[u8], at: usize, whole_line: bool) -> Range<usize> {
    let (first, mut quoted) = one_value(bytes, at, whole_line);
    let mut end = first.end;
    // `"secret": "api_key": "x"` is no JSON, and still no reason to let x through.
    while quoted && let Some(next) = separator_end(bytes, end) {
        let more = one_value(bytes, next, whole_line);
        (end, quoted) = (more.0.end, more.1);
    }
    first.start..end
}

/// One value, and whether it is in quotes, which are not part of it.
fn one_value(bytes: &[u8], at: usize, whole_line: bool) -> (Range<usize>, bool) {
    let quote_at = run_end(bytes, at, |b| b == b'\\');
    if let Some(quote @ (b'"' | b'\'')) = bytes.get(quote_at).copied() {
        return (quote_at + 1..quoted_end(bytes, quote_at + 1, quote, quote_at - at), true);
    }
    if whole_line {
        return (at..run_end(bytes, at, |b| !matches!(b, b'\n' | b'\r')), false);
    }
    let mut from = at;
    let mut end = run_end(bytes, at, is_value);
    while SCHEMES.iter().any(|scheme| bytes[from..end].eq_ignore_ascii_case(scheme.as_bytes())) {
        from = run_end(bytes, end, |b| b.is_ascii_whitespace());
        end = run_end(bytes, from, is_value);
    }
    (at..end, false)
}

/// The end of a quoted text: before its closing quote, which has as many backslashes before it as the opening one.
fn quoted_end(bytes: &[u8], from: usize, quote: u8, backslashes: usize) -> usize {
    let mut run = 0;
    for (at, b) in bytes.iter().enumerate().skip(from) {
        match *b {
            b'\n' => return at,
            b if b == quote && run <= backslashes => return at - run,
            b'\\' => run += 1,
            _ => run = 0,
        }
    }
    bytes.len()
}

fn is_value(b: u8) -> bool {
    !b.is_ascii_whitespace()
        && !matches!(b, b'&' | b',' | b';' | b'"' | b'\'' | b'<' | b'>' | b'(' | b')' | b'{' | b'}' | b'|')
}

/// The token of `Bearer TOKEN`, `Basic TOKEN`.
fn credential_after(bytes: &[u8], word: &str, end: usize) -> Option<Range<usize>> {
    let scheme = word.rsplit('/').next().unwrap_or_default();
    if !SCHEMES.iter().any(|s| scheme.eq_ignore_ascii_case(s)) {
        return None;
    }
    let mut at = run_end(bytes, end, |b| b.is_ascii_whitespace() || b == b':');
    if bytes[at..].starts_with(b"%20") {
        at += 3;
    }
    let token_end = run_end(bytes, at, |b| is_word(b) || matches!(b, b'=' | b'~'));
    let token = &bytes[at..token_end];
    // "basic authentication" is prose; the base64 of a name and a password is hardly ever all lower case.
    let is_prose = scheme.eq_ignore_ascii_case("basic") && token.iter().all(u8::is_ascii_lowercase);
    (at > end && token.len() >= CREDENTIAL_BYTES_MIN && !is_prose).then_some(at..token_end)
}

/// Notes tokens and keys inside one word. A word may be a whole path; its segments are judged one by one, and what is
/// left between them as a whole, since base64 has slashes too.
fn found_in_word(bytes: &[u8], word: Range<usize>, found: &mut Vec<Found>) {
    // The padding of base64 goes along with the last segment.
    let padded = |end: usize| if end == word.end { run_end(bytes, end, |b| b == b'=') } else { end };
    let mut at = word.start;
    let mut left = word.start;
    for segment in bytes[word.clone()].split(|b| *b == b'/') {
        let end = at + segment.len();
        if is_key(segment) {
            if is_dense(&bytes[left..at]) {
                found.push(Found { kind: Kind::Key, range: left..at });
            }
            let kind = if is_jwt(segment) { Kind::Jwt } else { Kind::Key };
            found.push(Found { kind, range: at..padded(end) });
            left = end;
        } else if is_id(segment) {
            // The hex of an identifier would make the path around it look like base64.
            if is_dense(&bytes[left..at]) {
                found.push(Found { kind: Kind::Key, range: left..at });
            }
            left = end;
        }
        at = end + 1;
    }
    if is_dense(&bytes[left..word.end]) {
        found.push(Found { kind: Kind::Key, range: left..padded(word.end) });
    }
}

/// Whether what may be base64 with slashes, or a path, looks more like the former.
fn is_dense(stretch: &[u8]) -> bool {
    let letters = stretch.iter().filter(|b| b.is_ascii_alphanumeric()).count();
    letters >= RUN_BYTES_MIN && stretch.contains(&b'/') && changes(stretch) * 10 >= letters * 3
}

fn is_key(segment: &[u8]) -> bool {
    is_jwt(segment) || has_known_beginning(segment) || segment.split(|b| *b == b'.').any(is_long_run)
}

/// `eyJ` is `{"` in base64: the beginning of every JWT and of its claims.
fn is_jwt(segment: &[u8]) -> bool {
    let mut parts = segment.split(|b| *b == b'.');
    parts.clone().count() >= 2 && parts.any(|part| part.starts_with(b"eyJ") && part.len() >= 10)
}

fn has_known_beginning(segment: &[u8]) -> bool {
    let begins = |at: usize| at == 0 || !segment[at - 1].is_ascii_alphanumeric();
    (0..segment.len()).filter(|at| begins(*at)).any(|at| {
        let rest = &segment[at..];
        KNOWN.iter().any(|(beginning, len_min)| rest.len() >= *len_min && rest.starts_with(beginning.as_bytes()))
    })
}

fn is_long_run(part: &[u8]) -> bool {
    if part.len() < RUN_BYTES_MIN || is_id(part) {
        return false;
    }
    let hex = part.iter().filter(|b| b.is_ascii_hexdigit()).count();
    let others = part.iter().filter(|b| !b.is_ascii_hexdigit() && b.is_ascii_alphanumeric()).count();
    (others == 0 && hex >= RUN_BYTES_MIN) || changes(part) * 5 >= part.len()
}

/// 32 hex digits, alone or as a UUID.
fn is_id(part: &[u8]) -> bool {
    let is_hex = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_hexdigit);
    let lengths: Vec<usize> = part.split(|b| *b == b'-').take(6).map(<[u8]>::len).collect();
    part.split(|b| *b == b'-').all(is_hex) && (lengths == [32] || lengths == [8, 4, 4, 4, 12])
}

/// How often neighbours are of different kinds (lower case, upper case, digit): often in random text, seldom in words.
fn changes(text: &[u8]) -> usize {
    let kind = |b: u8| match b {
        b'a'..=b'z' => 1,
        b'A'..=b'Z' => 2,
        b'0'..=b'9' => 3,
        _ => 0,
    };
    text.windows(2).filter(|pair| kind(pair[0]) != 0 && kind(pair[1]) != 0 && kind(pair[0]) != kind(pair[1])).count()
}

/// The end of the word at `at`. A PEM block that is glued to it is not part of it.
fn word_end(bytes: &[u8], at: usize) -> usize {
    let end = run_end(bytes, at, is_word);
    let (before, space) = PEM_BEGIN.split_at(PEM_BEGIN.len() - 1);
    if bytes[at..end].ends_with(before) && bytes[end..].starts_with(space) { end - before.len() } else { end }
}

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'+' | b'/')
}

fn run_end(bytes: &[u8], from: usize, keep: impl Fn(u8) -> bool) -> usize {
    bytes[from..].iter().position(|b| !keep(*b)).map_or(bytes.len(), |len| from + len)
}

/// Applies [`redact_all`] to every text of an event that may come from outside, and [`redact`] to names of users and of whoever acted.
pub fn redact_event(event: &mut Event) {
    // Destructured whole, so that a new field has to be placed on one side or the other.
    let Event { id: _, at: _, service: _, seen_by: _, request: _, what } = event;
    match what {
        What::Request(Request {
            peer: _,
            to: _,
            method,
            path,
            route: _,
            action: _,
            decision,
            status: _,
            error,
            took_us: _,
            added_us: _,
            client: _,
            user,
            span: _,
            parent_span: _,
        }) => {
            name_some(user);
            clean(method);
            clean(path);
            clean_decision(decision);
            clean_some(error);
        }
        What::Connection(Connection { peer: _, to: _, decision, bytes_up: _, bytes_down: _, took_us: _, error }) => {
            clean_decision(decision);
            clean_some(error);
        }
        What::Handshake(Handshake { peer: _, remote: _, failure: _, detail, group: _, suite: _, took_us: _ }) => {
            clean_some(detail);
        }
        What::Refused(Refused { peer: _, remote: _, rule, status: _ }) => clean(rule),
        // Control's own words, in which stands who did it to whom.
        What::Config(Config { kind: _, epoch: _, change: _, detail }) => name_some(detail),
        What::Process(Process { kind: _, executable, pid: _, started: _, exit }) => {
            clean(executable);
            clean_some(exit);
        }
        What::Identity(Identity { id: _, serial: _, not_after: _, renewal: _, refused }) => clean_some(refused),
        What::Ended(Ended { peer: _, ending: _, detail, open_us: _, cut: _ }) => clean_some(detail),
        What::Loss(Loss { arrow: _, offered: _, delivered: _, dropped: _ }) => {}
        What::Budget(Budget { added_p99_us: _, budget_us: _, over: _ }) => {}
        What::Predicted(Predicted { policy, from: _, to: _, action: _, verdict: _, calls: _ }) => clean(policy),
        What::Alert(Alerted { id, rule, step: _, severity: _, urgency: _, incident: _, summary, count: _, by }) => {
            [id, rule, summary].into_iter().for_each(clean);
            name_some(by);
        }
        What::Clock(Clock { of, ahead_s: _, wrong: _ }) => clean(of),
        What::Person(Person { subject: _, name, deed: _, factors, reason, remote: _, by }) => {
            name_some(name);
            clean_some(factors);
            clean_some(reason);
            name_some(by);
        }
        What::Egress(Egress {
            host,
            address: _,
            port: _,
            protocol: _,
            outcome: _,
            first: _,
            learned: _,
            bytes_up: _,
            bytes_down: _,
            took_us: _,
            error,
        }) => {
            clean_some(host); // what is smuggled out in a name is not to lie in the store
            clean_some(error);
        }
        What::Telemetry(Telemetry {
            signal: _,
            source: _,
            from: _,
            said_at: _,
            came_at: _,
            emitter,
            name,
            severity: _,
            body,
            attributes,
            cut: _,
            span: _,
            parent_span: _,
            took_us: _,
            failed: _,
            security: _,
        }) => {
            clean_some(emitter);
            clean(name);
            clean(body);
            attributes.iter_mut().for_each(clean_attribute);
        }
        What::Rotation(Rotation { number: _, what: _, phase: _, halted, detail }) => {
            clean_some(halted);
            clean(detail);
        }
    }
}

fn clean_decision(decision: &mut Option<Judged>) {
    if let Some(Judged { verdict: _, policies: _, reason, epoch: _ }) = decision {
        clean_some(reason);
    }
}

/// A password that looks like a word is known by the key that it stands under, here as in a text.
fn clean_attribute((key, value): &mut (Arc<str>, Arc<str>)) {
    if is_telling(key) || personal::is_value_under(key, value) {
        *value = REDACTED.into();
    } else {
        clean(value);
    }
    clean(key);
}

/// A name may be an address of mail, and says who it was; a credential is none.
fn name_some(text: &mut Option<Arc<str>>) {
    if let Some(text) = text {
        put(text, redact);
    }
}

fn clean_some(text: &mut Option<Arc<str>>) {
    if let Some(text) = text {
        clean(text);
    }
}

fn clean(text: &mut Arc<str>) {
    put(text, redact_all);
}

fn put(text: &mut Arc<str>, how: fn(&str) -> Cow<'_, str>) {
    let cleaned = match how(text) {
        Cow::Borrowed(_) => return,
        Cow::Owned(cleaned) => cleaned,
    };
    *text = cleaned.into();
}
