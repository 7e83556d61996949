//! Trust bundles: which roots count for which trust domain.

use crate::limits::{DOMAINS_MAX, ROOTS_MAX};
use crate::peer::{Fingerprint, VerifiedPeer};
use bartizan_core::path::PathPattern;
use bartizan_core::snapshot::Bundles;
use bartizan_core::{SpiffeId, Timestamp, TrustDomain};
use bartizan_crypto::{base64, cert, hash};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Roots by trust domain, each read and found to be a CA. A domain without roots is known and trusts nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustBundles {
    domains: BTreeMap<String, Roots>,
}

/// `ders[i]` is valid as `dates[i]` says, and its SHA-256 is `fingerprints[i]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Roots {
    /// The paths that identities below them may have; any where empty.
    paths: Vec<PathPattern>,
    ders: Vec<Vec<u8>>,
    dates: Vec<Dates>,
    fingerprints: Vec<Fingerprint>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Dates {
    not_before: Timestamp,
    not_after: Timestamp,
}

/// Why a domain has no root to build a path to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRoots {
    /// No bundle is held for it.
    UnknownDomain,
    /// All of its roots have run out.
    Expired,
    /// All of its roots become valid later.
    NotYetValid,
}

/// Why a set of bundles was refused; it is refused whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// A root is not base64, not a certificate, or no CA.
    #[error("root {at} of trust domain `{domain}` is refused: {why}")]
    Root {
        /// Whose root.
        domain: TrustDomain,
        /// Which one, counted from 1.
        at: usize,
        /// What is wrong with it.
        why: String,
    },
    /// More roots than [`ROOTS_MAX`].
    #[error("trust domain `{domain}` has {roots} roots, more than {ROOTS_MAX}; remove those that are retired")]
    TooManyRoots {
        /// Whose roots.
        domain: TrustDomain,
        /// How many there are.
        roots: usize,
    },
    /// More domains than [`DOMAINS_MAX`].
    #[error("{domains} trust domains are more than {DOMAINS_MAX}")]
    TooManyDomains {
        /// How many there are.
        domains: usize,
    },
    /// The PEM text does not read.
    #[error("roots of trust domain `{domain}` are not readable PEM: {why}")]
    Pem {
        /// Whose roots.
        domain: TrustDomain,
        /// What is wrong.
        why: String,
    },
}

impl TrustBundles {
    /// Reads the payload of a snapshot.
    ///
    /// # Errors
    /// [`BundleError`]; one bad root refuses them all.
    pub fn read(bundles: &Bundles) -> Result<Self, BundleError> {
        if bundles.roots.len() > DOMAINS_MAX {
            return Err(BundleError::TooManyDomains { domains: bundles.roots.len() });
        }
        let mut read = Self::default();
        for (domain, texts) in &bundles.roots {
            let decode = |(i, text): (usize, &String)| {
                let why = |e: bartizan_crypto::CryptoError| BundleError::Root {
                    domain: domain.clone(),
                    at: i + 1,
                    why: e.to_string(),
                };
                base64::decode(text).map_err(why)
            };
            let ders = texts.iter().enumerate().map(decode).collect::<Result<Vec<_>, _>>()?;
            let paths = bundles.paths.get(domain).cloned().unwrap_or_default();
            read.insert(domain, ders, paths)?;
        }
        Ok(read)
    }

    /// Bundles of one domain, from the DER of its roots.
    ///
    /// # Errors
    /// As [`TrustBundles::read`].
    pub fn of(domain: &TrustDomain, roots: Vec<Vec<u8>>) -> Result<Self, BundleError> {
        let mut read = Self::default();
        read.insert(domain, roots, Vec::new())?;
        Ok(read)
    }

    /// Bundles of one domain, from a PEM text: what a node or proxy is started with.
    ///
    /// # Errors
    /// As [`TrustBundles::read`].
    pub fn from_pem(domain: &TrustDomain, text: &str) -> Result<Self, BundleError> {
        let why = |e: bartizan_crypto::CertError| BundleError::Pem { domain: domain.clone(), why: e.to_string() };
        Self::of(domain, cert::from_pem(text).map_err(why)?)
    }

