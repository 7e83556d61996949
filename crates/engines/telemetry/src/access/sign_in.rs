//! Sign-ins that did or did not succeed: by sshd's words, and by the fields of ECS.

use super::address;
use crate::draft::cut;
use crate::limits::{ATTRIBUTE_BYTES_MAX, ATTRIBUTES_MAX, NAME_BYTES_MAX};
use bartizan_core::event::Telemetry;

/// Beginnings of what sshd says, with what became of it. `Invalid user` alone is none: where a password is asked for, that it was wrong is said
/// too, and where none is, a name opens nothing.
const SSHD: &[(&str, bool)] = &[
    ("Failed password for invalid user ", false),
    ("Failed password for ", false),
    ("Failed publickey for ", false),
    ("Accepted password for ", true),
    ("Accepted publickey for ", true),
];

/// Adds what is not said yet.
pub(super) fn understand(it: &mut Telemetry) {
    let Some((user, client, succeeded)) = sshd(&it.body) else { return };
    for (key, value) in [
        ("event.category", "authentication"),
        ("event.outcome", if succeeded { "success" } else { "failure" }),
        ("user.name", &*user),
        ("client.address", &*client),
    ] {
        let value = cut(value, NAME_BYTES_MAX);
        let bytes: usize = it.attributes.iter().map(|(key, value)| key.len() + value.len()).sum();
        let has_room = it.attributes.len() < ATTRIBUTES_MAX && bytes + key.len() + value.len() <= ATTRIBUTE_BYTES_MAX;
        if has_room && it.attribute(key).is_none() {
            it.attributes.push((key.into(), value.into()));
        }
    }
    it.security = true;
    it.failed |= !succeeded;
}

/// `BEGINNING USER from ADDRESS port …`.
fn sshd(body: &str) -> Option<(String, String, bool)> {
    let (rest, succeeded) = SSHD.iter().find_map(|(start, succeeded)| Some((body.strip_prefix(start)?, *succeeded)))?;
    // The last one: a user is whatever somebody typed.
    let (user, rest) = rest.rsplit_once(" from ")?;
    let client = address(rest.split(' ').next()?)?;
    Some((user.to_owned(), client, succeeded))
}
