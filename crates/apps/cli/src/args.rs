//! The command line: every subcommand, flag and example. What stands here is what `--help` prints, and
//! `help.txt` beside this crate keeps it as a golden file.

mod adopt;
mod alerts;
mod api;
mod audit;
mod ca;
mod client;
mod console;
mod egress;
mod event;
mod federation;
mod hold;
mod key;
mod metrics;
mod moment;
mod overview;
mod pre_prod;
mod query;
mod slo;
mod token;
mod user;

pub(crate) use adopt::{AdoptArgs, AdoptCommand, AdoptPlace};
pub(crate) use alerts::{AckArgs, AlertsArgs, AlertsCheckArgs, AlertsCommand, AlertsTestArgs, OnCallArgs, SilenceArgs};
pub(crate) use api::{ApiCommand, InventoryArgs};
pub(crate) use audit::{AuditCheckArgs, AuditCommand, AuditLedgerArgs, AuditProveArgs, AuditShowArgs, AuditVerifyArgs};
pub(crate) use ca::{
    CaCommand, CaDistrustArgs, CaInitArgs, CaIssuedArgs, CaRetireArgs, CaRotateArgs, CaShowArgs, CaSignArgs,
    DistrustedArg, RotatedArg,
};
pub(crate) use client::{AddClientArgs, ClientArgs, ClientCommand};
pub(crate) use console::{ConsoleCommand, LinkArgs, SignOutArgs};
pub(crate) use egress::{EgressArgs, EgressCommand};
pub(crate) use event::{EventCommand, SignEventArgs};
pub(crate) use federation::FederationCommand;
pub(crate) use hold::{EventsCommand, HoldArgs, ReleaseArgs};
pub(crate) use key::{AddKeyArgs, KeyCommand, RevokeKeyArgs};
pub(crate) use metrics::MetricsArgs;
pub(crate) use moment::{Moment, moment};
pub(crate) use overview::{ChangesArgs, MapArgs, TopArgs};
pub(crate) use pre_prod::{CheckCommand, PreProdArgs};
pub(crate) use query::QueryArgs;
pub(crate) use slo::{SloAdviseArgs, SloArgs, SloCheckArgs, SloCommand, SloOverrideArgs};
pub(crate) use token::{InspectArgs, KeygenArgs, MintArgs, RevokeTokenArgs, TokenCommand};
pub(crate) use user::{AddUserArgs, ResetUserArgs, UserArgs, UserCommand, UserRolesArgs};

