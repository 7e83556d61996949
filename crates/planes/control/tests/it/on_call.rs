//! Who is on call is told by their own webhook, and the next level where nobody takes notice; also by a control that was started anew.

use crate::alerts::{Got, breach, firing, hook, kinds, place};
use crate::support::{Place, Running, wait_for};
use bartizan_core::alerts::{Acknowledge, Acknowledged};
use bartizan_core::on_call::OnCallStatus;
use bartizan_core::{Timestamp, moment};
use serde_json::Value;
use std::time::{Duration, SystemTime};

const HOUR: Duration = Duration::from_secs(3600);

/// What one of those who can be told has got.
struct People {
    ana: Got,
    ben: Got,
    chief: Got,
    desk: Got,
}

/// Ana is on call for security and hands over to ben in an hour; after her it is the chief's. The desk has all else.
async fn bank(after: &str) -> (Place, People) {
    let mut routes = Vec::new();
    let mut hooks = Vec::new();
    for name in ["ana", "ben", "chief", "desk"] {
        let (port, got) = hook(0).await;
        routes.push(format!("{name}: {{ webhook: 'http://127.0.0.1:{port}/', secret: hook }}"));
        hooks.push(got);
    }
    let now = Timestamp::from(SystemTime::now());
    let starts = moment::write(now.minus(23 * HOUR));
    let place = place(&format!(
        ", routes: {{ {} }}, \
         rotations: {{ security: {{ members: {{ ana: ana, ben: ben }}, every: 1d, starts: '{starts}' }} }}, \
         escalations: {{ security: {{ owners: security, severities: [critical, high], \
           levels: [{{ rotation: security }}, {{ route: chief, after: {after} }}] }} }}",
        routes.join(", ")
    ));
    let rules = std::fs::read_to_string(place.path("alerts/own.yaml")).unwrap();
    place.write("alerts/own.yaml", &rules.replace("within: 2s", "within: 10m"));
    let [ana, ben, chief, desk] = hooks.try_into().unwrap();
    (place, People { ana, ben, chief, desk })
}

fn bodies(got: &Got) -> Vec<Value> {
    got.lock().unwrap().iter().map(|(_, body, _)| serde_json::from_slice(body).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_waits_goes_to_the_next_level_once_although_control_was_started_anew() {
    let (place, people) = bank("8s").await;
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    breach(&mut proxy, 1).await;
    wait_for("the page", async || (!kinds(&people.ana).is_empty()).then_some(())).await;
    wait_for("the ticket", async || (!kinds(&people.desk).is_empty()).then_some(())).await;
    let page = bodies(&people.ana).remove(0);
    let called = &page["data"]["called"][0];
    assert_eq!(
        (&page["type"], &called["escalation"], &called["level"], &called["rotation"], &called["who"]),
        (&"alert.page".into(), &"security".into(), &1.into(), &"security".into(), &"ana".into()),
        "{page}"
    );
    control.stop().await;
    assert_eq!(kinds(&people.chief), [""; 0], "her time is not over");

    let control = Running::start(&place).await;
    wait_for("the escalation", async || (!kinds(&people.chief).is_empty()).then_some(())).await;
    let escalation = bodies(&people.chief).remove(0);
    let called = &escalation["data"]["called"][0];
    assert_eq!(
        (&escalation["type"], &called["level"], &called["rotation"], &called["routes"][0]),
        (&"alert.escalation".into(), &2.into(), &Value::Null, &"chief".into()),
        "{escalation}"
    );
    let ms = |it: &Value| it["timestamp"].as_str().and_then(moment::read).unwrap().as_millis();
    let waited = ms(&escalation) - ms(&page);
    assert!((8_000..30_000).contains(&waited), "after {waited} ms");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(kinds(&people.ana), ["alert.page"], "she is not told again");
    assert_eq!(kinds(&people.chief), ["alert.escalation"]);
    let elsewhere = bodies(&people.desk);
    assert!(elsewhere.iter().all(|it| it["type"] == "alert.ticket"), "what is no page of security: {elsewhere:?}");
    assert_eq!(kinds(&people.ben), [""; 0], "it is not his turn");
    let alert = firing(&control, "Burst").await.unwrap();
    let told: Vec<_> = alert.called.iter().map(|it| (it.level, it.routes.join(","))).collect();
    assert_eq!(told, [(1, "ana".to_owned()), (2, "chief".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_on_call_takes_notice_and_the_next_level_is_not_told() {
    let (place, people) = bank("3s").await;
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    breach(&mut proxy, 1).await;
    wait_for("the page", async || (!kinds(&people.ana).is_empty()).then_some(())).await;
    let id = firing(&control, "Burst").await.unwrap().group;
    let done: Acknowledged = control.post("/v1/alerts/acknowledge", &Acknowledge { id, note: None }).await.unwrap();
    assert_eq!(done.ids.len(), 1, "the ticket of others is an incident of its own: {done:?}");
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(kinds(&people.chief), [""; 0], "somebody is at it");

    let now: OnCallStatus = control.get("/v1/alerts/on-call").await;
    let shifts = &now.rotations[0].shifts;
    assert_eq!(shifts.iter().map(|it| it.who.as_str()).collect::<Vec<_>>(), ["ana", "ben", "ana", "ben", "ana"]);
    assert_eq!((now.escalations[0].levels.len(), now.escalations[0].levels[1].after_s), (2, 3));
    let later = now.at.plus(2 * HOUR).as_millis();
    let later: OnCallStatus = control.get(&format!("/v1/alerts/on-call?at_ms={later}")).await;
    assert_eq!(later.rotations[0].shifts[0], shifts[1], "after the hand-over");
}
