//! Machines: a node with a certificate from an outside CA proves which machine it runs on (X.509 proof of possession).
//!
//! Control sends a challenge; the machine signs it with its certificate's key, together with everything that the answer is
//! for. Whatever is concluded comes out of the leaf that was verified, nothing out of what was said beside it.

use crate::bundle::{BundleError, NoRoots, TrustBundles};
use crate::peer::Fingerprint;
use bartizan_core::{ServiceName, Timestamp, TrustDomain};
use bartizan_crypto::cert::{self, Cert, Usage};
use bartizan_crypto::{CertError, CryptoError, KeyPair, PathError, base64, hash, key};

/// Stands before the signed text, so that no other signature of a machine's key can be taken for a proof.
const PURPOSE: &str = "bartizan machine proof v1";
/// Longest DNS name in bytes (RFC 1035 section 2.3.4, without the closing dot).
const DNS_BYTES_MAX: usize = 253;

/// Why a machine is not believed, or none can be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MachineError {
    /// The roots cannot be used.
    #[error(transparent)]
    Roots(#[from] BundleError),
    /// The DNS domain of the machines is none.
    #[error("`{0}` is not a DNS domain in lower case, such as `nodes.bank.example`")]
    Suffix(String),
    /// A certificate cannot be read.
    #[error(transparent)]
    Cert(#[from] CertError),
    /// The leaf is not one of a machine, or an issuer may not issue.
    #[error("the machine's certificate is refused: {0}")]
    Unfit(String),
    /// The certificate is another machine's.
    #[error("the certificate is for node `{certified}`, asked for was `{wanted}`")]
    OtherName {
        /// The name in the certificate.
        certified: ServiceName,
        /// The name that was asked for.
        wanted: ServiceName,
    },
    /// The answer was not made by the certificate's key, or for another challenge, request, name or domain.
    #[error("the machine did not prove that it holds its certificate's key for this challenge and request")]
    Proof,
    /// No path leads to the roots that may vouch for machines.
    #[error(transparent)]
    Path(#[from] PathError),
    /// None of the roots is in date.
    #[error("no root of the machines is in date")]
    NoRoots,
}

/// Who may vouch for machines: roots of their own, never mixed with those of trust domains.
#[derive(Clone, Debug)]
pub struct MachineRoots {
    roots: TrustBundles,
    /// The DNS domain right below which the machines' names are.
    suffix: String,
}

/// What an answer is for.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Whose control asks.
    pub domain: &'a TrustDomain,
    /// The node that wants to join.
    pub name: &'a ServiceName,
    /// What control sent.
    pub challenge: &'a [u8],
    /// The certificate request that the identity will be for, DER.
    pub csr: &'a [u8],
}

/// A machine that proved to hold the key of a certificate. [`MachineRoots::check`] is the only constructor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Machine {
    /// The node's name, out of the certificate.
    pub name: ServiceName,
    /// Serial number of the certificate, lower-case hexadecimal.
    pub serial: String,
    /// Fingerprint of its key.
    pub key: Fingerprint,
    /// Fingerprints of the keys of all CAs that came along.
    pub issuers: Vec<Fingerprint>,
}

/// Answers a challenge with the key of the machine's certificate.
///
/// # Errors
/// [`CryptoError`] where signing fails.
pub fn answer(key: &KeyPair, question: &Question<'_>) -> Result<Vec<u8>, CryptoError> {
    key.sign(&text(question))
}

/// One line for each part; none of them can hold a line's end.
fn text(question: &Question<'_>) -> Vec<u8> {
    let Question { domain, name, challenge, csr } = question;
    let (challenge, csr) = (base64::encode(challenge), hash::hex(&hash::sha256(csr)));
    format!("{PURPOSE}\n{domain}\n{name}\n{challenge}\n{csr}").into_bytes()
}

