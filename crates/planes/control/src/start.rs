//! What happens in which order, from the files to serving, and back to the end.

use crate::alerts;
use crate::api;
use crate::app::{App, Parts};
use crate::attest::Attestation;
use crate::authorization;
use crate::budget;
use crate::ca::{Authority, CaError, OwnIdentity, ROOTS_PEM, Source, keep_renewed};
use crate::console;
use crate::deny;
use crate::drift;
use crate::egress;
use crate::error::ControlError;
use crate::events::{self, Pipeline, Sources};
use crate::federation;
use crate::fleet::{Desired, load};
use crate::holds;
use crate::indicators;
use crate::intake;
use crate::inventory;
use crate::issuance;
use crate::issuers;
use crate::jwt::{self, JwtSigner};
use crate::keys;
use crate::ledger::Ledger;
use crate::limits::{DRAIN_WITHIN, ISSUING_POLL};
use crate::login;
use crate::options::Options;
use crate::outputs;
use crate::people;
use crate::presence;
use crate::promotion;
use crate::publish::{Wanted, anchors, publish};
use crate::rotation::{self, Book};
use crate::series;
use crate::settled::{check_files, stand_in_front};
use crate::stream::{Desk, judge, on_failure};
use crate::weekly;
use crate::workloads_until::WorkloadsUntil;
use bartizan_core::TrustDomain;
use bartizan_core::event::{Process, What};
use bartizan_core::limits::LEAF_TTL;
use bartizan_core::profile::Profile;
use bartizan_core::snapshot::{Epoch, Kind};
use bartizan_events::Events;
use bartizan_runtime::{clock, control_stream, listen, local, stop};
use bartizan_store::{Journal, Store};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The database, in the data folder.
const DATABASE: &str = "bartizan.db";
/// The folder of events, in the data folder.
const EVENTS: &str = "events";
/// The local API, in the data folder.
const SOCKET: &str = "control.sock";

/// Runs control until a signal, or until standard input ends (unless [`Options::keep_running`]). Then as [`serve`].
///
/// # Errors
/// As [`serve`].
pub async fn run(options: Options) -> Result<(), ControlError> {
    let token = stop::on_signals();
    if !options.keep_running {
        stop::when_parent_goes(token.clone());
    }
    serve(options, token).await
}

