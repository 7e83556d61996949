//! Join tokens: how a node that has no identity yet proves that it was started by us. Each counts once, for minutes.

use crate::limits::{JOIN_TOKEN_BYTES_MAX, JOIN_TOKENS_MAX};
use bartizan_core::limits::JOIN_TOKEN_TTL;
use bartizan_core::{Secret, Timestamp};
use bartizan_crypto::{base64, hash};

/// What tokens begin with, so that one in a log or a repository is recognised.
pub const PREFIX: &str = "bzjt_";

/// The tokens that are out. Holds hashes only: who reads this memory cannot join.
#[derive(Debug, Default)]
pub struct JoinTokens {
    tokens: Vec<Token>,
}

#[derive(Debug)]
struct Token {
    sha256: [u8; 32],
    expires: Timestamp,
    used: bool,
}

/// Why a token was refused. The caller is told no more than that it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// Nobody issued it, or so long ago that it is forgotten.
    #[error("join token is not known")]
    Unknown,
    /// It ran out.
    #[error("join token has run out; ask for a new one")]
    Expired,
    /// Somebody joined with it before. Worth an alert: one of the two is not who we think.
    #[error("join token was used before")]
    Used,
    /// [`JOIN_TOKENS_MAX`] are out; wait until some run out.
    #[error("{JOIN_TOKENS_MAX} join tokens are out, no more are issued until some run out")]
    Full,
}

impl JoinTokens {
    /// A new token from 32 random bytes, valid for `JOIN_TOKEN_TTL`.
    ///
    /// # Errors
    /// [`JoinError::Full`].
    pub fn issue(&mut self, now: Timestamp, random: [u8; 32]) -> Result<Secret<String>, JoinError> {
        // Used and expired ones are kept as long again, so that the second use of one is seen for what it is.
        self.tokens.retain(|token| now < token.expires.plus(JOIN_TOKEN_TTL));
        if self.tokens.len() >= JOIN_TOKENS_MAX {
            self.tokens.retain(|token| !token.used && now < token.expires);
        }
        if self.tokens.len() >= JOIN_TOKENS_MAX {
            return Err(JoinError::Full);
        }
        let text = format!("{PREFIX}{}", base64::encode_url(&random));
        let sha256 = hash::sha256(text.as_bytes());
        self.tokens.push(Token { sha256, expires: now.plus(JOIN_TOKEN_TTL), used: false });
        Ok(Secret::new(text))
    }

    /// Beginning and end of every token that may still be used.
    pub fn waiting(&self, now: Timestamp) -> Vec<(Timestamp, Timestamp)> {
        let waiting = self.tokens.iter().filter(|token| !token.used && now < token.expires);
        waiting.map(|token| (token.expires.minus(JOIN_TOKEN_TTL), token.expires)).collect()
    }

    /// Takes a token; the same one never counts again.
    ///
    /// # Errors
    /// [`JoinError::Unknown`], [`JoinError::Expired`], [`JoinError::Used`].
    pub fn redeem(&mut self, token: &str, now: Timestamp) -> Result<(), JoinError> {
        if token.len() > JOIN_TOKEN_BYTES_MAX {
            return Err(JoinError::Unknown);
        }
        match self.find(token) {
            None => Err(JoinError::Unknown),
            Some(known) if known.used => Err(JoinError::Used),
            Some(known) if now >= known.expires => Err(JoinError::Expired),
            Some(known) => {
                known.used = true;
                Ok(())
            }
        }
    }

    /// Undoes [`JoinTokens::redeem`], where nothing was issued for the token after all.
    pub fn give_back(&mut self, token: &str) {
        if let Some(known) = self.find(token) {
            known.used = false;
        }
    }

    fn find(&mut self, token: &str) -> Option<&mut Token> {
        let sha256 = hash::sha256(token.as_bytes());
        // Every token is compared, each in constant time: neither place nor likeness shows in how long this takes.
        let mut found = None;
        for known in &mut self.tokens {
            if hash::equal(&known.sha256, &sha256) {
                found = Some(known);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    fn later(s: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(s))
    }

    #[test]
    fn a_token_that_was_given_back_counts_once_more() {
        let mut tokens = JoinTokens::default();
        let token = tokens.issue(NOW, [7; 32]).unwrap();
        tokens.redeem(token.expose(), later(1)).unwrap();
        tokens.give_back("bzjt_another");
        assert_eq!(tokens.redeem(token.expose(), later(1)), Err(JoinError::Used));
        tokens.give_back(token.expose());
        tokens.redeem(token.expose(), later(2)).unwrap();
        assert_eq!(tokens.redeem(token.expose(), later(2)), Err(JoinError::Used));
    }

    #[test]
    fn refuses_a_token_used_twice() {
        let mut tokens = JoinTokens::default();
        let token = tokens.issue(NOW, [7; 32]).unwrap();
        tokens.redeem(token.expose(), later(1)).unwrap();
        assert_eq!(tokens.redeem(token.expose(), later(1)), Err(JoinError::Used));
        assert_eq!(tokens.redeem(token.expose(), later(301)), Err(JoinError::Used), "also after its end");
    }

    #[test]
    fn refuses_expired_foreign_and_misspelt_tokens() {
        let mut tokens = JoinTokens::default();
        let token = tokens.issue(NOW, [7; 32]).unwrap();
        let text = token.expose();
        assert_eq!(tokens.redeem(text, later(300)), Err(JoinError::Expired));
        for (wrong, why) in [
            (String::new(), "empty"),
            (format!("{text} "), "trailing space"),
            (text[1..].to_owned(), "cut at the front"),
            (text[..text.len() - 1].to_owned(), "cut at the end"),
            (text.to_uppercase(), "other case"),
            ("x".repeat(1 << 20), "huge"),
            (hash::hex(&hash::sha256(text.as_bytes())), "the stored hash"),
        ] {
            assert_eq!(tokens.redeem(&wrong, NOW), Err(JoinError::Unknown), "{why}");
        }
        tokens.redeem(text, later(299)).unwrap();
    }

    #[test]
    fn holds_hashes_only() {
        let mut tokens = JoinTokens::default();
        let token = tokens.issue(NOW, [0x61; 32]).unwrap();
        let memory = format!("{tokens:?}");
        assert!(!memory.contains(token.expose()), "the token's text lies in memory");
        assert!(!memory.contains(&format!("{:?}", [0x61; 32])), "the token's bytes lie in memory");
        assert_eq!(tokens.tokens[0].sha256, hash::sha256(token.expose().as_bytes()));
    }

    #[test]
    fn stays_within_its_bound_and_recovers() {
        let mut tokens = JoinTokens::default();
        let issue = |tokens: &mut JoinTokens, n: u64, at| {
            let mut random = [0; 32];
            random[..8].copy_from_slice(&n.to_le_bytes());
            tokens.issue(at, random)
        };
        let first = issue(&mut tokens, 0, NOW).unwrap();
        for n in 1..JOIN_TOKENS_MAX as u64 {
            issue(&mut tokens, n, NOW).unwrap();
        }
        assert_eq!(issue(&mut tokens, 5000, NOW).unwrap_err(), JoinError::Full);

        tokens.redeem(first.expose(), NOW).unwrap();
        issue(&mut tokens, 5001, NOW).expect("a used token makes room");
        assert_eq!(issue(&mut tokens, 5002, later(299)).unwrap_err(), JoinError::Full);
        issue(&mut tokens, 5003, later(300)).expect("expired tokens make room");
        assert_eq!(tokens.tokens.len(), 1);
    }
}
