//! `bartizan explain`.

use super::{place, print, print_json, unanswered};
use crate::args::RequestArgs;
use crate::failure::Failure;
use crate::render::explanation;
use bartizan_core::status::Explanation;
use bartizan_runtime::local;

/// Prints why a request was allowed or denied, hop by hop.
pub(crate) async fn run(args: &RequestArgs) -> Result<(), Failure> {
    let data = place(&args.data.place)?;
    let path = format!("/v1/explain/{}", args.request);
    let found: Explanation =
        local::get(&data.control_socket(), &path).await.map_err(|error| unanswered(&data, &error))?;
    if args.data.json { print_json(&found) } else { print(&explanation::why(&found)) }
}
