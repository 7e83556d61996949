//! `bartizan alerts` and everything below it.

use super::{DataArgs, Moment, PlaceArgs, moment};
use bartizan_core::ServiceName;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What is to be shown.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct AlertsArgs {
    #[command(subcommand)]
    pub(crate) command: Option<AlertsCommand>,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Also those that are over for less than an hour.
    #[arg(long)]
    pub(crate) all: bool,
    /// Only those of which nobody is told, with the reason.
    #[arg(long)]
    pub(crate) muted: bool,
    /// The rules in force instead.
    #[arg(long, conflicts_with = "muted")]
    pub(crate) rules: bool,
}

/// What can be done about alerts.
#[derive(Debug, Subcommand)]
pub(crate) enum AlertsCommand {
    /// Take notice of an alert or of all of an incident: the next level is not told.
    #[command(after_help = "Examples:\n  bartizan alerts ack a17\n  bartizan alerts ack i3 --note 'rolling back'")]
    Ack(AckArgs),
    /// Page nobody for a while: for some services, for one rule, or at all. Tickets go on, and everything is recorded.
    #[command(after_help = "Examples:\n  \
        bartizan alerts silence --service ledger --for 2h --why 'disk is replaced'\n  \
        bartizan alerts silence --rule GuardMissing --for 30m --why 'hosts restart'\n  \
        bartizan alerts silence --end s0a1b2c3d")]
    Silence(SilenceArgs),
    /// Check a file or folder of rules, and use nothing of it.
    #[command(
        after_help = "Examples:\n  bartizan alerts check alerts/\n  bartizan alerts check alerts/ledger.yaml --against fleet.yaml --json\n  bartizan alerts check alerts/ --rehearsed"
    )]
    Check(AlertsCheckArgs),
    /// Let the fault that each rule is for happen, on a clock of its own: does it fire, tell somebody, and end?
    #[command(after_help = "Examples:\n  bartizan alerts test\n  bartizan alerts test alerts/ --json")]
    Test(AlertsTestArgs),
    /// As `test`, of the rules in force in a running fleet, and remember it: what was not rehearsed within 30 days is named.
    #[command(
        after_help = "Examples:\n  bartizan alerts rehearse\n  bartizan alerts rehearse --json | jq '.[] | select(.wrong)'"
    )]
    Rehearse(DataArgs),
    /// Who is on call, when they hand over, and who is told of which alerts.
    #[command(
        name = "on-call",
        after_help = "Examples:\n  bartizan alerts on-call\n  bartizan alerts on-call --at 2026-12-24T18:00:00+01:00 --json"
    )]
    OnCall(OnCallArgs),
    /// Print the JSON Schema of a file of rules, for editors.
    #[command(after_help = "Example:\n  bartizan alerts schema > alert-rules.schema.json")]
    Schema,
}

/// Arguments of `alerts on-call`.
#[derive(Debug, Args)]
pub(crate) struct OnCallArgs {
    /// At this time in place of now, also one to come: `2026-12-24T18:00:00+01:00`, or `2h` ago.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) at: Option<Moment>,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// Arguments of `alerts ack`.
#[derive(Debug, Args)]
pub(crate) struct AckArgs {
    /// The alert (`a17`) or its incident (`i3`).
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// What others should know.
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// Arguments of `alerts silence`.
#[derive(Debug, Args)]
pub(crate) struct SilenceArgs {
    /// Only alerts of these services; may be given several times.
    #[arg(long = "service", value_name = "SERVICE")]
    pub(crate) services: Vec<ServiceName>,
    /// Only alerts of this rule.
    #[arg(long, value_name = "RULE")]
    pub(crate) rule: Option<String>,
    /// For how long, such as `30m` or `2h`.
    #[arg(long = "for", value_name = "TIME", value_parser = span, required_unless_present = "end")]
    pub(crate) time: Option<u64>,
    /// Why.
    #[arg(long, value_name = "TEXT", required_unless_present = "end")]
    pub(crate) why: Option<String>,
    /// End this one instead.
    #[arg(long, value_name = "ID", conflicts_with_all = ["services", "rule", "time", "why"])]
    pub(crate) end: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// Arguments of `alerts check`.
#[derive(Debug, Args)]
pub(crate) struct AlertsCheckArgs {
    /// A file, or a folder with `*.yaml` files.
    #[arg(value_name = "RULES")]
    pub(crate) rules: PathBuf,
    /// The fleet file that they are for; without one, names of services are taken as they are.
    #[arg(long, value_name = "FLEET")]
    pub(crate) against: Option<PathBuf>,
    /// Refuse also rules, those of the product among them, that were not rehearsed within 30 days as they are, or did not work then. What
    /// `bartizan alerts rehearse` found is read from the data folder, whether the fleet runs or not.
    #[arg(long)]
    pub(crate) rehearsed: bool,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `alerts test`.
#[derive(Debug, Args)]
pub(crate) struct AlertsTestArgs {
    /// A file or folder of rules, beside those that come with the product.
    #[arg(value_name = "RULES")]
    pub(crate) rules: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

pub(super) fn span(text: &str) -> Result<u64, String> {
    let read = bartizan_core::moment::span(text).map(|it| it.as_secs()).filter(|s| *s > 0);
    read.ok_or_else(|| "write it as `30m`, `2h` or `1d`".to_owned())
}
