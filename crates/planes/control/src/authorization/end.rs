//! The certificate that the authorization server shows: from the fleet's own CA, for clients that know no SPIFFE IDs.

use crate::app::App;
use crate::issuance;
use crate::limits::{FEDERATION_RETRY, WEB_CERTIFICATE_LOOK};
use arc_swap::ArcSwapOption;
use bartizan_core::authorization::Authorization;
use bartizan_core::federation::Url;
use bartizan_core::issued::IssuedKind;
use bartizan_core::limits::LEAF_TTL;
use bartizan_core::{Role, SpiffeId, Timestamp};
use bartizan_crypto::KeyPair;
use bartizan_runtime::tls::{ClientAuth, Identity, Server};
use bartizan_runtime::{clock, https};
use std::net::IpAddr;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What is shown now.
pub(super) struct End {
    pub(super) server: Server,
    not_after: Timestamp,
    /// SHA-256 of the certificate of the CA that it is from.
    issuer: String,
}

impl End {
    /// With a fresh key, on record before anybody sees it.
    pub(super) async fn issue(app: &App, said: &Authorization) -> Result<Self, String> {
        let (key, now) = (KeyPair::generate().map_err(|e| e.to_string())?, clock::now());
        let authority = app.authority();
        let (names, addresses) = names(app, said);
        let issued = authority.issue_web(key.public_spki(), &names, &addresses, now).map_err(|e| e.to_string())?;
        let id = SpiffeId::of(authority.domain(), &Role::Control);
        let recorded = issuance::record(app, IssuedKind::Edge, &id, None, key.public_spki(), issued).await;
        let svid = recorded.map_err(|refusal| format!("{refusal:?}"))?.into_svid();
        let identity = Identity::new(&svid.chain, &key).map_err(|e| e.to_string())?;
        let server = Server::new(&identity, ClientAuth::Optional, https::ALPN).map_err(|e| e.to_string())?;
        Ok(Self { server, not_after: svid.not_after, issuer: authority.sha256().to_owned() })
    }

    fn is_due(&self, app: &App) -> bool {
        let left = self.not_after.since(clock::now());
        left < LEAF_TTL / 2 || self.issuer != app.authority().sha256()
    }
}

/// The names of the issuer's host and of the gateway, and the address that it listens on.
fn names(app: &App, said: &Authorization) -> (Vec<String>, Vec<IpAddr>) {
    let (mut names, mut addresses) = (app.options.edge_names.clone(), vec![said.listen.ip()]);
    if let Ok(url) = Url::parse(&said.issuer) {
        match url.host.parse() {
            Ok(ip) => addresses.push(ip),
            Err(_) => names.push(url.host),
        }
    }
    (names, addresses)
}

/// Puts another one in its place when it is time, until `stop` fires.
pub(super) async fn keep(app: Arc<App>, said: Authorization, end: Arc<ArcSwapOption<End>>, stop: CancellationToken) {
    let mut pause = WEB_CERTIFICATE_LOOK;
    while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        pause = WEB_CERTIFICATE_LOOK;
        if end.load().as_ref().is_some_and(|end| !end.is_due(&app)) {
            continue;
        }
        match End::issue(&app, &said).await {
            Ok(next) => end.store(Some(Arc::new(next))),
            Err(why) => {
                tracing::error!(why, "the authorization server has no new certificate, trying again");
                pause = FEDERATION_RETRY;
            }
        }
    }
}
