//! Certificate revocation lists, for peers that know nothing of ours (RFC 5280 section 5).

use crate::error::CryptoError;
use crate::issue::{Issuer, failed, since_1970};
use bartizan_core::Timestamp;
use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SerialNumber};

/// One certificate on the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedCert {
    /// Its serial number, big-endian.
    pub serial: Vec<u8>,
    /// When it was revoked.
    pub at: Timestamp,
}

/// A list signed by `issuer`, DER. `number` has to grow from list to list; `next` is when readers ask again at the latest.
///
/// # Errors
/// [`CryptoError::Library`] where signing fails, or `next` is not after `now`.
pub fn crl(
    issuer: &Issuer,
    revoked: &[RevokedCert],
    number: u64,
    now: Timestamp,
    next: Timestamp,
) -> Result<Vec<u8>, CryptoError> {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let certs = revoked.iter().map(|cert| RevokedCertParams {
        serial_number: SerialNumber::from_slice(&cert.serial),
        revocation_time: epoch + since_1970(cert.at),
        reason_code: None,
        invalidity_date: None,
    });
    let params = CertificateRevocationListParams {
        this_update: epoch + since_1970(now),
        next_update: epoch + since_1970(next),
        crl_number: SerialNumber::from(number),
        issuing_distribution_point: None,
        revoked_certs: certs.collect(),
        key_identifier_method: KeyIdMethod::Sha256, // as for the certificates of our CAs
    };
    let made = params.signed_by(issuer.inner()).map_err(failed)?;
    Ok(made.der().to_vec())
}

/// The list as PEM (RFC 7468).
pub fn pem(der: &[u8]) -> String {
    crate::cert::pem_of("X509 CRL", der)
}
