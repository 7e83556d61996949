//! What the gateway's routes ask of a request, and which of them it is for.
//!
//! In: routes as the fleet file says them; the host, path, method and headers of a request. Out: the one route that is most exact.
//! How much: a request costs a look-up for each label of its host and each segment of its path, whatever the number of routes.

mod conditions; // methods and headers of a route
mod host; // hosts: of routes, and of requests
mod table; // start here: the index of all routes

pub use conditions::{Conditions, Exactness, HeaderMatch, HeaderMatchError, HeaderValueMatch, MATCHES_MAX};
pub use host::{CERTIFIED_HOSTS_MAX, HOST_BYTES_MAX, HostError, HostPattern, certified_hosts, is_host, normal_host};
pub use table::{Asked, RouteTable};
