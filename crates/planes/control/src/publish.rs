//! Numbers and signs what is to be in force.

use crate::app::App;
use crate::ca::{Authority, OwnIdentity};
use crate::deny::{self, DenyListError};
use crate::error::ControlError;
use crate::federation::Book;
use crate::fleet::{Desired, directory, members};
use crate::jwt::JwtSigner;
use crate::options::Options;
use crate::presence::away_now;
use crate::settled::{note_files, settle};
use bartizan_core::deny::{DenyList, Subject};
use bartizan_core::snapshot::{Bundles, Directory, Epoch, Kind, Policies, Signed};
use bartizan_core::{Member, ServiceName, Timestamp};
use bartizan_crypto::hash;
use bartizan_identity::DenyIndex;
use bartizan_identity::envelope::{self, EnvelopeError};
use bartizan_runtime::clock;
use bartizan_store::{Content, Store};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that proxies are to enforce now.
#[derive(Debug)]
pub(crate) struct InForce {
    pub(crate) desired: Desired,
    /// Whom nobody is to trust, and the same ready to be asked.
    pub(crate) deny_list: DenyList,
    pub(crate) denied: DenyIndex,
    pub(crate) epochs: BTreeMap<Kind, Epoch>,
    /// The trust anchors, as they were signed.
    pub(crate) anchors: Bundles,
    /// What is the same for everybody, signed once.
    bundles: Vec<u8>,
    signed_deny_list: Vec<u8>,
}

/// What is to be in force.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) desired: Desired,
    pub(crate) deny_list: DenyList,
    pub(crate) bundles: Bundles,
    /// Counts as content of every kind; see [`publish`].
    pub(crate) mark: &'a str,
}

/// Gives what is wanted its epochs and signs what is common to all. An epoch grows only where the content differs from the
/// newest one in the store, so a restart changes nothing; a new one is larger than `floor`. The mark counts as content: it
/// changes where everything has to be signed anew because the signer stands below another root.
pub(crate) async fn publish(
    wanted: Wanted<'_>,
    own: &OwnIdentity,
    store: &Store,
    floor: Epoch,
    options: &Options,
    now: Timestamp,
) -> Result<InForce, ControlError> {
    let Wanted { desired, deny_list, bundles, mark } = wanted;
    // Signed under a number that no snapshot has, to find out beforehand what cannot be signed: an epoch that
    // was given cannot be taken back.
    for member in heaviest(&desired) {
        if let Some(directory) = directory_of(&desired, &member) {
            sign(Kind::Policies, Epoch(u64::MAX), &desired.shares.share(&directory), &desired, own, now)?;
        }
    }
    let denied = DenyIndex::read(&deny_list, &desired.fleet.trust_domain).map_err(DenyListError::Rule)?;
    let published = store.publish(contents(&desired, &deny_list, &bundles, mark), floor).await?;
    // What was refused above is not in force.
    note_files(options.leading.as_ref(), &options.data, &desired.digest)?;
    // Nobody sees a number that another leader could give to something else.
    settle(options.leading.as_ref()).await?;
    let epochs: BTreeMap<Kind, Epoch> = published.iter().map(|(kind, it)| (*kind, it.epoch)).collect();
    let anchors = bundles;
    let bundles = sign(Kind::Bundles, epochs[&Kind::Bundles], &anchors, &desired, own, now)?;
    let signed_deny_list = sign(Kind::DenyList, epochs[&Kind::DenyList], &deny_list, &desired, own, now)?;
    Ok(InForce { desired, deny_list, denied, epochs, anchors, bundles, signed_deny_list })
}

