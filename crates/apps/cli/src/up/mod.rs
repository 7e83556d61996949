//! `bartizan up`: starts a fleet in order, keeps it alive, shows how it fares, stops it in the opposite order.
//!
//! Everything here runs on one thread, the process's first: the kernel ties "die with your parent" to the thread that
//! started the child, and that thread must live as long as the process.

mod backoff; // how long a dead part stays down
mod board; // what is known of every part
mod capture; // names that stand for callees
mod child; // one process with its group
mod console; // where it is
mod edge; // whether the gateway answers
mod environment; // what a program gets to know
mod keep; // one part, kept alive
mod kept; // what is kept alive, and with what it was started
mod launcher; // how each part is started
mod log; // what parts wrote
mod newer; // what a reload has put in force
mod once; // `--once-ready`
mod part; // the parts there are
mod placeholders; // `${ledger.url}`
mod plan; // where everything listens
mod porter_note; // which process is whose porter
mod prepare; // everything before the first process
mod pulse; // control's view, asked again and again
mod record; // process events for control
mod scale; // services and instances that come, go and change
mod screen; // terminal or lines
mod signals; // the first Ctrl-C and the second
mod spaces; // network namespaces of programs
mod stages; // start here: the order of starting and stopping
mod table; // the live table
mod tries; // three commands to try
mod undertaker; // ends what would outlive us
mod upgrade; // guards are replaced while they serve
mod wait; // when a part counts as ready

pub(crate) use porter_note::PorterNote;
pub(crate) use undertaker::bury;
pub(crate) use upgrade::{UpgradeRequest, UpgradeStep};
pub(crate) use wait::loopback_of;

use crate::args::UpArgs;
use crate::failure::Failure;

/// Runs a fleet until it is stopped.
///
/// # Errors
/// A [`Failure`] where it could not be started; what was started is stopped by then.
pub(crate) fn run(args: &UpArgs) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    runtime.block_on(stages::run(args))
}
