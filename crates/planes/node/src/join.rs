//! How the node comes by its identity: a proof the first time, its own identity from then on.

use crate::limits::{JOIN_WITHIN, RETRY_FIRST, RETRY_MAX};
use crate::own::{Own, OwnError};
use crate::proof::{MachineFiles, Proof, ProofError, kubernetes_token};
use arc_swap::ArcSwap;
use bartizan_core::{Role, ServiceName, SpiffeId, Timestamp, TrustDomain};
use bartizan_crypto::{CryptoError, KeyPair, csr, random};
use bartizan_identity::machine::{self, Question};
use bartizan_identity::{TrustBundles, expect_peer, verify_peer};
use bartizan_runtime::control_stream::{self, ALPN, Addresses, Code, ConnectError, Status};
use bartizan_runtime::control_v1::{ChallengeNodeRequest, JoinNodeRequest, MachineProof};
use bartizan_runtime::tls::{self, Judge, JudgeError, TlsError};
use bartizan_runtime::{clock, tls::Identity};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// Control was not reached, or what answered is not control. Try again.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Control did not answer in time. Try again, with a new token if that was the first contact.
    #[error("control did not answer within {} s", JOIN_WITHIN.as_secs())]
    Slow,
    /// Control said no. A new token may help.
    #[error("control refused: {}", .0.message())]
    Refused(Box<Status>),
    /// Control could not: it is starting or stopping. Try again.
    #[error("control could not answer: {}", .0.message())]
    Unable(Box<Status>),
    /// What control sent is no identity for us.
    #[error(transparent)]
    Own(#[from] OwnError),
    /// What the node proves itself with cannot be read just now.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// Our own key or TLS could not be made.
    #[error("no key could be made: {0}")]
    Crypto(#[from] CryptoError),
    /// As above.
    #[error("no TLS client could be made: {0}")]
    Tls(#[from] TlsError),
}

impl JoinError {
    /// Whether the same request may succeed later.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            // The files were good at the start: whoever replaces them is in the middle of it.
            Self::Connect(_) | Self::Slow | Self::Unable(_) | Self::Proof(_) => true,
            Self::Refused(_) | Self::Own(_) | Self::Crypto(_) | Self::Tls(_) => false,
        }
    }
}

/// A node on its way into a fleet.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) name: ServiceName,
    pub(crate) domain: TrustDomain,
    /// Shared with the stream: where one of its addresses is found dead, the next is tried by all.
    pub(crate) control: Addresses,
    /// By which control is recognised; those of the start, then what control published since.
    pub(crate) bundles: Arc<ArcSwap<TrustBundles>>,
}

impl Candidate {
    /// First contact: the proof for an identity.
    pub(crate) async fn join(&self, proof: &Proof) -> Result<Own, JoinError> {
        Box::pin(self.ask(Some(proof), None)).await
    }

    /// A new identity for the one held, with a fresh key.
    pub(crate) async fn renew(&self, own: &Own) -> Result<Own, JoinError> {
        Box::pin(self.ask(None, Some(own))).await
    }

    /// At one address after the other, until control says something that counts.
    async fn ask(&self, proof: Option<&Proof>, own: Option<&Own>) -> Result<Own, JoinError> {
        let mut left = self.control.count();
        loop {
            let control = self.control.current();
            let asked = self.ask_at(control, proof, own).await;
            left -= 1;
            match asked {
                Err(error) if error.is_passing() => {
                    self.control.did_not_do(control);
                    if left == 0 {
                        return Err(error);
                    }
                    tracing::debug!(%control, %error, "control gave no identity, trying its next address");
                }
                outcome => return outcome,
            }
        }
    }

    async fn ask_at(&self, control: SocketAddr, proof: Option<&Proof>, own: Option<&Own>) -> Result<Own, JoinError> {
        let key = KeyPair::generate()?;
        let csr = csr::make(&key)?;
        let mut request = JoinNodeRequest { name: self.name.to_string(), csr, ..JoinNodeRequest::default() };
        let identity = own.map(|own| Identity::new(own.chain(), own.key())).transpose()?;
        let tls = tls::Client::new(identity.as_ref(), ALPN)?;
        let answered = async {
            let mut client = control_stream::connect(control, tls, self.judge()).await?;
            match proof {
                None => {}
                Some(Proof::Token(token)) => request.token.clone_from(token.expose()),
                Some(Proof::Kubernetes(path)) => {
                    request.kubernetes_token.clone_from(kubernetes_token(path)?.expose());
                }
                Some(Proof::Machine(files)) => {
                    request.machine = Some(self.prove(&mut client, files, &request.csr).await?);
                }
            }
            client.join_node(request).await.map_err(of_status)
        };
        let answer = tokio::time::timeout(JOIN_WITHIN, answered).await.map_err(|_| JoinError::Slow)??;
        let chain = answer.into_inner().svid.map(|svid| svid.chain).unwrap_or_default();
        let id = SpiffeId::of(&self.domain, &Role::Node(self.name.clone()));
        Ok(Own::check(key, chain, &id, &self.bundles.load(), clock::now())?)
    }

    /// An answer to a challenge of control's, for this very request.
    async fn prove(
        &self,
        client: &mut control_stream::Client,
        files: &MachineFiles,
        csr: &[u8],
    ) -> Result<MachineProof, JoinError> {
        let (chain, key) = files.load()?;
        let challenge = client.challenge_node(ChallengeNodeRequest {}).await.map_err(of_status)?.into_inner().challenge;
        let question = Question { domain: &self.domain, name: &self.name, challenge: &challenge, csr };
        let signature = machine::answer(&key, &question)?;
        Ok(MachineProof { challenge, chain, signature })
    }

    /// Only control itself gets to see a token.
    pub(crate) fn judge(&self) -> Judge<()> {
        let (bundles, control) = (Arc::clone(&self.bundles), SpiffeId::of(&self.domain, &Role::Control));
        Arc::new(move |chain| {
            let judged = verify_peer(chain, &bundles.load(), clock::now()).and_then(|peer| expect_peer(peer, &control));
            judged.map(|_| ()).map_err(|refusal| JudgeError { failure: refusal.failure, detail: refusal.detail })
        })
    }
}

fn of_status(status: Status) -> JoinError {
    match status.code() {
        Code::PermissionDenied
        | Code::Unauthenticated
        | Code::InvalidArgument
        | Code::NotFound
        | Code::FailedPrecondition => JoinError::Refused(Box::new(status)),
        _ => JoinError::Unable(Box::new(status)),
    }
}

/// Tries `attempt` until it succeeds, fails for good, or `until` has come.
pub(crate) async fn again_and_again<F>(mut attempt: impl FnMut() -> F, until: Timestamp) -> Result<Own, JoinError>
where
    F: Future<Output = Result<Own, JoinError>>,
{
    let mut pause = RETRY_FIRST;
    loop {
        match attempt().await {
            Err(error) if error.is_passing() && clock::now().plus(pause) < until => {
                tracing::warn!(%error, pause_ms = pause.as_millis(), "no identity yet, trying again");
            }
            outcome => return outcome,
        }
        tokio::time::sleep(pause.mul_f64(0.5 + fraction())).await;
        pause = (pause * 2).min(RETRY_MAX);
    }
}

/// A random number from 0 to 1.
pub(crate) fn fraction() -> f64 {
    // 53 bits are what the number type holds.
    (random::u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// Waits until the clock shows `at`, looking at it every `look`: a sleeping machine's timers stand still, its clock does not.
pub(crate) async fn until(at: Timestamp, look: Duration) {
    loop {
        let left = at.since(clock::now());
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(look)).await;
    }
}
