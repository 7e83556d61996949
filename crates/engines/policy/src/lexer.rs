//! Where policies begin and end in a file, before Cedar looks at them, and how deep they are.
//!
//! Cedar reads each piece again and has the last word: where this lexer and Cedar's disagree, a piece is not one
//! whole policy, and Cedar refuses it. Depth has to be bounded here, since Cedar's own readers recurse.

/// What a token is; only as fine as is needed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name or keyword.
    Ident,
    /// A string literal with its quotes; one that is not closed reaches to the end of the text.
    Str,
    /// Anything else: a number, or one operator.
    Other,
}

/// One token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
    /// Where it begins, in bytes.
    pub(crate) at: usize,
}

/// The tokens of a text, without comments and white space.
pub(crate) fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = &text[at..];
            let first = rest.chars().next()?;
            let (len, kind) = if first.is_whitespace() {
                (first.len_utf8(), None)
            } else if rest.starts_with("//") {
                // Cedar ends a comment at a carriage return too.
                (rest.find(['\n', '\r']).unwrap_or(rest.len()), None)
            } else {
                let (len, kind) = token(rest, first);
                (len, Some(kind))
            };
            let start = at;
            at += len;
            if let Some(kind) = kind {
                return Some(Token { kind, text: &text[start..at], at: start });
            }
        }
    })
}

fn token(rest: &str, first: char) -> (usize, Kind) {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let run = || rest.find(|c| !word(c)).unwrap_or(rest.len());
    match first {
        '"' => (string_len(rest), Kind::Str),
        '0'..='9' => (rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()), Kind::Other),
        c if word(c) => (run(), Kind::Ident),
        c => {
            let two = ["&&", "||", "==", "!=", "<=", ">=", "::"].iter().any(|two| rest.starts_with(two));
            (if two { 2 } else { c.len_utf8() }, Kind::Other)
        }
    }
}

/// Length of the string literal that `rest` begins with.
fn string_len(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The text of one policy, from its first token to its `;`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    pub(crate) text: &'a str,
    /// Where it begins in the file, in bytes.
    pub(crate) at: usize,
    /// Deepest nesting of brackets, a count.
    pub(crate) nesting: usize,
    /// Operators, conditions and opening brackets, a count: no tree made of this text is deeper.
    pub(crate) operators: usize,
    /// Where a template slot (`?principal`) stands in the file.
    pub(crate) slot: Option<usize>,
}

/// Cuts a file into policies. What follows the last `;` is a piece of its own, unless it is blank.
pub(crate) fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut tokens = tokens(text);
    std::iter::from_fn(move || {
        let first = tokens.next()?;
        let mut piece = Piece { text: "", at: first.at, nesting: 0, operators: 0, slot: None };
        let (mut depth, mut end) = (0_usize, text.len());
        for token in std::iter::once(first).chain(tokens.by_ref()) {
            match (token.kind, token.text) {
                (Kind::Other, ";") => {
                    end = token.at + 1;
                    break;
                }
                (Kind::Other, "(" | "[" | "{") => {
                    depth += 1;
                    piece.operators += 1;
                    piece.nesting = piece.nesting.max(depth);
                }
                (Kind::Other, ")" | "]" | "}") => depth = depth.saturating_sub(1),
                (Kind::Other, "?") => piece.slot = piece.slot.or(Some(token.at)),
                (Kind::Other, "&&" | "||" | "+" | "-" | "*" | "." | "!" | "<" | ">" | "<=" | ">=" | "==" | "!=")
                | (Kind::Ident, "if" | "when" | "unless") => piece.operators += 1,
                _ => {}
            }
        }
        piece.text = &text[piece.at..end];
        Some(piece)
    })
}

/// Where `Type::"id"` stands in a text, in bytes; `None` where it is written in another way.
pub(crate) fn find_entity(text: &str, type_name: &str, id: &str) -> Option<usize> {
    let mut before: [Option<Token<'_>>; 2] = [None, None];
    for token in tokens(text) {
        if let [Some(name), Some(colons)] = before
            && (name.text, colons.text) == (type_name, "::")
            && token.text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) == Some(id)
        {
            return Some(name.at);
        }
        before = [before[1], Some(token)];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        pieces(text).map(|piece| piece.text).collect()
    }

    #[test]
    fn cuts_at_semicolons_outside_strings_and_comments() {
        let file = "// a; b\npermit (x) when { \";\\\";\" // ;\n };  forbid(y); // end;\n";
        assert_eq!(texts(file), ["permit (x) when { \";\\\";\" // ;\n };", "forbid(y);"]);
        assert_eq!(texts("a;b"), ["a;", "b"]);
        assert_eq!(texts("// x\rpermit;"), ["permit;"], "a comment ends at a carriage return");
        assert_eq!(texts("\"open;"), ["\"open;"]);
        assert_eq!(texts(" // nothing"), [""; 0]);
    }

    #[test]
    fn measures_depth() {
        let piece = |text| pieces(text).next().unwrap();
        assert_eq!(piece("permit(a,b,c) when { ((1)) < 2 && x.y };").nesting, 3);
        assert_eq!(piece("permit(a,b,c) when { ((1)) < 2 && x.y };").operators, 8);
        assert_eq!(piece("permit(principal == ?principal, action, resource);").slot, Some(20));
        assert_eq!(piece("\"((((\" // ((((").nesting, 0);
    }

    #[test]
    fn finds_entities() {
        let text = "// Service::\"a\"\nx in Service :: \"a\"";
        assert_eq!(find_entity(text, "Service", "a"), Some(21));
        assert_eq!(find_entity(text, "Service", "b"), None);
    }
}
