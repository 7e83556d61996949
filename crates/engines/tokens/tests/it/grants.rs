//! Codes, families, devices, workloads: what is good once, what ends what.

use crate::*;
use bartizan_core::{Secret, SpiffeId};
use bartizan_tokens::exchange::Ceiling;
use bartizan_tokens::grant::{
    Answer, ClientError, Code, CodeError, Device, DeviceError, DeviceRequest, Family, FamilyId, Granted, Redemption,
    RefreshError, RefreshRequest, RefreshToken, client_credentials, read_user_code, user_code,
};
use bartizan_tokens::limits::{CODE_TTL, DEVICE_TTL, FAMILY_LIFE, REFRESH_AGAIN, REFRESH_IDLE};
use bartizan_tokens::pkce::{Challenge, PkceError};
use bartizan_tokens::{Binding, Scopes, mint, verify_access};
use proptest::prelude::*;
use std::time::Duration;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const REDIRECT: &str = "https://app.test/back";
const ID: FamilyId = FamilyId([9; 16]);

fn later(s: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(s))
}

fn scopes(text: &str) -> Scopes {
    Scopes::parse(text).unwrap()
}

fn key() -> Secret<[u8; 32]> {
    Secret::new([5; 32])
}

fn granted(key: Option<[u8; 32]>) -> Granted {
    let claims = json!({"acr": "gold"}).as_object().unwrap().clone();
    Granted {
        client_id: "app".into(),
        subject: "alice".into(),
        audience: "accounts".into(),
        further: vec!["ledger".into()],
        scopes: scopes("pay read"),
        key,
        claims,
    }
}

fn code(key: Option<[u8; 32]>) -> Code {
    Code::new(granted(key), REDIRECT, Challenge::read(Some("S256"), CHALLENGE).unwrap(), NOW)
}

fn shown() -> Redemption<'static> {
    Redemption { client_id: "app", redirect_uri: REDIRECT, verifier: VERIFIER, proof_key: None }
}

#[test]
fn a_code_is_for_whom_it_was_made() {
    let bound = Some([3; 32]);
    for (key, wrong, at, wanted) in [
        (None, Redemption { client_id: "evil", ..shown() }, NOW, CodeError::OtherClient),
        (None, Redemption { redirect_uri: "https://app.test/back/", ..shown() }, NOW, CodeError::OtherRedirect),
        (None, Redemption { verifier: "", ..shown() }, NOW, CodeError::Pkce(PkceError::Verifier)),
        (None, Redemption { verifier: CHALLENGE, ..shown() }, NOW, CodeError::Pkce(PkceError::Mismatch)),
        (None, shown(), NOW.plus(CODE_TTL), CodeError::Expired),
        (bound, shown(), NOW, CodeError::OtherKey),
        (bound, Redemption { proof_key: Some(&[4; 32]), ..shown() }, NOW, CodeError::OtherKey),
    ] {
        let before = code(key);
        let (after, refused) = before.clone().redeem(&wrong, ID, at);
        assert_eq!((refused.unwrap_err(), &after), (wanted, &before), "what is refused spoils nothing");
        let good = Redemption { proof_key: key.as_ref(), ..shown() };
        assert!(after.redeem(&good, ID, later(59)).1.is_ok());
    }
    // A proof that comes with the code binds what comes of it.
    let (_, family) = code(None).redeem(&Redemption { proof_key: Some(&[6; 32]), ..shown() }, ID, NOW);
    assert_eq!(family.unwrap().granted.key, Some([6; 32]));
}

#[test]
fn a_second_use_of_a_code_ends_what_came_of_the_first() {
    let (used, family) = code(None).redeem(&shown(), ID, NOW);
    assert_eq!(family.unwrap().granted, granted(None));
    for at in [NOW, later(1), later(3599)] {
        let (still, refused) = used.clone().redeem(&shown(), FamilyId([8; 16]), at);
        assert_eq!((refused.unwrap_err(), &still), (CodeError::Replayed { family: ID }, &used));
        assert!(!used.is_over(at));
    }
    let (_, stranger) = used.clone().redeem(&Redemption { client_id: "evil", ..shown() }, ID, NOW);
    assert_eq!(stranger.unwrap_err(), CodeError::OtherClient, "another client ends nobody's sessions");
    assert!(used.is_over(later(3600)) && code(None).is_over(NOW.plus(CODE_TTL)));
}

