//! The whole process: from its options to its end.

use crate::attach::{Attach, AttachError};
use crate::counts;
use crate::disk::Disk;
use crate::doors::Doors;
use crate::handover::{self, Inherited};
use crate::identity_slot::IdentitySlots;
use crate::inside;
use crate::intake::Intake;
use crate::limits;
use crate::listeners::Listeners;
use crate::live::Proxy;
use crate::vouch::{VouchError, vouch};
use crate::worker::{self, Handle};
use bartizan_core::{Secret, ServiceName, TrustDomain};
use bartizan_crypto::key::KeyPair;
use bartizan_crypto::{CryptoError, random};
use bartizan_identity::{BundleError, TrustBundles};
use bartizan_runtime::control_stream::Addresses;
use bartizan_runtime::{files, stop};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What the command line says.
#[derive(Clone, Debug)]
pub struct Options {
    /// The service to guard, or `gateway`.
    pub service: ServiceName,
    /// Which of its instances, from 1.
    pub instance: u16,
    /// Its trust domain.
    pub trust_domain: TrustDomain,
    /// Where control's stream listens.
    pub control: Addresses,
    /// The node's local API.
    pub node_socket: PathBuf,
    /// Roots to trust at first, PEM.
    pub trust_bundle: PathBuf,
    /// A folder of this proxy's own.
    pub state_dir: PathBuf,
    /// Threads that serve; chosen from the machine's cores where `None`.
    pub workers: Option<usize>,
    /// Stop once standard input ends.
    pub exit_with_stdin: bool,
    /// The program has a network namespace, whose porter comes on standard input after the ticket.
    pub isolated: bool,
    /// A process before us hands over its listeners; its end of a socket comes on standard input, after the ticket and the porter.
    pub takes_over: bool,
}

