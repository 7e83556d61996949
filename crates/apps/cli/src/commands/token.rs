//! `bartizan token`.

use super::{place, print, print_json, unanswered};
use crate::args::DataArgs;
use crate::failure::Failure;
use bartizan_core::status::NodeToken;
use bartizan_runtime::local;
use serde_json::json;

/// Prints a join token for one node, alone on its line so that it can be piped.
pub(crate) async fn node(args: &DataArgs) -> Result<(), Failure> {
    let data = place(&args.place)?;
    let made: NodeToken = local::post(&data.control_socket(), "/v1/node-tokens", &json!({}))
        .await
        .map_err(|error| unanswered(&data, &error))?;
    if args.json { print_json(&made) } else { print(&format!("{}\n", made.token)) }
}
