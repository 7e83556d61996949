//! People, sessions and consents: whoever comes second finds that somebody was first.

use crate::Place;
use bartizan_core::Timestamp;
use bartizan_store::{Consent, People, Person, Session};

fn at(s: u64) -> Timestamp {
    Timestamp::from_secs(s)
}

fn person(id: &str, name: &str) -> Person {
    Person { id: id.to_owned(), name: name.to_owned(), version: 1, record: "{}".to_owned() }
}

fn session(n: u64, of: &str) -> Session {
    let (key, id) = (format!("key {n}"), format!("id {n}"));
    Session { key, id, person: of.to_owned(), seen: at(n), ends: at(n + 100), record: "{}".to_owned() }
}

fn consent(of: &str, client: &str, scopes: &str) -> Consent {
    let (person, client, audience) = (of.to_owned(), client.to_owned(), "api".to_owned());
    Consent { person, client, audience, scopes: scopes.to_owned(), at: at(1) }
}

async fn open(place: &Place) -> People {
    People::open(&place.dir.path().join("people.db")).await.unwrap()
}

#[tokio::test]
async fn a_name_is_one_persons_and_a_change_is_made_once() {
    let place = Place::new();
    let people = open(&place).await;
    assert!(people.add(&person("1", "ana")).await.unwrap());
    assert!(!people.add(&person("2", "ana")).await.unwrap());
    assert_eq!(people.person("2").await.unwrap(), None);
    let (one, other) = ("one".to_owned(), "other".to_owned());
    let held = people.person_named("ana").await.unwrap().unwrap();
    // Both have read the same.
    assert!(people.change(&Person { record: one.clone(), ..held.clone() }).await.unwrap());
    assert!(!people.change(&Person { record: other, ..held }).await.unwrap());
    assert_eq!(people.person("1").await.unwrap(), Some(Person { version: 2, record: one, ..person("1", "ana") }));
    assert!(!people.change(&person("9", "nobody")).await.unwrap());
}

#[tokio::test]
async fn nothing_of_somebody_outlives_a_removal() {
    let place = Place::new();
    let people = open(&place).await;
    assert!(!people.begin_session(&session(1, "1")).await.unwrap(), "nobody has it");
    assert!(!people.give_consent(&consent("1", "app", "read")).await.unwrap());
    people.add(&person("1", "ana")).await.unwrap();
    assert!(people.begin_session(&session(1, "1")).await.unwrap());
    assert!(people.give_consent(&consent("1", "app", "read")).await.unwrap());
    assert!(people.remove("1").await.unwrap() && !people.remove("1").await.unwrap());
    assert_eq!(people.session("key 1").await.unwrap(), None);
    assert_eq!(people.consents_of("1").await.unwrap(), []);
    // The name is free again, for somebody else.
    assert!(people.add(&person("2", "ana")).await.unwrap());
}

#[tokio::test]
async fn a_session_ends_once_and_its_earlier_key_is_worth_nothing() {
    let place = Place::new();
    let people = open(&place).await;
    people.add(&person("1", "ana")).await.unwrap();
    people.add(&person("2", "bob")).await.unwrap();
    for n in 1..=4 {
        assert!(people.begin_session(&session(n, "1")).await.unwrap());
    }
    assert!(people.begin_session(&session(5, "2")).await.unwrap());
    assert!(people.begin_session(&session(1, "2")).await.is_err(), "no key twice");
    let renewed = Session { key: "another".to_owned(), ..session(1, "1") };
    assert!(people.renew_session(&renewed).await.unwrap());
    assert_eq!(people.session("key 1").await.unwrap(), None);
    assert_eq!(people.session("another").await.unwrap(), Some(renewed.clone()));
    assert!(!people.renew_session(&Session { person: "2".to_owned(), ..renewed }).await.unwrap(), "of somebody else");

    people.see_session("id 2", at(50)).await.unwrap();
    people.see_session("id 2", at(40)).await.unwrap();
    let ids = async |of: &str| people.sessions_of(of).await.unwrap().into_iter().map(|it| it.id).collect::<Vec<_>>();
    assert_eq!(ids("1").await, ["id 2", "id 4", "id 3", "id 1"]);
    assert!(!people.end_session("2", "id 4").await.unwrap(), "of somebody else");
    assert!(people.end_session("1", "id 4").await.unwrap() && !people.end_session("1", "id 4").await.unwrap());
    let mut ended = people.end_sessions("1", Some("id 2")).await.unwrap();
    ended.sort();
    assert_eq!(ended, ["id 1", "id 3"]);
    assert_eq!((ids("1").await, ids("2").await), (vec!["id 2".to_owned()], vec!["id 5".to_owned()]));
    assert_eq!(people.forget_sessions(at(60), at(4)).await.unwrap(), 0);
    assert_eq!(people.forget_sessions(at(60), at(5)).await.unwrap(), 1, "unused since");
    assert_eq!(people.forget_sessions(at(102), at(0)).await.unwrap(), 1, "at its end");
}

#[tokio::test]
async fn a_consent_takes_the_place_of_the_one_before_and_can_be_taken_back() {
    let place = Place::new();
    let people = open(&place).await;
    people.add(&person("1", "ana")).await.unwrap();
    for scopes in ["read", "read write"] {
        assert!(people.give_consent(&consent("1", "app", scopes)).await.unwrap());
    }
    people.give_consent(&consent("1", "other", "read")).await.unwrap();
    assert_eq!(
        people.consents_of("1").await.unwrap(),
        [consent("1", "app", "read write"), consent("1", "other", "read")]
    );
    assert!(people.take_consent("1", "app").await.unwrap() && !people.take_consent("1", "app").await.unwrap());
    people.close().await;
    let people = open(&place).await;
    assert_eq!(people.consents_of("1").await.unwrap(), [consent("1", "other", "read")]);
    people.close().await;
    assert!(people.add(&person("3", "eve")).await.is_err() && people.person("1").await.is_err());
}
