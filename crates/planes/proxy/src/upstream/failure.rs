//! Why the next hop gave no response.

use crate::answer::Answer;
use crate::http1::ResponseRule;
use bartizan_core::event::HandshakeFailure;
use bartizan_core::stats::Shortage;

/// One variant per thing that the caller is told differently.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// We have no identity to dial with. 503; it passes once control answers.
    #[error("no identity or directory to dial with")]
    NotReady,
    /// Nobody listens there. 502; it passes once the program is up again.
    #[error("no connection: {0}")]
    Connect(String),
    /// Nothing can be opened here at the moment; the next hop is not at fault. 503; it passes once something is closed.
    #[error("this process has no more {}", .0.as_str())]
    Exhausted(Shortage),
    /// It did not accept the connection in time. 504.
    #[error("no connection in time")]
    ConnectTimeout,
    /// Somebody answers, but is not whom we dialled, or does not want us. 502.
    #[error("the handshake failed ({}): {detail}", failure.as_str())]
    Handshake {
        /// The cause.
        failure: HandshakeFailure,
        /// More, for our log.
        detail: String,
    },
    /// The connection broke before the response's head. 502; whether the request was worked on is not known.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The other end did not look at it. 503; it may be sent again.
    #[error("the other end takes no more requests")]
    Unprocessed,
    /// What came is no response. 502; whether the request was worked on is not known.
    #[error("the response cannot be read: {0}")]
    Malformed(ResponseRule),
    /// Most calls failed just now, so nothing was sent. 503; it passes by itself, at the latest when the service is well again.
    #[error("the breaker is open")]
    BreakerOpen,
    /// No response head in time. 504; whether the request was worked on is not known.
    #[error("no response in time")]
    Timeout,
}

impl Failure {
    /// Whether the next hop never got the request.
    pub fn is_unsent(&self) -> bool {
        matches!(
            self,
            Self::Connect(_) | Self::Exhausted(_) | Self::ConnectTimeout | Self::Handshake { .. } | Self::Unprocessed
        )
    }

    /// What the caller is told.
    pub fn answer(&self) -> Answer {
        match self {
            Self::NotReady => Answer::new(503, "not_ready", "this proxy has no valid identity or configuration yet"),
            Self::Connect(_) => Answer::new(502, "upstream_unreachable", "the service is not reachable"),
            Self::Exhausted(shortage) => {
                Answer::new(503, shortage.rule(), "this proxy cannot open another connection at the moment")
            }
            Self::ConnectTimeout => Answer::new(504, "upstream_connect_timeout", "the service did not answer in time"),
            Self::Handshake { .. } => {
                Answer::new(502, "upstream_handshake", "the service could not prove its identity")
            }
            Self::BreakerOpen => {
                Answer::new(503, "breaker_open", "the service is in trouble and gets no calls for a moment")
            }
            Self::Broken(_) => Answer::new(502, "upstream_broken", "the service broke the connection"),
            Self::Unprocessed => Answer::new(503, "upstream_busy", "the service takes no more requests at the moment"),
            Self::Malformed(_) => Answer::new(502, "upstream_malformed", "the service's response cannot be read"),
            Self::Timeout => Answer::new(504, "upstream_timeout", "the service did not answer in time"),
        }
    }
}
