//! `GET /v1/stream`: what happens, as server-sent events, for one page. A page that is slow loses events, is told how many, and holds up
//! nobody: they wait in a ring that all readers share.

use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use crate::console::Session;
use crate::events::Live;
use crate::limits::{
    STREAM_ALIVE_EVERY, STREAM_BATCH_PAUSE, STREAM_EVENTS_PER_S, STREAM_FRAMES_MAX, STREAM_MAP_EVERY,
    STREAM_STALLED_AFTER, STREAM_STATUS_EVERY,
};
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bartizan_core::overview::{StreamHello, StreamMissed};
use bartizan_events::record;
use bartizan_runtime::clock;
use serde::Serialize;
use serde_json::Value;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, mpsc};
use tokio::time::{interval, sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;

pub(super) const IT: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/stream",
    who: Who::Viewer,
    about: "What happens from now on: events, and the map, status and alerts where they change",
    route: || get(answer),
};

type Frame = Result<String, Infallible>;

async fn answer(State(app): State<Arc<App>>, session: Option<Extension<Session>>) -> Response {
    let (frames, receiver) = mpsc::channel(STREAM_FRAMES_MAX);
    let live = app.pipeline.follow();
    let reader = Reader { app, session: session.map(|Extension(session)| session), frames };
    tokio::spawn(reader.run(live));
    let head = [(CONTENT_TYPE, "text/event-stream"), (axum::http::header::CACHE_CONTROL, "no-store")];
    (head, Body::from_stream(ReceiverStream::new(receiver))).into_response()
}

/// The page has gone, or takes nothing any more.
struct Gone;

struct Reader {
    app: Arc<App>,
    session: Option<Session>,
    frames: mpsc::Sender<Frame>,
}

impl Reader {
    async fn run(self, live: broadcast::Receiver<Live>) {
        let app = Arc::clone(&self.app);
        // How it ends is the page's business; it comes again.
        let _ = app.stop.run_until_cancelled(self.tell(live)).await;
    }

    async fn tell(self, mut live: broadcast::Receiver<Live>) -> Result<(), Gone> {
        let fleet = self.app.in_force().desired.fleet.name.clone();
        self.send("hello", None, &text(&StreamHello { now: clock::now(), fleet })).await?;
        let (mut map, mut status) = (interval(STREAM_MAP_EVERY), interval(STREAM_STATUS_EVERY));
        let mut alive = interval(STREAM_ALIVE_EVERY);
        let (mut shown_map, mut shown_status, mut shown_alerts) = (None, None, None);
        let mut allowance = Allowance::new(Instant::now());
        loop {
            tokio::select! {
                next = live.recv() => {
                    self.events(next, &mut live, &mut allowance).await?;
                    // Whatever comes within a moment shares a frame.
                    sleep(STREAM_BATCH_PAUSE).await;
                }
                _ = map.tick() => {
                    if let Some(now) = self.app.glance.map(&self.app, STREAM_MAP_EVERY / 2).await
                        && shown_map.replace(now.mark) != Some(now.mark)
                    {
                        self.send("map", None, &now.text).await?;
                    }
                    if let Some(now) = self.app.glance.alerts(&self.app, STREAM_MAP_EVERY / 2).await
                        && shown_alerts.replace(now.mark) != Some(now.mark)
                    {
                        self.send("alerts", None, &now.text).await?;
                    }
                }
                _ = status.tick() => {
                    if !self.goes_on().await {
                        return Err(Gone);
                    }
                    if let Some(now) = self.app.glance.status(&self.app, STREAM_STATUS_EVERY / 2).await
                        && shown_status.replace(now.mark) != Some(now.mark)
                    {
                        self.send("status", None, &now.text).await?;
                    }
                }
                _ = alive.tick() => self.put(": alive\n\n".to_owned()).await?,
                () = self.frames.closed() => return Err(Gone),
            }
        }
    }

    /// Everything that has happened by now, as far as a page may have it.
    async fn events(
        &self,
        first: Result<Live, RecvError>,
        live: &mut broadcast::Receiver<Live>,
        allowance: &mut Allowance,
    ) -> Result<(), Gone> {
        let (mut records, mut last, mut missed) = (Vec::new(), None, 0);
        let mut next = match first {
            Ok(event) => Ok(event),
            Err(RecvError::Lagged(count)) => Err(TryRecvError::Lagged(count)),
            Err(RecvError::Closed) => return Err(Gone),
        };
        loop {
            match next {
                Ok(event) if allowance.take(Instant::now()) => {
                    records.extend(record::read(&event).map(|record| record.ocsf()));
                    last = Some(event.cursor());
                }
                Ok(_) => missed += 1,
                Err(TryRecvError::Lagged(count)) => missed += count,
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
            next = live.try_recv();
        }
        if !records.is_empty() {
            let last = last.map(|cursor| cursor.to_string());
            self.send("events", last.as_deref(), &Value::Array(records).to_string()).await?;
        }
        if missed > 0 {
            self.send("missed", None, &text(&StreamMissed { count: missed })).await?;
        }
        Ok(())
    }

    /// Whether the session does. Looking on is not using it.
    async fn goes_on(&self) -> bool {
        let Some(session) = &self.session else { return true };
        self.app.console.book.goes_on(&session.id, clock::now()) && crate::console::still_may(&self.app, session).await
    }

    async fn send(&self, event: &str, id: Option<&str>, data: &str) -> Result<(), Gone> {
        // JSON has no line feeds of its own, so that one line of data is all of it.
        let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
        self.put(format!("event: {event}\n{id}data: {data}\n\n")).await
    }

    async fn put(&self, frame: String) -> Result<(), Gone> {
        match timeout(STREAM_STALLED_AFTER, self.frames.send(Ok(frame))).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Gone),
        }
    }
}

