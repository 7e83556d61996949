//! Which answers make which container part of which pod.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

const UID: &str = "0f3a8b1c-52a7-4d3e-9b1a-2f6d0c9e7a11";
const OTHER_UID: &str = "1f3a8b1c-52a7-4d3e-9b1a-2f6d0c9e7a11";
const NODE: &str = "worker-1.test";

fn id(digit: char) -> String {
    digit.to_string().repeat(64)
}

fn container(uid: &str, digit: char) -> Container {
    Container { id: id(digit), pod_uid: Some(uid.to_owned()), path: String::new() }
}

fn status(digit: char, state: Value) -> Value {
    json!({ "name": "x", "containerID": format!("containerd://{}", id(digit)), "state": state })
}

fn running() -> Value {
    json!({ "running": { "startedAt": "2026-01-01T00:00:00Z" } })
}

/// Two pods: the first with a container `a`, an init container `b` and an ephemeral one `c`; the other with `d`.
fn list() -> Value {
    let pod = |uid: &str, namespace: &str| {
        json!({
            "metadata": { "name": "p", "namespace": namespace, "uid": uid, "labels": { "app": "ledger" } },
            "spec": { "nodeName": NODE, "serviceAccountName": "ledger", "containers": [] },
        })
    };
    let (mut one, mut other) = (pod(UID, "pay"), pod(OTHER_UID, "web"));
    one["status"] = json!({
        "containerStatuses": [status('a', running())],
        "initContainerStatuses": [status('b', running())],
        "ephemeralContainerStatuses": [status('c', running())],
    });
    other["status"] = json!({ "containerStatuses": [status('d', running())], "initContainerStatuses": null });
    json!({ "kind": "PodList", "apiVersion": "v1", "metadata": { "resourceVersion": "1" }, "items": [one, other] })
}

fn changed(change: impl FnOnce(&mut Value)) -> Result<Pods, PodError> {
    let mut list = list();
    change(&mut list);
    Pods::read(&serde_json::to_vec(&list).unwrap(), NODE)
}

