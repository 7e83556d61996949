//! `--once-ready`: one command with the fleet around it, as tests and benchmarks want it.

use super::launcher::wrapped;
use super::undertaker::Undertaker;
use crate::failure::Failure;
use std::path::Path;
use std::process::Stdio;
use tokio_util::sync::CancellationToken;

/// The exit code of what an interrupt ended.
const INTERRUPTED: u8 = 130;

/// What the command finds in its environment.
pub(crate) struct Around<'a> {
    /// `BARTIZAN_GATEWAY`: URL of the edge, empty where there is none.
    pub(crate) gateway: String,
    /// `BARTIZAN_CA`: the file by which to recognise it.
    pub(crate) ca: &'a Path,
    /// `BARTIZAN_DATA`: the data folder.
    pub(crate) data: &'a Path,
}

/// Runs `command` with a shell and waits for its end, or kills it once `stop` fires. Its output is ours.
///
/// # Errors
/// A [`Failure`] with its exit code where that is not 0, and with 130 where it was killed.
pub(crate) async fn run(
    command: &str,
    around: &Around<'_>,
    bartizan: &Path,
    undertaker: &Undertaker,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let mut shell = tokio::process::Command::new(bartizan);
    shell
        .args(wrapped(None, None))
        .args(["/bin/sh", "-c", command])
        .stdin(Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    shell.env("BARTIZAN_GATEWAY", &around.gateway).env("BARTIZAN_CA", around.ca).env("BARTIZAN_DATA", around.data);
    let mut child = shell.spawn().map_err(|error| Failure::new(format!("cannot run `{command}`: {error}")))?;
    let pid = child.id().expect("it was not waited for yet");
    undertaker.watch(pid);
    let exit = tokio::select! {
        exit = child.wait() => Some(exit),
        () = stop.cancelled() => None,
    };
    super::child::end_group(pid).await;
    let exit = match exit {
        Some(exit) => exit,
        None => child.wait().await,
    };
    undertaker.forget(pid);
    match exit {
        // As a shell says it: ended by an interrupt, so not done.
        Ok(_) if stop.is_cancelled() => Err(Failure::Said(INTERRUPTED)),
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
            eprintln!("`{command}` ended with {}", super::child::in_words(status));
            Err(Failure::Said(code))
        }
        Err(error) => Err(Failure::new(format!("`{command}` was lost: {error}"))),
    }
}
