//! Placeholders in `run` and `env`, such as `${ledger.url}`: read when the file is checked, filled in at start.

/// What stands where a placeholder was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeholder<'a> {
    /// `${data}`: a folder of the service's own.
    Data,
    /// `${listen}`: the service's own address and port.
    Listen,
    /// `${ledger.url}`: where a callee is to be found.
    Callee {
        /// The callee's name as written.
        name: &'a str,
        /// Which part of its address.
        part: Part,
    },
}

/// Part of a callee's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `http://127.0.0.1:15432`.
    Url,
    /// `127.0.0.1:15432`.
    Addr,
    /// `127.0.0.1`.
    Host,
    /// `15432`.
    Port,
}

/// Why a text has no placeholders that we know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceholderError {
    /// A `${` without its `}`.
    #[error("`${{` without `}}`")]
    Open,
    /// A name that stands for nothing, as written between the braces.
    #[error("`${{{0}}}` stands for nothing")]
    Unknown(String),
}

/// Replaces every placeholder of `text` by what `value` gives for it; `$${` becomes `${`.
///
/// # Errors
/// The first of: what is wrong with the text, or what `value` answers.
pub fn fill<'a, E: From<PlaceholderError>>(
    text: &'a str,
    mut value: impl FnMut(Placeholder<'a>) -> Result<String, E>,
) -> Result<String, E> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if let Some(before) = rest[..at].strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        out.push_str(&rest[..at]);
        let (name, after) = rest[at + 2..].split_once('}').ok_or(PlaceholderError::Open)?;
        out.push_str(&value(read(name)?)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn read(name: &str) -> Result<Placeholder<'_>, PlaceholderError> {
    match name {
        "data" => return Ok(Placeholder::Data),
        "listen" => return Ok(Placeholder::Listen),
        _ => {}
    }
    let part = name.split_once('.').and_then(|(callee, part)| {
        let part = match part {
            "url" => Part::Url,
            "addr" => Part::Addr,
            "host" => Part::Host,
            "port" => Part::Port,
            _ => return None,
        };
        Some(Placeholder::Callee { name: callee, part })
    });
    part.ok_or_else(|| PlaceholderError::Unknown(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(text: &str) -> Result<String, PlaceholderError> {
        fill(text, |placeholder| Ok::<_, PlaceholderError>(format!("<{placeholder:?}>")))
    }

    #[test]
    fn fills_what_it_knows_and_leaves_the_rest() {
        for (text, out) in [
            ("", ""),
            ("--port", "--port"),
            ("$HOME and $", "$HOME and $"),
            ("${data}/x", "<Data>/x"),
            ("${listen}", "<Listen>"),
            ("a=${ledger.url},b", "a=<Callee { name: \"ledger\", part: Url }>,b"),
            ("$${data} $$${data}", "${data} $${data}"),
            ("}{", "}{"),
        ] {
            assert_eq!(filled(text).as_deref(), Ok(out), "{text}");
        }
    }

    #[test]
    fn refuses_what_stands_for_nothing() {
        for (text, problem) in [
            ("${data", "`${` without `}`"),
            ("${}", "`${}` stands for nothing"),
            ("${home}", "`${home}` stands for nothing"),
            ("${ledger.uri}", "`${ledger.uri}` stands for nothing"),
            ("${ ledger.url }", "`${ ledger.url }` stands for nothing"),
        ] {
            assert_eq!(filled(text).unwrap_err().to_string(), problem);
        }
    }

    proptest! {
        #[test]
        fn a_text_without_placeholders_stays_as_it_is(text in "[^$]{0,40}") {
            prop_assert_eq!(filled(&text), Ok(text));
        }
    }
}
