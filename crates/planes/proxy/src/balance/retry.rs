//! What may be sent twice: a request that never reached the program, or one that changes nothing when it is repeated.

use bartizan_core::edge::RetryOn;
use http::Method;

/// How one try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It never reached the program: no connection, no handshake, or the other guard says so.
    Unsent,
    /// The connection broke; whether the program worked on it is not known.
    Reset,
    /// No answer in time; whether the program worked on it is not known.
    Timeout,
    /// It was answered.
    Status(u16),
    /// Nobody waited for the end.
    GivenUp,
}

impl Outcome {
    /// Whether the callee is to blame; `None` where nobody knows. 500 and 501 are a program's own affair.
    pub(super) fn failed(self) -> Option<bool> {
        match self {
            Self::Unsent | Self::Reset | Self::Timeout => Some(true),
            Self::Status(status) => Some(matches!(status, 502..=504)),
            Self::GivenUp => None,
        }
    }

    /// As [`Outcome::failed`], for one instance in comparison with others: there any failure counts.
    pub(super) fn failed_here(self) -> Option<bool> {
        match self {
            Self::Status(status) => Some(status >= 500),
            other => other.failed(),
        }
    }

    /// Whether it is to be tried again, budget and number of tries aside.
    pub(super) fn is_worth_another(self, on: &RetryOn, repeatable: bool) -> bool {
        match self {
            Self::Unsent => on.connect,
            Self::Reset => on.reset && repeatable,
            Self::Timeout => on.timeout && repeatable,
            Self::Status(status) => on.status_5xx && repeatable && (500..600).contains(&status),
            Self::GivenUp => false,
        }
    }
}

/// Whether a request with this method changes nothing when it is repeated (RFC 9110 section 9.2.2) and can be, since its
/// whole body is at hand. TRACE is not spoken here.
pub fn is_repeatable(method: &Method, body_is_at_hand: bool) -> bool {
    body_is_at_hand && matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_safe_is_repeated() {
        let on = RetryOn { connect: true, reset: true, status_5xx: true, timeout: true };
        for (method, at_hand, outcome, again) in [
            (Method::POST, true, Outcome::Unsent, true),
            (Method::POST, true, Outcome::Reset, false),
            (Method::POST, true, Outcome::Timeout, false),
            (Method::POST, true, Outcome::Status(503), false),
            (Method::PATCH, true, Outcome::Reset, false),
            (Method::GET, true, Outcome::Reset, true),
            (Method::GET, false, Outcome::Reset, false),
            (Method::GET, false, Outcome::Unsent, true),
            (Method::PUT, true, Outcome::Timeout, true),
            (Method::DELETE, true, Outcome::Status(500), true),
            (Method::DELETE, true, Outcome::Status(499), false),
            (Method::DELETE, true, Outcome::Status(600), false),
            (Method::OPTIONS, true, Outcome::Status(200), false),
            (Method::HEAD, true, Outcome::GivenUp, false),
        ] {
            let repeatable = is_repeatable(&method, at_hand);
            assert_eq!(outcome.is_worth_another(&on, repeatable), again, "{method} {at_hand} {outcome:?}");
            assert!(!outcome.is_worth_another(&RetryOn::default(), repeatable), "nothing was asked for");
        }
    }

    #[test]
    fn who_is_to_blame() {
        for (outcome, failed, here) in [
            (Outcome::Unsent, Some(true), Some(true)),
            (Outcome::Status(404), Some(false), Some(false)),
            (Outcome::Status(500), Some(false), Some(true)),
            (Outcome::Status(503), Some(true), Some(true)),
            (Outcome::GivenUp, None, None),
        ] {
            assert_eq!((outcome.failed(), outcome.failed_here()), (failed, here), "{outcome:?}");
        }
    }
}
