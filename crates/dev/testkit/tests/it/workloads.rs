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
    let me = up.say(&["whoami"]);
    assert!(
        me.contains("operator  uid ") && me.contains("workload  spiffe://mine.test/workload/client until "),
        "{me}"
    );
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

/// A client from outside: curl, with the certificate in `identity` where one is to be shown.
fn curl(url: &str, up: &Up, identity: Option<&std::path::Path>) -> (Option<i32>, String) {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--write-out", "%{http_code}", "--output", "/dev/null", "--cacert"]).arg(up.ca());
    if let Some(folder) = identity {
        curl.arg("--cert").arg(folder.join("svid.0.pem")).arg("--key").arg(folder.join("svid.0.key"));
    }
    let output = curl.arg(url).output().expect("curl is installed");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_client_outside_is_let_in_by_its_certificate_where_a_route_is_for_it_alone() {
    let folder = tempfile::tempdir().unwrap();
    let ports = free_ports(2);
    let (web, edge) = (ports[0], ports[1]);
    std::fs::create_dir(folder.path().join("private")).unwrap();
    let file = folder.path().join("fleet.yaml");
    let bartizan = std::fs::canonicalize(binary("bartizan")).unwrap();
    let fleet = |calls: &str, path: &str, from: &str| {
        format!(
            "fleet: mine\ntrust_domain: mine.test\nservices:\n  web:\n    run: [python3, -m, http.server, \"{web}\", --bind, 127.0.0.1]\n    \
             listen: 127.0.0.1:{web}\n    protocol: http\n    owner: me\ngateway:\n  listen: 127.0.0.1:{edge}\n  routes:\n    - {{ path: /**, to: web }}\n    \
             - {{ path: /private/**, to: web{from} }}\nworkloads:\n  client: {{ selectors: {{ path: {path} }}{calls} }}\n  other: {{ selectors: {{ path: {} }}, id: /other, calls: [web] }}\n",
            bartizan.display()
        )
    };
    let (mine, calls) = (bartizan.display().to_string(), ", calls: [web]");
    std::fs::write(&file, fleet("", &mine, ", from: [client]")).unwrap();
    let check = Command::new(&bartizan).arg("check").arg(&file).output().unwrap();
    assert!(String::from_utf8_lossy(&check.stderr).contains("no such client"), "{check:?}");

    std::fs::write(&file, fleet(calls, &mine, ", from: [client]")).unwrap();
    let up = Up::start(&file, &[]);
    let out = folder.path().join("out");
    std::fs::create_dir(&out).unwrap();
    wait_for("both identities", Deadline::default(), || {
        let fetched = up.cli(&["svid", "fetch", "--out", out.to_str().unwrap()]);
        (fetched.status.success() && out.join("svid.1.pem").exists()).then_some(())
    });
    // Which of the two files is whose is for the names in them to say.
    let text = |n: u8| {
        let pem = out.join(format!("svid.{n}.pem"));
        let shown =
            Command::new("openssl").args(["x509", "-noout", "-ext", "subjectAltName", "-in"]).arg(&pem).output();
        String::from_utf8_lossy(&shown.unwrap().stdout).into_owned()
    };
    let as_client = |n: u8| {
        let own = folder.path().join(format!("as{n}"));
        std::fs::create_dir_all(&own).unwrap();
        std::fs::copy(out.join(format!("svid.{n}.pem")), own.join("svid.0.pem")).unwrap();
        std::fs::copy(out.join(format!("svid.{n}.key")), own.join("svid.0.key")).unwrap();
        own
    };
    let client = as_client(if text(0).contains("/workload/client") { 0 } else { 1 });
    let other = as_client(if text(0).contains("/other") { 0 } else { 1 });
    let (open, private) = (format!("https://127.0.0.1:{edge}/"), format!("https://127.0.0.1:{edge}/private/"));
    assert_eq!(curl(&private, &up, None).1, "403", "without a certificate");
    assert_eq!(curl(&open, &up, None).1, "200", "what is for everybody stays so");
    assert_eq!(curl(&private, &up, Some(&client)).1, "200");
    // A good identity of the fleet that no route asks for: no client of this gateway.
    let (code, status) = curl(&private, &up, Some(&other));
    assert!(code != Some(0) && status == "000", "{code:?} {status}");
    wait_for("the refusal's event", Deadline::default(), || {
        up.say(&["events", "--deny"]).contains("`spiffe://mine.test/other`").then_some(())
    });
    up.say(&["revoke", "id:spiffe://mine.test/workload/client", "--reason", "lost"]);
    wait_for("the end", Deadline::default(), || (curl(&private, &up, Some(&client)).1 == "000").then_some(()));
    assert_eq!(curl(&open, &up, None).1, "200");
}
