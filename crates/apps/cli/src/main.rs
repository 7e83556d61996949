//! `bartizan`: what people touch. Reads the command line, calls the part that is meant, prints what it says.
//!
//! In: arguments, the local APIs of a running fleet. Out: text for people, JSON with `--json`, an exit code.
//! Absent on purpose: decisions. They are made in the engines; `up` only starts, watches and stops processes.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod adopt; // a running system on its way behind guards
mod args; // start here: everything that can be asked for
mod check; // a fleet, judged whole
mod commands; // one file per subcommand
mod data_dir; // where a running fleet is found
mod failure; // how a command fails
mod limits;
mod pre_prod; // a running fleet, asked service by service
mod prompt;
mod render; // numbers, tables, events for people
mod up; // `bartizan up`

use clap::Parser;
use failure::Failure;
use std::process::ExitCode;

/// Control replaces whole fleets on whichever thread is free; other allocators keep what each thread gave back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = args::Cli::parse();
    match commands::run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !matches!(failure, Failure::Said(_)) {
                eprintln!("bartizan: {failure}");
            }
            ExitCode::from(failure.code())
        }
    }
}
