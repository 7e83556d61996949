//! Certificate authorities: a root that lies sealed, and an issuing CA in each control process.

use crate::limits::{CRL_TTL, EDGE_TTL, ISSUING_TTL, ROOT_TTL};
use bartizan_core::limits::{CLOCK_SKEW, LEAF_TTL};
use bartizan_core::workload::is_reserved;
use bartizan_core::{Secret, SpiffeId, Timestamp, TrustDomain};
use bartizan_crypto::crl::{self, RevokedCert};
use bartizan_crypto::csr::CsrKey;
use bartizan_crypto::issue::{self, Issuer, Validity};
use bartizan_crypto::key::Sign;
use bartizan_crypto::{CryptoError, KeyPair, base64, cert, hash, seal};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// Why no certificate was issued. Nothing was signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// The name belongs to another trust domain. Retrying cannot help.
    #[error("identity `{requested}` is outside trust domain `{domain}`")]
    ForeignTrustDomain {
        /// What was asked for.
        requested: SpiffeId,
        /// What this CA issues for.
        domain: TrustDomain,
    },
    /// The name is of the right domain but stands for no role. Retrying cannot help.
    #[error("identity `{requested}` is no service, node or control of `{domain}`")]
    NoRole {
        /// What was asked for.
        requested: SpiffeId,
        /// What this CA issues for.
        domain: TrustDomain,
    },
    /// The name belongs to one of our own roles, which workloads never have. Retrying cannot help.
    #[error("identity `{requested}` is kept for services, nodes and control")]
    Reserved {
        /// What was asked for.
        requested: SpiffeId,
    },
    /// The CA's own certificate has run out or does not count yet; renew it and ask again.
    #[error("the CA's own certificate {}; renew it", out_of_date(*validity, *now))]
    IssuerOutOfDate {
        /// When the CA's certificate is valid.
        validity: Validity,
        /// The moment of asking.
        now: Timestamp,
    },
    /// Key or names cannot be put into a certificate, or signing failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

fn out_of_date(validity: Validity, now: Timestamp) -> String {
    if now < validity.not_before {
        return format!("becomes valid only in {} s", validity.not_before.since(now).as_secs());
    }
    format!("ran out {} s ago", now.since(validity.not_after).as_secs())
}

/// Why a sealed root did not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The passphrase is wrong, or the sealed key was altered; these two cannot be told apart.
    #[error("the root's key does not open: the passphrase is wrong or the file was altered")]
    Passphrase,
    /// The file is not what [`RootCa::seal`] wrote.
    #[error("not a sealed root: {0}")]
    Malformed(String),
}

/// A certificate as handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Svid {
    /// Leaf first, then the issuing CA, DER; what a TLS end presents.
    pub chain: Vec<Vec<u8>>,
    /// First second of validity.
    pub not_before: Timestamp,
    /// Last second of validity.
    pub not_after: Timestamp,
    /// Serial number, lower-case hexadecimal.
    pub serial: String,
}

/// The root of a trust domain. Signs issuing CAs and nothing else.
pub struct RootCa<K: Sign = KeyPair> {
    issuer: Issuer<K>,
    domain: TrustDomain,
}

impl<K: Sign> RootCa<K> {
    /// A new root for `domain`, valid for [`ROOT_TTL`].
    ///
    /// # Errors
    /// [`CryptoError`] where signing fails.
    pub fn create(domain: &TrustDomain, key: K, serial: [u8; 16], now: Timestamp) -> Result<Self, CryptoError> {
        let validity = Validity { not_before: now.minus(CLOCK_SKEW), not_after: now.plus(ROOT_TTL) };
        let certificate = issue::root(&key, domain, serial, validity)?;
        Ok(Self { issuer: Issuer::new(key, &certificate)?, domain: domain.clone() })
    }

    /// Joins the certificate of a root with its key.
    ///
    /// # Errors
    /// [`CryptoError`] where the two do not belong together, it is no CA, or of another trust domain.
    pub fn of(domain: &TrustDomain, key: K, certificate: &[u8]) -> Result<Self, CryptoError> {
        let issuer = Issuer::new(key, certificate)?;
        check_domain(certificate, domain).map_err(|why| CryptoError::Malformed { what: "root certificate", why })?;
        Ok(Self { issuer, domain: domain.clone() })
    }

    /// Its certificate, DER.
    pub fn certificate(&self) -> &[u8] {
        self.issuer.certificate()
    }

    /// The trust domain it stands for.
    pub fn domain(&self) -> &TrustDomain {
        &self.domain
    }

    /// End of its certificate's validity.
    pub fn not_after(&self) -> Timestamp {
        self.issuer.validity().not_after
    }

