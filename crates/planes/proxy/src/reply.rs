//! What the gateway makes of an answer's head before the client gets it, be it a service's or our own: which sites may read it, and
//! the headers that the fleet file sets and takes out.

use crate::login::cookies::guard;
use crate::message::Fields;
use bartizan_core::gateway::{Cors, Edits, HeaderRules, SECURE, SECURE_ALWAYS, SECURE_REMOVED};
use std::sync::Arc;

/// What is made of the answer to one request. Nothing, for most.
#[derive(Debug, Default)]
pub struct Reply {
    /// Which sites may read it, where the route says so.
    pub shared: Option<Box<Shared>>,
    /// The headers that are changed.
    pub headers: Option<Arc<HeaderRules>>,
    /// What becomes of cookies, where people log in.
    pub cookies: Option<Cookies>,
}

/// What becomes of cookies in an answer, where people log in at the gateway: a program sets none of ours.
#[derive(Debug, Default)]
pub struct Cookies {
    /// One of ours that is set.
    pub set: Option<Box<str>>,
    /// It is for somebody who is logged in, so nobody on the way may keep it for others.
    pub private: bool,
}

/// Who may read an answer, as a browser is told.
#[derive(Debug)]
pub struct Shared {
    /// Where the script that asks comes from, where that one may.
    pub origin: Option<Box<str>>,
    /// What the route says.
    pub cors: Arc<Cors>,
}

impl Reply {
    /// Changes the head of an answer.
    pub fn finish(&self, fields: &mut Fields) {
        self.finish_cookies(fields);
        if let Some(shared) = &self.shared {
            shared.finish(fields);
        }
        if let Some(rules) = &self.headers {
            if rules.secure {
                secure(fields);
            }
            edit(&rules.response, fields);
        }
    }
}

impl Reply {
    /// That part of it which counts for a switch to another protocol too.
    pub fn finish_cookies(&self, fields: &mut Fields) {
        let Some(cookies) = &self.cookies else { return };
        guard(fields);
        if cookies.private && !fields.contains("cache-control") {
            fields.append("cache-control", b"private");
        }
        if let Some(cookie) = &cookies.set {
            fields.append("set-cookie", cookie.as_bytes());
        }
    }
}

impl Shared {
    /// The service's own word about it is not heard: of two, a browser would believe neither.
    fn finish(&self, fields: &mut Fields) {
        fields.retain(|name, _| !name.starts_with(b"access-control-"));
        // Also where nobody may: a cache must not give this answer to another origin.
        vary_by_origin(fields);
        let Self { origin, cors } = self;
        let Some(origin) = origin else { return };
        let origin = if cors.is_for_all() { "*" } else { origin };
        fields.append("access-control-allow-origin", origin.as_bytes());
        if cors.credentials {
            fields.append("access-control-allow-credentials", b"true");
        }
        if !cors.expose.is_empty() {
            fields.append("access-control-expose-headers", cors.expose.join(", ").as_bytes());
        }
    }
}

fn vary_by_origin(fields: &mut Fields) {
    let varies = fields.all("vary").flat_map(|value| value.split(|&b| b == b',')).map(<[u8]>::trim_ascii);
    if !{ varies }.any(|name| name == b"*" || name.eq_ignore_ascii_case(b"origin")) {
        fields.append("vary", b"Origin");
    }
}

fn secure(fields: &mut Fields) {
    fields.retain(|name, _| !SECURE_REMOVED.iter().any(|removed| removed.as_bytes() == name));
    for (name, value) in SECURE {
        if !fields.contains(name) {
            fields.append(name, value.as_bytes());
        }
    }
    let (name, value) = SECURE_ALWAYS;
    fields.set(name, value.as_bytes());
}

/// Takes headers out and puts others in.
pub fn edit(edits: &Edits, fields: &mut Fields) {
    if !edits.remove.is_empty() {
        fields.retain(|name, _| !edits.remove.iter().any(|removed| removed.as_bytes() == name));
    }
    for (name, value) in &edits.set {
        fields.set(name, value.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::gateway::Origin;

    fn finished(reply: &Reply, pairs: &[(&str, &str)]) -> Vec<String> {
        let mut fields = Fields::default();
        pairs.iter().for_each(|(name, value)| fields.append(name, value.as_bytes()));
        reply.finish(&mut fields);
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        fields.iter().map(|(name, value)| format!("{}: {}", text(name), text(value))).collect()
    }

    fn shared(origin: Option<&str>, origins: &[&str]) -> Reply {
        let origins: Vec<_> = origins.iter().map(|origin| Origin::parse(origin).unwrap()).collect();
        let (methods, headers, expose) = (Vec::new(), Vec::new(), vec!["x-a".into()]);
        let cors = Arc::new(Cors { credentials: !origins.is_empty(), origins, methods, headers, expose, max_age_s: 1 });
        Reply { shared: Some(Box::new(Shared { origin: origin.map(Into::into), cors })), ..Reply::default() }
    }

    #[test]
    fn what_the_service_says_of_other_sites_is_not_heard() {
        let theirs =
            [("access-control-allow-origin", "*"), ("access-control-allow-credentials", "true"), ("vary", "accept")];
        let refused = shared(None, &["https://app.test"]);
        assert_eq!(finished(&refused, &theirs), ["vary: accept", "vary: Origin"]);
        let allowed = shared(Some("https://app.test"), &["https://app.test"]);
        assert_eq!(
            finished(&allowed, &theirs),
            [
                "vary: accept",
                "vary: Origin",
                "access-control-allow-origin: https://app.test",
                "access-control-allow-credentials: true",
                "access-control-expose-headers: x-a"
            ]
        );
        let for_all = finished(&shared(Some("https://x.test"), &[]), &[("vary", "accept, origin")]);
        assert_eq!(for_all[..2], ["vary: accept, origin", "access-control-allow-origin: *"]);
        assert!(!for_all.iter().any(|line| line.contains("credentials")));
    }

    #[test]
    fn the_secure_set_fills_in_what_is_missing_and_own_words_come_last() {
        let rules = HeaderRules {
            secure: true,
            response: Edits { remove: vec!["via".into()], set: vec![("referrer-policy".into(), "no-referrer".into())] },
            ..HeaderRules::default()
        };
        let reply = Reply { headers: Some(Arc::new(rules)), ..Reply::default() };
        let theirs = [
            ("server", "old/1.0"),
            ("x-powered-by", "x"),
            ("via", "y"),
            ("content-security-policy", "default-src 'none'"),
            ("x-content-type-options", "sniff"),
        ];
        assert_eq!(
            finished(&reply, &theirs),
            [
                "content-security-policy: default-src 'none'",
                "strict-transport-security: max-age=31536000",
                "x-content-type-options: nosniff",
                "referrer-policy: no-referrer",
            ]
        );
        assert_eq!(finished(&Reply::default(), &theirs).len(), 5, "nothing is changed where nothing is said");
    }
}
