//! Transaction tokens: who may mint, what is refused, and that no narrowing widens.

use crate::*;
use bartizan_core::{Secret, SpiffeId, TrustDomain};
use bartizan_tokens::txn::{
    Certificate, Delegates, Minter, Narrower, Txn, TxnError, TxnToken, delegate, mint, narrow, verify_txn,
};
use bartizan_tokens::{Scopes, TokenError};
use proptest::prelude::*;
use std::time::Duration;

const AUTHORITY: &str = "spiffe://bank.test/bartizan/control";

static GATEWAY: LazyLock<TokenKey> = LazyLock::new(|| TokenKey::generate_ed25519().unwrap());

fn domain() -> TrustDomain {
    TrustDomain::parse("bank.test").unwrap()
}

fn id(name: &str) -> SpiffeId {
    SpiffeId::parse(&format!("spiffe://bank.test/svc/{name}")).unwrap()
}

fn later(s: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(s))
}

fn authorities() -> Issuers {
    Issuers::new(1, vec![issuer(AUTHORITY, &KEY, &[Alg::Es256], false)]).unwrap()
}

fn delegation() -> String {
    let to = (&id("gateway"), &GATEWAY.public_jwk());
    delegate((&KEY, AUTHORITY), &domain(), to, None, Duration::from_secs(600), NOW).unwrap()
}

fn delegates() -> Delegates {
    let mut delegates = Delegates::new(domain());
    delegates.add(&authorities(), &delegation(), NOW).unwrap();
    delegates
}

fn txn() -> Txn {
    let object = |value: Value| value.as_object().unwrap().clone();
    Txn {
        txn: "c0ffee".into(),
        subject: "alice".into(),
        scopes: Scopes::parse("pay read").unwrap(),
        requester: id("gateway"),
        context: object(json!({"amount": 12, "to": "bob"})),
        request_context: object(json!({"ip": "192.0.2.1"})),
    }
}

fn seed(byte: u8) -> Secret<[u8; 32]> {
    Secret::new([byte; 32])
}

fn minted(open: Option<&Secret<[u8; 32]>>) -> String {
    let (gateway, domain) = (id("gateway"), domain());
    let minter = Minter { key: &GATEWAY, id: &gateway, domain: &domain, until: later(600) };
    mint(&minter, &txn(), Duration::from_secs(60), open, NOW).unwrap()
}

fn verify(chain: &str) -> Result<TxnToken, TxnError> {
    verify_txn(chain, &delegates(), NOW)
}

fn to(scopes: &str, end_s: u64) -> Narrower {
    Narrower { scopes: Scopes::parse(scopes).unwrap(), expires: later(end_s), by: id("payment") }
}

/// The claims of a good token, for tokens that are wrong in one of them.
fn good() -> Value {
    json!({
        "iss": id("gateway").as_str(), "aud": "bank.test", "iat": NOW.as_secs(), "exp": NOW.as_secs() + 60, "txn": "c0ffee",
        "sub": "alice", "scope": "pay read", "req_wl": id("gateway").as_str(), "tctx": {"amount": 12},
    })
}

fn good_header() -> Value {
    json!({"alg": "EdDSA", "kid": kid(&GATEWAY), "typ": "txntoken+jwt"})
}

#[test]
fn only_a_delegated_key_mints_and_only_for_its_time() {
    let token = minted(None);
    let none = Delegates::new(domain());
    assert_eq!(verify_txn(&token, &none, NOW), Err(TxnError::NotDelegated(kid(&GATEWAY))));
    let delegates = delegates();
    let verified = verify_txn(&token, &delegates, NOW).unwrap();
    assert_eq!((verified.minter, verified.txn, verified.expires), (id("gateway"), txn(), later(60)));
    // At its end the delegation takes along what it minted.
    let late = forged(
        &GATEWAY,
        &good_header(),
        &with(with(good(), "iat", json!(later(590).as_secs())), "exp", json!(later(650).as_secs())),
    );
    assert_eq!(verify_txn(&late, &delegates, later(599)).unwrap().expires, later(600));
    assert_eq!(verify_txn(&late, &delegates, later(600)), Err(TxnError::NotDelegated(kid(&GATEWAY))));
    let (gateway, domain) = (id("gateway"), domain());
    let minter = Minter { key: &GATEWAY, id: &gateway, domain: &domain, until: NOW };
    assert_eq!(mint(&minter, &txn(), Duration::from_secs(60), None, NOW), Err(TxnError::DelegationOver));
    assert_eq!(verify_txn(&token, &delegates, NOW).unwrap().minter, id("gateway"));
}