/// Why the process ended, other than by being asked to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The first line of standard input is no ticket.
    #[error("no ticket came on standard input")]
    Ticket(#[source] io::Error),
    /// The parent said that the program is isolated, and handed over no porter of its namespace.
    #[error("the program's network namespace cannot be reached")]
    Porter(#[source] io::Error),
    /// The process before us did not hand over. It goes on.
    #[error("there is nothing to take over")]
    Predecessor(#[source] io::Error),
    /// A file that was named cannot be used. Correct the option.
    #[error("`{}` cannot be used", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The trust bundle holds no roots.
    #[error("the trust bundle cannot be used")]
    Bundle(#[from] BundleError),
    /// The system gives no thread or no runtime.
    #[error("the process could not start")]
    System(#[source] io::Error),
    /// No key can be made.
    #[error("no key can be made")]
    Key(#[from] CryptoError),
    /// Start again, with a new ticket.
    #[error(transparent)]
    Vouch(#[from] VouchError),
    /// Start again, with a new ticket.
    #[error(transparent)]
    Attach(#[from] AttachError),
}

/// Runs a proxy until a signal, or the end of standard input where that was asked for.
///
/// # Errors
/// [`RunError`]; connections under way were given [`Proxy::drain`] then too.
pub fn run(options: &Options) -> Result<(), RunError> {
    // Control has a thread of its own, so that taking up a large snapshot holds up no request.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::System)?;
    runtime.block_on(main(options))
}

async fn main(options: &Options) -> Result<(), RunError> {
    let stop = stop::on_signals();
    let parent = if options.exit_with_stdin { stop.clone() } else { CancellationToken::new() };
    let (ticket, mut parent) = stop::first_line_then_hear(parent).await.map_err(RunError::Ticket)?;
    let proxy = Arc::new(Proxy::new(options.service.clone(), options.trust_domain.clone(), random::u64()));
    if options.isolated {
        let porter = inside::porter_of(&options.service, &mut parent).await.map_err(RunError::Porter)?;
        proxy.inside.get_or_init(|| porter);
    }
    let (predecessor, inherited) = match options.takes_over {
        true => handover::inherit(&mut parent)
            .await
            .map(|(it, inherited)| (Some(it), inherited))
            .map_err(RunError::Predecessor)?,
        false => (None, Inherited::new()),
    };
    let bundles = bundles(options)?;
    proxy.change(|live| live.bundles = Some(Arc::new(bundles)));

    let workers = start_workers(&proxy, options, &stop)?;
    let doors = Doors::new(workers.iter().map(|worker| worker.listen.clone()).collect(), options.takes_over);
    let doors = Arc::new(doors);
    let listeners = Listeners::behind(Arc::clone(&doors), stop.clone());
    let listeners = listeners.with_inside(proxy.inside.get().cloned()).with_inherited(inherited);
    if let Some(predecessor) = predecessor {
        tokio::spawn(predecessor.relieve(Arc::clone(&proxy), Arc::clone(&doors)));
    }
    tokio::spawn(counts::keep(Arc::clone(&proxy), stop.clone()));
    tokio::spawn(keep_small(stop.clone()));
    let winding_down = handover::wind_down(parent, Arc::clone(&proxy), Arc::clone(&doors));
    let relieved = stop.clone();
    tokio::spawn(async move {
        winding_down.await;
        relieved.cancel();
    });
    let served = match stop.run_until_cancelled(prepare(options, &proxy, listeners, &ticket)).await {
        None => Ok(()),
        Some(Err(error)) => Err(error),
        Some(Ok(mut attach)) => attached(&mut attach, workers, &stop).await,
    };
    stop.cancel();
    served
}

/// Gives code back that ran at the start and will hardly run again, and now and then what took up a policy or a document.
async fn keep_small(stop: CancellationToken) {
    let mut after = limits::CODE_FIRST_GIVEN_BACK;
    while stop.run_until_cancelled(tokio::time::sleep(after)).await.is_some() {
        match crate::program_text::give_back() {
            Ok(bytes) => tracing::debug!(bytes, "gave back what was resident of the program's code"),
            Err(error) => return tracing::info!(%error, "what is resident of the program's code cannot be given back"),
        }
        after = limits::CODE_GIVEN_BACK_EVERY;
    }
}

/// Everything before the first byte to control.
async fn prepare(
    options: &Options,
    proxy: &Arc<Proxy>,
    listeners: Listeners,
    ticket: &Secret<String>,
) -> Result<Attach, RunError> {
    let key = KeyPair::generate()?;
    let vouched = vouch(&options.node_socket, &options.service, ticket, &key).await?;
    let disk = Disk::open(&options.state_dir);
    let disk = Arc::new(disk.map_err(|source| RunError::File { path: options.state_dir.clone(), source })?);
    let intake = Intake::new(Arc::clone(proxy), Arc::clone(&disk), listeners);
    let slots = IdentitySlots::new(Arc::clone(proxy), disk, key, vouched.voucher, vouched.seal_key);
    let mut attach =
        Attach::new(Arc::clone(proxy), slots, intake, options.control.clone()).of_instance(options.instance);
    attach.start_from_disk().await;
    Ok(attach)
}

/// Serves, attached to control, until a stop; then drains, and sends what is left.
async fn attached(attach: &mut Attach, workers: Vec<Handle>, stop: &CancellationToken) -> Result<(), RunError> {
    let drained = CancellationToken::new();
    let drain = async {
        stop.cancelled().await;
        let joined = tokio::task::spawn_blocking(|| workers.into_iter().for_each(Handle::join)).await;
        if joined.is_err() {
            tracing::error!("the drain was not seen to its end");
        }
        drained.cancel();
    };
    let attached = async {
        let ended = attach.run(drained.clone()).await;
        stop.cancel(); // where it was an error, nothing is left to serve for
        ended
    };
    let ((), ended) = tokio::join!(drain, attached);
    Ok(ended?)
}

fn start_workers(proxy: &Arc<Proxy>, options: &Options, stop: &CancellationToken) -> Result<Vec<Handle>, RunError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // Half of the cores: the other half is the program's.
    let count = options.workers.unwrap_or(cores / 2).clamp(1, limits::WORKERS_MAX);
    let started: io::Result<Vec<_>> = (0..count).map(|number| worker::start(proxy, number, stop)).collect();
    started.map_err(RunError::System)
}

fn bundles(options: &Options) -> Result<TrustBundles, RunError> {
    let path = &options.trust_bundle;
    let bytes = files::read_bounded(path, limits::TRUST_BUNDLE_BYTES_MAX);
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other));
    let text = text.map_err(|source| RunError::File { path: path.clone(), source })?;
    Ok(TrustBundles::from_pem(&options.trust_domain, &text)?)
}
