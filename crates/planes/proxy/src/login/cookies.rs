//! Cookies of ours among those of a request, and those that programs set. Programs neither see ours nor set any of their names.

use crate::message::Fields;
use bartizan_core::login::{COOKIES, LoginSide, SERVER_COOKIES};
use std::time::Duration;

const COOKIE: &str = "cookie";
const SET_COOKIE: &str = "set-cookie";

/// Those of ours that came with a request, by name.
#[derive(Debug, Default)]
pub struct Own(Vec<(String, String)>);

impl Own {
    /// The value of a cookie. `None` where it is not there, or there twice: which of the two counts would be a guess.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(it, _)| it == name).map(|(_, value)| value.as_str());
        values.next().filter(|_| values.next().is_none())
    }

    /// Names that begin so.
    pub fn beginning<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().map(|(name, _)| name.as_str()).filter(move |name| name.starts_with(prefix))
    }
}

/// Takes ours out of a request.
pub fn take(fields: &mut Fields, side: &LoginSide) -> Own {
    let mut own = Own::default();
    if !fields.contains(COOKIE) {
        return own;
    }
    let server = server_is_here(side);
    let mut left: Vec<Vec<u8>> = Vec::new();
    for field in fields.all(COOKIE) {
        let theirs = field.split(|&byte| byte == b';').filter(|pair| {
            let (name, value) = split(pair);
            let is_ours = is_ours(name);
            if is_ours && let (Ok(name), Ok(value)) = (std::str::from_utf8(name), std::str::from_utf8(value)) {
                own.0.push((name.to_owned(), value.to_owned()));
            }
            let is_servers = server && SERVER_COOKIES.iter().any(|it| it.as_bytes() == name);
            !is_ours && !is_servers && !pair.trim_ascii().is_empty()
        });
        left.push(theirs.map(<[u8]>::trim_ascii).collect::<Vec<_>>().join(&b"; "[..]));
    }
    fields.remove(COOKIE);
    left.iter().filter(|field| !field.is_empty()).for_each(|field| fields.append(COOKIE, field));
    own
}

/// Takes out of a program's answer what would set a cookie of ours.
pub fn guard(fields: &mut Fields) {
    if fields.contains(SET_COOKIE) {
        fields.retain(|name, value| {
            let pair = value.split(|&byte| byte == b';').next().unwrap_or_default();
            // One without a name is sent back as its value, and that may look like a name and a value.
            let (name_set, rest) = split(pair);
            let looks = if name_set.is_empty() { split(rest).0 } else { name_set };
            name != SET_COOKIE.as_bytes() || !is_ours(looks)
        });
    }
}