    /// Certificate for an issuing CA, from a request that proved to hold its key; DER.
    ///
    /// Valid for [`ISSUING_TTL`], never beyond the root.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn sign_issuing(&self, key: &CsrKey, serial: [u8; 16], now: Timestamp) -> Result<Vec<u8>, IssueError> {
        let validity = validity_within(&self.issuer, ISSUING_TTL, now)?;
        Ok(issue::intermediate(&self.issuer, &key.spki, &self.domain, serial, validity)?)
    }
}

impl RootCa {
    /// The root as it lies on disk: its key sealed under a passphrase, `salt` being 16 random bytes.
    ///
    /// # Errors
    /// [`CryptoError`] where the passphrase is empty or too long.
    pub fn seal(&self, passphrase: &Secret<String>, salt: [u8; 16]) -> Result<SealedRoot, CryptoError> {
        let key = seal::key_from_passphrase(passphrase, &salt)?;
        let pkcs8 = self.issuer.key().pkcs8();
        let context = seal_context(&self.domain, self.certificate());
        Ok(SealedRoot {
            trust_domain: self.domain.clone(),
            certificate: cert::pem(self.certificate()),
            salt: base64::encode(&salt),
            sealed_key: base64::encode(&seal::seal(&key, &context, pkcs8.expose())),
        })
    }
}

impl<K: Sign> fmt::Debug for RootCa<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RootCa({})", self.domain)
    }
}

/// A root at rest. Its certificate is public; its key opens with the passphrase only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedRoot {
    /// The trust domain it stands for.
    pub trust_domain: TrustDomain,
    /// Its certificate, PEM.
    pub certificate: String,
    /// Salt of the passphrase, base64.
    pub salt: String,
    /// Its private key, sealed, base64.
    pub sealed_key: String,
}

impl SealedRoot {
    /// Opens the root. Slow on purpose: the passphrase is stretched.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(&self, passphrase: &Secret<String>) -> Result<RootCa, OpenError> {
        let Self { trust_domain, certificate, salt, sealed_key } = self;
        let malformed = |what: &str, e: &dyn fmt::Display| OpenError::Malformed(format!("{what}: {e}"));
        let certificates = cert::from_pem(certificate).map_err(|e| malformed("certificate", &e))?;
        let [certificate] = certificates.as_slice() else {
            return Err(OpenError::Malformed("more than one certificate".to_owned()));
        };
        let salt = base64::decode(salt).map_err(|e| malformed("salt", &e))?;
        let salt: [u8; 16] = salt.try_into().map_err(|_| malformed("salt", &"expected 16 bytes"))?;
        let sealed_key = base64::decode(sealed_key).map_err(|e| malformed("sealed key", &e))?;
        check_domain(certificate, trust_domain).map_err(OpenError::Malformed)?;

        let key = seal::key_from_passphrase(passphrase, &salt).map_err(|_| OpenError::Passphrase)?;
        let context = seal_context(trust_domain, certificate);
        let pkcs8 = seal::open(&key, &context, &sealed_key).map_err(|_| OpenError::Passphrase)?;
        let key = KeyPair::from_pkcs8(&pkcs8).map_err(|e| malformed("key", &e))?;
        let issuer = Issuer::new(key, certificate).map_err(|e| malformed("certificate", &e))?;
        Ok(RootCa { issuer, domain: trust_domain.clone() })
    }
}

/// Ties a sealed key to its certificate: neither can be exchanged for another without the passphrase.
fn seal_context(domain: &TrustDomain, certificate: &[u8]) -> Vec<u8> {
    format!("bartizan root key v1 {domain} {}", hash::hex(&hash::sha256(certificate))).into_bytes()
}

/// A CA that issues leaves for one trust domain.
pub struct IssuingCa {
    issuer: Issuer,
    domain: TrustDomain,
}

impl IssuingCa {
    /// Joins a certificate from [`RootCa::sign_issuing`] with its key.
    ///
    /// # Errors
    /// [`CryptoError`] where certificate and key do not belong together, it is no CA, or of another trust domain.
    pub fn new(key: KeyPair, certificate: &[u8], domain: &TrustDomain) -> Result<Self, CryptoError> {
        let issuer = Issuer::new(key, certificate)?;
        check_domain(certificate, domain).map_err(|why| CryptoError::Malformed { what: "issuing certificate", why })?;
        Ok(Self { issuer, domain: domain.clone() })
    }

    /// Its certificate, DER.
    pub fn certificate(&self) -> &[u8] {
        self.issuer.certificate()
    }

    /// The trust domain it issues for.
    pub fn domain(&self) -> &TrustDomain {
        &self.domain
    }

    /// Start of its certificate's validity.
    pub fn not_before(&self) -> Timestamp {
        self.issuer.validity().not_before
    }

    /// End of its certificate's validity; nothing it issues lives longer.
    pub fn not_after(&self) -> Timestamp {
        self.issuer.validity().not_after
    }

