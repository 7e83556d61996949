//! The node as a whole: join, serve, renew, end.

use crate::api::router;
use crate::attest::Attestor;
use crate::desk::Desk;
use crate::join::{Candidate, JoinError, again_and_again, fraction, until};
use crate::limits::{BUNDLE_BYTES_MAX, CLOCK_LOOK};
use crate::own::Own;
use crate::secret::NodeSecret;
use crate::workload::{self, Hub, Link, keep};
use arc_swap::ArcSwap;
use bartizan_core::limits::JOIN_TOKEN_TTL;
use bartizan_core::{Secret, ServiceName, Timestamp, TrustDomain};
use bartizan_crypto::random;
use bartizan_identity::{BundleError, TrustBundles, renew_at};
use bartizan_runtime::{clock, files, local};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What a node is started with.
#[derive(Debug)]
pub struct Options {
    /// Its name.
    pub name: ServiceName,
    /// The fleet's trust domain.
    pub trust_domain: TrustDomain,
    /// Where control is.
    pub control: SocketAddr,
    /// Root certificates, PEM, by which control is recognised.
    pub trust_bundle: PathBuf,
    /// The Unix socket to serve.
    pub socket: PathBuf,
    /// The Unix socket of the Workload API and SDS; none where `None`.
    pub workload_socket: Option<PathBuf>,
    /// The only executable that gets vouchers.
    pub proxy_binary: PathBuf,
    /// Where the secret behind the sealing keys is kept; in memory alone where `None`.
    pub seal_secret: Option<PathBuf>,
    /// The only process that may announce tickets; any of the same user where `None`.
    pub supervisor: Option<i32>,
    /// The join token.
    pub token: Secret<String>,
}

/// Why a node did not start, or ended without being asked to.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A file could not be used. Nothing runs; correct the path.
    #[error("cannot use {what} `{}`: {source}", path.display())]
    File {
        /// What it is.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// The trust bundle holds no roots that we understand.
    #[error("cannot use trust bundle `{}`: {source}", path.display())]
    Bundle {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        source: BundleError,
    },
    /// Control gave no identity. Start again with a new token.
    #[error("node `{name}` could not join; start it again with a new token from `bartizan token node`")]
    Join {
        /// Its name.
        name: ServiceName,
        /// Why.
        source: JoinError,
    },
    /// The identity ran out before control gave another. Start again with a new token.
    #[error("the identity of node `{name}` ran out; start it again with a new token from `bartizan token node`")]
    RanOut {
        /// Its name.
        name: ServiceName,
        /// Why it was not renewed.
        source: JoinError,
    },
}

