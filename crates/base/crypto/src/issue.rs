//! Makes certificates. What may be issued to whom, and for how long, `identity` decides; here is only their shape.

use crate::cert;
use crate::error::CryptoError;
use crate::key::{self, KeyPair, P256_SPKI_PREFIX, Sign};
use bartizan_core::{SpiffeId, Timestamp, TrustDomain};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber, SignatureAlgorithm, SigningKey,
};
use rustls_pki_types::CertificateDer;
use std::net::IpAddr;
use std::time::Duration;

/// Last moment that a certificate can name: 9999-12-31T23:59:59Z (RFC 5280 section 4.1.2.5).
const END_OF_TIME: Timestamp = Timestamp::from_secs(253_402_300_799);

/// From when to when a certificate is valid; whole seconds count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// First second.
    pub not_before: Timestamp,
    /// Last second.
    pub not_after: Timestamp,
}

/// A CA certificate with its key, ready to sign.
pub struct Issuer<K: Sign = KeyPair> {
    inner: rcgen::Issuer<'static, Signer<K>>,
    certificate: Vec<u8>,
    validity: Validity,
}

impl<K: Sign> Issuer<K> {
    /// Joins a CA certificate and its key.
    ///
    /// # Errors
    /// [`CryptoError::Malformed`] where the certificate does not read, is no CA, or belongs to another key.
    pub fn new(key: K, certificate: &[u8]) -> Result<Self, CryptoError> {
        let malformed = |why: String| CryptoError::Malformed { what: "issuing certificate", why };
        let read = cert::read(certificate).map_err(|e| malformed(e.to_string()))?;
        if !read.is_ca() || !read.key_usage().is_some_and(|usage| usage.key_cert_sign) {
            return Err(malformed("it may not sign certificates".to_owned()));
        }
        if read.spki() != key.public_spki() {
            return Err(malformed("it belongs to another key".to_owned()));
        }
        let inner = rcgen::Issuer::from_ca_cert_der(&CertificateDer::from(certificate), Signer(key))
            .map_err(|e| malformed(e.to_string()))?;
        let validity = Validity { not_before: read.not_before(), not_after: read.not_after() };
        Ok(Self { inner, certificate: certificate.to_vec(), validity })
    }

    /// Its certificate, DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    pub(crate) fn inner(&self) -> &rcgen::Issuer<'static, impl SigningKey + use<K>> {
        &self.inner
    }

    /// Its key.
    pub fn key(&self) -> &K {
        &self.inner.key().0
    }

    /// When its certificate is valid.
    pub fn validity(&self) -> Validity {
        self.validity
    }
}

/// Certificate of a root, signed by itself. At most one CA may stand below it.
///
/// # Errors
/// [`CryptoError::Library`] where signing fails.
pub fn root<K: Sign>(
    key: &K,
    domain: &TrustDomain,
    serial: [u8; 16],
    validity: Validity,
) -> Result<Vec<u8>, CryptoError> {
    let params = ca(domain, "root", 1, serial, validity)?;
    let made = params.self_signed(&Signer(key)).map_err(|error| failed_by(key, error))?;
    Ok(made.der().to_vec())
}

/// Certificate of an issuing CA; only leaves may stand below it.
///
/// # Errors
/// [`CryptoError::UnsupportedKey`] for another key than P-256, [`CryptoError::Library`] where signing fails.
pub fn intermediate<K: Sign>(
    issuer: &Issuer<K>,
    spki: &[u8],
    domain: &TrustDomain,
    serial: [u8; 16],
    validity: Validity,
) -> Result<Vec<u8>, CryptoError> {
    let mut params = ca(domain, "issuing CA", 0, serial, validity)?;
    params.use_authority_key_identifier_extension = true;
    sign(issuer, spki, &params)
}

/// X.509-SVID of a workload: one URI, good for both ends of TLS, no other name.
///
/// # Errors
/// As [`intermediate`].
pub fn leaf(
    issuer: &Issuer,
    spki: &[u8],
    id: &SpiffeId,
    serial: [u8; 16],
    validity: Validity,
) -> Result<Vec<u8>, CryptoError> {
    leaf_with_dns(issuer, spki, id, &[], serial, validity)
}

/// As [`leaf`], with DNS names beside the URI, for peers that know no SPIFFE IDs.
///
/// # Errors
/// As [`leaf`]; [`CryptoError::Malformed`] for a name that is not ASCII.
pub fn leaf_with_dns(
    issuer: &Issuer,
    spki: &[u8],
    id: &SpiffeId,
    dns_names: &[String],
    serial: [u8; 16],
    validity: Validity,
) -> Result<Vec<u8>, CryptoError> {
    let mut params = end_entity(serial, validity);
    params.subject_alt_names = vec![uri(id.as_str())?];
    for name in dns_names {
        params.subject_alt_names.push(dns(name)?);
    }
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    sign(issuer, spki, &params)
}

