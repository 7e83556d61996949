//! Messages of syslog: RFC 5424, and what was before it (RFC 3164). Anything is a message; what has no head is all text.

use crate::draft::Draft;
use crate::handed::{Handed, Malformed, Scene};
use crate::limits::SYSLOG_BYTES_MAX;
use crate::moment::{bsd, rfc3339};
use bartizan_core::event::Signal;
use std::borrow::Cow;

/// Severities of syslog as those of OpenTelemetry ("Mapping from syslog" in its data model of logs).
const SEVERITIES: [u8; 8] = [21, 19, 18, 17, 13, 10, 9, 5];
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
    "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];
/// Facilities that are about who may do what.
const SECURITY: [usize; 4] = [4, 10, 13, 14];
/// What a message without priority counts as: user, notice (RFC 3164 section 4.3.3).
const PRIORITY: usize = 13;

/// One message.
///
/// # Errors
/// [`Malformed`] for one that is empty or too long.
pub fn read(message: &[u8], scene: &Scene) -> Result<Handed, Malformed> {
    if message.len() > SYSLOG_BYTES_MAX {
        return Err(Malformed("longer than a message of syslog may be"));
    }
    let message = message.trim_ascii();
    if message.is_empty() {
        return Err(Malformed("an empty message"));
    }
    let mut draft = Draft::new(Signal::Log, scene, None);
    let (priority, rest) = priority(message).unwrap_or((PRIORITY, message));
    draft.it.severity = SEVERITIES[priority % 8];
    draft.it.security = SECURITY.contains(&(priority / 8));
    draft.attribute("syslog.facility", FACILITIES[priority / 8]);
    // What begins like the newer form and is none of it is text, like everything else.
    let body = match rest.strip_prefix(b"1 ").and_then(head) {
        Some((head, body)) => {
            head.say(&mut draft);
            body
        }
        None => old(rest, scene, &mut draft),
    };
    draft.body(&lossy(body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body)));
    Ok(draft.finish())
}

/// `<34>`; `None` where there is none, or it means nothing.
fn priority(message: &[u8]) -> Option<(usize, &[u8])> {
    let rest = message.strip_prefix(b"<")?;
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    if !(1..=3).contains(&digits) || rest.get(digits) != Some(&b'>') {
        return None;
    }
    let number = rest[..digits].iter().fold(0, |n, b| n * 10 + usize::from(b - b'0'));
    (number < SEVERITIES.len() * FACILITIES.len()).then(|| (number, &rest[digits + 1..]))
}

/// What stands before the text (RFC 5424 section 6.2 and 6.3).
struct Head<'a> {
    at: &'a [u8],
    fields: [(&'static str, &'a [u8]); 3],
    app: &'a [u8],
    parameters: Vec<(String, String)>,
}

fn head(bytes: &[u8]) -> Option<(Head<'_>, &[u8])> {
    let mut rest = bytes;
    let mut word = || {
        let end = rest.iter().position(|b| *b == b' ')?;
        let (word, more) = rest.split_at(end);
        rest = &more[1..];
        (!word.is_empty()).then_some(word)
    };
    let (at, host, app, process, id) = (word()?, word()?, word()?, word()?, word()?);
    if at != b"-" && rfc3339(std::str::from_utf8(at).ok()?).is_none() {
        return None;
    }
    let (parameters, body) = structured(rest)?;
    let fields = [("host.name", host), ("process.pid", process), ("syslog.msgid", id)];
    Some((Head { at, fields, app, parameters }, body))
}

impl Head<'_> {
    fn say(&self, draft: &mut Draft) {
        draft.it.said_at = std::str::from_utf8(self.at).ok().and_then(rfc3339);
        if self.app != b"-" {
            draft.emitter(&lossy(self.app));
        }
        for (key, value) in self.fields.iter().filter(|(_, value)| *value != b"-") {
            draft.attribute(key, &lossy(value));
        }
        for (key, value) in &self.parameters {
            draft.attribute(key, value);
        }
    }
}

type Structured<'a> = (Vec<(String, String)>, &'a [u8]);

