//! Headers that the guard adds on the way out, from files that the program need not be able to read.

use crate::limits;
use bartizan_core::Secret;
use bartizan_core::egress::{HeaderFrom, Refusal};
use bartizan_runtime::files;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::path::Path;

/// Puts the header in, in place of whatever the program said under that name. The file is read anew each time, so that a
/// credential that was replaced is used from the next request on.
///
/// # Errors
/// `Credential` where the file cannot be read or holds no header value: without it the request does not go.
pub(super) fn add(headers: &mut HeaderMap, from: &HeaderFrom) -> Result<(), Refusal> {
    let HeaderFrom { name, file, prefix } = from;
    let bytes = files::read_bounded(Path::new(file), limits::CREDENTIAL_BYTES_MAX).map_err(|error| {
        tracing::warn!(%error, file, "a credential cannot be read");
        Refusal::Credential
    })?;
    let bytes = Secret::new(bytes);
    let value = std::str::from_utf8(bytes.expose()).map_err(|_| Refusal::Credential)?.trim();
    if value.is_empty() {
        return Err(Refusal::Credential);
    }
    put(headers, name, &Secret::new(format!("{prefix}{value}"))).ok_or(Refusal::Credential)
}

/// Says `text` under `name` and nothing else, also not under a name that servers take for the same: some read `x_key` as `x-key`.
/// `None` where it is no value of a header.
pub(super) fn put(headers: &mut HeaderMap, name: &str, text: &Secret<String>) -> Option<()> {
    let mut value = HeaderValue::from_str(text.expose()).ok()?;
    value.set_sensitive(true);
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    let is_same = |other: &&HeaderName| other.as_str().replace('_', "-") == name.as_str();
    let same: Vec<HeaderName> = headers.keys().filter(is_same).cloned().collect();
    for other in same {
        headers.remove(other);
    }
    headers.insert(name, value);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_credential_nothing_goes_and_what_the_program_says_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let from =
            HeaderFrom { name: "authorization".into(), file: path.to_str().unwrap().into(), prefix: "Bearer ".into() };
        let mut headers = HeaderMap::new();
        headers.append("authorization", HeaderValue::from_static("the program's"));
        headers.append("authorization", HeaderValue::from_static("twice"));
        headers.append("x_key", HeaderValue::from_static("kept"));
        assert_eq!(add(&mut headers, &from), Err(Refusal::Credential), "no file");
        for bad in ["", " \n", "a\nb", "a\u{7f}"] {
            std::fs::write(&path, bad).unwrap();
            assert_eq!(add(&mut headers, &from), Err(Refusal::Credential), "{bad:?}");
        }
        std::fs::write(&path, vec![b'a'; limits::CREDENTIAL_BYTES_MAX + 1]).unwrap();
        assert_eq!(add(&mut headers, &from), Err(Refusal::Credential), "too long");
        for secret in ["first", "second\n"] {
            std::fs::write(&path, secret).unwrap();
            add(&mut headers, &from).unwrap();
            let all: Vec<_> = headers.get_all("authorization").iter().collect();
            assert_eq!(all, [&format!("Bearer {}", secret.trim())[..]]);
            assert!(!format!("{headers:?}").contains(secret.trim()), "not in a log");
        }
    }
}