#[test]
fn a_token_says_by_which_certificate_its_minter_was_known() {
    let with = |certificate: &Certificate| {
        let (to, ttl) = ((&id("gateway"), &GATEWAY.public_jwk()), Duration::from_secs(600));
        let text = delegate((&KEY, AUTHORITY), &domain(), to, Some(certificate), ttl, NOW).unwrap();
        let mut delegates = Delegates::new(domain());
        delegates.add(&authorities(), &text, NOW).map(drop)?;
        verify_txn(&minted(None), &delegates, NOW).map(|token| token.certificate)
    };
    let certificate = |serial: &str, key: &str| Certificate { serial: serial.to_owned(), key: key.to_owned() };
    for (serial, key) in [("", "ab"), ("0a", ""), ("0A", "ab"), ("0a", "x")] {
        assert!(with(&certificate(serial, key)).is_err(), "{serial:?} {key:?}");
    }
    let good = certificate("0a", "ab");
    assert_eq!(with(&good).unwrap().as_deref(), Some(&good));
    assert_eq!(verify_txn(&minted(None), &delegates(), NOW).unwrap().certificate, None, "not said");
}

#[test]
fn a_revoked_delegation_does_not_come_back_with_the_next_token() {
    let (token, mut delegates) = (minted(None), delegates());
    let other = Delegates::new(domain());
    delegates.revoke(&id("ledger"), later(30));
    verify_txn(&token, &delegates, NOW).unwrap();
    delegates.revoke(&id("gateway"), later(30));
    assert_eq!(verify_txn(&token, &delegates, NOW), Err(TxnError::NotDelegated(kid(&GATEWAY))));
    let add = |mut delegates: Delegates, made_s: u64, at_s: u64| {
        let to = (&id("gateway"), &GATEWAY.public_jwk());
        let text = delegate((&KEY, AUTHORITY), &domain(), to, None, Duration::from_secs(600), later(made_s)).unwrap();
        delegates.add(&authorities(), &text, later(at_s)).map(drop)
    };
    for made_s in [0, 29, 30] {
        assert_eq!(
            add(delegates.clone(), made_s, 31),
            Err(TxnError::DelegationRevoked(id("gateway"))),
            "made at {made_s}"
        );
    }
    // Who got another identity since may mint again; an earlier moment takes nothing back.
    delegates.revoke(&id("gateway"), later(10));
    add(delegates.clone(), 31, 31).unwrap();
    assert!(add(delegates, 30, 31).is_err());
    // More than can be remembered: then nobody's old delegation counts.
    let mut many = other;
    for n in 0..1024 {
        many.revoke(&id(&format!("s{n}")), later(30));
    }
    add(many.clone(), 30, 31).unwrap();
    many.revoke(&id("one-more"), later(30));
    assert!(add(many.clone(), 30, 31).is_err());
    add(many, 31, 31).unwrap();
}

