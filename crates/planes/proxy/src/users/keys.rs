//! The keys of programs that count at the gateway.

use bartizan_core::api_key::{ApiKey, KEY_ISSUER};
use bartizan_core::snapshot::Directory;
use bartizan_core::user::User;
use bartizan_crypto::hash;
use bartizan_tokens::api_key::KeyHash;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// All of them, by what is kept of each.
#[derive(Debug, Default)]
pub struct EdgeKeys(HashMap<KeyHash, HeldKey>);

/// The claims of somebody of whom no token says any. Policies may ask for each of those that the fleet file names.
pub(crate) fn no_claims(directory: &Directory) -> BTreeMap<String, Vec<String>> {
    let users = directory.own.gateway.iter().flat_map(|gateway| &gateway.users);
    users.flat_map(|users| users.claims()).map(|name| (name.to_owned(), Vec::new())).collect()
}

/// One key.
#[derive(Debug)]
pub struct HeldKey {
    /// What control says of it.
    pub said: ApiKey,
    /// Its owner, as policies know them.
    pub owner: Arc<User>,
    hash: KeyHash,
}

impl EdgeKeys {
    /// Those that the directory names.
    pub fn of(directory: &Directory) -> Self {
        let gateway = directory.own.gateway.iter();
        let claims = no_claims(directory);
        let keys = gateway.flat_map(|gateway| &gateway.keys);
        let keys = keys.filter_map(|key| HeldKey::of(key, &claims).map(|held| (held.hash, held)));
        Self(keys.collect())
    }

    /// The one of this hash.
    pub fn find(&self, hash: &KeyHash) -> Option<&HeldKey> {
        // Found by another hash of it under a key of this process, and compared in constant time: how long it takes says nothing of
        // what is kept here.
        self.0.get(hash).filter(|held| hash::equal(&held.hash, hash))
    }
}

impl HeldKey {
    fn of(said: &ApiKey, claims: &BTreeMap<String, Vec<String>>) -> Option<Self> {
        let hash: KeyHash = hash::unhex(&said.hash)?.try_into().ok()?;
        let owner = User {
            issuer: KEY_ISSUER.to_owned(),
            subject: said.subject(),
            client: said.subject(),
            scopes: said.scopes.clone(),
            roles: Vec::new(),
            tenant: said.tenant.clone(),
            claims: claims.clone(),
        };
        Some(Self { said: said.clone(), owner: Arc::new(owner), hash })
    }
}
