//! What a caller is sent: texts and bytes, made from what is held.

use super::session::Session;
use super::view::WorkloadSvid;
use bartizan_core::SpiffeId;
use bartizan_crypto::{cert, key};
use bartizan_runtime::clock;
use bartizan_runtime::sds_v3::{CertificateValidationContext, DataSource, Secret, TlsCertificate, data_source, secret};
use bartizan_runtime::workload_v1::{JwtBundlesResponse, X509BundlesResponse, X509svid, X509svidResponse};
use std::collections::HashMap;
use std::sync::Arc;

/// The name under which SDS clients ask for the certificate of whoever they are.
const DEFAULT: &str = "default";
/// The name under which SDS clients ask for the roots of their own trust domain; `spiffe://` and the name of a domain stands for its own.
const ROOTCA: &str = "ROOTCA";

/// The caller's identities that count now, in the order of its entries.
pub(super) fn svids(session: &Session) -> Vec<Arc<WorkloadSvid>> {
    let now = clock::now();
    let held = session.mine.iter().filter_map(|entry| {
        // Where the entry changed since, what was issued before does until there is a new one, as long as the name is the same.
        session.view.svids.get(&entry.name).filter(|held| *held.own.id() == entry.id)
    });
    held.filter(|held| held.own.counts_at(now)).cloned().collect()
}

/// `None` while there is no identity yet.
pub(super) fn x509(session: &Session) -> Option<X509svidResponse> {
    let bundle = session.view.bundles.roots_of(own_domain(session)?).unwrap_or_default().concat();
    let svids: Vec<_> = svids(session)
        .into_iter()
        .map(|held| X509svid {
            spiffe_id: held.own.id().to_string(),
            x509_svid: held.own.chain().concat(),
            x509_svid_key: held.own.key().pkcs8().expose().clone(),
            bundle: bundle.clone(),
            hint: String::new(),
        })
        .collect();
    let federated_bundles = foreign_bundles(session);
    (!svids.is_empty()).then(|| X509svidResponse { svids, federated_bundles, ..X509svidResponse::default() })
}

/// Every trust domain's roots.
pub(super) fn x509_bundles(session: &Session) -> Option<X509BundlesResponse> {
    let domain = own_domain(session)?;
    let roots = session.view.bundles.roots_of(domain).unwrap_or_default().concat();
    let mut bundles = foreign_bundles(session);
    bundles.insert(format!("spiffe://{domain}"), roots);
    Some(X509BundlesResponse { crl: Vec::new(), bundles })
}

/// The roots of the trust domains that are federated with, by their SPIFFE IDs.
fn foreign_bundles(session: &Session) -> HashMap<String, Vec<u8>> {
    let (bundles, own) = (&session.view.bundles, own_domain(session));
    let foreign = bundles.domains().filter(|domain| Some(*domain) != own);
    foreign.map(|it| (format!("spiffe://{it}"), bundles.roots_of(it).unwrap_or_default().concat())).collect()
}

/// Every trust domain's keys, the own one's also where there are none.
pub(super) fn jwt_bundles(session: &Session) -> Option<JwtBundlesResponse> {
    let keys = &session.view.jwt_keys;
    let domains = keys.domains().chain([own_domain(session)?]);
    Some(JwtBundlesResponse { bundles: domains.map(|it| (format!("spiffe://{it}"), keys.jwks(it))).collect() })
}

/// What an SDS client asks for by `name`. `None` where it may not have that; `Some(None)` while it is not there yet.
pub(super) fn secret(session: &Session, name: &str) -> Option<Option<Secret>> {
    let domain = own_domain(session)?;
    let named_domain = name.strip_prefix("spiffe://").filter(|it| session.view.bundles.roots_of(it).is_some());
    let anchors = if name == ROOTCA { Some(domain) } else { named_domain };
    if let Some(domain) = anchors {
        let roots = session.view.bundles.roots_of(domain).unwrap_or_default();
        let pem: String = roots.iter().map(|root| cert::pem(root)).collect();
        let context = CertificateValidationContext { trusted_ca: Some(inline(pem.into_bytes())) };
        return Some(Some(named(name, secret::Type::ValidationContext(context))));
    }
    let is_it = |id: &SpiffeId| name == DEFAULT || id.as_str() == name;
    if !session.mine.iter().any(|entry| is_it(&entry.id)) {
        return None;
    }
    let held = svids(session).into_iter().find(|held| is_it(held.own.id()));
    Some(held.map(|held| {
        let chain: String = held.own.chain().iter().map(|der| cert::pem(der)).collect();
        let certificate = TlsCertificate {
            certificate_chain: Some(inline(chain.into_bytes())),
            private_key: Some(inline(key::pem(held.own.key()).expose().clone().into_bytes())),
        };
        named(name, secret::Type::TlsCertificate(certificate))
    }))
}

fn named(name: &str, what: secret::Type) -> Secret {
    Secret { name: name.to_owned(), r#type: Some(what) }
}

fn inline(bytes: Vec<u8>) -> DataSource {
    DataSource { specifier: Some(data_source::Specifier::InlineBytes(bytes)) }
}

/// A session has at least one entry, and all of them are of our own domain.
fn own_domain(session: &Session) -> Option<&str> {
    session.mine.first().map(|entry| entry.id.domain())
}