/// Publishes `desired` with the present roots and the deny list of the data folder, and puts them in force. Gives the kinds that changed.
///
/// The caller holds `app.reloading`.
pub(crate) async fn republish(app: &App, desired: Desired) -> Result<Vec<Kind>, ControlError> {
    let (before, now) = (app.in_force(), clock::now());
    let away = away_now(app, &desired.fleet);
    let deny_list = deny::read(&app.options.data)?;
    app.authorization.prepare(&desired.fleet, now)?;
    let own_issuer = app.authorization.issuer(&desired.fleet, now);
    let revoked = app.authorization.revoked.list(now);
    let keys = app.keys.in_force(now);
    let provider = app.login.provider(&desired.fleet);
    let mut desired = Desired { away, own_issuer, provider, revoked, keys, ..desired };
    desired.fleet.users.iter_mut().for_each(|users| app.issuers.add_to(users));
    app.jwt.prepare(desired.wants_tokens(), now)?;
    app.federation.settle(&desired.fleet.federation, &desired.sources);
    let bundles = anchors(&app.authority(), &app.jwt, &app.federation, &desired, &deny_list, now);
    let wanted = Wanted { desired, deny_list, bundles, mark: &app.rotation.mark() };
    // Boxed: it is large, and so would be everything that leads here.
    let after = Box::pin(publish(wanted, &app.own(), &app.store, app.epoch_floor, &app.options, now)).await?;
    app.events.set_retention(app.options.retention(&after.desired.fleet));
    app.pipeline.keep_ledger_within(app.options.ledger_bounds(&after.desired.fleet));
    let changed = after.changed_since(&before);
    // Also where no kind changed: entries of nodes and what is said of other trust domains have no epoch.
    app.alerts.set_rules(&after.desired.fleet);
    app.in_force.send_replace(Arc::new(after));
    Ok(changed)
}

/// All trust anchors: our own, the keys of our tokens, and those of other trust domains.
pub(crate) fn anchors(
    authority: &Authority,
    jwt: &JwtSigner,
    federation: &Book,
    desired: &Desired,
    deny_list: &DenyList,
    now: Timestamp,
) -> Bundles {
    let mut bundles = jwt.add_to(authority.bundles().snapshot(), &desired.fleet.trust_domain, now);
    federation.add_to(&mut bundles, &desired.fleet.federation);
    leave_out_denied(&mut bundles, deny_list);
    bundles
}

/// Nodes have no deny list: what they check tokens by, and what they give to programs, is here alone.
fn leave_out_denied(bundles: &mut Bundles, deny_list: &DenyList) {
    for entry in &deny_list.entries {
        if let Subject::Domain(domain) = &entry.subject {
            bundles.roots.remove(domain);
            bundles.jwt_keys.remove(domain);
        }
    }
}

impl InForce {
    /// The epoch of a kind.
    pub(crate) fn epoch(&self, kind: Kind) -> Epoch {
        self.epochs.get(&kind).copied().unwrap_or_default()
    }

    /// The snapshot of a kind for one instance, as it travels. `None` where the fleet has no such service.
    pub(crate) fn envelope(
        &self,
        kind: Kind,
        member: &Member,
        own: &OwnIdentity,
        now: Timestamp,
    ) -> Option<Result<Vec<u8>, EnvelopeError>> {
        match kind {
            Kind::Bundles => Some(Ok(self.bundles.clone())),
            Kind::DenyList => Some(Ok(self.signed_deny_list.clone())),
            // Gathered when it is asked for: all of them together would be as large as the fleet squared.
            Kind::Policies => {
                let share = self.desired.shares.share(&directory_of(&self.desired, member)?);
                Some(sign(kind, self.epoch(kind), &share, &self.desired, own, now))
            }
            Kind::Directory => {
                let directory = directory_of(&self.desired, member)?;
                Some(sign(kind, self.epoch(kind), &directory, &self.desired, own, now))
            }
        }
    }

    /// The snapshot of all trust anchors, as it travels.
    pub(crate) fn bundles(&self) -> &[u8] {
        &self.bundles
    }

    /// The policies, where `epoch` is the one in force.
    pub(crate) fn policies_at(&self, epoch: Epoch) -> Option<&Policies> {
        (self.epoch(Kind::Policies) == epoch).then_some(&self.desired.policies)
    }

    /// The kinds whose epoch differs from that in `before`.
    pub(crate) fn changed_since(&self, before: &Self) -> Vec<Kind> {
        Kind::ALL.into_iter().filter(|kind| self.epoch(*kind) != before.epoch(*kind)).collect()
    }
}

