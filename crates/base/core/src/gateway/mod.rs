//! What the gateway's routes ask of a request, which of them it is for, and what they make of it.
//!
//! In: routes as the fleet file says them; the host, path, method and headers of a request. Out: the one route that is most exact.
//! How much: a request costs a look-up for each label of its host and each segment of its path, whatever the number of routes.

mod addresses; // from where clients may come
mod conditions; // methods and headers of a route
mod cors; // which scripts of other sites may read answers
mod header_rules; // headers that are changed
mod host; // hosts: of routes, and of requests
mod table; // start here: the index of all routes

pub use crate::host::HOST_BYTES_MAX;
pub use addresses::{AddressTable, Addresses, RANGES_MAX};
pub use conditions::check_name;
pub use conditions::{Conditions, Exactness, HeaderMatch, HeaderMatchError, HeaderValueMatch, MATCHES_MAX};
pub use cors::{CORS_NAMES_MAX, Cors, MAX_AGE_S, MAX_AGE_S_MAX, ORIGINS_MAX, Origin, OriginError, SAFE_METHODS};
pub use header_rules::{
    EditError, Edits, HEADER_RULES_MAX, HeaderRules, Of, SECURE, SECURE_ALWAYS, SECURE_REMOVED, check_remove, check_set,
};
pub use host::{CERTIFIED_HOSTS_MAX, HostError, HostPattern, certified_hosts, is_host, normal_host};
pub use table::{Asked, RouteTable};

use serde::{Deserialize, Serialize};

/// What a route says in place of the whole gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Overrule<T> {
    /// Nothing.
    Off,
    /// This.
    These(T),
}

impl<T> Overrule<T> {
    /// What it comes to.
    pub fn these(self) -> Option<T> {
        match self {
            Self::Off => None,
            Self::These(these) => Some(these),
        }
    }
}
