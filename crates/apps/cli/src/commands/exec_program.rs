//! `bartizan exec-program`: becomes a program that dies with `up`.

use crate::args::ExecProgramArgs;
use crate::failure::Failure;
use bartizan_node::netns;
use bartizan_runtime::process::die_with_parent;
use std::os::unix::process::{CommandExt, parent_id};
use std::process::Command;

/// Replaces this process by the program, in a network namespace where one is named. Returns only where that failed.
pub(crate) fn run(args: &ExecProgramArgs) -> Result<(), Failure> {
    // First, since other users' rights may change what the kernel sends when the parent ends.
    if let Some((porter, way)) = args.inside.zip(args.way) {
        netns::enter(porter, way, args.hosts.as_deref()).map_err(|error| Failure::new(error.to_string()))?;
    }
    die_with_parent().map_err(|error| Failure::new(format!("cannot tie the program to its parent: {error}")))?;
    if parent_id() != args.parent {
        return Err(Failure::new("the parent ended while the program started"));
    }
    let Some((program, rest)) = args.argv.split_first() else {
        return Err(Failure::Usage("name a program after `--`".to_owned()));
    };
    let error = Command::new(program).args(rest).exec();
    Err(Failure::new(format!("cannot run `{}`: {error}", program.to_string_lossy())))
}
