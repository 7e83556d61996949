//! One task for each output that the fleet file names.

use super::counts::Sent;
use super::cursor::Cursor;
use super::remote_write;
use super::sender::{Sender, TOGETHER};
use crate::app::App;
use crate::limits::{FEDERATION_LOOK_MAX, OUTPUT_CURSOR_EVERY, OUTPUT_POLL, OUTPUT_RETRY, OUTPUT_RETRY_MAX};
use bartizan_core::ServiceName;
use bartizan_core::outputs::{Destination, Only, Output};
use bartizan_events::{StoredEvent, Unread, record};
use bartizan_telemetry::out::Outgoing;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Serves until the app stops; goes along where the fleet file changes.
pub(crate) async fn keep(app: Arc<App>) {
    let mut changes = app.watch();
    while !app.stop.is_cancelled() {
        let said: BTreeMap<ServiceName, Output> = app.in_force().desired.fleet.outputs.clone();
        let (stop, tasks) = (app.stop.child_token(), TaskTracker::new());
        for (name, output) in said.clone() {
            let one = One { app: Arc::clone(&app), name, output };
            tasks.spawn(one.run(stop.clone()));
        }
        tasks.close();
        loop {
            tokio::select! {
                () = app.stop.cancelled() => break,
                // Also by the clock: a task that was not told must not go on with an old file for ever.
                _ = changes.changed() => {}
                () = tokio::time::sleep(FEDERATION_LOOK_MAX) => {}
            }
            if app.in_force().desired.fleet.outputs != said {
                break;
            }
        }
        stop.cancel();
        tasks.wait().await;
    }
}

/// One output.
struct One {
    app: Arc<App>,
    name: ServiceName,
    output: Output,
}

impl One {
    async fn run(self, stop: CancellationToken) {
        let name = self.name.as_str();
        if let Destination::RemoteWrite(http) = &self.output.to {
            stop.run_until_cancelled(remote_write::run(&self.app, name, http)).await;
            remote_write::close(&self.app, name);
            return;
        }
        let mut cursor = Cursor::new(&self.app.options.data, &self.name);
        self.app.events.open_reader(name, cursor.read());
        self.app.outputs.open(name);
        // Where it is new, a restart has to find where it began.
        cursor.write(self.app.events.place(name)).await;
        stop.run_until_cancelled(self.send_on(&mut cursor)).await;
        cursor.write(self.app.events.place(name)).await;
        self.app.outputs.close(name);
        self.app.events.close_reader(name);
    }

    /// Sends what comes, for ever.
    async fn send_on(&self, cursor: &mut Cursor) {
        let (name, events) = (self.name.as_str(), &self.app.events);
        let mut way = Way::default();
        let mut written = Instant::now();
        loop {
            match events.read_on(name).await {
                Ok(Some(unread)) => {
                    let sent = self.send(&mut way, &unread).await;
                    self.app.outputs.pass(events, name, &unread, sent);
                }
                Ok(None) => tokio::time::sleep(OUTPUT_POLL).await,
                Err(error) => {
                    tracing::warn!(%error, output = name, "events cannot be read for an output, trying again");
                    tokio::time::sleep(OUTPUT_RETRY_MAX).await;
                }
            }
            if written.elapsed() >= OUTPUT_CURSOR_EVERY {
                written = Instant::now();
                cursor.write(events.place(name)).await;
            }
        }
    }

    /// Sends one block, however long that takes.
    async fn send(&self, way: &mut Way, unread: &Unread) -> Sent {
        let (going, mut sent) = outgoing(&unread.events, &self.output.only);
        for part in going.chunks(TOGETHER) {
            let mut pause = OUTPUT_RETRY;
            loop {
                match self.attempt(way, part).await {
                    Ok(it) => {
                        sent.stored += it.stored;
                        sent.rejected += it.rejected;
                        if it.rejected > 0 {
                            tracing::warn!(output = %self.name, count = it.rejected, "events that the receiver will never take");
                        }
                        break;
                    }
                    Err(why) => {
                        let to = self.output.to.as_str();
                        tracing::warn!(output = %self.name, to, why, "events are not sent, trying again");
                        way.close();
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(OUTPUT_RETRY_MAX);
                    }
                }
            }
        }
        sent
    }

    async fn attempt(&self, way: &mut Way, part: &[Outgoing]) -> Result<Sent, String> {
        let sender = match &mut way.sender {
            Some(sender) => sender,
            None => {
                let (to, dir) =
                    (self.output.to.clone(), self.app.options.fleet.parent().unwrap_or(Path::new("")).to_owned());
                let opening = tokio::task::spawn_blocking(move || Sender::open(&to, &dir));
                let sender = way.sender.insert(opening.await.map_err(|error| error.to_string())??);
                sender.resume(std::mem::take(&mut way.unsure));
                sender
            }
        };
        sender.send(part).await
    }
}

/// The sender of the moment, and what the one before was not sure of.
#[derive(Default)]
struct Way {
    sender: Option<Sender>,
    unsure: Vec<u8>,
}

impl Way {
    /// The next attempt begins anew, with files that are read anew.
    fn close(&mut self) {
        if let Some(sender) = self.sender.take() {
            self.unsure = sender.into_unsure();
        }
    }
}

/// Those that were asked for, ready to go; the others counted. What another version of this program wrote counts as rejected.
fn outgoing(events: &[StoredEvent], only: &Only) -> (Vec<Outgoing>, Sent) {
    let mut sent = Sent::default();
    let mut going = Vec::new();
    for stored in events {
        if !only.fits(stored.class, stored.upshot, stored.service.as_ref()) {
            sent.filtered += 1;
            continue;
        }
        match record::read(stored) {
            Some(record) => going.push(Outgoing { ocsf: record.ocsf(), event: record.event }),
            None => sent.rejected += 1,
        }
    }
    (going, sent)
}