/// Joins the fleet, then serves the socket until `stop` fires.
///
/// Cancel by `stop`, not by dropping the future: connections already accepted would live on.
///
/// # Errors
/// [`NodeError`]; a node without an identity ends, since only a new join token helps.
pub async fn run(options: Options, stop: CancellationToken) -> Result<(), NodeError> {
    let Options {
        name,
        trust_domain,
        control,
        trust_bundle,
        socket,
        workload_socket,
        proxy_binary,
        seal_secret,
        supervisor,
        token,
    } = options;
    let attestor = Attestor::of(&proxy_binary).map_err(|e| file("the proxy binary", &proxy_binary, e))?;
    let secret = match &seal_secret {
        Some(path) => NodeSecret::in_file(path).map_err(|e| file("the seal secret", path, e))?,
        None => NodeSecret::random(),
    };
    let bundles = Arc::new(ArcSwap::from_pointee(read_bundle(&trust_bundle, &trust_domain)?));
    let candidate =
        Candidate { name: name.clone(), domain: trust_domain.clone(), control, bundles: Arc::clone(&bundles) };
    let candidate = Arc::new(candidate);

    let deadline = clock::now().plus(JOIN_TOKEN_TTL);
    let joining = again_and_again(|| candidate.join(&token), deadline);
    let Some(joined) = stop.run_until_cancelled(joining).await else { return Ok(()) };
    let own = joined.map_err(|source| NodeError::Join { name, source })?;
    drop(token);
    tracing::info!(id = %own.id(), not_after_ms = own.not_after().as_millis(), "joined");

    let listener = local::bind(&socket).map_err(|e| file("socket", &socket, e))?;
    let workloads = workload_socket.as_ref().map(|path| local::bind_for_all(path).map_err(|e| file("socket", path, e)));
    let workloads = workloads.transpose()?;
    let (renewed, own) = watch::channel(own);
    let (hub, asks) = Hub::new(trust_domain.clone(), bundles);
    let (instance, link_own) = (random::u64(), own.clone());
    let (renew, renew_asked) = watch::channel(Timestamp::from_millis(u64::MAX));
    let link = Link {
        candidate: Arc::clone(&candidate),
        hub: Arc::clone(&hub),
        own: link_own,
        asks,
        instance,
        workload_socket,
        renew,
    };
    let desk = Arc::new(Desk::new(trust_domain, attestor, secret, own, supervisor));
    // Its own token: serving ends also where renewing gives up.
    let serving = stop.child_token();
    let serve = local::serve(listener, router(desk), serving.clone());
    let supply = serving.run_until_cancelled(async { tokio::join!(link.run(), keep(Arc::clone(&hub))) });
    let serve_workloads = async {
        if let Some(listener) = workloads {
            workload::serve(listener, Arc::clone(&hub), serving.clone()).await;
        }
    };
    let renew = async {
        let outcome = stop.run_until_cancelled(keep_renewed(&candidate, &renewed, renew_asked)).await;
        serving.cancel();
        outcome.unwrap_or(Ok(()))
    };
    let ((), _, (), outcome) = tokio::join!(serve, supply, serve_workloads, renew);
    outcome
}

/// Waits until about half of the life of `held` is over, or until the moment that control asks for where that is earlier.
async fn due(held: &Own, asked: &mut watch::Receiver<Timestamp>) {
    let half_life = renew_at(held.not_before(), held.not_after(), fraction());
    loop {
        // What was asked for before this one was issued has been done.
        let asked_for = Some(*asked.borrow_and_update()).filter(|at| *at > held.not_before());
        let at = asked_for.map_or(half_life, |at| at.min(half_life));
        tokio::select! {
            () = until(at, CLOCK_LOOK) => return,
            // Who asked is gone only with the whole node.
            Ok(()) = asked.changed() => {}
        }
    }
}

/// Renews at about half life or when control asks, again and again. Returns only once the identity has run out, or control refuses for good.
async fn keep_renewed(
    candidate: &Candidate,
    own: &watch::Sender<Own>,
    mut asked: watch::Receiver<Timestamp>,
) -> Result<(), NodeError> {
    loop {
        let held = own.borrow().clone();
        due(&held, &mut asked).await;
        match again_and_again(|| candidate.renew(&held), held.not_after()).await {
            Ok(new) => {
                tracing::info!(id = %new.id(), not_after_ms = new.not_after().as_millis(), "renewed");
                own.send_replace(new);
            }
            Err(source) => {
                tracing::error!(error = %source, "the identity could not be renewed");
                // Until the last moment the held one is as good as a new one.
                until(held.not_after(), CLOCK_LOOK).await;
                return Err(NodeError::RanOut { name: candidate.name.clone(), source });
            }
        }
    }
}

fn read_bundle(path: &Path, domain: &TrustDomain) -> Result<TrustBundles, NodeError> {
    let bytes = files::read_bounded(path, BUNDLE_BYTES_MAX).map_err(|e| file("trust bundle", path, e))?;
    let text = String::from_utf8(bytes).map_err(|_| file("trust bundle", path, io::Error::other("it is not PEM")))?;
    TrustBundles::from_pem(domain, &text).map_err(|source| NodeError::Bundle { path: path.to_owned(), source })
}

fn file(what: &'static str, path: &Path, source: io::Error) -> NodeError {
    NodeError::File { what, path: path.to_owned(), source }
}
