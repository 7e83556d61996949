//! The memory of good tokens: it never says what a full check would not say.

use crate::*;
use bartizan_core::Timestamp;
use bartizan_tokens::limits::{CACHE_BYTES_MAX, CACHE_ENTRIES_MAX, REVOCATIONS_MAX};
use bartizan_tokens::{
    Revocation, RevocationError, Revocations, Revoked, TokenCache, TokenError, Trust, verify_access,
};
use proptest::prelude::*;

fn list(epoch: u64, what: Vec<Revoked>) -> Revocations {
    let entry = |what| Revocation { issuer: ISSUER.into(), what };
    Revocations::new(epoch, what.into_iter().map(entry).collect()).unwrap()
}

fn token() -> String {
    forged(&KEY, &header(), &with(claims(), "bartizan_family", json!("f1")))
}

#[test]
fn a_revoked_token_does_not_come_out_again() {
    let (issuers, token) = (issuers(1), token());
    for (what, by) in [
        (Revoked::Token("t1".into()), "jti"),
        (Revoked::Family("f1".into()), "family"),
        (Revoked::Subject("alice".into(), NOW), "subject"),
        (Revoked::All(NOW), "issuer"),
    ] {
        let mut cache = TokenCache::default();
        let mut verify = |revocations: &Revocations| {
            cache.verify(Trust { issuers: &issuers, revocations }, &shown(&token), "accounts", NOW).map(drop)
        };
        let others = vec![
            Revoked::Token("t2".into()),
            Revoked::Family("f2".into()),
            Revoked::Subject("bob".into(), NOW),
            Revoked::All(Timestamp::from_secs(NOW.as_secs() - 1)),
        ];
        verify(&Revocations::default()).unwrap();
        verify(&list(1, others)).unwrap();
        let revoking = list(2, vec![what]);
        for _ in 0..2 {
            assert_eq!(verify(&revoking), Err(TokenError::Revoked { by, epoch: 2 }));
        }
        // Nobody can bring an old list, by which it would be good again.
        assert_eq!(verify(&list(1, vec![])), Err(TokenError::OldRevocations { given: 1, seen: 2 }));
        // Another issuer's names are other names.
        let foreign = Revocation { issuer: "https://other.test".into(), what: Revoked::Token("t1".into()) };
        verify(&Revocations::new(3, vec![foreign]).unwrap()).unwrap();
    }
}

#[test]
fn what_may_differ_is_checked_at_each_hit() {
    let (issuers_1, issuers_2, none) = (issuers(1), Issuers::new(2, vec![]).unwrap(), Revocations::default());
    let certificate = [1; 32];
    let cnf = json!({"x5t#S256": base64::encode_url(&certificate)});
    let bound = forged(&KEY, &header(), &with(claims(), "cnf", cnf));
    let mut cache = TokenCache::default();
    let mut verify = |issuers, certificate: Option<&[u8; 32]>, proof_key: Option<&[u8; 32]>, audience: &str, now| {
        let shown = Presented { token: &bound, certificate, proof_key };
        cache.verify(Trust { issuers, revocations: &none }, &shown, audience, now).map(drop)
    };
    let good = Some(&certificate);
    for _ in 0..3 {
        verify(&issuers_1, good, None, "accounts", NOW).unwrap();
    }
    let over = Timestamp::from_secs(NOW.as_secs() + 300);
    assert!(matches!(verify(&issuers_1, good, None, "accounts", over), Err(TokenError::Expired { .. })));
    assert!(matches!(verify(&issuers_1, good, None, "ledger", NOW), Err(TokenError::Audience { .. })));
    assert!(matches!(verify(&issuers_1, None, None, "accounts", NOW), Err(TokenError::Binding(_))));
    assert!(matches!(verify(&issuers_1, Some(&[2; 32]), None, "accounts", NOW), Err(TokenError::Binding(_))));
    assert!(matches!(verify(&issuers_1, good, good, "accounts", NOW), Err(TokenError::Binding(_))));
    assert!(matches!(verify(&issuers_2, good, None, "accounts", NOW), Err(TokenError::UnknownIssuer(_))));
    assert_eq!(cache.counts(), (5, 4), "three of them were known, and two of the refused ones");
    assert!(cache.is_empty(), "with other issuers all is forgotten");
}

