//! What one worker found out about tokens and need not find out again.

use super::narrowing::{NotNarrowed, Wanted};
use super::{Minted, Tokens};
use crate::limits::TXN_MEMORY_MAX;
use bartizan_core::user::User;
use bartizan_core::{Secret, SpiffeId, Timestamp, TrustDomain};
use bartizan_crypto::{hash, random};
use bartizan_identity::DenyIndex;
use bartizan_tokens::txn::{Certificate, Delegates, TxnError, narrow, verify_txn};
use bartizan_tokens::{Issuers, TokenCache, user_in};
use std::collections::HashMap;
use std::sync::Arc;

/// The tokens that one worker found good.
#[derive(Debug)]
pub struct Memory {
    /// Of outside tokens, at the gateway.
    pub access: TokenCache,
    /// What this worker minted, at the gateway.
    pub minted: Minted,
    domain: TrustDomain,
    /// The authority under which everything below was found good; with other keys of it that begins anew.
    authority_version: u64,
    delegates: Delegates,
    /// Delegations that were taken up, by their hash.
    delegations: HashMap<[u8; 32], Timestamp>,
    /// Transaction tokens by the hash of token and delegation. Once there are [`TXN_MEMORY_MAX`], they become the old ones, and
    /// those are forgotten: users bring new ones all the time, so nothing may be searched for room.
    known: HashMap<[u8; 32], Vouched>,
    old: HashMap<[u8; 32], Vouched>,
    /// What was left of tokens on the edges of this guard, by the hash of both and of what is left.
    narrowed: HashMap<[u8; 32], Arc<Tokens>>,
}

/// What a transaction token comes to.
#[derive(Clone, Debug)]
pub struct Vouched {
    /// The user that it is for.
    pub user: Arc<User>,
    /// Who minted it. Whether that is still trusted is for whoever asks to see, each time.
    pub minter: SpiffeId,
    /// The certificate by which it was known when it was let; `None` where control did not say.
    pub certificate: Option<Arc<Certificate>>,
    /// As it came, and until when it is believed.
    pub tokens: Arc<Tokens>,
}

impl Vouched {
    /// Whether who minted it is on the deny list: by its name, by the certificate that it showed, or by the key of that.
    pub fn is_denied(&self, denied: &DenyIndex) -> bool {
        let entry = match self.certificate.as_deref() {
            Some(Certificate { serial, key }) => denied.denies_certificate(&self.minter, serial, key),
            None => denied.denies_id(&self.minter),
        };
        entry.is_some()
    }
}

impl Memory {
    /// Nothing known so far, within `domain`.
    pub fn new(domain: TrustDomain) -> Self {
        Self {
            access: TokenCache::default(),
            minted: Minted::default(),
            delegates: Delegates::new(domain.clone()),
            domain,
            authority_version: 0,
            delegations: HashMap::new(),
            known: HashMap::new(),
            old: HashMap::new(),
            narrowed: HashMap::new(),
        }
    }

    /// The user that a transaction token is for.
    ///
    /// # Errors
    /// [`TxnError`].
    pub fn user(
        &mut self,
        authority: &Issuers,
        token: &str,
        delegation: &str,
        now: Timestamp,
    ) -> Result<Vouched, TxnError> {
        self.begin_anew_by(authority);
        let key = hash::sha256([token, "\n", delegation].concat().as_bytes());
        let known = self.known.get(&key).or_else(|| self.old.get(&key));
        if let Some(known) = known.filter(|known| now < known.tokens.expires) {
            return Ok(known.clone());
        }
        self.take_up(authority, delegation, now)?;
        let verified = verify_txn(token, &self.delegates, now)?;
        let user = Arc::new(user_in(&verified));
        let tokens = Tokens { token: token.into(), delegation: delegation.into(), expires: verified.expires };
        let known =
            Vouched { user, minter: verified.minter, certificate: verified.certificate, tokens: Arc::new(tokens) };
        if self.known.len() >= TXN_MEMORY_MAX {
            self.old = std::mem::take(&mut self.known);
        }
        self.known.insert(key, known.clone());
        Ok(known)
    }

    /// What is left of a token where it is handed on by `by`; as it came where that is all of it. `token` and `delegation` are as they
    /// came, good or not.
    ///
    /// # Errors
    /// [`NotNarrowed`].
    pub fn narrow(
        &mut self,
        authority: &Issuers,
        (token, delegation): (&str, &str),
        wanted: &Wanted<'_>,
        by: &SpiffeId,
        now: Timestamp,
    ) -> Result<Arc<Tokens>, NotNarrowed> {
        self.begin_anew_by(authority);
        let key = hash::sha256([token, "\n", delegation, "\n", &wanted.to_string()].concat().as_bytes());
        if let Some(known) = self.narrowed.get(&key).filter(|known| now < known.expires && wanted.may_be_old()) {
            return Ok(Arc::clone(known));
        }
        self.take_up(authority, delegation, now)?;
        let verified = verify_txn(token, &self.delegates, now)?;
        let (token, expires) = match wanted.of(&verified, by, now)? {
            None => (token.into(), verified.expires),
            Some(to) => {
                // Open again: the next hop may hand on even less.
                let seed = Secret::new(random::bytes());
                (narrow(token, &verified, &to, Some(&seed))?.into(), to.expires)
            }
        };
        let tokens = Arc::new(Tokens { token, delegation: delegation.into(), expires });
        if self.narrowed.len() >= TXN_MEMORY_MAX {
            self.narrowed.clear(); // a signature for each that comes again
        }
        self.narrowed.insert(key, Arc::clone(&tokens));
        Ok(tokens)
    }

    /// With other keys of the authority nothing that was found good counts.
    fn begin_anew_by(&mut self, authority: &Issuers) {
        if self.authority_version != authority.version() {
            let (access, minted) = (std::mem::take(&mut self.access), std::mem::take(&mut self.minted));
            *self = Self { access, minted, authority_version: authority.version(), ..Self::new(self.domain.clone()) };
        }
    }

    fn take_up(&mut self, authority: &Issuers, delegation: &str, now: Timestamp) -> Result<(), TxnError> {
        let key = hash::sha256(delegation.as_bytes());
        if self.delegations.get(&key).is_some_and(|expires| now < *expires) {
            return Ok(());
        }
        let expires = self.delegates.add(authority, delegation, now)?.expires;
        self.delegations.retain(|_, expires| now < *expires);
        self.delegations.insert(key, expires);
        Ok(())
    }
}
