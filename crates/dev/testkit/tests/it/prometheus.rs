//! A real Prometheus scrapes the bank, loads our rules, and answers every query of our boards.

use bartizan_testkit::{Bank, Deadline, binary, free_ports, get, request, wait_for};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        bartizan_testkit::kill_hard(self.0.id());
        let _ = self.0.wait();
    }
}

/// A Prometheus of this configuration, with its data in `folder`, that answers at port `own`.
fn scraping(config: &Path, folder: &Path, own: u16) -> Ended {
    let prometheus = Command::new("prometheus")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{own}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Ended(prometheus.expect("prometheus is installed; see xtask/needs.sh"))
}

fn monitoring() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../monitoring").canonicalize().unwrap()
}

fn promtool(args: &[&str], input: Option<&str>) {
    let mut command = Command::new("promtool");
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("promtool is installed; see xtask/needs.sh");
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, input.unwrap_or_default().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "promtool {args:?}: {output:?}");
}

#[test]
fn promtool_accepts_rules_and_each_alert_comes_and_stays_away() {
    let at = |name: &str| monitoring().join("prometheus").join(name).display().to_string();
    promtool(&["check", "rules", &at("bartizan.rules.yml"), &at("bartizan.alerts.yml")], None);
    promtool(&["test", "rules", &at("tests.yml")], None);
    // None without owner, severity and a section of its runbook; none without a test.
    let alerts = std::fs::read_to_string(at("bartizan.alerts.yml")).unwrap();
    let tests = std::fs::read_to_string(at("tests.yml")).unwrap();
    let runbooks = std::fs::read_to_string(monitoring().join("../docs/manual/runbooks.md")).unwrap();
    let anchors: BTreeSet<String> =
        runbooks.lines().filter_map(|line| Some(line.strip_prefix("## ")?.to_lowercase())).collect();
    let rules: Vec<&str> = alerts.split("- alert: ").skip(1).collect();
    assert!(rules.len() >= 16);
    for rule in rules {
        let name = rule.lines().next().unwrap();
        assert!(rule.contains("owner: ") && rule.contains("severity: "), "{rule}");
        let anchor = rule.lines().find_map(|line| line.trim().strip_prefix("runbook: docs/manual/runbooks.md#"));
        assert!(anchor.is_some_and(|anchor| anchors.contains(anchor)), "{rule}");
        let asked = format!("alertname: {name}\n");
        let mut expected = tests.split(&asked).skip(1);
        let comes = expected.any(|it| it.trim_start().starts_with("exp_alerts:\n"));
        assert!(comes, "{name} never comes in a test");
    }
}

