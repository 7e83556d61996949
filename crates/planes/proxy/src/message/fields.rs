//! Header fields as the proxy handles them: one buffer with all text, and a list of where each field stands in it.
//!
//! A map would be built and torn down four times for each request of a pair of guards; a request has some ten fields, and
//! looking through them costs less than hashing one.

use crate::framing::Span;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::fmt;

/// Fields in their order; names are in lower case and valid, values are valid.
#[derive(Clone, Default)]
pub struct Fields {
    text: Vec<u8>,
    list: Vec<(Span, Span)>,
}

impl Fields {
    /// No fields yet, with room for some.
    pub fn with_capacity(text: usize, fields: usize) -> Self {
        Self { text: Vec::with_capacity(text), list: Vec::with_capacity(fields) }
    }

    /// A head of which each field's place is known; names are made lower case.
    pub(crate) fn from_head(head: &[u8], places: &[(Span, Span)]) -> Self {
        // Room for what the filters add.
        let mut text = Vec::with_capacity(head.len() + 192);
        text.extend_from_slice(head);
        let mut list = Vec::with_capacity(places.len() + 4);
        list.extend_from_slice(places);
        for (name, _) in &list {
            text[name.at as usize..(name.at + name.len) as usize].make_ascii_lowercase();
        }
        Self { text, list }
    }

    /// The text at `span`, which was made for this buffer.
    pub(crate) fn text(&self, span: Span) -> &[u8] {
        span.of(&self.text)
    }

    /// Puts text into the buffer that is no field.
    pub(crate) fn keep(&mut self, text: &[u8]) -> Span {
        let span = Span::new(self.text.len(), text.len());
        self.text.extend_from_slice(text);
        span
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All, in order: name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.list.iter().map(|(name, value)| (name.of(&self.text), value.of(&self.text)))
    }

    /// Every value of `name`, which is in lower case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter_map(move |(n, value)| (n == name.as_bytes()).then_some(value))
    }

    /// The first value of `name`.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find_map(|(n, value)| (n == name.as_bytes()).then_some(value))
    }

    /// The first value of `name`, where it is text.
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The value of `name`, where it stands there exactly once.
    pub fn only<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (Some(value), None) => std::str::from_utf8(value).ok(),
            _ => None,
        }
    }

    /// Whether there is a field of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Takes out every field of that name.
    pub fn remove(&mut self, name: &str) {
        self.retain(|n, _| n != name.as_bytes());
    }

    /// Takes out every field for which `keep` says no.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8], &[u8]) -> bool) {
        let text = &self.text;
        self.list.retain(|(name, value)| keep(name.of(text), value.of(text)));
    }

    /// Adds a field. `name` is in lower case and valid, `value` is valid.
    pub fn append(&mut self, name: &str, value: &[u8]) {
        let (name, value) = (self.keep(name.as_bytes()), self.keep(value));
        self.list.push((name, value));
    }

    /// As [`Fields::append`], for a name from elsewhere that was checked.
    pub(crate) fn append_bytes(&mut self, name: &[u8], value: &[u8]) {
        let (name, value) = (self.keep(name), self.keep(value));
        self.list.push((name, value));
    }

    /// Adds a field in place of all of its name.
    pub fn set(&mut self, name: &str, value: &[u8]) {
        self.remove(name);
        self.append(name, value);
    }

    /// Makes one field of all of that name, their values with `between` between them.
    pub fn join(&mut self, name: &str, between: &[u8]) {
        if self.all(name).nth(1).is_some() {
            let joined = self.all(name).collect::<Vec<_>>().join(between);
            self.set(name, &joined);
        }
    }

    /// From a map.
    pub fn from_map(map: &HeaderMap) -> Self {
        let bytes = map.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>();
        let mut fields = Self::with_capacity(bytes + 128, map.len() + 4);
        for (name, value) in map {
            fields.append(name.as_str(), value.as_bytes());
        }
        fields
    }

    /// As a map, for libraries that want one. What they would not accept does not come this far.
    pub fn to_map(&self) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(self.len());
        for (name, value) in self.iter() {
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
                map.append(name, value);
            }
        }
        map
    }
}

/// Names alone: values may be secret.
impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| String::from_utf8_lossy(name))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_changed_and_kept_in_order() {
        let head = b"A: 1\r\nb-C: 2\r\na: 3\r\n";
        let span = Span::new;
        let places = [(span(0, 1), span(3, 1)), (span(6, 3), span(11, 1)), (span(14, 1), span(17, 1))];
        let mut fields = Fields::from_head(head, &places);
        assert_eq!((fields.get("a"), fields.get("b-c"), fields.only("a")), (Some(&b"1"[..]), Some(&b"2"[..]), None));
        assert_eq!(fields.all("a").collect::<Vec<_>>(), [b"1", b"3"]);
        fields.set("a", b"new");
        fields.append("d", b"");
        let all: Vec<_> =
            fields.iter().map(|(n, v)| (String::from_utf8_lossy(n), String::from_utf8_lossy(v))).collect();
        assert_eq!(all, [("b-c".into(), "2".into()), ("a".into(), "new".into()), ("d".into(), "".into())]);
        assert_eq!(Fields::from_map(&fields.to_map()).iter().collect::<Vec<_>>().len(), 3);
        fields.append("d", b"2");
        fields.join("d", b"; ");
        fields.join("a", b"; ");
        assert_eq!((fields.len(), fields.get_str("d"), fields.get_str("a")), (3, Some("; 2"), Some("new")));
    }
}