    /// An X.509-SVID for the key `spki` under the name `id`; `serial` is 16 random bytes.
    ///
    /// Valid from `CLOCK_SKEW` before `now` for `LEAF_TTL`, but within the validity of the CA. Whether the caller may have
    /// this name, and whether it holds the key, was decided before.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn issue(&self, spki: &[u8], id: &SpiffeId, serial: [u8; 16], now: Timestamp) -> Result<Svid, IssueError> {
        if id.domain() != self.domain.as_str() {
            return Err(IssueError::ForeignTrustDomain { requested: id.clone(), domain: self.domain.clone() });
        }
        if id.role_in(&self.domain).is_none() {
            return Err(IssueError::NoRole { requested: id.clone(), domain: self.domain.clone() });
        }
        let validity = validity_within(&self.issuer, LEAF_TTL, now)?;
        let leaf = issue::leaf(&self.issuer, spki, id, serial, validity)?;
        Ok(self.svid(leaf, serial, validity))
    }

    /// An X.509-SVID for a workload beside the services: as [`IssuingCa::issue`], for a name that stands for no role of
    /// our own, with DNS names, for `ttl` and at most `LEAF_TTL`.
    ///
    /// # Errors
    /// [`IssueError`]; [`IssueError::Reserved`] for the name of a service, a node or control.
    pub fn issue_workload(
        &self,
        spki: &[u8],
        id: &SpiffeId,
        dns: &[String],
        ttl: Duration,
        serial: [u8; 16],
        now: Timestamp,
    ) -> Result<Svid, IssueError> {
        if id.domain() != self.domain.as_str() {
            return Err(IssueError::ForeignTrustDomain { requested: id.clone(), domain: self.domain.clone() });
        }
        if is_reserved(id.path()) {
            return Err(IssueError::Reserved { requested: id.clone() });
        }
        let validity = validity_within(&self.issuer, ttl.min(LEAF_TTL), now)?;
        let leaf = issue::leaf_with_dns(&self.issuer, spki, id, dns, serial, validity)?;
        Ok(self.svid(leaf, serial, validity))
    }

    /// The gateway's certificate for outside clients, who know hosts and no SPIFFE IDs. Valid for [`EDGE_TTL`].
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn issue_edge(
        &self,
        spki: &[u8],
        dns_names: &[String],
        ips: &[IpAddr],
        serial: [u8; 16],
        now: Timestamp,
    ) -> Result<Svid, IssueError> {
        let validity = validity_within(&self.issuer, EDGE_TTL, now)?;
        let leaf = issue::edge(&self.issuer, spki, dns_names, ips, serial, validity)?;
        Ok(self.svid(leaf, serial, validity))
    }

    /// The revocation list of what this CA has issued, DER, good for [`CRL_TTL`]: for peers that know nothing of deny lists.
    ///
    /// # Errors
    /// [`IssueError::Crypto`].
    pub fn crl(&self, revoked: &[RevokedCert], now: Timestamp) -> Result<Vec<u8>, IssueError> {
        // The time grows from list to list, over restarts and whatever happens to the epochs.
        Ok(crl::crl(&self.issuer, revoked, now.as_millis(), now, now.plus(CRL_TTL))?)
    }

    fn svid(&self, leaf: Vec<u8>, serial: [u8; 16], validity: Validity) -> Svid {
        let Validity { not_before, not_after } = validity;
        let serial = hash::hex(&issue::serial(serial));
        Svid { chain: vec![leaf, self.certificate().to_vec()], not_before, not_after, serial }
    }
}

impl fmt::Debug for IssuingCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IssuingCa({})", self.domain)
    }
}

/// `ttl` from `now`, begun a little earlier for slow clocks, cut to the validity of the issuer, in whole seconds.
fn validity_within<K: Sign>(issuer: &Issuer<K>, ttl: Duration, now: Timestamp) -> Result<Validity, IssueError> {
    let of_issuer = issuer.validity();
    if now < of_issuer.not_before || now >= of_issuer.not_after {
        return Err(IssueError::IssuerOutOfDate { validity: of_issuer, now });
    }
    let whole = |at: Timestamp| Timestamp::from_secs(at.as_secs());
    Ok(Validity {
        not_before: whole(now.minus(CLOCK_SKEW)).max(of_issuer.not_before),
        not_after: whole(now.plus(ttl)).min(of_issuer.not_after),
    })
}

fn check_domain(certificate: &[u8], domain: &TrustDomain) -> Result<(), String> {
    let read = cert::read(certificate).map_err(|e| e.to_string())?;
    let expected = format!("spiffe://{domain}");
    if read.uris() == [expected.as_str()] { Ok(()) } else { Err(format!("its certificate is not for `{domain}`")) }
}