/// Those whose share of the policies is the longest: what can be signed for them can be signed for everybody.
fn heaviest(desired: &Desired) -> impl Iterator<Item = Member> {
    let service = desired.shares.heaviest().cloned();
    service.into_iter().chain([ServiceName::gateway()]).map(Member::from)
}

/// The directory of one instance, with what is not in the files.
fn directory_of(desired: &Desired, member: &Member) -> Option<Directory> {
    let mut directory = directory(&desired.fleet, &desired.plan, &desired.away, member)?;
    if let Some(gateway) = directory.own.gateway.as_mut() {
        gateway.users = desired.believed();
        gateway.keys.clone_from(&desired.keys);
        gateway.login.iter_mut().for_each(|login| login.provider.clone_from(&desired.provider));
    }
    Some(directory)
}

fn sign<P: Serialize>(
    kind: Kind,
    epoch: Epoch,
    payload: &P,
    desired: &Desired,
    own: &OwnIdentity,
    now: Timestamp,
) -> Result<Vec<u8>, EnvelopeError> {
    let trust_domain = desired.fleet.trust_domain.clone();
    let signed = Signed { kind, epoch, issued_at: now, trust_domain, payload };
    envelope::sign(&signed, &own.key, &own.svid.chain).map(|envelope| envelope::to_json(&envelope))
}

/// What each kind says for the whole fleet. Only policies are kept as text: `explain` needs them later.
fn contents(desired: &Desired, deny_list: &DenyList, bundles: &Bundles, mark: &str) -> BTreeMap<Kind, Content> {
    let of = |member: &Member| directory_of(desired, member);
    let directories: BTreeMap<Member, _> =
        members(&desired.fleet).map(|member| (member.clone(), of(&member))).collect();
    let policies = json(&*desired.policies);
    // Whom the gateway decides about is its routes' to say; everybody else's share follows from the policies.
    let gateway = directories.get(&Member::from(ServiceName::gateway())).and_then(Option::as_ref);
    let led_to = json(&gateway.map(|it| (it.peers.keys().collect::<Vec<_>>(), clients_of(it))));
    let hash_of = |text: &str| hash_of(&format!("{text}{mark}"));
    let unkept = |hash| Content { hash, text: String::new() };
    BTreeMap::from([
        (Kind::Bundles, unkept(hash_of(&json(bundles)))),
        (Kind::DenyList, unkept(hash_of(&json(deny_list)))),
        (Kind::Directory, unkept(hash_of(&json(&directories)))),
        (Kind::Policies, Content { hash: hash_of(&format!("{policies}{led_to}")), text: policies }),
    ])
}

fn clients_of(gateway: &Directory) -> Vec<&ServiceName> {
    gateway.own.gateway.iter().flat_map(|side| side.callers.values()).collect()
}

fn hash_of(text: &str) -> String {
    hash::hex(&hash::sha256(text.as_bytes()))
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("maps with text keys become JSON")
}

/// Shared by all streams; replaced as a whole.
pub(crate) type Current = Arc<InForce>;

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::TrustDomain;
    use bartizan_core::deny::Denied;
    use bartizan_core::snapshot::JwtKey;

    #[test]
    fn a_denied_trust_domain_has_neither_roots_nor_keys() {
        let domain = |text: &str| TrustDomain::parse(text).unwrap();
        let mut bundles = Bundles::default();
        for name in ["bank.test", "partner.test"] {
            bundles.roots.insert(domain(name), vec!["root".to_owned()]);
            bundles.jwt_keys.insert(domain(name), vec![JwtKey { kid: "k".to_owned(), spki: "s".to_owned() }]);
        }
        let subject = Subject::Domain(domain("partner.test"));
        let entry = Denied { subject, reason: "x".into(), since: Timestamp::from_secs(1), by: "x".into(), with: None };
        leave_out_denied(&mut bundles, &DenyList { entries: vec![entry] });
        assert!(bundles.roots.keys().eq([&domain("bank.test")]) && bundles.jwt_keys.keys().eq([&domain("bank.test")]));
    }
}