fn request() -> RefreshRequest<'static> {
    RefreshRequest { client_id: "app", scopes: None, audience: None, proof_key: None, certificate: None }
}

fn read(answer: &Answer) -> RefreshToken {
    RefreshToken::read(&answer.refresh_token, &key()).unwrap()
}

fn refresh(family: Family, token: &RefreshToken, at: Timestamp) -> (Family, Result<Answer, RefreshError>) {
    family.refresh(token, &request(), &key(), at)
}

#[test]
fn only_our_own_refresh_tokens_are_read() {
    let text = Family::begin(ID, granted(None), NOW).first(None, &key()).refresh_token;
    assert_eq!(RefreshToken::read(&text, &key()).unwrap().family(), ID);
    assert_eq!(RefreshToken::read(&text, &Secret::new([6; 32])), None, "made with another key");
    let parts: Vec<&str> = text.split('.').collect();
    let [prefix, family, generation, tag] = parts.as_slice() else { panic!("{text}") };
    for (other, why) in [
        (String::new(), "empty"),
        (format!("{prefix}.{family}.1.{tag}"), "another generation"),
        (format!("{prefix}.{family}.+{generation}.{tag}"), "another text of the number"),
        (format!("{prefix}.{family}.0{generation}.{tag}"), "a zero before it"),
        (format!("{prefix}.{}.{generation}.{tag}", FamilyId([1; 16])), "another family"),
        (format!("x.{family}.{generation}.{tag}"), "another prefix"),
        (format!("{text}.x"), "a part too many"),
        (format!("{text}="), "padding"),
        (text[..text.len() - 1].to_owned(), "cut"),
        ("bzr.".repeat(100), "too long"),
    ] {
        assert_eq!(RefreshToken::read(&other, &key()), None, "read, though {why}");
    }
}

#[test]
fn a_used_refresh_token_gets_its_answer_again_for_some_seconds_and_then_ends_the_family() {
    let family = Family::begin(ID, granted(None), NOW);
    let zero = read(&family.first(None, &key()));
    let (family, one) = refresh(family, &zero, later(100));
    let one = one.unwrap();
    // Two at once, or an answer that got lost.
    let again = later(100).plus(REFRESH_AGAIN);
    let (family, parallel) = refresh(family, &zero, again);
    let parallel = parallel.unwrap();
    assert_eq!(parallel, one);
    let minted =
        |answer: &Answer| mint::access(&FOREIGN, ISSUER, &answer.access, answer.random, answer.issued).unwrap();
    assert_eq!(minted(&parallel), minted(&one), "the access token is the same as well");
    // Later it is reuse, and nothing of the family counts any more: who of the two is the thief nobody knows.
    let too_late = again.plus(Duration::from_millis(1));
    let (ended, refused) = refresh(family.clone(), &zero, too_late);
    let reused = RefreshError::Reused { family: ID, shown: 0, current: 1 };
    assert_eq!((refused.unwrap_err(), reused.revokes()), (reused.clone(), Some(ID)));
    assert!(ended.is_revoked());
    assert_eq!(refresh(ended, &read(&one), too_late).1.unwrap_err(), RefreshError::Revoked);
    // Once the next one was used, the first is old at once.
    let (family, two) = refresh(family, &read(&one), later(101));
    let (ended, refused) = refresh(family, &zero, later(101));
    assert_eq!(refused.unwrap_err(), RefreshError::Reused { family: ID, shown: 0, current: 2 });
    assert_eq!(refresh(ended, &read(&two.unwrap()), later(101)).1.unwrap_err(), RefreshError::Revoked);
}

