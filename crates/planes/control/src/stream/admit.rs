//! Who is let in, and as whom.
//!
//! Two ways lead in: a node's voucher for the key at hand, or the service's own certificate on the connection. Both name
//! the service, and it has to be one of the fleet.

use crate::app::App;
use crate::fleet::{id_of, is_member};
use crate::issuance::{self, Recorded};
use crate::registry::Certificate;
use crate::stream::hello::Hello;
use crate::stream::refusal::Refusal;
use bartizan_core::issued::IssuedKind;
use bartizan_core::{Member, Role, ServiceName, SpiffeId, Timestamp};
use bartizan_crypto::csr::CsrKey;
use bartizan_crypto::hash;
use bartizan_identity::{Svid, VerifiedPeer, voucher};

/// What an admitted proxy gets.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) id: SpiffeId,
    /// A new identity, where one was asked for.
    pub(crate) svid: Option<Recorded>,
    /// Until when the proxy is who it says.
    pub(crate) not_after: Timestamp,
    /// The key that is certified now; the next one has to be another.
    pub(crate) spki: Vec<u8>,
    /// What its certificate can be denied by.
    pub(crate) certificate: Certificate,
    /// The node that vouched for it, where one did just now.
    pub(crate) node: Option<ServiceName>,
    /// Who issued the identity that it came with; `None` where it is given one here.
    pub(crate) issuer: Option<String>,
    /// True where it had an identity already.
    pub(crate) renewal: bool,
}

/// Decides about a first message. On a yes by voucher, that voucher is used up.
pub(crate) async fn admit(
    app: &App,
    hello: &Hello,
    peer: Option<&VerifiedPeer>,
    now: Timestamp,
) -> Result<Admitted, Refusal> {
    let in_force = app.in_force();
    let fleet = &in_force.desired.fleet;
    if !is_member(fleet, &hello.member) {
        return Err(Refusal::denied(format!("fleet `{}` has no service `{}`", fleet.name, hello.member)));
    }
    let id = id_of(fleet, hello.member.service());
    if let Some(entry) = in_force.denied.denies_id(&id) {
        return Err(Refusal::on_deny_list(entry));
    }
    if let Some(peer) = peer.filter(|peer| *peer.id() != id) {
        return Err(Refusal::denied(format!("`{}` asked to be `{id}`", peer.id())));
    }
    match (&hello.voucher, peer) {
        (Some(text), _) => by_voucher(app, text, hello.key.as_ref(), &hello.member, id, now).await,
        (None, Some(peer)) => by_certificate(app, peer, hello.key.as_ref(), &hello.member, id, now).await,
        (None, None) => Err(Refusal::denied("neither a voucher nor a certificate")),
    }
}

async fn by_voucher(
    app: &App,
    text: &str,
    key: Option<&CsrKey>,
    member: &Member,
    id: SpiffeId,
    now: Timestamp,
) -> Result<Admitted, Refusal> {
    let authority = app.authority();
    let vouched = voucher::check(text, authority.bundles(), authority.domain(), now)
        .map_err(|error| Refusal::denied(crate::error::chain(&error)))?;
    if vouched.service != id {
        return Err(Refusal::denied(format!("the voucher is for `{}`", vouched.service)));
    }
    let in_force = app.in_force();
    if let Some(entry) = in_force.denied.denies(&vouched.node) {
        return Err(Refusal::on_deny_list(entry));
    }
    let node = match vouched.node.id().role_in(authority.domain()) {
        Some(Role::Node(name)) => Some(name),
        _ => None,
    };
    let key = key.ok_or_else(|| Refusal::malformed("a voucher, but no certificate request to go with it"))?;
    if !vouched.is_for(&key.spki) {
        return Err(Refusal::denied("the voucher is for another key"));
    }
    issuance::ready(app).await?;
    // Last, so that nobody but the holder of the key can use a voucher up; and before anything is issued.
    app.nonces().take(&vouched, now).map_err(|error| Refusal::denied(error.to_string()))?;
    issue(app, key, member, id, now, node).await
}

async fn by_certificate(
    app: &App,
    peer: &VerifiedPeer,
    key: Option<&CsrKey>,
    member: &Member,
    id: SpiffeId,
    now: Timestamp,
) -> Result<Admitted, Refusal> {
    // It was in date when the connection began, which may be long ago.
    if now >= peer.not_after() {
        return Err(Refusal::denied("the certificate of the connection has run out"));
    }
    match key {
        Some(key) if key.spki == peer.spki() => Err(Refusal::malformed("a renewal needs a fresh key")),
        Some(key) => issue(app, key, member, id, now, None).await,
        None => Ok(Admitted {
            id,
            svid: None,
            not_after: peer.not_after(),
            spki: peer.spki().to_vec(),
            certificate: Certificate { serial: peer.serial().to_owned(), key: hash::hex(peer.key()) },
            node: None,
            issuer: peer.issuer_sha256().map(str::to_owned),
            renewal: true,
        }),
    }
}

async fn issue(
    app: &App,
    key: &CsrKey,
    member: &Member,
    id: SpiffeId,
    now: Timestamp,
    node: Option<ServiceName>,
) -> Result<Admitted, Refusal> {
    let issued = app.authority_for(&member.to_string()).issue(&key.spki, &id, now);
    let svid = issued.map_err(|error| Refusal::unable(error.to_string()))?;
    let svid = issuance::record(app, IssuedKind::Service, &id, node.as_ref(), &key.spki, svid).await?;
    let certificate = certificate_of(&svid, &key.spki);
    let (not_after, renewal) = (svid.not_after, node.is_none());
    let spki = key.spki.clone();
    Ok(Admitted { id, not_after, spki, certificate, node, issuer: None, renewal, svid: Some(svid) })
}

/// What a certificate that was just issued for the key `spki` can be denied by.
pub(crate) fn certificate_of(svid: &Svid, spki: &[u8]) -> Certificate {
    Certificate { serial: svid.serial.clone(), key: hash::hex(&hash::sha256(spki)) }
}
