//! What is measured, and where.

use crate::name::ServiceName;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// The ten indicators. An indicator whose source is not there yet shows no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Indicator {
    /// Success of authentication.
    M1,
    /// Success of mutual TLS handshakes.
    M2,
    /// Rate of denials.
    M3,
    /// Time until a compromise is detected.
    M4,
    /// Services with vulnerable dependencies.
    M5,
    /// Secrets that came to light.
    M6,
    /// Time until an incident is remedied.
    M7,
    /// Unauthorised attempts.
    M8,
    /// Failed roll-outs of policies.
    M9,
    /// Images with a bill of materials.
    M10,
}

/// What is counted beside an indicator and apart from it, so that neither hides the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Part {
    /// Denials that whoever wrote the policy or limit expects. Beside M3.
    Expected,
    /// Denials and refusals of attacks and drills. Beside M3.
    Attack,
    /// Authentication of callers that the fleet file names synthetic. Beside M1.
    Synthetic,
    /// Versions that were found bad while they had a canary's part and no more. Beside M9.
    Stopped,
}

impl Part {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Expected, Self::Attack, Self::Synthetic, Self::Stopped];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expected => "expected",
            Self::Attack => "attack",
            Self::Synthetic => "synthetic",
            Self::Stopped => "stopped",
        }
    }

    /// The indicator that it stands beside.
    pub const fn of(self) -> Indicator {
        match self {
            Self::Expected | Self::Attack => Indicator::M3,
            Self::Synthetic => Indicator::M1,
            Self::Stopped => Indicator::M9,
        }
    }
}

/// What is asked of an indicator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// At most this share of bad ones, 0 to 1.
    Share(f64),
    /// At most this long.
    Within(Duration),
    /// At most so many.
    Count(u64),
    /// Fewer in the last seven days than in the seven before.
    Falling,
}

impl Indicator {
    /// Each of them.
    pub const ALL: [Self; 10] =
        [Self::M1, Self::M2, Self::M3, Self::M4, Self::M5, Self::M6, Self::M7, Self::M8, Self::M9, Self::M10];

    /// `M1` to `M10`.
    pub const fn id(self) -> &'static str {
        match self {
            Self::M1 => "M1",
            Self::M2 => "M2",
            Self::M3 => "M3",
            Self::M4 => "M4",
            Self::M5 => "M5",
            Self::M6 => "M6",
            Self::M7 => "M7",
            Self::M8 => "M8",
            Self::M9 => "M9",
            Self::M10 => "M10",
        }
    }

    /// The one with this id, in upper or lower case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.id().eq_ignore_ascii_case(text))
    }

    /// A name of a few words.
    pub const fn title(self) -> &'static str {
        match self {
            Self::M1 => "service authentication success",
            Self::M2 => "mutual TLS handshake success",
            Self::M3 => "policy deny rate",
            Self::M4 => "time to detect a compromise",
            Self::M5 => "services with known vulnerabilities",
            Self::M6 => "secrets exposed",
            Self::M7 => "time to remedy an incident",
            Self::M8 => "unauthorised access attempts",
            Self::M9 => "policy roll-out failures",
            Self::M10 => "images with a bill of materials",
        }
    }

    /// What is counted as bad, and of what.
    pub const fn formula(self) -> (&'static str, &'static str) {
        match self {
            Self::M1 => (
                "handshakes refused for who came, calls answered 401 by a guard, and calls let in without mutual TLS",
                "calls that are not synthetic, and handshakes refused for who came",
            ),
            Self::M2 => ("TLS handshakes that failed, whatever the cause", "TLS handshakes begun that came to an end"),
            Self::M3 => {
                ("calls that policy denied though nobody expected it", "calls that are neither attacks nor a drill")
            }
            Self::M4 => ("detections later than an hour after the event", "detections"),
            Self::M5 => ("services with a known vulnerability", "services"),
            Self::M6 => ("findings of the scanners for secrets", ""),
            Self::M7 => ("incidents that took longer than four hours", "incidents"),
            Self::M8 => ("calls denied, handshakes refused for who came, identities refused", ""),
            Self::M9 => (
                "reloads that were refused, snapshots that a guard refused, and those that gave a bad version more than a canary's part",
                "snapshots published, and reloads that were refused",
            ),
            Self::M10 => ("images without a bill of materials", "images that run"),
        }
    }

    /// What is asked of it where no objective says otherwise.
    pub const fn goal(self) -> Goal {
        match self {
            Self::M1 | Self::M3 => Goal::Share(0.001),
            Self::M2 => Goal::Share(0.0001),
            Self::M4 => Goal::Within(Duration::from_secs(3600)),
            Self::M5 => Goal::Share(0.05),
            Self::M6 => Goal::Count(0),
            Self::M7 => Goal::Within(Duration::from_secs(4 * 3600)),
            Self::M8 => Goal::Falling,
            Self::M9 => Goal::Share(0.005),
            Self::M10 => Goal::Share(0.0),
        }
    }

    /// Whether good ones are spoken of (`99.9 % succeed`) rather than bad ones (`0.1 % fail`).
    pub const fn is_success(self) -> bool {
        matches!(self, Self::M1 | Self::M2 | Self::M10)
    }

    /// Whether anything counts it by now.
    pub const fn has_source(self) -> bool {
        matches!(self, Self::M1 | Self::M2 | Self::M3 | Self::M8 | Self::M9)
    }

    /// The share that people read, good or bad as [`Indicator::is_success`] says, of the share of bad ones.
    pub fn share(self, bad: f64) -> f64 {
        if self.is_success() { 1.0 - bad } else { bad }
    }

    /// A target in the words of the objectives' file, such as `at least 99.9 %`, from the share of bad ones that it puts up with.
    pub fn target(self, bad_max: f64) -> String {
        if self.is_success() {
            format!("at least {} %", percent(1.0 - bad_max))
        } else {
            format!("below {} %", percent(bad_max))
        }
    }
}

