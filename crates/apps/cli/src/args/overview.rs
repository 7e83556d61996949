//! `bartizan top`, `bartizan map`, `bartizan changes`.

use super::{DataArgs, Moment, moment};
use bartizan_core::ServiceName;
use clap::Args;

/// `bartizan top`.
#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// Print it once and end, also where the output is no terminal.
    #[arg(long)]
    pub(crate) once: bool,
    /// Time between two looks.
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=60))]
    pub(crate) every: u32,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// `bartizan map`.
#[derive(Debug, Args)]
pub(crate) struct MapArgs {
    /// Only what this service calls, and who calls it.
    #[arg(long, value_name = "SERVICE")]
    pub(crate) service: Option<ServiceName>,
    /// And by which policies.
    #[arg(long, requires = "service", conflicts_with = "dot")]
    pub(crate) reach: bool,
    /// Print a graph for Graphviz.
    #[arg(long, conflicts_with = "json")]
    pub(crate) dot: bool,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// `bartizan changes`.
#[derive(Debug, Args)]
pub(crate) struct ChangesArgs {
    /// Only from this moment on: a time such as 2026-08-01T12:00:00Z, or how long ago, such as 2h.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<Moment>,
    /// Only before this moment.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) until: Option<Moment>,
    /// How many at most.
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}
