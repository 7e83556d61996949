//! The transaction tokens that one worker minted within the last moment: what a user asks within it goes on with one of them.

use super::Minting;
use crate::limits::TXN_MINTED_FOR;
use bartizan_core::user::User;
use bartizan_core::{RequestId, SpiffeId, Timestamp, TrustDomain};
use bartizan_tokens::txn::TxnError;
use std::collections::HashMap;
use std::sync::Arc;

/// Tokens by their user. All of them go at once, so nothing is searched for age, and there are never more than a core can sign
/// in that time.
#[derive(Debug, Default)]
pub struct Minted {
    by: Option<Arc<Minting>>,
    since: Timestamp,
    tokens: HashMap<Arc<User>, Arc<str>>,
}

impl Minted {
    /// A token for what `user` asks now; its `txn` is the first request that it was made for.
    ///
    /// # Errors
    /// [`TxnError`], where the delegation is over.
    pub fn token(
        &mut self,
        by: &Arc<Minting>,
        user: &Arc<User>,
        request: RequestId,
        (id, domain): (&SpiffeId, &TrustDomain),
        now: Timestamp,
    ) -> Result<Arc<str>, TxnError> {
        let is_same = self.by.as_ref().is_some_and(|held| Arc::ptr_eq(held, by));
        if !is_same || now < self.since || now.since(self.since) >= TXN_MINTED_FOR || now >= by.until {
            *self = Self { by: Some(Arc::clone(by)), since: now, tokens: HashMap::new() };
        }
        if let Some(token) = self.tokens.get(user) {
            return Ok(Arc::clone(token));
        }
        let token: Arc<str> = by.mint(user, request, (id, domain), now)?.into();
        self.tokens.insert(Arc::clone(user), Arc::clone(&token));
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + ms)
    }

    fn minting(until: u64) -> Arc<Minting> {
        Arc::new(Minting::new(Minting::key().unwrap().0, "delegation".to_owned(), at(until)))
    }

    fn user(subject: &str, scopes: &[&str]) -> Arc<User> {
        let scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
        Arc::new(User { subject: subject.to_owned(), scopes, ..User::default() })
    }

    struct Worker(Minted, TrustDomain, SpiffeId);

    impl Worker {
        fn token(&mut self, by: &Arc<Minting>, user: &Arc<User>, n: u8, now: Timestamp) -> Result<Arc<str>, TxnError> {
            self.0.token(by, user, RequestId::from_random([n; 16]), (&self.2, &self.1), now)
        }
    }

    fn worker() -> Worker {
        let domain = TrustDomain::parse("bank.test").unwrap();
        Worker(Minted::default(), domain, SpiffeId::parse("spiffe://bank.test/gateway").unwrap())
    }

    #[test]
    fn nobody_gets_the_token_of_somebody_else() {
        let (mut worker, by) = (worker(), minting(3_600_000));
        let alice = worker.token(&by, &user("alice", &["read"]), 1, at(0)).unwrap();
        assert_ne!(worker.token(&by, &user("bob", &["read"]), 1, at(0)).unwrap(), alice);
        assert_ne!(worker.token(&by, &user("alice", &["read", "pay"]), 1, at(0)).unwrap(), alice, "other rights");
        assert_eq!(worker.token(&by, &user("alice", &["read"]), 2, at(900)).unwrap(), alice);
    }

    #[test]
    fn a_moment_later_under_another_key_or_with_the_clock_set_back_there_is_a_new_one() {
        let (mut worker, alice) = (worker(), user("alice", &[]));
        let (by, other) = (minting(3_600_000), minting(3_600_000));
        let first = worker.token(&by, &alice, 1, at(5000)).unwrap();
        let second = worker.token(&by, &alice, 2, at(6000)).unwrap();
        let third = worker.token(&other, &alice, 3, at(6001)).unwrap();
        let fourth = worker.token(&other, &alice, 4, at(4000)).unwrap();
        assert!(first != second && second != third && third != fourth);
    }

    #[test]
    fn nothing_is_handed_out_after_the_delegation() {
        let (mut worker, alice, by) = (worker(), user("alice", &[]), minting(1500));
        worker.token(&by, &alice, 1, at(1000)).unwrap_err(); // it ends within this second
        let by = minting(2500);
        worker.token(&by, &alice, 1, at(1900)).unwrap();
        worker.token(&by, &alice, 1, at(2500)).unwrap_err();
    }
}
