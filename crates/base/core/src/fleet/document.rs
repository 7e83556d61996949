//! What the files beside the fleet file share: a version, and how they are read.

use super::node::{Node, Value};
use super::reader::{Field, Report, Reported, Spot};

/// The version of every one of them.
const VERSION: &str = "1";

/// The tree of a file; `begin` says how one begins.
pub(super) fn root(report: &mut Report<'_>, text: &str, bytes_max: usize, begin: &str) -> Result<Node, Reported> {
    let whole = Spot::default();
    if text.len() > bytes_max {
        let problem = format!("the file has {} bytes, more than the {bytes_max} that are read", text.len());
        return Err(report.refuse(&whole, problem, "shorten it"));
    }
    let root = Node::parse(text).map_err(|(place, problem)| {
        let problem = format!("not readable as YAML: {problem}");
        report.refuse(&Spot { place, key: String::new() }, problem, "")
    })?;
    match root.value {
        Value::Nothing => Err(report.refuse(&whole, "the file is empty", format!("begin with {begin}"))),
        _ => Ok(root),
    }
}

/// Refuses every version but ours: what a later one means is not guessed.
pub(super) fn version(report: &mut Report<'_>, field: Field<String>, map: &Spot) -> Result<(), Reported> {
    let at = super::check::required(report, field, map, "version", "write `version: 1`")?;
    match at.value.as_str() {
        VERSION => Ok(()),
        _ => Err(report.refuse_value(&at, "not a version that is known", "write `version: 1`")),
    }
}
