//! `bartizan events`.

use super::{holds, place, print, unanswered};
use crate::args::EventsArgs;
use crate::data_dir::DataDir;
use crate::failure::Failure;
use crate::limits::EVENTS_PAGE;
use crate::render;
use bartizan_core::Timestamp;
use bartizan_runtime::local::{self, Lines};
use std::fmt::Write as _;
use std::time::SystemTime;
use tokio_stream::StreamExt;

/// The header with the cursor of the next page.
const NEXT: &str = "bartizan-next";

/// Prints events, oldest first, and goes on where asked to follow.
pub(crate) async fn run(args: &EventsArgs) -> Result<(), Failure> {
    if let Some(command) = &args.command {
        return holds::run(command).await;
    }
    let data = place(&args.data.place)?;
    let asked = query(args, Timestamp::from(SystemTime::now()));
    if args.all {
        return all(args, &data, &asked).await;
    }
    let path = format!("{asked}&limit={}{}", args.limit, if args.follow { "&follow=true" } else { "" });
    let (lines, next) = page(&data, &path).await?;
    let count = show(args, &data, lines).await?;
    if args.follow {
        // A clean end of a stream that should go on: control was stopped.
        return Err(Failure::new("control ended the stream, since it was stopped; ask again once it is back"));
    }
    if let Some(next) = next.filter(|_| count < args.limit) {
        eprintln!("older events were not looked at, since there are many: go on with `--cursor {next}`");
    }
    Ok(())
}

/// Every event that fits, page by page from the oldest on.
async fn all(args: &EventsArgs, data: &DataDir, asked: &str) -> Result<(), Failure> {
    let mut cursor = args.cursor.clone();
    loop {
        let from = cursor.map(|cursor| format!("&cursor={}", escaped(&cursor))).unwrap_or_default();
        let (lines, next) = page(data, &format!("{asked}&oldest=true&limit={EVENTS_PAGE}{from}")).await?;
        show(args, data, lines).await?;
        match next {
            Some(next) => cursor = Some(next),
            None => return Ok(()),
        }
    }
}

async fn page(data: &DataDir, path: &str) -> Result<(Lines, Option<String>), Failure> {
    local::lines_with(&data.control_socket(), path, NEXT).await.map_err(|error| unanswered(data, &error))
}

/// How many there were.
async fn show(args: &EventsArgs, data: &DataDir, mut lines: Lines) -> Result<u32, Failure> {
    let mut count = 0;
    while let Some(line) = lines.next().await {
        let line = line.map_err(|error| unanswered(data, &error))?;
        let shown = if args.data.json { line } else { render::event::line(&line) };
        print(&format!("{shown}\n"))?;
        count += 1;
    }
    Ok(count)
}

/// The request, without a limit.
fn query(args: &EventsArgs, now: Timestamp) -> String {
    let EventsArgs {
        service,
        identity,
        deny,
        outcome,
        class,
        text,
        of_version,
        image,
        since,
        until,
        request,
        cursor,
        all,
        ..
    } = args;
    let mut path = format!("/v1/events?deny={deny}");
    let mut put = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = write!(path, "&{key}={}", escaped(&value));
        }
    };
    put("service", service.as_ref().map(ToString::to_string));
    put("identity", identity.clone());
    put("outcome", joined(outcome));
    put("class", joined(class));
    put("text", text.clone());
    put("version", of_version.clone());
    put("image", image.clone());
    put("since_ms", since.map(|moment| moment.at(now).as_millis().to_string()));
    put("until_ms", until.map(|moment| moment.at(now).as_millis().to_string()));
    put("request", request.map(|request| request.to_string()));
    put("cursor", cursor.clone().filter(|_| !all));
    path
}

fn joined<T: ToString>(words: &[T]) -> Option<String> {
    let words: Vec<String> = words.iter().map(ToString::to_string).collect();
    (!words.is_empty()).then(|| words.join(","))
}

/// Percent-encoding (RFC 3986 section 2.1) of all but unreserved characters.
pub(crate) fn escaped(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_is_escaped() {
        assert_eq!(escaped("spiffe://a/b&c=d é%"), "spiffe%3A%2F%2Fa%2Fb%26c%3Dd%20%C3%A9%25");
        assert_eq!(escaped("a-b._~9"), "a-b._~9");
    }
}