/// Adds a cookie: for `life`, or until the browser is closed.
pub fn set(name: &str, value: &str, life: Option<Duration>) -> (&'static str, Box<str>) {
    let life = life.map(|life| format!("; Max-Age={}", life.as_secs())).unwrap_or_default();
    (SET_COOKIE, format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{life}").into())
}

/// Takes a cookie away.
pub fn clear(name: &str) -> (&'static str, Box<str>) {
    set(name, "", Some(Duration::ZERO))
}

/// Name and value of a pair, or all of it as the value where there is no `=`.
fn split(pair: &[u8]) -> (&[u8], &[u8]) {
    let pair = pair.trim_ascii();
    match pair.iter().position(|&byte| byte == b'=') {
        Some(at) => (pair[..at].trim_ascii(), pair[at + 1..].trim_ascii()),
        None => (&[], pair),
    }
}

/// In whatever case: browsers know the prefix `__Host-` in any.
fn is_ours(name: &[u8]) -> bool {
    name.get(..COOKIES.len()).is_some_and(|start| start.eq_ignore_ascii_case(COOKIES.as_bytes()))
}

/// Whether a browser sends here what the fleet's authorization server gave it: that is on another port of the same host.
fn server_is_here(side: &LoginSide) -> bool {
    let server = host(&side.said.issuer);
    side.said.own && side.said.origins.iter().any(|origin| host(origin) == server)
}

fn host(origin: &str) -> &str {
    let rest = origin.strip_prefix("https://").unwrap_or(origin);
    match rest.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::login::{Login, SESSION_COOKIE};
    use proptest::prelude::*;

    fn side(own: bool) -> LoginSide {
        let said = Login {
            issuer: "https://bank.test:8445".into(),
            own,
            client: "c".into(),
            secret: None,
            scopes: vec!["openid".into()],
            origins: vec!["https://bank.test".into()],
            life_s: 1,
            idle_s: 1,
            after_logout: "/".into(),
        };
        LoginSide { said, provider: None }
    }

    fn fields(name: &str, values: &[&str]) -> Fields {
        let mut fields = Fields::default();
        values.iter().for_each(|value| fields.append(name, value.as_bytes()));
        fields
    }

    fn left(fields: &Fields, name: &str) -> Vec<String> {
        fields.all(name).map(|value| String::from_utf8_lossy(value).into_owned()).collect()
    }

    #[test]
    fn ours_are_taken_out_and_theirs_stay_as_they_were() {
        for (came, found, stays) in [
            (&["a=1; __Host-bartizan=x; b=2"][..], Some("x"), &["a=1; b=2"][..]),
            (&["a=1", "__Host-bartizan=x", "b=2"], Some("x"), &["a=1", "b=2"]),
            (&["__Host-bartizan=x"], Some("x"), &[]),
            (&["__Host-bartizan=x; __Host-bartizan=y; a=1"], None, &["a=1"]),
            (&["__Host-bartizan=x", "__Host-bartizan=x"], None, &[]),
            (&["__host-BARTIZAN=x; __Host-bartizan-login-abc=y"], None, &[]),
            (
                &["__Host-session=s; __Host-bartiza=1; x__Host-bartizan=1"],
                None,
                &["__Host-bartiza=1; x__Host-bartizan=1"],
            ),
            (
                &["alone; =__Host-bartizan=x; a=__Host-bartizan"],
                None,
                &["alone; =__Host-bartizan=x; a=__Host-bartizan"],
            ),
            (&[";;"], None, &[]),
        ] {
            let mut all = fields("cookie", came);
            let own = take(&mut all, &side(true));
            assert_eq!(
                (own.get(SESSION_COOKIE), left(&all, "cookie")),
                (found, stays.iter().map(ToString::to_string).collect()),
                "{came:?}"
            );
        }
        let mut elsewhere = fields("cookie", &["__Host-session=s"]);
        take(&mut elsewhere, &side(false));
        assert_eq!(left(&elsewhere, "cookie"), ["__Host-session=s"], "a name that a program may have for itself");
    }

    #[test]
    fn a_program_sets_no_cookie_of_ours_by_any_spelling() {
        let set = [
            "__Host-bartizan=x; Path=/; Secure",
            " __host-Bartizan =x",
            "=__Host-bartizan=x",
            "__Host-bartizan-login-a=1",
            "a=__Host-bartizan=x",
            "sid=1; Path=/",
            "__Host-session=1",
        ];
        let mut fields = fields("set-cookie", &set);
        fields.append("x-other", b"__Host-bartizan=x");
        guard(&mut fields);
        assert_eq!(left(&fields, "set-cookie"), ["a=__Host-bartizan=x", "sid=1; Path=/", "__Host-session=1"]);
        assert!(fields.contains("x-other"));
    }

    proptest! {
        #[test]
        fn nothing_of_ours_is_left_and_nothing_of_theirs_lost(
            names in proptest::collection::vec("(__Host-bartizan|__Host-bartizan-login-[a-z]|[a-z]{1,4}|__Host-[a-z]{1,3})", 0..8),
        ) {
            let pairs: Vec<String> = names.iter().enumerate().map(|(n, name)| format!("{name}={n}")).collect();
            let mut all = fields("cookie", &[&pairs.join("; ")]);
            take(&mut all, &side(false));
            let stays: Vec<_> = pairs.iter().filter(|pair| !pair.starts_with("__Host-bartizan")).cloned().collect();
            prop_assert_eq!(left(&all, "cookie").join("; "), stays.join("; "));
        }
    }
}
