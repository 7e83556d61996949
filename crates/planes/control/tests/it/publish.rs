//! Epochs: what changes them, what does not, and who is told.

use crate::support::{Place, Running, open, service, wait_for};
use bartizan_control::ControlError;
use bartizan_core::plan::Plan;
use bartizan_core::snapshot::{Directory, Epoch, Kind, Policies};
use bartizan_runtime::control_stream::Code;
use tokio_util::sync::CancellationToken;

const NIGHT: &str = "
@id(\"no-night\")
@reason(\"payments are closed\")
forbid (principal == Workload::\"payment\", action, resource == Service::\"accounts\");
";

#[tokio::test(flavor = "multi_thread")]
async fn a_good_change_reaches_every_proxy_and_nothing_else_does() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let mut accounts = control.proxy_of("accounts").await;
    let mut gateway = control.proxy_of("gateway").await;
    assert_eq!(control.reload().await.unwrap().changed, [], "nothing was changed");

    place.write("policies/night.cedar", NIGHT);
    let reloaded = control.reload().await.unwrap();
    assert_eq!(reloaded.changed, [Kind::Policies]);
    assert_eq!(reloaded.epochs[&Kind::Policies], Epoch(2));
    for proxy in [&mut accounts, &mut gateway] {
        let (kind, epoch, envelope) = proxy.take_up(&control).await;
        assert_eq!((kind, epoch), (Kind::Policies, Epoch(2)));
        let policies = open::<Policies>(&control, kind, &envelope).unwrap().payload;
        assert_eq!(policies.files["night.cedar"], NIGHT);
        proxy.settle(&control).await;
    }
    assert!(control.proxy("accounts").await.is_at(&reloaded.epochs));
    assert!(accounts.stream.ticks().await, "nothing more was sent");

    std::fs::remove_file(place.path("policies/night.cedar")).unwrap();
    assert_eq!(control.reload().await.unwrap().epochs[&Kind::Policies], Epoch(3), "back is a change too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_change_is_refused_whole() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    let before = control.status().await.epochs;
    let fleet = std::fs::read_to_string(place.path("fleet.yaml")).unwrap();

    place.write("policies/good.cedar", NIGHT);
    place.write("policies/bad.cedar", "permit (principal,\n  action, resource) when { principal.onwer == \"x\" };");
    let (status, text) = control.reload().await.unwrap_err();
    assert_eq!(status, 422);
    assert!(text.contains("bad.cedar:2"), "{text}");
    std::fs::remove_file(place.path("policies/bad.cedar")).unwrap();
    std::fs::remove_file(place.path("policies/good.cedar")).unwrap();

    place.edit_fleet("calls: [ledger]", "calls: [ledgr]");
    let (status, text) = control.reload().await.unwrap_err();
    assert_eq!(status, 422);
    assert!(text.contains("fleet.yaml:") && text.contains("ledgr"), "{text}");

    place.write("fleet.yaml", &fleet);
    place.edit_fleet("bank.test", "shop.test");
    let (status, text) = control.reload().await.unwrap_err();
    assert_eq!(status, 422);
    assert!(text.contains("trust domain") && text.contains("shop.test"), "{text}");

    for (before, after, told) in [
        ("127.0.0.1:7104", "127.0.0.1:7199", "payment at 127.0.0.1:7199"),
        ("  payment:\n", "  payment:\n    isolate: false\n", "payment at 127.0.0.1:7104, not isolated"),
    ] {
        place.write("fleet.yaml", &fleet);
        place.edit_fleet(before, after);
        let (status, text) = control.reload().await.unwrap_err();
        assert_eq!(status, 422, "{text}");
        assert!(text.contains(told) && text.contains("anew"), "programs stay where they were started: {text}");
    }

    place.write("fleet.yaml", &fleet);
    place.write("plan.json", "{ half a plan");
    assert_eq!(control.reload().await.unwrap_err().0, 422);

    assert_eq!(control.status().await.epochs, before);
    assert!(proxy.stream.ticks().await, "the proxy has heard of none of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_change_leaves_the_plan_and_an_accepted_one_gives_places() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let plan = || std::fs::read_to_string(place.path("plan.json")).unwrap();
    let (fleet, before) = (std::fs::read_to_string(place.path("fleet.yaml")).unwrap(), plan());
    let audit = "  audit:\n    at: 127.0.0.1:7198\n    protocol: http\n    owner: o\n  payment:\n";
    place.edit_fleet("  payment:\n", audit);
    place.edit_fleet("127.0.0.1:7104", "127.0.0.1:7199");
    assert_eq!(control.reload().await.unwrap_err().0, 422, "payment would move");
    assert_eq!(plan(), before);

    place.write("fleet.yaml", &fleet);
    place.edit_fleet("  payment:\n", audit);
    place.edit_fleet("calls: [accounts]", "calls: [accounts, audit]");
    control.reload().await.unwrap();
    let grown: Plan = serde_json::from_str(&plan()).unwrap();
    assert!(grown.mesh.contains_key(&"audit".parse().unwrap()), "{grown:?}");
    assert!(grown.outbound[&"payment".parse().unwrap()].keys().any(|to| to.as_str() == "audit"), "{grown:?}");
    assert!(control.status().await.proxies.iter().any(|proxy| proxy.service.as_str() == "audit"));

    place.write("fleet.yaml", &fleet);
    control.reload().await.unwrap();
    let shrunk: Plan = serde_json::from_str(&plan()).unwrap();
    assert!(!shrunk.mesh.contains_key(&"audit".parse().unwrap()), "{shrunk:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_edge_changes_directory_and_policies() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let mut payment = control.proxy_of("payment").await;
    place.edit_fleet("calls: [accounts]", "calls: [accounts, ledger]");
    place.write_plan(|plan| {
        let place = plan.outbound.get_mut(&service("payment").into()).unwrap();
        place.insert(service("ledger"), ([127, 0, 0, 1], 9299).into());
    });
    let reloaded = control.reload().await.unwrap();
    assert_eq!(reloaded.changed, [Kind::Policies, Kind::Directory]);
    payment.take_up(&control).await;
    let (kind, epoch, envelope) = payment.take_up(&control).await;
    assert_eq!((kind, epoch), (Kind::Directory, Epoch(2)));
    let directory = open::<Directory>(&control, kind, &envelope).unwrap().payload;
    assert_eq!(directory.own.outbound[&service("ledger")].port(), 9299);
    assert_eq!(directory.peers[&service("ledger")].mesh.port(), 9103);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_was_taken_out_is_sent_away() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let payment = control.proxy_of("payment").await;
    let mut accounts = control.proxy_of("accounts").await;
    let text = std::fs::read_to_string(place.path("fleet.yaml")).unwrap();
    let (head, rest) = text.split_once("  payment:\n").unwrap();
    let tail = &rest[rest.find("  ledger:\n").unwrap()..];
    place.write("fleet.yaml", &format!("{head}{tail}"));
    control.reload().await.unwrap();
    assert_eq!(payment.stream.refusal().await.code(), Code::PermissionDenied);
    accounts.take_up(&control).await;
    assert!(control.status().await.proxies.iter().all(|proxy| proxy.service.as_str() != "payment"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_changes_neither_roots_nor_epochs() {
    let place = Place::new();
    let control = Running::start(&place).await;
    place.write("policies/night.cedar", NIGHT);
    control.reload().await.unwrap();
    let mut proxy = control.proxy_of("accounts").await;
    let (epochs, roots) = (control.status().await.epochs, std::fs::read(place.data().join("roots.pem")).unwrap());
    control.stop().await;
    assert!(proxy.stream.next().await.is_ok_and(|end| end.is_none()), "the stream was ended in good order");
    assert!(!place.socket().exists());

    let control = Running::start(&place).await;
    assert_eq!(control.status().await.epochs, epochs);
    assert_eq!(std::fs::read(place.data().join("roots.pem")).unwrap(), roots);
    let mut proxy = proxy.come_back(&control).await;
    assert!(proxy.stream.ticks().await, "the identity still counts, and nothing has to be sent");

    // Signed anew, by another issuing CA, and as good as before.
    let mut fresh = control.proxy_of("payment").await;
    assert!(fresh.stream.ticks().await);
    assert_eq!(fresh.held, epochs);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_lost_database_no_guard_refuses_what_comes() {
    let place = Place::new();
    let control = Running::start(&place).await;
    place.write("policies/night.cedar", NIGHT);
    control.reload().await.unwrap();
    let held = control.status().await.epochs;
    control.stop().await;
    for file in std::fs::read_dir(place.data()).unwrap().map(|it| it.unwrap().path()) {
        if file.file_name().unwrap().to_str().unwrap().starts_with("bartizan.db") {
            std::fs::remove_file(file).unwrap();
        }
    }

    let control = Running::start(&place).await;
    let after = control.status().await.epochs;
    assert!(held.iter().all(|(kind, epoch)| after[kind] > *epoch), "{held:?} {after:?}");
    control.stop().await;
    let control = Running::start(&place).await;
    assert_eq!(control.status().await.epochs, after, "chosen once");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_wrong_from_the_start_are_named() {
    let start =
        async |place: &Place| bartizan_control::serve(place.options(), CancellationToken::new()).await.unwrap_err();

    let place = Place::new();
    place.write("policies/bad.cedar", "permit (principal, action, resource) when { nonsense };");
    let error = start(&place).await;
    assert!(matches!(error, ControlError::Policies(_)), "{error:?}");
    assert!(error.to_string().starts_with("bad.cedar:1:"), "{error}");

    let place = Place::new();
    place.edit_fleet("to: accounts", "to: nowhere");
    assert!(matches!(start(&place).await, ControlError::Fleet(_)));

    let place = Place::new();
    place.write_plan(|plan| plan.mesh.clear());
    let error = start(&place).await;
    assert!(matches!(error, ControlError::PlanMisfit { .. }), "{error:?}");
    assert!(error.to_string().contains("no address for the sidecar of `accounts`"), "{error}");
    assert!(!place.data().join("root.sealed").exists(), "nothing was made");

    let place = Place::new();
    std::fs::remove_file(place.path("plan.json")).unwrap();
    assert!(matches!(start(&place).await, ControlError::Plan { .. }));

    // The port is taken, and by whom is said.
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    place.write_plan(|plan| plan.control = addr);
    let error = start(&place).await;
    assert!(matches!(error, ControlError::Listen(_)), "{error:?}");
    assert!(error.to_string().contains(&addr.to_string()), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_controls_do_not_share_a_folder() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let error = bartizan_control::serve(place.options(), CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, ControlError::Events(_)), "{error:?}");
    assert!(error.to_string().contains("is open already: end the process that has it"), "{error}");
    wait_for("the first one, unharmed", async || control.try_get::<serde_json::Value>("/v1/status").await.ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_another_trust_domain_is_refused() {
    let place = Place::new();
    Running::start(&place).await.stop().await;
    place.edit_fleet("bank.test", "shop.test");
    let error = bartizan_control::serve(place.options(), CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, ControlError::ForeignData { .. }), "{error:?}");
    assert!(error.to_string().contains("bank.test") && error.to_string().contains("shop.test"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_differ_from_what_is_in_force_are_named_until_one_of_the_two_gives_way() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let drift = async |wanted: &[&str]| {
        wait_for(&format!("drift {wanted:?}"), async || {
            let found = control.status().await.drift.map(|drift| drift.what).unwrap_or_default();
            (found == wanted).then_some(())
        })
        .await;
    };
    let fleet = std::fs::read_to_string(place.path("fleet.yaml")).unwrap();
    place.write("policies/night.cedar", NIGHT);
    drift(&["policy file `night.cedar` is new"]).await;
    assert_eq!(control.status().await.epochs[&Kind::Policies], Epoch(1), "what is in force stays");
    assert!(control.text("/v1/metrics").await.contains("bartizan_drift 1\n"));
    place.write("fleet.yaml", &(fleet.clone() + "trust: { grace_seconds: 1 }\n"));
    drift(&["the fleet file", "policy file `night.cedar` is new"]).await;
    control.reload().await.unwrap();
    drift(&[]).await;
    place.write("fleet.yaml", "fleet: [");
    wait_for("what would be refused", async || {
        let what = control.status().await.drift?.what;
        what[0].starts_with("the files on disk would be refused: ").then_some(())
    })
    .await;
    place.write("fleet.yaml", &(fleet + "trust: { grace_seconds: 1 }\n"));
    drift(&[]).await;
    let events = async || control.text("/v1/events?limit=1000").await;
    let told = |events: &str| events.matches("\"change\":\"drifted\"").count();
    // An event is there a moment after the status has it.
    wait_for("an event of each", async || (told(&events().await) >= 5).then_some(())).await;
    let events = events().await;
    assert_eq!(told(&events), 5, "{events}");
}
