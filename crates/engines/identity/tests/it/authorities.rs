//! Root and issuing CAs: what they refuse to sign, for how long they sign, and how a root sleeps.

use crate::{Fleet, NOW, service, slices};
use bartizan_core::limits::{CLOCK_SKEW, LEAF_TTL};
use bartizan_core::{Role, Secret, SpiffeId, Timestamp, TrustDomain};
use bartizan_crypto::cert::{self, Usage, verify_path};
use bartizan_crypto::{KeyPair, base64, csr, random};
use bartizan_identity::limits::{EDGE_TTL, ISSUING_TTL, ROOT_TTL};
use bartizan_identity::{IssueError, IssuingCa, OpenError, RootCa, SealedRoot, verify_peer};

#[test]
fn refuses_names_that_are_not_its_own_to_give() {
    let fleet = Fleet::new("bank.test");
    let key = KeyPair::generate().unwrap();
    let issue = |id: &str| {
        let id = SpiffeId::parse(id).unwrap();
        fleet.issuing.issue(key.public_spki(), &id, random::bytes(), NOW)
    };
    for id in ["spiffe://other.test/svc/accounts", "spiffe://bank.tes/svc/accounts", "spiffe://bank.test.evil/svc/a"] {
        assert!(matches!(issue(id), Err(IssueError::ForeignTrustDomain { .. })), "{id}");
    }
    for id in ["spiffe://bank.test", "spiffe://bank.test/accounts", "spiffe://bank.test/bartizan/root"] {
        assert!(matches!(issue(id), Err(IssueError::NoRole { .. })), "{id}");
    }
    let id = fleet.id(&service("accounts"));
    let no_key = fleet.issuing.issue(b"no key", &id, random::bytes(), NOW);
    assert!(matches!(no_key, Err(IssueError::Crypto(_))));
}

#[test]
fn refuses_to_sign_out_of_its_own_dates() {
    let fleet = Fleet::new("bank.test");
    let key = KeyPair::generate().unwrap();
    let id = fleet.id(&service("accounts"));
    let at = |now| fleet.issuing.issue(key.public_spki(), &id, random::bytes(), now);
    let second = std::time::Duration::from_secs(1);
    for now in [Timestamp::default(), fleet.issuing.not_before().minus(second), fleet.issuing.not_after()] {
        assert!(matches!(at(now), Err(IssueError::IssuerOutOfDate { .. })), "{now:?}");
    }
    at(fleet.issuing.not_before()).unwrap();
    at(fleet.issuing.not_after().minus(second)).unwrap();

    let request = csr::check(&csr::make(&key).unwrap()).unwrap();
    let beyond = fleet.root.sign_issuing(&request, random::bytes(), fleet.root.not_after());
    assert!(matches!(beyond, Err(IssueError::IssuerOutOfDate { .. })));
}

#[test]
fn nothing_outlives_its_issuer() {
    let fleet = Fleet::new("bank.test");
    let accounts = fleet.member(&service("accounts"));
    assert_eq!(accounts.svid.not_before, NOW.minus(CLOCK_SKEW));
    assert_eq!(accounts.svid.not_after, NOW.plus(LEAF_TTL));
    assert_eq!(fleet.issuing.not_after(), NOW.plus(ISSUING_TTL));
    assert_eq!(fleet.root.not_after(), NOW.plus(ROOT_TTL));

    let minute = std::time::Duration::from_secs(60);
    let late = fleet.issuing.not_after().minus(minute);
    let (key, id) = (KeyPair::generate().unwrap(), fleet.id(&service("accounts")));
    let svid = fleet.issuing.issue(key.public_spki(), &id, random::bytes(), late).unwrap();
    assert_eq!(svid.not_after, fleet.issuing.not_after());
    let edge = fleet.issuing.issue_edge(key.public_spki(), &["localhost".to_owned()], &[], random::bytes(), late);
    assert_eq!(edge.unwrap().not_after, fleet.issuing.not_after());

    let late = fleet.root.not_after().minus(minute);
    let request = csr::check(&csr::make(&key).unwrap()).unwrap();
    let issuing = fleet.root.sign_issuing(&request, random::bytes(), late).unwrap();
    assert_eq!(cert::read(&issuing).unwrap().not_after(), fleet.root.not_after());

    // The first leaf, before its CA is a minute old in its own words.
    let first = fleet.issuing.not_before();
    let svid = fleet.issuing.issue(key.public_spki(), &id, random::bytes(), first).unwrap();
    assert_eq!(svid.not_before, fleet.issuing.not_before());
}

#[test]
fn what_a_certificate_says_is_what_is_reported() {
    let fleet = Fleet::new("bank.test");
    let odd = Timestamp::from_millis(NOW.as_millis() + 789);
    let (key, id) = (KeyPair::generate().unwrap(), fleet.id(&Role::Control));
    let svid = fleet.issuing.issue(key.public_spki(), &id, random::bytes(), odd).unwrap();
    let leaf = cert::read(&svid.chain[0]).unwrap();
    assert_eq!((leaf.not_before(), leaf.not_after()), (svid.not_before, svid.not_after));
    assert_eq!(leaf.serial_hex(), svid.serial);
    let peer = verify_peer(&slices(&svid.chain), &fleet.bundles, odd).unwrap();
    assert_eq!(peer.id(), &id);
}

