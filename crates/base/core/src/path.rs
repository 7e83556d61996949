//! Request paths, in the one form that gateway, policy and program read alike.
//!
//! A path that two readers could understand in two ways (`..`, `//`, `%2f`, `\`) is refused, not mended:
//! mending it in one place only moves the disagreement to the next hop.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// Longest path in bytes, query not counted: twice what common servers take by default for a segment-rich path.
pub const PATH_BYTES_MAX: usize = 4096;
/// Most segments in a path or pattern, a count: bounds the matching loop.
pub const SEGMENTS_MAX: usize = 64;

/// Why a request path was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not begin with `/`.
    #[error("path does not begin with `/`")]
    NotAbsolute,
    /// Over [`PATH_BYTES_MAX`] or [`SEGMENTS_MAX`].
    #[error("path is too long")]
    TooLong,
    /// `//` or a segment `.` or `..`, plain or percent-encoded.
    #[error("path has an empty, `.` or `..` segment")]
    DotSegment,
    /// An encoded `/`, `\` or NUL, a `\`, a control or a non-ASCII byte, or a broken percent sequence.
    #[error("path has a character that servers read in different ways")]
    Ambiguous,
}

/// Checks a request path (without query): `Ok` means every reader splits it into the same segments.
///
/// A single trailing `/` is allowed. Percent-encoding of other characters is left as it is.
///
/// # Errors
/// [`PathError`], one variant per cause.
pub fn check(path: &str) -> Result<(), PathError> {
    if path.len() > PATH_BYTES_MAX {
        return Err(PathError::TooLong);
    }
    let Some(rest) = path.strip_prefix('/') else { return Err(PathError::NotAbsolute) };
    if rest.is_empty() {
        return Ok(());
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    for (count, segment) in rest.split('/').enumerate() {
        if count >= SEGMENTS_MAX {
            return Err(PathError::TooLong);
        }
        check_segment(segment.as_bytes())?;
    }
    Ok(())
}

fn check_segment(segment: &[u8]) -> Result<(), PathError> {
    let (mut at, mut dots, mut others) = (0, 0, 0);
    while at < segment.len() {
        let byte = match segment[at] {
            b'%' => {
                let hex = segment.get(at + 1..at + 3).and_then(|h| std::str::from_utf8(h).ok());
                let decoded = hex
                    .filter(|h| h.bytes().all(|b| b.is_ascii_hexdigit()))
                    .and_then(|h| u8::from_str_radix(h, 16).ok());
                at += 3;
                match decoded {
                    // `%25` would decode twice to something else at a reader that decodes twice.
                    None | Some(b'/' | b'\\' | b'%' | 0..=0x1f | 0x7f) => return Err(PathError::Ambiguous),
                    Some(byte) => byte,
                }
            }
            0..=0x20 | 0x7f.. | b'\\' | b'?' | b'#' | b';' => return Err(PathError::Ambiguous),
            byte => {
                at += 1;
                byte
            }
        };
        if byte == b'.' { dots += 1 } else { others += 1 }
    }
    if others == 0 && dots <= 2 { Err(PathError::DotSegment) } else { Ok(()) }
}

/// The one form of a path that [`check`] accepted: what programs see after decoding, as far as decoding leaves a path.
///
/// Characters that may stand unencoded are decoded (`%61` is `a`, `%40` is `@`), the rest keep their encoding in upper case.
/// Routes and policies are compared with this form; the program gets the path as it came. Source: RFC 3986 section 6.2.2.
pub fn canonical(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let Some(hex) = rest.get(at + 1..at + 3) else {
            out.push_str(&rest[at..]); // no accepted path ends so
            return Cow::Owned(out);
        };
        match u8::from_str_radix(hex, 16) {
            Ok(byte) if may_stand_plain(byte) => out.push(char::from(byte)),
            _ => {
                out.push('%');
                out.push_str(&hex.to_ascii_uppercase());
            }
        }
        rest = &rest[at + 3..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// What [`check`] lets through without encoding.
const fn may_stand_plain(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e) && !matches!(byte, b'%' | b'/' | b'\\' | b'?' | b'#' | b';')
}

/// A pattern over paths: literal segments, `*` or `{name}` for exactly one segment, `**` at the end for any number (also none).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct PathPattern {
    text: Box<str>,
    segments: Box<[Segment]>,
    open_end: bool,
    /// The segments that have a name, by their number.
    params: Box<[(usize, Box<str>)]>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Segment {
    Literal(Box<str>),
    One,
}

/// Why a text is not a path pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a path pattern: {why}")]
pub struct PatternError {
    text: String,
    why: &'static str,
}

impl PatternError {
    /// The rule that the text breaks.
    pub fn why(&self) -> &'static str {
        self.why
    }
}

impl PathPattern {
    /// # Errors
    /// [`PatternError`] where `**` is not the last segment, `*` or `{name}` is part of a segment, a name is none or there twice, or
    /// the literal parts are not a path that [`check`] accepts.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let refuse = |why| PatternError { text: text.chars().take(80).collect(), why };
        let Some(rest) = text.strip_prefix('/') else { return Err(refuse("it must begin with `/`")) };
        let (rest, open_end) = match rest.strip_suffix("**") {
            Some(head) if head.is_empty() || head.ends_with('/') => (head.strip_suffix('/').unwrap_or(head), true),
            _ => (rest, false),
        };
        let (mut segments, mut params) = (Vec::new(), Vec::<(usize, Box<str>)>::new());
        for segment in rest.split('/').filter(|_| !rest.is_empty()) {
            match segment {
                "*" => segments.push(Segment::One),
                _ if segment.contains(['{', '}']) => {
                    let name =
                        segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).filter(|it| is_param(it));
                    let name = name.ok_or_else(|| {
                        refuse("`{name}` stands for a whole segment; a name has lower-case letters, digits and `_`")
                    })?;
                    if params.iter().any(|(_, other)| **other == *name) {
                        return Err(refuse("two segments have one name"));
                    }
                    params.push((segments.len(), name.into()));
                    segments.push(Segment::One);
                }
                _ if segment.contains('*') => {
                    return Err(refuse("`*` stands for a whole segment, `**` for the rest at the end"));
                }
                _ if check_segment(segment.as_bytes()).is_err() => {
                    return Err(refuse("a segment is empty or ambiguous"));
                }
                _ => segments.push(Segment::Literal(canonical(segment).into())),
            }
        }
        if segments.len() > SEGMENTS_MAX || text.len() > PATH_BYTES_MAX {
            return Err(refuse("it is too long"));
        }
        Ok(Self { text: text.into(), segments: segments.into(), open_end, params: params.into() })
    }

    /// Whether `path`, which [`check`] has accepted and [`canonical`] has brought to its one form, fits. A trailing `/` of `path` does not matter.
    pub fn matches(&self, path: &str) -> bool {
        let rest = path.strip_prefix('/').unwrap_or(path);
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let mut given = rest.split('/').filter(|_| !rest.is_empty());
        for wanted in &self.segments {
            match (wanted, given.next()) {
                (_, None) => return false,
                (Segment::One, Some(_)) => {}
                (Segment::Literal(literal), Some(segment)) if **literal == *segment => {}
                _ => return false,
            }
        }
        self.open_end || given.next().is_none()
    }

    /// The segments that have a name, in order: the number of each, from 0, and its name.
    pub fn params(&self) -> &[(usize, Box<str>)] {
        &self.params
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How exact the pattern is, for choosing the most exact of several.
    ///
    /// Two patterns of one rank fit the same path only where they are the same pattern.
    pub fn rank(&self) -> PathRank {
        let rank = self.segments.iter().fold(PathRank::default(), |rank, segment| match segment {
            Segment::Literal(_) => rank.literal(),
            Segment::One => rank.one(),
        });
        if self.open_end { rank } else { rank.closed() }
    }

    /// Its segments, without the `**`.
    pub fn steps(&self) -> impl Iterator<Item = Step<'_>> {
        self.segments.iter().map(|segment| match segment {
            Segment::Literal(text) => Step::Literal(text),
            Segment::One => Step::One,
        })
    }

    /// Whether it ends with `**`.
    pub fn has_open_end(&self) -> bool {
        self.open_end
    }

    /// The one form of all patterns that fit the same paths.
    pub fn form(&self) -> String {
        let mut form = String::with_capacity(self.text.len() + 1);
        for step in self.steps() {
            form.push('/');
            form.push_str(if let Step::Literal(text) = step { text } else { "*" });
        }
        if self.open_end {
            form.push_str("/**");
        }
        if form.is_empty() { "/".to_owned() } else { form }
    }
}

