//! An OpenAPI document, compiled: which operations there are, and what each takes and answers.

mod body; // bodies of requests and responses
mod compile; // document -> Api
mod media; // which schema is for which content
mod operation; // compile: one operation
mod parameter; // compile: one parameter, and its style
mod paths; // templates, and which is for a path
mod problem; // what is said of a request that differs
mod query; // the parts of a query
mod request; // heads of requests
mod server; // where a document says that its paths begin
mod value; // from the texts of a parameter to its value

pub use body::{Body, Good, Reply};
pub use media::{Content, Rule};
pub use problem::{Part, Problem};
pub(crate) use query::{decode, pairs};
pub use request::{Head, Passed};

use crate::schema::Schemas;
use bartizan_core::fleet::{FleetError, TextPlace};
use media::Medium;
use parameter::Parameter;
use paths::{Paths, Values};

/// An API, as its document describes it.
#[derive(Debug)]
pub struct Api {
    file: Box<str>,
    schemas: Schemas,
    operations: Vec<Operation>,
    paths: Paths,
    /// What stands before every path, without a `/` at its end; at least one.
    bases: Vec<Box<str>>,
    /// Query parameters that belong to no operation: keys of the document's security schemes.
    query_keys: Vec<Box<str>>,
    /// Things worth saying that are no errors.
    pub warnings: Vec<FleetError>,
}

/// What an operation is and takes.
#[derive(Debug)]
pub struct Operation {
    /// Its place among [`Api::operations`].
    pub number: usize,
    /// `GET` and the like.
    pub method: &'static str,
    /// Its path, such as `/accounts/{id}`, with what stands before all paths where there is one such.
    pub template: Box<str>,
    /// `operationId`
    pub id: Option<Box<str>>,
    /// Whether it is on its way out.
    pub deprecated: bool,
    /// Whether the document says that callers have to show who they are.
    pub secured: bool,
    /// Where it stands in the document.
    pub place: TextPlace,
    parameters: Vec<Parameter>,
    body: Option<RequestBody>,
    responses: Vec<(Statuses, Vec<Medium>)>,
}

#[derive(Debug)]
struct RequestBody {
    required: bool,
    media: Vec<Medium>,
}

/// For which statuses a response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Statuses {
    /// `404`
    One(u16),
    /// `4XX`
    Hundred(u16),
    /// `default`
    Others,
}

/// What is at a path.
#[derive(Debug)]
pub enum Found<'a> {
    /// An operation.
    Operation(Match<'a>),
    /// Other methods; the value of `Allow`.
    OtherMethods(String),
    /// Nothing.
    Nothing,
}

/// An operation, and the values that its path has.
#[derive(Clone, Debug)]
pub struct Match<'a> {
    /// Which.
    pub operation: &'a Operation,
    values: Values<'a>,
}

impl Api {
    /// Every operation, in the order of the document.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The name of the document's file.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Which operation a request is for. `path` is in its canonical form. `HEAD` is `GET` without the content.
    pub fn find<'a>(&'a self, method: &str, path: &'a str) -> Found<'a> {
        let within =
            self.bases.iter().filter_map(|base| path.strip_prefix(&**base)).filter(|rest| rest.starts_with('/'));
        let Some((item, values)) = within.into_iter().find_map(|rest| self.paths.find(rest)) else {
            return Found::Nothing;
        };
        let with = |method: &str| item.iter().map(|&at| &self.operations[at]).find(|it| it.method == method);
        match with(method).or_else(|| if method == "HEAD" { with("GET") } else { None }) {
            Some(operation) => Found::Operation(Match { operation, values }),
            None => {
                let mut methods: Vec<&str> = item.iter().map(|&at| self.operations[at].method).collect();
                if methods.contains(&"GET") && !methods.contains(&"HEAD") {
                    methods.push("HEAD");
                }
                Found::OtherMethods(methods.join(", "))
            }
        }
    }

    fn schemas(&self) -> &Schemas {
        &self.schemas
    }
}

impl Operation {
    /// What is said of a response with this status.
    fn response(&self, status: u16) -> Option<&[Medium]> {
        let fits = self.responses.iter().filter(|(statuses, _)| match statuses {
            Statuses::One(one) => *one == status,
            Statuses::Hundred(hundred) => *hundred == status / 100,
            Statuses::Others => true,
        });
        // The most exact one; they are ordered so.
        fits.min_by_key(|(statuses, _)| *statuses).map(|(_, media)| media.as_slice())
    }
}