#[test]
fn a_prometheus_scrapes_the_bank_and_answers_every_query_of_the_boards() {
    let bank = Bank::start(&[]);
    let [at, own] = free_ports(2)[..] else { unreachable!() };
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("metrics.token");
    std::fs::write(&token, "0123456789abcdef0123456789abcdef\n").unwrap();
    let listen = format!("127.0.0.1:{at}");

    // Refused first: where anybody could read along, and with a token that can be guessed.
    let short = folder.path().join("short.token");
    std::fs::write(&short, "secret\n").unwrap();
    let refused = bank.up.cli(&["metrics", "--listen", "0.0.0.0:0"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--token-file"), "{refused:?}");
    let refused = bank.up.cli(&["metrics", "--listen", &listen, "--token-file", &short.display().to_string()]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("at least 32 characters"), "{refused:?}");

    let exporter = Command::new(binary("bartizan"))
        .args(["metrics", "--listen", &listen, "--token-file", &token.display().to_string()])
        .env("BARTIZAN_DATA", &bank.up.data)
        .stdout(Stdio::null())
        .spawn();
    let exporter = Ended(exporter.unwrap());
    let url = format!("http://{listen}/metrics");
    wait_for("the exporter", Deadline::default(), || (get(&url, None).status == 401).then_some(()));
    let shown = ["authorization: Bearer 0123456789abcdef0123456789abcdef"];
    let text = request("GET", &url, None, &shown, None);
    assert_eq!(text.status, 200, "{text:?}");
    promtool(&["check", "metrics"], Some(&text.body));

    let config = folder.path().join("prometheus.yml");
    std::fs::write(
        &config,
        format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\n\
             rule_files: [{0}/prometheus/bartizan.rules.yml, {0}/prometheus/bartizan.alerts.yml]\n\
             scrape_configs:\n  - job_name: bartizan\n    static_configs: [{{ targets: [\"{listen}\"] }}]\n    \
             authorization: {{ credentials_file: {1} }}\n",
            monitoring().display(),
            token.display()
        ),
    )
    .unwrap();
    let _prometheus = scraping(&config, folder.path(), own);
    let ask = |query: &str| {
        let url = format!("http://127.0.0.1:{own}/api/v1/query?query={}", encoded(query));
        let answer = get(&url, None);
        (answer.status == 200).then(|| answer.json()["data"]["result"].as_array().cloned()).flatten()
    };
    let some = |query: &str| wait_for(query, Deadline::default(), || ask(query).filter(|rows| !rows.is_empty()));
    some("up{job=\"bartizan\"} == 1");
    bank.load(&["--users", "2", "--accounts", "4", "--duration", "4", "--concurrency", "2"]);
    some("bartizan:calls:rate5m > 0");
    some("bartizan_indicator_ratio{indicator=\"M1\",place=\"fleet\"} == 1");

    let rules = get(&format!("http://127.0.0.1:{own}/api/v1/rules"), None).json();
    let rules: Vec<_> = rules["data"]["groups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|it| it["rules"].as_array().unwrap().clone())
        .collect();
    assert!(rules.len() >= 22 && rules.iter().all(|rule| rule["health"] == "ok"), "{rules:?}");
    let firing: Vec<_> = rules.iter().filter(|rule| rule["state"] == "firing").collect();
    assert!(firing.is_empty(), "nothing is wrong with the bank: {firing:?}");

    // Every name that a query asks for is one that the fleet has, or that a rule records.
    let known = names_in(&text.body.lines().filter(|line| line.starts_with("# TYPE ")).collect::<String>());
    let mut queries = Vec::new();
    for board in ["executive", "on-call", "debug"] {
        let text = std::fs::read_to_string(monitoring().join(format!("grafana/{board}.json"))).unwrap();
        let board: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(board["panels"].as_array().unwrap().len() >= 4);
        let targets =
            board["panels"].as_array().unwrap().iter().filter_map(|panel| panel["targets"].as_array()).flatten();
        queries.extend(targets.map(|target| target["expr"].as_str().unwrap().to_owned()));
    }
    assert!(queries.len() > 25, "{}", queries.len());
    for name in ["bartizan.rules.yml", "bartizan.alerts.yml"] {
        queries.push(std::fs::read_to_string(monitoring().join("prometheus").join(name)).unwrap());
    }
    let unknown: BTreeSet<String> =
        queries.iter().flat_map(|query| names_in(query)).filter(|name| !known.contains(name)).collect();
    assert_eq!(unknown, BTreeSet::new());
    let own = |query: &str| {
        let form = format!("query={}&start=1&end=2&step=15", encoded(query));
        let of_form = [shown[0], "content-type: application/x-www-form-urlencoded"];
        request("POST", &format!("http://{listen}/api/v1/query_range"), None, &of_form, Some(&form))
    };
    for query in queries.iter().filter(|query| !query.contains('\n')) {
        assert!(ask(query).is_some(), "{query}");
        // As Grafana asks, without a Prometheus between.
        let answer = own(query);
        assert_eq!((answer.status, &answer.json()["status"]), (200, &"success".into()), "{query}: {answer:?}");
    }
    answers_like_a_prometheus(&bank, &listen, shown[0], &some);

    drop(exporter);
    some("up{job=\"bartizan\"} == 0");
}

/// The same numbers from control as from a Prometheus that scraped it, and to whoever asks one.
fn answers_like_a_prometheus(bank: &Bank, listen: &str, shown: &str, theirs: &dyn Fn(&str) -> Vec<serde_json::Value>) {
    let at = |path: &str| format!("http://{listen}/api/v1/{path}");
    for (method, path, headers, status) in [
        ("GET", "query?query=1", &[][..], 401),
        ("GET", "users", &[shown][..], 404),
        ("POST", "query", &[shown, "content-type: application/json"][..], 415),
        ("GET", "query?query=up%7B", &[shown][..], 400),
        ("DELETE", "query?query=1", &[shown][..], 405),
    ] {
        let answer = request(method, &at(path), None, headers, (method == "POST").then_some("{}"));
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
    }
    let query = "sum by (from, to) (bartizan_calls_total)";
    let rows = |all: Vec<serde_json::Value>| -> BTreeSet<String> {
        all.iter().map(|it| format!("{} {}", it["metric"], it["value"][1])).collect()
    };
    wait_for("the same numbers as those of Prometheus", Deadline::default(), || {
        let answer = request("GET", &at(&format!("query?query={}", encoded(query))), None, &[shown], None);
        let ours = rows(answer.json()["data"]["result"].as_array().cloned()?);
        (!ours.is_empty() && ours == rows(theirs(query))).then_some(())
    });
    let told = bank.up.cli(&["query", "sum(bartizan_proxy_attached)", "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap_or_else(|e| panic!("{e}: {told:?}"));
    assert!(told["result"][0]["value"][1].as_str().is_some_and(|it| it != "0"), "{told}");
    let refused = bank.up.cli(&["query", "hour()"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("function `hour`: not in the subset"), "{refused:?}");

    // This promtool shows no token: it asks where none is wanted.
    let [open] = free_ports(1)[..] else { unreachable!() };
    let exporter = Command::new(binary("bartizan"))
        .args(["metrics", "--listen", &format!("127.0.0.1:{open}")])
        .env("BARTIZAN_DATA", &bank.up.data)
        .stdout(Stdio::null())
        .spawn();
    let _exporter = Ended(exporter.unwrap());
    let url = format!("http://127.0.0.1:{open}");
    wait_for("the open exporter", Deadline::default(), || {
        (get(&format!("{url}/metrics"), None).status == 200).then_some(())
    });
    let promtool = |args: &[&str]| {
        let output = Command::new("promtool").args(args).output().expect("promtool is installed; see xtask/needs.sh");
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    let told = promtool(&["query", "instant", &url, "vector(40) + 2"]);
    assert!(told.starts_with("{} => 42 @["), "{told}");
    let told = promtool(&["query", "range", "--step=15s", &url, "max by (kind) (bartizan_epoch)"]);
    assert!(told.contains("{kind=\"bundles\"} =>\n"), "{told}");
    let told = promtool(&["query", "series", "--match=bartizan_epoch", &url]);
    assert!(told.contains("{__name__=\"bartizan_epoch\", kind=\"bundles\"}"), "{told}");
    let told = promtool(&["query", "labels", &url, "kind"]);
    assert!(told.lines().any(|it| it == "bundles"), "{told}");
    let told = promtool(&["query", "instant", &url, "hour()"]);
    assert!(told.contains("function `hour`: not in the subset"), "{told}");
}

/// A rule of our own beside those that we ship: it is there once a call was denied.
const DENIED: &str = "groups:\n  - name: test\n    rules:\n      - record: test:denied\n        expr: sum by (to) (bartizan_denied_total)\n      - alert: TestDenied\n        expr: test:denied > 0\n        for: 15s\n        labels: { owner: core-banking, severity: ticket, service: \"{{ $labels.to }}\" }\n        annotations: { summary: \"{{ $value }} calls of {{ $labels.to }} were denied\", runbook: \"docs/manual/runbooks.md#deniedburst\" }\n";

#[test]
fn control_and_a_prometheus_come_to_the_same_alerts_by_the_same_rules() {
    let names = ["bartizan.rules.yml", "bartizan.alerts.yml"];
    let bank = Bank::start_with(&[], |folder| {
        let rules = folder.join("prometheus");
        std::fs::create_dir(&rules).unwrap();
        for name in names {
            std::fs::copy(monitoring().join("prometheus").join(name), rules.join(name)).unwrap();
        }
        std::fs::write(rules.join("test.yml"), DENIED).unwrap();
        let file = folder.join("fleet.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text + "alerts: { prometheus_rules: prometheus/ }\n").unwrap();
    });
    let rules = bank.folder().join("prometheus");
    let checked = bank.up.cli(&["alerts", "check", &rules.display().to_string()]);
    let text = String::from_utf8_lossy(&checked.stdout);
    assert!(text.starts_with("ok: 18 alerting and "), "{checked:?}");

    let [at, own] = free_ports(2)[..] else { unreachable!() };
    let listen = format!("127.0.0.1:{at}");
    let exporter = Command::new(binary("bartizan"))
        .args(["metrics", "--listen", &listen])
        .env("BARTIZAN_DATA", &bank.up.data)
        .stdout(Stdio::null())
        .spawn();
    let _exporter = Ended(exporter.unwrap());
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("prometheus.yml");
    std::fs::write(
        &config,
        format!(
            "global: {{ scrape_interval: 5s, evaluation_interval: 15s }}\nrule_files: [\"{}/*.yml\"]\n\
             scrape_configs:\n  - job_name: bartizan\n    static_configs: [{{ targets: [\"{listen}\"] }}]\n",
            rules.display(),
        ),
    )
    .unwrap();
    let _prometheus = scraping(&config, folder.path(), own);

    // Refused on the way, and kept out of what is in force: a rule that nobody owns.
    std::fs::write(rules.join("more.yml"), DENIED.replace("owner: core-banking, ", "")).unwrap();
    let refused = bank.up.cli(&["reload"]);
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && why.contains("more.yml:6:9") && why.contains("has no label `owner`"), "{why}");
    std::fs::write(rules.join("more.yml"), "groups: [{ name: more, rules: [{ record: a, expr: hour() }] }]").unwrap();
    let refused = bank.up.cli(&["reload"]);
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && why.contains("function `hour`: not in the subset"), "{why}");
    std::fs::remove_file(rules.join("more.yml")).unwrap();

    let denied = wait_for("a denied call", Deadline::default(), || {
        let answer = bank.call("POST", "/accounts/transfers", &[], Some("{}"));
        (answer.status == 403).then_some(answer)
    });
    assert!(denied.header("x-request-id").is_some(), "{denied:?}");
    let ask = |port: u16, query: &str| -> Option<BTreeSet<String>> {
        let answer = get(&format!("http://127.0.0.1:{port}/api/v1/query?query={}", encoded(query)), None);
        let all = answer.json()["data"]["result"].as_array()?.clone();
        let label = |it: &serde_json::Value| {
            let labels = it["metric"].as_object().unwrap().iter();
            // A Prometheus that scrapes says from where.
            labels
                .filter(|(name, _)| !matches!(name.as_str(), "job" | "instance"))
                .map(|it| format!("{it:?}"))
                .collect::<String>()
        };
        Some(all.iter().map(|it| format!("{} {}", label(it), it["value"][1])).collect())
    };
    // The gateway denies that call itself: accounts never hears of it.
    for (query, word) in
        [("ALERTS{alertstate=\"firing\"}", "TestDenied"), ("test:denied", "(\"to\", String(\"gateway\")) \"1\"")]
    {
        let same = wait_for(query, Deadline(std::time::Duration::from_secs(150)), || {
            let (ours, theirs) = (ask(at, query)?, ask(own, query)?);
            (!ours.is_empty() && ours == theirs).then_some(ours)
        });
        assert!(same.iter().any(|it| it.contains(word)), "no {word} in {same:?}");
    }
    let told = bank.up.cli(&["alerts", "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap_or_else(|e| panic!("{e}: {told:?}"));
    let alert = told["alerts"].as_array().unwrap().iter().find(|it| it["rule"] == "TestDenied");
    let alert = alert.unwrap_or_else(|| panic!("{told}"));
    assert_eq!((&alert["owner"], &alert["state"]), (&"core-banking".into(), &"firing".into()), "{alert}");
    assert!(alert["group"].as_str().is_some_and(|it| !it.is_empty()), "it belongs to an incident: {alert}");
    let rules_told = bank.up.cli(&["alerts", "--rules"]);
    let rules_told = String::from_utf8_lossy(&rules_told.stdout).into_owned();
    assert!(rules_told.contains("TestDenied") && rules_told.contains("BartizanGuardAway"), "{rules_told}");

    // Its rule goes, and so does it.
    std::fs::remove_file(rules.join("test.yml")).unwrap();
    let reloaded = bank.up.cli(&["reload"]);
    assert!(reloaded.status.success(), "{reloaded:?}");
    wait_for("the alert to end with its rule", Deadline::default(), || {
        let told: serde_json::Value =
            serde_json::from_slice(&bank.up.cli(&["alerts", "--json", "--all"]).stdout).ok()?;
        let alert = told["alerts"].as_array()?.iter().find(|it| it["rule"] == "TestDenied")?.clone();
        (alert["state"] == "resolved").then_some(())
    });
}

/// A Prometheus that takes remote write and scrapes nobody.
fn receiver(folder: &Path, port: u16) -> Ended {
    let config = folder.join("receiver.yml");
    std::fs::write(&config, "global: {}\n").unwrap();
    let prometheus = Command::new("prometheus")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--web.enable-remote-write-receiver")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Ended(prometheus.expect("prometheus is installed; see xtask/needs.sh"))
}

#[test]
fn a_prometheus_gets_our_metrics_by_remote_write_also_those_of_a_time_when_it_was_away() {
    let [own, refusing] = free_ports(2)[..] else { unreachable!() };
    let bank = Bank::start_with(&[], |folder| {
        let file = folder.join("fleet.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        let outputs = format!(
            "outputs:\n  prom: {{ remote_write: \"http://127.0.0.1:{own}/api/v1/write\" }}\n  \
             none: {{ remote_write: \"http://127.0.0.1:{own}/nothing/is/here\" }}\n  \
             away: {{ remote_write: \"http://127.0.0.1:{refusing}/api/v1/write\" }}\n"
        );
        std::fs::write(&file, text + &outputs).unwrap();
    });
    let arrow = |name: &str| -> serde_json::Value {
        let told = bank.up.cli(&["balance", "--json"]);
        let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap_or_else(|e| panic!("{e}: {told:?}"));
        let arrows = told["arrows"].as_array().unwrap().clone();
        let found = arrows.iter().find(|it| it["arrow"] == format!("output.{name}")).cloned();
        found.unwrap_or_else(|| panic!("{told}"))
    };
    let count = |it: &serde_json::Value, key: &str| it[key].as_u64().unwrap_or_default();
    // Nobody is there yet: two moments wait, and nothing is lost.
    let first = wait_for("samples that wait", Deadline::default(), || {
        let it = arrow("prom");
        (count(&it, "waiting") > 0 && count(&it, "received") == count(&it, "waiting")).then_some(it)
    });
    wait_for("another moment", Deadline::default(), || {
        (count(&arrow("prom"), "waiting") > count(&first, "waiting")).then_some(())
    });
    let folder = tempfile::tempdir().unwrap();
    let mut prometheus = receiver(folder.path(), own);
    let ask = |query: &str| -> Option<f64> {
        let answer = get(&format!("http://127.0.0.1:{own}/api/v1/query?query={}", encoded(query)), None);
        answer.json()["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    };
    let taken = || {
        wait_for("all that waited to be taken", Deadline::default(), || {
            let it = arrow("prom");
            (count(&it, "waiting") == 0 && count(&it, "stored") == count(&it, "received")).then_some(it)
        })
    };
    let it = taken();
    assert!(count(&it, "stored") >= 2 * count(&first, "waiting"), "{it}");
    let moments = ask("count_over_time(bartizan_epoch{kind=\"bundles\"}[10m])");
    assert!(moments >= Some(2.0), "also what was measured before it came: {moments:?}");
    assert!(ask("count(bartizan_epoch{fleet=\"bank\"})") >= Some(1.0), "each says of which fleet it is");

    // Away once more. What is measured meanwhile comes afterwards.
    prometheus = {
        drop(prometheus);
        let before = count(&arrow("prom"), "received");
        wait_for("a moment while it is away", Deadline::default(), || {
            let it = arrow("prom");
            (count(&it, "received") > before && count(&it, "waiting") > 0).then_some(())
        });
        receiver(folder.path(), own)
    };
    let it = taken();
    assert_eq!((&it["dropped"], &it["refused"]), (&serde_json::json!({}), &serde_json::json!({})), "{it}");
    let query = "count_over_time(bartizan_epoch{kind=\"bundles\"}[10m])";
    let ours = || -> Option<f64> {
        let told = bank.up.cli(&["query", query, "--json"]);
        let told: serde_json::Value = serde_json::from_slice(&told.stdout).ok()?;
        told["result"][0]["value"][1].as_str()?.parse().ok()
    };
    wait_for("the same number of moments as here", Deadline::default(), || {
        let (ours, theirs) = (ours()?, ask(query)?);
        // What was measured before the output began is not sent.
        (theirs >= 3.0 && (ours - theirs).abs() <= 1.0).then_some(())
    });
    // A receiver that will never take them is not asked again and again, and one that is away does not hold up the others.
    let none = arrow("none");
    assert!(none["refused"]["rejected"].as_u64() > Some(0) && count(&none, "stored") == 0, "{none}");
    let away = arrow("away");
    assert!(count(&away, "waiting") == count(&away, "received") && count(&away, "received") > 0, "{away}");
    drop(prometheus);
}

/// Metrics of ours in a text: `bartizan_` and what follows.
fn names_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    words.filter(|word| word.starts_with("bartizan_")).map(str::to_owned).collect()
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02x}") })
        .collect()
}
