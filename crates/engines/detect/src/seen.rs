//! What a record of an access log says, as far as it is looked at here.

use crate::probe::PROBE;
use bartizan_core::event::Telemetry;
use std::net::IpAddr;

/// One request or sign-in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    /// The address of whoever asked; empty where nobody says, or the log stands behind something on its own machine, such as a guard.
    pub(crate) client: &'a str,
    /// On whose behalf; empty where nobody says.
    pub(crate) user: &'a str,
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) path: &'a str,
    /// 0 where it is no request.
    pub(crate) status: u16,
    pub(crate) sent: u64,
    /// What the request looked like, in the word of [`crate::Probe`].
    pub(crate) probe: Option<&'a str>,
    /// Whether somebody was let in, where this tells of a sign-in.
    signed_in: Option<bool>,
    /// Whether something was sent, rather than looked at.
    is_sent: bool,
}

/// Words with which parts of paths begin of paths at which people and programs sign in.
const DOORS: &[&str] = &[
    "login",
    "signin",
    "sign-in",
    "sign_in",
    "logon",
    "token",
    "tokens",
    "session",
    "sessions",
    "oauth",
    "oauth2",
    "auth",
    "authenticate",
    "authorize",
    "password",
];

impl<'a> Seen<'a> {
    pub(crate) fn of(it: &'a Telemetry) -> Self {
        let text = |key: &str| it.attribute(key).unwrap_or_default();
        let signed_in = match (text("event.category"), text("event.outcome")) {
            ("authentication", "failure") => Some(false),
            ("authentication", "success") => Some(true),
            _ => None,
        };
        Self {
            client: Some(text("client.address")).filter(|it| !is_loopback(it)).unwrap_or_default(),
            user: text("user.name"),
            from: text("source.service"),
            to: text("destination.service"),
            path: text("url.path"),
            status: text("http.response.status_code").parse().unwrap_or_default(),
            sent: text("http.response.body.size").parse().unwrap_or_default(),
            probe: it.attribute(PROBE),
            signed_in,
            is_sent: text("http.request.method") == "POST",
        }
    }

    /// Whether somebody was not let in; `None` where nobody asked to be.
    pub(crate) fn was_refused(&self) -> Option<bool> {
        match self.status {
            401 => Some(true),
            // Doors that answer so to a wrong password.
            400 | 403 | 422 | 429 if self.is_at_a_door() => Some(true),
            // Whoever fetches the form is not let in yet.
            200..=399 if self.is_at_a_door() && self.is_sent => Some(false),
            _ => self.signed_in.map(|signed_in| !signed_in),
        }
    }

    /// Whether it is one with a name and a password, or the like.
    pub(crate) fn is_a_sign_in(&self) -> bool {
        self.signed_in.is_some() || self.is_at_a_door()
    }

    fn is_at_a_door(&self) -> bool {
        let path = self.path.to_ascii_lowercase();
        // The whole word: `/authors` is a list.
        let leads_in = |part: &str| {
            let after = |door: &str| part.strip_prefix(door);
            DOORS.iter().filter_map(|door| after(door)).any(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()))
        };
        path.split('/').any(leads_in)
    }

    /// Who it is, as well as one can say.
    pub(crate) fn who(&self) -> &'a str {
        if self.user.is_empty() { self.client } else { self.user }
    }

    /// The part of the path that names one of many, and what is left of it without.
    pub(crate) fn object(&self) -> Option<(&'a str, &'a str)> {
        let mut at = self.path.len();
        for part in self.path.rsplit('/') {
            let start = at - part.len();
            if is_id(part) {
                return Some((part.trim_start_matches(|c: char| !c.is_ascii_digit()), &self.path[..start]));
            }
            at = start.saturating_sub(1);
        }
        None
    }
}

fn is_loopback(address: &str) -> bool {
    address.parse().is_ok_and(|it: IpAddr| it.to_canonical().is_loopback())
}

/// A number, with or without a short word before it, or one of the long random names.
fn is_id(part: &str) -> bool {
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    let word = part.bytes().take_while(|b| !b.is_ascii_digit()).count();
    let is_number = digits > 0 && part.len() - digits <= 6 && word + digits == part.len();
    let is_random = part.len() >= 16 && digits >= 4 && part.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    part.len() <= 64 && (is_number || is_random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_many_is_told_from_a_word() {
        for part in ["17", "acc-000017", "usr-9", "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "5f1e9d0a77cc41b2"] {
            assert!(is_id(part), "{part}");
        }
        for part in ["", "accounts", "v1.js", "style.css", "index", "app-3.2.js", "users"] {
            assert!(!is_id(part), "{part}");
        }
    }
}
