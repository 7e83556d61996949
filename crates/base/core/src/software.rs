//! What runs as a service: the version of its program, and the image that it comes from, as the fleet file says.
//!
//! Source of the form of an image: OCI distribution specification 1.1, "Pulling manifests"; reference grammar of `distribution/reference`.

use std::fmt;
use std::net::Ipv6Addr;

/// Longest version, in bytes: the hash of a commit in SHA-256, or a cell of a table.
pub const VERSION_BYTES_MAX: usize = 64;
/// Longest name of an image, registry included, in bytes: what registries take.
pub const IMAGE_NAME_BYTES_MAX: usize = 255;
/// Longest tag, in bytes.
pub const IMAGE_TAG_BYTES_MAX: usize = 128;
/// Longest reference of an image, in bytes: name, tag and a digest of SHA-512.
pub const IMAGE_BYTES_MAX: usize = 520;

/// What is known of a service's program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Software {
    /// Its version; see [`is_version`].
    pub version: Option<Box<str>>,
    /// The image that it comes from.
    pub image: Option<Image>,
}

/// Whether `text` can be a version: 1 to [`VERSION_BYTES_MAX`] letters, digits and `.`, `-`, `_`, `+`, `~`, a letter or digit first.
pub fn is_version(text: &str) -> bool {
    let further = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+' | b'~');
    text.len() <= VERSION_BYTES_MAX
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(further)
}

/// The reference of an image, such as `registry.bank.example/accounts:1.4@sha256:…`, or its digest alone.
///
/// A value has passed [`Image::parse`]: at most [`IMAGE_BYTES_MAX`] bytes of ASCII, with a name as registries take it or a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image(Box<str>);

impl Image {
    /// Checks a reference.
    ///
    /// # Errors
    /// What is wrong with it, for the reader of the fleet file.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() || text.len() > IMAGE_BYTES_MAX {
            return Err("expected 1 to 520 bytes");
        }
        let Parts { name, tag, digest } = Parts::of(text);
        if digest.is_some_and(|digest| !is_digest(digest)) {
            return Err("the digest is not `sha256:` with 64, or `sha512:` with 128 lower-case hex digits");
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err("the tag is not 1 to 128 letters, digits, `_`, `.` and `-`, a letter, digit or `_` first");
        }
        match name {
            Some(name) if !is_name(name) => {
                Err("the name is not one that registries take: lower-case words with `/` between \
                them, a registry and its port before them or not")
            }
            None if digest.is_none() => Err("it has neither name nor digest"),
            _ => Ok(Self(text.into())),
        }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its name without tag and digest; `None` where it is a digest alone.
    pub fn name(&self) -> Option<&str> {
        Parts::of(&self.0).name
    }

    /// Its tag.
    pub fn tag(&self) -> Option<&str> {
        Parts::of(&self.0).tag
    }

    /// Its digest, the one part of it that nobody can put something else behind.
    pub fn digest(&self) -> Option<&str> {
        Parts::of(&self.0).digest
    }

    /// Whether `text` means it: all of it, its name, its name with its tag or digest, or its digest.
    pub fn is_meant_by(&self, text: &str) -> bool {
        let all = Parts::of(&self.0);
        let asked = Parts::of(text);
        let fits = |asked: Option<&str>, has: Option<&str>| asked.is_none() || asked == has;
        !text.is_empty() && fits(asked.name, all.name) && fits(asked.tag, all.tag) && fits(asked.digest, all.digest)
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The parts of a reference, not looked at any further.
struct Parts<'a> {
    name: Option<&'a str>,
    tag: Option<&'a str>,
    digest: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        if is_digest(text) {
            return Self { name: None, tag: None, digest: Some(text) };
        }
        let (named, digest) = text.split_once('@').map_or((text, None), |(named, digest)| (named, Some(digest)));
        // A colon before the last slash is that of a port.
        let last = named.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match named[last..].split_once(':') {
            Some((_, tag)) => (&named[..named.len() - tag.len() - 1], Some(tag)),
            None => (named, None),
        };
        Self { name: Some(name), tag, digest }
    }
}