/// Plain members always become a text.
fn text(it: &impl Serialize) -> String {
    serde_json::to_string(it).unwrap_or_default()
}

/// So many events a second, and no more: what a page can show.
struct Allowance {
    left: f64,
    at: Instant,
}

impl Allowance {
    fn new(now: Instant) -> Self {
        Self { left: f64::from(STREAM_EVENTS_PER_S), at: now }
    }

    fn take(&mut self, now: Instant) -> bool {
        let most = f64::from(STREAM_EVENTS_PER_S);
        let more = now.saturating_duration_since(self.at).as_secs_f64() * most;
        (self.left, self.at) = ((self.left + more).min(most), now);
        let may = self.left >= 1.0;
        if may {
            self.left -= 1.0;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::stored_event;
    use std::time::Duration;
    use tokio_stream::StreamExt;

    async fn frames(body: Body, until: impl Fn(&str) -> bool) -> String {
        let mut stream = body.into_data_stream();
        let mut text = String::new();
        let reading = async {
            while let Some(Ok(bytes)) = stream.next().await {
                text.push_str(&String::from_utf8_lossy(&bytes));
                if until(&text) {
                    break;
                }
            }
        };
        let in_time = timeout(Duration::from_secs(60), reading).await;
        assert!(in_time.is_ok(), "it did not come:\n{text}");
        text
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_page_that_is_slow_loses_and_is_told_how_many() {
        let dir = tempfile::tempdir().unwrap();
        let app = crate::tests::started(dir.path()).await.app;
        let (live, receiver) = broadcast::channel(16);
        let (frames_in, mut frames_out) = mpsc::channel(1);
        let reader = Reader { app, session: None, frames: frames_in };
        // Far more than fit, before anything is read.
        for n in 0..1000 {
            live.send(Arc::new(stored_event(n))).unwrap();
        }
        let reading = tokio::spawn(reader.tell(receiver));
        let mut text = String::new();
        while !text.contains("event: missed") {
            text.push_str(&timeout(Duration::from_secs(60), frames_out.recv()).await.unwrap().unwrap().unwrap());
        }
        assert!(text.starts_with("event: hello\ndata: {"), "{text}");
        assert!(text.contains("event: missed\ndata: {\"count\":984}"), "1000 less the 16 that are kept: {text}");
        drop(frames_out);
        assert!(timeout(Duration::from_secs(60), reading).await.unwrap().unwrap().is_err(), "it ends with its page");
    }

    #[test]
    fn no_page_gets_more_than_it_can_show() {
        let now = Instant::now();
        let mut allowance = Allowance::new(now);
        let most = STREAM_EVENTS_PER_S as usize;
        assert_eq!((0..10 * most).filter(|_| allowance.take(now)).count(), most);
        let later = now + Duration::from_millis(500);
        assert_eq!((0..10 * most).filter(|_| allowance.take(later)).count(), most / 2);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_page_sees_hello_the_map_the_status_and_what_happens() {
        let dir = tempfile::tempdir().unwrap();
        let app = crate::tests::started(dir.path()).await.app;
        let answered = answer(State(Arc::clone(&app)), None).await;
        assert_eq!(answered.headers()[CONTENT_TYPE], "text/event-stream");
        app.pipeline.offer(vec![crate::tests::request_event(7)]);
        let text = frames(answered.into_body(), |text| {
            ["event: hello", "event: map", "event: alerts", "event: status", "event: events"]
                .iter()
                .all(|it| text.contains(it))
        })
        .await;
        let of = |event: &str| {
            let after = text.split_once(&format!("event: {event}\n")).unwrap().1;
            let data = after.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
            serde_json::from_str::<Value>(data).unwrap()
        };
        assert_eq!(of("hello")["fleet"], "bank");
        assert_eq!(of("map")["edges"][0]["to"], "ledger");
        assert_eq!(of("status")["fleet"], "bank");
        assert_eq!(of("events")[0]["http_request"]["url"]["path"], "/accounts/7");
        assert!(text.contains("id: "), "{text}");
    }
}
