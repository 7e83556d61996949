//! A document that people write, as a tree in which every key and value knows its place: what is not the fleet file itself.

use crate::fleet::TextPlace;
use crate::fleet::node::{Entry, Node, Value as Raw};

/// How large a document may be.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Deepest nesting, a count.
    pub depth: usize,
    /// Most values, a count, what comes out of anchors among them.
    pub values: usize,
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Where.
    pub place: TextPlace,
    /// What.
    pub value: Value,
}

/// What JSON can say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `null`, or a key with nothing behind it.
    Null,
    /// True or false.
    Bool(bool),
    /// A number, as it is written.
    Number(Box<str>),
    /// A text.
    Text(Box<str>),
    /// A list.
    List(Vec<Document>),
    /// A map, in the order of the file; no key is there twice.
    Map(Vec<(Key, Document)>),
}

/// A key and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Where.
    pub place: TextPlace,
    /// What.
    pub text: Box<str>,
}

/// Why a text is no document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentError {
    /// Where.
    pub place: TextPlace,
    /// What is wrong.
    pub problem: String,
}

/// Reads one YAML document (version 1.2, with the types of JSON).
///
/// # Errors
/// Where it is none, is larger than `bounds`, has a key twice, or a number that JSON cannot say.
pub fn yaml(text: &str, bounds: &Bounds) -> Result<Document, DocumentError> {
    let node = Node::parse_within(text, (bounds.depth, bounds.values)).map_err(|(place, problem)| {
        let problem = format!("not readable as YAML: {problem}");
        DocumentError { place, problem }
    })?;
    convert(node, text)
}

fn convert(node: Node, text: &str) -> Result<Document, DocumentError> {
    let place = node.place;
    let value = match node.value {
        Raw::Nothing => Value::Null,
        Raw::Plain(_) => plain(node.source(text)).ok_or_else(|| DocumentError {
            place,
            problem: format!(
                "`{}` is not a number that JSON could say; put it in quotes, or write it in decimal",
                cut(node.source(text))
            ),
        })?,
        Raw::Text(text) => Value::Text(text.into()),
        Raw::List(items) => Value::List(items.into_iter().map(|item| convert(item, text)).collect::<Result<_, _>>()?),
        Raw::Map(entries) => Value::Map(convert_map(entries, text)?),
    };
    Ok(Document { place, value })
}

fn convert_map(entries: Vec<Entry>, text: &str) -> Result<Vec<(Key, Document)>, DocumentError> {
    let mut keys: Vec<(&str, TextPlace)> = entries.iter().map(|entry| (entry.key.as_str(), entry.place)).collect();
    keys.sort_unstable();
    if let Some(pair) = keys.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let problem = format!("the key `{}` is there already, in line {}", cut(pair[0].0), pair[0].1.line);
        return Err(DocumentError { place: pair[1].1, problem });
    }
    let entries = entries
        .into_iter()
        .map(|Entry { key, place, node }| Ok((Key { place, text: key.into() }, convert(node, text)?)));
    entries.collect()
}

/// A number or boolean from how the file writes it.
fn plain(source: &str) -> Option<Value> {
    match source {
        "true" | "True" | "TRUE" => Some(Value::Bool(true)),
        "false" | "False" | "FALSE" => Some(Value::Bool(false)),
        number if is_json_number(number) => Some(Value::Number(number.into())),
        _ => None,
    }
}

/// Whether a text is a number by the grammar of JSON (RFC 8259 section 6).
pub fn is_json_number(text: &str) -> bool {
    let digits = |text: &str| -> Option<usize> {
        let count = text.bytes().take_while(u8::is_ascii_digit).count();
        (count > 0).then_some(count)
    };
    let rest = text.strip_prefix('-').unwrap_or(text);
    let Some(whole) = digits(rest).filter(|&count| count == 1 || !rest.starts_with('0')) else { return false };
    let mut rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix('.') {
        let Some(count) = digits(fraction) else { return false };
        rest = &fraction[count..];
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let Some(count) = digits(exponent) else { return false };
        rest = &exponent[count..];
    }
    rest.is_empty()
}

/// At most so much of the file is repeated.
fn cut(text: &str) -> String {
    text.chars().take(60).collect()
}

impl Document {
    /// The value behind `key`, where this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Document> {
        self.entries().iter().find_map(|(name, value)| (&*name.text == key).then_some(value))
    }

    /// The entries of a map; none where it is no map.
    pub fn entries(&self) -> &[(Key, Document)] {
        if let Value::Map(entries) = &self.value { entries } else { &[] }
    }

    /// The items of a list, where it is one.
    pub fn items(&self) -> Option<&[Document]> {
        if let Value::List(items) = &self.value { Some(items) } else { None }
    }

    /// The text, where it is one.
    pub fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    /// Whether it is a map.
    pub fn is_map(&self) -> bool {
        matches!(self.value, Value::Map(_))
    }

    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// What a JSON pointer (RFC 6901) leads to.
    pub fn at(&self, pointer: &str) -> Option<&Document> {
        if pointer.is_empty() {
            return Some(self);
        }
        let steps = pointer.strip_prefix('/')?.split('/');
        steps.into_iter().try_fold(self, |at, step| {
            let step = step.replace("~1", "/").replace("~0", "~");
            match &at.value {
                Value::Map(_) => at.get(&step),
                Value::List(items) => items.get(step.parse::<usize>().ok()?),
                _ => None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { depth: 16, values: 1000 };

    #[test]
    fn refuses_what_two_readers_would_take_for_two_things() {
        for (text, problem) in [
            ("a: 1\na: 2", "the key `a` is there already, in line 1"),
            ("a: 0x10", "`0x10` is not a number that JSON could say"),
            ("a: .inf", "is not a finite number"),
            ("a: [", "not readable as YAML"),
            ("[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]", "deeper"),
        ] {
            let error = yaml(text, &BOUNDS).unwrap_err();
            assert!(error.problem.contains(problem), "{text}: {error:?}");
        }
        assert_eq!(yaml("a: 1\nb:\n  c: 1\n  c: 2", &BOUNDS).unwrap_err().place.line, 4);
    }

    #[test]
    fn keeps_numbers_as_they_are_written_and_takes_numbers_as_keys() {
        let document = yaml("{200: {a: 1.10}, b: 12345678901234567890123, c: true, d: ~, e: 'no'}", &BOUNDS).unwrap();
        assert_eq!(document.at("/200/a").unwrap().value, Value::Number("1.10".into()));
        assert_eq!(document.at("/b").unwrap().value, Value::Number("12345678901234567890123".into()));
        assert_eq!(document.at("/c").unwrap().value, Value::Bool(true));
        assert_eq!(document.at("/d").unwrap().value, Value::Null);
        assert_eq!(document.at("/e").unwrap().text(), Some("no"));
        assert_eq!(document.at("/f"), None);
    }

    #[test]
    fn numbers_are_those_of_json() {
        for good in ["0", "-0", "10", "1.50", "1e9", "1E-9", "-12.5e+3"] {
            assert!(is_json_number(good), "{good}");
        }
        for bad in ["", "-", "01", ".5", "1.", "1e", "+1", "1_000", "0x1", "1 ", "NaN"] {
            assert!(!is_json_number(bad), "{bad}");
        }
    }
}
