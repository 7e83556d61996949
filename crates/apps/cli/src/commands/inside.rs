//! `bartizan inside`: becomes a command in the network namespace of a program.

use super::place;
use crate::args::InsideArgs;
use crate::failure::Failure;
use crate::limits::PORTER_NOTE_BYTES_MAX;
use crate::up::PorterNote;
use bartizan_node::netns::{self, Way};
use bartizan_runtime::files;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Replaces this process by the command. Returns only where that failed.
pub(crate) fn run(args: &InsideArgs) -> Result<(), Failure> {
    let data = place(&args.place)?;
    let member = &args.instance;
    let path = data.porter(&member.to_string());
    let none = || {
        Failure::new(format!(
            "`{member}` has no network namespace of its own in the fleet in `{}`: it does not run, or is not isolated (`bartizan \
             status` says why)",
            data.path().display()
        ))
    };
    let note = files::read_bounded(&path, PORTER_NOTE_BYTES_MAX).map_err(|_| none())?;
    let note: PorterNote = serde_json::from_slice(&note).map_err(|_| none())?;
    let way = Way::parse(&note.way).filter(|_| note.is_its_process()).ok_or_else(none)?;
    let hosts = Some(data.hosts(member.service().as_str())).filter(|_| note.captured);
    netns::enter(note.pid, way, hosts.as_deref()).map_err(|error| Failure::new(error.to_string()))?;
    let Some((program, rest)) = args.argv.split_first() else {
        return Err(Failure::Usage("name a command after `--`".to_owned()));
    };
    let error = Command::new(program).args(rest).exec();
    Err(Failure::new(format!("cannot run `{}`: {error}", program.to_string_lossy())))
}