/// `-`, or `[id name="value" …]…`, and the text behind it. Names are dotted behind their element; those of a trace stand alone.
fn structured(bytes: &[u8]) -> Option<Structured<'_>> {
    let mut all = Vec::new();
    let mut rest = match bytes.strip_prefix(b"-") {
        Some(rest) => rest,
        None => {
            let mut rest = bytes;
            while let Some(element) = rest.strip_prefix(b"[") {
                rest = element_of(element, &mut all)?;
            }
            if rest.len() == bytes.len() {
                return None;
            }
            rest
        }
    };
    if !rest.is_empty() {
        rest = rest.strip_prefix(b" ")?;
    }
    Some((all, rest))
}

fn element_of<'a>(bytes: &'a [u8], all: &mut Vec<(String, String)>) -> Option<&'a [u8]> {
    let end = bytes.iter().position(|b| matches!(b, b' ' | b']'))?;
    let id = lossy(&bytes[..end]);
    let mut rest = &bytes[end..];
    loop {
        match rest {
            [b']', rest @ ..] => return Some(rest),
            [b' ', more @ ..] => {
                let equals = more.iter().position(|b| *b == b'=')?;
                let name = lossy(&more[..equals]);
                let (value, after) = quoted(more[equals + 1..].strip_prefix(b"\"")?)?;
                let is_thread = matches!(&*name, "trace_id" | "traceparent" | "traceId");
                let key = if is_thread { name.into_owned() } else { format!("{id}.{name}") };
                all.push((key, value));
                rest = after;
            }
            _ => return None,
        }
    }
}

/// A value up to its closing quote; `\"`, `\\` and `\]` stand for what is behind the backslash.
fn quoted(bytes: &[u8]) -> Option<(String, &[u8])> {
    let mut value = Vec::new();
    let mut at = 0;
    loop {
        match bytes.get(at)? {
            b'"' => return Some((lossy(&value).into_owned(), &bytes[at + 1..])),
            b'\\' if matches!(bytes.get(at + 1), Some(b'"' | b'\\' | b']')) => {
                value.push(bytes[at + 1]);
                at += 2;
            }
            other => {
                value.push(*other);
                at += 1;
            }
        }
    }
}

/// `Oct 11 22:14:15 host app[7]: text`, as far as it is there.
fn old<'a>(bytes: &'a [u8], scene: &Scene, draft: &mut Draft) -> &'a [u8] {
    let Some((at, rest)) = bsd(bytes, scene.now) else { return bytes };
    draft.it.said_at = Some(at);
    let Some(rest) = rest.strip_prefix(b" ") else { return rest };
    let Some(space) = rest.iter().position(|b| *b == b' ') else { return rest };
    let (host, rest) = (&rest[..space], &rest[space + 1..]);
    draft.attribute("host.name", &lossy(host));
    // The tag ends where something stands that is no letter, digit or sign of a name; 48 bytes, where 32 were meant once.
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/');
    let end = rest.iter().position(|b| !is_name(b)).unwrap_or(rest.len());
    if end == 0 || end > 48 {
        return rest;
    }
    let (tag, after) = rest.split_at(end);
    let (pid, after) = match after.strip_prefix(b"[") {
        Some(more) => match more.iter().position(|b| *b == b']') {
            Some(close) => (Some(&more[..close]), &more[close + 1..]),
            None => (None, after),
        },
        None => (None, after),
    };
    let Some(text) = after.strip_prefix(b":") else { return rest };
    draft.emitter(&lossy(tag));
    if let Some(pid) = pid {
        draft.attribute("process.pid", &lossy(pid));
    }
    text.strip_prefix(b" ").unwrap_or(text)
}

fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::Timestamp;
    use proptest::prelude::*;

    fn scene() -> Scene {
        let now = rfc3339("2003-10-11T22:20:00Z").unwrap();
        Scene { source: "syslog".into(), from: "127.0.0.1".into(), now }
    }

    fn read_text(text: &str) -> Handed {
        read(text.as_bytes(), &scene()).unwrap()
    }

    #[test]
    fn refuses_nothing_but_emptiness_and_length() {
        assert!(read(b"", &scene()).is_err() && read(b" \n", &scene()).is_err());
        assert!(read(&vec![b'a'; SYSLOG_BYTES_MAX + 1], &scene()).is_err());
        // Each is text as a whole, or behind its priority.
        for (text, body, severity) in [
            ("just text", "just text", 10),
            ("<34", "<34", 10),
            ("<192>x", "<192>x", 10),
            ("<>x", "<>x", 10),
            ("<0191>x", "<0191>x", 10),
            ("<34>1 not a head", "1 not a head", 18),
            (
                "<34>1 2003-10-11T22:14:15Z h a p m [x y=\"z\" text",
                "1 2003-10-11T22:14:15Z h a p m [x y=\"z\" text",
                18,
            ),
        ] {
            let it = read_text(text).telemetry;
            assert_eq!((&*it.body, it.severity), (body, severity), "{text}");
        }
    }

    /// The examples of RFC 5424, section 6.5, and of RFC 3164, section 5.4.
    #[test]
    fn reads_the_examples_of_the_standards() {
        let it = read_text("<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \u{feff}'su root' failed for lonvick on /dev/pts/8").telemetry;
        assert_eq!((&*it.body, it.emitter.as_deref()), ("'su root' failed for lonvick on /dev/pts/8", Some("su")));
        assert_eq!(
            (it.attribute("host.name"), it.attribute("syslog.msgid")),
            (Some("mymachine.example.com"), Some("ID47"))
        );
        assert_eq!((it.attribute("syslog.facility"), it.security, it.severity), (Some("auth"), true, 18));
        assert_eq!(it.said_at, rfc3339("2003-10-11T22:14:15.003Z"));

        let it = read_text(
            "<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.",
        )
        .telemetry;
        assert_eq!((it.attribute("process.pid"), &*it.body), (Some("8710"), "%% It's time to make the do-nuts."));

        let it = read_text(r#"<165>1 2003-10-11T22:14:15.003Z h evntslog - ID47 [exampleSDID@32473 iut="3" eventSource="A\"p\]p\\" eventID="1011"][examplePriority@32473 class="high"]"#).telemetry;
        assert_eq!(it.attribute("exampleSDID@32473.eventSource"), Some(r#"A"p]p\"#));
        assert_eq!((it.attribute("examplePriority@32473.class"), &*it.body), (Some("high"), ""));

        let it = read_text("<34>Oct 11 22:14:15 mymachine su[7]: 'su root' failed for lonvick on /dev/pts/8").telemetry;
        assert_eq!((&*it.body, it.emitter.as_deref()), ("'su root' failed for lonvick on /dev/pts/8", Some("su")));
        assert_eq!((it.attribute("host.name"), it.attribute("process.pid")), (Some("mymachine"), Some("7")));
        assert_eq!(it.said_at, rfc3339("2003-10-11T22:14:15Z"));

        let it = read_text("<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!").telemetry;
        assert_eq!(
            (&*it.body, it.attribute("host.name"), it.emitter.as_deref()),
            ("Use the BFG!", Some("10.0.0.99"), None)
        );
    }

    #[test]
    fn a_trace_is_found_in_structured_data() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let handed = read_text(&format!("<14>1 - - app - - [otel@1 trace_id=\"{id}\"] text"));
        assert_eq!(handed.request.map(|id| id.to_string()).as_deref(), Some(id));
        assert_eq!(handed.at(), Timestamp::from_millis(scene().now.as_millis()), "a message without a time is of now");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message(bytes in proptest::collection::vec(any::<u8>(), 1..300)) {
            prop_assert_eq!(read(&bytes, &scene()).is_ok(), !bytes.trim_ascii().is_empty());
        }

        #[test]
        fn what_looks_like_a_head_is_read_without_panic(text in "<[0-9]{1,3}>1? ?[A-Za-z0-9 \\[\\]\"=\\\\:.-]{0,120}") {
            let _ = read(text.as_bytes(), &scene());
        }
    }
}
