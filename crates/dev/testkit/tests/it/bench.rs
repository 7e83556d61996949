//! `bartizan bench`: somebody's own fleet with guards and without, measured from outside.

use bartizan_testkit::{binary, free_ports};
use serde_json::Value;
use std::process::Command;

#[test]
fn a_fleet_is_measured_with_guards_and_without_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let ports = free_ports(2);
    std::fs::write(folder.path().join("hello"), "hello").unwrap();
    let (web, edge) = (ports[0], ports[1]);
    let fleet = format!(
        "fleet: shop\ntrust_domain: shop.test\nservices:\n  web: {{ run: [python3, -m, http.server, \"{web}\", --bind, 127.0.0.1, --protocol, HTTP/1.1], listen: \"127.0.0.1:{web}\", protocol: http, owner: me }}\n\
         gateway:\n  listen: 127.0.0.1:{edge}\n  routes: [{{ path: /**, to: web }}]\n"
    );
    std::fs::write(folder.path().join("fleet.yaml"), fleet).unwrap();
    let bench = |more: &[&str]| {
        let command = ["bench", "fleet.yaml", "--seconds", "1", "--connections", "2", "--json"];
        Command::new(binary("bartizan")).args(command).args(more).current_dir(folder.path()).output().unwrap()
    };
    let output = bench(&["--path", "/hello", "--path", "/missing", "--modes", "off,full"]);
    assert!(output.status.success(), "{output:?}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (off, full) = (&said["modes"][0], &said["modes"][1]);
    assert_eq!((&off["mode"], &full["mode"]), (&"off".into(), &"full".into()), "{said}");
    for row in [off, full] {
        let (requests, refused) = (row["requests"].as_u64().unwrap(), row["refused"].as_u64().unwrap());
        assert!(requests > 10 && refused.abs_diff(requests / 2) <= 2, "every other one is a 404: {row}");
        assert_eq!(row["failed"], 0, "{row}");
        assert!(
            row["programs_us"].as_f64().unwrap() > 1.0 && row["p50_us"].as_u64() <= row["p99_us"].as_u64(),
            "{row}"
        );
    }
    assert_eq!((&off["guards_us"], full["guards_us"].as_f64().unwrap() > 1.0), (&0.0.into(), true), "{said}");
    // Stopped, and nothing of it is left.
    assert!(std::net::TcpStream::connect(("127.0.0.1", web)).is_err() && !folder.path().join(".bartizan").exists());
    let refused = bench(&["--path", "no-path"]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("`no-path`"), "{refused:?}");
}

/// Answers POST with what came, where the header is right.
const ECHO: &str = r#"
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_POST(self):
        body = self.rfile.read(int(self.headers['content-length']))
        status = 200 if self.headers['x-key'] == 'right' and body == b'{"amount": 7}' else 400
        self.send_response(status)
        self.send_header('content-length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
"#;

#[test]
fn a_second_fleet_with_more_in_it_is_measured_beside_and_each_guard_is_judged() {
    let folder = tempfile::tempdir().unwrap();
    let ports = free_ports(2);
    let (web, edge) = (ports[0], ports[1]);
    let fleet = |more: &str| {
        format!(
            "fleet: shop\ntrust_domain: shop.test\nservices:\n  web: {{ run: [python3, web.py, \"{web}\"], listen: \"127.0.0.1:{web}\", protocol: http, owner: me, data: [pii] }}\n\
             gateway:\n  listen: 127.0.0.1:{edge}\n  routes: [{{ path: /orders/**, to: web, methods: [POST]{more} }}]\n"
        )
    };
    std::fs::write(folder.path().join("web.py"), ECHO).unwrap();
    std::fs::write(folder.path().join("order.json"), "{\"amount\": 7}").unwrap();
    std::fs::write(folder.path().join("plain.yaml"), fleet("")).unwrap();
    let limits = ", limits: [{ per: [address], rate: 1000000/s }]";
    std::fs::write(folder.path().join("full.yaml"), fleet(limits)).unwrap();
    let bench = |more: &[&str]| {
        let command = ["bench", "plain.yaml", "--seconds", "1", "--connections", "2", "--path", "/orders/7"];
        Command::new(binary("bartizan")).args(command).args(more).current_dir(folder.path()).output().unwrap()
    };
    for (more, why) in [
        (&["--header", "no-colon"][..], "`no-colon` is no header"),
        (&["--header", "a b: c"], "`a b` cannot be sent as a header"),
        (&["--method", "PO ST"], "`PO ST` is no method"),
        (&["--body", "@missing.json", "--method", "POST"], "cannot read the body in `missing.json`"),
        (&["--core-hour=-1"], "a price is a number"),
        (&["--full", "missing.yaml", "--method", "POST"], "missing.yaml"),
        (&[], "no open route of the gateway fits"), // none takes a GET
    ] {
        let refused = bench(more);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(why), "{more:?}: {said}");
    }
    let post = ["--method", "POST", "--body", "@order.json", "--header", "x-key: right", "--full", "full.yaml"];
    let output = bench(&[&post[..], &["--modes", "off,full", "--json"]].concat());
    assert!(output.status.success(), "{output:?}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let modes = said["modes"].as_array().unwrap();
    let names: Vec<_> = modes.iter().map(|row| row["mode"].as_str().unwrap()).collect();
    assert_eq!(names, ["off", "policy", "full"], "{said}");
    for row in modes {
        assert!(row["requests"].as_u64().unwrap() > 10, "{row}");
        assert_eq!((&row["refused"], &row["failed"]), (&0.into(), &0.into()), "method, body and header arrive: {row}");
    }
    assert_eq!(modes[0]["services"], serde_json::json!([]), "nothing guards there");
    for row in &modes[1..] {
        let services = row["services"].as_array().unwrap();
        let web = services.iter().find(|it| it["service"] == "web").unwrap_or_else(|| panic!("{row}"));
        assert!(web["calls"].as_u64().unwrap() > 10 && web["cpu_us_per_call"].as_f64().unwrap() > 0.0, "{web}");
        assert!(web["advice"] == "keep" || web["advice"] == "tune", "it handles data, so never lighter: {web}");
    }

    let paced = bench(&[&post[..], &["--modes", "off", "--rate", "40", "--json"]].concat());
    let paced: Value = serde_json::from_slice(&paced.stdout).unwrap();
    let requests = paced["modes"][0]["requests"].as_u64().unwrap();
    assert!((20..=41).contains(&requests) && paced["rate"] == 40, "{paced}");

    let told = bench(&[&post[..], &["--modes", "mtls,full", "--core-hour", "0.04", "--rate", "40"]].concat());
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    for part in [
        "POST /orders/7 from 2 connections, 40 requests/s",
        "PER MILLION",
        "policy",
        "P99 µs mtls",
        "advice is for `full`",
        "WHY",
    ] {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
}