/// Certificate for outside clients of the gateway: DNS names and addresses, TLS server only, no SPIFFE ID.
///
/// # Errors
/// As [`intermediate`]; [`CryptoError::Malformed`] for a name that is not ASCII or where there is no name at all.
pub fn edge(
    issuer: &Issuer,
    spki: &[u8],
    dns_names: &[String],
    ips: &[IpAddr],
    serial: [u8; 16],
    validity: Validity,
) -> Result<Vec<u8>, CryptoError> {
    if dns_names.is_empty() && ips.is_empty() {
        return Err(CryptoError::Malformed { what: "edge certificate", why: "it names no host".to_owned() });
    }
    let mut params = end_entity(serial, validity);
    for name in dns_names {
        params.subject_alt_names.push(dns(name)?);
    }
    params.subject_alt_names.extend(ips.iter().map(|ip| SanType::IpAddress(*ip)));
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    sign(issuer, spki, &params)
}

/// What root and issuing CA share. The URI is the trust domain's own ID, as X.509-SVID section 3.2 asks of signers.
fn ca(
    domain: &TrustDomain,
    role: &str,
    cas_below: u8,
    serial: [u8; 16],
    validity: Validity,
) -> Result<CertificateParams, CryptoError> {
    let mut params = bare(serial, validity);
    params.distinguished_name.push(DnType::OrganizationName, domain.as_str());
    // With a piece of the serial, so that two CAs of one domain differ by name: path building picks by name first.
    let name = format!("Bartizan {role} {}", crate::hash::hex(&serial[..4]));
    params.distinguished_name.push(DnType::CommonName, name);
    params.subject_alt_names = vec![uri(&format!("spiffe://{domain}"))?];
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(cas_below));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// What all leaves share. The subject stays empty: names are in the extension, and only there.
fn end_entity(serial: [u8; 16], validity: Validity) -> CertificateParams {
    let mut params = bare(serial, validity);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    params
}

/// The serial number that 16 random bytes become: positive, always 16 bytes long, with 126 random bits left.
pub fn serial(mut random: [u8; 16]) -> [u8; 16] {
    random[0] = random[0] & 0x3f | 0x40;
    random
}

/// Whole seconds since 1970, as far as a certificate can name them.
pub(crate) fn since_1970(at: Timestamp) -> Duration {
    Duration::from_secs(at.min(END_OF_TIME).as_secs())
}

/// No names, no rights.
pub(crate) fn bare(random: [u8; 16], validity: Validity) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.serial_number = Some(SerialNumber::from(serial(random).to_vec()));
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + since_1970(validity.not_before);
    params.not_after = epoch + since_1970(validity.not_after);
    params
}

pub(crate) fn uri(text: &str) -> Result<SanType, CryptoError> {
    let text =
        text.try_into().map_err(|_| CryptoError::Malformed { what: "URI", why: "it is not ASCII".to_owned() })?;
    Ok(SanType::URI(text))
}

fn dns(name: &str) -> Result<SanType, CryptoError> {
    let why = || format!("`{}` is not ASCII", name.escape_debug());
    let name = name.try_into().map_err(|_| CryptoError::Malformed { what: "DNS name", why: why() })?;
    Ok(SanType::DnsName(name))
}

fn sign<K: Sign>(issuer: &Issuer<K>, spki: &[u8], params: &CertificateParams) -> Result<Vec<u8>, CryptoError> {
    let point = key::point_of(spki)?;
    let made = params.signed_by(&Point(point), &issuer.inner).map_err(|error| failed_by(issuer.key(), error))?;
    Ok(made.der().to_vec())
}

/// rcgen keeps no cause; a token's is worth telling.
fn failed_by(key: &impl Sign, error: rcgen::Error) -> CryptoError {
    key.failure().unwrap_or_else(|| failed(error))
}

pub(crate) fn failed(error: rcgen::Error) -> CryptoError {
    CryptoError::Library { what: "signing a certificate", why: error.to_string() }
}

/// Our keys as rcgen wants to see them. Not on [`KeyPair`] itself, so that rcgen stays behind this door.
pub(crate) struct Signer<K>(pub(crate) K);

impl<K: Sign> PublicKeyData for Signer<K> {
    fn der_bytes(&self) -> &[u8] {
        self.0.public_spki().get(P256_SPKI_PREFIX.len()..).unwrap_or_default()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl<K: Sign> SigningKey for Signer<K> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.0.sign(message).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

/// A subject's public point on P-256.
pub(crate) struct Point<'a>(pub(crate) &'a [u8]);

impl PublicKeyData for Point<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}
