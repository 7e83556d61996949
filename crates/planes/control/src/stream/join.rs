//! A node joins with a proof of who it is, or comes for its next identity with the one it has.

use crate::app::App;
use crate::attest;
use crate::issuance::{self, Recorded};
use crate::rotation::node_member;
use crate::stream::refusal::{Refusal, report_issued, report_refused, report_unreadable};
use bartizan_core::issued::IssuedKind;
use bartizan_core::{Role, Secret, ServiceName, SpiffeId};
use bartizan_crypto::csr::{self, CsrKey};
use bartizan_identity::VerifiedPeer;
use bartizan_runtime::clock;
use bartizan_runtime::control_v1::{JoinNodeRequest, MachineProof};
use std::sync::Arc;

/// How a node proves who it is.
enum Proof {
    /// The certificate of its connection.
    Renewal,
    /// A join token.
    Token(String),
    /// A certificate of an outside CA.
    Machine(MachineProof),
    /// A Kubernetes service account token.
    Kubernetes(Secret<String>),
}

/// An identity for a node, or the reason why not. Reports either.
pub(crate) async fn join(
    app: &Arc<App>,
    request: JoinNodeRequest,
    peer: Option<&VerifiedPeer>,
) -> Result<Recorded, Refusal> {
    let JoinNodeRequest { token, name, csr, machine, kubernetes_token } = request;
    let kubernetes = Secret::new(kubernetes_token);
    let unreadable = |refusal| {
        report_unreadable(app, peer.map(|peer| peer.id().clone()), None, &refusal);
        refusal
    };
    let name = ServiceName::parse(&name).map_err(|error| unreadable(Refusal::malformed(error.to_string())))?;
    let proof = match (token.is_empty(), machine, kubernetes.expose().is_empty()) {
        (true, None, true) => Proof::Renewal,
        (false, None, true) => Proof::Token(token),
        (true, Some(machine), true) => Proof::Machine(machine),
        (true, None, false) => Proof::Kubernetes(kubernetes),
        _ => return Err(unreadable(Refusal::malformed("more than one proof"))),
    };
    let id = SpiffeId::of(app.authority().domain(), &Role::Node(name.clone()));
    let renewal = matches!(proof, Proof::Renewal);
    let issued = issue(app, &name, &id, &csr, proof, peer).await;
    match &issued {
        Ok(svid) => report_issued(app, None, id, renewal, svid),
        Err(refusal) => report_refused(app, None, id, renewal, refusal),
    }
    issued
}

async fn issue(
    app: &Arc<App>,
    name: &ServiceName,
    id: &SpiffeId,
    csr: &[u8],
    proof: Proof,
    peer: Option<&VerifiedPeer>,
) -> Result<Recorded, Refusal> {
    check_allowed(app, id)?;
    // Before the proof, so that a broken request does not use it up.
    let key = csr::check(csr).map_err(|error| Refusal::malformed(error.to_string()))?;
    issuance::ready(app).await?;
    let mut spent = None;
    match proof {
        Proof::Renewal => check_renewal(peer, id, &key)?,
        // One lock over looking and marking: of two who come with the same token, one finds it used.
        Proof::Token(token) => {
            app.tokens().redeem(&token, clock::now()).map_err(|error| Refusal::denied(error.to_string()))?;
            spent = Some(token);
        }
        Proof::Machine(machine) => attest::machine(app, name, csr, machine).await?,
        Proof::Kubernetes(token) => attest::kubernetes(app, name, &token).await?,
    }
    // Again: checking may have taken a while.
    check_allowed(app, id)?;
    let issued = app.authority_for(&node_member(name.as_str())).issue(&key.spki, id, clock::now());
    let svid = issued.map_err(|error| Refusal::unable(error.to_string()))?;
    let recorded = issuance::record(app, IssuedKind::Node, id, Some(name), &key.spki, svid).await;
    if let (Err(_), Some(token)) = (&recorded, spent) {
        app.tokens().give_back(&token); // nobody was given anything for it
    }
    recorded
}

fn check_allowed(app: &App, id: &SpiffeId) -> Result<(), Refusal> {
    app.in_force().denied.denies_id(id).map_or(Ok(()), |entry| Err(Refusal::on_deny_list(entry)))
}

fn check_renewal(peer: Option<&VerifiedPeer>, id: &SpiffeId, key: &CsrKey) -> Result<(), Refusal> {
    let peer = peer.ok_or_else(|| Refusal::denied("neither a proof nor a certificate"))?;
    if peer.id() != id {
        return Err(Refusal::denied(format!("`{}` asked to be `{id}`", peer.id())));
    }
    if clock::now() >= peer.not_after() {
        return Err(Refusal::denied("the certificate of the connection has run out"));
    }
    if key.spki == peer.spki() {
        return Err(Refusal::malformed("a renewal needs a fresh key"));
    }
    Ok(())
}
