//! Machines that slept: everything has run out when they wake, and all comes back without hands.

use bartizan_testkit::{BANK_SERVICES, Bank, Clock, Deadline, binary, kill_hard, wait_for};
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Past the end of every leaf, and of every issuing CA.
const TWO_HOURS: Duration = Duration::from_secs(2 * 3600);
const TEN_DAYS: Duration = Duration::from_secs(10 * 86_400);

/// A call of a client that slept too.
fn status(bank: &Bank, clock: &Clock) -> String {
    let curl = clock
        .command("curl")
        .args(["--silent", "--max-time", "10", "--output", "/dev/null", "--write-out", "%{http_code}", "--cacert"])
        .arg(bank.up.ca())
        .arg(format!("{}/accounts/acc-none", bank.gateway))
        .output()
        .unwrap();
    String::from_utf8_lossy(&curl.stdout).into_owned()
}

/// The life of an issuing CA.
const ISSUING_MS: u64 = 7 * 86_400_000;
/// The life of a leaf.
const LIFE_MS: u64 = 3_600_000;

/// Everybody is attached, with an identity that is good at `status`' own time, and calls go through.
fn wait_well(bank: &Bank, clock: &Clock, what: &str) {
    wait_for(what, Deadline(Duration::from_secs(120)), || {
        let status = bank.up.status()?;
        let now = status["now"].as_u64()?;
        // No longer than a life: it is from this clock, and not from one that was ahead.
        let is_good = |end: u64| end > now && end <= now + LIFE_MS;
        let own = is_good(status["control"]["svid_not_after"].as_u64()?)
            && status["control"]["issuing_not_after"].as_u64()? > now;
        let proxies = status["proxies"].as_array()?;
        let well = proxies
            .iter()
            .all(|proxy| proxy["attached"] == true && proxy["svid_not_after"].as_u64().is_some_and(is_good));
        let nodes = status["nodes"].as_array()?.iter().any(|node| node["name"] == "local" && node["attached"] == true);
        (own && well && nodes && proxies.len() == BANK_SERVICES.len() + 1).then_some(())
    });
    wait_for(&format!("{what}: a call"), Deadline::default(), || (status(bank, clock) == "404").then_some(()));
}

#[test]
fn a_machine_that_slept_past_every_expiry_recovers_by_itself() {
    let (bank, clock) = Bank::start_by_clock();
    wait_well(&bank, &clock, "the start");
    let control = bank.up.find_one(&["bartizan control "]);

    clock.set_ahead(TWO_HOURS);
    wait_well(&bank, &clock, "leaves that ran out");
    assert_eq!(bank.up.find_one(&["bartizan control "]), control, "control renewed its own identity");

    clock.set_ahead(TEN_DAYS);
    wait_well(&bank, &clock, "an issuing CA that ran out");
    assert_eq!(bank.up.find_one(&["bartizan control "]), control, "control renewed its issuing CA");

    // One that was down all the while.
    kill_hard(control);
    clock.set_ahead(2 * TEN_DAYS);
    wait_well(&bank, &clock, "a control that was away");
}

#[test]
fn a_clock_that_was_ahead_and_goes_back_leaves_no_certificate_that_nobody_believes() {
    let (bank, clock) = Bank::start_by_clock();
    wait_well(&bank, &clock, "the start");
    let control = bank.up.find_one(&["bartizan control "]);
    for ahead in [TWO_HOURS, TEN_DAYS] {
        clock.set_ahead(ahead);
        wait_well(&bank, &clock, "ahead");
        clock.set_ahead(Duration::ZERO);
        wait_well(&bank, &clock, "back");
        let issuing = bank.up.status().unwrap()["control"]["issuing_not_after"].as_u64().unwrap();
        let now = bank.up.status().unwrap()["now"].as_u64().unwrap();
        assert!(issuing <= now + ISSUING_MS, "an issuing CA from ahead: {issuing} at {now}");
        // Connections that were open all the while prove nothing: everybody has to be dialled anew.
        kill_hard(bank.up.find_one(&["bartizan-proxy ", "--service accounts "]));
        wait_well(&bank, &clock, "dialled anew");
    }
    assert_eq!(bank.up.find_one(&["bartizan control "]), control, "nothing had to be started anew");
}

/// A node that nobody supervises, joined to the bank.
pub(crate) fn join(bank: &Bank, bartizan: Command, dir: &std::path::Path, token: &str) -> Child {
    let mut bartizan = bartizan;
    let plan: serde_json::Value =
        serde_json::from_slice(&std::fs::read(bank.up.data.join("plan.json")).unwrap()).unwrap();
    let mut node = bartizan
        .args(["node", "--keep-running", "--name", "second", "--trust-domain", "bank.example", "--control"])
        .arg(plan["control"].as_str().unwrap())
        .arg("--trust-bundle")
        .arg(bank.up.ca())
        .arg("--socket")
        .arg(dir.join("node.sock"))
        .arg("--proxy-binary")
        .arg(binary("bartizan-proxy"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(node.stdin.take().unwrap(), "{}", token.trim()).unwrap();
    node
}

#[test]
fn a_node_that_nobody_supervises_says_that_it_needs_a_new_token() {
    let (bank, clock) = Bank::start_by_clock();
    let dir = tempfile::tempdir().unwrap();
    let attached = || {
        let nodes = bank.up.status()?["nodes"].as_array()?.clone();
        nodes.iter().any(|node| node["name"] == "second" && node["attached"] == true).then_some(())
    };
    let node = join(&bank, clock.command(binary("bartizan")), dir.path(), &bank.up.say(&["token", "node"]));
    wait_for("the second node", Deadline::default(), attached);

    clock.set_ahead(TWO_HOURS);
    let ended = node.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success());
    assert!(said.contains("the identity of node `second` ran out; start it again with a new token"), "{said}");
    let old = wait_for("a token", Deadline::default(), || {
        let output = bank.up.cli(&["token", "node"]);
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    });
    let mut node = join(&bank, clock.command(binary("bartizan")), dir.path(), &old);
    wait_for("the second node again", Deadline(Duration::from_secs(120)), attached);
    node.kill().unwrap();
    node.wait().unwrap();
}