fn is_digest(text: &str) -> bool {
    let (hex, digits) = match text.split_once(':') {
        Some(("sha256", hex)) => (hex, 64),
        Some(("sha512", hex)) => (hex, 128),
        _ => return false,
    };
    hex.len() == digits && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_tag(text: &str) -> bool {
    text.len() <= IMAGE_TAG_BYTES_MAX
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

fn is_name(text: &str) -> bool {
    let path = match text.split_once('/') {
        Some((first, rest)) if is_registry(first) => rest,
        _ => text,
    };
    text.len() <= IMAGE_NAME_BYTES_MAX && path.split('/').all(is_component)
}

/// The first word of a name is a registry where it cannot be a word of the path.
fn is_registry(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_port =
        |port: &str| port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
    let is_label = |label: &str| {
        let ends = |c: char| c.is_ascii_alphanumeric();
        label.starts_with(ends)
            && label.ends_with(ends)
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let is_ipv6 = || {
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        inner.is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok())
    };
    port.is_none_or(is_port) && (host.split('.').all(is_label) || is_ipv6())
}

/// A word of the path: letters and digits in groups, with `.`, `_`, `__` or hyphens between them.
fn is_component(text: &str) -> bool {
    let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(sound)
        && text.ends_with(sound)
        && text.split(sound).all(|gap| matches!(gap, "" | "." | "_" | "__") || gap.bytes().all(|b| b == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DIGEST: &str = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    #[test]
    fn refuses_what_is_no_image() {
        let (long, longer) = ("a".repeat(256), format!("a:{}", "t".repeat(129)));
        for (text, why) in [
            ("", "empty"),
            ("bank/Accounts", "upper case in the path"),
            ("accounts:", "an empty tag"),
            ("accounts:-1", "a tag that begins with a hyphen"),
            ("accounts:1 2", "a blank"),
            ("accounts@sha256:abc", "a short digest"),
            (&format!("accounts@{}", DIGEST.to_uppercase()), "a digest in upper case"),
            ("accounts@md5:9f86d081884c7d659a2feaa0c55ad015", "an algorithm that nobody should trust"),
            ("@", "neither name nor digest"),
            (&format!("@{DIGEST}"), "an empty name"),
            ("bank//accounts", "an empty word"),
            ("/accounts", "an empty registry"),
            ("accounts/", "an empty word at the end"),
            ("bank/a___b", "three underscores"),
            ("bank/a..b", "two dots"),
            ("registry.example:port/accounts", "a port in words"),
            ("registry.example:70000/accounts", "no such port"),
            ("https://registry.example/accounts", "a URL"),
            ("[::g]:5000/accounts", "no address"),
            ("bank/ünïcödé", "no ASCII"),
            (&long, "256 bytes of name"),
            (&longer, "129 bytes of tag"),
        ] {
            assert!(Image::parse(text).is_err(), "accepted {text:?}, though {why}");
        }
    }

    #[test]
    fn knows_the_parts_of_an_image() {
        for (text, name, tag, digest) in [
            ("accounts", Some("accounts"), None, None),
            ("bank/accounts:1.4", Some("bank/accounts"), Some("1.4"), None),
            ("localhost:5000/accounts", Some("localhost:5000/accounts"), None, None),
            ("Registry.Example:5000/a/b__c-d.e:v1_2", Some("Registry.Example:5000/a/b__c-d.e"), Some("v1_2"), None),
            ("[::1]:5000/accounts:1", Some("[::1]:5000/accounts"), Some("1"), None),
            (&format!("r.example/a:1@{DIGEST}"), Some("r.example/a"), Some("1"), Some(DIGEST)),
            (&format!("r.example/a@{DIGEST}"), Some("r.example/a"), None, Some(DIGEST)),
            (DIGEST, None, None, Some(DIGEST)),
        ] {
            let image = Image::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!((image.name(), image.tag(), image.digest()), (name, tag, digest), "{text}");
            assert_eq!(image.to_string(), text);
        }
    }

    #[test]
    fn an_image_is_meant_by_all_of_it_and_by_its_parts() {
        let image = Image::parse(&format!("r.example/bank/accounts:1.4@{DIGEST}")).unwrap();
        let by_digest = format!("r.example/bank/accounts@{DIGEST}");
        for text in [image.as_str(), "r.example/bank/accounts", "r.example/bank/accounts:1.4", DIGEST, &by_digest] {
            assert!(image.is_meant_by(text), "{text}");
        }
        for text in
            ["", "accounts", "r.example/bank/accounts:1", "1.4", "r.example/bank/accountsx", &DIGEST.replace('9', "8")]
        {
            assert!(!image.is_meant_by(text), "{text}");
        }
        assert!(!Image::parse("a").unwrap().is_meant_by("a:1"), "a tag is asked for that it does not have");
    }

    #[test]
    fn a_version_is_a_word() {
        for (text, why) in [
            ("", "empty"),
            ("-1", "a hyphen first"),
            ("1 2", "a blank"),
            ("1\n", "a line"),
            ("v/1", "a path"),
            ("1é", "no ASCII"),
        ] {
            assert!(!is_version(text), "accepted {text:?}, though {why}");
        }
        assert!(!is_version(&"1".repeat(VERSION_BYTES_MAX + 1)));
        for text in ["1", "v1.4.2-rc.1+build_7", "2026.11.28", "0a1b2c3", "1.0~beta"] {
            assert!(is_version(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_parses_prints_back_and_is_meant_by_its_parts(
            text in "([a-zA-Z0-9.\\[\\]:-]{1,12}/)?[a-z0-9._/-]{1,16}(:[A-Za-z0-9_.-]{0,6})?(@sha256:[0-9a-f]{62,65})?",
        ) {
            if let Ok(image) = Image::parse(&text) {
                prop_assert_eq!(image.as_str(), &text);
                prop_assert!(image.is_meant_by(&text));
                for part in [image.name(), image.digest()].into_iter().flatten() {
                    prop_assert!(image.is_meant_by(part), "{} of {}", part, text);
                    prop_assert!(Image::parse(part).is_ok(), "{} of {}", part, text);
                }
            }
        }

        #[test]
        fn any_text_is_read_without_a_panic(text: String) {
            let _ = (Image::parse(&text), is_version(&text));
        }
    }
}