#[test]
fn refresh_tokens_are_for_their_client_and_their_key_and_their_time() {
    let family = Family::begin(ID, granted(Some([3; 32])), NOW);
    let zero = read(&family.first(None, &key()));
    let ask = |family: Family, asked: RefreshRequest<'_>, at| family.refresh(&zero, &asked, &key(), at);
    let good = RefreshRequest { proof_key: Some(&[3; 32]), ..request() };
    let more = scopes("read admin");
    for (asked, at, wanted) in [
        (request(), NOW, RefreshError::OtherKey),
        (RefreshRequest { proof_key: Some(&[4; 32]), ..request() }, NOW, RefreshError::OtherKey),
        (RefreshRequest { scopes: Some(&more), ..good }, NOW, RefreshError::Scopes(scopes("pay read"))),
        (RefreshRequest { audience: Some("elsewhere"), ..good }, NOW, RefreshError::Audience),
        (good, NOW.plus(REFRESH_IDLE), RefreshError::Expired),
        (good, NOW.plus(FAMILY_LIFE), RefreshError::Expired),
    ] {
        let (after, refused) = ask(family.clone(), asked, at);
        assert_eq!((refused.unwrap_err(), &after), (wanted, &family), "what is refused spoils nothing");
    }
    let (stolen, refused) = ask(family.clone(), RefreshRequest { client_id: "evil", ..good }, NOW);
    assert_eq!(refused.unwrap_err(), RefreshError::OtherClient { family: ID });
    assert!(stolen.is_revoked());
    let other = Family::begin(FamilyId([1; 16]), granted(Some([3; 32])), NOW);
    assert_eq!(ask(other, good, NOW).1.unwrap_err(), RefreshError::OtherFamily);
    assert_eq!(ask(family.clone().revoke(), good, NOW).1.unwrap_err(), RefreshError::Revoked);
    let read_only = scopes("read");
    let (_, answer) = ask(family, RefreshRequest { scopes: Some(&read_only), ..good }, NOW);
    let answer = answer.unwrap();
    let token = mint::access(&KEY, ISSUER, &answer.access, answer.random, answer.issued).unwrap();
    let shown = Presented { token: &token, certificate: None, proof_key: Some(&[3; 32]) };
    let token = verify_access(&issuers(1), &shown, "accounts", NOW).unwrap();
    assert_eq!((token.scopes, token.family, &token.claims["acr"]), (read_only, Some(ID.to_string()), &json!("gold")));
}

fn device() -> Device {
    let request =
        DeviceRequest { client_id: "tv".into(), audience: "accounts".into(), scopes: scopes("pay read"), key: None };
    Device::new(request, NOW)
}

