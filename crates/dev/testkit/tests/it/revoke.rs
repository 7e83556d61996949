//! Trust taken back from a running fleet.

use bartizan_testkit::{Bank, Deadline, wait_for};
use std::time::{Duration, Instant};

#[test]
fn a_revoked_service_is_cut_off_at_once_and_comes_back_when_it_is_restored() {
    let bank = Bank::start(&[]);
    let status = |path: &str| bank.call("GET", path, &[], None).status;
    let before = status("/transactions/health");
    assert!(before > 0 && before < 500, "{before}");

    let missing = bank.up.cli(&["revoke", "payments", "--reason", "x"]);
    assert!(!missing.status.success() && String::from_utf8_lossy(&missing.stderr).contains("no service `payments`"));

    let began = Instant::now();
    let said = bank.up.say(&["revoke", "transactions", "--reason", "key found in a public log"]);
    assert!(said.contains("transactions") && said.contains("denied now: transactions"), "{said}");
    assert_eq!(status("/transactions/health"), 502, "nobody sends anything to it");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(bank.up.say(&["revoked"]).contains("key found in a public log"));
    assert!(status("/users/health") < 500, "the others go on");
    // Events come in batches, a moment later.
    wait_for("the refusals to be recorded", Deadline::default(), || {
        bank.up.say(&["events", "--deny", "--limit", "200"]).contains("revoked").then_some(())
    });

    bank.up.say(&["restore", "transactions"]);
    wait_for("it to be trusted again", Deadline::default(), || {
        bank.up.proxy("transactions").is_some_and(|it| it["attached"] == true).then_some(())
    });
    wait_for("it to be reached again", Deadline::default(), || {
        (status("/transactions/health") == before).then_some(())
    });
}
