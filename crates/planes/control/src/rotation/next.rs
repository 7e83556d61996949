//! The issuer that everybody goes over to: made, tried, and at hand for as long as it is needed.

use crate::app::App;
use crate::ca::{Authority, CaError, ROOT_NEXT_PEM, Source, certificates, make_next};
use crate::issuance;
use crate::rotation::book::Kept;
use bartizan_core::rotation::Rotated;
use bartizan_core::{Secret, TrustDomain};
use bartizan_crypto::{cert, hash};
use bartizan_identity::rotation::{Anchor, Released, Rotation};
use bartizan_identity::{TrustBundles, renew_at};
use bartizan_runtime::clock;
use std::path::Path;
use std::sync::Arc;

/// An issuing CA beside the one that is in use as a rule.
#[derive(Debug)]
pub(crate) struct Next {
    pub(crate) authority: Arc<Authority>,
    /// Who gets identities from it.
    pub(crate) released: Released,
}

/// Why there is no new issuer yet.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotReady {
    #[error(transparent)]
    Ca(#[from] CaError),
    #[error(
        "the new root is offline: `issuing.next.csr` has to be signed with it, and the answer put into `issuing.next.pem`"
    )]
    Unsigned,
}

/// Makes what the phase of `kept` needs and is not there. After a restart that is an issuing CA with a fresh key: the key
/// before was in the memory of the process before.
pub(super) async fn make_ready(
    app: &Arc<App>,
    kept: &mut Kept,
    template: &Source,
    source: &mut Option<Source>,
) -> Result<(), NotReady> {
    let Some(mut rotation) = kept.running().cloned() else { return Ok(()) };
    if !rotation.phase.is_reversible() {
        return Ok(());
    }
    if rotation.what == Rotated::Root && rotation.new.is_none() {
        let new = make_root(app, template).await?;
        rotation.made(new, clock::now());
        app.rotation.turn_to(app, kept, rotation.clone())?;
        *source = None;
    }
    if app.next().is_some_and(|next| !is_aged(&next.authority)) {
        return Ok(());
    }
    let below = below(&rotation, &app.in_force().desired.fleet.trust_domain)?;
    let taken = source.take().unwrap_or_else(|| template.next(below));
    let (back, outcome) = attempt(taken).await;
    *source = Some(back);
    let authority = outcome?.ok_or(NotReady::Unsigned)?;
    issuance::record_authority(&app.journal, &authority).await;
    if rotation.what == Rotated::Issuing {
        let pem = cert::pem(authority.certificate());
        rotation.made(Anchor { sha256: authority.sha256(), pem }, clock::now());
    }
    // On disk before it issues anything: what it issued has to be recognised after a stop.
    rotation.count_issuer(&authority.sha256());
    app.rotation.turn_to(app, kept, rotation.clone())?;
    let authority = Arc::new(authority.trusting(app.authority().bundles().clone(), clock::now()));
    app.set_next(Some(Next { authority, released: rotation.desired().released }));
    Ok(())
}

/// The root that its issuing CA has to stand below, where that is another one.
pub(super) fn below(rotation: &Rotation, domain: &TrustDomain) -> Result<Option<TrustBundles>, CaError> {
    let Some(new) = rotation.new.as_ref().filter(|_| rotation.what == Rotated::Root) else { return Ok(None) };
    let roots = TrustBundles::from_pem(domain, &new.pem);
    roots.map(Some).map_err(|source| CaError::Roots { path: super::files::ROTATION_JSON.into(), source })
}

/// Opening the root stretches a passphrase, which would hold up other tasks.
async fn attempt(mut source: Source) -> (Source, Result<Option<Authority>, CaError>) {
    let attempt = tokio::task::spawn_blocking(move || {
        let outcome = source.attempt(clock::now());
        (source, outcome)
    });
    attempt.await.expect("opening a root does not panic, and nothing aborts the task")
}

/// A new root: made here where the old one's key is here, else brought by whoever holds it.
async fn make_root(app: &Arc<App>, template: &Source) -> Result<Anchor, CaError> {
    let (dir, domain) = (app.rotation.dir().to_owned(), app.in_force().desired.fleet.trust_domain.clone());
    if !template.is_embedded() {
        return brought(&dir.join(ROOT_NEXT_PEM), &domain);
    }
    let passphrase: Secret<String> = template.passphrase(false)?;
    let making = tokio::task::spawn_blocking(move || make_next(&dir, &passphrase, &domain));
    let pem = making.await.expect("making a root does not panic, and nothing aborts the task")?;
    let ders = cert::from_pem(&pem).unwrap_or_default();
    Ok(Anchor { sha256: ders.first().map(|der| hash::hex(&hash::sha256(der))).unwrap_or_default(), pem })
}

/// The one root of `domain` in a file.
pub(super) fn brought(path: &Path, domain: &TrustDomain) -> Result<Anchor, CaError> {
    let refuse = |why: String| CaError::NextRoot { path: path.to_owned(), why };
    let ders = certificates(path)?;
    let [der] = ders.as_slice() else { return Err(refuse(format!("it holds {} certificates", ders.len()))) };
    TrustBundles::of(domain, ders.clone()).map_err(|error| refuse(error.to_string()))?;
    let read = cert::read(der).map_err(|error| refuse(error.to_string()))?;
    if read.uris() != [format!("spiffe://{domain}")] {
        return Err(refuse(format!("it is not for `{domain}`")));
    }
    Ok(Anchor { sha256: hash::hex(&hash::sha256(der)), pem: cert::pem(der) })
}

/// A rotation that waits for long outlives its issuing CA.
fn is_aged(authority: &Authority) -> bool {
    let (not_before, not_after) = authority.validity();
    clock::now() >= renew_at(not_before, not_after, 1.0)
}
