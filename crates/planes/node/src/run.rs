//! The node as a whole: join, serve, renew, end.

use crate::api::router;
use crate::attest::Attestor;
use crate::cache::{self, Cache, CacheError};
use crate::desk::Desk;
use crate::join::{Candidate, JoinError, again_and_again, fraction, until};
use crate::limits::{AHEAD_TRIES, BUNDLE_BYTES_MAX, CLOCK_LOOK};
use crate::own::Own;
use crate::proof::Proof;
use crate::secret::NodeSecret;
use crate::start::{Begun, begin, confirm};
use crate::workload::{self, Cluster, ClusterError, Hub, Kubernetes, Link, keep};
use arc_swap::ArcSwap;
use bartizan_core::{ServiceName, Timestamp, TrustDomain};
use bartizan_crypto::{hash, random};
use bartizan_identity::{BundleError, TrustBundles, is_from_ahead, renew_at};
use bartizan_runtime::control_stream::Addresses;
use bartizan_runtime::{clock, files, local};
use std::io;
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
    pub control: Addresses,
    /// Root certificates, PEM, by which control is recognised.
    pub trust_bundle: PathBuf,
    /// The Unix socket to serve.
    pub socket: PathBuf,
    /// The Unix socket of the Workload API and SDS; none where `None`.
    pub workload_socket: Option<PathBuf>,
    /// The Unix socket of the Docker Engine, for selectors about containers; without it they match nobody.
    pub docker_socket: Option<PathBuf>,
    /// Who knows the pods of this machine, for selectors about Kubernetes; without it they match nobody.
    pub kubernetes: Option<Kubernetes>,
    /// The only executable that gets vouchers.
    pub proxy_binary: PathBuf,
    /// Where the secret behind the sealing keys is kept; in memory alone where `None`.
    pub seal_secret: Option<PathBuf>,
    /// What a restart without control needs is kept here, sealed under the same secret; nothing is kept where `None`. Of no
    /// use without `seal_secret`.
    pub cache: Option<PathBuf>,
    /// The only process that may announce tickets; any of the same user where `None`.
    pub supervisor: Option<i32>,
    /// How it proves who it is; needed where the cache does not serve.
    pub proof: Option<Proof>,
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
    /// The API server that tells pods cannot be asked with what was given. Nothing runs; correct it.
    #[error("cannot ask Kubernetes for pods")]
    Kubernetes(#[source] ClusterError),
    /// There is nothing to begin with. Start again with a new token.
    #[error(
        "node `{name}` has no join token, and no cache that serves; start it with a token from `bartizan token node`"
    )]
    NoProof {
        /// Its name.
        name: ServiceName,
        /// Why the cache does not serve, where there is one.
        source: Option<CacheError>,
    },
    /// Control gave no identity. Start again, with a new token where that was the proof.
    #[error("node `{name}` could not join; {way_out}")]
    Join {
        /// Its name.
        name: ServiceName,
        /// What to do.
        way_out: &'static str,
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

/// Takes up what the cache holds, or joins the fleet, then serves the socket until `stop` fires.
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
        docker_socket,
        kubernetes,
        proxy_binary,
        seal_secret,
        cache,
        supervisor,
        proof,
    } = options;
    let attestor = Attestor::of(&proxy_binary).map_err(|e| file("the proxy binary", &proxy_binary, e))?;
    let secret = match &seal_secret {
        Some(path) => NodeSecret::in_file(path).map_err(|e| file("the seal secret", path, e))?,
        None => NodeSecret::random(),
    };
    let cluster = kubernetes.as_ref().map(|it| Cluster::open(it).map_err(NodeError::Kubernetes)).transpose()?;
    let (given, given_sha256) = read_bundle(&trust_bundle, &trust_domain)?;
    let bundles = Arc::new(ArcSwap::from_pointee(given));
    let cache = cache.map(|path| Cache::new(path, &secret, name.clone(), trust_domain.clone(), given_sha256));
    let cache = cache.map(Arc::new);
    let candidate = Arc::new(Candidate { name, domain: trust_domain.clone(), control, bundles: Arc::clone(&bundles) });

    let beginning = begin(&candidate, cache.as_ref(), proof);
    let Some(begun) = stop.run_until_cancelled(beginning).await else { return Ok(()) };
    let Begun { held, from_cache, proof } = begun?;

    let listener = local::bind(&socket).map_err(|e| file("socket", &socket, e))?;
    let workloads = workload_socket.as_ref().map(|path| local::bind_for_all(path).map_err(|e| file("socket", path, e)));
    let workloads = workloads.transpose()?;
    let (renewed, own) = watch::channel(held.own);
    let (hub, asks) = Hub::new(trust_domain.clone(), held.view, bundles);
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
    let keep_cache = {
        let (hub, own) = (Arc::clone(&hub), own.clone());
        async {
            if let Some(cache) = cache {
                cache::keep(cache, hub, own).await;
            }
        }
    };
    let desk = Arc::new(Desk::new(trust_domain, attestor, secret, own, supervisor));
    // Its own token: serving ends also where renewing gives up.
    let serving = stop.child_token();
    let serve = local::serve(listener, router(desk), serving.clone());
    let supply = serving.run_until_cancelled(async { tokio::join!(link.run(), keep(Arc::clone(&hub)), keep_cache) });
    let serve_workloads = async {
        if let Some(listener) = workloads {
            workload::serve(listener, Arc::clone(&hub), docker_socket, cluster, serving.clone()).await;
        }
    };
    let renew = async {
        let outcome =
            stop.run_until_cancelled(keep_renewed(&candidate, &renewed, renew_asked, from_cache, proof)).await;
        serving.cancel();
        outcome.unwrap_or(Ok(()))
    };
    let ((), _, (), outcome) = tokio::join!(serve, supply, serve_workloads, renew);
    outcome
}

