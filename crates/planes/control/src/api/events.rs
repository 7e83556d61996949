//! `GET /v1/events`: OCSF records, one JSON document a line; with `follow=true` it goes on with what happens.
//!
//! Where there may be more of them, the header `bartizan-next` holds the `cursor` of the next page.

use crate::api::answer::Failure;
use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use crate::events::{Live, line};
use crate::limits::{EVENTS_SHOWN, FOLLOW_LINES_MAX};
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bartizan_core::event::{Class, EventId, Upshot};
use bartizan_core::fleet::Fleet;
use bartizan_core::software::{Image, is_version};
use bartizan_core::{Role, ServiceName, SpiffeId, Timestamp};
use bartizan_events::{Cursor, Filter, Order, QUERY_EVENTS_MAX, QUERY_TEXT_BYTES_MAX, StoredEvent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::ReceiverStream;

pub(super) const IT: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/events",
    who: Who::Viewer,
    about: "Events as OCSF records, one a line: the newest that fit, then, if asked, what happens from now on",
    route: || get(answer),
};

/// The header with the cursor of the next page.
pub(super) const NEXT: &str = "bartizan-next";

/// What the query says; nothing is checked yet.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    /// Only of this service.
    service: Option<String>,
    /// Only about this service, SPIFFE ID or user.
    identity: Option<String>,
    /// Only what was denied.
    deny: bool,
    /// Only with these outcomes: `ok`, `denied`, `failed`, with commas between them.
    outcome: Option<String>,
    /// Only of these classes, with commas between them.
    class: Option<String>,
    /// Only where this stands in a name, path, reason or the like.
    text: Option<String>,
    /// Only of services whose program has this version.
    version: Option<String>,
    /// Only of services whose program comes from this image: a whole reference, its name, its digest.
    image: Option<String>,
    /// Only at this moment or later, milliseconds since 1970.
    since_ms: Option<u64>,
    /// Only before this moment.
    until_ms: Option<u64>,
    /// Only of this request.
    request: Option<String>,
    /// At most so many.
    limit: Option<u32>,
    /// The oldest first.
    oldest: bool,
    /// What the header `bartizan-next` of the page before said.
    cursor: Option<String>,
    /// Go on with what happens.
    follow: bool,
}

/// The line that a reader is told with who was too slow.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct EventsMissed {
    /// Events, of all services, that passed meanwhile, a count.
    bartizan_missed: u64,
    /// The same for people.
    message: String,
}

fn filter(raw: Raw, fleet: &Fleet) -> Result<(Filter, bool), Failure> {
    let Raw {
        service,
        identity,
        deny,
        outcome,
        class,
        text,
        version,
        image,
        since_ms,
        until_ms,
        request,
        limit,
        oldest,
        cursor,
        follow,
    } = raw;
    let bad = |why: String| Err(Failure::bad_request(why));
    let service = service.map(|name| ServiceName::parse(&name)).transpose();
    let service = service.map_err(|error| Failure::bad_request(error.to_string()))?;
    let request = request.map(|text| super::explain::request_id(&text)).transpose()?;
    let mut upshots = words(outcome.as_deref(), "outcome", Upshot::ALL.map(|it| (it.as_str(), it)))?;
    if deny {
        if !upshots.is_empty() {
            return bad("`deny` and `outcome` say the same thing: one of them".to_owned());
        }
        upshots.push(Upshot::Denied);
    }
    let classes = words(class.as_deref(), "class", Class::ALL.map(|it| (it.as_str(), it)))?;
    if text.as_ref().is_some_and(|text| text.is_empty() || text.len() > QUERY_TEXT_BYTES_MAX) {
        return bad(format!("text: expected 1 to {QUERY_TEXT_BYTES_MAX} bytes"));
    }
    if let Some(version) = version.as_deref().filter(|version| !is_version(version)) {
        return bad(format!("version = `{version}`: not one that the fleet file takes, such as `1.4.2`"));
    }
    if let Some((image, why)) = image.as_deref().and_then(|it| Image::parse(it).err().map(|why| (it, why))) {
        return bad(format!("image = `{image}`: {why}"));
    }
    let (version, image) = (version.map(Into::into), image.map(Into::into));
    let limit = limit.unwrap_or(EVENTS_SHOWN);
    if limit > QUERY_EVENTS_MAX {
        return bad(format!("limit = {limit}: at most {QUERY_EVENTS_MAX}; ask for further pages with `cursor`"));
    }
    if follow && (oldest || cursor.is_some()) {
        return bad("`follow` goes on from the newest event: without `oldest` and `cursor`".to_owned());
    }
    let from = match cursor.as_deref().map(Cursor::parse) {
        Some(None) => return bad("cursor: expected what the header `bartizan-next` of the page before said".to_owned()),
        from => from.flatten(),
    };
    let (since, until) = (since_ms.map(Timestamp::from_millis), until_ms.map(Timestamp::from_millis));
    let identity = identity.map(|text| whole_name(&text, fleet).into());
    let order = if oldest { Order::Oldest } else { Order::Newest };
    let filter = Filter {
        service,
        identity,
        upshots,
        classes,
        since,
        until,
        request,
        text,
        version,
        image,
        limit: Some(limit),
        order,
        from,
    };
    Ok((filter, follow))
}

