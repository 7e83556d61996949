//! Reads JSON strictly, once, within bounds.

use super::{Id, Kind, Tree};
use crate::limits;
use std::borrow::Cow;

/// How large a text may be.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Deepest nesting, a count.
    pub depth: usize,
    /// Most values, a count.
    pub values: usize,
    /// Most members of one object, a count.
    pub members: usize,
}

impl Bounds {
    /// Those of a body.
    pub const BODY: Self =
        Self { depth: limits::JSON_DEPTH_MAX, values: limits::JSON_VALUES_MAX, members: limits::JSON_MEMBERS_MAX };
    /// Those of an API's document.
    pub const DOCUMENT: Self = Self {
        depth: limits::DOCUMENT_DEPTH_MAX,
        values: limits::DOCUMENT_VALUES_MAX,
        members: limits::DOCUMENT_VALUES_MAX,
    };
}

/// Where and why a text is no JSON that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// Bytes before it.
    pub at: usize,
    /// What is wrong.
    pub problem: JsonProblem,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonProblem {
    /// Not UTF-8.
    Encoding,
    /// It ends too early.
    Cut,
    /// Something else was expected here.
    Syntax,
    /// Something follows the value.
    Trailing,
    /// A number as JSON does not write it.
    Number,
    /// A text with a control character, or an escape that means nothing.
    Text,
    /// Two members with one name: who reads it takes the first or the last.
    Duplicate,
    /// Deeper than [`Bounds::depth`].
    Depth,
    /// More values than [`Bounds::values`], or members than [`Bounds::members`], or too long a number.
    Size,
}

impl JsonProblem {
    /// For messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Encoding => "not UTF-8",
            Self::Cut => "the JSON text ends too early",
            Self::Syntax => "not JSON",
            Self::Trailing => "something follows the JSON value",
            Self::Number => "not a number as JSON writes it",
            Self::Text => "a string with a control character or an escape that means nothing",
            Self::Duplicate => "two members of an object have the same name",
            Self::Depth => "nested too deep",
            Self::Size => "too many values",
        }
    }
}

/// Reads one JSON value, which is all of `bytes`.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn read<'b>(bytes: &'b [u8], bounds: &Bounds) -> Result<Tree<'b>, JsonError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| JsonError { at: error.valid_up_to(), problem: JsonProblem::Encoding })?;
    if u32::try_from(text.len()).is_err() {
        return Err(JsonError { at: 0, problem: JsonProblem::Size });
    }
    let mut reader = Reader { text, at: 0, bounds, tree: Tree::default() };
    reader.blanks();
    reader.value(None, 0)?;
    reader.blanks();
    if reader.at < text.len() { Err(reader.error(JsonProblem::Trailing)) } else { Ok(reader.tree) }
}

struct Reader<'b, 'a> {
    text: &'b str,
    at: usize,
    bounds: &'a Bounds,
    tree: Tree<'b>,
}

