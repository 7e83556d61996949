//! People who log in with a browser: the gateway sends them to an OpenID provider, and the browser gets a cookie in place of tokens.
//!
//! In: requests with cookies, what the provider sends a browser back with, the provider's word that a session is over. Out: who it is, for
//! the filters, as with a token; answers of our own below `/.bartizan/`.
//! How much: cookies, log-ins under way in one browser, questions to control and their time are bounded.
//! Absent on purpose: tokens of the outside and secrets of clients, which stay in control; sessions in memory, which are in their cookies.

mod back_channel; // the provider says that a session is over
mod begin; // off to the provider
mod callback; // and back
pub mod cookies; // names, and who may set and see them
mod desk; // questions to control
mod errand; // start here: what is asked below `/.bartizan/`
mod keys; // of cookies
mod logout;
mod page; // what people see
mod same_site; // whether a request comes from a page of ours; pure
mod sealed; // text that a browser carries
mod session; // who it is
mod slot; // how the keys come

pub use begin::{begin, is_navigation};
pub use desk::{Asker, Desk, Fresh, Question};
pub use errand::{Errand, errand, run};
pub use keys::CookieKeys;
pub use page::{POLICY, Page};
pub use same_site::check as check_same_site;
pub use session::Session;
pub use slot::LoginSlot;

use crate::live::Live;
use crate::message::RequestHead;
use bartizan_core::login::LoginSide;

/// How people log in here, where they do.
pub fn side(live: &Live) -> Option<&LoginSide> {
    live.directory.as_ref()?.own.gateway.as_ref()?.login.as_ref()
}

/// The origin that a request came to, of those under which browsers find the gateway.
pub fn origin<'a>(side: &'a LoginSide, head: &RequestHead) -> Option<&'a str> {
    let host = head.authority().or_else(|| head.fields.get("host"))?;
    side.said.origin_of(std::str::from_utf8(host).ok()?)
}