#[test]
fn refuses_an_issuing_certificate_of_somebody_else() {
    let (bank, other) = (Fleet::new("bank.test"), Fleet::new("other.test"));
    let key = KeyPair::generate().unwrap();
    let request = csr::check(&csr::make(&key).unwrap()).unwrap();
    let certificate = bank.root.sign_issuing(&request, random::bytes(), NOW).unwrap();
    assert!(IssuingCa::new(KeyPair::generate().unwrap(), &certificate, &bank.domain).is_err(), "another key");
    let again = || KeyPair::from_pkcs8(&key.pkcs8()).unwrap();
    assert!(IssuingCa::new(again(), &certificate, &other.domain).is_err(), "another domain");
    let leaf = bank.issuing.issue(key.public_spki(), &bank.id(&Role::Control), random::bytes(), NOW).unwrap();
    assert!(IssuingCa::new(again(), &leaf.chain[0], &bank.domain).is_err(), "a leaf");
    IssuingCa::new(again(), &certificate, &bank.domain).unwrap();
}

#[test]
fn edge_certificates_name_hosts_and_nobody() {
    let fleet = Fleet::new("bank.test");
    let key = KeyPair::generate().unwrap();
    let ips = ["127.0.0.1".parse().unwrap()];
    let edge =
        fleet.issuing.issue_edge(key.public_spki(), &["localhost".to_owned()], &ips, random::bytes(), NOW).unwrap();
    assert_eq!(edge.not_after, NOW.plus(EDGE_TTL));
    let roots = [fleet.root.certificate().to_vec()];
    verify_path(&slices(&edge.chain), &roots, NOW, Usage::Server).unwrap();
    verify_peer(&slices(&edge.chain), &fleet.bundles, NOW).expect_err("it is no identity inside the mesh");
    assert!(fleet.issuing.issue_edge(key.public_spki(), &[], &[], random::bytes(), NOW).is_err());
}

fn passphrase(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

#[test]
fn a_sealed_root_opens_for_its_passphrase_only_and_only_whole() {
    let domain = TrustDomain::parse("bank.test").unwrap();
    let create = || RootCa::create(&domain, KeyPair::generate().unwrap(), random::bytes(), NOW).unwrap();
    let (root, other) = (create(), create());
    let sealed = root.seal(&passphrase("correct horse"), [3; 16]).unwrap();
    let sealed_other = other.seal(&passphrase("correct horse"), [3; 16]).unwrap();

    let json = serde_json::to_string(&sealed).unwrap();
    let sealed: SealedRoot = serde_json::from_str(&json).unwrap();
    let opened = sealed.open(&passphrase("correct horse")).unwrap();
    assert_eq!((opened.certificate(), opened.domain()), (root.certificate(), &domain));

    assert_eq!(sealed.open(&passphrase("correct horsf")).unwrap_err(), OpenError::Passphrase);
    assert_eq!(sealed.open(&passphrase("")).unwrap_err(), OpenError::Passphrase);
    let refused = |why: &str, change: &dyn Fn(&mut SealedRoot)| {
        let mut altered = sealed.clone();
        change(&mut altered);
        altered.open(&passphrase("correct horse")).expect_err(why);
    };
    refused("another root's certificate", &|s| s.certificate.clone_from(&sealed_other.certificate));
    refused("another root's key", &|s| s.sealed_key.clone_from(&sealed_other.sealed_key));
    refused("another domain", &|s| s.trust_domain = TrustDomain::parse("other.test").unwrap());
    refused("another salt", &|s| s.salt = base64::encode(&[4; 16]));
    refused("a short salt", &|s| s.salt = base64::encode(&[3; 15]));
    refused("no certificate", &|s| s.certificate.clear());
    refused("two certificates", &|s| s.certificate = s.certificate.repeat(2));
    refused("a cut key", &|s| s.sealed_key = base64::encode(&base64::decode(&s.sealed_key).unwrap()[1..]));
    refused("no key", &|s| s.sealed_key.clear());
    assert!(serde_json::from_str::<SealedRoot>(&json.replacen('{', "{\"more\":1,", 1)).is_err(), "unknown field");
    assert!(serde_json::from_str::<SealedRoot>(&json[..json.len() / 2]).is_err(), "half a file");
}

#[test]
fn a_sealed_root_shows_nothing_of_its_key() {
    let domain = TrustDomain::parse("bank.test").unwrap();
    let key = KeyPair::generate().unwrap();
    let pkcs8 = key.pkcs8();
    let root = RootCa::create(&domain, key, random::bytes(), NOW).unwrap();
    let sealed = root.seal(&passphrase("correct horse"), [3; 16]).unwrap();
    let bytes = base64::decode(&sealed.sealed_key).unwrap();
    for piece in pkcs8.expose().windows(8) {
        assert!(!bytes.windows(8).any(|window| window == piece), "a piece of the key lies there in clear");
    }
    assert!(!format!("{root:?}").contains("KeyPair"), "nor does it print");
}