use bartizan_core::capture::Means;
use bartizan_core::event::{Class, Upshot};
use bartizan_core::{Member, RequestId, ServiceName, TrustDomain};
use bartizan_node::netns::Way;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// One guard on every service of a fleet, and one watch over all of them.
#[derive(Debug, Parser)]
#[command(
    name = "bartizan",
    version,
    propagate_version = true,
    max_term_width = 100,
    after_help = "Exit codes: 0 done, 1 it was tried and failed, 2 the command line makes no sense.\n\n\
                  Start with:\n  \
                  bartizan check fleet.yaml\n  \
                  bartizan up fleet.yaml"
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Everything that `bartizan` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a fleet: control, node, a sidecar for each service, the programs, the gateway.
    #[command(after_help = "Examples:\n  \
        bartizan up examples/bank/fleet.yaml\n  \
        bartizan up fleet.yaml --mode mtls\n  \
        bartizan up fleet.yaml --no-table --once-ready 'curl --cacert \"$BARTIZAN_CA\" \"$BARTIZAN_GATEWAY/api/health\"'\n\n\
        Ctrl-C stops everything in order; a second Ctrl-C kills at once.")]
    Up(UpArgs),
    /// Check a fleet file and its policies, and start nothing.
    #[command(
        after_help = "Examples:\n  bartizan check fleet.yaml\n  bartizan check fleet.yaml --json\n  bartizan check pre-prod fleet.yaml"
    )]
    Check(CheckFleetArgs),
    /// Work with policies.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Why was a request allowed or denied: decision, deciding policies, attributes, epoch, hop by hop.
    #[command(after_help = "Examples:\n  \
        bartizan explain 4bf92f3577b34da6a3ce929d0e0e4736\n  \
        bartizan explain 4bf92f3577b34da6a3ce929d0e0e4736 --json\n\n\
        The request id is in the answer's `x-request-id` header, in every event, and is the trace id of `traceparent`.")]
    Explain(RequestArgs),
    /// The way of one request through the fleet, with the time spent at each hop.
    #[command(after_help = "Example:\n  bartizan trace 4bf92f3577b34da6a3ce929d0e0e4736")]
    Trace(RequestArgs),
    /// Which proxy is there, what it enforces, and how it fares.
    #[command(after_help = "Examples:\n  bartizan status\n  bartizan status --json --fleet examples/bank/fleet.yaml")]
    Status(DataArgs),
    /// Services and who calls whom, live: rates, denials, failures, mutual TLS.
    #[command(
        after_help = "Examples:\n  bartizan top\n  bartizan top --once\n  bartizan top --json | jq '.edges[] | select(.denied_per_s > 0)'\n\nCtrl-C ends it."
    )]
    Top(TopArgs),
    /// Who calls whom, how often, and how that is protected; with --reach, by which policies.
    #[command(
        after_help = "Examples:\n  bartizan map\n  bartizan map --service ledger --reach\n  bartizan map --dot | dot -Tsvg > fleet.svg\n  bartizan map --json | jq '.edges[] | select(.mtls != \"strict\")'"
    )]
    Map(MapArgs),
    /// What changed: policies, configuration, certificates, processes, and what people did.
    #[command(
        after_help = "Examples:\n  bartizan changes\n  bartizan changes --since 2h --json | jq '.changes[] | select(.kind == \"policy\")'"
    )]
    Changes(ChangesArgs),
    /// Each policy, and how many of the guards that it concerns enforce it, at which epoch.
    #[command(
        after_help = "Examples:\n  bartizan policies\n  bartizan policies --all --json | jq '.policies[] | select(.missing != [])'"
    )]
    Policies(PoliciesArgs),
    /// What each guard costs (added latency, CPU, memory), and which service could do with a lighter one.
    #[command(
        after_help = "Examples:\n  bartizan cost\n  bartizan cost --seconds 60 --json | jq '.guards[] | {service, added_p99_us, cores}'"
    )]
    Cost(CostArgs),
    /// Measure a fleet of your own with and without guards: latency, CPU and cost for each request, in modes off, mtls and full; and what to do about it.
    #[command(
        after_help = "Examples:\n  bartizan bench fleet.yaml\n  bartizan bench fleet.yaml --path /orders/7 --path /stock --seconds 20 --rounds 3 --json\n  \
        bartizan bench fleet.yaml --path /orders --method POST --body @order.json --header 'content-type: application/json'\n  \
        bartizan bench plain.yaml --full fleet.yaml --rounds 5 --core-hour 0.04\n  bartizan bench fleet.yaml --rate 1000   # latency at a load that you know, not at the most that goes through\n\n\
        The fleet must not be running: it is started anew for each mode, with a data folder that is thrown away. Services that run \n\
        already (`at:`) take part. For each service it says whether what its guard costs is worth a lighter one."
    )]
    Bench(BenchArgs),
    /// What happened: decisions, handshakes, refusals, changes, processes.
    #[command(after_help = "Examples:\n  \
        bartizan events --deny --limit 20\n  \
        bartizan events --follow --service accounts --deny\n  \
        bartizan events --identity payment --class request --outcome failed --since 1h\n  \
        bartizan events --text /accounts/17 --since 2026-08-01T12:00:00Z --until 2026-08-01T13:00:00Z\n  \
        bartizan events --image registry.bank.example/accounts:1.4 --outcome failed\n  \
        bartizan events --all --json > events.ndjson\n  \
        bartizan events --follow --json | jq .message\n  \
        bartizan events holds")]
    Events(EventsArgs),
    /// What became of events on each arrow of their way: received, stored, refused, dropped by cause, waiting.
    #[command(
        after_help = "Examples:\n  bartizan balance\n  bartizan balance --json | jq '.arrows[] | select(.dropped != {})'\n\n\
        Ends with an error where the sums of an arrow are not equal."
    )]
    Balance(DataArgs),
    /// The ledger of what was denied, changed and done: verify it, keep its checkpoints, prove what is in it.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// What runs out: roots, issuing CA, identities, tokens; when, who renews it, and what breaks where nobody does.
    #[command(
        after_help = "Examples:\n  bartizan expiry\n  bartizan expiry --ical > rotations.ics\n  bartizan expiry --within 30d --json | jq '.items[] | select(.in_danger)'"
    )]
    Expiry(ExpiryArgs),
    /// Whether new versions of services do as well as those beside them, while both get calls.
    #[command(
        after_help = "Examples:\n  bartizan versions\n  bartizan versions --json | jq -e 'all(.versions[]; .judgement == \"good\")'"
    )]
    Versions(DataArgs),
    /// What a week brought beside the one before, with owners: alerts, denials, versions, what runs out, indicators, error budgets.
    #[command(
        after_help = "Examples:\n  bartizan report --week\n  bartizan report --week current\n  bartizan report --week 2026-W48 --json | jq '.denials[] | {service, owner, attempts}'\n\n\
        Control writes one when a week is over (Sunday night, UTC) and keeps them for two years."
    )]
    Report(ReportArgs),
    /// The counters of control and of every proxy, as Prometheus text.
    #[command(
        after_help = "Examples:\n  bartizan metrics | grep denied\n  bartizan metrics --listen 127.0.0.1:9464    # for Prometheus"
    )]
    Metrics(MetricsArgs),
    /// Ask our own metrics in PromQL, at one moment or over a time; control keeps them for a day.
    #[command(after_help = "Examples:\n  \
        bartizan query 'sum by (to) (rate(bartizan_calls_total[5m]))'\n  \
        bartizan query 'bartizan_proxy_resident_bytes / 1024 / 1024' --at 1h\n  \
        bartizan query 'sum(rate(bartizan_denied_total[1m]))' --over 30m --step 1m --json\n\n\
        For a Grafana or anything else that asks a Prometheus: `bartizan metrics --listen`.")]
    Query(QueryArgs),
    /// Read fleet file and policies anew; what is invalid is refused and nothing changes.
    #[command(after_help = "Example:\n  bartizan reload")]
    Reload(DataArgs),
    /// Replace guards by the `bartizan-proxy` that is on disk now, one by one, without losing a call.
    #[command(after_help = "Examples:\n  \
        bartizan upgrade\n  \
        bartizan upgrade accounts gateway\n\n\
        Each new guard takes over the listening sockets of the old one and says when it serves; only then the old one stops accepting, \
        and finishes what it has. One that does not come to serve changes nothing, and ends the upgrade.")]
    Upgrade(UpgradeArgs),
    /// Run a command where the program of a service runs: in its network namespace.
    #[command(after_help = "Examples:\n  \
        bartizan inside payment -- curl -s http://127.0.0.1:27301/accounts/1\n  \
        bartizan inside postgres -- psql -h 127.0.0.1\n\n\
        It sees what the program sees: its own port, its guard, and nothing else. For the user of `bartizan up`, and root.")]
    Inside(InsideArgs),
    /// Who still calls without mutual TLS: counted by guards, and connected on this machine now.
    #[command(
        after_help = "Examples:\n  bartizan plaintext\n  bartizan plaintext --json | jq '.counted[] | select(.calls > 0)'"
    )]
    Plaintext(DataArgs),
    /// Take a system that runs in plain behind guards, step by step, without an outage.
    #[command(subcommand)]
    Adopt(AdoptCommand),
    /// Trust an identity, certificate, key, node or issuer no more: its open connections end within a second.
    #[command(after_help = "Examples:\n  \
        bartizan revoke notify --reason 'token found in a public log'\n  \
        bartizan revoke serial:4f0a... --reason 'laptop lost'\n  \
        bartizan revoke node:edge-3 --reason 'host taken over'\n\n\
        A bare name is a service of the fleet. Others: id:spiffe://..., serial:HEX, key:SHA256, node:NAME,\n\
        domain:NAME (everybody of another trust domain), issuer:SHA256 (of its certificate or public key; `ca status --json`). What is revoked stays so over restarts, until `bartizan restore`.")]
    Revoke(RevokeArgs),
    /// Trust again what was revoked.
    #[command(after_help = "Example:\n  bartizan restore notify")]
    Restore(RestoreArgs),
    /// Who is not trusted any more, since when and why.
    #[command(after_help = "Example:\n  bartizan revoked --json | jq '.entries[].subject'")]
    Revoked(DataArgs),
    /// The certificate authority: a root that can stay offline.
    #[command(subcommand)]
    Ca(CaCommand),
    /// Other trust domains: whose roots count here, and ours for them.
    #[command(subcommand)]
    Federation(FederationCommand),
    /// The indicators M1 to M10: what they are now, what is left of their error budgets, and how fast those burn.
    #[command(after_help = "Examples:\n  \
        bartizan slo\n  \
        bartizan slo --indicator M3 --all\n  \
        bartizan slo --service ledger --json | jq '.indicators[] | select(.places[0].standing == \"missed\")'")]
    Slo(SloArgs),
    /// Alerts that are there, of whom and since when; of which nobody is told, and why; and the rules that make them.
    #[command(after_help = "Examples:\n  \
        bartizan alerts\n  \
        bartizan alerts --muted\n  \
        bartizan alerts --rules --json | jq '.rules[] | select(.urgency == \"page\") | .name'")]
    Alerts(AlertsArgs),
    /// Operations of services, declared and seen.
    #[command(subcommand)]
    Api(ApiCommand),
    /// Destinations outside the fleet, and which to allow.
    #[command(subcommand)]
    Egress(EgressCommand),
    /// People who sign in at the fleet's authorization server.
    #[command(subcommand)]
    User(UserCommand),
    /// Clients of the fleet's authorization server: apps that people use, and workloads.
    #[command(subcommand)]
    Client(ClientCommand),
    /// The console: where it is, links that open it, who is signed in.
    #[command(subcommand)]
    Console(ConsoleCommand),
    /// Join tokens of nodes, and users' tokens.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Keys with which programs come in by the gateway, where a route says `auth: key`.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Signed events, as their senders make them.
    #[command(subcommand)]
    Event(EventCommand),
    /// Run the control plane (`up` does this for you).
    #[command(after_help = "Example:\n  \
        bartizan control --fleet fleet.yaml --plan plan.json --data /var/lib/bartizan\n\n\
        It stops when its standard input ends and on SIGTERM.")]
    Control(ControlArgs),
    /// Run the node agent, which vouches for the proxies of this machine (`up` does this for you).
    #[command(after_help = "Example:\n  \
        bartizan token node | bartizan node --name local --control 127.0.0.1:7000 \\\n      \
            --trust-bundle roots.pem --trust-domain bank.example --socket node.sock \\\n      \
            --proxy-binary /usr/bin/bartizan-proxy --keep-running\n\n\
        The join token is the first line of standard input; with a `--cache` that serves, an empty one. It stops when its \
        standard input ends and on SIGTERM.")]
    Node(NodeArgs),
    /// Who you are to the fleet: as an operator by control's local socket, as a workload by the node.
    #[command(
        after_help = "Examples:\n  bartizan whoami\n  bartizan whoami --json | jq -r '.workloads[].spiffe_id'\n\n\
        Exit code 1 where you are nobody to it."
    )]
    Whoami(WhoamiArgs),
    /// Ask the node who you are, as a program does over the SPIFFE Workload API.
    #[command(subcommand)]
    Svid(SvidCommand),
    /// Print the JSON Schema of the fleet file, for editors.
    #[command(after_help = "Example:\n  bartizan schema > fleet.schema.json")]
    Schema,
    /// Run a program that dies with its parent; `up` starts programs through this.
    #[command(hide = true)]
    ExecProgram(ExecProgramArgs),
    /// Make the call that standard input has, in JSON, and print its status; `check pre-prod` runs this in the networks of programs.
    #[command(hide = true)]
    CallInside,
    /// Make a network namespace for a program and hand out sockets in it; `up` keeps one of these per program.
    #[command(hide = true)]
    Porter(PorterArgs),
    /// End the process groups that standard input names, once it ends; `up` keeps one of these.
    #[command(hide = true)]
    Bury,
}

