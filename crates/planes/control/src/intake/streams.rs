//! Messages on a TCP connection: syslog, by length or by lines, and lines of JSON. A reader waits for the store, so a sender that is too
//! fast is held up by its own connection.

use super::counts::{Door, Refused};
use super::desk::Desk;
use super::who::{over_tcp, still_good};
use crate::app::App;
use crate::limits::{INTAKE_BATCH_MAX, INTAKE_IDLE, INTAKE_STREAMS_EACH_MAX, INTAKE_STREAMS_MAX};
use crate::stream::{Peer, judge, on_failure};
use bartizan_runtime::https::Ends;
use bartizan_runtime::limits::HANDSHAKE_WITHIN;
use bartizan_runtime::places::Places;
use bartizan_runtime::{clock, listen};
use bartizan_telemetry::frames::{Frame, first};
use bartizan_telemetry::limits::{LINE_BYTES_MAX, SYSLOG_BYTES_MAX};
use bartizan_telemetry::{Handed, Malformed, Scene, Taken, ndjson, syslog};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Serves until `stop` fires; then connections end at once: what was not confirmed by TCP was not promised.
pub(super) async fn serve(
    app: Arc<App>,
    desk: Arc<Desk>,
    door: Door,
    listener: TcpListener,
    ends: Option<Ends>,
    stop: CancellationToken,
) {
    let (connections, slots) = (TaskTracker::new(), Arc::new(Semaphore::new(INTAKE_STREAMS_MAX)));
    let each = Places::default();
    while let Some(slot) = stop.run_until_cancelled(Arc::clone(&slots).acquire_owned()).await {
        let Some(accepted) = stop.run_until_cancelled(listen::accept(&listener)).await else { break };
        let Some((stream, remote)) = accepted else { continue };
        let Some(place) = each.take(remote.ip(), INTAKE_STREAMS_EACH_MAX) else { continue };
        let (app, desk, ends, stop) = (Arc::clone(&app), Arc::clone(&desk), ends.clone(), stop.clone());
        connections.spawn(async move {
            stop.run_until_cancelled(one(&app, &desk, door, stream, remote, ends)).await;
            drop((slot, place));
        });
    }
    connections.close();
    connections.wait().await;
}

async fn one(app: &Arc<App>, desk: &Desk, door: Door, stream: TcpStream, remote: SocketAddr, ends: Option<Ends>) {
    let Some(ends) = ends else {
        return read(app, desk, door, stream, remote, None).await;
    };
    let Some(end) = ends() else { return };
    match end.accept(stream, judge(app), HANDSHAKE_WITHIN).await {
        Ok(accepted) => read(app, desk, door, accepted.stream, remote, accepted.peer).await,
        Err(error) => on_failure(app)(remote, error),
    }
}

async fn read<S: AsyncRead + Unpin>(
    app: &App,
    desk: &Desk,
    door: Door,
    mut stream: S,
    remote: SocketAddr,
    peer: Option<Peer>,
) {
    let Some(client) = over_tcp(app, peer.as_ref(), remote) else {
        return app.intake.refused(door, Refused::Stranger, 1);
    };
    let is_syslog = door != Door::Lines;
    let bytes_max = if is_syslog { SYSLOG_BYTES_MAX } else { LINE_BYTES_MAX };
    let mut bytes = Vec::new();
    let mut skip = Skip::No;
    loop {
        let left = peer.as_ref().map_or(INTAKE_IDLE, |peer| peer.not_after().since(clock::now()));
        let reading = tokio::time::timeout(INTAKE_IDLE.min(left), stream.read_buf(&mut bytes)).await;
        if peer.as_ref().is_some_and(|peer| !still_good(app, peer)) {
            // What it has sent since is the word of somebody who would not be let in now. It comes again with another certificate.
            return app.intake.refused(door, Refused::Stranger, u64::from(!bytes.is_empty()));
        }
        let ended = !matches!(reading, Ok(Ok(read)) if read > 0);
        if ended && !bytes.is_empty() && matches!(skip, Skip::No) {
            bytes.push(b'\n'); // the last one need not be ended; one of a length that is cut off stays so
        }
        loop {
            let mut taken = Taken::default();
            let used = gather(app, door, &bytes, bytes_max, &mut skip, &desk.scene(door, &client), &mut taken);
            bytes.drain(..used);
            if taken.came() == 0 {
                break;
            }
            desk.take(app, door, &client, taken).await;
        }
        if ended {
            if !bytes.is_empty() && matches!(skip, Skip::No) {
                app.intake.refused(door, Refused::Malformed, 1);
            }
            return;
        }
    }
}

/// What of the next bytes belongs to a message that is too long.
enum Skip {
    No,
    Bytes(usize),
    Line,
}

/// Reads whole messages from the front of `bytes`, as many as share a batch; how many bytes those take.
fn gather(
    app: &App,
    door: Door,
    bytes: &[u8],
    bytes_max: usize,
    skip: &mut Skip,
    scene: &Scene,
    taken: &mut Taken,
) -> usize {
    let mut used = 0;
    while taken.came() < INTAKE_BATCH_MAX {
        let rest = &bytes[used..];
        match skip {
            Skip::Bytes(left) if *left > rest.len() => {
                *left -= rest.len();
                return bytes.len();
            }
            Skip::Bytes(left) => used += *left,
            Skip::Line => match rest.iter().position(|b| *b == b'\n') {
                Some(at) => used += at + 1,
                None => return bytes.len(),
            },
            Skip::No => {}
        }
        *skip = Skip::No;
        let rest = &bytes[used..];
        match first(rest, door != Door::Lines, bytes_max) {
            Frame::More => break,
            Frame::Whole { start, len, used: of_frame } => {
                let message = &rest[start..start + len];
                used += of_frame;
                if !message.trim_ascii().is_empty() {
                    put(taken, one_message(door, message, scene));
                }
            }
            Frame::TooLong(length) => {
                app.intake.refused(door, Refused::TooLong, 1);
                *skip = length.map_or(Skip::Line, Skip::Bytes);
            }
        }
    }
    used
}

fn one_message(door: Door, message: &[u8], scene: &Scene) -> Result<Handed, Malformed> {
    if door == Door::Lines { ndjson::read_line(message, scene) } else { syslog::read(message, scene) }
}

fn put(taken: &mut Taken, record: Result<Handed, Malformed>) {
    match record {
        Ok(record) => taken.records.push(record),
        Err(Malformed(why)) => {
            taken.malformed += 1;
            taken.why.get_or_insert(why);
        }
    }
}
