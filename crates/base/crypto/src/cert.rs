//! Certificates: what they say ([`read`]), whether they lead to a root ([`verify_path`]), and their text form.

use crate::error::{CertError, PathError};
use crate::limits::{PEM_BYTES_MAX, PEM_CERTS_MAX};
use bartizan_core::Timestamp;
use bartizan_core::limits::{CERT_BYTES_MAX, CHAIN_CERTS_MAX};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use std::time::Duration;
use webpki::aws_lc_rs::{
    ECDSA_P256_SHA256, ECDSA_P256_SHA384, ECDSA_P256_SHA512, ECDSA_P384_SHA256, ECDSA_P384_SHA384, ECDSA_P384_SHA512,
};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer as _, X509Certificate, X509Version};

/// Signatures on certificates that count. No RSA: nothing here issues it, and verifying less is attacked less.
const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] =
    &[ECDSA_P256_SHA256, ECDSA_P256_SHA384, ECDSA_P256_SHA512, ECDSA_P384_SHA256, ECDSA_P384_SHA384, ECDSA_P384_SHA512];

/// What a certificate says about itself. Nothing of it is true before [`verify_path`] said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cert {
    uris: Vec<String>,
    dns_names: Vec<String>,
    has_other_sans: bool,
    is_ca: bool,
    key_usage: Option<KeyUsage>,
    ext_key_usage: Option<ExtKeyUsage>,
    not_before: Timestamp,
    not_after: Timestamp,
    serial_hex: String,
    spki: Vec<u8>,
}

/// The key usage bits that matter here (RFC 5280 section 4.2.1.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyUsage {
    /// May sign handshakes.
    pub digital_signature: bool,
    /// May sign certificates.
    pub key_cert_sign: bool,
    /// May sign revocation lists.
    pub crl_sign: bool,
}

/// The extended purposes that matter here (RFC 5280 section 4.2.1.12).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtKeyUsage {
    /// As a TLS server.
    pub server_auth: bool,
    /// As a TLS client.
    pub client_auth: bool,
}

impl Cert {
    /// Subject alternative names that are URIs, in their order.
    pub fn uris(&self) -> &[String] {
        &self.uris
    }

    /// Subject alternative names that are DNS names, in their order and as they are written.
    pub fn dns_names(&self) -> &[String] {
        &self.dns_names
    }

    /// Whether there are subject alternative names other than URIs.
    pub fn has_other_sans(&self) -> bool {
        self.has_other_sans
    }

    /// Whether it calls itself a CA.
    pub fn is_ca(&self) -> bool {
        self.is_ca
    }

    /// Its key usage; `None` where the extension is missing.
    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.key_usage
    }

    /// Its extended key usage; `None` where the extension is missing.
    pub fn ext_key_usage(&self) -> Option<ExtKeyUsage> {
        self.ext_key_usage
    }

    /// First moment of validity.
    pub fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// Last second of validity.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Serial number, lower-case hexadecimal.
    pub fn serial_hex(&self) -> &str {
        &self.serial_hex
    }

    /// DER of its SubjectPublicKeyInfo.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }
}

/// Reads one certificate in DER, whole: trailing bytes, a broken or a doubled extension, another version refuse it.
///
/// # Errors
/// [`CertError`], with the place.
pub fn read(der: &[u8]) -> Result<Cert, CertError> {
    if der.len() > CERT_BYTES_MAX {
        return Err(CertError::TooLarge { bytes: der.len(), max: CERT_BYTES_MAX });
    }
    let (rest, parsed) = X509Certificate::from_der(der).map_err(|e| malformed(&e.to_string()))?;
    if !rest.is_empty() {
        return Err(malformed("there are bytes after its end"));
    }
    if parsed.version() != X509Version::V3 {
        return Err(malformed("it is not of version 3"));
    }
    parsed.extensions_map().map_err(|_| malformed("an extension is there twice"))?;

    let mut cert = Cert {
        uris: Vec::new(),
        dns_names: Vec::new(),
        has_other_sans: false,
        is_ca: false,
        key_usage: None,
        ext_key_usage: None,
        not_before: timestamp(parsed.validity().not_before.timestamp()),
        not_after: timestamp(parsed.validity().not_after.timestamp()),
        serial_hex: crate::hash::hex(parsed.raw_serial()),
        spki: parsed.public_key().raw.to_vec(),
    };
    for extension in parsed.extensions() {
        cert.take_up(extension.parsed_extension())?;
    }
    Ok(cert)
}

