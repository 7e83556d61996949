//! Keeps the doors open that the fleet file names.

use super::counts::Door;
use super::desk::Desk;
use super::http::{self, Http};
use super::who::Tokens;
use super::{streams, udp};
use crate::app::App;
use crate::limits::{FEDERATION_LOOK_MAX, FEDERATION_RETRY, INTAKE_READING_MAX};
use crate::stream::{judge, on_failure};
use crate::web_certificate::{Door as WebDoor, WebCertificate};
use bartizan_core::intake::Intake;
use bartizan_runtime::https::{self, EITHER_ALPN, Ends};
use bartizan_runtime::tls::{ClientAuth, Identity, Server};
use bartizan_runtime::{datagrams, listen};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Serves until the app stops; goes along where the fleet file changes.
pub(crate) async fn keep(app: Arc<App>) {
    let mut changes = app.watch();
    while !app.stop.is_cancelled() {
        let said = app.in_force().desired.fleet.intake.clone();
        let stop = app.stop.child_token();
        let serving = said.clone().map(|said| tokio::spawn(serve(Arc::clone(&app), said, stop.clone())));
        loop {
            tokio::select! {
                () = app.stop.cancelled() => break,
                // Also by the clock: a task that was not told must not go on with an old file for ever.
                _ = changes.changed() => {}
                () = tokio::time::sleep(FEDERATION_LOOK_MAX) => {}
            }
            if app.in_force().desired.fleet.intake != said {
                break;
            }
        }
        stop.cancel();
        if let Some(serving) = serving {
            let _ = serving.await; // a panic was reported where it happened
        }
    }
}

/// Everything that is needed for serving.
struct Open {
    tokens: Tokens,
    web: Option<WebCertificate<Identity>>,
    http: Vec<(SocketAddr, TcpListener)>,
    streams: Vec<(Door, SocketAddr, TcpListener)>,
    udp: Option<UdpSocket>,
}

async fn serve(app: Arc<App>, said: Intake, stop: CancellationToken) {
    let Open { tokens, web, http, streams: tcp, udp } = loop {
        match open(&app, &said).await {
            Ok(open) => break open,
            Err(why) => tracing::error!(why, "nothing is taken in yet, trying again"),
        }
        if stop.run_until_cancelled(tokio::time::sleep(FEDERATION_RETRY)).await.is_none() {
            return;
        }
    };
    let desk = Arc::new(Desk::new(said.records_per_s));
    let tasks = TaskTracker::new();
    let state = Arc::new(Http {
        app: Arc::clone(&app),
        desk: Arc::clone(&desk),
        tokens: Arc::new(tokens),
        reading: Semaphore::new(INTAKE_READING_MAX),
    });
    if let Some(web) = &web {
        tasks.spawn(web.clone().keep(Arc::clone(&app), stop.clone()));
    }
    let ends = |at: SocketAddr, auth: ClientAuth, alpn: &'static [&'static str]| {
        said.is_tls(at).then(|| ends(&app, web.as_ref(), auth, alpn))
    };
    for (at, listener) in http {
        let (judge, on_failure) = (judge(&app), on_failure(&app));
        let router = http::router(Arc::clone(&state));
        let ends = ends(at, ClientAuth::Optional, EITHER_ALPN);
        tracing::info!(listen = %at, tls = ends.is_some(), "OTLP, lines of JSON and audit records are taken");
        tasks.spawn(https::serve_either(listener, ends, judge, on_failure, router, stop.clone()));
    }
    for (door, at, listener) in tcp {
        let ends = match door {
            Door::SyslogTls => Some(self::ends(&app, web.as_ref(), ClientAuth::Required, &[])),
            _ => ends(at, ClientAuth::Required, &[]),
        };
        tracing::info!(listen = %at, tls = ends.is_some(), door = door.as_str(), "messages are taken");
        tasks.spawn(streams::serve(Arc::clone(&app), Arc::clone(&desk), door, listener, ends, stop.clone()));
    }
    if let Some(socket) = udp {
        tasks.spawn(udp::serve(Arc::clone(&app), desk, socket, stop.clone()));
    }
    tasks.close();
    tasks.wait().await;
}

async fn open(app: &App, said: &Intake) -> Result<Open, String> {
    let (files, dir) = (said.clone(), app.options.fleet.parent().unwrap_or(Path::new("")).to_owned());
    let reading = tokio::task::spawn_blocking(move || Tokens::read(&files, &dir));
    let tokens = reading.await.map_err(|error| error.to_string())??;
    let web = match &said.web {
        None => None,
        Some(web) => {
            let read = WebCertificate::read(app, WebDoor::Intake, web, Ok).await;
            Some(read.map_err(|why| format!("intake.certificate and intake.key: {why}"))?)
        }
    };
    let bind = |at: SocketAddr| listen::bind(at).map_err(|error| error.to_string());
    let http = [said.otlp_http, said.otlp_grpc].into_iter().flatten();
    let tcp = [(Door::SyslogTcp, said.syslog), (Door::SyslogTls, said.syslog_tls), (Door::Lines, said.ndjson)];
    let tcp = tcp.into_iter().filter_map(|(door, at)| Some((door, at?)));
    Ok(Open {
        tokens,
        web,
        http: http.map(|at| Ok((at, bind(at)?))).collect::<Result<_, String>>()?,
        streams: tcp.map(|(door, at)| Ok((door, at, bind(at)?))).collect::<Result<_, String>>()?,
        udp: said.syslog.map(datagrams::bind).transpose().map_err(|error| error.to_string())?,
    })
}

/// The TLS end of the moment: the certificate that the fleet file names as its files are now, or control's SVID of now.
fn ends(
    app: &Arc<App>,
    web: Option<&WebCertificate<Identity>>,
    auth: ClientAuth,
    alpn: &'static [&'static str],
) -> Ends {
    let (app, web) = (Arc::clone(app), web.cloned());
    Arc::new(move || {
        let own = app.own();
        let identity = match &web {
            Some(web) => web.now(),
            None => Arc::new(Identity::new(&own.svid.chain, &own.key).ok()?),
        };
        Server::new(&identity, auth, alpn).ok()
    })
}
