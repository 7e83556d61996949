//! What parts of a query are.

use crate::expr::{BinaryOp, Expr};
use crate::functions::Type;

impl Expr {
    /// What it is.
    pub fn is(&self) -> Type {
        match self {
            Self::Number(_) => Type::Scalar,
            Self::Text(_) => Type::Text,
            Self::Selector(_) | Self::Aggregate(_) => Type::Vector,
            Self::Window(..) => Type::Window,
            Self::Negative(it) => it.is(),
            Self::Call(function, _) => function.gives,
            Self::Binary(it) if it.left.is() == Type::Scalar && it.right.is() == Type::Scalar => Type::Scalar,
            Self::Binary(_) => Type::Vector,
        }
    }
}

/// Why two parts cannot stand on both sides of an operator.
pub(crate) fn complaint(op: BinaryOp, bool: bool, left: Type, right: Type) -> Option<String> {
    let sign = op.as_str();
    for side in [left, right] {
        if !matches!(side, Type::Scalar | Type::Vector) {
            return Some(format!("`{sign}` takes numbers and instant vectors, and here stands {}", side.as_str()));
        }
    }
    if bool && !op.compares() {
        return Some(format!("`bool` belongs to comparisons, and `{sign}` is none"));
    }
    if op.is_set() && (left, right) != (Type::Vector, Type::Vector) {
        return Some(format!("`{sign}` takes vectors on both sides; `vector(1)` makes one of a number"));
    }
    if op.compares() && !bool && (left, right) == (Type::Scalar, Type::Scalar) {
        return Some(format!("between numbers `{sign}` has to be `{sign} bool`"));
    }
    None
}