impl Cert {
    fn take_up(&mut self, extension: &ParsedExtension<'_>) -> Result<(), CertError> {
        match extension {
            ParsedExtension::ParseError { error } => return Err(malformed(&format!("broken extension: {error}"))),
            ParsedExtension::SubjectAlternativeName(names) => {
                for name in &names.general_names {
                    match name {
                        GeneralName::URI(uri) => self.uris.push((*uri).to_owned()),
                        GeneralName::Invalid(tag, _) => {
                            return Err(malformed(&format!("broken subject alternative name of type {}", tag.0)));
                        }
                        GeneralName::DNSName(name) => {
                            self.dns_names.push((*name).to_owned());
                            self.has_other_sans = true;
                        }
                        _ => self.has_other_sans = true,
                    }
                }
            }
            ParsedExtension::BasicConstraints(constraints) => self.is_ca = constraints.ca,
            ParsedExtension::KeyUsage(usage) => {
                self.key_usage = Some(KeyUsage {
                    digital_signature: usage.digital_signature(),
                    key_cert_sign: usage.key_cert_sign(),
                    crl_sign: usage.crl_sign(),
                });
            }
            ParsedExtension::ExtendedKeyUsage(usage) => {
                self.ext_key_usage =
                    Some(ExtKeyUsage { server_auth: usage.server_auth, client_auth: usage.client_auth });
            }
            _ => {} // what it means is for the path: webpki refuses critical extensions that it does not know
        }
        Ok(())
    }
}

fn malformed(why: &str) -> CertError {
    CertError::Malformed { why: why.to_lowercase() }
}

/// A time before 1970 becomes 0: for the start of validity the same, for its end as refused as before.
fn timestamp(unix_s: i64) -> Timestamp {
    Timestamp::from_secs(u64::try_from(unix_s).unwrap_or(0))
}

/// What the leaf of a path wants to be; certificates that name no purpose may be anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// A TLS server.
    Server,
    /// A TLS client.
    Client,
    /// Either end, as every X.509-SVID is.
    Peer,
}

impl webpki::ExtendedKeyUsageValidator for Usage {
    fn validate(&self, purposes: webpki::KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1]; // 1.3.6.1.5.5.7.3.1
        const CLIENT_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2]; // 1.3.6.1.5.5.7.3.2
        let (mut any, mut server, mut client) = (false, false, false);
        for purpose in purposes {
            let purpose = purpose?;
            any = true;
            server |= purpose == webpki::KeyPurposeId::new(SERVER_AUTH);
            client |= purpose == webpki::KeyPurposeId::new(CLIENT_AUTH);
        }
        let fits = match self {
            Self::Server => server,
            Self::Client => client,
            Self::Peer => server && client,
        };
        // The library's own error for this cannot be built from outside; this one is mapped to `Misused` as well.
        if fits || !any { Ok(()) } else { Err(webpki::Error::EmptyEkuExtension) }
    }
}

/// Checks that `chain` (leaf first, then its issuers in any order) leads to one of `roots`, at `now`.
///
/// Work is bounded: [`CHAIN_CERTS_MAX`] certificates of [`CERT_BYTES_MAX`] bytes, and the library tries at most 100
/// signatures. An empty list of roots trusts nobody. Returns which of `roots` it is.
///
/// # Errors
/// [`PathError`]; where several paths fail, the most telling reason.
pub fn verify_path(chain: &[&[u8]], roots: &[Vec<u8>], now: Timestamp, usage: Usage) -> Result<usize, PathError> {
    check_sizes(chain)?;
    let (leaf, issuers) = chain.split_first().ok_or(PathError::Empty)?;
    let leaf = CertificateDer::from(*leaf);
    let leaf = webpki::EndEntityCert::try_from(&leaf).map_err(path_error)?;
    let issuers: Vec<CertificateDer<'_>> = issuers.iter().map(|der| CertificateDer::from(*der)).collect();
    let roots: Vec<CertificateDer<'_>> = roots.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    let anchors = roots.iter().map(webpki::anchor_from_trusted_cert).collect::<Result<Vec<TrustAnchor<'_>>, _>>();
    let anchors = anchors.map_err(path_error)?;
    let at = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs()));
    let path = leaf.verify_for_usage(ALGORITHMS, &anchors, &issuers, at, usage, None, None).map_err(path_error)?;
    // The library hands back one of `anchors`, by reference.
    let found = anchors.iter().position(|anchor| std::ptr::eq(anchor, path.anchor()));
    found.ok_or_else(|| PathError::Untrusted { why: "the path leads to no given root".to_owned() })
}

/// Refuses a chain by number and size alone, before anything in it is parsed.
///
/// # Errors
/// [`PathError::Empty`], [`PathError::TooMany`], [`PathError::TooLarge`].
pub fn check_sizes(chain: &[&[u8]]) -> Result<(), PathError> {
    if chain.is_empty() {
        return Err(PathError::Empty);
    }
    if chain.len() > CHAIN_CERTS_MAX {
        return Err(PathError::TooMany { certs: chain.len(), max: CHAIN_CERTS_MAX });
    }
    match chain.iter().find(|der| der.len() > CERT_BYTES_MAX) {
        Some(der) => Err(PathError::TooLarge { bytes: der.len(), max: CERT_BYTES_MAX }),
        None => Ok(()),
    }
}

