//! Programs beside the services: who they are, over restarts, and what their identity is not good for.

use bartizan_testkit::{Deadline, Up, binary, free_ports, kill_hard, wait_for};
use std::process::Command;

fn fleet(web: u16, edge: u16, workloads: &str) -> String {
    format!(
        "fleet: mine\ntrust_domain: mine.test\nservices:\n  web:\n    run: [python3, -m, http.server, \"{web}\", --bind, 127.0.0.1]\n    \
         listen: 127.0.0.1:{web}\n    protocol: http\n    owner: me\ngateway:\n  listen: 127.0.0.1:{edge}\n  routes:\n    - {{ path: /**, to: web }}\n\
         workloads:\n{workloads}"
    )
}

#[test]
fn a_program_is_who_the_fleet_file_says_and_no_service() {
    let folder = tempfile::tempdir().unwrap();
    let ports = free_ports(2);
    let file = folder.path().join("fleet.yaml");
    let bartizan = std::fs::canonicalize(binary("bartizan")).unwrap();
    let entry = format!("  client: {{ selectors: {{ path: {} }}, jwt: true }}\n", bartizan.display());
    std::fs::write(&file, fleet(ports[0], ports[1], &entry)).unwrap();
    let mut up = Up::start(&file, &[]);
    let out = folder.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let fetch = ["svid", "fetch", "--out", out.to_str().unwrap()];
    wait_for("the first identity", Deadline::default(), || up.cli(&fetch).status.success().then_some(()));
    assert!(up.say(&["svid", "fetch"]).starts_with("spiffe://mine.test/workload/client until "));
    assert_eq!(up.say(&["svid", "jwt", "--audience", "web"]).matches('.').count(), 2);
    let node = &up.status().unwrap()["nodes"][0];
    assert_eq!((&node["attached"], &node["entries"]), (&true.into(), &1.into()), "{node}");
    assert!(node["workload_socket"].as_str().unwrap().ends_with("/workload.sock"));

    // It is a good identity of this trust domain, and no service: a guard refuses it at the handshake, by name.
    let plan = std::fs::read(up.data.join("plan.json")).unwrap();
    let plan: serde_json::Value = serde_json::from_slice(&plan).unwrap();
    let curl = Command::new("curl")
        .args(["--silent", "--insecure", "--cert"])
        .arg(out.join("svid.0.pem"))
        .arg("--key")
        .arg(out.join("svid.0.key"))
        .arg(format!("https://{}/", plan["mesh"]["web"].as_str().unwrap()))
        .output()
        .expect("curl is installed");
    assert!(!curl.status.success() && curl.stdout.is_empty(), "{curl:?}");
    wait_for("the refusal's event", Deadline::default(), || {
        let denied = up.say(&["events", "--deny"]);
        denied.contains("`spiffe://mine.test/workload/client` is no service of `mine.test`").then_some(())
    });

    // The node dies: `up` starts another one, and everybody is who they were.
    kill_hard(up.find_one(&["bartizan node "]));
    wait_for("an identity again", Deadline::default(), || up.cli(&fetch).status.success().then_some(()));

    // Taken out of the file: nobody from then on.
    let other = "  client: { selectors: { path: /bin/false } }\n";
    std::fs::write(&file, fleet(ports[0], ports[1], other)).unwrap();
    up.say(&["reload"]);
    wait_for("the refusal", Deadline::default(), || {
        let refused = up.cli(&fetch);
        let text = String::from_utf8_lossy(&refused.stderr).into_owned();
        (refused.status.code() == Some(1) && text.contains("speaks for this program")).then_some(())
    });
    assert!(up.interrupt().success());
    assert!(!up.data.join("workload.sock").exists());
}
