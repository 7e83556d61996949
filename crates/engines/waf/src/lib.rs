//! Decides whether a request or a response is what an API's own document says it is.
//!
//! In: an OpenAPI document (3.0, 3.1), once, compiled to an [`Api`]; then requests and responses, already in memory. For GraphQL
//! [`graphql::Limits`] and the body of a request.
//! Out: nothing to say, or where and why it differs; what has to be taken out where that was asked for; or, of the document,
//! every mistake with its place.
//! How much: see [`limits`]. A body is read once; every regular expression takes linear time; what would cost too much is refused.
//! Absent on purpose: files, sockets, clocks, tasks; references to other documents; rules about attacks.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod api; // start here: `Api::compile`, `Api::find`, `Operation`
pub mod graphql; // how deep, how broad and how dear a query is
pub mod infer; // paths without the parts that name one of many
pub mod json; // strict JSON as a tree over its bytes
pub mod limits;
mod pattern; // regular expressions of ECMA-262, as far as they take linear time
mod report; // what is wrong with a document
pub mod schema; // JSON Schema, from document to verdict
pub mod source; // a document's text, as a tree with places
pub mod unpack; // gzip and deflate, within bounds

pub use api::Api;
pub use report::ApiErrors;
