//! The bank for customers: each reads own accounts alone, although no service of it checks that.

use bartizan_testkit::{Answer, Bank, Deadline, binary, request_by, wait_for};
use std::path::Path;
use std::process::Command;

const ISSUER: &str = "https://login.bank.example";
const AUDIENCE: &str = "https://api.bank.example";

/// A token as a user would make one for a try.
fn mint(bank: &Bank, subject: &str, more: &[&str]) -> String {
    mint_for(bank, AUDIENCE, subject, more)
}

fn mint_for(bank: &Bank, audience: &str, subject: &str, more: &[&str]) -> String {
    let key = bank.folder().join("customers/login.key");
    let mut command = Command::new(binary("bartizan"));
    command.args(["token", "mint", "--issuer", ISSUER, "--audience", audience, "--subject", subject, "--key"]);
    let made = command.arg(key).args(more).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

fn call(bank: &Bank, token: &str, method: &str, path: &str, body: Option<&str>) -> Answer {
    let bearer = format!("authorization: Bearer {token}");
    let key = format!("idempotency-key: {}", uuid());
    bank.call(method, path, &[&bearer, "content-type: application/json", &key], body)
}

fn uuid() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap().trim().to_owned()
}

#[test]
fn a_customer_reads_own_accounts_although_no_service_checks_it() {
    let bank = Bank::start_with_customers();
    let teller = mint(&bank, "tom", &["--claim", "roles=teller", "--scope", "pay"]);
    let user = |name: &str| {
        let body = format!("{{\"name\":\"{name}\"}}");
        // The gateway may vouch for users a moment after it is ready.
        let made = wait_for("a customer to be entered", Deadline::default(), || {
            let answer = call(&bank, &teller, "POST", "/users", Some(&body));
            (answer.status < 300).then_some(answer)
        });
        made.json()["id"].as_str().unwrap().to_owned()
    };
    let account = |owner: &str| {
        let body = format!("{{\"owner\":\"{owner}\",\"opening_cents\":10000}}");
        let made = call(&bank, &teller, "POST", "/accounts", Some(&body));
        assert_eq!(made.status, 201, "{made:?}");
        made.json()["id"].as_str().unwrap().to_owned()
    };
    let (of_ada, of_bob) = (account(&user("Ada")), account(&user("Bob")));
    let owns = |id: &str| format!("accounts={id}");
    let ada = mint(&bank, "ada", &["--claim", &owns(&of_ada), "--claim", "accounts=acc-999999", "--scope", "pay"]);
    let bob = mint(&bank, "bob", &["--claim", &owns(&of_bob)]);
    let path = |id: &str| format!("/accounts/{id}");
    for (what, token, method, asked, body, expected) in [
        ("nobody", "", "GET", path(&of_ada), None, 401),
        ("another's account", &*bob, "GET", path(&of_ada), None, 403),
        ("another's balance", &bob, "GET", path(&of_ada) + "/balance", None, 403),
        ("the same, written otherwise", &bob, "GET", format!("/accounts/%61{}", &of_ada[1..]), None, 403),
        ("all accounts", &bob, "GET", "/accounts".to_owned(), None, 403),
        ("a new account", &bob, "POST", "/accounts".to_owned(), Some("{\"owner\":\"x\"}"), 403),
        ("a transfer past payment", &ada, "POST", "/accounts/transfers".to_owned(), Some("{}"), 403),
        ("other customers", &bob, "GET", "/users/usr-1".to_owned(), None, 403),
        ("a payment without the scope", &bob, "POST", "/payments".to_owned(), Some("{}"), 403),
        ("one's own account", &ada, "GET", path(&of_ada), None, 200),
        ("one's own balance", &bob, "GET", path(&of_bob) + "/balance", None, 200),
        ("the teller", &teller, "GET", path(&of_bob), None, 200),
        ("the teller, of all", &teller, "GET", "/accounts".to_owned(), None, 200),
    ] {
        let answer = call(&bank, token, method, &asked, body);
        assert_eq!(answer.status, expected, "{what}: {answer:?}");
    }
    // Two hops on, accounts' guard still knows for whom payment calls.
    let pay = format!("{{\"from\":\"{of_ada}\",\"to\":\"{of_bob}\",\"cents\":250}}");
    let paid = call(&bank, &ada, "POST", "/payments", Some(&pay));
    assert!(paid.status < 300 && paid.json()["outcome"] == "done", "{paid:?}");
    let line = wait_for("the event of the last hop", Deadline::default(), || {
        let events = bank.up.say(&["events", "--service", "accounts", "--json"]);
        events
            .lines()
            .find(|line| line.contains("ada of https://login.bank.example") && line.contains("transfers"))
            .map(str::to_owned)
    });
    assert!(line.contains("svc/payment"), "{line}");
    operators_learn_why_a_token_is_not_believed(&bank, &ada);
}

