//! Text in pages. Whatever is not written here goes through [`escape`].

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_becomes_an_element() {
        let hostile = "<script>alert(1)</script>\"' onfocus=x &amp;\u{202e}txt\n";
        let escaped = escape(hostile);
        assert_eq!(escaped, "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39; onfocus=x &amp;amp;txt ");
        assert!(!hidden("a", hostile).contains("<script"));
        assert!(!alert(Some(hostile)).contains("<script"));
    }
}
