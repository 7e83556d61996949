//! `bartizan token keygen` and `token mint`: users of one's own, for trying things out without a log-in.

use super::print;
use crate::args::{KeygenArgs, MintArgs};
use crate::failure::{Failure, chain};
use crate::limits::KEY_FILE_BYTES_MAX;
use bartizan_core::Secret;
use bartizan_crypto::jws::TokenKey;
use bartizan_crypto::{KeyPair, key, random};
use bartizan_runtime::{clock, files};
use bartizan_tokens::Scopes;
use bartizan_tokens::mint::{Access, access};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Makes a key and the file by which its tokens are believed.
pub(crate) fn keygen(args: &KeygenArgs) -> Result<(), Failure> {
    let crypto = |error: &dyn std::error::Error| Failure::new(chain(error));
    let pair = KeyPair::generate().map_err(|error| crypto(&error))?;
    let public = TokenKey::from_pair(&pair).map_err(|error| crypto(&error))?.public_jwk().to_json();
    let jwks = format!("{:#}\n", json!({ "keys": [Value::Object(public)] }));
    let (private, set) = (with_ending(&args.out, "key"), with_ending(&args.out, "jwks"));
    if set.exists() {
        return Err(taken(&set));
    }
    write_new(&private, 0o600, key::pem(&pair).expose().as_bytes())?;
    write_new(&set, 0o644, jwks.as_bytes())?;
    let told = format!(
        "{}: the private key, which makes whoever has it every user\n{}: name it as `keys` of an issuer under `users`\n",
        private.display(),
        set.display()
    );
    print(&told)
}

/// Signs a token and prints it.
pub(crate) fn mint(args: &MintArgs) -> Result<(), Failure> {
    let cannot = |why: String| Failure::new(format!("cannot use `{}`: {why}", args.key.display()));
    let text = files::read_bounded(&args.key, KEY_FILE_BYTES_MAX).map_err(|error| cannot(error.to_string()))?;
    let text = String::from_utf8(text).map_err(|_| cannot("it is no PEM file".to_owned()))?;
    let pair = key::from_pem(&Secret::new(text)).map_err(|error| cannot(chain(&error)))?;
    let key = TokenKey::from_pair(&pair).map_err(|error| cannot(chain(&error)))?;
    let mut said = Access::new(&args.subject, &args.client, &args.audience);
    said.scopes = Scopes::parse(&args.scope).map_err(|error| Failure::Usage(format!("--scope: {error}")))?;
    said.ttl = Duration::from_secs(args.seconds.into());
    said.more = nested(&args.claims)?;
    let token = access(&key, &args.issuer, &said, random::bytes(), clock::now());
    print(&format!("{}\n", token.map_err(|error| Failure::new(chain(&error)))?))
}

/// Claims as an object; dots lead inwards, what is there several times becomes a list.
fn nested(claims: &[(String, String)]) -> Result<Map<String, Value>, Failure> {
    let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in claims {
        by_name.entry(name).or_default().push(value);
    }
    let mut all = Map::new();
    for (name, values) in by_name {
        let value = if let [one] = values.as_slice() { json!(one) } else { json!(values) };
        put(&mut all, name, value).ok_or_else(|| {
            Failure::Usage(format!("--claim {name}: another claim of that name, or of a part of it, is there already"))
        })?;
    }
    Ok(all)
}

fn put(into: &mut Map<String, Value>, path: &str, value: Value) -> Option<()> {
    match path.split_once('.') {
        None if into.contains_key(path) => None,
        None => {
            into.insert(path.to_owned(), value);
            Some(())
        }
        Some((first, rest)) => {
            let inner = into.entry(first).or_insert_with(|| Value::Object(Map::new()));
            put(inner.as_object_mut()?, rest, value)
        }
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

fn taken(path: &Path) -> Failure {
    Failure::new(format!("`{}` is there already; take it away, or give another name with `--out`", path.display()))
}

fn write_new(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    opened.and_then(|mut file| file.write_all(bytes)).map_err(|error| {
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            return taken(path);
        }
        Failure::new(format!("cannot write `{}`: {error}", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nest(claims: &[(&str, &str)]) -> Result<Value, String> {
        let claims: Vec<_> = claims.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        nested(&claims).map(Value::Object).map_err(|error| error.to_string())
    }

    #[test]
    fn claims_lie_where_their_names_lead() {
        assert!(nest(&[("a", "1"), ("a.b", "2")]).is_err(), "a text has no parts");
        assert_eq!(
            nest(&[("a.b", "2"), ("a.c", "3"), ("a.c", "4")]),
            Ok(json!({ "a": { "b": "2", "c": ["3", "4"] } }))
        );
        assert_eq!(nest(&[]), Ok(json!({})));
    }
}
