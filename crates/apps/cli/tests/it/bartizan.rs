//! Runs the binary and keeps what it said.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bartizan"));
    command.args(args).current_dir(dir).stdin(Stdio::null()).env_remove("BARTIZAN_DATA").env("NO_COLOR", "1");
    command
}

pub(crate) fn run(dir: &Path, args: &[&str]) -> Run {
    let Output { status, stdout, stderr } = command(dir, args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: status.code().unwrap(), out: text(stdout), err: text(stderr) }
}