/// Runs control until `stop` fires. Then streams and requests get about two seconds to end, events about three to reach the
/// store, and the database is closed.
///
/// The socket of the local API appears last: whoever can connect to it finds everything working.
///
/// Cancel by `stop`, not by dropping the future: tasks of its own would live on.
///
/// # Errors
/// [`ControlError`], at the start. Once it serves, only where serving itself fails.
pub async fn serve(options: Options, stop: CancellationToken) -> Result<(), ControlError> {
    let Some(started) = start(options, stop.clone()).await? else { return Ok(()) };
    let Started { app, source, listener, socket } = started;
    tell_process(&app, true);
    app.tell_published(&Kind::ALL);
    let rotating = tokio::spawn(rotation::drive(Arc::clone(&app), source.next(None)));
    let renewing = tokio::spawn(keep_renewed(Arc::clone(&app), source));
    let comparing = tokio::spawn(drift::watch(Arc::clone(&app)));
    let turning = tokio::spawn(jwt::keep(Arc::clone(&app)));
    let federating = tokio::spawn(federation::keep(Arc::clone(&app)));
    let fetching = tokio::spawn(issuers::keep(Arc::clone(&app)));
    let finding = tokio::spawn(login::keep(Arc::clone(&app)));
    let publishing = tokio::spawn(federation::publish(Arc::clone(&app)));
    let authorizing = tokio::spawn(authorization::keep(Arc::clone(&app)));
    let revoking = tokio::spawn(authorization::publish(Arc::clone(&app)));
    let ending = tokio::spawn(authorization::end_sessions(Arc::clone(&app)));
    let telling = tokio::spawn(authorization::tell_apps(Arc::clone(&app)));
    let asking = tokio::spawn(people::keep_upstreams(Arc::clone(&app)));
    let taking_in = tokio::spawn(issuance::keep_taking_in(Arc::clone(&app)));
    let seeing = tokio::spawn(presence::keep(Arc::clone(&app)));
    let watching = tokio::spawn(budget::keep_watch(Arc::clone(&app)));
    let noting = tokio::spawn(egress::keep(Arc::clone(&app)));
    let counting = tokio::spawn(inventory::keep(Arc::clone(&app)));
    let weighing = tokio::spawn(events::keep_ingest(Arc::clone(&app)));
    let measuring = tokio::spawn(indicators::keep(Arc::clone(&app)));
    let showing = tokio::spawn(console::keep(Arc::clone(&app)));
    let remembering = tokio::spawn(series::keep(Arc::clone(&app)));
    let alerting = tokio::spawn(alerts::keep(Arc::clone(&app)));
    let sending = tokio::spawn(alerts::keep_routes(Arc::clone(&app)));
    let answering = tokio::spawn(alerts::serve_alertmanager(Arc::clone(&app)));
    let locking = tokio::spawn(promotion::keep(Arc::clone(&app)));
    let reporting = tokio::spawn(weekly::keep(Arc::clone(&app)));
    let handed_in = tokio::spawn(intake::keep(Arc::clone(&app)));
    let going_out = tokio::spawn(outputs::keep(Arc::clone(&app)));
    let api = tokio::spawn(local::serve(socket, api::router(Arc::clone(&app)), stop.clone()));
    tracing::info!(listen = %app.listen, "control is ready");

    let desk = Desk::new(Arc::clone(&app));
    let served = if app.in_force().desired.fleet.profile == Profile::Observe {
        // Nobody gets an identity, so nobody has any business there.
        drop((listener, desk));
        stop.cancelled().await;
        Ok(())
    } else {
        control_stream::serve(listener, Arc::clone(&app.tls), judge(&app), desk, on_failure(&app), stop.clone()).await
    };
    // Also where serving failed: the rest must not go on without it.
    stop.cancel();
    let tasks = [
        api,
        handed_in,
        locking,
        reporting,
        going_out,
        seeing,
        renewing,
        rotating,
        taking_in,
        watching,
        noting,
        counting,
        weighing,
        measuring,
        remembering,
        alerting,
        sending,
        answering,
        comparing,
        turning,
        federating,
        publishing,
        fetching,
        finding,
        authorizing,
        revoking,
        ending,
        telling,
        asking,
        showing,
    ];
    for task in tasks {
        if let Err(error) = task.await {
            tracing::error!(%error, "a task ended badly");
        }
    }
    tell_process(&app, false);
    app.pipeline.drain(DRAIN_WITHIN).await;
    events::keep_rest_of_ingest(Arc::clone(app.pipeline.ingest())).await;
    app.events.close().await;
    app.store.close().await;
    app.people.close().await;
    app.authorization.granting.close().await;
    served.map_err(|error| ControlError::Serve(error.into()))
}

/// Everything that is needed for serving, with both doors open but nobody behind them yet.
pub(crate) struct Started {
    pub(crate) app: Arc<App>,
    pub(crate) source: Source,
    pub(crate) listener: TcpListener,
    pub(crate) socket: UnixListener,
}

