//! Where counts of limits lie that several guards share.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;

/// What a fleet file says under `counts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Host and port of a Redis (or what speaks its protocol).
    pub redis: String,
    /// File with the roots that its certificate has to chain to (PEM); plain TCP where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roots: Option<String>,
    /// File with its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// What holds while it does not answer.
    pub away: Away,
}

/// What holds for shared limits while the place of their counts does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Away {
    /// Each guard goes on with what it counts itself.
    #[default]
    Local,
    /// What would count is refused.
    Refuse,
}

impl Counts {
    /// Names every file from `dir` on.
    pub fn resolve_files(&mut self, dir: &Path) {
        for file in self.roots.iter_mut().chain(&mut self.password) {
            *file = dir.join(&*file).to_string_lossy().into_owned();
        }
    }

    /// The host, without brackets, and the port.
    pub fn host_and_port(&self) -> Option<(&str, u16)> {
        let (host, port) = self.redis.rsplit_once(':')?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Some((host, port.parse().ok().filter(|port| *port != 0)?)).filter(|(host, _)| !host.is_empty())
    }
}

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "local",
            Self::Refuse => "refuse",
        })
    }
}
