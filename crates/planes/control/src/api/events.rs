//! `GET /v1/events`: OCSF records, one JSON document a line; with `follow=true` it goes on with what happens.

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
use bartizan_core::event::EventId;
use bartizan_core::{RequestId, ServiceName, Timestamp};
use bartizan_store::{Filter, QUERY_EVENTS_MAX, StoredEvent};
use serde::Deserialize;
use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::ReceiverStream;

pub(super) const IT: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/events",
    who: Who::Operator,
    about: "Events as OCSF records, one a line: the newest that fit, then, if asked, what happens from now on",
    route: || get(answer),
};

/// What the query says; nothing is checked yet.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Raw {
    service: Option<String>,
    deny: bool,
    since_ms: Option<u64>,
    until_ms: Option<u64>,
    request: Option<String>,
    limit: Option<u32>,
    follow: bool,
}

fn filter(raw: Raw) -> Result<(Filter, bool), Failure> {
    let Raw { service, deny, since_ms, until_ms, request, limit, follow } = raw;
    let service = service.map(|name| ServiceName::parse(&name)).transpose();
    let service = service.map_err(|error| Failure::bad_request(error.to_string()))?;
    let request = request.map(|text| super::explain::request_id(&text)).transpose()?;
    let limit = limit.unwrap_or(EVENTS_SHOWN);
    if limit > QUERY_EVENTS_MAX {
        return Err(Failure::bad_request(format!(
            "limit = {limit}: at most {QUERY_EVENTS_MAX}; ask in parts with `since_ms` and `until_ms`"
        )));
    }
    let (since, until) = (since_ms.map(Timestamp::from_millis), until_ms.map(Timestamp::from_millis));
    Ok((Filter { service, denied: deny, since, until, request, limit: Some(limit) }, follow))
}

async fn answer(State(app): State<Arc<App>>, query: Result<Query<Raw>, QueryRejection>) -> Result<Response, Failure> {
    let Query(raw) = query.map_err(|error| Failure::bad_request(error.body_text()))?;
    let (filter, follow) = filter(raw)?;
    // Subscribed first, so that nothing falls between what is stored and what happens.
    let live = follow.then(|| app.pipeline.follow());
    let stored = app.store.events(&filter).await?;
    let content_type = [(CONTENT_TYPE, "application/x-ndjson")];
    let Some(live) = live else {
        let mut text = String::new();
        stored.iter().for_each(|event| text.push_str(&line(event)));
        return Ok((content_type, text).into_response());
    };
    let (lines, receiver) = mpsc::channel(FOLLOW_LINES_MAX);
    let wanted = Wanted::of(&filter);
    tokio::spawn(async move {
        let sending = send_all(stored, live, wanted, lines);
        app.stop.run_until_cancelled(sending).await;
    });
    Ok((content_type, Body::from_stream(ReceiverStream::new(receiver))).into_response())
}

/// The part of a filter that can be asked of a single event.
#[derive(Debug)]
struct Wanted {
    service: Option<ServiceName>,
    denied: bool,
    request: Option<RequestId>,
}

impl Wanted {
    fn of(filter: &Filter) -> Self {
        Self { service: filter.service.clone(), denied: filter.denied, request: filter.request }
    }

    fn fits(&self, event: &StoredEvent) -> bool {
        (self.service.is_none() || self.service == event.service)
            && (!self.denied || event.denied)
            && (self.request.is_none() || self.request == event.request)
    }
}

type Line = Result<String, Infallible>;

/// Ends when the reader has gone.
async fn send_all(
    stored: Vec<StoredEvent>,
    mut live: broadcast::Receiver<Live>,
    wanted: Wanted,
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
    format!("{}\n", serde_json::json!({ "bartizan_missed": missed, "message": message }))
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
        let all = Wanted { service: None, denied: false, request: None };
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
            let denied = n % 2 == 0;
            live.send(Arc::new(StoredEvent { denied, ..stored_event(n) })).unwrap();
        }
        drop(live);
        let denied = Wanted { service: None, denied: true, request: None };
        send_all(vec![stored_event(2)], receiver, denied, lines).await;
        let mut shown = Vec::new();
        while let Some(line) = read.recv().await {
            shown.push(line.unwrap());
        }
        assert_eq!(shown, [line(&stored_event(2)), line(&stored_event(4))]);
    }
}
