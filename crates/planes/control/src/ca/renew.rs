//! Replaces our own identity and the issuing CA at half of their lives.

use crate::app::App;
use crate::ca::{OwnIdentity, Source};
use crate::error::chain;
use crate::issuance;
use crate::limits::{CLOCK_LOOK, RENEW_PAUSE, RENEW_PAUSE_MAX};
use bartizan_core::Timestamp;
use bartizan_crypto::random;
use bartizan_identity::{is_from_ahead, renew_at};
use bartizan_runtime::clock;
use std::sync::Arc;
use tokio::time::Instant;

/// Runs until the app stops. A failure is tried again after a pause; there is half a life left for that.
pub(crate) async fn keep_renewed(app: Arc<App>, mut source: Source) {
    let mut authority_due = due(app.authority().validity());
    let mut own_due = due(own_validity(&app));
    let mut went_back: Option<Instant> = None;
    loop {
        // In steps, since the clock goes on while a machine sleeps and timers do not.
        let pause = authority_due.min(own_due).since(clock::now()).clamp(RENEW_PAUSE, CLOCK_LOOK);
        if app.stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
        // A clock that was ahead and went back leaves what nobody believes yet. Paced, since one under a root that is from ahead too
        // is no better, and an offline root takes its time.
        let authority_is_ahead = is_from_ahead(app.authority().validity().0, clock::now())
            && went_back.is_none_or(|at| at.elapsed() >= RENEW_PAUSE_MAX);
        if clock::now() >= authority_due || authority_is_ahead {
            went_back = authority_is_ahead.then(Instant::now);
            let renewed;
            (source, renewed) = renew_authority(&app, source).await;
            authority_due = if renewed { due(app.authority().validity()) } else { clock::now().plus(RENEW_PAUSE_MAX) };
        }
        // Under an authority from ahead another one would be no better.
        let authority_is_good = !is_from_ahead(app.authority().validity().0, clock::now());
        let own_is_ahead = authority_is_good && is_from_ahead(own_validity(&app).0, clock::now());
        if clock::now() >= own_due || own_is_ahead {
            match renew_own(&app).await {
                Ok(()) => own_due = due(own_validity(&app)),
                Err(error) => {
                    tracing::error!(error = chain(&error), "our own identity was not renewed, trying again");
                    own_due = clock::now().plus(RENEW_PAUSE_MAX);
                }
            }
        }
    }
}

/// Opening the root stretches a passphrase, which would hold up other tasks.
async fn renew_authority(app: &App, mut source: Source) -> (Source, bool) {
    let (source, outcome) = tokio::task::spawn_blocking(move || {
        let outcome = source.attempt(clock::now());
        (source, outcome)
    })
    .await
    .expect("opening a root does not panic, and nothing aborts the task");
    match outcome {
        Ok(Some(authority)) => {
            issuance::record_authority(&app.journal, &authority).await;
            app.replace_authority(authority);
            tracing::info!("renewed the issuing CA");
            (source, true)
        }
        Ok(None) => (source, false), // it has said what it waits for
        Err(error) => {
            tracing::error!(error = chain(&error), "the issuing CA was not renewed, trying again");
            (source, false)
        }
    }
}

async fn renew_own(app: &App) -> Result<(), crate::ca::CaError> {
    let authority = app.authority();
    let own = OwnIdentity::issue(&authority, clock::now())?;
    issuance::record_own(&app.journal, &authority, &own).await;
    app.replace_own(own)
}

fn own_validity(app: &App) -> (Timestamp, Timestamp) {
    let own = app.own();
    (own.svid.not_before, own.svid.not_after)
}

fn due((not_before, not_after): (Timestamp, Timestamp)) -> Timestamp {
    let jitter = random::u64() as f64 / u64::MAX as f64;
    renew_at(not_before, not_after, jitter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::started;
    use bartizan_core::{Role, SpiffeId};
    use bartizan_identity::verify_peer;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_renewal_brings_fresh_keys_that_lead_to_the_same_root() {
        let dir = tempfile::tempdir().unwrap();
        let started = started(dir.path()).await;
        let app = &started.app;
        let (authority, own, tls) = (app.authority(), app.own(), app.tls.load_full());

        let (source, renewed) = renew_authority(app, started.source).await;
        assert!(renewed);
        renew_own(app).await.unwrap();
        assert_ne!(app.own().key.public_spki(), own.key.public_spki());
        assert_ne!(app.own().svid.chain[1], own.svid.chain[1], "issued by the new CA");
        assert!(!Arc::ptr_eq(&app.tls.load_full(), &tls), "the listener shows it");
        assert_eq!(app.authority().bundles(), authority.bundles(), "nobody has to be told of another root");
        let chain = &app.own().svid.chain;
        let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
        let peer = verify_peer(&chain, authority.bundles(), clock::now()).unwrap();
        assert_eq!(*peer.id(), SpiffeId::of(authority.domain(), &Role::Control));

        // Where the root cannot be opened, everything stays as it is.
        std::fs::remove_file(dir.path().join("root.passphrase")).unwrap();
        let before = app.authority();
        let (_, renewed) = renew_authority(app, source).await;
        assert!(!renewed && Arc::ptr_eq(&before, &app.authority()));
    }

    #[test]
    fn renewal_is_due_a_little_before_half_life() {
        let (start, end) = (Timestamp::from_secs(1_000), Timestamp::from_secs(4_600));
        for _ in 0..100 {
            let due = due((start, end)).as_secs();
            assert!((2_458..=2_782).contains(&due), "{due}");
        }
    }
}