impl<'b> Reader<'b, '_> {
    fn error(&self, problem: JsonProblem) -> JsonError {
        JsonError { at: self.at, problem }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// What is wrong where something else was expected.
    fn unexpected(&self) -> JsonError {
        self.error(if self.peek().is_none() { JsonProblem::Cut } else { JsonProblem::Syntax })
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, key: Option<Cow<'b, str>>, depth: usize) -> Result<(), JsonError> {
        if self.tree.nodes.len() >= self.bounds.values {
            return Err(self.error(JsonProblem::Size));
        }
        let start = self.at as u32;
        let id = self.tree.nodes.len() as Id;
        match self.peek() {
            Some(b'{') => self.object(key, depth)?,
            Some(b'[') => self.array(key, depth)?,
            Some(b'"') => {
                let text = self.string()?;
                self.tree.leaf(key, Kind::Text, text);
            }
            Some(b'-' | b'0'..=b'9') => {
                let number = self.number()?;
                self.tree.leaf(key, Kind::Number, Cow::Borrowed(number));
            }
            _ => {
                let kind = self.word()?;
                self.tree.leaf(key, kind, Cow::Borrowed(""));
            }
        }
        self.tree.nodes[id as usize].span = (start, self.at as u32);
        Ok(())
    }

    fn word(&mut self) -> Result<Kind, JsonError> {
        let rest = &self.text[self.at..];
        let words = [("null", Kind::Null), ("true", Kind::Bool(true)), ("false", Kind::Bool(false))];
        let found = words.into_iter().find(|(word, _)| rest.starts_with(word));
        let (word, kind) = found.ok_or_else(|| self.unexpected())?;
        self.at += word.len();
        Ok(kind)
    }

    fn number(&mut self) -> Result<&'b str, JsonError> {
        let rest = &self.text[self.at..];
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let len = rest.bytes().take_while(|byte| is_part(byte)).count();
        let number = &rest[..len];
        if len > limits::NUMBER_BYTES_MAX {
            return Err(self.error(JsonProblem::Size));
        }
        if !bartizan_core::document::is_json_number(number) {
            return Err(self.error(JsonProblem::Number));
        }
        self.at += len;
        Ok(number)
    }

    /// A text, from its first quote to behind its last.
    fn string(&mut self) -> Result<Cow<'b, str>, JsonError> {
        self.at += 1;
        let start = self.at;
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at) {
                None => return Err(self.error(JsonProblem::Cut)),
                Some(b'"') => {
                    let text = &self.text[start..self.at];
                    self.at += 1;
                    return Ok(Cow::Borrowed(text));
                }
                Some(b'\\') => return self.escaped(start),
                Some(0..=0x1f) => return Err(self.error(JsonProblem::Text)),
                Some(_) => self.at += 1,
            }
        }
    }

    /// The rest of a text that has an escape here.
    fn escaped(&mut self, start: usize) -> Result<Cow<'b, str>, JsonError> {
        let mut out = self.text[start..self.at].to_owned();
        loop {
            let plain = self.at;
            while !matches!(self.peek(), None | Some(b'"' | b'\\' | 0..=0x1f)) {
                self.at += 1;
            }
            out.push_str(&self.text[plain..self.at]);
            match self.peek() {
                None => return Err(self.error(JsonProblem::Cut)),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(out));
                }
                Some(b'\\') => out.push(self.escape()?),
                Some(_) => return Err(self.error(JsonProblem::Text)),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let letter = self.text.as_bytes().get(self.at + 1).copied().ok_or_else(|| self.error(JsonProblem::Cut))?;
        let plain = match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return Err(self.error(JsonProblem::Text)),
        };
        self.at += 2;
        Ok(plain)
    }

    /// `\uXXXX`, or two of them for what needs both. Half of a pair is no character.
    fn unicode(&mut self) -> Result<char, JsonError> {
        let first = self.hex(self.at + 2)?;
        let (code, len) = match first {
            0xd800..=0xdbff if self.text[self.at + 6..].starts_with("\\u") => {
                let second = self.hex(self.at + 8)?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err(self.error(JsonProblem::Text));
                }
                (0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00), 12)
            }
            code => (code, 6),
        };
        let it = char::from_u32(code).ok_or_else(|| self.error(JsonProblem::Text))?;
        self.at += len;
        Ok(it)
    }

    fn hex(&self, at: usize) -> Result<u32, JsonError> {
        let digits = self.text.get(at..at + 4).filter(|four| four.bytes().all(|b| b.is_ascii_hexdigit()));
        digits.and_then(|four| u32::from_str_radix(four, 16).ok()).ok_or_else(|| self.error(JsonProblem::Text))
    }

    fn array(&mut self, key: Option<Cow<'b, str>>, depth: usize) -> Result<(), JsonError> {
        if depth >= self.bounds.depth {
            return Err(self.error(JsonProblem::Depth));
        }
        let id = self.tree.open(key, Kind::Array);
        self.at += 1;
        self.blanks();
        let mut count = 0;
        if self.peek() != Some(b']') {
            loop {
                self.value(None, depth + 1)?;
                count += 1;
                if !self.goes_on(b']')? {
                    break;
                }
            }
        }
        self.at += 1;
        self.tree.close(id, count);
        Ok(())
    }

    fn object(&mut self, key: Option<Cow<'b, str>>, depth: usize) -> Result<(), JsonError> {
        if depth >= self.bounds.depth {
            return Err(self.error(JsonProblem::Depth));
        }
        let id = self.tree.open(key, Kind::Object);
        self.at += 1;
        self.blanks();
        let mut count = 0;
        if self.peek() != Some(b'}') {
            loop {
                if self.peek() != Some(b'"') {
                    return Err(self.unexpected());
                }
                if count as usize >= self.bounds.members {
                    return Err(self.error(JsonProblem::Size));
                }
                let name = self.string()?;
                self.blanks();
                if self.peek() != Some(b':') {
                    return Err(self.unexpected());
                }
                self.at += 1;
                self.blanks();
                self.value(Some(name), depth + 1)?;
                count += 1;
                if !self.goes_on(b'}')? {
                    break;
                }
            }
        }
        self.at += 1;
        self.tree.close(id, count);
        self.refuse_twins(id)
    }

    /// Behind a value: true where another one comes, false before the end.
    fn goes_on(&mut self, end: u8) -> Result<bool, JsonError> {
        self.blanks();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.blanks();
                Ok(true)
            }
            Some(byte) if byte == end => Ok(false),
            _ => Err(self.unexpected()),
        }
    }

    /// By sorting, and not by a table of hashes: engines draw no randomness, and a table without could be made slow.
    fn refuse_twins(&self, id: Id) -> Result<(), JsonError> {
        if self.tree.node(id).count < 2 {
            return Ok(());
        }
        let mut names: Vec<(&str, u32)> =
            self.tree.children(id).map(|(_, node)| (node.key.as_deref().unwrap_or_default(), node.span.0)).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(JsonError { at: pair[1].1 as usize, problem: JsonProblem::Duplicate }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn problem(text: &[u8]) -> Option<JsonProblem> {
        read(text, &Bounds::BODY).err().map(|error| error.problem)
    }

    #[test]
    fn refuses_what_is_no_json_or_could_be_read_in_two_ways() {
        for (text, expected) in [
            (&b""[..], JsonProblem::Cut),
            (b"  ", JsonProblem::Cut),
            (b"{", JsonProblem::Cut),
            (b"[1,]", JsonProblem::Syntax),
            (b"{\"a\":1,}", JsonProblem::Syntax),
            (b"{a:1}", JsonProblem::Syntax),
            (b"{'a':1}", JsonProblem::Syntax),
            (b"[1 2]", JsonProblem::Syntax),
            (b"1 2", JsonProblem::Trailing),
            (b"{}{}", JsonProblem::Trailing),
            (b"\xef\xbb\xbf{}", JsonProblem::Syntax),
            (b"01", JsonProblem::Number),
            (b"-", JsonProblem::Number),
            (b"1.", JsonProblem::Number),
            (b"+1", JsonProblem::Syntax),
            (b"NaN", JsonProblem::Syntax),
            (b"Infinity", JsonProblem::Syntax),
            (b"tru", JsonProblem::Syntax),
            (b"\"\x01\"", JsonProblem::Text),
            (b"\"\\x\"", JsonProblem::Text),
            (b"\"\\ud800\"", JsonProblem::Text),
            (b"\"\\ud800\\u0041\"", JsonProblem::Text),
            (b"\"\\udc00\"", JsonProblem::Text),
            (b"\"\\u12\"", JsonProblem::Text),
            (b"\"abc", JsonProblem::Cut),
            (b"\"\xff\"", JsonProblem::Encoding),
            (b"{\"a\":1,\"a\":1}", JsonProblem::Duplicate),
            (b"{\"a\":1,\"\\u0061\":2}", JsonProblem::Duplicate),
            (b"[1]//c", JsonProblem::Trailing),
        ] {
            assert_eq!(problem(text), Some(expected), "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn bounds_hold_exactly() {
        let bounds = Bounds { depth: 3, values: 6, members: 2 };
        let problem = |text: &str| read(text.as_bytes(), &bounds).err().map(|error| error.problem);
        assert_eq!(problem("[[[1]]]"), None);
        assert_eq!(problem("[[[[1]]]]"), Some(JsonProblem::Depth));
        assert_eq!(problem("[1,1,1,1,1]"), None);
        assert_eq!(problem("[1,1,1,1,1,1]"), Some(JsonProblem::Size));
        assert_eq!(problem(r#"{"a":1,"b":1}"#), None);
        assert_eq!(problem(r#"{"a":1,"b":1,"c":1}"#), Some(JsonProblem::Size));
        assert_eq!(problem(&"1".repeat(limits::NUMBER_BYTES_MAX)), None);
        assert_eq!(problem(&"1".repeat(limits::NUMBER_BYTES_MAX + 1)), Some(JsonProblem::Size));
    }

    #[test]
    fn reads_texts_and_places() {
        let text = br#" {"a\n": [1, "x\ud83d\ude00"], "b": {}} "#;
        let tree = read(text, &Bounds::BODY).unwrap();
        assert_eq!(tree.node(0).count, 2);
        let list = tree.member(0, "a\n").unwrap();
        let (id, node) = tree.children(list).nth(1).unwrap();
        assert_eq!((&*node.text, node.kind), ("x\u{1f600}", Kind::Text));
        let (from, to) = tree.node(id).span;
        assert_eq!(&text[from as usize..to as usize], br#""x\ud83d\ude00""#);
        assert_eq!(tree.node(tree.member(0, "b").unwrap()).kind, Kind::Object);
    }

    fn as_serde(tree: &Tree<'_>, id: Id) -> serde_json::Value {
        use serde_json::Value;
        let node = tree.node(id);
        match node.kind {
            Kind::Null => Value::Null,
            Kind::Bool(it) => Value::Bool(it),
            Kind::Number => serde_json::from_str(&node.text).unwrap(),
            Kind::Text => Value::String(node.text.to_string()),
            Kind::Array => tree.children(id).map(|(id, _)| as_serde(tree, id)).collect(),
            Kind::Object => {
                let members = tree.children(id);
                members.map(|(id, node)| (node.key.clone().unwrap().into_owned(), as_serde(tree, id))).collect()
            }
        }
    }

    proptest! {
        /// Another reader is the judge: what is taken here it takes too, and reads the same.
        #[test]
        fn reads_what_serde_json_reads(text in r#"[\[\]{}",:0-9ae\.\\utn -]{0,24}"#) {
            if let Ok(tree) = read(text.as_bytes(), &Bounds::BODY) {
                if let Ok(value) = serde_json::from_str::<serde_json::Value>(&text) {
                    prop_assert_eq!(as_serde(&tree, 0), value);
                } else {
                    // It takes no number beyond the range of doubles.
                    prop_assert!(text.contains(['e', 'E']), "only we take {}", text);
                }
            } else if let Ok(value) = serde_json::from_str::<serde_json::Value>(&text) {
                prop_assert!(value.is_object() || value.is_array(), "only serde_json takes {}", text);
            }
        }
    }
}