#[test]
fn refuses_answers_that_are_none() {
    for (answer, why) in [
        ("", "nothing"),
        ("<html>", "no JSON"),
        ("[]", "no object"),
        ("{}", "no kind"),
        (r#"{"kind":"Status","status":"Failure"}"#, "an error that came with a success"),
        (r#"{"kind":"PodList","items":[{}]}"#, "no pod"),
        (r#"{"kind":"PodList","items":[],"items":[]}"#, "two lists"),
    ] {
        assert!(matches!(Pods::read(answer.as_bytes(), NODE), Err(PodError::Malformed(_))), "{why}");
    }
    let long = vec![b' '; POD_LIST_BYTES_MAX + 1];
    assert!(matches!(Pods::read(&long, NODE), Err(PodError::Malformed(_))));
    let deep = "[".repeat(100_000);
    assert!(matches!(Pods::read(deep.as_bytes(), NODE), Err(PodError::Malformed(_))));
    let elsewhere = changed(|it| it["items"][1]["spec"]["nodeName"] = json!("worker-2"));
    assert_eq!(elsewhere, Err(PodError::OtherNode("worker-2".to_owned())), "the server did not select");
    let twice = changed(|it| it["items"][1]["metadata"]["uid"] = json!(UID));
    assert!(matches!(twice, Err(PodError::Malformed(_))), "one uid, two pods: {twice:?}");
    let many = changed(|it| {
        let one = it["items"][0].clone();
        let pod = |at: usize| {
            let mut pod = one.clone();
            pod["metadata"]["uid"] = json!(format!("uid-{at}"));
            pod
        };
        it["items"] = (0..=PODS_MAX).map(pod).collect();
    });
    assert_eq!(many, Err(PodError::TooMany(PODS_MAX + 1)));
    assert_eq!(Pods::read(br#"{"kind":"PodList","items":null}"#, NODE), Ok(Pods::default()), "a node without pods");
}

#[test]
fn a_container_counts_in_its_own_pod_and_while_it_runs() {
    let good = changed(|_| {}).unwrap();
    assert_eq!(good.of(&container(OTHER_UID, 'a')), None, "the uid of another pod");
    assert_eq!(good.of(&container(UID, 'd')), None, "the container of another pod");
    assert_eq!(good.of(&container(UID, 'e')), None, "a container that nobody knows");
    assert_eq!(good.of(&Container { pod_uid: None, ..container(UID, 'a') }), None, "no pod at all");
    let ended = json!({ "terminated": { "exitCode": 0, "containerID": format!("containerd://{}", id('a')) } });
    for (status, why) in [
        (status('a', ended.clone()), "terminated"),
        (status('a', json!({ "waiting": { "reason": "CrashLoopBackOff" } })), "waiting"),
        (status('a', json!({ "running": null })), "not running"),
        (status('a', json!({})), "no state"),
        (json!({ "state": running(), "lastState": ended }), "the one before it"),
        (json!({ "containerID": id('a'), "state": running() }), "no runtime"),
        (json!({ "containerID": format!("x://{}", &id('a')[1..]), "state": running() }), "a part of an id"),
        (json!({ "containerID": "", "state": running() }), "empty"),
    ] {
        let pods = changed(|it| it["items"][0]["status"]["containerStatuses"] = json!([status])).unwrap();
        assert_eq!(pods.of(&container(UID, 'a')), None, "{why}");
        assert!(pods.of(&container(UID, 'b')).is_some(), "{why}: another container of that pod runs");
    }
    for digit in ['a', 'b', 'c'] {
        let pod = good.of(&container(UID, digit)).unwrap();
        assert_eq!((pod.namespace.as_str(), pod.service_account.as_str()), ("pay", "ledger"), "{digit}");
        assert_eq!(pod.labels["app"], "ledger");
    }
    assert_eq!(good.of(&container(OTHER_UID, 'd')).unwrap().namespace, "web");
}

#[test]
fn a_pod_beyond_the_limits_is_nobody_and_keeps_nobody_out() {
    let long = "x".repeat(LABEL_BYTES_MAX + 1);
    let labels: BTreeMap<_, _> = (0..=POD_LABELS_MAX).map(|at| (format!("l{at}"), "")).collect();
    let (labels, long_label) = (json!(labels), json!({ "x": long }));
    for (part, key, value, why) in [
        ("metadata", "labels", labels, "many labels"),
        ("metadata", "labels", long_label, "a long label"),
        ("metadata", "namespace", json!(long), "a long namespace"),
        ("metadata", "namespace", json!(""), "no namespace"),
        ("metadata", "uid", json!(""), "no uid"),
        ("spec", "serviceAccountName", json!(""), "no account"),
    ] {
        let pods = changed(|it| it["items"][0][part][key] = value).unwrap();
        assert_eq!(pods.of(&container(UID, 'a')), None, "{why}");
        assert!(pods.of(&container(OTHER_UID, 'd')).is_some(), "{why}");
    }
    let bare = changed(|it| it["items"][0]["metadata"]["labels"] = Value::Null).unwrap();
    assert!(bare.of(&container(UID, 'a')).unwrap().labels.is_empty());
}

#[test]
fn asks_for_its_own_node_alone() {
    let path = path(NODE).unwrap();
    let phases = "%2Cstatus.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed";
    assert_eq!(path, format!("/api/v1/pods?fieldSelector=spec.nodeName%3Dworker-1.test{phases}"));
    for name in ["", "a b", "a&limit=1", "a%2C", "A", "a/b", &"a".repeat(POD_NAME_BYTES_MAX + 1)] {
        assert!(matches!(super::path(name), Err(PodError::Node(_))), "{name:.20}");
    }
}

proptest! {
    #[test]
    fn no_other_bytes_put_a_container_into_a_pod_that_does_not_list_it(
        at in any::<prop::sample::Index>(), byte in any::<u8>(), junk in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        prop_assert!(Pods::read(&junk, NODE).is_err());
        let mut altered = serde_json::to_vec(&list()).unwrap();
        let at = at.index(altered.len());
        altered[at] = byte;
        if let Ok(pods) = Pods::read(&altered, NODE) {
            // One byte makes no uid the other's, and no id another one's.
            prop_assert_eq!(pods.of(&container(UID, 'd')), None);
            prop_assert_eq!(pods.of(&container(OTHER_UID, 'a')), None);
            prop_assert!(pods.by_uid.values().all(|(running, pod)| !running.is_empty() && pod.is_within_limits()));
        }
    }

    #[test]
    fn what_is_found_is_what_the_pod_says(namespace in "[a-z]{1,63}", account in "[a-z.]{1,253}", value in "\\PC{0,63}") {
        let pods = changed(|it| {
            it["items"][0]["metadata"]["namespace"] = json!(namespace);
            it["items"][0]["metadata"]["labels"]["app"] = json!(value);
            it["items"][0]["spec"]["serviceAccountName"] = json!(account);
        });
        let pods = pods.unwrap();
        let labels = BTreeMap::from([("app".to_owned(), value)]);
        prop_assert_eq!(pods.of(&container(UID, 'b')), Some(&Pod { namespace, service_account: account, labels }));
        prop_assert_eq!(&pods.of(&container(OTHER_UID, 'd')).unwrap().namespace, "web");
    }
}
