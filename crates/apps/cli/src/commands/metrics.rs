//! `bartizan metrics`.

use super::{place, print, unanswered};
use crate::args::PlaceArgs;
use crate::failure::Failure;
use bartizan_runtime::local;

/// Prints the counters of control and every proxy as Prometheus text.
pub(crate) async fn run(args: &PlaceArgs) -> Result<(), Failure> {
    let data = place(args)?;
    let text = local::get_text(&data.control_socket(), "/v1/metrics").await;
    print(&text.map_err(|error| unanswered(&data, &error))?)
}
