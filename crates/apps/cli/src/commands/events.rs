//! `bartizan events`.

use super::{place, print, unanswered};
use crate::args::EventsArgs;
use crate::failure::Failure;
use crate::render;
use bartizan_runtime::local;
use std::fmt::Write as _;
use tokio_stream::StreamExt;

/// Prints events, oldest first, and goes on where asked to follow.
pub(crate) async fn run(args: &EventsArgs) -> Result<(), Failure> {
    let data = place(&args.data.place)?;
    let lines = local::lines(&data.control_socket(), &query(args)).await;
    let mut lines = lines.map_err(|error| unanswered(&data, &error))?;
    while let Some(line) = lines.next().await {
        let line = line.map_err(|error| unanswered(&data, &error))?;
        let shown = if args.data.json { line } else { render::event::line(&line) };
        match print(&format!("{shown}\n")) {
            Err(Failure::Said(0)) => return Ok(()),
            printed => printed?,
        }
    }
    if args.follow {
        // A clean end of a stream that should go on: control was stopped.
        return Err(Failure::new("control ended the stream, since it was stopped; ask again once it is back"));
    }
    Ok(())
}

/// The request. Every value is one of our own types, which hold nothing that a URL would have to escape.
fn query(args: &EventsArgs) -> String {
    let mut path = format!("/v1/events?limit={}", args.limit);
    if let Some(service) = &args.service {
        let _ = write!(path, "&service={service}");
    }
    if args.deny {
        path.push_str("&deny=true");
    }
    if args.follow {
        path.push_str("&follow=true");
    }
    path
}
