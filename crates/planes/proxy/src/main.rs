//! The binary `bartizan-proxy`: reads its options, runs, and says with its exit code how it ended.

use bartizan_core::{ServiceName, TrustDomain};
use bartizan_proxy::run::{Options, RunError, run};
use bartizan_runtime::control_stream::Addresses;
use bartizan_runtime::{logs, process};
use clap::Parser;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// A request makes and drops some dozens of small things on one thread; see docs/decisions/0013-own-leg.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Something is wrong with the options or the machine; the same start fails again.
const EXIT_FAILED: u8 = 1;
/// The identity is gone; a start with a new ticket may work (`EX_TEMPFAIL` of sysexits.h).
const EXIT_NEW_TICKET: u8 = 75;

/// The guard beside one service: mutual TLS in and out, policy, events. Usually started by `bartizan up`.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Args {
    /// Service to guard, or `gateway` for the edge of the fleet
    #[arg(long, value_name = "NAME")]
    service: ServiceName,
    /// Which of the service's instances this is, where there are several
    #[arg(long, value_name = "N", default_value_t = 1)]
    instance: u16,
    /// Trust domain of the fleet
    #[arg(long, value_name = "DOMAIN")]
    trust_domain: TrustDomain,
    /// Address of control's stream; may be repeated, where control has several: they are tried in turn
    #[arg(long, value_name = "IP:PORT", required = true)]
    control: Vec<SocketAddr>,
    /// Unix socket of the node on this host, which vouches for this process
    #[arg(long, value_name = "PATH")]
    node_socket: PathBuf,
    /// Roots to trust at first, PEM
    #[arg(long, value_name = "FILE")]
    trust_bundle: PathBuf,
    /// Folder for the last good snapshots and the sealed identity; this proxy's alone
    #[arg(long, value_name = "DIR")]
    state_dir: PathBuf,
    /// Threads that serve traffic, 1 to 4 [default: half of the cores]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Stop once standard input ends, as it does when the process that started this one is gone
    #[arg(long)]
    exit_with_stdin: bool,
    /// The program runs in a network namespace of its own, whose porter comes on standard input, a Unix socket, after the ticket
    #[arg(long)]
    isolated: bool,
    /// Take over the listeners of a guard of the same service that runs, whose socket comes on standard input after that
    #[arg(long)]
    takes_over: bool,
}

const EXAMPLES: &str = "\
The first line of standard input is the ticket that the node was told to expect.

Examples:
  echo \"$TICKET\" | bartizan-proxy --service accounts --trust-domain bank.example \\
      --control 127.0.0.1:7000 --node-socket data/node.sock \\
      --trust-bundle data/roots.pem --state-dir data/proxy/accounts

Exit codes: 0 stopped as asked, 1 failed, 75 the identity is gone, start again with a new ticket.
BARTIZAN_LOG=debug shows more on standard error.";

fn main() -> ExitCode {
    process::use_small_pages();
    let Args {
        service,
        instance,
        trust_domain,
        control,
        node_socket,
        trust_bundle,
        state_dir,
        workers,
        exit_with_stdin,
        isolated,
        takes_over,
    } = Args::parse();
    logs::start("info");
    process::raise_descriptors();
    let control = match Addresses::new(control) {
        Ok(control) => control,
        Err(error) => {
            tracing::error!(%error, "--control cannot be used");
            return ExitCode::from(EXIT_FAILED);
        }
    };
    let options = Options {
        service,
        instance,
        trust_domain,
        control,
        node_socket,
        trust_bundle,
        state_dir,
        workers,
        exit_with_stdin,
        isolated,
        takes_over,
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "stopped");
            ExitCode::from(match error {
                RunError::Vouch(_) | RunError::Attach(_) => EXIT_NEW_TICKET,
                _ => EXIT_FAILED,
            })
        }
    }
}