/// With as many digits as it has, six at most.
fn percent(share: f64) -> String {
    let text = format!("{:.6}", share * 100.0);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The whole fleet, one service, or one edge of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Place {
    /// All of it.
    Fleet,
    /// What comes to a service, or to the gateway.
    Service(ServiceName),
    /// Calls from one to the other. Who comes from outside without an identity is the empty text.
    Edge(String, ServiceName),
}

impl Place {
    /// The inverse of its text.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(" -> ") {
            _ if text == "fleet" => Some(Self::Fleet),
            Some((from, to)) => {
                let from = if from == "outside" { "" } else { from };
                ServiceName::parse(to).ok().map(|to| Self::Edge(from.to_owned(), to))
            }
            None => ServiceName::parse(text).ok().map(Self::Service),
        }
    }

    /// The service that it is about: the called one of an edge; `None` for the fleet.
    pub fn service(&self) -> Option<&ServiceName> {
        match self {
            Self::Fleet => None,
            Self::Service(service) | Self::Edge(_, service) => Some(service),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fleet => f.write_str("fleet"),
            Self::Service(service) => write!(f, "{service}"),
            Self::Edge(from, to) => write!(f, "{} -> {to}", if from.is_empty() { "outside" } else { from }),
        }
    }
}

impl fmt::Display for Indicator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_back() {
        for it in Indicator::ALL {
            assert_eq!(Indicator::parse(it.id()), Some(it));
            assert!(!it.title().is_empty() && !it.formula().0.is_empty());
        }
        assert_eq!((Indicator::parse("m10"), Indicator::parse("M11")), (Some(Indicator::M10), None));
    }

    #[test]
    fn shares_are_what_people_read() {
        assert_eq!((Indicator::M1.share(0.001), Indicator::M3.share(0.001)), (0.999, 0.001));
        assert_eq!(Indicator::M1.target(0.0005), "at least 99.95 %");
        assert_eq!(
            (Indicator::M3.target(0.002), Indicator::M9.target(0.05)),
            ("below 0.2 %".into(), "below 5 %".into())
        );
    }

    #[test]
    fn places_are_read_back() {
        for text in ["fleet", "ledger", "web -> ledger", "outside -> gateway"] {
            assert_eq!(Place::parse(text).map(|it| it.to_string()).as_deref(), Some(text));
        }
        assert_eq!((Place::parse(""), Place::parse("a -> "), Place::parse("A b")), (None, None, None));
    }
}