/// Waits until about half of the life of `held` is over, or until the moment that control asks for where that is earlier; no longer
/// where the clock went back to before it began.
async fn due(held: &Own, asked: &mut watch::Receiver<Timestamp>) {
    let half_life = renew_at(held.not_before(), held.not_after(), fraction());
    loop {
        // What was asked for before this one was issued has been done.
        let asked_for = Some(*asked.borrow_and_update()).filter(|at| *at > held.not_before());
        let at = asked_for.map_or(half_life, |at| at.min(half_life));
        tokio::select! {
            () = until(at, CLOCK_LOOK) => return,
            () = until_ahead(held.not_before()) => return,
            // Who asked is gone only with the whole node.
            Ok(()) = asked.changed() => {}
        }
    }
}

async fn until_ahead(not_before: Timestamp) {
    while !is_from_ahead(not_before, clock::now()) {
        tokio::time::sleep(CLOCK_LOOK).await;
    }
}

/// Renews at about half life or when control asks, again and again; where that fails, shows a proof that may be shown again.
/// Returns only once the identity has run out, or control refuses for good.
async fn keep_renewed(
    candidate: &Candidate,
    own: &watch::Sender<Own>,
    mut asked: watch::Receiver<Timestamp>,
    from_cache: bool,
    mut proof: Option<Proof>,
) -> Result<(), NodeError> {
    if from_cache {
        confirm(candidate, own, &mut proof).await;
    }
    let lasting = proof.filter(Proof::lasts);
    loop {
        let held = own.borrow().clone();
        due(&held, &mut asked).await;
        // One from ahead is believed by a control whose own clock is still ahead, and by no other.
        let is_ahead = is_from_ahead(held.not_before(), clock::now());
        let last = if is_ahead { clock::now().plus(AHEAD_TRIES) } else { held.not_after() };
        match again_and_again(|| candidate.renew(&held), last).await {
            Ok(new) => {
                tracing::info!(id = %new.id(), not_after_ms = new.not_after().as_millis(), "renewed");
                own.send_replace(new);
            }
            Err(source) => {
                tracing::error!(error = %source, "the identity could not be renewed");
                if let Some(proof) = &lasting {
                    // As long as it takes: a process that was started anew could do no more.
                    match again_and_again(|| candidate.join(proof), Timestamp::from_millis(u64::MAX)).await {
                        Ok(new) => {
                            tracing::info!(id = %new.id(), not_after_ms = new.not_after().as_millis(), "joined again");
                            own.send_replace(new);
                            continue;
                        }
                        Err(error) => tracing::error!(%error, "joining again did not help"),
                    }
                }
                // Until the last moment the held one is as good as a new one, but not where nobody believes it yet.
                if !is_ahead {
                    until(held.not_after(), CLOCK_LOOK).await;
                }
                return Err(NodeError::RanOut { name: candidate.name.clone(), source });
            }
        }
    }
}

/// The roots in a file, and the hash of the file.
fn read_bundle(path: &Path, domain: &TrustDomain) -> Result<(TrustBundles, [u8; 32]), NodeError> {
    let bytes = files::read_bounded(path, BUNDLE_BYTES_MAX).map_err(|e| file("trust bundle", path, e))?;
    let sha256 = hash::sha256(&bytes);
    let text = String::from_utf8(bytes).map_err(|_| file("trust bundle", path, io::Error::other("it is not PEM")))?;
    let roots = TrustBundles::from_pem(domain, &text);
    Ok((roots.map_err(|source| NodeError::Bundle { path: path.to_owned(), source })?, sha256))
}

fn file(what: &'static str, path: &Path, source: io::Error) -> NodeError {
    NodeError::File { what, path: path.to_owned(), source }
}
