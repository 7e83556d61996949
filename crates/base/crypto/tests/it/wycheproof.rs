//! Wycheproof's vectors for signed tokens and key sets.
//!
//! They are not part of this tree: `BARTIZAN_CORPORA` names the folder that has them, under `wycheproof`; see
//! `corpus/wycheproof/SOURCE.md` for where they are had and what they said last. Without it only the RFCs' examples run.

use bartizan_crypto::jose::json::Object;
use bartizan_crypto::jose::{EmbeddedKey, Jwk, JwkSet, Unverified};
use serde_json::Value;
use std::collections::BTreeSet;

/// Cases whose outcome differs from Wycheproof's, each with the reason; one that agrees again is reported. By file, what the
/// algorithm of its key, or the comment of its group or its own, begins with, and which outcome is expected there.
const SKIPS: &[(&str, &str, &str, &str)] = &[
    ("json_web_signature_test", "HS", "valid", "signatures with a secret are not offered"),
    ("json_web_signature_test", "ES521", "valid", "`ES521` is the name of no algorithm; RFC 7518 has ES512"),
    (
        "json_web_signature_test",
        "Figure20",
        "valid",
        "the token is signed with PS384, and its key says that it is for PS256",
    ),
    ("json_web_key_test", "HS", "valid", "signatures with a secret are not offered"),
    ("json_web_key_test", "jws_keyset", "valid", "a set with a secret in it is refused whole"),
];

/// `None` where the folder of corpora is not there, or has none of these.
fn vectors(file: &str) -> Option<Value> {
    let folder = std::path::PathBuf::from(std::env::var_os("BARTIZAN_CORPORA")?).join("wycheproof");
    if !folder.is_dir() {
        return None;
    }
    let path = folder.join(file).with_extension("json");
    let text = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Some(serde_json::from_slice(&text).unwrap())
}

/// Whether some key of the group believes the token.
fn believed(keys: &[Jwk], token: &str) -> bool {
    let Ok(unverified) = Unverified::parse(token, EmbeddedKey::Refused) else { return false };
    let header = unverified.header();
    keys.iter().filter(|key| header.kid.is_none() || key.kid().is_none() || header.kid.as_deref() == key.kid()).any(
        |key| {
            let key = key.verify_key(header.alg);
            key.is_ok_and(|key| unverified.verify(&key).is_ok())
        },
    )
}

fn run(file: &'static str, keys_of: impl Fn(&Object) -> Vec<Jwk>) {
    let Some(vectors) = vectors(file) else {
        println!("{file}: not run, BARTIZAN_CORPORA has no `wycheproof`");
        return;
    };
    let (mut agreed, mut used, mut wrong) = ([0, 0], BTreeSet::new(), Vec::new());
    for group in vectors["testGroups"].as_array().unwrap() {
        let key = group.get("public").or_else(|| group.get("private")).and_then(Value::as_object).unwrap();
        let alg = key.get("alg").and_then(Value::as_str).unwrap_or_default();
        let name = group["comment"].as_str().unwrap_or_default();
        let keys = keys_of(key);
        for case in group["tests"].as_array().unwrap() {
            let title = case["comment"].as_str().unwrap_or_default();
            let expected = case["result"].as_str().unwrap();
            // A few groups in the JSON form have no text here; what is no text is no token.
            let is_believed = case["jws"].as_str().is_some_and(|token| believed(&keys, token));
            let skip = SKIPS.iter().find(|(of, begins, when, _)| {
                *of == file && [alg, name, title].iter().any(|text| text.starts_with(begins)) && *when == expected
            });
            match ((expected == "valid") == is_believed, skip) {
                (true, None) => agreed[usize::from(is_believed)] += 1,
                (false, Some(skip)) => {
                    used.insert(skip);
                }
                (true, Some(skip)) => wrong.push(format!("{}: agrees, though skipped ({})", case["tcId"], skip.3)),
                (false, None) => wrong.push(format!("{} {name} {title}: expected {expected}", case["tcId"])),
            }
        }
    }
    println!("{file}: {} accepted, {} refused, as expected; skipped by {used:?}", agreed[1], agreed[0]);
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(used.len(), SKIPS.iter().filter(|skip| skip.0 == file).count(), "a skip that nothing needs");
}

#[test]
fn wycheproof_signatures() {
    run("json_web_signature_test", |key| Jwk::parse(key).into_iter().collect());
}

#[test]
fn wycheproof_key_sets() {
    run("json_web_key_test", |set| {
        let text = serde_json::to_vec(set).unwrap();
        JwkSet::parse(&text).map(|set| set.keys).unwrap_or_default()
    });
}