#[test]
fn a_device_waits_and_asks_in_time() {
    let ask = |device: Device, at| device.ask("tv", None, ID, at);
    let (waiting, refused) = ask(device(), NOW);
    assert_eq!(refused.unwrap_err(), DeviceError::Pending);
    let (waiting, refused) = ask(waiting, later(4));
    assert_eq!(refused.unwrap_err(), DeviceError::SlowDown(Duration::from_secs(10)));
    let (waiting, refused) = ask(waiting, later(13));
    assert_eq!(refused.unwrap_err(), DeviceError::SlowDown(Duration::from_secs(15)));
    let (waiting, refused) = ask(waiting, later(28));
    assert_eq!((refused.unwrap_err().code(), DeviceError::Denied.code()), ("authorization_pending", "access_denied"));
    let (same, refused) = waiting.clone().ask("evil", None, ID, later(60));
    assert_eq!((refused.unwrap_err(), &same), (DeviceError::OtherClient, &waiting));
    assert_eq!(ask(waiting.clone(), NOW.plus(DEVICE_TTL)).1.unwrap_err(), DeviceError::Expired);
    let (still, refused) = waiting.clone().approve("alice", &scopes("pay admin"), Default::default(), NOW);
    assert_eq!((refused.unwrap_err(), &still), (DeviceError::Scopes, &waiting));
    assert_eq!(
        still.approve("alice", &scopes("pay"), Default::default(), NOW.plus(DEVICE_TTL)).1,
        Err(DeviceError::Expired)
    );

    let (denied, done) = waiting.clone().deny();
    done.unwrap();
    assert_eq!(
        denied.clone().approve("alice", &scopes("pay"), Default::default(), NOW).1,
        Err(DeviceError::NotWaiting)
    );
    assert_eq!(ask(denied, later(60)).1.unwrap_err(), DeviceError::Denied);

    let (approved, done) = waiting.approve("alice", &scopes("pay"), Default::default(), later(60));
    done.unwrap();
    assert_eq!(approved.clone().deny().1, Err(DeviceError::NotWaiting));
    assert_eq!(ask(approved.clone(), NOW.plus(DEVICE_TTL)).1.unwrap_err(), DeviceError::Expired);
    let (redeemed, family) = ask(approved, later(61));
    let family = family.unwrap();
    assert_eq!((family.granted.subject.as_str(), family.granted.scopes), ("alice", scopes("pay")));
    assert_eq!(ask(redeemed, later(62)).1.unwrap_err(), DeviceError::Replayed { family: ID });
}

#[test]
fn a_device_with_a_key_has_to_show_it() {
    let request =
        DeviceRequest { client_id: "tv".into(), audience: "a".into(), scopes: scopes("pay"), key: Some([3; 32]) };
    let (approved, _) = Device::new(request, NOW).approve("alice", &scopes("pay"), Default::default(), NOW);
    for wrong in [None, Some(&[4; 32])] {
        let (same, refused) = approved.clone().ask("tv", wrong, ID, NOW);
        assert_eq!((refused.unwrap_err(), &same), (DeviceError::OtherKey, &approved));
    }
    assert_eq!(approved.ask("tv", Some(&[3; 32]), ID, NOW).1.unwrap().granted.key, Some([3; 32]));
}

#[test]
fn a_workload_is_its_own_client() {
    let id = SpiffeId::parse("spiffe://bank.test/svc/report").unwrap();
    let ceilings = [Ceiling { audience: "ledger".into(), scopes: scopes("read list") }];
    let bound = Binding::to_certificate(b"its own");
    let ask =
        |binding, audience, scopes: Option<&Scopes>| client_credentials(&id, binding, audience, scopes, &ceilings);
    assert_eq!(ask(Binding::default(), "ledger", None), Err(ClientError::Unbound));
    assert_eq!(ask(bound, "vault", None), Err(ClientError::Audience { client: id.clone(), audience: "vault".into() }));
    assert_eq!(ask(bound, "ledger", Some(&scopes("read pay"))), Err(ClientError::Scopes(scopes("list read"))));
    let access = ask(bound, "ledger", Some(&scopes("read"))).unwrap();
    assert_eq!((access.subject.as_str(), access.client_id.as_str(), access.binding), (id.as_str(), id.as_str(), bound));
    assert_eq!(ask(bound, "ledger", None).unwrap().scopes, scopes("list read"));
}

