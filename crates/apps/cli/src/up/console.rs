//! What `up` says of the console once everything is ready: where it is and, where nobody has signed in yet, a link.

use crate::commands::console::{told, who};
use crate::limits::{CONSOLE_LOOK_EVERY, CONSOLE_WITHIN};
use bartizan_core::console::{ConsoleLink, ConsoleRole, ConsoleStatus, MakeLink};
use bartizan_core::status::Status;
use bartizan_runtime::local;
use std::path::Path;
use std::time::Instant;

/// Lines for people; empty where there is no console. A link is made where `with_link` says so, since what is printed may be kept.
pub(super) async fn text(socket: &Path, with_link: bool) -> String {
    let Some(console) = status(socket).await else { return String::new() };
    let mut text = format!("{}\n", told(&console));
    if with_link && console.first_run && console.built && console.url.is_some() {
        let wanted = MakeLink { role: ConsoleRole::Administrator, name: who(), minutes: None };
        let made: Result<ConsoleLink, _> = local::post(socket, "/v1/links", &wanted).await;
        if let Ok(made) = made {
            text.push_str(&format!("  the first sign-in, once, within ten minutes: {}\n", made.link));
        }
    }
    text
}

/// It opens a moment after control says that it is ready.
async fn status(socket: &Path) -> Option<ConsoleStatus> {
    let began = Instant::now();
    loop {
        let status: Status = local::get(socket, "/v1/status").await.ok()?;
        let console = status.control.console;
        if console.url.is_some() || console.problem.is_some() {
            return Some(console);
        }
        if began.elapsed() > CONSOLE_WITHIN {
            return None;
        }
        tokio::time::sleep(CONSOLE_LOOK_EVERY).await;
    }
}
