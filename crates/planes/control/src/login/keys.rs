//! The keys of cookies: in a file of the data folder, so that sessions go on over a restart of control, and replaced each day.

use super::Failure;
use crate::limits::{COOKIE_KEY_LEAD, COOKIE_KEY_USED, COOKIE_KEYS_FILE_BYTES_MAX};
use bartizan_core::Timestamp;
use bartizan_core::limits::CLOCK_SKEW;
use bartizan_core::login::{CookieKey, IDLE_MAX, Login};
use bartizan_crypto::{base64, random};
use bartizan_runtime::files;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// In the data folder.
const FILE: &str = "login-cookies.json";

/// See the module.
#[derive(Debug)]
pub(super) struct Keys {
    path: PathBuf,
    /// `None` before the first look at the file.
    held: Mutex<Option<Vec<CookieKey>>>,
}

impl Keys {
    pub(super) fn new(data: &Path) -> Self {
        Self { path: data.join(FILE), held: Mutex::default() }
    }

    /// All that count, and the next one where it is near: on disk before anybody hears of it. A file that cannot be read is an error and
    /// no reason for other keys: everybody would be logged out without a word.
    pub(super) fn in_force(&self, said: &Login, now: Timestamp) -> Result<Vec<CookieKey>, Failure> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |error: io::Error| Failure::Unable(format!("cannot use `{}`: {error}", self.path.display()));
        let mut keys = match held.take() {
            Some(keys) => keys,
            None => self.read().map_err(failed)?,
        };
        let before = keys.len();
        keys.retain(|key| now < key.until);
        let mut changed = keys.len() != before;
        let last = keys.iter().map(|key| key.from).max();
        // Given out a while before it is used, so that every gateway has it by then.
        let next = match last {
            None => Some(now),
            Some(from) if now.plus(COOKIE_KEY_LEAD) >= from.plus(COOKIE_KEY_USED) => {
                Some(from.plus(COOKIE_KEY_USED).max(now))
            }
            Some(_) => None,
        };
        if let Some(from) = next {
            // The longest that a cookie may count, whatever the fleet file says then.
            let until = from.plus(COOKIE_KEY_USED * 2 + IDLE_MAX.max(said.idle()) + CLOCK_SKEW);
            let id = u32::from_be_bytes(random::bytes());
            keys.push(CookieKey { id, key: base64::encode_url(&random::bytes::<32>()), from, until });
            changed = true;
        }
        if changed {
            let text = serde_json::to_vec(&keys).map_err(|error| failed(error.into()))?;
            files::write_atomic(&self.path, &text, 0o600).map_err(failed)?;
        }
        *held = Some(keys.clone());
        Ok(keys)
    }

    fn read(&self) -> io::Result<Vec<CookieKey>> {
        match files::read_bounded(&self.path, COOKIE_KEYS_FILE_BYTES_MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            text => Ok(serde_json::from_slice(&text?)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn login() -> Login {
        Login {
            issuer: "https://login.test".into(),
            own: false,
            client: "c".into(),
            secret: None,
            scopes: vec!["openid".into()],
            origins: vec!["https://bank.test".into()],
            life_s: 3600,
            idle_s: 600,
            after_logout: "/".into(),
        }
    }

    #[test]
    fn a_key_follows_another_before_it_is_needed_and_none_goes_while_a_cookie_of_it_counts() {
        let dir = tempfile::tempdir().unwrap();
        let start = Timestamp::from_secs(1_790_000_000);
        let keys = Keys::new(dir.path());
        let first = keys.in_force(&login(), start).unwrap();
        assert_eq!((first.len(), first[0].from), (1, start));
        let mut seen = start;
        let mut sealing = first[0].id;
        for _ in 0..200 {
            seen = seen.plus(Duration::from_secs(3600));
            // As another process, each time.
            let now = Keys::new(dir.path()).in_force(&login(), seen).unwrap();
            assert!(now.len() <= 5, "{}", now.len());
            let newest = now.iter().filter(|key| key.from <= seen).max_by_key(|key| key.from).unwrap();
            if newest.id != sealing {
                let old = now.iter().find(|key| key.id == sealing).expect("its cookies still count");
                assert!(seen.plus(IDLE_MAX) < old.until);
                sealing = newest.id;
            }
            assert!(newest.from.plus(COOKIE_KEY_USED + COOKIE_KEY_LEAD) > seen, "not used for longer");
        }
        std::fs::write(dir.path().join(FILE), "{").unwrap();
        assert!(matches!(Keys::new(dir.path()).in_force(&login(), seen), Err(Failure::Unable(_))));
    }
}
