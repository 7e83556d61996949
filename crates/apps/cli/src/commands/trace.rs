//! `bartizan trace`.

use super::{place, print, print_json, unanswered};
use crate::args::RequestArgs;
use crate::failure::Failure;
use crate::render::explanation;
use bartizan_core::status::Trace;
use bartizan_runtime::local;

/// Prints the way of a request, with the time spent at each hop.
pub(crate) async fn run(args: &RequestArgs) -> Result<(), Failure> {
    let data = place(&args.data.place)?;
    let path = format!("/v1/trace/{}", args.request);
    let found: Trace = local::get(&data.control_socket(), &path).await.map_err(|error| unanswered(&data, &error))?;
    if args.data.json { print_json(&found) } else { print(&explanation::way(&found)) }
}
