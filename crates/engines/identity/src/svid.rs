//! What a certificate has to be to count as an X.509-SVID, or as the issuer of one (SPIFFE X.509-SVID, sections 3 to 5).

use bartizan_core::SpiffeId;
use bartizan_crypto::cert::Cert;

/// The identity that a leaf claims, where it keeps every rule for leaves; otherwise the rule it breaks.
pub(crate) fn leaf_id(leaf: &Cert) -> Result<SpiffeId, String> {
    let [uri] = leaf.uris() else {
        return Err(format!("it names {} URIs, an SVID names exactly one", leaf.uris().len()));
    };
    let id = SpiffeId::parse(uri).map_err(|e| e.to_string())?;
    if id.path().is_empty() {
        return Err(format!("`{id}` is a trust domain, not a workload"));
    }
    if leaf.is_ca() {
        return Err("the leaf is a CA".to_owned());
    }
    let usage = leaf.key_usage().ok_or("it has no key usage")?;
    if !usage.digital_signature {
        return Err("its key usage lacks digitalSignature".to_owned());
    }
    if usage.key_cert_sign || usage.crl_sign {
        return Err("its key usage holds keyCertSign or cRLSign, which no leaf may have".to_owned());
    }
    if leaf.ext_key_usage().is_some_and(|usage| !usage.server_auth || !usage.client_auth) {
        return Err("its extended key usage lacks serverAuth or clientAuth".to_owned());
    }
    Ok(id)
}

/// Checks what path building does not: that an issuer may sign, and that it is not of another trust domain.
pub(crate) fn check_issuer(issuer: &Cert, domain: &str) -> Result<(), String> {
    if !issuer.is_ca() {
        return Err("an issuer is not a CA".to_owned());
    }
    if !issuer.key_usage().is_some_and(|usage| usage.key_cert_sign) {
        return Err("the key usage of an issuer lacks keyCertSign".to_owned());
    }
    for uri in issuer.uris() {
        let id = SpiffeId::parse(uri).map_err(|e| format!("an issuer has a bad name: {e}"))?;
        if id.domain() != domain {
            return Err(format!("an issuer is of trust domain `{}`, the leaf of `{domain}`", id.domain()));
        }
    }
    Ok(())
}
