//! What names a series: labels, sorted by name.

use crate::quoted::quoted;
use std::fmt;
use std::sync::Arc;

/// Label that holds the name of a metric.
pub const NAME: &str = "__name__";

type Pair = (Arc<str>, Arc<str>);

/// Labels of a series, sorted by name, none of them empty. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels(Arc<[Pair]>);

impl Default for Labels {
    fn default() -> Self {
        Self(Arc::from(Vec::new()))
    }
}

impl Labels {
    /// Labels of a metric. Empty values are left out, as they say the same as none; of two with one name the later counts.
    pub fn new<'a>(metric: &'a str, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        std::iter::once((NAME, metric)).chain(pairs).collect()
    }

    /// The value of a label; empty where there is none.
    pub fn get(&self, name: &str) -> &str {
        self.0.binary_search_by(|(at, _)| (**at).cmp(name)).map_or("", |at| &self.0[at].1)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn without_name(&self) -> Self {
        self.kept(|name| name != NAME)
    }

    pub(crate) fn kept(&self, keep: impl Fn(&str) -> bool) -> Self {
        if self.0.iter().all(|(name, _)| keep(name)) {
            return self.clone();
        }
        Self(self.0.iter().filter(|(name, _)| keep(name)).cloned().collect())
    }

    /// The same with one label set, or without it where the value is empty.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut pairs: Vec<Pair> = self.0.to_vec();
        match (pairs.binary_search_by(|(at, _)| (**at).cmp(name)), value.is_empty()) {
            (Ok(at), true) => drop(pairs.remove(at)),
            (Ok(at), false) => pairs[at].1 = value.into(),
            (Err(_), true) => {}
            (Err(at), false) => pairs.insert(at, (name.into(), value.into())),
        }
        Self(pairs.into())
    }

    /// Bytes of names and values.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len()).sum()
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Labels {
    fn from_iter<T: IntoIterator<Item = (&'a str, &'a str)>>(pairs: T) -> Self {
        let map: std::collections::BTreeMap<&str, &str> = pairs.into_iter().collect();
        Self(map.into_iter().filter(|(_, value)| !value.is_empty()).map(|(n, v)| (n.into(), v.into())).collect())
    }
}

/// As in a query: `name{label="value"}`.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.get(NAME))?;
        let mut rest = self.iter().filter(|(name, _)| *name != NAME).peekable();
        if rest.peek().is_none() && !self.get(NAME).is_empty() {
            return Ok(());
        }
        let all: Vec<_> = rest.map(|(name, value)| format!("{name}={}", quoted(value))).collect();
        write!(f, "{{{}}}", all.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_label_is_none() {
        let it = Labels::new("up", [("job", ""), ("at", "b"), ("at", "c")]);
        assert_eq!(it.to_string(), "up{at=\"c\"}");
        assert_eq!(it.with("at", "").to_string(), "up");
        assert_eq!(it.with("z", "\"\n").to_string(), "up{at=\"c\", z=\"\\\"\\n\"}");
        assert_eq!((it.get("job"), it.get("at")), ("", "c"));
        assert_eq!(Labels::default().to_string(), "{}");
    }
}
