//! Decides how deep, how broad and how dear a GraphQL request is, before the service sees it (specification of October 2021, section 2).
//!
//! It needs no schema of the service: depth, aliases and cost follow from the query. Fragments count where they are used, each as
//! often as it is; one that leads back to itself is refused.

mod lexer; // text -> tokens
mod measure; // query -> how much it is
mod parser; // tokens -> query

pub use measure::Measure;

use crate::api::{decode, pairs};
use crate::json::{self, Bounds, Id, Kind, Tree};
use bartizan_core::api::GraphqlLimits;
use parser::Document;
use std::borrow::Cow;

/// Why a request is refused; words for whoever sent it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

fn refuse<T>(why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal(why.into()))
}

/// How a request carries its query.
#[derive(Clone, Copy, Debug)]
pub enum Carried<'r> {
    /// As JSON: one `{"query": …}`, or a list of them.
    Json(&'r [u8]),
    /// As it is (`application/graphql`, or the decoded `query` of a `GET`).
    Plain(&'r [u8]),
    /// In the query of a URL, as the parameters `query` and `variables`.
    Url(&'r str),
}

/// Judges a request.
///
/// # Errors
/// What is too much, or not understood: what cannot be read cannot be measured.
pub fn check(carried: Carried<'_>, limits: &GraphqlLimits) -> Result<Measure, Refusal> {
    match carried {
        Carried::Plain(bytes) => {
            let text = std::str::from_utf8(bytes).map_err(|_| Refusal("the query is not UTF-8".into()))?;
            check_one(text, None, limits)
        }
        Carried::Json(bytes) => check_json(bytes, limits),
        Carried::Url(query) => check_url(query, limits),
    }
}

fn check_url(query: &str, limits: &GraphqlLimits) -> Result<Measure, Refusal> {
    let mut found: [Option<Cow<'_, str>>; 2] = [None, None];
    for pair in pairs(query).map_err(Refusal)? {
        let Some(at) = ["query", "variables"].iter().position(|name| pair.name == *name) else { continue };
        if found[at].replace(decode(pair.raw_value, true).map_err(Refusal)?).is_some() {
            return refuse("the URL has a parameter twice");
        }
    }
    let [Some(query), variables] = found else { return refuse("the URL has no `query`") };
    let variables = variables.filter(|text| !text.is_empty());
    let tree = variables.as_ref().map(|text| json::read(text.as_bytes(), &Bounds::BODY)).transpose();
    let tree = tree.map_err(|error| Refusal(format!("`variables` is not JSON: {}", error.problem.as_str())))?;
    check_one(&query, tree.as_ref().map(|tree| (tree, 0)), limits)
}

fn check_json(bytes: &[u8], limits: &GraphqlLimits) -> Result<Measure, Refusal> {
    let tree = json::read(bytes, &Bounds::BODY)
        .map_err(|error| Refusal(format!("the body is not JSON: {}, at byte {}", error.problem.as_str(), error.at)))?;
    let root = tree.node(0);
    if root.kind != Kind::Array {
        return check_member(&tree, 0, limits);
    }
    if root.count > limits.batch || root.count == 0 {
        return refuse(format!("{} requests in one, of which {} may come", root.count, limits.batch));
    }
    // Together they may cost no more than one.
    tree.children(0).try_fold(Measure::default(), |all, (id, _)| {
        let sum = all.and(check_member(&tree, id, limits)?);
        sum.within(limits).map(|()| sum)
    })
}

fn check_member(tree: &Tree<'_>, id: Id, limits: &GraphqlLimits) -> Result<Measure, Refusal> {
    let query = tree.member(id, "query").map(|at| tree.node(at)).filter(|node| node.kind == Kind::Text);
    let Some(query) = query else {
        return refuse("there is no `query`; one that is named by its hash alone cannot be measured");
    };
    let variables = tree.member(id, "variables").map(|at| (tree, at));
    check_one(&query.text, variables, limits)
}

fn check_one(text: &str, variables: Option<(&Tree<'_>, Id)>, limits: &GraphqlLimits) -> Result<Measure, Refusal> {
    let document = Document::parse(text)?;
    if !limits.introspection && document.asks_for_its_schema() {
        return refuse("introspection is switched off here");
    }
    let measure = measure::of(&document, variables)?;
    measure.within(limits).map(|()| measure)
}

#[cfg(test)]
mod tests;
