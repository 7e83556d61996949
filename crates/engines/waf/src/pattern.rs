//! Regular expressions as OpenAPI documents write them (ECMA-262, with Unicode), for an engine that takes linear time.
//!
//! What looks around or back is refused when the document is read: no engine does it in linear time, and leaving it out would
//! let through what the document forbids.

use crate::limits;
use regex::{Regex, RegexBuilder};

/// What ECMA-262 calls white space and line ends.
const BLANKS: &str =
    r"\t\n\x0B\x0C\r\x20\u{A0}\u{1680}\u{2000}-\u{200A}\u{2028}\u{2029}\u{202F}\u{205F}\u{3000}\u{FEFF}";

/// Compiles `pattern`.
///
/// # Errors
/// Why it cannot be used here.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > limits::PATTERN_BYTES_MAX {
        return Err(format!("it is longer than {} bytes", limits::PATTERN_BYTES_MAX));
    }
    let translated = translate(pattern)?;
    let built = RegexBuilder::new(&translated)
        .size_limit(limits::PATTERN_PROGRAM_BYTES_MAX)
        .dfa_size_limit(limits::PATTERN_PROGRAM_BYTES_MAX)
        .build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "it unfolds to more than a guard keeps; use smaller repetitions".to_owned(),
        other => {
            let text = other.to_string();
            let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
            last.trim().trim_start_matches("error: ").to_owned()
        }
    })
}

/// The same in the words of the `regex` crate.
fn translate(pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut chars = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                let escaped = chars.next().ok_or("it ends with `\\`")?;
                let mut rest = chars.clone();
                out.push_str(&escape(escaped, in_class, &mut rest)?);
                chars = rest;
            }
            '[' if !in_class => {
                in_class = true;
                out.push('[');
                if chars.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                if chars.next_if_eq(&']').is_some() {
                    // `[]` is nothing and `[^]` everything there.
                    in_class = false;
                    let negated = out.ends_with('^');
                    out.truncate(out.len() - if negated { 2 } else { 1 });
                    out.push_str(if negated { r"[\s\S]" } else { r"[^\s\S]" });
                }
            }
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            // These mean something more in classes here than there.
            '[' | '&' | '~' if in_class => out.extend(['\\', c]),
            '-' if in_class && chars.peek() == Some(&'-') => out.push_str("\\-"),
            '.' if !in_class => out.push_str(r"[^\n\r\u{2028}\u{2029}]"),
            '(' if !in_class => {
                out.push('(');
                let ahead: String = chars.clone().take(3).collect();
                if ["?=", "?!", "?<=", "?<!"].iter().any(|it| ahead.starts_with(it)) {
                    return Err("it looks ahead or behind, which takes more than linear time; say it with `minLength`, `allOf` or `not`".into());
                }
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

/// What stands behind a `\`.
fn escape(c: char, in_class: bool, rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, String> {
    let class = |set: &str, negated: bool| match (in_class, negated) {
        (false, false) => format!("[{set}]"),
        (false, true) => format!("[^{set}]"),
        (true, false) => set.to_owned(),
        (true, true) => format!("[^{set}]"), // classes may lie in classes here
    };
    Ok(match c {
        'd' | 'D' => class("0-9", c == 'D'),
        'w' | 'W' => class("A-Za-z0-9_", c == 'W'),
        's' | 'S' => class(BLANKS, c == 'S'),
        'b' if in_class => r"\x08".into(),
        'b' => r"(?-u:\b)".into(),
        'B' => r"(?-u:\B)".into(),
        'v' => r"\x0B".into(),
        'f' => r"\x0C".into(),
        '0' => r"\x00".into(),
        '1'..='9' => return Err("it refers back to a group, which takes more than linear time".into()),
        'k' => return Err("it refers back to a group, which takes more than linear time".into()),
        'c' => {
            let letter = rest.next().filter(char::is_ascii_alphabetic).ok_or("`\\c` needs a letter")?;
            format!("\\x{:02x}", letter as u32 % 32)
        }
        'u' => unicode(rest)?,
        'A' | 'z' | 'Z' | 'a' | 'e' | 'h' | 'G' | 'Q' | 'E' => {
            return Err(format!("`\\{c}` means nothing in ECMA-262"));
        }
        c if c.is_ascii_punctuation() => regex::escape(&c.to_string()),
        c => format!("\\{c}"),
    })
}

/// `\uXXXX`, `\u{X}`, or a pair of the first.
fn unicode(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, String> {
    let wrong = || "`\\u` needs four hexadecimal digits".to_owned();
    if rest.next_if_eq(&'{').is_some() {
        let digits: String = rest.by_ref().take_while(|&c| c != '}').take(8).collect();
        return Ok(format!("\\u{{{digits}}}"));
    }
    let four = |rest: &mut std::iter::Peekable<std::str::Chars<'_>>| {
        let digits: String = rest.by_ref().take(4).collect();
        u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4).ok_or_else(wrong)
    };
    let mut code = four(rest)?;
    if (0xd800..0xdc00).contains(&code) {
        let second =
            (rest.next() == Some('\\') && rest.next() == Some('u')).then(|| four(rest)).ok_or_else(wrong)??;
        code = 0x1_0000 + ((code - 0xd800) << 10) + (second.wrapping_sub(0xdc00) & 0x3ff);
    }
    Ok(format!("\\u{{{code:x}}}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_takes_more_than_linear_time_or_means_nothing() {
        for (pattern, why) in [
            ("(?=a)b", "looks ahead"),
            ("(?!a)b", "looks ahead"),
            ("(?<=a)b", "looks ahead"),
            ("(?<!a)b", "looks ahead"),
            (r"(a)\1", "refers back"),
            (r"(?<x>a)\k<x>", "refers back"),
            (r"\Aa\z", "means nothing"),
            ("(", "unclosed"),
            ("[a", "unclosed"),
            ("a{1000}{1000}{1000}", "unfolds"),
            (r"a\", "ends with"),
            (r"\u12", "four hexadecimal"),
        ] {
            let error = compile(pattern).unwrap_err();
            assert!(error.contains(why), "{pattern}: {error}");
        }
        assert!(compile(&"a".repeat(limits::PATTERN_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn means_what_ecma_262_means() {
        for (pattern, text, fits) in [
            (r"^\d+$", "123", true),
            (r"^\d+$", "\u{0663}", false),
            (r"^\w$", "é", false),
            (r"^\W$", "é", true),
            (r"^\s$", "\u{a0}", true),
            (r"^\s$", "\u{feff}", true),
            (r"^a$", "a\n", false),
            ("^.$", "\u{2028}", false),
            ("^.$", "😀", true),
            (r"^[\d-]+$", "1-2", true),
            (r"^[\w.-]+$", "a.b-c", true),
            ("^[[]$", "[", true),
            ("^[&&]$", "&", true),
            ("^[^]$", "\n", true),
            ("^[]$", "a", false),
            (r"^\u00e9$", "é", true),
            (r"^\ud83d\ude00$", "😀", true),
            (r"^\/\-\_$", "/-_", true),
            (r"^\cJ$", "\n", true),
            (r"^[\b]$", "\u{8}", true),
            (r"\bfoo\b", "a foo b", true),
            (r"^\p{L}+$", "é", true),
            ("a", "bab", true),
        ] {
            assert_eq!(compile(pattern).unwrap().is_match(text), fits, "{pattern} on {text:?}");
        }
    }
}
