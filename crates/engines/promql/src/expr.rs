//! A query as a tree.

use crate::aggregation::Aggregation;
use crate::duration;
use crate::functions::Function;
use crate::labels::NAME;
use crate::matcher::{Matcher, Op as MatchOp};
use crate::number;
use crate::quoted::quoted;
use std::fmt;

/// A query, or a part of one. The parser makes only those whose parts have the types that they need.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// `1.5`
    Number(f64),
    /// `"text"`
    Text(String),
    /// `metric{label="value"} offset 5m`
    Selector(Selector),
    /// The same with `[5m]`: its values over that time, in milliseconds.
    Window(Selector, i64),
    /// `-x`
    Negative(Box<Expr>),
    /// `rate(x[5m])`
    Call(&'static Function, Vec<Expr>),
    /// `sum by (label) (x)`
    Aggregate(Box<Aggregate>),
    /// `a + b`
    Binary(Box<Binary>),
}

/// Which series.
#[derive(Clone, Debug, PartialEq)]
pub struct Selector {
    /// Its place among the selectors of the query.
    pub id: usize,
    /// All of them have to fit. The metric's name is one of `__name__`.
    pub matchers: Vec<Matcher>,
    /// How long ago, in milliseconds; below 0 in the time to come.
    pub offset_ms: i64,
}

/// Many made one.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// How.
    pub how: Aggregation,
    /// The number or text before the vector, for those that take one.
    pub parameter: Option<Expr>,
    /// Of what.
    pub of: Expr,
    /// `without` instead of `by`.
    pub without: bool,
    /// The labels of `by` or `without`.
    pub labels: Vec<String>,
}

/// Two made one.
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    /// How.
    pub op: BinaryOp,
    /// `bool` after a comparison: 0 or 1 in place of a filter.
    pub bool: bool,
    /// What belongs together.
    pub matching: Matching,
    /// On the left.
    pub left: Expr,
    /// On the right.
    pub right: Expr,
}

/// Which elements of two vectors belong together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matching {
    /// `on` instead of `ignoring`.
    pub on: bool,
    /// The labels of `on` or `ignoring`.
    pub labels: Vec<String>,
    /// Whether one side may have several for one of the other.
    pub group: Group,
    /// Labels taken over from the side that has one.
    pub include: Vec<String>,
}

/// Which side may have several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Group {
    /// None.
    #[default]
    None,
    /// The left.
    Left,
    /// The right.
    Right,
}

/// Operators between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // `as_str` says which each is
pub enum BinaryOp {
    Or,
    And,
    Unless,
    Equal,
    NotEqual,
    AtMost,
    Less,
    AtLeast,
    More,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
}

impl BinaryOp {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Or,
        Self::And,
        Self::Unless,
        Self::Equal,
        Self::NotEqual,
        Self::AtMost,
        Self::Less,
        Self::AtLeast,
        Self::More,
        Self::Add,
        Self::Subtract,
        Self::Multiply,
        Self::Divide,
        Self::Modulo,
        Self::Power,
    ];

    /// As it stands in a query.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Or => "or",
            Self::And => "and",
            Self::Unless => "unless",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::AtMost => "<=",
            Self::Less => "<",
            Self::AtLeast => ">=",
            Self::More => ">",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Power => "^",
        }
    }

    /// How tightly it binds, from 1.
    pub(crate) fn binds(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And | Self::Unless => 2,
            it if it.compares() => 3,
            Self::Add | Self::Subtract => 4,
            Self::Power => 6,
            _ => 5,
        }
    }

    pub(crate) fn is_set(self) -> bool {
        matches!(self, Self::Or | Self::And | Self::Unless)
    }

    pub(crate) fn compares(self) -> bool {
        matches!(self, Self::Equal | Self::NotEqual | Self::AtMost | Self::Less | Self::AtLeast | Self::More)
    }
}

/// A text that is parsed to the same tree.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(it) => f.write_str(&number::write(*it)),
            Self::Text(it) => f.write_str(&quoted(it)),
            Self::Selector(it) => it.write(f, None),
            Self::Window(it, ms) => it.write(f, Some(*ms)),
            Self::Negative(it) => write!(f, "-({it})"),
            Self::Call(function, of) => {
                let of: Vec<_> = of.iter().map(Self::to_string).collect();
                write!(f, "{}({})", function.name, of.join(", "))
            }
            Self::Aggregate(it) => write!(f, "{it}"),
            Self::Binary(it) => write!(f, "{it}"),
        }
    }
}

impl Selector {
    fn write(&self, f: &mut fmt::Formatter<'_>, window_ms: Option<i64>) -> fmt::Result {
        let is_name = |it: &&Matcher| it.name == NAME && it.op == MatchOp::Is && is_metric(&it.value);
        // A name stands before the braces only where there is one alone.
        let name = self
            .matchers
            .iter()
            .find(is_name)
            .filter(|_| self.matchers.iter().filter(|it| it.name == NAME).count() == 1);
        f.write_str(name.map_or("", |it| &it.value))?;
        let rest: Vec<_> = self.matchers.iter().filter(|it| Some(*it) != name).map(Matcher::to_string).collect();
        if !rest.is_empty() || name.is_none() {
            write!(f, "{{{}}}", rest.join(","))?;
        }
        if let Some(ms) = window_ms {
            write!(f, "[{}]", duration::write(ms))?;
        }
        match self.offset_ms {
            0 => Ok(()),
            ms if ms < 0 => write!(f, " offset -{}", duration::write(-ms)),
            ms => write!(f, " offset {}", duration::write(ms)),
        }
    }
}

/// Whether a name may stand before the braces: no word of the language that would be read as one.
fn is_metric(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_' || c == ':')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
        && !crate::parse::is_word(name)
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.how.as_str())?;
        match (self.without, self.labels.is_empty()) {
            (false, true) => {}
            (without, _) => {
                let word = if without { "without" } else { "by" };
                write!(f, " {word} ({}) ", self.labels.join(", "))?;
            }
        }
        match &self.parameter {
            Some(it) => write!(f, "({it}, {})", self.of),
            None => write!(f, "({})", self.of),
        }
    }
}

impl fmt::Display for Binary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}) {}", self.left, self.op.as_str())?;
        if self.bool {
            f.write_str(" bool")?;
        }
        let Matching { on, labels, group, include } = &self.matching;
        if *on || !labels.is_empty() || *group != Group::None {
            write!(f, " {} ({})", if *on { "on" } else { "ignoring" }, labels.join(", "))?;
        }
        match group {
            Group::None => {}
            Group::Left => write!(f, " group_left ({})", include.join(", "))?,
            Group::Right => write!(f, " group_right ({})", include.join(", "))?,
        }
        write!(f, " ({})", self.right)
    }
}