/// A segment of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// This one, in its one form.
    Literal(&'a str),
    /// Any one.
    One,
}

/// How exact a pattern is: the number of literal segments, then of all, then whether it ends, then whether its literals stand
/// further in front.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PathRank {
    literals: u8,
    segments: u8,
    closed: bool,
    /// The first segment is the highest bit; set where it is a literal. [`SEGMENTS_MAX`] of them fit.
    shape: u64,
}

impl PathRank {
    /// With one more segment, a literal.
    #[must_use]
    pub fn literal(self) -> Self {
        let bit = 1_u64.checked_shl(63_u32.saturating_sub(self.segments.into())).unwrap_or(0);
        Self { literals: self.literals + 1, shape: self.shape | bit, ..self.one() }
    }

    /// With one more segment, any one.
    #[must_use]
    pub fn one(self) -> Self {
        Self { segments: self.segments + 1, ..self }
    }

    /// Of a pattern that ends here.
    #[must_use]
    pub fn closed(self) -> Self {
        Self { closed: true, ..self }
    }
}

/// Longest name of a segment, in bytes.
const PARAM_BYTES_MAX: usize = 32;

/// Whether policies can ask for something of that name.
pub(crate) fn is_param(name: &str) -> bool {
    name.len() <= PARAM_BYTES_MAX
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

/// What stands in segment `number` of a path in its one form, decoded where that leaves a text.
pub fn segment(path: &str, number: usize) -> Option<Cow<'_, str>> {
    let raw = path.strip_prefix('/').unwrap_or(path).split('/').nth(number)?;
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((plain, escaped)) = rest.split_once('%') {
        bytes.extend_from_slice(plain.as_bytes());
        let (Some(hex), Some(after)) = (escaped.get(..2), escaped.get(2..)) else { return Some(Cow::Borrowed(raw)) };
        let Ok(byte) = u8::from_str_radix(hex, 16) else { return Some(Cow::Borrowed(raw)) };
        bytes.push(byte);
        rest = after;
    }
    if rest.len() == raw.len() {
        return Some(Cow::Borrowed(raw));
    }
    bytes.extend_from_slice(rest.as_bytes());
    Some(String::from_utf8(bytes).map_or(Cow::Borrowed(raw), Cow::Owned))
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
impl TryFrom<String> for PathPattern {
    type Error = PatternError;
    fn try_from(text: String) -> Result<Self, PatternError> {
        Self::parse(&text)
    }
}
impl From<PathPattern> for String {
    fn from(pattern: PathPattern) -> String {
        pattern.text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As a program decodes: every percent sequence.
    fn decoded(path: &str) -> Vec<u8> {
        let (bytes, mut out, mut at) = (path.as_bytes(), Vec::new(), 0);
        while at < bytes.len() {
            if bytes[at] == b'%' {
                out.push(u8::from_str_radix(&path[at + 1..at + 3], 16).unwrap());
                at += 3;
            } else {
                out.push(bytes[at]);
                at += 1;
            }
        }
        out
    }

    #[test]
    fn refuses_paths_that_two_readers_split_differently() {
        for path in [
            "",
            "accounts",
            "//accounts",
            "/accounts//1",
            "/accounts/../admin",
            "/accounts/./1",
            "/accounts/..",
            "/..",
            "/%2e%2e/admin",
            "/.%2E/admin",
            "/a%2fb",
            "/a%5cb",
            "/a\\b",
            "/a%00",
            "/a%zz",
            "/a%2",
            "/a b",
            "/a\u{e9}",
            "/a%252e",
            "/a;v=1",
            "/a#b",
        ] {
            assert!(check(path).is_err(), "accepted {path:?}");
        }
        for path in ["/", "/accounts", "/accounts/", "/a.b/..c/...", "/a%20b", "/@~!$&'()*+,=:"] {
            assert_eq!(check(path), Ok(()), "{path:?}");
        }
        assert_eq!(check(&"/a".repeat(65)), Err(PathError::TooLong));
        assert_eq!(check(&format!("/{}", "a".repeat(5000))), Err(PathError::TooLong));
    }

    #[test]
    fn patterns_match_whole_paths() {
        for (pattern, path, fits) in [
            ("/**", "/", true),
            ("/**", "/a/b", true),
            ("/", "/", true),
            ("/", "/a", false),
            ("/accounts/**", "/accounts", true),
            ("/accounts/**", "/accounts/1/balance", true),
            ("/accounts/**", "/accountsx", false),
            ("/accounts/*", "/accounts/1", true),
            ("/accounts/*", "/accounts", false),
            ("/accounts/*", "/accounts/1/2", false),
            ("/accounts/*/balance", "/accounts/1/balance/", true),
            ("/accounts/*/balance", "/accounts/1/close", false),
        ] {
            assert_eq!(PathPattern::parse(pattern).unwrap().matches(path), fits, "{pattern} on {path}");
        }
        let named = PathPattern::parse("/accounts/{account}/x/{part_2}/**").unwrap();
        let params: Vec<_> = named.params().iter().map(|(number, name)| (*number, &**name)).collect();
        assert_eq!(params, [(1, "account"), (3, "part_2")]);
        assert!(named.matches("/accounts/7/x/8/9") && !named.matches("/accounts/7/x"));
        assert_eq!(named.rank(), PathPattern::parse("/accounts/*/x/*/**").unwrap().rank());
        for bad in
            ["", "a", "/a*", "/**/a", "/a//b", "/a/../b", "/{}", "/{A}", "/a{b}", "/{a", "/a}", "/{a}/{a}", "/{1a}"]
        {
            assert!(PathPattern::parse(bad).is_err(), "accepted {bad:?}");
        }
    }

    #[test]
    fn a_segment_is_what_programs_see() {
        for (path, number, expected) in [
            ("/accounts/acc-1/balance", 1, Some("acc-1")),
            ("/accounts/a%20b", 1, Some("a b")),
            ("/caf%C3%A9", 0, Some("caf\u{e9}")),
            ("/x/%FF", 1, Some("%FF")),
            ("/accounts", 1, None),
            ("/", 0, Some("")),
        ] {
            assert_eq!(segment(path, number).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn literals_count_first_then_segments_then_the_end_then_the_place() {
        let rank = |pattern: &str| PathPattern::parse(pattern).unwrap().rank();
        let in_order = ["/**", "/", "/*/**", "/*", "/a/**", "/a", "/*/a/**", "/a/*/**", "/*/a", "/a/*", "/a/b/**"];
        for pair in in_order.windows(2) {
            assert!(rank(pair[0]) < rank(pair[1]), "{} before {}", pair[1], pair[0]);
        }
        let longest = "/a".repeat(SEGMENTS_MAX);
        assert!(rank(&longest) > rank(&format!("{}/*", "/a".repeat(SEGMENTS_MAX - 1))));
    }

    #[test]
    fn one_path_has_one_form() {
        for (path, form) in [
            ("/accounts/admin", "/accounts/admin"),
            ("/accounts/%61dmin", "/accounts/admin"),
            ("/users/a%40b.test", "/users/a@b.test"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/a%20b/%7Ec", "/a%20b/~c"),
            ("/x%3By", "/x%3By"),
        ] {
            assert_eq!(check(path), Ok(()), "{path}");
            assert_eq!(canonical(path), form);
        }
        let admin = PathPattern::parse("/accounts/%61dmin").unwrap();
        assert!(admin.matches(&canonical("/accounts/admin")) && admin.matches(&canonical("/accounts/%61%64min")));
    }

    proptest! {
        #[test]
        fn the_one_form_is_stable_and_decodes_like_the_path(path in "/([a-z@:/]|%[2-7][0-9A-Fa-f]){0,20}") {
            if check(&path).is_ok() {
                let form = canonical(&path).into_owned();
                prop_assert_eq!(canonical(&form), form.as_str());
                prop_assert_eq!(check(&form), Ok(()));
                prop_assert_eq!(decoded(&form), decoded(&path));
            }
        }

        #[test]
        fn an_accepted_path_has_no_way_up(path in "/[a-z./%2eE\\\\;]{0,20}") {
            if check(&path).is_ok() {
                let decoded = path.replace("%2e", ".").replace("%2E", ".");
                prop_assert!(!decoded.split('/').any(|s| s == ".." || s == "."), "{}", decoded);
            }
        }
    }
}
