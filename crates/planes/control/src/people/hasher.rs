//! Passwords are hashed on threads of their own, some at once, and a bounded number waits: whoever sends many log-ins makes
//! others wait, or is told to come later, and holds up nothing else.

use crate::limits::{HASHES_AT_ONCE_MAX, HASHES_WAITING_MAX, PASSWORD_COST};
use bartizan_core::Secret;
use bartizan_crypto::{CryptoError, password, random};
use std::sync::{Arc, OnceLock};
use tokio::sync::Semaphore;

/// Why a password was not looked at.
#[derive(Debug, thiserror::Error)]
pub(super) enum HashError {
    /// Too many wait already. May be tried again.
    #[error("too many passwords are being looked at")]
    Busy,
    /// It cannot be hashed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// The hash of somebody who is not there could not be made, or the thread has gone.
    #[error("the thread that hashes has gone")]
    Gone,
}

/// The threads.
#[derive(Debug)]
pub(super) struct Hasher {
    waiting: Arc<Semaphore>,
    working: Arc<Semaphore>,
    nobody: Arc<OnceLock<String>>,
}

impl Default for Hasher {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self::new((threads / 2).clamp(1, HASHES_AT_ONCE_MAX), HASHES_WAITING_MAX)
    }
}

impl Hasher {
    fn new(at_once: usize, waiting: usize) -> Self {
        Self {
            waiting: Arc::new(Semaphore::new(at_once + waiting)),
            working: Arc::new(Semaphore::new(at_once)),
            nobody: Arc::default(),
        }
    }

    /// A hash of a new password.
    pub(super) async fn hash(&self, password: Secret<String>) -> Result<String, HashError> {
        self.run(move || password::hash(&password, &random::bytes(), PASSWORD_COST)).await?
    }

    /// Whether `password` is that of `text`; never for somebody who has none, in the same time.
    pub(super) async fn verify(&self, password: &Secret<String>, text: Option<String>) -> Result<bool, HashError> {
        let (nobody, password) = (Arc::clone(&self.nobody), Secret::new(password.expose().clone()));
        self.run(move || match text {
            Some(text) => Ok(password::verify(&password, &text)?),
            None => {
                let made = || password::hash(&Secret::new(String::new()), &random::bytes(), PASSWORD_COST);
                let nobody = match nobody.get() {
                    Some(hash) => hash,
                    None => {
                        let made = made()?;
                        nobody.get_or_init(|| made)
                    }
                };
                password::verify(&password, nobody)?;
                Ok(false)
            }
        })
        .await?
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, CryptoError> + Send + 'static,
    ) -> Result<Result<T, HashError>, HashError> {
        let _place = Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| HashError::Busy)?;
        let turn = Arc::clone(&self.working).acquire_owned().await.map_err(|_| HashError::Gone)?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            // Here, and not where somebody waits: who hangs up does not make the work less.
            drop(turn);
            done
        });
        Ok(done.await.map_err(|_| HashError::Gone)?.map_err(HashError::from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    #[tokio::test]
    async fn nobody_has_no_password_and_somebody_has_one() {
        let hasher = Hasher::new(1, 1);
        assert!(!hasher.verify(&secret(""), None).await.unwrap());
        let text = hasher.hash(secret("correct horse")).await.unwrap();
        assert!(hasher.verify(&secret("correct horse"), Some(text.clone())).await.unwrap());
        assert!(!hasher.verify(&secret("correct horsf"), Some(text)).await.unwrap());
        assert!(hasher.verify(&secret("x"), Some("no hash".to_owned())).await.is_err());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn beyond_those_that_may_wait_nobody_does() {
        let hasher = Arc::new(Hasher::new(1, 2));
        let tries: Vec<_> = (0..40)
            .map(|_| {
                tokio::spawn({
                    let hasher = Arc::clone(&hasher);
                    async move { hasher.verify(&secret("x"), None).await }
                })
            })
            .collect();
        let (mut busy, mut done) = (0, 0);
        for one in tries {
            match one.await.unwrap() {
                Err(HashError::Busy) => busy += 1,
                Ok(false) => done += 1,
                other => panic!("{other:?}"),
            }
        }
        assert!(done >= 3 && busy >= 20, "{done} were looked at, {busy} sent away");
        assert!(hasher.verify(&secret("x"), None).await.is_ok(), "there is room again");
    }
}
