//! A node joins with a token, or comes for its next identity with the one it has.

use crate::app::App;
use crate::issuance::{self, Recorded};
use crate::rotation::node_member;
use crate::stream::refusal::{Refusal, report_issued, report_refused, report_unreadable};
use bartizan_core::issued::IssuedKind;
use bartizan_core::{Role, ServiceName, SpiffeId};
use bartizan_crypto::csr;
use bartizan_identity::VerifiedPeer;
use bartizan_runtime::clock;
use bartizan_runtime::control_v1::JoinNodeRequest;

/// An identity for a node, or the reason why not. Reports either.
pub(crate) async fn join(
    app: &App,
    request: &JoinNodeRequest,
    peer: Option<&VerifiedPeer>,
) -> Result<Recorded, Refusal> {
    let name = ServiceName::parse(&request.name).map_err(|error| {
        let refusal = Refusal::malformed(error.to_string());
        report_unreadable(app, peer.map(|peer| peer.id().clone()), None, &refusal);
        refusal
    })?;
    let id = SpiffeId::of(app.authority().domain(), &Role::Node(name.clone()));
    let renewal = request.token.is_empty();
    let issued = issue(app, request, &name, &id, peer).await;
    match &issued {
        Ok(svid) => report_issued(app, None, id, renewal, svid),
        Err(refusal) => report_refused(app, None, id, renewal, refusal),
    }
    issued
}

async fn issue(
    app: &App,
    request: &JoinNodeRequest,
    name: &ServiceName,
    id: &SpiffeId,
    peer: Option<&VerifiedPeer>,
) -> Result<Recorded, Refusal> {
    let now = clock::now();
    if let Some(entry) = app.in_force().denied.denies_id(id) {
        return Err(Refusal::on_deny_list(entry));
    }
    // Before the token, so that a broken request does not use it up.
    let key = csr::check(&request.csr).map_err(|error| Refusal::malformed(error.to_string()))?;
    issuance::ready(app).await?;
    if request.token.is_empty() {
        let peer = peer.ok_or_else(|| Refusal::denied("neither a join token nor a certificate"))?;
        if peer.id() != id {
            return Err(Refusal::denied(format!("`{}` asked to be `{id}`", peer.id())));
        }
        if now >= peer.not_after() {
            return Err(Refusal::denied("the certificate of the connection has run out"));
        }
        if key.spki == peer.spki() {
            return Err(Refusal::malformed("a renewal needs a fresh key"));
        }
    } else {
        // One lock over looking and marking: of two who come with the same token, one finds it used.
        app.tokens().redeem(&request.token, now).map_err(|error| Refusal::denied(error.to_string()))?;
    }
    let issued = app.authority_for(&node_member(&request.name)).issue(&key.spki, id, now);
    let svid = issued.map_err(|error| Refusal::unable(error.to_string()))?;
    let recorded = issuance::record(app, IssuedKind::Node, id, Some(name), &key.spki, svid).await;
    if recorded.is_err() && !request.token.is_empty() {
        app.tokens().give_back(&request.token); // nobody was given anything for it
    }
    recorded
}