#[test]
fn it_is_bounded_and_keeps_what_is_used() {
    let (issuers, none) = (issuers(1), Revocations::default());
    let trust = Trust { issuers: &issuers, revocations: &none };
    let mut cache = TokenCache::default();
    // Each certificate that it is shown with makes an entry of its own; a long text fills the memory by its bytes.
    let padded = forged(&KEY, &header(), &with(claims(), "pad", json!("x".repeat(8 << 10))));
    let most = CACHE_BYTES_MAX / padded.len();
    let mut used = [0; 32];
    used[0] = 1;
    for n in 0..most * 2 {
        let mut certificate = [0; 32];
        certificate[24..].copy_from_slice(&n.to_be_bytes());
        for certificate in [&certificate, &used] {
            let shown = Presented { token: &padded, certificate: Some(certificate), proof_key: None };
            cache.verify(trust, &shown, "accounts", NOW).unwrap();
        }
        assert!(cache.len() <= most + 1 && cache.len() <= CACHE_ENTRIES_MAX);
    }
    let (hits, misses) = cache.counts();
    assert_eq!((hits, misses), (most as u64 * 2 - 1, most as u64 * 2 + 1), "what is used at each turn stays");
    // Rubbish leaves nothing behind.
    let before = cache.len();
    for text in ["", "a.b.c", &padded[1..], &"x".repeat(1 << 20)] {
        assert!(cache.verify(trust, &shown(text), "accounts", NOW).is_err());
    }
    assert_eq!(cache.len(), before);
}

#[test]
fn a_list_has_bounds() {
    let entry = |jti: String| Revocation { issuer: ISSUER.into(), what: Revoked::Token(jti) };
    let many = (0..=REVOCATIONS_MAX).map(|n| entry(n.to_string())).collect();
    assert_eq!(Revocations::new(1, many).unwrap_err(), RevocationError::TooMany(REVOCATIONS_MAX + 1));
    for name in [String::new(), "x".repeat(257)] {
        assert_eq!(Revocations::new(1, vec![entry(name)]).unwrap_err(), RevocationError::Name);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Show { token: usize, later_s: u64 },
    Revoke { token: usize },
    Issuers,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let show = (0..3_usize, 0..200_u64).prop_map(|(token, later_s)| Step::Show { token, later_s });
    let revoke = (0..3_usize).prop_map(|token| Step::Revoke { token });
    proptest::collection::vec(prop_oneof![6 => show, 1 => revoke, 1 => Just(Step::Issuers)], 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn it_answers_as_a_full_check_would(steps in steps()) {
        let tokens = ["t0", "t1", "t2"].map(|jti| forged(&KEY, &header(), &with(claims(), "jti", json!(jti))));
        let (mut cache, mut version, mut revoked, mut now) = (TokenCache::default(), 1, vec![], NOW);
        let mut set = issuers(version);
        for step in steps {
            match step {
                Step::Issuers => {
                    version += 1;
                    set = issuers(version);
                }
                Step::Revoke { token } => revoked.push(Revoked::Token(format!("t{token}"))),
                Step::Show { token, later_s } => {
                    now = now.plus(std::time::Duration::from_secs(later_s));
                    let revocations = list(revoked.len() as u64, revoked.clone());
                    let trust = Trust { issuers: &set, revocations: &revocations };
                    let full = verify_access(&set, &shown(&tokens[token]), "accounts", now);
                    let full = full.and_then(|token| revocations.judge(&token).map(|()| token));
                    let cached = cache.verify(trust, &shown(&tokens[token]), "accounts", now);
                    prop_assert_eq!(cached.map(|token| (*token).clone()).ok(), full.ok());
                }
            }
        }
    }
}
