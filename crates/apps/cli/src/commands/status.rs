//! `bartizan status`.

use super::{place, print, print_json, unanswered};
use crate::args::DataArgs;
use crate::failure::Failure;
use crate::render;
use bartizan_core::status::Status;
use bartizan_runtime::local;

/// Prints which proxy is there, what it enforces and how it fares.
pub(crate) async fn run(args: &DataArgs) -> Result<(), Failure> {
    let data = place(&args.place)?;
    let status: Status =
        local::get(&data.control_socket(), "/v1/status").await.map_err(|error| unanswered(&data, &error))?;
    if args.json { print_json(&status) } else { print(&render::status::text(&status)) }
}
