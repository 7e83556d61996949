//! One look at a bundle endpoint.

use crate::app::App;
use crate::limits::FEDERATION_FETCH_WITHIN;
use bartizan_core::federation::{Foreign, Profile};
use bartizan_core::{SpiffeId, TrustDomain};
use bartizan_identity::federation::Document;
use bartizan_identity::limits::BUNDLE_DOCUMENT_BYTES_MAX;
use bartizan_identity::{TrustBundles, expect_peer, verify_peer};
use bartizan_runtime::tls::{self, Judge, JudgeError};
use bartizan_runtime::{clock, https};
use std::sync::Arc;

/// What the endpoint of `domain` says now, read and as it came.
pub(super) async fn fetch(app: &App, domain: &TrustDomain, foreign: &Foreign) -> Result<(Document, Vec<u8>), String> {
    let fetching = tokio::time::timeout(FEDERATION_FETCH_WITHIN, ask(app, domain, foreign));
    let json = fetching.await.map_err(|_| format!("no answer within {} s", FEDERATION_FETCH_WITHIN.as_secs()))??;
    let document = Document::read(domain, &json).map_err(|error| error.to_string())?;
    Ok((document, json))
}

async fn ask(app: &App, domain: &TrustDomain, foreign: &Foreign) -> Result<Vec<u8>, String> {
    let url = &foreign.url;
    let stream = https::dial(&url.host, url.port).await.map_err(|error| error.to_string())?;
    let body = match &foreign.profile {
        Profile::Web(_) => {
            let client =
                app.in_force().desired.sources.web.get(domain).cloned().ok_or("it is not federated with any more")?;
            let stream = client.connect(stream, &url.host, FEDERATION_FETCH_WITHIN).await.map_err(|e| e.to_string())?;
            https::get(stream, &url.authority(), &url.path, BUNDLE_DOCUMENT_BYTES_MAX).await
        }
        Profile::Spiffe { id, .. } => {
            let client = tls::Client::new(None, https::ALPN).map_err(|error| error.to_string())?;
            let shaken = client.connect(stream, judge(app, domain, id)?, FEDERATION_FETCH_WITHIN).await;
            let stream = shaken.map_err(|error| error.to_string())?.stream;
            https::get(stream, &url.authority(), &url.path, BUNDLE_DOCUMENT_BYTES_MAX).await
        }
    };
    body.map(Vec::from).map_err(|error| error.to_string())
}

/// The endpoint is who the fleet file says it is, below a root that is held now of the domain that its name is in. Which paths
/// callers of that domain may have is another question.
fn judge(app: &App, domain: &TrustDomain, id: &SpiffeId) -> Result<Judge<()>, String> {
    let of = TrustDomain::parse(id.domain()).map_err(|error| error.to_string())?;
    let roots = match app.federation.document(&of) {
        Some(document) => document.roots,
        None => app.authority().bundles().roots_of(id.domain()).map(<[_]>::to_vec).unwrap_or_default(),
    };
    if roots.is_empty() {
        return Err(format!("no bundle of `{of}` is held, by which the endpoint of `{domain}` could be recognised"));
    }
    let bundles = TrustBundles::of(&of, roots).map_err(|error| error.to_string())?;
    let (id, in_force) = (id.clone(), app.in_force());
    Ok(Arc::new(move |chain| {
        let judged = verify_peer(chain, &bundles, clock::now())
            .and_then(|peer| in_force.denied.admit(peer))
            .and_then(|peer| expect_peer(peer, &id));
        judged.map(drop).map_err(|refusal| JudgeError { failure: refusal.failure, detail: refusal.detail })
    }))
}