/// How much of Bartizan is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModeArg {
    /// No proxies: programs talk directly, to measure what the rest costs.
    Off,
    /// Identity and mutual TLS, no policy decisions.
    Mtls,
    /// Everything.
    Full,
}

/// Arguments of `up`.
#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// The fleet file.
    #[arg(value_name = "FLEET")]
    pub(crate) fleet: PathBuf,
    /// How much of Bartizan is on.
    #[arg(long, value_enum, default_value = "full")]
    pub(crate) mode: ModeArg,
    /// Where keys, certificates, events, logs and sockets live [default: `.bartizan/<fleet>` beside the fleet file].
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Run this with `sh -c` once everything is ready, then stop the fleet and end with its exit code.
    ///
    /// It finds BARTIZAN_GATEWAY (URL), BARTIZAN_CA (PEM file) and BARTIZAN_DATA (folder) in its environment.
    #[arg(long, value_name = "COMMAND")]
    pub(crate) once_ready: Option<String>,
    /// Print lines even on a terminal.
    #[arg(long)]
    pub(crate) no_table: bool,
}

/// Arguments of `check` and `policy check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The fleet file.
    #[arg(value_name = "FLEET")]
    pub(crate) fleet: PathBuf,
    /// Print one JSON document instead of lines.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `check`, and what else can be checked.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct CheckFleetArgs {
    #[command(subcommand)]
    pub(crate) command: Option<CheckCommand>,
    /// The fleet file.
    #[arg(value_name = "FLEET", required = true)]
    pub(crate) fleet: Option<PathBuf>,
    /// Print one JSON document instead of lines.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Subcommands of `policy`.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Check the policies of a fleet against the schema that follows from its file.
    #[command(after_help = "Example:\n  bartizan policy check fleet.yaml")]
    Check(CheckArgs),
}

