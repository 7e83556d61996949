//! What a request goes through before it is forwarded: one list, in order, each line with the reason for its place.
//!
//! A filter looks at the request and its connection, may change the head, and either lets it go on or answers it.
//! Filters do no I/O. What cannot be checked is refused.

mod address;
mod authorize;
mod body_limit;
mod client;
mod cors;
mod event;
mod form;
mod graphql;
mod headers;
mod hop_headers;
mod host;
mod key;
mod login;
mod overload;
mod own_path;
mod path;
mod peer;
mod rate_limit;
mod ready;
mod request_id;
mod route;
mod schema;
mod slow_down;
mod stamp;
#[cfg(test)]
mod tests;
mod user;

pub use authorize::principal;
pub use body_limit::too_large as body_too_large;
pub use hop_headers::strip_response;
pub use overload::refusal as overloaded;
pub use path::AMBIGUOUS as PATH_AMBIGUOUS;
pub use rate_limit::refusal as over_limit;
pub use request_id::{new_id, read as read_trace};
pub use route::named as named_route;
pub use slow_down::BY as SLOW_DOWN;
pub use user::written as written_user;

use crate::answer::Answer;
use crate::conn::Conn;
use crate::inspect::Inspection;
use crate::limiting::{Asked, Passed};
use crate::live::Live;
use crate::login::{Errand, cookies as login_cookies};
use crate::message::RequestHead;
use crate::overload::Admitted;
use crate::reply::{Cookies, Shared};
use crate::routes::{Route, Said};
use crate::signed::{Held, Wanted};
use crate::slowing::Waiting;
use crate::users::Tokens;
use bartizan_core::user::User;
use bartizan_core::{Decision, ServiceName, Timestamp, TraceContext};
use std::net::IpAddr;
use std::sync::Arc;

/// A filter: its name, for this list's reader and for tests, and its work.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    /// Its file's name.
    pub name: &'static str,
    /// Lets the request go on, or answers it.
    pub run: fn(&mut Exchange<'_>) -> Result<(), Answer>,
}

/// Every filter, for sidecars and gateway alike. One that has nothing to do on a side says so itself.
pub const IN_ORDER: &[Filter] = &[
    form::IT,        // first: what HTTP/2 brings gets the checks that the framing guard gave HTTP/1.1
    ready::IT,       // without identity, directory or fresh snapshots nothing below can be judged
    peer::IT,        // a caller whose certificate has run out leaves here, before anything is looked up for it
    path::IT,        // an ambiguous path must not reach route or policy, which would read it one way of several
    client::IT,      // from where it comes; whom a list of the gateway keeps out learns nothing of its routes
    host::IT,        // which host it is for; a route may be for some hosts alone
    own_path::IT,    // after `client` and `host`; no route may take what is below, and no route sees our cookies
    route::IT,       // says which service (gateway) and which named route; policies ask for both
    address::IT,     // the list of the route; whom it keeps out is asked for nothing
    cors::IT,        // before `user`: a browser that asks beforehand shows no token
    event::IT,       // whose event it is, which its body says; what follows is asked once that is known
    key::IT,         // whose program asks; where it shows a key, `user` has nothing to ask
    login::IT,       // who logged in with a browser; where it is known, `user` has nothing to ask
    user::IT,        // needs the route, which says whether a user is asked for; policies ask who it is
    body_limit::IT,  // needs the route, since gRPC streams are exempt; refusing here saves reading the body
    authorize::IT,   // knows caller, service, route, method and path by now
    slow_down::IT,   // after everything that may say no for good: who may not call uses up nothing that others share
    rate_limit::IT,  // for the same reason; who has to wait takes from limits and capacity once it waited
    schema::IT,      // after who and how often: what an API takes is told to nobody who may not call it
    graphql::IT,     // for the same reason; the body is read once all filters are through
    overload::IT,    // last of those that refuse: what is refused for another reason takes nobody's place
    hop_headers::IT, // changes the head, hence after everything that may still refuse
    headers::IT,     // what the fleet file changes; before the next ones, whose word is final
    request_id::IT,  // writes the trace header; after `hop_headers`, so that no `Connection` line can take it away
    stamp::IT,       // last, for the same reason: what we say about client and caller is the final word
];

