//! One file per subcommand, and what they share: the fleet they are about, printing, and a runtime to wait with.

mod adopt;
mod alerts;
mod api;
mod audit;
mod balance;
pub(crate) mod bench;
mod ca;
mod ca_issued;
mod ca_rotation;
mod changes;
mod check;
mod client;
pub(crate) mod console;
mod control;
mod cost;
mod egress;
mod event;
mod events;
mod exec_program;
mod expiry;
mod explain;
mod federation;
mod holds;
mod inside;
mod key;
mod map;
mod member; // one of several controls
mod metrics;
mod node;
mod on_call;
mod plaintext;
mod policies;
mod porter;
mod pre_prod;
mod query;
mod reload;
mod report;
mod revoke;
mod slo;
mod status;
mod svid;
mod token;
mod token_inspect;
mod token_mint;
mod top;
mod trace;
mod upgrade;
mod user;
mod versions;
mod whoami;

pub(crate) use events::escaped;

use crate::args::{Command, EventCommand, PlaceArgs, PolicyCommand, SvidCommand, TokenCommand};
use crate::data_dir::{DataDir, find};
use crate::failure::{Failure, chain};
use crate::up;
use bartizan_runtime::local::LocalError;
use bartizan_runtime::logs;
use serde::Serialize;
use std::io::{ErrorKind, Write};

/// Does what the command line asks for.
///
/// # Errors
/// A [`Failure`] with text and exit code.
pub(crate) fn run(command: Command) -> Result<(), Failure> {
    // The long-running parts log what they do; a command that answers a question only prints the answer.
    logs::start(if matches!(command, Command::Control(_) | Command::Node(_)) { "info" } else { "warn" });
    match command {
        Command::Up(args) => up::run(&args),
        Command::Check(args) => check::run(args),
        Command::Policy(PolicyCommand::Check(args)) => check::policies(&args),
        Command::Explain(args) => waiting(explain::run(&args)),
        Command::Trace(args) => waiting(trace::run(&args)),
        Command::Status(args) => waiting(status::run(&args)),
        Command::Top(args) => waiting(top::run(&args)),
        Command::Map(args) => waiting(map::run(&args)),
        Command::Changes(args) => waiting(changes::run(&args)),
        Command::Policies(args) => waiting(policies::run(&args)),
        Command::Cost(args) => waiting(cost::run(&args)),
        Command::Bench(args) => bench::run(&args),
        Command::Events(args) => waiting(events::run(&args)),
        Command::Audit(command) => audit::run(command),
        Command::Balance(args) => waiting(balance::run(&args)),
        Command::Expiry(args) => waiting(expiry::run(&args)),
        Command::Versions(args) => waiting(versions::run(&args)),
        Command::Report(args) => waiting(report::run(&args)),
        Command::Metrics(args) => waiting(metrics::run(&args)),
        Command::Query(args) => waiting(query::run(&args)),
        Command::Plaintext(args) => waiting(plaintext::run(&args)),
        Command::Adopt(command) => waiting(adopt::run(command)),
        Command::Reload(args) => waiting(reload::run(&args)),
        Command::Upgrade(args) => waiting(upgrade::run(&args)),
        Command::Inside(args) => inside::run(&args),
        Command::Revoke(args) => waiting(revoke::revoke(&args)),
        Command::Restore(args) => waiting(revoke::restore(&args)),
        Command::Revoked(args) => waiting(revoke::list(&args)),
        Command::Ca(command) => ca::run(command),
        Command::Federation(command) => waiting(federation::run(command)),
        Command::Alerts(args) => waiting(alerts::run(args)),
        Command::Slo(args) => waiting(slo::run(&args)),
        Command::Api(command) => waiting(api::run(command)),
        Command::Egress(command) => waiting(egress::run(command)),
        Command::Whoami(args) => waiting(whoami::run(&args)),
        Command::User(command) => waiting(user::run(command)),
        Command::Client(command) => waiting(client::run(command)),
        Command::Console(command) => waiting(console::run(command)),
        Command::Token(TokenCommand::Node(args)) => waiting(token::node(&args)),
        Command::Token(TokenCommand::Keygen(args)) => token_mint::keygen(&args),
        Command::Token(TokenCommand::Mint(args)) => token_mint::mint(&args),
        Command::Token(TokenCommand::Inspect(args)) => waiting(token_inspect::run(&args)),
        Command::Token(TokenCommand::Revoke(args)) => waiting(token::revoke(&args)),
        Command::Key(command) => waiting(key::run(command)),
        Command::Event(EventCommand::Sign(args)) => event::sign(&args),
        Command::Svid(SvidCommand::Fetch(args)) => waiting(svid::fetch(&args, false)),
        Command::Svid(SvidCommand::Watch(args)) => waiting(svid::fetch(&args, true)),
        Command::Svid(SvidCommand::Jwt(args)) => waiting(svid::jwt(&args)),
        Command::Control(args) => control::run(args),
        Command::Node(args) => node::run(args),
        Command::Schema => print(&bartizan_core::fleet::json_schema()),
        Command::ExecProgram(args) => exec_program::run(&args),
        Command::CallInside => waiting(pre_prod::inside()),
        Command::Porter(args) => porter::run(&args),
        Command::Bury => {
            up::bury(std::io::stdin().lock());
            Ok(())
        }
    }
}

/// Waits for a short piece of work.
fn waiting(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    waiting_for(work)
}

/// Waits for what a piece of work comes to.
fn waiting_for<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::new(format!("cannot start: {error}")))?.block_on(work)
}

/// The data folder that a command is about.
fn place(args: &PlaceArgs) -> Result<DataDir, Failure> {
    let here =
        std::env::current_dir().map_err(|error| Failure::new(format!("cannot tell the current folder: {error}")))?;
    find(args.data.as_deref(), args.fleet.as_deref(), &here)
}

/// What to tell where a running fleet gave no answer.
fn unanswered(data: &DataDir, error: &LocalError) -> Failure {
    match error {
        LocalError::NotRunning { .. } => Failure::new(format!(
            "the fleet in `{}` is not running (or runs in mode `off`, or its control is just being restarted); start it with \
             `bartizan up`",
            data.path().display()
        )),
        // It says what is wrong and what to do, in its own words.
        LocalError::Refused { body, .. } if !body.trim().is_empty() => Failure::new(body.trim().to_owned()),
        error => Failure::new(format!("{}; the log is {}", chain(error), data.log("bartizan.control.log").display())),
    }
}

/// Prints `text` as it is.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // The reader has seen enough, as `head` does.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::Said(0)),
        Err(error) => Err(Failure::new(format!("cannot print: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// Prints a value as JSON for machines and people.
fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text =
        serde_json::to_string_pretty(value).map_err(|error| Failure::new(format!("cannot print as JSON: {error}")))?;
    print(&format!("{text}\n"))
}
