//! `cargo xtask <task>`: chores of this repository that need to know its shape.

mod layers;
mod licences;
mod paths;
mod rust_files;
mod tidy;
mod web_files;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <task>

  tidy    check the shape of the tree: layers, doors, headers, live document paths, lints
  proto   regenerate the modules of crates/io/runtime that come from its .proto files
";

fn main() -> ExitCode {
    let task = std::env::args().nth(1);
    let done = match task.as_deref() {
        Some("tidy") => tidy::run(&root()),
        Some("proto") => proto(),
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    if done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The repository's top folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies one below the root").to_owned()
}

fn proto() -> bool {
    let run = |program: &mut std::process::Command| program.status().is_ok_and(|status| status.success());
    let mut generator = std::process::Command::new("cargo");
    generator.args(["run", "--quiet"]).current_dir(root().join("xtask/proto-gen"));
    let mut format = std::process::Command::new("cargo");
    format.args(["fmt", "--package", "bartizan-runtime"]).current_dir(root());
    run(&mut generator) && run(&mut format)
}
