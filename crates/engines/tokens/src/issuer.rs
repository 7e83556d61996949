//! Whose tokens are believed: by issuer, the algorithms that it is pinned to, and its keys by name.

use crate::limits::{ISSUERS_MAX, TEXT_BYTES_MAX};
use bartizan_crypto::jose::{Alg, Jwk, JwkSet, VerifyKey};
use std::collections::BTreeMap;

/// What an operator says of an issuer, apart from its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pins {
    /// `iss`, to the letter.
    pub issuer: String,
    /// How it signs; at least one.
    pub algs: Vec<Alg>,
    /// Whether its tokens have to be bound to a certificate or a key.
    pub bound: bool,
}

/// Why an issuer is not taken. Nothing of it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuerError {
    /// Empty, or longer than [`TEXT_BYTES_MAX`].
    #[error("an issuer's name has 1 to {TEXT_BYTES_MAX} bytes")]
    Name,
    /// No algorithm is pinned.
    #[error("issuer `{0}` is pinned to no algorithm; name at least one, such as ES256")]
    NoAlgorithm(String),
    /// None of its keys can be used with a pinned algorithm and has a name.
    #[error("none of the keys of issuer `{0}` has a `kid` and is for an algorithm that it is pinned to")]
    NoKeys(String),
    /// A key does not say which of several pinned algorithms it is for.
    #[error("key `{kid}` of issuer `{issuer}` has no `alg`, and several that it is pinned to would fit; pin one")]
    Ambiguous {
        /// Who.
        issuer: String,
        /// The key's name.
        kid: String,
    },
    /// There twice.
    #[error("issuer `{0}` is there twice")]
    Doubled(String),
    /// More than [`ISSUERS_MAX`].
    #[error("more than {ISSUERS_MAX} issuers")]
    TooMany,
}

/// One issuer with its keys, each for one algorithm.
#[derive(Clone, Debug)]
pub struct Issuer {
    pins: Pins,
    keys: BTreeMap<String, VerifyKey>,
}

impl Issuer {
    /// Joins what is pinned with the keys that the issuer publishes. Keys without a name, and for other algorithms than the
    /// pinned ones, are left out: no token can be checked with them.
    ///
    /// # Errors
    /// [`IssuerError`], but for [`IssuerError::Doubled`] and [`IssuerError::TooMany`].
    pub fn new(pins: Pins, published: &JwkSet) -> Result<Self, IssuerError> {
        if pins.issuer.is_empty() || pins.issuer.len() > TEXT_BYTES_MAX {
            return Err(IssuerError::Name);
        }
        if pins.algs.is_empty() {
            return Err(IssuerError::NoAlgorithm(pins.issuer));
        }
        let mut keys = BTreeMap::new();
        for (kid, jwk) in published.keys.iter().filter_map(|jwk| jwk.kid().map(|kid| (kid, jwk))) {
            if let Some(key) = pinned(&pins, kid, jwk)? {
                keys.insert(kid.to_owned(), key);
            }
        }
        if keys.is_empty() { Err(IssuerError::NoKeys(pins.issuer)) } else { Ok(Self { pins, keys }) }
    }

    /// What is pinned of it.
    pub fn pins(&self) -> &Pins {
        &self.pins
    }

    /// Its key of that name.
    pub fn key(&self, kid: &str) -> Option<&VerifyKey> {
        self.keys.get(kid)
    }
}

fn pinned(pins: &Pins, kid: &str, jwk: &Jwk) -> Result<Option<VerifyKey>, IssuerError> {
    let mut algs = jwk.algs().iter().filter(|alg| pins.algs.contains(alg));
    match (algs.next(), algs.next()) {
        (None, _) => Ok(None),
        (Some(alg), None) => Ok(jwk.verify_key(*alg).ok()),
        (Some(_), Some(_)) => Err(IssuerError::Ambiguous { issuer: pins.issuer.clone(), kid: kid.to_owned() }),
    }
}

/// All issuers at one time. A newer set takes the place of this one as a whole, under a higher version.
#[derive(Clone, Debug, Default)]
pub struct Issuers {
    version: u64,
    by_name: BTreeMap<String, Issuer>,
}

impl Issuers {
    /// A set; `version` differs from that of every other set that was in force.
    ///
    /// # Errors
    /// [`IssuerError::Doubled`], [`IssuerError::TooMany`].
    pub fn new(version: u64, issuers: Vec<Issuer>) -> Result<Self, IssuerError> {
        if issuers.len() > ISSUERS_MAX {
            return Err(IssuerError::TooMany);
        }
        let mut by_name = BTreeMap::new();
        for issuer in issuers {
            if let Some(doubled) = by_name.insert(issuer.pins.issuer.clone(), issuer) {
                return Err(IssuerError::Doubled(doubled.pins.issuer));
            }
        }
        Ok(Self { version, by_name })
    }

    /// Which set this is.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The issuer of that name, to the letter.
    pub fn find(&self, issuer: &str) -> Option<&Issuer> {
        self.by_name.get(issuer)
    }
}
