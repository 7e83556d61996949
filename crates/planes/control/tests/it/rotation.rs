//! The root and the issuing CA are replaced while everything goes on: to its end, back, over a stop at each phase.

use crate::support::{Member, Node, Place, Running, wait_for};
use bartizan_control::ca;
use bartizan_core::rotation::{CaStatus, Forecast, Phase, Rotate, Rotated, RotationStatus};
use bartizan_core::{Secret, TrustDomain};
use bartizan_runtime::local::LocalError;
use serde_json::json;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const BANK: [&str; 4] = ["accounts", "ledger", "payment", "gateway"];

/// A fleet of stand-ins, and a control at a port that it keeps over restarts.
struct Fleet {
    place: Place,
    control: Option<Running>,
    members: Vec<Member>,
}

impl Fleet {
    async fn start(place: Place, names: &[String]) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        place.edit_plan(|plan| plan.control.set_port(port));
        let control = Running::start(&place).await;
        let node = control.node().await;
        let members = Self::members(&control, &node, names).await;
        Self { place, control: Some(control), members }
    }

    async fn bank() -> Self {
        Self::start(Place::new(), &BANK.map(str::to_owned)).await
    }

    async fn members(control: &Running, node: &Node, names: &[String]) -> Vec<Member> {
        let mut members = Vec::new();
        for name in names {
            members.push(Member::start(control, node, name).await);
        }
        wait_for("identities", async || members.iter().all(Member::has_identity).then_some(())).await;
        members
    }

    fn control(&self) -> &Running {
        self.control.as_ref().unwrap()
    }

    fn member(&self, name: &str) -> &Member {
        self.members.iter().find(|member| member.state.lock().unwrap().name == name).unwrap()
    }

    async fn restart(&mut self) {
        self.control.take().unwrap().stop().await;
        self.control = Some(Running::start(&self.place).await);
    }

    async fn rotation(&self) -> RotationStatus {
        self.control().get::<CaStatus>("/v1/ca").await.rotation.unwrap()
    }

    async fn rotate(&self, what: Rotated, canary: &str) {
        let wanted = Rotate { what, canary: Some(canary.to_owned()), wave_percent: None, soak_ms: Some(3_000) };
        self.control().post::<CaStatus>("/v1/ca/rotate", &wanted).await.unwrap();
    }

    /// Every member meets the next few ones, until the rotation is in one of `phases`. No handshake may fail.
    async fn until(&self, phases: &[Phase]) -> RotationStatus {
        let began = Instant::now();
        let mut round = 0;
        loop {
            round += 1;
            self.all_meet(round);
            let rotation = self.rotation().await;
            if phases.contains(&rotation.phase) {
                return rotation;
            }
            assert!(began.elapsed() < Duration::from_secs(90), "{rotation:#?}");
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }

    fn all_meet(&self, round: usize) {
        for (at, member) in self.members.iter().enumerate() {
            let other = &self.members[(at + 1 + round % (self.members.len() - 1)) % self.members.len()];
            assert!(member.shakes_hands_with(other), "a handshake was refused");
        }
    }

    fn roots_pem(&self) -> String {
        std::fs::read_to_string(self.place.data().join("roots.pem")).unwrap()
    }

    /// Whether every member's identity leads to a root in `pem`.
    fn all_are_below(&self, pem: &str) -> bool {
        let domain = TrustDomain::parse("bank.test").unwrap();
        let roots = bartizan_identity::TrustBundles::from_pem(&domain, pem).unwrap();
        self.members.iter().all(|member| {
            let chain = member.state.lock().unwrap().chain.clone();
            let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
            bartizan_identity::verify_peer(&chain, &roots, bartizan_runtime::clock::now()).is_ok()
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused() {
    let fleet = Fleet::bank().await;
    let control = fleet.control();
    let refused = async |path: &str, body: serde_json::Value| match control.post::<CaStatus>(path, &body).await {
        Err(LocalError::Refused { status, .. }) => status,
        other => panic!("{path}: {other:?}"),
    };
    for path in ["/v1/ca/revert", "/v1/ca/continue", "/v1/ca/force"] {
        assert_eq!(refused(path, json!({})).await, 409, "{path} without a rotation");
    }
    assert_eq!(refused("/v1/ca/rotate", json!({ "what": "root", "canary": "nobody" })).await, 400);
    assert_eq!(refused("/v1/ca/rotate", json!({ "what": "root", "wave_percent": 21 })).await, 400);
    assert_eq!(refused("/v1/ca/rotate", json!({ "what": "both" })).await, 422);
    fleet.rotate(Rotated::Root, "accounts").await;
    assert_eq!(refused("/v1/ca/rotate", json!({ "what": "issuing" })).await, 409, "one at a time");
    assert_eq!(refused("/v1/ca/continue", json!({})).await, 409, "it was not halted");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_is_replaced_and_nobody_notices() {
    let mut fleet = Fleet::bank().await;
    let old = fleet.roots_pem();
    fleet.rotate(Rotated::Root, "payment").await;
    let rotation = fleet.until(&[Phase::Retired, Phase::Reverting]).await;
    assert_eq!(rotation.phase, Phase::Retired, "{rotation:#?}");
    assert_eq!((rotation.canary.as_deref(), rotation.forced.len()), (Some("payment"), 0));
    let new = fleet.roots_pem();
    assert!(!new.contains(old.trim()) && fleet.all_are_below(&new) && !fleet.all_are_below(&old));

    // What is on the disks was signed below the new root, and a new process goes on with it.
    let epochs = fleet.control().status().await.epochs;
    fleet.restart().await;
    assert_eq!(fleet.control().status().await.epochs, epochs, "a restart changes nothing");
    fleet.all_meet(1);
    wait_for("members to come back", async || {
        fleet.control().status().await.proxies.iter().all(|proxy| proxy.is_at(&epochs)).then_some(())
    })
    .await;
    assert_eq!(fleet.rotation().await.phase, Phase::Retired);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_each_phase_is_taken_up_again() {
    for stopped_in in [Phase::Prepared, Phase::Published, Phase::Acknowledged, Phase::Active, Phase::Retiring] {
        let mut fleet = Fleet::bank().await;
        fleet.rotate(Rotated::Root, "payment").await;
        let file = fleet.place.data().join("rotation.json");
        wait_for("the phase", async || {
            let text = std::fs::read_to_string(&file).ok()?;
            let state: serde_json::Value = serde_json::from_str(&text).ok()?;
            let phase: Phase = serde_json::from_value(state["rotation"]["phase"].clone()).ok()?;
            (phase >= stopped_in).then_some(())
        })
        .await;
        fleet.restart().await;
        let rotation = fleet.until(&[Phase::Retired, Phase::Reverting]).await;
        assert_eq!(rotation.phase, Phase::Retired, "stopped in {stopped_in:?}: {rotation:#?}");
        assert!(fleet.all_are_below(&fleet.roots_pem()), "stopped in {stopped_in:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_back_is_gone_to_its_end_over_a_stop() {
    for from in [Phase::Published, Phase::Active] {
        let mut fleet = Fleet::bank().await;
        let old = fleet.roots_pem();
        if from == Phase::Published {
            fleet.member("ledger").state.lock().unwrap().frozen = true; // keeps it there
        }
        fleet.rotate(Rotated::Root, "payment").await;
        wait_for("the phase", async || (fleet.rotation().await.phase == from).then_some(())).await;
        fleet.control().post::<CaStatus>("/v1/ca/revert", &json!({})).await.unwrap();
        fleet.restart().await;
        wait_for("the way back", async || (fleet.rotation().await.phase == Phase::Reverted).then_some(())).await;
        assert!(fleet.roots_pem() == old && fleet.all_are_below(&old), "from {from:?}");
        assert!(!fleet.place.data().join("root.next.sealed").exists());
        let again = Rotate { what: Rotated::Issuing, canary: None, wave_percent: None, soak_ms: None };
        assert_eq!(
            fleet.control().post::<CaStatus>("/v1/ca/rotate", &again).await.unwrap().rotation.unwrap().number,
            2,
            "another one may begin"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_refuses_leads_everybody_back() {
    let fleet = Fleet::bank().await;
    let old = fleet.roots_pem();
    fleet.member("payment").state.lock().unwrap().stubborn = true;
    fleet.rotate(Rotated::Root, "payment").await;
    fleet.until(&[Phase::Reverting, Phase::Retiring]).await;
    fleet.member("payment").state.lock().unwrap().stubborn = false;
    let rotation = fleet.until(&[Phase::Reverted]).await;
    assert!(rotation.halted.as_ref().unwrap().contains("payment refused"), "{rotation:#?}");
    assert_eq!((fleet.roots_pem(), rotation.waves_begun), (old.clone(), 0));
    assert!(fleet.all_are_below(&old));
    assert!(!fleet.place.data().join("root.next.sealed").exists());
    let touched = |name: &str| fleet.member(name).state.lock().unwrap().issued_at.len() > 1;
    assert!(!touched("accounts") && !touched("ledger") && !touched("gateway"), "the rest was left alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_handshakes_of_the_canary_lead_everybody_back() {
    let fleet = Fleet::bank().await;
    fleet.rotate(Rotated::Root, "payment").await;
    fleet.until(&[Phase::Active]).await;
    wait_for("a look at the counters", async || {
        fleet.all_meet(1);
        (fleet.rotation().await.handshakes.completed > 0).then_some(())
    })
    .await;
    fleet.member("payment").state.lock().unwrap().failed += 500;
    let rotation = fleet.until(&[Phase::Reverted, Phase::Retired]).await;
    assert_eq!(rotation.phase, Phase::Reverted, "{rotation:#?}");
    assert!(rotation.halted.as_ref().unwrap().contains("handshakes failed"), "{rotation:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_straggler_blocks_and_is_named_and_may_be_left_behind() {
    let fleet = Fleet::bank().await;
    fleet.member("ledger").state.lock().unwrap().frozen = true;
    fleet.rotate(Rotated::Root, "payment").await;
    let named = wait_for("the straggler", async || {
        let rotation = fleet.rotation().await;
        let names: Vec<String> = rotation.waiting_for.iter().map(|it| it.name.clone()).collect();
        (rotation.phase == Phase::Published && names == ["ledger"]).then_some(rotation.waiting_for)
    })
    .await;
    assert!(named[0].why.contains("bundle") && named[0].breaks.contains("refuses"), "{named:?}");
    // The driver has looked several times more, and the others have been heard all the while.
    let status = fleet.control().status().await;
    let heard_after = status.now.plus(Duration::from_secs(1));
    wait_for("the others to go on", async || {
        let heard = fleet.control().proxy("payment").await.last_heard;
        heard.is_some_and(|heard| heard > heard_after).then_some(())
    })
    .await;
    assert_eq!(fleet.rotation().await.phase, Phase::Published, "it blocks");

    let forced: CaStatus = fleet.control().post("/v1/ca/force", &json!({})).await.unwrap();
    assert!(forced.rotation.unwrap().forced[0].contains("ledger"));
    let reverted: Result<CaStatus, _> = fleet.control().post("/v1/ca/revert", &json!({})).await;
    reverted.unwrap();
    wait_for("the way back", async || (fleet.rotation().await.phase == Phase::Reverted).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_distrusted_issuing_ca_is_replaced_within_seconds() {
    let fleet = Fleet::bank().await;
    let before: Vec<_> = fleet.members.iter().map(|it| it.state.lock().unwrap().chain[1].clone()).collect();
    let began = Instant::now();
    fleet.control().post::<CaStatus>("/v1/ca/distrust", &json!({})).await.unwrap();
    let rotation = fleet.until(&[Phase::Retired]).await;
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert!(rotation.urgent && rotation.canary.is_none());
    for (member, before) in fleet.members.iter().zip(before) {
        assert_ne!(member.state.lock().unwrap().chain[1], before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offline_root_is_replaced_by_what_its_keeper_brings() {
    let domain = TrustDomain::parse("bank.test").unwrap();
    let safe = |text: &str| Secret::new(text.to_owned());
    let init = |dir: &Path, words: &str| ca::init(dir, &safe(words), &domain).unwrap();
    let sign = |dir: &Path, words: &str, request: &[u8]| ca::sign(dir, &safe(words), request).unwrap();
    replace_offline_root(init, sign).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offline_root_on_a_token_is_replaced_by_another_one_there() {
    if !in_own_process_with_token("rotation::an_offline_root_on_a_token_is_replaced_by_another_one_there") {
        return;
    }
    let domain = TrustDomain::parse("bank.test").unwrap();
    let pin = Secret::new("4711".to_owned());
    let place = |key: &str| ca::TokenPlace {
        module: "/usr/lib/softhsm/libsofthsm2.so".into(),
        token: "ceremony".to_owned(),
        key: key.to_owned(),
    };
    let init = |dir: &Path, key: &str| ca::init_on_token(dir, &place(key), &pin, &domain).unwrap();
    let sign = |dir: &Path, _: &str, request: &[u8]| ca::sign_on_token(dir, &pin, request).unwrap();
    replace_offline_root(init, sign).await;
}

/// Runs the test again in a process of its own with a SoftHSM of its own. True there.
fn in_own_process_with_token(test: &str) -> bool {
    if std::env::var_os("TEST_TOKEN").is_some() {
        return true;
    }
    let dir = tempfile::tempdir().unwrap();
    let conf = dir.path().join("softhsm2.conf");
    std::fs::write(&conf, format!("directories.tokendir = {}\nobjectstore.backend = file\n", dir.path().display()))
        .unwrap();
    let made = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", "ceremony", "--so-pin", "12345678", "--pin", "4711"])
        .env("SOFTHSM2_CONF", &conf)
        .output()
        .expect("install `softhsm2`");
    assert!(made.status.success(), "{made:?}");
    let again = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("SOFTHSM2_CONF", &conf)
        .env("TEST_TOKEN", "ceremony")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&again.stdout).into_owned() + &String::from_utf8_lossy(&again.stderr);
    assert!(again.status.success() && said.contains("1 passed"), "{said}");
    false
}

async fn replace_offline_root(init: impl Fn(&Path, &str), signed: impl Fn(&Path, &str, &[u8]) -> String) {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    init(first.path(), "first");
    init(second.path(), "second");
    let place = Place::new();
    let data = place.data();
    std::fs::copy(first.path().join("roots.pem"), data.join("roots.pem")).unwrap();
    let sign = async |root: &Path, words: &str, csr: &str, pem: &str| {
        let request = wait_for("certificate request", async || std::fs::read(data.join(csr)).ok()).await;
        std::fs::write(data.join(pem), signed(root, words, &request)).unwrap();
    };
    let names = BANK.map(str::to_owned);
    let (fleet, ()) =
        tokio::join!(Fleet::start(place, &names), sign(first.path(), "first", "issuing.csr", "issuing.pem"));
    let refused = fleet.control().post::<CaStatus>("/v1/ca/rotate", &json!({ "what": "root" })).await;
    assert!(matches!(refused, Err(LocalError::Refused { status: 422, .. })), "nobody has brought a root: {refused:?}");

    std::fs::copy(second.path().join("roots.pem"), data.join("root.next.pem")).unwrap();
    fleet.rotate(Rotated::Root, "payment").await;
    // Signed with the wrong root first: that must not go anywhere.
    sign(first.path(), "first", "issuing.next.csr", "issuing.next.pem").await;
    wait_for("the refusal", async || {
        let waiting = fleet.rotation().await.waiting_for;
        waiting.iter().any(|it| it.why.contains("do not lead to a root")).then_some(())
    })
    .await;
    assert_eq!(fleet.rotation().await.phase, Phase::Prepared);
    sign(second.path(), "second", "issuing.next.csr", "issuing.next.pem").await;
    let rotation = fleet.until(&[Phase::Retired, Phase::Reverting]).await;
    assert_eq!(rotation.phase, Phase::Retired);
    let new = std::fs::read_to_string(second.path().join("roots.pem")).unwrap();
    assert_eq!(fleet.roots_pem().trim(), new.trim());
    assert!(fleet.all_are_below(&new) && !fleet.place.data().join("root.sealed").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_services_go_over_without_a_refused_handshake() {
    const SERVICES: usize = 200;
    let names: Vec<String> = (0..SERVICES).map(|n| format!("s{n:03}")).collect();
    let mut text = "fleet: many\ntrust_domain: bank.test\nservices:\n".to_owned();
    for (n, name) in names.iter().enumerate() {
        text += &format!("  {name}:\n    at: 127.0.0.1:{}\n    protocol: tcp\n    owner: many\n", 20_000 + n);
    }
    let place = Place::new();
    place.write("fleet.yaml", &text);
    place.edit_plan(|plan| {
        plan.mesh = (0..SERVICES)
            .map(|n| {
                (crate::support::service(&names[n]).into(), ([127, 0, 0, 1], 30_000 + u16::try_from(n).unwrap()).into())
            })
            .collect();
        plan.outbound.clear();
    });
    let fleet = Fleet::start(place, &names).await;
    let began = Instant::now();
    fleet.rotate(Rotated::Root, "s100").await;
    let rotation = fleet.until(&[Phase::Retired, Phase::Reverting]).await;
    assert_eq!(rotation.phase, Phase::Retired, "{rotation:#?}");
    let handshakes: u64 = fleet.members.iter().map(|it| it.state.lock().unwrap().completed).sum();
    println!(
        "{SERVICES} services in {:.1} s, {} waves, {handshakes} handshakes, 0 refused",
        began.elapsed().as_secs_f64(),
        rotation.waves_begun
    );
    assert!(rotation.waves_begun >= 5, "waves of at most a fifth");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_runs_out_is_foretold() {
    let fleet = Fleet::bank().await;
    let _token = fleet.control().token().await;
    let forecast: Forecast = fleet.control().get("/v1/expiry").await;
    let has = |what: &str, name: &str| forecast.items.iter().any(|it| it.what == what && it.name == name);
    for name in BANK {
        assert!(has("svid", name), "{name}: {forecast:#?}");
    }
    assert!(has("issuing", "control") && has("control", "control") && has("snapshot_signer", "control"));
    assert!(has("join_token", "token 1") && forecast.items.iter().any(|it| it.what == "root"));
    assert!(forecast.items.iter().all(|it| !it.in_danger), "{forecast:#?}");
    let metrics = fleet.control().text("/v1/metrics").await;
    let line = metrics.lines().find(|line| line.starts_with("bartizan_expiry_seconds{what=\"svid\",name=\"ledger\"}"));
    let left: u64 = line.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    assert!((3_500..=3_600).contains(&left), "{left}");
}
