//! `bartizan query`.

use super::{DataArgs, Moment, moment, time_span};
use clap::Args;
use std::time::Duration;

/// What is asked, and about when.
#[derive(Debug, Args)]
pub(crate) struct QueryArgs {
    /// In PromQL, as far as docs/manual/promql.md has it.
    #[arg(value_name = "EXPR")]
    pub(crate) expr: String,
    /// At that moment: a time such as 2026-08-01T12:00:00Z, or how long ago, such as 2h; now where left out.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) at: Option<Moment>,
    /// Over so long a time, up to that moment.
    #[arg(long, value_name = "SPAN", value_parser = time_span)]
    pub(crate) over: Option<Duration>,
    /// From one moment of that time to the next.
    #[arg(long, value_name = "SPAN", value_parser = time_span, requires = "over", default_value = "15s")]
    pub(crate) step: Duration,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}
