//! Answers queries in a subset of PromQL over series that are in memory.
//!
//! In: a query as text, the time or times it is about, and a [`Source`] of series. Out: a [`Value`], as Prometheus would give it.
//! How much: see [`limits`]; what goes beyond is refused with the limit's name.
//! Absent on purpose: clocks, sockets, files, and of the language what [`ErrorKind::Outside`] names:
//! subqueries, `@`, native histograms, and the functions that no board of ours asks for.
//!
//! The judge is Prometheus 2: windows and the look back of five minutes take in both of their ends. `corpus/promql` holds its answers.
//!
//! Reading order: [`expr`] is the tree, [`parse`](mod@parse) makes it of a text, [`eval`] answers it at one moment, [`query`] is the one public verb,
//! [`rules`] asks again and again and remembers what it was told, [`compile`] reads those of a file, [`template`] are the texts of rules, [`store`] keeps series that are measured again and again, [`exposition`] reads the page on which they are measured,
//! [`notation`] writes series down shortly, for tests of rules.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod aggregation;
pub mod duration;
mod error;
pub mod eval;
pub mod exposition;
pub mod expr;
mod functions;
mod labels;
mod lex;
pub mod limits;
mod matcher;
pub mod notation;
pub mod number;
pub mod parse;
pub mod query;
mod quoted;
pub mod rules;
mod series;
pub mod store;
pub mod template;
mod types;
mod value;
mod written;

pub use error::{Error, ErrorKind};
pub use expr::Expr;
pub use functions::{ALL as FUNCTIONS, Function, Type};
pub use labels::{Labels, NAME};
pub use matcher::{Matcher, Op as MatchOp};
pub use parse::{parse, selector};
pub use query::{Range, instant, range};
pub use series::{Loaded, Memory, STALE, Sample, Series, Source, is_stale};
pub use value::{Element, Value};
pub use written::compile;