/// One request on its way through the filters.
#[derive(Debug)]
pub struct Exchange<'a> {
    /// The connection it came on.
    pub conn: &'a Conn,
    /// The picture that it is judged by, the same for all filters.
    pub live: &'a Live,
    /// When it is judged.
    pub now: Timestamp,
    /// Its head; what is left here at the end is forwarded.
    pub head: &'a mut RequestHead,
    /// Its place in its trace; read before the first filter, so that every refusal can be found again.
    pub trace: TraceContext,
    /// It asks for WebSocket, as the framing guard read it.
    pub upgrade: bool,
    /// The path in its one form, where that is not how it came. Filled in by `path`; read it through [`Exchange::path`].
    pub canonical_path: Option<Box<str>>,
    /// The host in its one form. Filled in by `host`, at a gateway with routes for certain hosts.
    pub host: Option<Box<str>>,
    /// What its route was chosen by besides method and path. Filled in by `route`, at the gateway.
    pub said: Option<Arc<Said>>,
    /// A browser asks beforehand about the request that `edge_route` is for. Filled in by `route`, at the gateway.
    pub preflight: bool,
    /// What a browser is told about who may read the answer. Filled in by `cors`, at the gateway.
    pub shared: Option<Box<Shared>>,
    /// From where it comes. Made right by `client`, where a trusted proxy speaks for others.
    pub address: IpAddr,
    /// The service asked. Filled in by `route` at the gateway, known from the start elsewhere.
    pub to: Option<ServiceName>,
    /// The named route that fits. Filled in by `route`.
    pub route: Option<Arc<str>>,
    /// The gateway's route. Filled in by `route`, at the gateway.
    pub edge_route: Option<Route<'a>>,
    /// The sender whose event it is, once that is known; then the filters begin anew.
    pub signed: Option<Arc<Held>>,
    /// A signed event whose body has to be read before anything more can be said. Filled in by `event`, at the gateway.
    pub unread: Option<Wanted>,
    /// On whose behalf it comes. Filled in by `event`, `key` and `user`.
    pub user: Option<Arc<User>>,
    /// By which tokens that is known, inbound; what is left of them to be handed on, outbound. Filled in by `user`.
    pub tokens: Option<Arc<Tokens>>,
    /// Cookies of ours that came. Filled in by `own_path`, at the gateway.
    pub came: Option<login_cookies::Own>,
    /// What becomes of cookies in the answer. Filled in by `own_path` and `login`, at the gateway.
    pub cookies: Option<Cookies>,
    /// What is asked of the gateway itself. Filled in by `own_path`.
    pub errand: Option<Box<Errand>>,
    /// The decision. Filled in by `authorize`; stays `None` where nothing is decided.
    pub decision: Option<Arc<Decision>>,
    /// It has to wait, and is asked about limits and capacity after that. Filled in by `slow_down`.
    pub waiting: Option<Box<Waiting>>,
    /// What limits let through, and have to be told when it is over. Filled in by `rate_limit`.
    pub limited: Option<Box<Passed>>,
    /// Whether content comes with it, or may.
    pub has_content: bool,
    /// What its content and its response are held against. Filled in by `schema` and `graphql`.
    pub inspection: Option<Box<Inspection>>,
    /// Its place among what the service bears. Filled in by `overload`, at the gateway.
    pub admitted: Option<Admitted>,
}

impl Exchange<'_> {
    /// The request, as far as limits tell requests apart.
    pub fn asked(&self) -> Asked<'_> {
        Asked {
            caller: self.conn.caller.as_ref().map(|caller| caller.name.as_str()),
            user: self.user.as_deref(),
            address: self.address,
            route: self.route.as_deref(),
            method: self.head.method.as_str(),
        }
    }

    /// Whether whoever asks looks for a status in the words of gRPC.
    pub fn speaks_grpc(&self) -> bool {
        self.head.fields.get("content-type").is_some_and(|it| it.starts_with(b"application/grpc"))
    }

    /// The path as routes and policies compare it.
    pub fn path(&self) -> &str {
        self.canonical_path.as_deref().unwrap_or_else(|| self.head.path())
    }
}

/// Sends `exchange` through every filter.
///
/// # Errors
/// The first filter's [`Answer`] that does not let it go on.
pub fn run(exchange: &mut Exchange<'_>) -> Result<(), Answer> {
    IN_ORDER.iter().try_for_each(|filter| (filter.run)(exchange))
}
