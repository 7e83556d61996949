//! Syslog over UDP, on loopback. Nobody is told of a loss here; the kernel counts what it threw away, and we count with it.

use super::counts::{Door, Refused};
use super::desk::Desk;
use super::who::{Client, on_this_machine};
use crate::app::App;
use crate::limits::INTAKE_BATCH_MAX;
use bartizan_telemetry::limits::SYSLOG_BYTES_MAX;
use bartizan_telemetry::{Malformed, Taken, syslog};
use std::sync::Arc;
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

/// Serves until `stop` fires.
pub(super) async fn serve(app: Arc<App>, desk: Arc<Desk>, socket: UdpSocket, stop: CancellationToken) {
    app.intake.set_udp_port(socket.local_addr().ok().map(|at| at.port()));
    // A whole datagram, and a byte more by which it is seen that it is too long.
    let mut bytes = vec![0; SYSLOG_BYTES_MAX + 1];
    while let Some(received) = stop.run_until_cancelled(socket.recv_from(&mut bytes)).await {
        let Ok((mut length, mut remote)) = received else { continue };
        let mut batches: Vec<(Client, Taken)> = Vec::new();
        for _ in 0..INTAKE_BATCH_MAX {
            match on_this_machine(remote) {
                Some(client) => put(&app, &desk, &mut batches, client, &bytes[..length]),
                None => app.intake.refused(Door::SyslogUdp, Refused::Stranger, 1),
            }
            // What has come meanwhile shares the way to the store.
            let Ok(next) = socket.try_recv_from(&mut bytes) else { break };
            (length, remote) = next;
        }
        for (client, taken) in batches {
            desk.take(&app, Door::SyslogUdp, &client, taken).await;
        }
    }
    app.intake.set_udp_port(None);
}

fn put(app: &App, desk: &Desk, batches: &mut Vec<(Client, Taken)>, client: Client, message: &[u8]) {
    if message.len() > SYSLOG_BYTES_MAX {
        return app.intake.refused(Door::SyslogUdp, Refused::TooLong, 1);
    }
    let at = match batches.iter().position(|(it, _)| it.name == client.name) {
        Some(at) => at,
        None => {
            batches.push((client, Taken::default()));
            batches.len() - 1
        }
    };
    let (client, taken) = &mut batches[at];
    match syslog::read(message, &desk.scene(Door::SyslogUdp, client)) {
        Ok(record) => taken.records.push(record),
        Err(Malformed(why)) => {
            taken.malformed += 1;
            taken.why.get_or_insert(why);
        }
    }
}
