//! A root whose key is on a PKCS#11 token: made there, signing there. In the folder there is only where it is.

use crate::ca::{CaError, ROOT_SEALED, ROOT_TOKEN, ROOTS_PEM, pem, root};
use crate::limits::CA_FILE_BYTES_MAX;
use bartizan_core::{Secret, TrustDomain};
use bartizan_crypto::hsm::{HsmKey, Place};
use bartizan_crypto::{cert, csr, random};
use bartizan_identity::RootCa;
use bartizan_runtime::{clock, files};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Where the key of a root is, as it lies beside its certificate. Nothing of it is secret.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RootToken {
    trust_domain: TrustDomain,
    /// Its certificate, PEM.
    certificate: String,
    module: PathBuf,
    token: String,
    key: String,
}

/// Makes a root for `domain` whose key is made on a token and never leaves it: where it is in `root.token`, its certificate in
/// `roots.pem`. The folder must be there.
///
/// # Errors
/// [`CaError::Exists`] where a root is in the folder already; else what could not be done.
pub fn init_on_token(dir: &Path, place: &Place, pin: &Secret<String>, domain: &TrustDomain) -> Result<(), CaError> {
    for name in [ROOT_SEALED, ROOT_TOKEN, ROOTS_PEM] {
        let path = dir.join(name);
        if path.exists() {
            return Err(CaError::Exists { path });
        }
    }
    let key = HsmKey::generate(place, pin, random::bytes()).map_err(CaError::Token)?;
    let root = RootCa::create(domain, key, random::bytes(), clock::now())?;
    let Place { module, token, key } = place.clone();
    let certificate = cert::pem(root.certificate());
    let told = RootToken { trust_domain: domain.clone(), certificate: certificate.clone(), module, token, key };
    let text = serde_json::to_string_pretty(&told).expect("strings become JSON") + "\n";
    root::write(&dir.join(ROOT_TOKEN), text.as_bytes(), 0o644)?;
    root::write(&dir.join(ROOTS_PEM), certificate.as_bytes(), 0o644)
}

/// Whether the root of a folder is on a token.
pub fn is_on_token(dir: &Path) -> bool {
    dir.join(ROOT_TOKEN).exists()
}

/// Signs a request for an issuing certificate (PEM or DER) with the root whose `root.token` is in `dir`. Returns PEM.
///
/// # Errors
/// [`CaError`]; nothing was signed then.
pub fn sign_on_token(dir: &Path, pin: &Secret<String>, request: &[u8]) -> Result<String, CaError> {
    let request = csr::check(&pem::read(request)?).map_err(|error| CaError::Request { why: error.to_string() })?;
    let path = dir.join(ROOT_TOKEN);
    let text = files::read_bounded(&path, CA_FILE_BYTES_MAX);
    let text = text.map_err(|source| CaError::File { what: "read", path: path.clone(), source })?;
    let refuse = |why: String| CaError::TokenFile { path: path.clone(), why };
    let told: RootToken = serde_json::from_slice(&text).map_err(|error| refuse(error.to_string()))?;
    let RootToken { trust_domain, certificate, module, token, key } = told;
    let certificates = cert::from_pem(&certificate).map_err(|error| refuse(error.to_string()))?;
    let [certificate] = certificates.as_slice() else {
        return Err(refuse("it holds another count of certificates".to_owned()));
    };
    let key = HsmKey::open(&Place { module, token, key }, pin).map_err(CaError::Token)?;
    // Refused where the token holds another key under that label by now.
    let root = RootCa::of(&trust_domain, key, certificate)?;
    Ok(cert::pem(&root.sign_issuing(&request, random::bytes(), clock::now())?))
}
