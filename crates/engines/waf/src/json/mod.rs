//! JSON as a tree over the bytes that it was read from (RFC 8259), strict: one reading of a text is the only one.
//!
//! The values lie in one list, each before what is in it, so that a value is a number and walking needs no pointers.

mod decimal; // numbers without loss
mod pointer; // where a value stands (RFC 6901)
mod read; // bytes -> tree
mod without; // the same text with some values taken out

pub use decimal::{Decimal, Divisor};
pub use pointer::pointer;
pub use read::{Bounds, JsonError, JsonProblem, read};
pub use without::without;

use std::borrow::Cow;

/// A value's number in its [`Tree`].
pub type Id = u32;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number; its text is as it was written.
    Number,
    /// A text, without its quotes and escapes.
    Text,
    /// A list.
    Array,
    /// A map.
    Object,
}

impl Kind {
    /// For messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number => "a number",
            Self::Text => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

/// One value.
#[derive(Clone, Debug)]
pub struct Node<'b> {
    /// What it is.
    pub kind: Kind,
    /// The name it has in the object around it.
    pub key: Option<Cow<'b, str>>,
    /// Of a number or a text what it says; empty otherwise.
    pub text: Cow<'b, str>,
    /// How many values are directly within it.
    pub count: u32,
    /// The number behind its last descendant.
    pub end: Id,
    /// Where it stands in the bytes, key not included.
    pub span: (u32, u32),
}

/// A whole text. Value 0 is its root.
#[derive(Clone, Debug, Default)]
pub struct Tree<'b> {
    nodes: Vec<Node<'b>>,
}

impl<'b> Tree<'b> {
    /// The value with this number, which came from this tree.
    pub fn node(&self, id: Id) -> &Node<'b> {
        &self.nodes[id as usize]
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Nothing was put into it yet.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The values directly within `id`, in order.
    pub fn children(&self, id: Id) -> impl Iterator<Item = (Id, &Node<'b>)> {
        let end = self.node(id).end;
        let mut next = id + 1;
        std::iter::from_fn(move || {
            let at = next;
            (at < end).then(|| {
                let node = self.node(at);
                next = node.end;
                (at, node)
            })
        })
    }

    /// The member of an object with this name.
    pub fn member(&self, id: Id, name: &str) -> Option<Id> {
        self.children(id).find_map(|(at, node)| (node.key.as_deref() == Some(name)).then_some(at))
    }

    /// A tree of one text.
    pub fn of_text(text: &'b str) -> Self {
        let mut tree = Self::default();
        tree.leaf(None, Kind::Text, Cow::Borrowed(text));
        tree
    }

    /// Adds a value without anything in it.
    pub fn leaf(&mut self, key: Option<Cow<'b, str>>, kind: Kind, text: Cow<'b, str>) {
        let end = self.nodes.len() as Id + 1;
        self.nodes.push(Node { kind, key, text, count: 0, end, span: (0, 0) });
    }

    /// Adds a list or a map; what is added until [`Tree::close`] is within it.
    pub fn open(&mut self, key: Option<Cow<'b, str>>, kind: Kind) -> Id {
        let id = self.nodes.len() as Id;
        self.nodes.push(Node { kind, key, text: Cow::Borrowed(""), count: 0, end: id + 1, span: (0, 0) });
        id
    }

    /// Ends a list or map with so many values.
    pub fn close(&mut self, id: Id, count: u32) {
        let end = self.nodes.len() as Id;
        let node = &mut self.nodes[id as usize];
        (node.count, node.end) = (count, end);
    }

    /// Whether two values are the same in the eyes of JSON Schema: members in any order, `1` is `1.0`.
    pub fn same(&self, one: Id, other: Id) -> bool {
        let (a, b) = (self.node(one), self.node(other));
        match (a.kind, b.kind) {
            (Kind::Number, Kind::Number) => a.text == b.text || Decimal::parse(&a.text) == Decimal::parse(&b.text),
            (Kind::Text, Kind::Text) => a.text == b.text,
            (Kind::Array, Kind::Array) => {
                a.count == b.count
                    && self.children(one).zip(self.children(other)).all(|((one, _), (other, _))| self.same(one, other))
            }
            (Kind::Object, Kind::Object) => {
                a.count == b.count
                    && self.children(one).all(|(id, node)| {
                        let twin = node.key.as_deref().and_then(|name| self.member(other, name));
                        twin.is_some_and(|twin| self.same(id, twin))
                    })
            }
            (a, b) => a == b,
        }
    }
}