/// `None` where `stop` fired first.
pub(crate) async fn start(options: Options, stop: CancellationToken) -> Result<Option<Started>, ControlError> {
    let desired = {
        let options = options.clone();
        tokio::task::spawn_blocking(move || load(&options))
            .await
            .expect("loading does not panic, and nothing aborts the task")?
    };
    let domain = desired.fleet.trust_domain.clone();
    let store = open_store(&options, &domain).await?;
    // Before the root is opened: where another control runs, that would be for nothing.
    let place = options.leading.as_ref().map_or(desired.plan.control, |leading| leading.listen);
    let listener = listen::bind(place)?;
    // As planned, unless its port is 0.
    let listen = listener.local_addr().unwrap_or(place);

    // After the port: another control that runs has it open.
    let journal = issuance::open(&options.data)?;
    let holds = holds::Book::open(&options.data)?;
    let retention = options.retention(&desired.fleet);
    let events = Events::open_holding(&options.data.join(EVENTS), retention, holds.scopes()).await?;
    let ledger = open_ledger(&options, &domain).await?;
    // Before the root is opened: a rotation may be about to put another one in its place.
    let rotation = Book::open(&options.data)?;
    let source = Source::new(&options.data, options.root_passphrase_file.as_deref(), &domain);
    let Some((source, authority)) = authority(source, &stop).await? else { return Ok(None) };
    let own = OwnIdentity::issue(&authority, clock::now())?;
    issuance::record_authority(&journal, &authority).await;
    issuance::record_own(&journal, &authority, &own).await;
    // It is large, and whoever starts is not to carry it.
    let assembling =
        assemble(options, desired, (store, events, holds, ledger), journal, listen, authority, own, rotation, stop);
    let app = Box::pin(assembling).await?;
    let path = app.options.data.join(SOCKET);
    let socket = local::bind(&path).map_err(|source| ControlError::Socket { source })?;
    stand_in_front(app.options.leading.as_ref(), &app.options.data, &[SOCKET, ROOTS_PEM])?;
    Ok(Some(Started { app: Arc::new(app), source, listener, socket }))
}

#[expect(clippy::too_many_arguments, reason = "called once, with what was just made")]
async fn assemble(
    options: Options,
    mut desired: Desired,
    (store, events, holds, ledger): (Store, Events, holds::Book, Ledger),
    journal: Journal,
    listen: SocketAddr,
    authority: Authority,
    own: OwnIdentity,
    rotation: Book,
    stop: CancellationToken,
) -> Result<App, ControlError> {
    let attestation = Attestation::open(&options)?;
    let epoch_floor = epoch_floor(&store, 0).await?; // chosen when the store was opened
    let now = clock::now();
    // A database that was lost took records with it; one beside a root that was made before it may have been.
    let lately = match epoch_floor {
        Epoch(0) => issuance::lately(&journal, &store, now).await,
        _ if desired.fleet.workloads.is_empty() => Ok(Vec::new()),
        _ => Err(now.plus(LEAF_TTL)),
    };
    let workloads_until = WorkloadsUntil::of(lately);
    // As the files say it: what is fetched or counted comes in below.
    let promotion = promotion::Book::open(&options.data, &desired, now);
    let jwt = JwtSigner::open(&options.data, now)?;
    jwt.prepare(desired.wants_tokens(), now)?;
    let authorization = authorization::Server::open(&options.data, now)?;
    authorization.prepare(&desired.fleet, now)?;
    desired.own_issuer = authorization.issuer(&desired.fleet, now);
    desired.provider = login::own_provider(&desired.fleet);
    desired.revoked = authorization.revoked.list(now);
    let issuers = issuers::Book::new(&options.data);
    desired.fleet.users.iter_mut().for_each(|users| issuers.add_to(users));
    let keys = keys::Book::open(&options.data)?;
    desired.keys = keys.in_force(now);
    let federation = federation::Book::new(&options.data);
    federation.settle(&desired.fleet.federation, &desired.sources);
    let deny_list = deny::read(&options.data)?;
    let bundles = anchors(&authority, &jwt, &federation, &desired, &deny_list, now);
    let wanted = Wanted { desired, deny_list, bundles, mark: &rotation.mark() };
    let leading = options.leading.as_ref();
    check_files(leading, &options.data, &wanted.desired.digest)?;
    let in_force = publish(wanted, &own, &store, epoch_floor, &options, now).await?;
    ledger.keep_within(options.ledger_bounds(&in_force.desired.fleet));
    let alerts = alerts::Desk::open(&options.data, &in_force.desired.fleet, now);
    let in_force = watch::Sender::new(Arc::new(in_force));
    let pipeline = Pipeline::start(Sources {
        events: events.clone(),
        ledger,
        alerts: Arc::clone(&alerts),
        ingest: Arc::new(events::Ingest::open(&options.data)),
        in_force: in_force.subscribe(),
        host: host_name(),
    });
    let uid = own_uid()?;
    Ok(App::new(Parts {
        options,
        listen,
        uid,
        store,
        events,
        journal,
        epoch_floor,
        pipeline,
        alerts,
        promotion,
        holds,
        in_force,
        authority,
        own,
        workloads_until,
        jwt,
        authorization,
        keys,
        federation,
        issuers,
        rotation,
        attestation,
        stop,
    })?)
}