/// Words with commas between them, each one of `known`.
fn words<T: Copy, const N: usize>(
    text: Option<&str>,
    what: &str,
    known: [(&'static str, T); N],
) -> Result<Vec<T>, Failure> {
    let word = |text: &str| {
        known.iter().find(|(word, _)| *word == text).map(|(_, it)| *it).ok_or_else(|| {
            let known = known.each_ref().map(|(word, _)| *word).join(", ");
            Failure::bad_request(format!("{what} = `{text}`: known here: {known}"))
        })
    };
    text.map(|text| text.split(',').map(word).collect()).unwrap_or_else(|| Ok(Vec::new()))
}

/// A service of the fleet stands for its SPIFFE ID; anything else is meant as it is: a whole SPIFFE ID, or a user.
fn whole_name(text: &str, fleet: &Fleet) -> String {
    let service = ServiceName::parse(text).ok();
    match service.filter(|name| fleet.services.contains_key(name) || *name == ServiceName::gateway()) {
        Some(name) => SpiffeId::of(&fleet.trust_domain, &Role::Service(name)).to_string(),
        None => text.to_owned(),
    }
}

async fn answer(State(app): State<Arc<App>>, query: Result<Query<Raw>, QueryRejection>) -> Result<Response, Failure> {
    let Query(raw) = query.map_err(|error| Failure::bad_request(error.body_text()))?;
    let (filter, follow) = filter(raw, &app.in_force().desired.fleet)?;
    // Subscribed first, so that nothing falls between what is stored and what happens.
    let live = follow.then(|| app.pipeline.follow());
    let page = app.events.find(&filter).await?;
    let stored = page.events;
    let content_type = [(CONTENT_TYPE, "application/x-ndjson")];
    let Some(live) = live else {
        let mut text = String::new();
        stored.iter().for_each(|event| text.push_str(&line(event)));
        let next = page.next.map(|next| [(NEXT, next.to_string())]);
        return Ok(match next {
            Some(next) => (content_type, next, text).into_response(),
            None => (content_type, text).into_response(),
        });
    };
    let (lines, receiver) = mpsc::channel(FOLLOW_LINES_MAX);
    // What happens from now on is asked for without a time.
    let wanted = Filter { since: None, until: None, ..filter };
    tokio::spawn(async move {
        let sending = send_all(stored, live, wanted, lines);
        app.stop.run_until_cancelled(sending).await;
    });
    Ok((content_type, Body::from_stream(ReceiverStream::new(receiver))).into_response())
}

type Line = Result<String, Infallible>;

/// Ends when the reader has gone.
async fn send_all(
    stored: Vec<StoredEvent>,
    mut live: broadcast::Receiver<Live>,
    wanted: Filter,
    lines: mpsc::Sender<Line>,
) {
    let mut seen: HashSet<EventId> = stored.iter().map(|event| event.id).collect();
    for event in stored {
        if lines.send(Ok(line(&event))).await.is_err() {
            return;
        }
    }
    loop {
        let next = tokio::select! {
            next = live.recv() => next,
            () = lines.closed() => return,
        };
        let text = match next {
            // Only what was stored between subscribing and asking comes twice, so this soon is empty.
            Ok(event) if wanted.fits(&event) && !seen.remove(&event.id) => line(&event),
            Ok(_) => continue,
            Err(broadcast::error::RecvError::Lagged(missed)) => missed_line(missed),
            Err(broadcast::error::RecvError::Closed) => return,
        };
        if lines.send(Ok(text)).await.is_err() {
            return;
        }
    }
}

/// Tells a reader who was too slow how many events, of all services, passed meanwhile.
fn missed_line(missed: u64) -> String {
    let message =
        format!("{missed} events passed while this reader was behind; those that are stored can be asked for again");
    // Two plain members always become a text.
    let line = serde_json::to_string(&EventsMissed { bartizan_missed: missed, message }).unwrap_or_default();
    line + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::stored_event;

    #[tokio::test]
    async fn a_slow_reader_misses_events_and_is_told_how_many() {
        let (live, receiver) = broadcast::channel(4);
        let (lines, mut read) = mpsc::channel(1);
        for n in 0..10 {
            live.send(Arc::new(stored_event(n))).unwrap();
        }
        drop(live);
        let all = Filter::default();
        tokio::spawn(send_all(Vec::new(), receiver, all, lines));
        let first = read.recv().await.unwrap().unwrap();
        assert!(first.starts_with("{\"bartizan_missed\":6,"), "{first}");
        for n in 6..10 {
            assert_eq!(read.recv().await.unwrap().unwrap(), line(&stored_event(n)));
        }
        assert!(read.recv().await.is_none());
    }

    #[tokio::test]
    async fn nothing_is_shown_twice_and_nothing_that_was_not_asked_for() {
        let (live, receiver) = broadcast::channel(16);
        let (lines, mut read) = mpsc::channel(16);
        for n in 1..5 {
            let upshot = if n % 2 == 0 { Upshot::Denied } else { Upshot::Failed };
            live.send(Arc::new(StoredEvent { upshot, ..stored_event(n) })).unwrap();
        }
        drop(live);
        let denied = Filter { upshots: vec![Upshot::Denied], ..Filter::default() };
        send_all(vec![stored_event(2)], receiver, denied, lines).await;
        let mut shown = Vec::new();
        while let Some(line) = read.recv().await {
            shown.push(line.unwrap());
        }
        assert_eq!(shown, [line(&stored_event(2)), line(&stored_event(4))]);
    }
}
