//! What a query is answered with.

use crate::labels::Labels;
use crate::series::Series;

/// The answer to a query.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// One number.
    Scalar(f64),
    /// A text, which only a text in quotes is answered with.
    Text(String),
    /// A number for each series, at the moment that was asked for.
    Vector(Vec<Element>),
    /// Numbers over time for each series.
    Matrix(Vec<Series>),
}

/// A series at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// What it is.
    pub labels: Labels,
    /// Its value.
    pub value: f64,
}
