//! `bartizan event sign`: what a sender of events adds to them, for trying a route out and for senders that have no library.

use super::{print, print_json};
use crate::args::SignEventArgs;
use crate::failure::{Failure, chain};
use crate::limits::KEY_FILE_BYTES_MAX;
use bartizan_core::Secret;
use bartizan_core::signed::{EVENT_BYTES_MAX, SENDER_FILE_BYTES_MAX};
use bartizan_crypto::jws::TokenKey;
use bartizan_crypto::{hash, key, random};
use bartizan_runtime::{clock, files};
use bartizan_tokens::signed::{Form, Message, sign_message};
use serde_json::{Map, Value};
use std::io::Read;
use std::path::Path;

type Fields = Vec<(&'static str, String)>;

/// Prints the fields.
pub(crate) fn sign(args: &SignEventArgs) -> Result<(), Failure> {
    let body = body(&args.body)?;
    let id = args.id.clone().unwrap_or_else(|| format!("evt_{}", hash::hex(&random::bytes::<16>())));
    let at_s = args.at.unwrap_or_else(|| clock::now().as_secs());
    let fields = match Form::parse(args.scheme.as_str()) {
        Some(form) => by_secret(form, args, (&id, at_s), &body)?,
        None => by_key(args, (&id, at_s), &body)?,
    };
    if args.json {
        let all: Map<_, _> = fields.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
        return print_json(&all);
    }
    print(&fields.iter().map(|(name, value)| format!("{name}: {value}\n")).collect::<String>())
}

fn by_secret(form: Form, args: &SignEventArgs, named: (&str, u64), body: &[u8]) -> Result<Fields, Failure> {
    let Some(path) = &args.secret_file else {
        return Err(Failure::Usage(format!("--scheme {} is signed with a secret: give --secret-file", form.as_str())));
    };
    let text = read(path, SENDER_FILE_BYTES_MAX)?;
    let first = text.expose().lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let signed = form.sign(&Secret::new(first.to_owned()), named, body);
    signed.ok_or_else(|| {
        let path = path.display();
        Failure::new(format!(
            "cannot sign: `{path}` has no secret of this scheme (`standard` writes it as `whsec_…`), or the id has blanks"
        ))
    })
}

fn by_key(args: &SignEventArgs, (id, at_s): (&str, u64), body: &[u8]) -> Result<Fields, Failure> {
    let (Some(path), Some(url)) = (&args.key, &args.url) else {
        return Err(Failure::Usage(
            "--scheme http-signatures is signed with a key, for an address: give --key and --url".to_owned(),
        ));
    };
    let cannot = |why: String| Failure::new(format!("cannot use `{}`: {why}", path.display()));
    let pair = key::from_pem(&read(path, KEY_FILE_BYTES_MAX)?).map_err(|error| cannot(chain(&error)))?;
    let key = TokenKey::from_pair(&pair).map_err(|error| cannot(chain(&error)))?;
    let own = key.public_jwk();
    let kid = args.kid.as_deref().or(own.kid()).unwrap_or_default();
    let (scheme, authority, target) = parts(url).ok_or_else(|| {
        Failure::Usage(format!("--url {url}: write it as `https://host:port/path`, as the request will have it"))
    })?;
    let nothing = |_: &str| Vec::new();
    let message = Message { method: &args.method, scheme, authority, target, field: &nothing, body };
    sign_message((&key, kid), &message, (at_s, id))
        .map_err(|error| Failure::new(format!("cannot sign: {}", chain(&error))))
}

/// Scheme, host with port, and path with query.
fn parts(url: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "https" | "http"))?;
    let is_plain = url.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\#".contains(&byte));
    let at = rest.find('/').unwrap_or(rest.len());
    let (authority, target) = rest.split_at(at);
    let is_good = is_plain && !authority.is_empty() && !authority.contains(['@', '?']);
    is_good.then_some((scheme, authority, if target.is_empty() { "/" } else { target }))
}

fn read(path: &Path, bytes_max: usize) -> Result<Secret<String>, Failure> {
    let cannot = |why: String| Failure::new(format!("cannot use `{}`: {why}", path.display()));
    let bytes = files::read_bounded(path, bytes_max).map_err(|error| cannot(error.to_string()))?;
    String::from_utf8(bytes).map(Secret::new).map_err(|_| cannot("it is no text".to_owned()))
}

fn body(path: &Path) -> Result<Vec<u8>, Failure> {
    let most = u64::from(EVENT_BYTES_MAX);
    let cannot = |why: String| Failure::new(format!("cannot read `{}`: {why}", path.display()));
    if path != Path::new("-") {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        return files::read_bounded(path, most).map_err(|error| cannot(error.to_string()));
    }
    let mut body = Vec::new();
    std::io::stdin().lock().take(most + 1).read_to_end(&mut body).map_err(|error| cannot(error.to_string()))?;
    if body.len() as u64 > most { Err(cannot(format!("it has more than {most} bytes"))) } else { Ok(body) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_path() {
        for bad in [
            "",
            "/hooks",
            "ftp://a/b",
            "https://",
            "https:///b",
            "https://u@a/b",
            "https://a/b#c",
            "https://a/b c",
            "https://a?b",
        ] {
            assert_eq!(parts(bad), None, "{bad}");
        }
        assert_eq!(parts("https://a:1/b?c=d"), Some(("https", "a:1", "/b?c=d")));
        assert_eq!(parts("http://a"), Some(("http", "a", "/")));
    }
}
