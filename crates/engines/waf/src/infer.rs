//! What a path looks like without the parts that name one thing of many, where no document says it.

/// Longest segment that may be a word, in bytes; longer ones are keys and tokens.
const WORD_BYTES_MAX: usize = 32;
/// Most segments that are told apart, a count; what lies deeper is `**`.
const SEGMENTS_SHOWN_MAX: usize = 12;

/// `/orders/17/lines/3` as `/orders/{id}/lines/{id}`. `path` is in its canonical form.
pub fn inferred(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for (index, segment) in path.split('/').skip(1).enumerate() {
        out.push('/');
        if index == SEGMENTS_SHOWN_MAX {
            out.push_str("**");
            return out;
        }
        out.push_str(if is_id(segment) { "{id}" } else { segment });
    }
    out
}

/// Numbers, UUIDs, hashes, dates, addresses of mail, and what is too long for a word.
fn is_id(segment: &str) -> bool {
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    let is_version = segment.strip_prefix('v').is_some_and(|rest| rest.len() <= 3 && digits == rest.len());
    let hex = segment.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    let letters = segment.bytes().filter(u8::is_ascii_alphabetic).count();
    !is_version
        && (segment.len() > WORD_BYTES_MAX
            || (digits > 0 && letters == 0)
            || (digits > 0 && hex && segment.len() >= 6)
            // `order-000173`, `a1b2c3`: digits make up much of it.
            || (digits >= 3 && digits * 2 >= letters)
            || segment.contains(['@', '%', '=', ',', '[']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parts_that_name_one_of_many_are_ids() {
        for (path, expected) in [
            ("/orders/17", "/orders/{id}"),
            ("/orders/17/lines/3/", "/orders/{id}/lines/{id}/"),
            ("/u/2eb8aa08-aa98-11ea-b4aa-73b441d16380", "/u/{id}"),
            ("/blobs/da39a3ee5e6b4b0d3255bfef95601890afd80709", "/blobs/{id}"),
            ("/c/9f86d0", "/c/{id}"),
            ("/days/2026-11-27", "/days/{id}"),
            ("/users/a@b.test", "/users/{id}"),
            ("/orders/order-000173", "/orders/{id}"),
            ("/v1/accounts", "/v1/accounts"),
            ("/v12/x", "/v12/x"),
            ("/api/oauth2/token", "/api/oauth2/token"),
            ("/decade/facade", "/decade/facade"),
            ("/a.b-c_d", "/a.b-c_d"),
            ("/", "/"),
        ] {
            assert_eq!(inferred(path), expected, "{path}");
        }
        assert_eq!(inferred(&"/a".repeat(20)), format!("{}/**", "/a".repeat(12)));
    }

    proptest! {
        #[test]
        fn a_template_is_its_own_template(path in "(/[a-z0-9@.-]{0,40}){1,14}") {
            let once = inferred(&path);
            prop_assert_eq!(inferred(&once), once.clone());
            prop_assert!(once.matches('/').count() <= 13);
        }
    }
}