/// Epochs begin at 1 in a new data folder. A database that is new while the root is old stands for one that was lost, whose
/// numbers guards still hold: the new ones begin above all of them, at the milliseconds of now.
async fn epoch_floor(store: &Store, wanted: u64) -> Result<Epoch, ControlError> {
    let floor = store.claim("epoch_floor", &wanted.to_string()).await?;
    Ok(Epoch(floor.parse().unwrap_or(0)))
}

async fn open_ledger(options: &Options, domain: &TrustDomain) -> Result<Ledger, ControlError> {
    let (data, domain) = (options.data.clone(), domain.clone());
    // It reads the newest file, which may take a while.
    let opening = tokio::task::spawn_blocking(move || Ledger::open(&data, &domain));
    Ok(opening.await.expect("opening a ledger does not panic, and nothing aborts the task")?)
}

async fn open_store(options: &Options, domain: &TrustDomain) -> Result<Store, ControlError> {
    let path = options.data.join(DATABASE);
    let store = match options.leading {
        None => Store::open(&path).await?,
        Some(_) => Store::open_in_group(&path).await?,
    };
    let found = store.claim("trust_domain", domain.as_str()).await?;
    if found != domain.as_str() {
        store.close().await;
        return Err(ControlError::ForeignData { data: options.data.clone(), found, wanted: domain.to_string() });
    }
    // The root is made later in a start.
    let root_is_old = options.data.join(ROOTS_PEM).exists();
    epoch_floor(&store, if root_is_old { clock::now().as_millis() } else { 0 }).await?;
    Ok(store)
}

/// Waits until there is an issuing CA: half a second from a sealed root, as long as it takes from an offline one.
async fn authority(mut source: Source, stop: &CancellationToken) -> Result<Option<(Source, Authority)>, ControlError> {
    loop {
        let attempt = tokio::task::spawn_blocking(move || {
            let outcome = source.attempt(clock::now());
            (source, outcome)
        });
        let (back, outcome) = attempt.await.expect("opening a root does not panic, and nothing aborts the task");
        if let Some(authority) = outcome? {
            return Ok(Some((back, authority)));
        }
        source = back;
        if stop.run_until_cancelled(tokio::time::sleep(ISSUING_POLL)).await.is_none() {
            return Ok(None);
        }
    }
}

/// The user we run as: who owns our folder under /proc (proc(5)).
fn own_uid() -> Result<u32, CaError> {
    let path = PathBuf::from("/proc/self");
    match std::fs::metadata(&path) {
        Ok(about) => Ok(about.uid()),
        Err(source) => Err(CaError::File { what: "read", path, source }),
    }
}

/// `None` where the kernel does not say; events then lack a field.
fn host_name() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(text.trim().to_owned()).filter(|name| !name.is_empty())
}

fn tell_process(app: &App, started: bool) {
    let executable = std::env::current_exe().map(|path| path.display().to_string()).unwrap_or_default();
    app.own_events.write(
        None,
        What::Process(Process {
            kind: "control".into(),
            executable: executable.into(),
            pid: std::process::id(),
            started,
            exit: (!started).then(|| "exit 0".into()),
        }),
    );
}
