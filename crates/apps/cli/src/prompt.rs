//! Secrets that people type: asked for on the terminal, without an echo. Never from the command line, which every user can read.

use crate::failure::Failure;
use bartizan_core::Secret;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};

/// Longest secret that is read, in bytes: far beyond any PIN.
const BYTES_MAX: u64 = 1 << 10;

/// Asks for one line on the terminal.
pub(crate) fn secret(question: &str) -> Result<Secret<String>, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(format!("cannot ask for the {question} on a terminal ({error}); put it into a file and name that"))
    };
    let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty").map_err(failed)?;
    let before = tcgetattr(&terminal).map_err(|error| failed(error.into()))?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    write!(terminal, "{question}: ").and_then(|()| terminal.flush()).map_err(failed)?;
    tcsetattr(&terminal, OptionalActions::Flush, &silent).map_err(|error| failed(error.into()))?;
    let mut line = String::new();
    let read = BufReader::new(std::io::Read::take(&terminal, BYTES_MAX)).read_line(&mut line);
    let line = Secret::new(line);
    // Whatever came of it, the terminal is as it was.
    let restored = tcsetattr(&terminal, OptionalActions::Flush, &before);
    let _ = writeln!(terminal);
    read.map_err(failed)?;
    restored.map_err(|error| failed(error.into()))?;
    match line.expose().trim_end_matches(['\n', '\r']) {
        "" => Err(Failure::new(format!("no {question} was given"))),
        text => Ok(Secret::new(text.to_owned())),
    }
}