    /// The same as a payload for a snapshot.
    pub fn snapshot(&self) -> Bundles {
        let text = |roots: &Roots| roots.ders.iter().map(|der| base64::encode(der)).collect();
        let name = |domain: &str| TrustDomain::parse(domain).expect("domains are kept as they were parsed");
        let all = self.domains.iter().map(|(domain, roots)| (name(domain), roots));
        let narrow = all.clone().filter(|(_, roots)| !roots.paths.is_empty());
        let paths = narrow.map(|(domain, roots)| (domain, roots.paths.clone())).collect();
        Bundles { roots: all.map(|(domain, roots)| (domain, text(roots))).collect(), paths, ..Bundles::default() }
    }

    /// The roots of `domain`, DER; `None` where the domain is not known.
    pub fn roots_of(&self, domain: &str) -> Option<&[Vec<u8>]> {
        self.domains.get(domain).map(|roots| roots.ders.as_slice())
    }

    /// Every domain that is known.
    pub fn domains(&self) -> impl Iterator<Item = &str> {
        self.domains.keys().map(String::as_str)
    }

    /// Whether the domain of `id` is known and may have identities of that path.
    pub fn may_name(&self, id: &SpiffeId) -> bool {
        let may = |roots: &Roots| roots.paths.is_empty() || roots.paths.iter().any(|path| path.matches(id.path()));
        self.domains.get(id.domain()).is_some_and(may)
    }

    /// Whether the root that `peer` was verified by is still trusted for its domain, and its domain for its path. Dates are not looked at: the peer's own
    /// end of validity covers its whole chain.
    pub fn still_trust(&self, peer: &VerifiedPeer) -> bool {
        let roots = self.domains.get(peer.id().domain());
        roots.is_some_and(|roots| roots.fingerprints.contains(peer.root())) && self.may_name(peer.id())
    }

    /// The roots of `domain` that are in date at `now`: path building itself does not look at the dates of roots.
    pub(crate) fn roots_at(&self, domain: &str, now: Timestamp) -> Result<Cow<'_, [Vec<u8>]>, NoRoots> {
        let roots = self.domains.get(domain).ok_or(NoRoots::UnknownDomain)?;
        let now = now.as_secs();
        let in_date = |dates: &Dates| dates.not_before.as_secs() <= now && now <= dates.not_after.as_secs();
        if roots.dates.iter().all(in_date) {
            return Ok(Cow::Borrowed(&roots.ders));
        }
        let with_dates = roots.ders.iter().zip(&roots.dates);
        let left: Vec<_> = with_dates.filter(|(_, dates)| in_date(dates)).map(|(der, _)| der.clone()).collect();
        if !left.is_empty() {
            return Ok(Cow::Owned(left));
        }
        let all_early = roots.dates.iter().all(|dates| now < dates.not_before.as_secs());
        Err(if all_early { NoRoots::NotYetValid } else { NoRoots::Expired })
    }

    fn insert(&mut self, domain: &TrustDomain, ders: Vec<Vec<u8>>, paths: Vec<PathPattern>) -> Result<(), BundleError> {
        if ders.len() > ROOTS_MAX {
            return Err(BundleError::TooManyRoots { domain: domain.clone(), roots: ders.len() });
        }
        let dates = ders.iter().enumerate().map(|(i, der)| {
            dates_of_root(der).map_err(|why| BundleError::Root { domain: domain.clone(), at: i + 1, why })
        });
        let dates = dates.collect::<Result<Vec<_>, _>>()?;
        let fingerprints = ders.iter().map(|der| hash::sha256(der)).collect();
        self.domains.insert(domain.as_str().to_owned(), Roots { paths, ders, dates, fingerprints });
        Ok(())
    }
}

fn dates_of_root(der: &[u8]) -> Result<Dates, String> {
    let root = cert::read(der).map_err(|e| e.to_string())?;
    if !root.is_ca() {
        return Err("it is not a CA".to_owned());
    }
    Ok(Dates { not_before: root.not_before(), not_after: root.not_after() })
}
