//! Money after `kill -9`.

use crate::fleet::{Fleet, body, pay, transfer, wait_for};
use bank::client::Call;
use bank::words::Key;
use serde_json::{Value, json};
use std::process::Child;

/// Payments between two kills, a count.
const BETWEEN_KILLS: u64 = 250;

fn report(load: Child) -> (Option<i32>, Value) {
    let output = load.wait_with_output().unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code(), report)
}

#[tokio::test]
async fn no_money_is_made_or_lost_when_services_die_under_load() {
    let mut fleet = Fleet::start();
    let load = fleet.load(&["--count", "3500"]);
    let transactions = fleet.transactions.client();
    for kill in 1..=12 {
        let so_far = |found: &Value| found["entries"].as_u64() >= Some(kill * BETWEEN_KILLS);
        wait_for("payments to go on", &transactions, "/transactions", so_far).await;
        let service = match kill % 4 {
            0 => &mut fleet.notifications,
            1 => &mut fleet.accounts,
            2 => &mut fleet.payment,
            _ => &mut fleet.transactions,
        };
        service.kill();
        service.restart();
    }
    let (code, report) = report(load);
    assert_eq!((code, &report["done"], &report["unresolved"]), (Some(0), &json!(3500), &json!(0)), "{report}");
    assert!(report["retries"].as_u64() > Some(0), "nobody noticed the kills: {report}");

    let all_told = |found: &Value| found["entries"] == 3500 && found["notified"] == 3500;
    wait_for("notifications to go out", &transactions, "/transactions", all_told).await;
    let told = fleet.notifications.client().call(&Call::get("/notifications")).await.unwrap();
    assert_eq!(body(told)["notifications"], 3500, "each once, though some were sent twice");
}

#[tokio::test]
async fn an_open_payment_is_finished_after_everything_died() {
    let mut fleet = Fleet::start();
    let accounts = fleet.two_accounts().await;
    let asked = transfer(&accounts[0], &accounts[1], 30);
    fleet.accounts.kill();

    let (status, answer) = pay(&fleet.payment.client(), 1, &asked).await;
    assert_eq!((status, &answer["error"]), (503, &json!("not_yet")));
    fleet.payment.kill();
    fleet.transactions.kill();
    fleet.accounts.restart();
    assert_eq!(fleet.balances(&accounts).await, [100, 100]);
    fleet.payment.restart();
    // Nobody asks again: payment goes on by itself, and waits at the ledger, which is still away.
    let moved = |found: &Value| found["cents"] == 130;
    let path = format!("/accounts/{}/balance", accounts[1]);
    wait_for("the transfer", &fleet.accounts.client(), &path, moved).await;
    fleet.payment.kill();
    fleet.transactions.restart();
    fleet.payment.restart();
    let payment = fleet.payment.client();
    let path = format!("/payments/{}", Key::of(1));
    wait_for("the payment", &payment, &path, |found| found["outcome"] == "done").await;

    assert_eq!(pay(&payment, 1, &asked).await.0, 201, "asked again");
    assert_eq!(fleet.balances(&accounts).await, [70, 130]);
    assert_eq!(fleet.entries().await, 1);
}

#[tokio::test]
async fn balances_keys_and_entries_are_there_after_a_restart() {
    let mut fleet = Fleet::start();
    let accounts = fleet.two_accounts().await;
    let (paid, declined) = (transfer(&accounts[0], &accounts[1], 30), transfer(&accounts[0], &accounts[1], 500));
    let payment = fleet.payment.client();
    let answers = [pay(&payment, 1, &paid).await, pay(&payment, 2, &declined).await];
    for service in [&mut fleet.accounts, &mut fleet.payment, &mut fleet.transactions, &mut fleet.users] {
        service.kill();
        service.restart();
    }
    let payment = fleet.payment.client();
    assert_eq!([pay(&payment, 1, &paid).await, pay(&payment, 2, &declined).await], answers);
    assert_eq!(pay(&payment, 2, &paid).await.1["error"], "key_reused");
    assert_eq!(fleet.balances(&accounts).await, [70, 130]);
    assert_eq!(fleet.entries().await, 1);
}

/// The count at the end of `bank load` is worth something only if it finds what is wrong.
#[tokio::test]
async fn load_finds_money_that_a_restored_copy_lost() {
    let mut fleet = Fleet::start();
    let load = fleet.load(&["--count", "1500"]);
    let transactions = fleet.transactions.client();
    let journal = fleet.accounts.file("accounts.journal");
    let entries = |count: u64| move |found: &Value| found["entries"].as_u64() >= Some(count);
    wait_for("some payments", &transactions, "/transactions", entries(200)).await;
    let old = std::fs::read(&journal).unwrap();
    wait_for("more payments", &transactions, "/transactions", entries(600)).await;
    fleet.accounts.kill();
    std::fs::write(&journal, old).unwrap();
    fleet.accounts.restart();
    let (code, report) = report(load);
    assert_eq!((code, &report["money_consistent"]), (Some(1), &json!(false)), "{report}");
}

#[test]
fn a_stop_is_obeyed_and_the_end_is_clean() {
    let mut fleet = Fleet::start();
    let Fleet { users, accounts, payment, transactions, notifications, .. } = &mut fleet;
    for service in [payment, transactions, accounts, notifications, users] {
        assert_eq!(service.terminate().code(), Some(0), "{}", service.url());
    }
}