#[test]
fn refuses_delegations_that_are_none() {
    let jwk = Value::Object(GATEWAY.public_jwk().to_json());
    let claims = || {
        json!({
            "iss": AUTHORITY, "sub": id("gateway").as_str(), "aud": "bank.test", "iat": NOW.as_secs(),
            "exp": NOW.as_secs() + 600, "cnf": {"jwk": jwk},
        })
    };
    let header = || json!({"alg": "ES256", "kid": kid(&KEY), "typ": "bartizan-delegation+jwt"});
    let add = |header: &Value, claims: &Value| {
        Delegates::new(domain()).add(&authorities(), &forged(&KEY, header, claims), NOW).map(drop)
    };
    add(&header(), &claims()).unwrap();
    for (header, claims, why) in [
        (with(header(), "typ", json!("at+jwt")), claims(), "an access token"),
        (with(header(), "typ", json!("txntoken+jwt")), claims(), "a transaction token"),
        (header(), with(claims(), "iss", json!(id("gateway").as_str())), "one of its own"),
        (header(), with(claims(), "aud", json!("other.test")), "of another domain"),
        (header(), with(claims(), "aud", json!(["bank.test", "other.test"])), "of two domains"),
        (header(), with(claims(), "sub", json!("spiffe://other.test/svc/gateway")), "to somebody of another domain"),
        (header(), with(claims(), "sub", json!("spiffe://bank.test")), "to a whole domain"),
        (header(), with(claims(), "sub", json!("gateway")), "to no SPIFFE ID"),
        (header(), with(claims(), "exp", json!(NOW.as_secs())), "over"),
        (header(), with(claims(), "exp", json!(NOW.as_secs() + 3601)), "too long"),
        (header(), with(claims(), "iat", json!(NOW.as_secs() + 61)), "for later"),
        (header(), without(claims(), "cnf"), "without a key"),
        (header(), with(claims(), "cnf", json!({"jkt": "AA"})), "with the name of a key"),
        (header(), with(claims(), "cnf", json!({"jwk": {"kty": "oct", "k": "AA"}})), "with a secret"),
    ] {
        assert!(add(&header, &claims).is_err(), "believed, though {why}");
    }
    // The same key for another name: whoever holds both could choose who it is.
    let mut delegates = delegates();
    let other = forged(&KEY, &header(), &with(claims(), "sub", json!(id("ledger").as_str())));
    assert!(matches!(delegates.add(&authorities(), &other, NOW), Err(TxnError::OtherMinter { .. })));
}

#[test]
fn refuses_tokens_that_are_none() {
    let now = NOW.as_secs();
    for (header, claims, why) in [
        (with(good_header(), "typ", json!("at+jwt")), good(), "an access token"),
        (without(good_header(), "typ"), good(), "no kind"),
        (with(good_header(), "kid", json!(kid(&KEY))), good(), "the authority's key"),
        (without(good_header(), "kid"), good(), "no key"),
        (with(good_header(), "alg", json!("ES256")), good(), "another algorithm"),
        (good_header(), with(good(), "iss", json!(id("ledger").as_str())), "another minter"),
        (good_header(), without(good(), "iss"), "no minter"),
        (good_header(), with(good(), "aud", json!("other.test")), "another domain"),
        (good_header(), with(good(), "exp", json!(now)), "over"),
        (good_header(), with(good(), "exp", json!(now + 61)), "too long a life"),
        (good_header(), with(good(), "iat", json!(now + 61)), "later"),
        (good_header(), without(good(), "txn"), "no name"),
        (good_header(), without(good(), "sub"), "nobody"),
        (good_header(), without(good(), "scope"), "no scopes"),
        (good_header(), without(good(), "req_wl"), "no workload"),
        (good_header(), with(good(), "req_wl", json!("gateway")), "a workload without a name"),
        (good_header(), with(good(), "tctx", json!([])), "a context that is none"),
        (good_header(), with(good(), "bartizan_next", json!("AA")), "a key that is none"),
    ] {
        assert!(verify(&forged(&GATEWAY, &header, &claims)).is_err(), "believed, though {why}");
    }
    verify(&forged(&GATEWAY, &good_header(), &good())).unwrap();
    assert!(matches!(verify(&forged(&KEY, &good_header(), &good())), Err(TxnError::Signature(_))));
}

