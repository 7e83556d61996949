//! `bartizan changes`: what changed, the newest first.

use super::{place, print, print_json, unanswered};
use crate::args::ChangesArgs;
use crate::failure::Failure;
use crate::render::{table, utc};
use bartizan_core::overview::{ChangeSeen, Changes};
use bartizan_runtime::{clock, local};

/// Columns of the table; sentences are long, and terminals wrap.
const WIDTH: u16 = u16::MAX;

pub(crate) async fn run(args: &ChangesArgs) -> Result<(), Failure> {
    let data = place(&args.data.place)?;
    let now = clock::now();
    let mut path = format!("/v1/changes?limit={}", args.limit);
    for (name, moment) in [("since_ms", &args.since), ("until_ms", &args.until)] {
        if let Some(moment) = moment {
            path.push_str(&format!("&{name}={}", moment.at(now).as_millis()));
        }
    }
    let asked: Result<Changes, _> = local::get(&data.control_socket(), &path).await;
    let changes = asked.map_err(|error| unanswered(&data, &error))?;
    if args.data.json {
        return print_json(&changes);
    }
    if changes.changes.is_empty() {
        return print("nothing changed\n");
    }
    let row = |it: &ChangeSeen| {
        let service = it.service.as_ref().map(ToString::to_string).unwrap_or_default();
        let actor = it.actor.clone().unwrap_or_default();
        vec![utc(it.at), it.kind.as_str().to_owned(), service, actor, it.what.clone()]
    };
    let rows = changes.changes.iter().map(row).collect();
    let mut text = format!("{}\n", table(&["WHEN", "KIND", "SERVICE", "WHO", "WHAT"], rows, WIDTH).trim_end());
    if changes.next_until_ms.is_some() {
        text.push_str("there is more before: --until, --limit\n");
    }
    print(&text)
}
