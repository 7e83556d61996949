//! Our own metrics on their way to a Prometheus, or what takes remote write as one does: moment after moment, from the memory in which they are
//! kept anyway. A receiver that is away gets them later, as long as they are there; what was forgotten meanwhile is counted as missed.

use super::sender::Web;
use crate::app::App;
use crate::limits::{OUTPUT_POLL, OUTPUT_RETRY, OUTPUT_RETRY_MAX, OUTPUT_WITHIN, REMOTE_WRITE_SAMPLES};
use crate::series::Kept;
use bartizan_core::balance::Arrow;
use bartizan_core::outputs::Http;
use bartizan_promql::Labels;
use bartizan_promql::store::{Moment, Place};
use bartizan_telemetry::out::remote_write;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Label by which a receiver of several fleets tells them apart.
const FLEET: &str = "fleet";

/// By output, with where it is, so that the sums are equal whenever they are read.
#[derive(Debug, Default)]
pub(crate) struct Writes(Mutex<BTreeMap<String, Write>>);

#[derive(Clone, Copy, Debug)]
struct Write {
    began: Place,
    place: Place,
    stored: u64,
    rejected: u64,
    missed: u64,
}

impl Writes {
    fn open(&self, name: &str, series: &Kept) {
        let place = series.place();
        self.lock().insert(name.to_owned(), Write { began: place, place, stored: 0, rejected: 0, missed: 0 });
    }

    fn close(&self, name: &str) {
        self.lock().remove(name);
    }

    fn place(&self, name: &str) -> Option<Place> {
        self.lock().get(name).map(|it| it.place)
    }

    /// A moment is done with: so many samples are with the receiver, and so many it will never take.
    fn pass(&self, name: &str, moment: &Moment, stored: u64, rejected: u64) {
        if let Some(it) = self.lock().get_mut(name) {
            it.missed += moment.missed;
            it.stored += stored;
            it.rejected += rejected;
            it.place = moment.next;
        }
    }

    pub(crate) fn arrows(&self, series: &Kept) -> Vec<Arrow> {
        let all = self.lock();
        // Read while nobody passes: no place is behind this one.
        let now = series.place();
        let arrow = |(name, it): (&String, &Write)| {
            let causes = |cause: &str, count: u64| {
                Some((cause.to_owned(), count)).filter(|_| count > 0).into_iter().collect::<BTreeMap<_, _>>()
            };
            Arrow {
                arrow: format!("output.{name}"),
                received: now.samples - it.began.samples,
                stored: it.stored,
                refused: causes("rejected", it.rejected),
                dropped: causes("missed", it.missed),
                waiting: now.samples - it.place.samples,
            }
        };
        all.iter().map(arrow).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Write>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes for as long as its task lasts: dropped, it leaves off between two requests or in one, which is sent anew by nobody.
pub(super) async fn run(app: &App, name: &str, http: &Http) {
    app.writes.open(name, &app.series);
    write_on(app, name, http).await;
}

/// The output is not there any more.
pub(super) fn close(app: &App, name: &str) {
    app.writes.close(name);
}

async fn write_on(app: &App, name: &str, http: &Http) {
    let fleet = app.in_force().desired.fleet.name.to_string();
    loop {
        let next = app.writes.place(name).and_then(|place| app.series.after(place));
        let Some(moment) = next else {
            tokio::time::sleep(OUTPUT_POLL).await;
            continue;
        };
        let (mut stored, mut rejected) = (0, 0);
        for part in moment.samples.chunks(REMOTE_WRITE_SAMPLES) {
            let count = part.len() as u64;
            if send_part(app, name, http, &fleet, moment.at_ms, part).await {
                stored += count
            } else {
                rejected += count
            }
        }
        app.writes.pass(name, &moment, stored, rejected);
    }
}

/// Sends it, however long that takes; whether the receiver took it.
async fn send_part(app: &App, name: &str, http: &Http, fleet: &str, at_ms: i64, part: &[(Labels, f64)]) -> bool {
    let mut pause = OUTPUT_RETRY;
    loop {
        match attempt(app, http, fleet, at_ms, part).await {
            Ok(200..=299) => return true,
            // As the specification has it: it will never be taken.
            Ok(status @ 400..=499) if status != 429 => {
                tracing::warn!(output = name, status, count = part.len(), "samples that the receiver will never take");
                return false;
            }
            Ok(status) => tracing::warn!(output = name, status, "samples are not taken, trying again"),
            Err(why) => tracing::warn!(output = name, why, "samples are not sent, trying again"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(OUTPUT_RETRY_MAX);
    }
}

async fn attempt(app: &App, http: &Http, fleet: &str, at_ms: i64, part: &[(Labels, f64)]) -> Result<u16, String> {
    let (to, dir) = (http.clone(), app.options.fleet.parent().unwrap_or(Path::new("")).to_owned());
    // Files are read anew each time: a token may have been replaced.
    let web = tokio::task::spawn_blocking(move || Web::open(&to, &dir)).await.map_err(|error| error.to_string())??;
    let labelled: Vec<(Labels, f64)> = part.iter().map(|(labels, value)| (labels.with(FLEET, fleet), *value)).collect();
    let body = remote_write::message(at_ms, labelled.iter().map(|(labels, value)| (labels.iter(), *value)))?;
    let sending = tokio::time::timeout(OUTPUT_WITHIN, web.post("", &remote_write::FIELDS, body)).await;
    let (status, _) = sending.unwrap_or_else(|_| Err(format!("no answer within {} s", OUTPUT_WITHIN.as_secs())))?;
    Ok(status)
}