fn path_error(error: webpki::Error) -> PathError {
    use webpki::Error as E;
    let untrusted = |why: &str| PathError::Untrusted { why: why.to_owned() };
    let misused = |why: &str| PathError::Misused { why: why.to_owned() };
    let moment = |at: UnixTime| Timestamp::from_secs(at.as_secs());
    match error {
        E::CertExpired { not_after, time } => PathError::Expired { not_after: moment(not_after), now: moment(time) },
        E::CertNotValidYet { not_before, time } => {
            PathError::NotYetValid { not_before: moment(not_before), now: moment(time) }
        }
        E::UnknownIssuer => untrusted("its issuer is not known"),
        E::InvalidSignatureForPublicKey => untrusted("a signature is wrong"),
        E::MaximumSignatureChecksExceeded | E::MaximumPathBuildCallsExceeded => untrusted("the chain is too tangled"),
        E::UnsupportedSignatureAlgorithmContext(_) | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            untrusted("a signature is not ECDSA on P-256 or P-384")
        }
        E::CertDistrusted | E::SignatureAlgorithmMismatch => untrusted(&format!("{error:?}")),
        E::CaUsedAsEndEntity => misused("the leaf is a CA"),
        E::EndEntityUsedAsCa => misused("an issuer is not a CA"),
        E::PathLenConstraintViolated => misused("too many certificates below a CA"),
        E::EmptyEkuExtension => misused("its extended key usage does not allow this purpose"),
        E::MaximumPathDepthExceeded | E::NameConstraintViolation => misused(&format!("{error:?}")),
        E::UnsupportedCriticalExtension => PathError::Malformed { why: "a critical extension is not known".to_owned() },
        other => PathError::Malformed { why: format!("{other:?}") },
    }
}

/// One certificate as PEM (RFC 7468).
pub fn pem(der: &[u8]) -> String {
    pem_of("CERTIFICATE", der)
}

/// Any structure as PEM.
pub(crate) fn pem_of(label: &str, der: &[u8]) -> String {
    let text = crate::base64::encode(der);
    let mut pem = String::with_capacity(text.len() + text.len() / 64 + 60);
    pem.push_str(&format!("-----BEGIN {label}-----\n"));
    for line in text.as_bytes().chunks(64) {
        pem.extend(line.iter().map(|&byte| char::from(byte)));
        pem.push('\n');
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

/// The certificates that a byte string holds one after the other, as the SPIFFE Workload API has them; each is readable by
/// [`read`].
///
/// # Errors
/// [`CertError`] where there is none, more than [`PEM_CERTS_MAX`], or one that does not read.
pub fn split(mut der: &[u8]) -> Result<Vec<&[u8]>, CertError> {
    let mut certs = Vec::new();
    while !der.is_empty() {
        // A certificate is longer than 255 bytes and shorter than 64 KiB, so its length takes two bytes in DER.
        let [0x30, 0x82, high, low, ..] = der else { return Err(malformed("not a certificate of usual length")) };
        let bytes = 4 + usize::from(u16::from_be_bytes([*high, *low]));
        let (cert, rest) = der.split_at_checked(bytes).ok_or_else(|| malformed("a certificate is cut short"))?;
        read(cert)?;
        if certs.len() == PEM_CERTS_MAX {
            return Err(malformed("more certificates than a bundle may hold"));
        }
        certs.push(cert);
        der = rest;
    }
    if certs.is_empty() {
        return Err(malformed("no certificate"));
    }
    Ok(certs)
}

/// Every certificate of a PEM text, in its order, each readable by [`read`]; text around them is skipped.
///
/// # Errors
/// [`CertError`] where there is none, more than [`PEM_CERTS_MAX`], or one that does not read.
pub fn from_pem(text: &str) -> Result<Vec<Vec<u8>>, CertError> {
    if text.len() > PEM_BYTES_MAX {
        return Err(CertError::TooLarge { bytes: text.len(), max: PEM_BYTES_MAX });
    }
    let mut certs = Vec::new();
    for item in CertificateDer::pem_slice_iter(text.as_bytes()) {
        let der = item.map_err(|e| malformed(&e.to_string()))?.to_vec();
        read(&der)?;
        if certs.len() == PEM_CERTS_MAX {
            return Err(malformed("more certificates than a bundle may hold"));
        }
        certs.push(der);
    }
    if certs.is_empty() {
        return Err(malformed("no `BEGIN CERTIFICATE` in the text"));
    }
    Ok(certs)
}
