//! A pod's token, shown to the API server that our own configuration names.

use super::read_pem;
use crate::app::App;
use crate::error::ControlError;
use crate::limits::CA_FILE_BYTES_MAX;
use crate::options::Psat;
use crate::stream::Refusal;
use bartizan_core::{Secret, ServiceName};
use bartizan_identity::psat::{self, Rules};
use bartizan_runtime::files;
use bartizan_runtime::web_api::{Https, HttpsError};
use std::path::PathBuf;
use std::sync::Arc;

/// The API server, and whose tokens count.
#[derive(Debug)]
pub(super) struct Kubernetes {
    api: Https,
    /// Our own token for it; read anew for each question, since Kubernetes replaces it.
    token: PathBuf,
    rules: Rules,
}

impl Kubernetes {
    pub(super) fn open(options: &Psat) -> Result<Self, ControlError> {
        let Psat { api, ca, token, audience, accounts } = options.clone();
        let refuse = |why: String| ControlError::NodeRoots { path: ca.clone(), why };
        let api = Https::new(&api, &read_pem(&ca).map_err(refuse)?).map_err(|error| refuse(error.to_string()))?;
        Ok(Self { api, token, rules: Rules { audience, accounts } })
    }

    fn bearer(&self) -> Result<Secret<String>, Refusal> {
        let bytes = files::read_bounded(&self.token, CA_FILE_BYTES_MAX);
        let text = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok()).map(Secret::new);
        let text = text.ok_or_else(|| Refusal::unable(format!("`{}` cannot be read", self.token.display())))?;
        Ok(Secret::new(text.expose().trim().to_owned()))
    }
}

/// Checks that `token` is of a pod on the node `name`, by the API server's word.
pub(crate) async fn kubernetes(app: &Arc<App>, name: &ServiceName, token: &Secret<String>) -> Result<(), Refusal> {
    let kubernetes = app.attestation.kubernetes.as_ref();
    let kubernetes =
        kubernetes.ok_or_else(|| Refusal::denied("no Kubernetes vouches for nodes here (`--psat-api`)"))?;
    let denied = |error: psat::PsatError| Refusal::denied(error.to_string());
    let question = kubernetes.rules.question(token.expose()).map_err(denied)?;
    let _slot = app.attestation.slot()?;
    let answer =
        kubernetes.api.post(psat::PATH, &kubernetes.bearer()?, question).await.map_err(|error| match error {
            // Also where our own token is refused: that is for us to set right, and the node may come again.
            HttpsError::Status { .. } | HttpsError::Broken { .. } => Refusal::unable(error.to_string()),
            HttpsError::Address(_) | HttpsError::Roots { .. } => Refusal::denied(error.to_string()),
        })?;
    let reviewed = kubernetes.rules.check(&answer, name).map_err(denied)?;
    tracing::info!(node = %reviewed.node, uid = reviewed.node_uid, "Kubernetes vouches for a node");
    Ok(())
}
