//! The address of a request in one form, so that a proof's `htu` can be compared (RFC 9449 section 4.3, RFC 3986 section 6.2).

/// Longest address that is compared, in bytes.
pub(crate) const URI_BYTES_MAX: usize = 4_096;

/// Scheme and host in lower case, no usual port, percent escapes only where they are needed and in upper case, an empty path as
/// `/`, no query and no fragment. `None` for what is no address of HTTP, or one that two readers could read differently: with a
/// user, with `.` or `..` as a segment, with a backslash, with a broken escape.
pub(crate) fn normalise(text: &str) -> Option<String> {
    if text.len() > URI_BYTES_MAX || !text.bytes().all(|byte| matches!(byte, 0x21..=0x7e)) {
        return None;
    }
    let (scheme, rest) = text.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let usual_port = match scheme.as_str() {
        "https" => "443",
        "http" => "80",
        _ => return None,
    };
    let rest = rest.split(['?', '#']).next()?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host_end = if authority.starts_with('[') {
        authority.find(']')? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (host, port) = authority.split_at(host_end);
    let in_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'[' | b']' | b':');
    if host.is_empty() || !host.bytes().all(in_host) {
        return None;
    }
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => "",
        Some(port) if port == usual_port || port.is_empty() => "",
        Some(digits) if digits.len() <= 5 && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0') => {
            port
        }
        _ => return None,
    };
    let path = normalise_path(if path.is_empty() { "/" } else { path })?;
    Some(format!("{scheme}://{}{port}{path}", host.to_ascii_lowercase()))
}

fn normalise_path(path: &str) -> Option<String> {
    let mut out = String::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                let value = digit(bytes.next()?)? * 16 + digit(bytes.next()?)?;
                if value.is_ascii_alphanumeric() || matches!(value, b'-' | b'.' | b'_' | b'~') {
                    out.push(char::from(value));
                } else {
                    out.push_str(&format!("%{value:02X}"));
                }
            }
            b'\\' => return None,
            other => out.push(char::from(other)),
        }
    }
    let is_ambiguous = out.split('/').any(|segment| matches!(segment, "." | ".."));
    (!is_ambiguous).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_address_has_one_form() {
        for (text, wanted) in [
            ("https://Server.Example.com/token", "https://server.example.com/token"),
            ("HTTPS://server.example.com:443/token?a=b#c", "https://server.example.com/token"),
            ("https://server.example.com", "https://server.example.com/"),
            ("https://server.example.com?x", "https://server.example.com/"),
            ("http://server.example.com:80/a", "http://server.example.com/a"),
            ("https://server.example.com:80/a", "https://server.example.com:80/a"),
            ("https://server.example.com/%7ea/%2fb%c3%a9", "https://server.example.com/~a/%2Fb%C3%A9"),
            ("https://[2001:DB8::1]:8443/", "https://[2001:db8::1]:8443/"),
            ("https://a/B", "https://a/B"),
        ] {
            assert_eq!(normalise(text).as_deref(), Some(wanted), "{text}");
        }
        for text in [
            "",
            "/token",
            "server.example.com",
            "ftp://a/",
            "https://",
            "https:///a",
            "https://user@a/",
            "https://a:b/",
            "https://a:99999999/",
            "https://a:08/",
            "https://a/../b",
            "https://a/%2e%2E/b",
            "https://a/./b",
            "https://a/b\\c",
            "https://a/%",
            "https://a/%2",
            "https://a/%zz",
            "https://a /",
            "https://\u{e9}/",
            "https://[::1/",
            "https://a/\n",
        ] {
            assert_eq!(normalise(text), None, "{text}");
        }
        assert_eq!(normalise(&format!("https://a/{}", "a".repeat(URI_BYTES_MAX))), None);
    }

    proptest! {
        #[test]
        fn the_form_of_a_form_is_itself(text in "https?://[a-zA-Z.]{1,8}(:[1-9][0-9]{0,4})?(/([a-zA-Z~ -]|%[0-9a-fA-F]{2}){0,5}){0,3}(\\?x)?") {
            if let Some(form) = normalise(&text) {
                prop_assert_eq!(normalise(&form), Some(form));
            }
        }
    }
}