#[test]
fn narrowing_leaves_less_and_nothing_else() {
    let open = minted(Some(&seed(1)));
    let root = verify(&open).unwrap();
    assert!(root.is_open());
    let narrower = narrow(&open, &root, &to("pay", 30), Some(&seed(2))).unwrap();
    let verified = verify(&narrower).unwrap();
    assert_eq!(
        (verified.txn.scopes.to_string(), verified.expires, verified.narrowed),
        ("pay".to_owned(), later(30), 1)
    );
    assert_eq!(Txn { scopes: txn().scopes, ..verified.txn.clone() }, txn());
    for (wider, what) in [(to("pay read", 30), "scopes"), (to("pay admin", 30), "scopes"), (to("pay", 31), "life")] {
        assert_eq!(narrow(&narrower, &verified, &wider, None), Err(TxnError::Widens { link: 2, what }));
        // Whoever has the text has the seed, and can sign what they like. It is not believed.
        let link = forged_link(&narrower, &wider);
        assert_eq!(verify(&link), Err(TxnError::Widens { link: 2, what }));
    }
    let closed = narrow(&narrower, &verified, &to("", 30), None).unwrap();
    let last = verify(&closed).unwrap();
    assert!(last.txn.scopes.is_empty() && !last.is_open());
    assert!(matches!(narrow(&closed, &last, &to("", 30), None), Err(TxnError::Closed(_))));
    assert_eq!(verify_txn(&closed, &delegates(), later(29)).unwrap(), last);
    let over = verify_txn(&closed, &delegates(), later(30)).unwrap_err();
    assert!(matches!(over, TxnError::Token(TokenError::Expired { .. })));
    assert!(matches!(
        narrow(&minted(None), &verify(&minted(None)).unwrap(), &to("", 1), None),
        Err(TxnError::Closed(_))
    ));
    // What was verified has to be what is narrowed.
    assert!(matches!(narrow(&open, &verified, &to("pay", 30), None), Err(TxnError::Chain(_))));
}

/// A link that says anything, signed with the seed at the chain's end.
fn forged_link(chain: &str, to: &Narrower) -> String {
    let (parts, held) = chain.rsplit_once('~').unwrap();
    let held = Secret::new(base64::decode_url(held).unwrap().try_into().unwrap());
    let before = parts.rsplit('~').next().unwrap();
    let claims = json!({
        "scope": to.scopes.to_string(), "exp": to.expires.as_secs(), "by": "spiffe://bank.test/svc/x", "sub": "root",
        "tctx": {"amount": 1_000_000},
        "bartizan_before": base64::encode_url(&bartizan_crypto::hash::sha256(before.as_bytes())),
    });
    let header = json!({"alg": "EdDSA", "kid": "next", "typ": "bartizan-narrowing+jwt"});
    format!("{parts}~{}", forged(&TokenKey::ed25519_from_seed(&held).unwrap(), &header, &claims))
}

#[test]
fn a_link_cannot_be_left_out_moved_or_added_by_others() {
    let open = minted(Some(&seed(1)));
    let one = narrow(&open, &verify(&open).unwrap(), &to("pay", 30), Some(&seed(2))).unwrap();
    let two = narrow(&one, &verify(&one).unwrap(), &to("", 20), Some(&seed(3))).unwrap();
    let parts: Vec<&str> = two.split('~').collect();
    let [root, first, second, end] = parts.as_slice() else { panic!("{two}") };
    verify(&two).unwrap();
    for (chain, why) in [
        ((*root).to_owned(), "both links left out"),
        (format!("{root}~{end}"), "both links left out, with the seed at hand"),
        (format!("{root}~{first}"), "a link left out"),
        (format!("{root}~{first}~{end}"), "a link left out, with the seed at hand"),
        (format!("{root}~{second}~{end}"), "the first link left out"),
        (format!("{root}~{second}~{first}~{end}"), "links the other way round"),
        (format!("{root}~{first}~{second}"), "without its end"),
        (format!("{two}~"), "something after its end"),
        (format!("{two}~{end}"), "two ends"),
        (format!("{root}~{first}~{first}~{end}"), "a link twice"),
        (format!("~{two}"), "nothing at the beginning"),
        (format!("{first}~{second}~{end}"), "no token"),
        (format!("{root}~{end}~{second}~{end}"), "an end in the middle"),
        (format!("{}~{first}", minted(None)), "a link behind a closed token"),
        (format!("{}~{end}", minted(None)), "an end behind a closed token"),
    ] {
        assert!(verify(&chain).is_err(), "believed, though {why}");
    }
    // A chain as long as it may be, and one longer.
    let mut chain = open;
    for n in 0..8 {
        chain = narrow(&chain, &verify(&chain).unwrap(), &to("pay", 30), Some(&seed(n + 10))).unwrap();
    }
    let last = verify(&chain).unwrap();
    assert!(matches!(narrow(&chain, &last, &to("pay", 30), None), Err(TxnError::Closed(_))));
    assert_eq!(verify(&forged_link(&chain, &to("pay", 30))), Err(TxnError::Chain("it has too many links")));
}

