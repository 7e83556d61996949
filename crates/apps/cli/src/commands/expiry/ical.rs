//! What is due as a calendar that people's programs read (iCalendar, RFC 5545): an event for each thing, at the moment at which it is to be
//! replaced. What is replaced within hours by itself is left out: nobody wants that in a calendar.

use bartizan_core::Timestamp;
use bartizan_core::moment::write;
use bartizan_core::rotation::{Expiring, Forecast};
use std::time::Duration;

/// Longest line in bytes, without its end (section 3.1).
const LINE_BYTES_MAX: usize = 75;
/// What lives for less is left out.
const LIFE_MIN: Duration = Duration::from_secs(2 * 86_400);

pub(super) fn text(forecast: &Forecast) -> String {
    let mut lines = vec!["BEGIN:VCALENDAR".to_owned(), "VERSION:2.0".into(), "PRODID:-//Bartizan//expiry//EN".into()];
    let some = forecast.items.iter().filter(|it| it.at.since(it.since) >= LIFE_MIN);
    for (it, due) in some.filter_map(|it| Some((it, it.due?))) {
        lines.extend(event(it, due, forecast.now));
    }
    lines.push("END:VCALENDAR".into());
    lines.iter().map(|line| folded(line)).collect()
}

fn event(it: &Expiring, due: Timestamp, now: Timestamp) -> [String; 7] {
    let by = it.renewed_by.as_deref().unwrap_or("somebody has to");
    let about = format!("Replaced by: {by}. It ends at {}; then: {}", write(it.at), it.breaks);
    [
        "BEGIN:VEVENT".into(),
        // The same for as long as it is the same thing: a calendar that is read again moves it and makes no second one.
        format!("UID:{}-{}-{}@bartizan", it.what, escaped(&it.name), it.at.as_secs()),
        format!("DTSTAMP:{}", stamp(now)),
        format!("DTSTART:{}", stamp(due)),
        format!("SUMMARY:{}", escaped(&format!("replace {} `{}`", it.what, it.name))),
        format!("DESCRIPTION:{}", escaped(&about)),
        "END:VEVENT".into(),
    ]
}

/// `20261127T204500Z` of `2026-11-27T20:45:00Z`.
fn stamp(at: Timestamp) -> String {
    let text = write(at);
    let seconds = text.split('.').next().unwrap_or_default();
    format!("{}Z", seconds.replace(['-', ':'], ""))
}

/// Section 3.3.11.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// A long line goes on behind a line end and a space.
fn folded(line: &str) -> String {
    let (mut out, mut used) = (String::with_capacity(line.len() + 2), 0);
    for c in line.chars() {
        if used + c.len_utf8() > LINE_BYTES_MAX {
            out.push_str("\r\n ");
            used = 1;
        }
        out.push(c);
        used += c.len_utf8();
    }
    out + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str, days: u64) -> Expiring {
        let since = Timestamp::from_secs(1_700_000_000);
        let at = since.plus(Duration::from_secs(days * 86_400));
        let (renewed_by, breaks) = (None, "nobody trusts anybody; really, \u{fc}berall".to_owned());
        Expiring {
            what: "root".into(),
            name: name.into(),
            since,
            due: Some(at),
            at,
            renewed_by,
            in_danger: false,
            breaks,
        }
    }

    #[test]
    fn what_is_due_is_an_event_and_nothing_in_a_name_becomes_a_line() {
        let items = vec![item("a\nBEGIN:VEVENT;\\", 10), item("short", 1), Expiring { due: None, ..item("never", 10) }];
        let text = text(&Forecast { now: Timestamp::from_secs(1_700_000_000), items });
        assert_eq!(text.matches("\r\nBEGIN:VEVENT\r\n").count(), 1, "{text}");
        assert!(text.contains("DTSTART:20231124T221320Z\r\n"), "{text}");
        let whole = text.replace("\r\n ", "");
        assert!(whole.contains("SUMMARY:replace root `a\\nBEGIN:VEVENT\\;\\\\`\r\n"), "{whole}");
        assert!(whole.contains("nobody trusts anybody\\; really\\, \u{fc}berall"), "{whole}");
        assert!(text.split("\r\n").all(|line| line.len() <= LINE_BYTES_MAX), "{text}");
        assert!(!text.replace("\r\n", "").contains('\n'));
    }
}