impl MachineRoots {
    /// Roots, DER, that vouch for machines whose DNS name is one label below `suffix`.
    ///
    /// # Errors
    /// [`MachineError::Roots`], [`MachineError::Suffix`].
    pub fn new(roots: Vec<Vec<u8>>, suffix: &str) -> Result<Self, MachineError> {
        let label = |label: &str| {
            let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            !label.is_empty() && label.bytes().all(allowed)
        };
        if suffix.len() > DNS_BYTES_MAX || !suffix.split('.').all(label) {
            return Err(MachineError::Suffix(suffix.to_owned()));
        }
        Ok(Self { roots: TrustBundles::of(&shelf(), roots)?, suffix: suffix.to_owned() })
    }

    /// Checks an answer and the chain, leaf first, of whoever gave it.
    ///
    /// Work is bounded: sizes and counts first, then the leaf's own rules, then its signature on the answer, then the path,
    /// for which at most 100 signatures are tried.
    ///
    /// # Errors
    /// [`MachineError`]; anything that cannot be checked is refused.
    pub fn check(
        &self,
        chain: &[&[u8]],
        answer: &[u8],
        question: &Question<'_>,
        now: Timestamp,
    ) -> Result<Machine, MachineError> {
        cert::check_sizes(chain)?;
        let (leaf, issuers) = chain.split_first().expect("an empty chain was refused above");
        let leaf = cert::read(leaf)?;
        let name = self.name_of(&leaf)?;
        if name != *question.name {
            return Err(MachineError::OtherName { certified: name, wanted: question.name.clone() });
        }
        let issuers = issuers.iter().map(|der| issuer_key(der)).collect::<Result<Vec<_>, _>>()?;
        match key::verify(leaf.spki(), &text(question), answer) {
            Ok(()) => {}
            Err(error @ CryptoError::UnsupportedKey) => return Err(MachineError::Unfit(error.to_string())),
            Err(_) => return Err(MachineError::Proof),
        }
        let roots = self.roots.roots_at(shelf().as_str(), now).map_err(|_: NoRoots| MachineError::NoRoots)?;
        cert::verify_path(chain, &roots, now, Usage::Client)?;
        Ok(Machine { name, serial: leaf.serial_hex().to_owned(), key: hash::sha256(leaf.spki()), issuers })
    }

    /// The node's name in a machine's leaf: the label before the suffix in the only DNS name right below it.
    fn name_of(&self, leaf: &Cert) -> Result<ServiceName, MachineError> {
        let unfit = |why: &str| MachineError::Unfit(why.to_owned());
        if leaf.is_ca() {
            return Err(unfit("it is a CA"));
        }
        if leaf.key_usage().is_some_and(|usage| !usage.digital_signature || usage.key_cert_sign || usage.crl_sign) {
            return Err(unfit("its key usage is not that of a leaf which signs"));
        }
        // A workload may have DNS names too; should the roots be the same by mistake, it is no machine for that.
        if leaf.uris().iter().any(|uri| uri.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("spiffe:"))) {
            return Err(unfit("it is an SVID"));
        }
        let label = |name: &str| Some(name.strip_suffix(self.suffix.as_str())?.strip_suffix('.')?.to_owned());
        let lower: Vec<_> = leaf.dns_names().iter().map(|name| name.to_ascii_lowercase()).collect();
        let mut below = lower.iter().filter_map(|name| label(name)).filter(|label| !label.contains('.'));
        let (Some(one), None) = (below.next(), below.next()) else {
            let why = format!("not exactly one of its DNS names is right below `{}`", self.suffix);
            return Err(MachineError::Unfit(why));
        };
        ServiceName::parse(&one).map_err(|e| MachineError::Unfit(format!("`{one}` is no node's name: {}", e.why)))
    }
}

/// Every certificate that came along has to be one that may issue, also where the path does not need it.
fn issuer_key(der: &[u8]) -> Result<Fingerprint, MachineError> {
    let issuer = cert::read(der)?;
    if !issuer.is_ca() || issuer.key_usage().is_some_and(|usage| !usage.key_cert_sign) {
        return Err(MachineError::Unfit("an issuer may not issue".to_owned()));
    }
    Ok(hash::sha256(issuer.spki()))
}

/// Where the roots lie in their bundle, which is nobody's but theirs.
fn shelf() -> TrustDomain {
    TrustDomain::parse("machines").expect("a lower-case word is a trust domain")
}