#[derive(Clone, Debug)]
enum Step {
    /// By the rules, as far as they allow it.
    Narrow { scopes: String, end_s: u64, close: bool },
    /// Whatever the holder of the text likes to sign.
    Forge { scopes: String, end_s: u64 },
    /// Parts left out.
    Cut { parts: usize, keep_end: bool },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let scopes = || "(pay)?( read)?( admin)?".prop_map(|text| text.trim().to_owned());
    let narrow = (scopes(), 1..90_u64, any::<bool>());
    let narrow = narrow.prop_map(|(scopes, end_s, close)| Step::Narrow { scopes, end_s, close });
    let forge = (scopes(), 1..90_u64).prop_map(|(scopes, end_s)| Step::Forge { scopes, end_s });
    let cut = (1..4_usize, any::<bool>()).prop_map(|(parts, keep_end)| Step::Cut { parts, keep_end });
    proptest::collection::vec(prop_oneof![4 => narrow, 2 => forge, 1 => cut], 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_sequence_of_narrowings_widens(steps in steps()) {
        let mut chain = minted(Some(&seed(1)));
        let mut held = verify(&chain).unwrap();
        for (n, step) in steps.into_iter().enumerate() {
            let fresh = seed(u8::try_from(n).unwrap() + 2);
            let tried = match &step {
                Step::Narrow { scopes, end_s, close } => {
                    narrow(&chain, &held, &to(scopes, *end_s), (!close).then_some(&fresh)).ok()
                }
                Step::Forge { scopes, end_s } => held.is_open().then(|| forged_link(&chain, &to(scopes, *end_s))),
                Step::Cut { parts, keep_end } => {
                    let all: Vec<&str> = chain.split('~').collect();
                    let kept = all.len().saturating_sub(*parts).max(1);
                    let end = keep_end.then(|| all.last().copied()).flatten();
                    Some(all[..kept].iter().copied().chain(end).collect::<Vec<_>>().join("~"))
                }
            };
            let Some(tried) = tried else { continue };
            let Ok(verified) = verify(&tried) else { continue };
            // A cut that left the chain as it was is no cut.
            prop_assert!(verified.txn.scopes.are_within(&held.txn.scopes), "{step:?}");
            prop_assert!(verified.expires <= held.expires && verified.narrowed >= held.narrowed);
            let same = Txn { scopes: txn().scopes, ..verified.txn.clone() };
            prop_assert_eq!((same, &verified.minter), (txn(), &id("gateway")));
            (chain, held) = (tried, verified);
        }
    }

    #[test]
    fn edits_are_refused(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let open = minted(Some(&seed(1)));
        let chain = narrow(&open, &verify(&open).unwrap(), &to("pay", 30), Some(&seed(2))).unwrap();
        let mut edited = chain.clone().into_bytes();
        let at = at.index(edited.len());
        edited[at] = byte;
        if let Ok(text) = String::from_utf8(edited) {
            prop_assert!(text == chain || verify(&text).is_err());
        }
    }
}