fn operators_learn_why_a_token_is_not_believed(bank: &Bank, good: &str) {
    let inspect = |token: &str| {
        let said = bank.up.cli(&["token", "inspect", token]);
        (said.status.code(), String::from_utf8_lossy(&said.stdout).into_owned())
    };
    let (code, said) = inspect(good);
    assert!(code == Some(0) && said.contains("believed by the gateway") && said.contains("ada"), "{said}");
    let jti = said.lines().find_map(|line| line.trim().strip_prefix("jti")).unwrap().trim().to_owned();
    let other = Command::new(binary("bartizan"))
        .args(["token", "keygen", "--out"])
        .arg(bank.folder().join("customers/login"))
        .output()
        .unwrap();
    assert!(!other.status.success(), "a key is not written over");
    let elsewhere = mint_for(bank, "https://other.example", "ada", &[]);
    let me = bank.up.say(&["whoami"]);
    assert!(me.contains("of fleet `bank`") && me.contains("workload  no: "), "{me}");
    assert!(bank.up.cli(&["token", "revoke", &jti]).status.success());
    for (token, why) in
        [("x.y.z", "not believed"), (&*elsewhere, "not for `https://api.bank.example`"), (good, "taken back")]
    {
        let (code, said) = inspect(token);
        assert!(code == Some(1) && said.contains(why), "{why}: {said}");
    }
    assert_eq!(call(bank, good, "GET", "/accounts/acc-000001", None).status, 401);
}

/// Changes what payment leaves of its user's token where it calls accounts.
fn leave(folder: &Path, before: &str, after: &str) {
    let file = folder.join("customers/fleet.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let of = |scopes: &str| format!("{{ to: accounts, narrow: {{ scopes: [{scopes}] }} }}");
    assert!(text.contains(&of(before)), "{text}");
    std::fs::write(&file, text.replace(&of(before), &of(after))).unwrap();
}

#[test]
fn a_call_hands_on_no_more_of_its_user_than_its_edge_leaves() {
    let bank = Bank::start_with_customers_by(|folder| leave(folder, "pay", ""));
    let teller = mint(&bank, "tom", &["--claim", "roles=teller", "--scope", "pay"]);
    let enter = |path: &str, body: &str| {
        let made = wait_for("it to be entered", Deadline::default(), || {
            Some(call(&bank, &teller, "POST", path, Some(body))).filter(|answer| answer.status < 300)
        });
        made.json()["id"].as_str().unwrap().to_owned()
    };
    let owner = enter("/users", "{\"name\":\"Ada\"}");
    let account = || enter("/accounts", &format!("{{\"owner\":\"{owner}\",\"opening_cents\":10000}}"));
    let (from, to) = (account(), account());
    let ada = mint(&bank, "ada", &["--claim", &format!("accounts={from}"), "--scope", "pay"]);
    let body = format!("{{\"from\":\"{from}\",\"to\":\"{to}\",\"cents\":250}}");
    let pays = || {
        let paid = call(&bank, &ada, "POST", "/payments", Some(&body));
        paid.status < 300 && paid.json()["outcome"] == "done"
    };
    // She may pay, and payment was let in for her; what it hands on allows nothing.
    assert!(!pays(), "the transfer was made with less than it needs");
    let denied = wait_for("the refusal at accounts", Deadline::default(), || {
        let events = bank.up.say(&["events", "--service", "accounts", "--deny", "--json"]);
        events.lines().find(|line| line.contains("money moves on behalf of")).map(str::to_owned)
    });
    assert!(denied.contains("ada of https://login.bank.example"), "the user stays the same: {denied}");

    // A program that asks for more than it has learns a reference, an operator the reason.
    let plan = bank.up.plan();
    let url = format!("http://{}/accounts/{from}", plan["outbound"]["payment"]["accounts"].as_str().unwrap());
    let curl = bank.up.inside("payment", "curl");
    let answer = request_by(curl, "GET", &url, None, &["x-bartizan-narrow: admin"], None);
    assert_eq!(answer.status, 403, "{answer:?}");
    assert_eq!(answer.json()["reason"], "narrowing_refused", "{answer:?}");
    let id = answer.json()["request_id"].as_str().unwrap().to_owned();
    wait_for("the reason", Deadline::default(), || {
        let said = bank.up.cli(&["explain", &id]);
        String::from_utf8_lossy(&said.stdout).contains("the call is for no user").then_some(())
    });

    leave(bank.folder(), "", "pay");
    bank.up.say(&["reload"]);
    wait_for("the transfer to be made with what it needs", Deadline::default(), || pays().then_some(()));
}