/// Where a running fleet is found.
#[derive(Debug, Args)]
pub(crate) struct PlaceArgs {
    /// Data folder of the running fleet [default: the only `.bartizan/*` from here upwards].
    #[arg(long, value_name = "DIR", env = "BARTIZAN_DATA")]
    pub(crate) data: Option<PathBuf>,
    /// Fleet file of the running fleet; its data folder is looked for beside it.
    #[arg(long, value_name = "FLEET", conflicts_with = "data")]
    pub(crate) fleet: Option<PathBuf>,
}

/// A running fleet, and how to print what it says.
#[derive(Debug, Args)]
pub(crate) struct DataArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `upgrade`.
#[derive(Debug, Args)]
pub(crate) struct UpgradeArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// Services whose guards are replaced, `gateway` for the edge [default: all].
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<ServiceName>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `inside`.
#[derive(Debug, Args)]
pub(crate) struct InsideArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// Service whose program it is; `ledger.2` for its second instance.
    #[arg(value_name = "SERVICE")]
    pub(crate) instance: Member,
    /// Command and arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) argv: Vec<OsString>,
}

/// Arguments of `policies`.
#[derive(Debug, Args)]
pub(crate) struct PoliciesArgs {
    /// Those that follow from the fleet file's calls and routes too.
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// The fleet file; it needs a gateway.
    #[arg(value_name = "FLEET")]
    pub(crate) fleet: PathBuf,
    /// A path to ask for, with its query; may be given more than once [default: one for each route of the gateway].
    #[arg(long, value_name = "PATH")]
    pub(crate) path: Vec<String>,
    /// The method of each request.
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    pub(crate) method: String,
    /// The body of each request, or `@` and a file with it.
    #[arg(long, value_name = "TEXT")]
    pub(crate) body: Option<String>,
    /// A header of each request; may be given more than once.
    #[arg(long, value_name = "NAME: VALUE")]
    pub(crate) header: Vec<String>,
    /// The fleet file with all that FLEET leaves out (users, limits, documents of APIs), for the same paths: a row more, `full`; mode `full` of FLEET is called `policy` then.
    #[arg(long, value_name = "FLEET")]
    pub(crate) full: Option<PathBuf>,
    /// What a core costs for an hour, in any currency: adds what a million requests cost.
    #[arg(long, value_name = "PRICE", value_parser = price)]
    pub(crate) core_hour: Option<f64>,
    /// How long each mode is loaded.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=crate::limits::COST_SECONDS_MAX))]
    pub(crate) seconds: u64,
    /// Connections that ask at once, each one request after the other.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=crate::limits::BENCH_CONNECTIONS_MAX))]
    pub(crate) connections: u64,
    /// Requests a second, by all connections together, asked whether or not the one before was answered in time; what a late answer keeps waiting is counted with it [default: as many as are answered].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=crate::limits::BENCH_RATE_MAX))]
    pub(crate) rate: Option<u64>,
    /// How often all modes are gone through; medians are printed.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub(crate) rounds: u64,
    /// Modes to compare.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [ModeArg::Off, ModeArg::Mtls, ModeArg::Full])]
    pub(crate) modes: Vec<ModeArg>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

fn price(text: &str) -> Result<f64, String> {
    let price = text.parse::<f64>().ok().filter(|price| price.is_finite() && *price >= 0.0);
    price.ok_or_else(|| "a price is a number such as 0.04".to_owned())
}

/// Arguments of `cost`.
#[derive(Debug, Args)]
pub(crate) struct CostArgs {
    /// How long to look.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=crate::limits::COST_SECONDS_MAX))]
    pub(crate) seconds: u64,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// Whom not to trust any more.
#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    /// A service of the fleet, or `id:`, `serial:`, `key:`, `node:`, `domain:` or `issuer:` with what it names.
    #[arg(value_name = "WHO")]
    pub(crate) subject: String,
    /// Why; everybody who looks at the list or at a refusal sees it.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// Whom to trust again.
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// As it was revoked.
    #[arg(value_name = "WHO")]
    pub(crate) subject: String,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// One request of a running fleet.
#[derive(Debug, Args)]
pub(crate) struct RequestArgs {
    /// Request id: 32 hex digits.
    #[arg(value_name = "REQUEST_ID", value_parser = request_id)]
    pub(crate) request: RequestId,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// Arguments of `report`.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Which week: such as `2026-W48`, `current` for the running one so far, or `last`, also where left out.
    #[arg(long, value_name = "WEEK", num_args = 0..=1, default_missing_value = "last")]
    pub(crate) week: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// Arguments of `expiry`.
#[derive(Debug, Args)]
pub(crate) struct ExpiryArgs {
    /// Only what runs out within this time: a number with `s`, `m`, `h` or `d`.
    #[arg(long, value_name = "TIME", value_parser = time_span)]
    pub(crate) within: Option<Duration>,
    /// What is due, as a calendar (RFC 5545), for programs that people keep theirs in.
    #[arg(long, conflicts_with = "json")]
    pub(crate) ical: bool,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// Which events.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct EventsArgs {
    #[command(subcommand)]
    pub(crate) command: Option<EventsCommand>,
    /// Go on printing what happens until interrupted.
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Only events of this service (`gateway` for the edge).
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<ServiceName>,
    /// Only what was denied, refused or failed.
    #[arg(long)]
    pub(crate) deny: bool,
    /// Only about this identity: a service by its name, a SPIFFE ID, or a user.
    #[arg(long, value_name = "NAME")]
    pub(crate) identity: Option<String>,
    /// Only what came out so: `ok`, `denied`, `failed`; may be repeated.
    #[arg(long, value_name = "OUTCOME", value_parser = outcome, conflicts_with = "deny")]
    pub(crate) outcome: Vec<Upshot>,
    /// Only of this kind, such as `request`, `handshake`, `egress`, `config`, `person`; may be repeated.
    #[arg(long, value_name = "CLASS", value_parser = class)]
    pub(crate) class: Vec<Class>,
    /// Only where this stands in a name, path, reason or the like, in upper or lower case.
    #[arg(long, value_name = "TEXT")]
    pub(crate) text: Option<String>,
    /// Only of services whose program has this version, as the fleet file said then.
    #[arg(long, value_name = "VERSION")]
    pub(crate) of_version: Option<String>,
    /// Only of services whose program comes from this image: a whole reference, its name, name and tag, or its digest.
    #[arg(long, value_name = "IMAGE")]
    pub(crate) image: Option<String>,
    /// Only at this time or later: `2026-08-01T12:00:00Z`, or how long ago, `2h`.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<Moment>,
    /// Only before this time.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) until: Option<Moment>,
    /// Only of this request.
    #[arg(long, value_name = "ID", value_parser = request_id)]
    pub(crate) request: Option<RequestId>,
    /// At most this many, the newest ones.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) limit: u32,
    /// Every event that fits, from the oldest on.
    #[arg(long, conflicts_with_all = ["limit", "follow"])]
    pub(crate) all: bool,
    /// Go on from where a search said that it stopped.
    #[arg(long, value_name = "CURSOR", conflicts_with = "follow")]
    pub(crate) cursor: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// Subcommands of `svid`.
#[derive(Debug, Subcommand)]
pub(crate) enum SvidCommand {
    /// Get the X.509 identities of whoever runs this, once.
    #[command(after_help = "Examples:\n  \
        bartizan svid fetch\n  \
        bartizan svid fetch --out /run/report\n  \
        bartizan svid fetch --socket /run/bartizan/workload.sock --json\n\n\
        `--out` writes svid.N.pem, svid.N.key (mode 0600) and bundle.N.pem. The node looks at the program that asks: here that \
        is `bartizan` itself, so an entry with a `path` has to name it.")]
    Fetch(SvidFetchArgs),
    /// Get them, and each next one, until interrupted.
    #[command(after_help = "Example:\n  bartizan svid watch --out /run/report")]
    Watch(SvidFetchArgs),
    /// Get JWT-SVIDs for an audience.
    #[command(after_help = "Examples:\n  \
        bartizan svid jwt --audience ledger\n  \
        curl -H \"authorization: Bearer $(bartizan svid jwt --audience ledger)\" http://ledger.example/")]
    Jwt(SvidJwtArgs),
}

/// Where the Workload API is.
#[derive(Debug, Args)]
pub(crate) struct SocketArgs {
    /// Unix socket of the node's Workload API, `unix:` before it or not [default: that of the running fleet].
    #[arg(long, value_name = "PATH", env = "SPIFFE_ENDPOINT_SOCKET")]
    pub(crate) socket: Option<String>,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
}

/// Arguments of `whoami`.
#[derive(Debug, Args)]
pub(crate) struct WhoamiArgs {
    #[command(flatten)]
    pub(crate) at: SocketArgs,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `svid fetch` and `svid watch`.
#[derive(Debug, Args)]
pub(crate) struct SvidFetchArgs {
    #[command(flatten)]
    pub(crate) at: SocketArgs,
    /// Folder for certificates, keys and roots, PEM each.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Print JSON: names, ends, certificates and roots, but no keys.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `svid jwt`.
#[derive(Debug, Args)]
pub(crate) struct SvidJwtArgs {
    #[command(flatten)]
    pub(crate) at: SocketArgs,
    /// Whom the token is for; may be given more than once.
    #[arg(long, value_name = "TEXT", required = true)]
    pub(crate) audience: Vec<String>,
    /// One of the identities [default: each of them].
    #[arg(long, value_name = "SPIFFE-ID")]
    pub(crate) id: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `control`.
#[derive(Debug, Args)]
pub(crate) struct ControlArgs {
    /// The fleet file.
    #[arg(long, value_name = "FILE")]
    pub(crate) fleet: PathBuf,
    /// Where everything listens, as `up` writes it.
    #[arg(long, value_name = "FILE")]
    pub(crate) plan: PathBuf,
    /// Data folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// File whose first line is the passphrase of the root [default: `root.passphrase` in the data folder, made when absent].
    #[arg(long, value_name = "FILE")]
    pub(crate) root_passphrase_file: Option<PathBuf>,
    /// Bytes that events may take on disk; further ones are dropped and counted [default: all there are].
    #[arg(long, value_name = "BYTES")]
    pub(crate) events_bytes_max: Option<u64>,
    /// A host name under which clients reach the gateway, beside `localhost` and its address; may be repeated.
    #[arg(long = "edge-name", value_name = "HOST")]
    pub(crate) edge_names: Vec<String>,
    /// Root certificates (PEM) of a CA whose certificates vouch for nodes, instead of join tokens [default: none].
    #[arg(long, value_name = "FILE", requires = "x509pop_domain")]
    pub(crate) x509pop_roots: Option<PathBuf>,
    /// DNS domain of the machines: the certificate of node `edge-3` has the DNS name `edge-3.DOMAIN`.
    #[arg(long, value_name = "DOMAIN", requires = "x509pop_roots")]
    pub(crate) x509pop_domain: Option<String>,
    /// Kubernetes API server that vouches for nodes by their pods' tokens, such as `https://kubernetes.default.svc` [default: none].
    #[arg(long, value_name = "URL", requires_all = ["psat_ca", "psat_token", "psat_accounts"])]
    pub(crate) psat_api: Option<String>,
    /// Root certificates (PEM) of that API server.
    #[arg(long, value_name = "FILE", requires = "psat_api")]
    pub(crate) psat_ca: Option<PathBuf>,
    /// Our own token for that API server; it has to be allowed to create `tokenreviews`.
    #[arg(long, value_name = "FILE", requires = "psat_api")]
    pub(crate) psat_token: Option<PathBuf>,
    /// Whom the nodes' tokens have to be for.
    #[arg(long, value_name = "TEXT", default_value = "bartizan")]
    pub(crate) psat_audience: String,
    /// Service account of nodes, as NAMESPACE:NAME; may be repeated.
    #[arg(long = "psat-account", value_name = "ACCOUNT", requires = "psat_api")]
    pub(crate) psat_accounts: Vec<String>,
    /// Go on when standard input ends.
    #[arg(long)]
    pub(crate) keep_running: bool,
    /// Which of the fleet file's `control.members` this is [default: the only control].
    #[arg(long, value_name = "NUMBER", requires = "group_key")]
    pub(crate) member: Option<u8>,
    /// The group's key, the same file at all members; `bartizan ca group` makes it.
    #[arg(long, value_name = "FILE", requires = "member")]
    pub(crate) group_key: Option<PathBuf>,
    /// No member has ever run: an empty data folder is right. Say it at the first start of the group, to all, and never again.
    #[arg(long, requires = "member")]
    pub(crate) new_group: bool,
    /// Put this member's files in force when it leads, also where they are not those that were in force.
    #[arg(long, requires = "member")]
    pub(crate) take_files: bool,
    /// Folder in which `control.sock` and `roots.pem` lead to whoever leads, where members share a machine.
    #[arg(long, value_name = "DIR", requires = "member")]
    pub(crate) front: Option<PathBuf>,
}

/// Arguments of `node`.
#[derive(Debug, Args)]
pub(crate) struct NodeArgs {
    /// Name of this node.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: ServiceName,
    /// Address of control; may be repeated, where control has several: they are tried in turn.
    #[arg(long, value_name = "ADDRESS", required = true)]
    pub(crate) control: Vec<SocketAddr>,
    /// Root certificates (PEM) by which control is recognised.
    #[arg(long, value_name = "FILE")]
    pub(crate) trust_bundle: PathBuf,
    /// Trust domain of the fleet.
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) trust_domain: TrustDomain,
    /// Unix socket to serve.
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: PathBuf,
    /// Unix socket of the SPIFFE Workload API and Envoy's SDS, for every user [default: none].
    #[arg(long, value_name = "PATH")]
    pub(crate) workload_socket: Option<PathBuf>,
    /// Unix socket of the Docker Engine (or Podman), by which the images of containers are known [default: none].
    #[arg(long, value_name = "PATH")]
    pub(crate) docker_socket: Option<PathBuf>,
    /// Kubernetes API server that tells the pods of this machine, such as `https://kubernetes.default.svc` [default: none].
    #[arg(long, value_name = "URL", requires_all = ["kubernetes_ca", "kubernetes_token"])]
    pub(crate) kubernetes_api: Option<String>,
    /// Root certificates (PEM) of that API server.
    #[arg(long, value_name = "FILE", requires = "kubernetes_api")]
    pub(crate) kubernetes_ca: Option<PathBuf>,
    /// Our token for that API server, read anew for each question; it has to be allowed to list `pods`.
    #[arg(long, value_name = "FILE", requires = "kubernetes_api")]
    pub(crate) kubernetes_token: Option<PathBuf>,
    /// Name of this machine in Kubernetes [default: that of this node].
    #[arg(long, value_name = "NAME", requires = "kubernetes_api")]
    pub(crate) kubernetes_node: Option<String>,
    /// The only executable that gets vouchers.
    #[arg(long, value_name = "PATH")]
    pub(crate) proxy_binary: PathBuf,
    /// Secret from which sealing keys are derived; made (mode 0600) when absent.
    ///
    /// Without it, what proxies sealed on disk is lost when the node restarts.
    #[arg(long, value_name = "FILE")]
    pub(crate) seal_secret: Option<PathBuf>,
    /// What a restart needs while control is away is kept here, sealed under that secret; the join token may be left out
    /// where it serves.
    #[arg(long, value_name = "FILE", requires = "seal_secret")]
    pub(crate) cache: Option<PathBuf>,
    /// The machine's certificate chain (PEM, leaf first) from an outside CA, instead of a join token.
    #[arg(long, value_name = "FILE", requires = "x509pop_key")]
    pub(crate) x509pop_cert: Option<PathBuf>,
    /// The key of that certificate (PEM, P-256, mode 0600).
    #[arg(long, value_name = "FILE", requires = "x509pop_cert")]
    pub(crate) x509pop_key: Option<PathBuf>,
    /// The file into which Kubernetes projects a token for control, instead of a join token.
    #[arg(long, value_name = "FILE", conflicts_with = "x509pop_cert")]
    pub(crate) psat_token: Option<PathBuf>,
    /// Only this process may announce tickets [default: any process of the same user].
    #[arg(long, value_name = "PID")]
    pub(crate) supervisor_pid: Option<i32>,
    /// Go on when standard input ends.
    #[arg(long)]
    pub(crate) keep_running: bool,
}

/// Arguments of `exec-program`.
#[derive(Debug, Args)]
pub(crate) struct ExecProgramArgs {
    /// Process id of the parent to die with.
    #[arg(long, value_name = "PID")]
    pub(crate) parent: u32,
    /// Process id of the porter whose network namespace to run in.
    #[arg(long, value_name = "PID", requires = "way")]
    pub(crate) inside: Option<u32>,
    /// How that namespace was made.
    #[arg(long, value_name = "WAY", value_parser = way)]
    pub(crate) way: Option<Way>,
    /// What stands in the place of /etc/hosts there.
    #[arg(long, value_name = "FILE", requires = "inside")]
    pub(crate) hosts: Option<PathBuf>,
    /// Program and arguments.
    #[arg(last = true, required = true, value_name = "ARGV")]
    pub(crate) argv: Vec<OsString>,
}

/// Arguments of `porter`.
#[derive(Debug, Args)]
pub(crate) struct PorterArgs {
    /// How to make the namespace.
    #[arg(long, value_name = "WAY", value_parser = way)]
    pub(crate) way: Way,
    /// The program that makes rules of nftables, where calls by name are to be redirected.
    #[arg(long, value_name = "PATH", requires = "redirect_to")]
    pub(crate) nft: Option<PathBuf>,
    /// The port in there that they go to.
    #[arg(long, value_name = "PORT", requires = "nft")]
    pub(crate) redirect_to: Option<u16>,
    /// By what kind of rule.
    #[arg(long, value_name = "MEANS", value_parser = means, default_value = "redirect")]
    pub(crate) by: Means,
}

fn means(text: &str) -> Result<Means, String> {
    Means::parse(text).ok_or_else(|| format!("known are {}", Means::ALL.map(Means::as_str).join(" and ")))
}

fn way(text: &str) -> Result<Way, String> {
    Way::parse(text).ok_or_else(|| format!("known are {}", Way::ALL.map(Way::as_str).join(" and ")))
}

fn time_span(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a number with `s`, `m`, `h` or `d`, such as `30d`".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

fn class(text: &str) -> Result<Class, String> {
    Class::parse(text).ok_or_else(|| format!("known are {}", Class::ALL.map(Class::as_str).join(", ")))
}

fn outcome(text: &str) -> Result<Upshot, String> {
    Upshot::parse(text).ok_or_else(|| format!("known are {}", Upshot::ALL.map(Upshot::as_str).join(", ")))
}

fn request_id(text: &str) -> Result<RequestId, String> {
    let parsed = RequestId::parse(text);
    parsed.ok_or_else(|| "expected 32 lower-case hex digits, as in the `x-request-id` header of an answer".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Command, CommandFactory};
    use std::fmt::Write as _;

    /// Columns of the golden file: the widest that `max_term_width` allows.
    const COLUMNS: usize = 100;

    fn helped(command: &mut Command, name: &str, out: &mut String) {
        let _ = write!(out, "$ {name} --help\n{}\n", command.render_long_help());
        for sub in command.get_subcommands_mut().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
            let name = format!("{name} {}", sub.get_name());
            helped(sub, &name, out);
        }
    }

    #[test]
    fn a_time_span_has_a_unit() {
        assert_eq!(time_span("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(time_span("90s"), Ok(Duration::from_secs(90)));
        for text in ["", "d", "30", "-1d", "3 d", "1y", "99999999999999999d", "1µ"] {
            assert!(time_span(text).is_err(), "{text}");
        }
    }

    /// What `--help` prints is part of the product: a change shows in the diff of `help.txt`.
    #[test]
    fn help_is_as_the_golden_file_has_it() {
        let mut command = Cli::command().term_width(COLUMNS);
        command.build();
        let mut text = String::new();
        helped(&mut command, "bartizan", &mut text);
        let text: String = text.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("help.txt");
        if std::env::var_os("BARTIZAN_BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            golden == text,
            "help.txt is out of date; run `BARTIZAN_BLESS=1 cargo nextest run -p bartizan-cli help_is`"
        );
    }

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_visible_command_has_an_example() {
        fn look(command: &Command) {
            let subs: Vec<_> = command.get_subcommands().filter(|sub| !sub.is_hide_set()).collect();
            if subs.is_empty() {
                let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(after.contains("Example"), "`{}` has no example", command.get_name());
            }
            subs.into_iter().for_each(look);
        }
        look(&Cli::command());
    }
}
