//! What was seen can be found again, and what must not be kept is not there.

use bartizan_testkit::{Bank, Deadline, wait_for};

#[test]
fn one_request_is_followed_from_the_edge_to_the_last_hop() {
    let bank = Bank::start(&[]);
    let load = bank.load(&["--users", "2", "--accounts", "4", "--count", "5", "--concurrency", "1"]);
    assert!(load.status.success(), "{load:?}");
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let header = format!("traceparent: 00-{trace}-00f067aa0ba902b7-01");
    let answer = bank.call("POST", "/payments", &[&header], Some("{}"));
    assert_eq!(answer.header("x-request-id"), Some(trace), "{answer:?}");
    let found = |args: &[&str]| -> Vec<serde_json::Value> {
        let args = [&["events", "--json"], args].concat();
        bank.up.say(&args).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    wait_for("two hops to be stored", Deadline::default(), || (found(&["--request", trace]).len() >= 2).then_some(()));
    let traced = bank.up.say(&["trace", trace]);
    assert!(traced.contains("400") || traced.contains("422") || traced.contains("2"), "{traced}");
    assert!(traced.contains("|====") && traced.contains("allow by "), "drawn, with its decisions: {traced}");
    let calls = found(&["--identity", "gateway", "--class", "request", "--since", "1h", "--text", "/PAYMENTS"]);
    assert!(!calls.is_empty(), "what the gateway called");
    for call in &calls {
        let own = &call["unmapped"]["bartizan"];
        assert!(own["peer"].as_str().is_some_and(|peer| peer.ends_with("/svc/gateway")), "{call}");
        assert_eq!(own["kind"], "request");
    }
    assert_eq!(found(&["--identity", "gateway", "--until", "1h"]), Vec::<serde_json::Value>::new());
    let all = found(&["--all", "--class", "process"]);
    assert!(all.iter().all(|event| event["class_uid"] == 1007) && all.len() > 5, "{} processes", all.len());
    let wrong = bank.up.cli(&["events", "--class", "requests"]);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("known are request, connection"), "{wrong:?}");
}

#[test]
fn denials_and_failed_handshakes_are_shown_with_their_cause() {
    let bank = Bank::start(&[]);
    bank.call("POST", "/accounts/transfers", &[], Some("{}"));
    let plan = std::fs::read_to_string(bank.up.data.join("plan.json")).unwrap();
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    let mesh = plan["mesh"]["accounts"].as_str().unwrap();
    bartizan_testkit::get(&format!("https://{mesh}/"), None);
    // The gateway decides before it forwards; the failed handshake is the sidecar's.
    for (service, word) in [("accounts", "no_certificate"), ("gateway", "no-direct-transfers")] {
        wait_for(&format!("{word} to be stored"), Deadline::default(), || {
            bank.up.say(&["events", "--service", service, "--deny", "--json"]).contains(word).then_some(())
        });
    }
    for line in bank.up.say(&["events", "--json"]).lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(record["class_uid"].is_u64() && record["metadata"]["version"].is_string(), "{record}");
    }
    let metrics = bank.up.say(&["metrics"]);
    assert!(
        metrics.contains("bartizan_handshakes_failed_total") && metrics.contains("bartizan_denied_total"),
        "{metrics}"
    );
}

#[test]
fn planted_secrets_are_nowhere_on_disk() {
    let bank = Bank::start(&[]);
    let marker = "PlantedMarker7f3a9c51e2";
    let bearer = format!("authorization: Bearer {marker}AAAAAAAAAAAAAAAA");
    let body = format!("{{\"password\":\"{marker}\"}}");
    bank.call("POST", &format!("/users?token={marker}"), &[&bearer], Some(&body));
    bank.call("POST", "/accounts/transfers", &[&bearer, &format!("cookie: s={marker}")], Some(&body));
    wait_for("the events to be stored", Deadline::default(), || {
        bank.up.say(&["events", "--deny", "--json"]).contains("no-direct-transfers").then_some(())
    });
    let ours = |path: &std::path::Path| !path.components().any(|c| c.as_os_str() == "services");
    let mut folders = vec![bank.up.data.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                // What the programs keep in folders of their own is their business.
                if ours(&path) {
                    folders.push(path);
                }
            } else if let Ok(bytes) = std::fs::read(&path) {
                let found = bytes.windows(marker.len()).any(|w| w == marker.as_bytes());
                assert!(!found, "{} holds a planted secret", path.display());
            }
        }
    }
}

/// The fleet file with another version and image of `accounts`.
fn released(folder: &std::path::Path, version: &str) -> String {
    let file = folder.join("fleet.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let kept: Vec<&str> = text.lines().filter(|line| !line.contains("# released")).collect();
    let image = format!("registry.bank.example/accounts:{version}");
    let said = format!("    version: {version} # released\n    image: {image} # released\n    calls: [users]");
    std::fs::write(file, kept.join("\n").replacen("    calls: [users]", &said, 1) + "\n").unwrap();
    image
}

#[test]
fn events_say_what_ran_and_are_found_by_it() {
    let bank = Bank::start_with(&[], |folder| drop(released(folder, "1.10")));
    let found = |args: &[&str]| -> Vec<serde_json::Value> {
        let args = [&["events", "--json", "--class", "request", "--limit", "1000"], args].concat();
        bank.up.say(&args).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let told = |version: &str| {
        wait_for(&format!("a call at {version}"), Deadline::default(), || {
            bank.call("GET", "/accounts/acc-none", &[], None);
            found(&["--of-version", version]).into_iter().find(|it| it["unmapped"]["bartizan"]["seen_by"] == "inbound")
        })
    };
    for (args, why) in [
        (["events", "--image", "accounts:"], "the tag is not"),
        (["events", "--of-version", "1 0"], "not one that the fleet file takes"),
    ] {
        let refused = bank.up.cli(&args);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && said.contains(why), "{args:?}: {said}");
    }
    let before = told("1.10");
    let own = &before["unmapped"]["bartizan"];
    assert_eq!((&own["service"], &own["owner"]), (&"accounts".into(), &"core-banking".into()), "{before:#}");
    assert_eq!(own["image"], "registry.bank.example/accounts:1.10");
    assert_eq!(before["dst_endpoint"]["container"]["image"]["tag"], "1.10", "{before:#}");
    assert_eq!(before["trace"]["span"]["service"]["version"], "1.10", "{before:#}");

    let image = released(bank.folder(), "1.11");
    bank.up.say(&["reload"]);
    let after = told("1.11");
    assert_eq!(after["unmapped"]["bartizan"]["image"], image.as_str(), "{after:#}");
    assert!(!found(&["--of-version", "1.10"]).is_empty(), "what happened before stays as it was");
    assert_eq!(found(&["--of-version", "1.1"]), Vec::<serde_json::Value>::new(), "a version is meant whole");
    let of_name = found(&["--image", "registry.bank.example/accounts"]);
    let versions = |version: &str| of_name.iter().filter(|it| it["unmapped"]["bartizan"]["version"] == version).count();
    assert!(versions("1.10") > 0 && versions("1.11") > 0, "{} of both", of_name.len());
    assert!(of_name.iter().all(|it| it["unmapped"]["bartizan"]["service"] == "accounts"), "{of_name:?}");
    let others = found(&["--service", "gateway"]);
    assert!(
        !others.is_empty() && others.iter().all(|it| it["unmapped"]["bartizan"]["version"].is_null()),
        "{others:?}"
    );
}