proptest! {
    #[test]
    fn user_codes_are_read_back_however_they_are_typed(random in any::<[u8; 16]>(), lower in any::<bool>()) {
        let code = user_code(random);
        let typed = if lower { code.to_lowercase().replace('-', " ") } else { code.replace('-', "") };
        prop_assert_eq!(read_user_code(&typed), Some(code));
    }

    #[test]
    fn what_is_no_user_code_is_not_read(typed in "\\PC{0,20}") {
        if let Some(code) = read_user_code(&typed) {
            prop_assert_eq!(read_user_code(&code), Some(code));
        }
    }

    #[test]
    fn a_family_has_one_token_and_ends_at_the_first_reuse(
        steps in proptest::collection::vec((0..6_usize, 0..20_u64), 1..30),
    ) {
        let mut family = Family::begin(ID, granted(None), NOW);
        // Every token that was ever given out, with the moment of its first use.
        let mut given: Vec<(RefreshToken, Option<Timestamp>)> = vec![(read(&family.first(None, &key())), None)];
        let (mut now, mut ended) = (NOW, false);
        for (back, later_s) in steps {
            now = now.plus(Duration::from_secs(later_s));
            let at = given.len().saturating_sub(back + 1);
            let (token, used) = given[at];
            let is_last = at + 1 == given.len();
            let is_again = at + 2 == given.len() && used.is_some_and(|used| now.since(used) <= REFRESH_AGAIN);
            let (next, answer) = refresh(family, &token, now);
            family = next;
            match answer {
                Ok(answer) => {
                    prop_assert!(!ended && (is_last || is_again));
                    if is_last {
                        given[at].1 = Some(now);
                        given.push((read(&answer), None));
                    } else {
                        prop_assert_eq!(read(&answer), given[at + 1].0, "the same answer again");
                    }
                }
                Err(error) => {
                    prop_assert!(ended || !(is_last || is_again), "{error}");
                    ended = true;
                }
            }
            prop_assert_eq!(family.is_revoked(), ended);
        }
    }
}

#[test]
fn a_device_that_begins_without_a_key_is_bound_to_the_one_that_it_asks_with() {
    let (approved, _) = device().approve("alice", &scopes("pay"), Default::default(), NOW);
    assert_eq!(approved.ask("tv", Some(&[3; 32]), ID, NOW).1.unwrap().granted.key, Some([3; 32]));
}

#[test]
fn a_family_comes_back_from_where_it_lay_and_nothing_else_does() {
    let family = Family::begin(ID, granted(Some([3; 32])), NOW);
    let text = serde_json::to_string(&family).unwrap();
    assert_eq!(serde_json::from_str::<Family>(&text).unwrap(), family);
    assert_eq!(family.ends(), NOW.plus(REFRESH_IDLE));
    for (from, to) in [("\"scopes\":\"", "\"scopes\":\" "), ("\"revoked\"", "\"revoced\""), ("\"id\":\"", "\"id\":\"A")]
    {
        let broken = text.replacen(from, to, 1);
        assert_ne!(broken, text);
        assert!(serde_json::from_str::<Family>(&broken).is_err(), "{broken}");
    }
}

#[test]
fn each_token_is_for_one_of_those_whom_it_was_granted_for() {
    let key = key();
    let granted = granted(None);
    assert_eq!((granted.chosen(None), granted.chosen(Some("ledger"))), (Some("accounts"), Some("ledger")));
    assert_eq!((granted.chosen(Some("")), granted.chosen(Some("Ledger"))), (None, None));
    let text = serde_json::to_string(&granted).unwrap().replace(",\"further\":[\"ledger\"]", "");
    let earlier: Granted = serde_json::from_str(&text).unwrap();
    assert!(earlier.further.is_empty(), "what was stored before there were several");
    let family = Family::begin(FamilyId([9; 16]), granted, NOW);
    let (first, other) = (family.first(None, &key), family.first_for("ledger", None, &key));
    assert_eq!(
        (first.access.audiences.as_slice(), other.access.audiences.as_slice()),
        (&["accounts".to_owned()][..], &["ledger".to_owned()][..])
    );
    assert_ne!(first.random, other.random, "two tokens have two names");
    let token = RefreshToken::read(&first.refresh_token, &key).unwrap();
    let ask = RefreshRequest { audience: Some("ledger"), ..request() };
    let (family, answer) = family.refresh(&token, &ask, &key, NOW);
    assert_eq!(answer.unwrap().access.audiences, ["ledger"]);
    let token = RefreshToken::read(&family.first(None, &key).refresh_token, &key).unwrap();
    let (_, answer) = family.refresh(&token, &request(), &key, NOW);
    assert_eq!(answer.unwrap().access.audiences, ["accounts"], "what was chosen once binds nobody");
}
