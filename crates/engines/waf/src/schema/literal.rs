//! Values that stand in a document: `enum` and `const`.

use crate::json::{Decimal, Id, Kind, Tree};
use bartizan_core::document::{Document, Value};

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// `null`
    Null,
    /// True or false.
    Bool(bool),
    /// A number; `1.0` is `1`.
    Number(Decimal),
    /// A text.
    Text(Box<str>),
    /// A list.
    List(Box<[Literal]>),
    /// A map, by name.
    Map(Box<[(Box<str>, Literal)]>),
}

impl Literal {
    /// From the document.
    pub fn of(document: &Document) -> Self {
        match &document.value {
            Value::Null => Self::Null,
            Value::Bool(it) => Self::Bool(*it),
            Value::Number(text) => Self::Number(Decimal::parse(text)),
            Value::Text(text) => Self::Text(text.clone()),
            Value::List(items) => Self::List(items.iter().map(Self::of).collect()),
            Value::Map(entries) => Self::Map(entries.iter().map(|(k, v)| (k.text.clone(), Self::of(v))).collect()),
        }
    }

    /// Whether a value of a body is this one.
    pub fn is(&self, tree: &Tree<'_>, id: Id) -> bool {
        let node = tree.node(id);
        match (self, node.kind) {
            (Self::Null, Kind::Null) => true,
            (Self::Bool(it), Kind::Bool(other)) => *it == other,
            (Self::Number(it), Kind::Number) => *it == Decimal::parse(&node.text),
            (Self::Text(it), Kind::Text) => **it == *node.text,
            (Self::List(items), Kind::Array) => {
                items.len() == node.count as usize
                    && items.iter().zip(tree.children(id)).all(|(it, (id, _))| it.is(tree, id))
            }
            (Self::Map(members), Kind::Object) => {
                let has = |(name, it): &(Box<str>, Self)| tree.member(id, name).is_some_and(|id| it.is(tree, id));
                members.len() == node.count as usize && members.iter().all(has)
            }
            _ => false,
        }
    }
}
