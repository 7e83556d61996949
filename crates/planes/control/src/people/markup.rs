//! Text in pages. Whatever is not written here goes through [`escape`].

use bartizan_core::Timestamp;

/// Text as it may stand in an element or in a quoted attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // Marks that turn the order of what is shown round.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// A field that nobody sees.
pub(crate) fn hidden(name: &str, value: &str) -> String {
    format!(r#"<input type="hidden" name="{name}" value="{}">"#, escape(value))
}

/// What went wrong, read out by what reads pages.
pub(super) fn alert(text: Option<&str>) -> String {
    text.map(|text| format!(r#"<p class="alert" role="alert">{}</p>"#, escape(text))).unwrap_or_default()
}

/// A time for people: `2026-11-27 08:05 UTC`.
pub(super) fn utc(at: Timestamp) -> String {
    let minutes = at.as_secs() / 60;
    let (days, minutes) = (minutes / 1440, minutes % 1440);
    // Civil from days (Howard Hinnant), counted from 0000-03-01, so that leap days end their years.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (s, text) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399, "2000-02-28 23:59 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59 UTC"),
            (1_795_766_730, "2026-11-27 08:05 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
        ] {
            assert_eq!(utc(Timestamp::from_secs(s)), text);
        }
    }

    #[test]
    fn nothing_becomes_an_element() {
        let hostile = "<script>alert(1)</script>\"' onfocus=x &amp;\u{202e}txt\n";
        let escaped = escape(hostile);
        assert_eq!(escaped, "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39; onfocus=x &amp;amp;txt ");
        assert!(!hidden("a", hostile).contains("<script"));
        assert!(!alert(Some(hostile)).contains("<script"));
    }
}
