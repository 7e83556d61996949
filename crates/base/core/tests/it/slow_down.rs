//! Slowing down in the fleet file: what is taken, what is refused, and in which words.

use bartizan_core::fleet::{FleetErrors, parse};
use bartizan_core::limit::Per;
use bartizan_core::slow_down::SlowDown;

fn fleet(protocol: &str, at_service: &str, at_route: &str) -> String {
    format!(
        "fleet: bank
trust_domain: bank.example
services:
  a:
    owner: o
    listen: 127.0.0.1:7001
    protocol: {protocol}
    {at_service}
gateway:
  listen: 127.0.0.1:8443
  routes:
    - path: /**
      to: a
      {at_route}
"
    )
}

fn told(text: &str) -> String {
    parse(text, "f").map_or_else(|errors: FleetErrors| errors.to_string(), |_| "no error".to_owned())
}

#[test]
fn refuses_what_could_not_be_counted_or_makes_no_sense() {
    for (said, report) in [
        ("slow_down: true", "f:8:16: services.a.slow_down = `true`: expected a map"),
        ("slow_down: { wait: 2s }", "services.a.slow_down.wait: unknown key"),
        ("slow_down: { per: [address] }", "calls come from the addresses of guards"),
        ("slow_down: { per: [user] }", "no route of the gateway asks for a user"),
        ("slow_down: { per: [] }", "there is none"),
        ("slow_down: { window: 10x }", "services.a.slow_down.window = `10x`: not a time from 100ms to 24h"),
        ("slow_down: { window: 99ms }", "not a time from 100ms to 24h"),
        ("slow_down: { over: 25h }", "not a time from 100ms to 24h"),
        ("slow_down: { window: 2h }", "`over`, an hour where left out, is shorter than one window"),
        ("slow_down: { window: 10s, over: 9s }", "services.a.slow_down.over = `9s`: shorter than one window"),
        ("slow_down: { times: 0 }", "not a whole number from 1 to 1000"),
        ("slow_down: { least: 0 }", "not a whole number from 1"),
        ("slow_down: { delay: 16s }", "not a time from 1ms to 15s"),
        ("slow_down: { delay: 99999999999999h }", "not a time from 1ms to 15s"),
        ("slow_down: { waiting: 2000 }", "not a whole number from 1 to 1024"),
    ] {
        let errors = told(&fleet("http", said, ""));
        assert!(errors.contains(report), "{said}: {errors}");
    }
    for (protocol, spoken) in [("tcp", "tcp"), ("auto", "auto")] {
        let text = fleet(protocol, "slow_down: {}", "").replace("      to: a\n", "      to: b\n");
        let errors = told(&text);
        assert!(errors.contains(&format!("with `protocol: {spoken}` a guard may see bytes alone")), "{errors}");
    }
    let errors = told(&fleet("http", "", "slow_down: { per: [caller] }"));
    assert!(errors.contains("the route asks nobody for a certificate"), "{errors}");
}

#[test]
fn what_is_not_said_has_a_default_and_nothing_is_slowed_down_unasked() {
    let off = parse(&fleet("http", "", ""), "f").unwrap();
    assert_eq!(off.services.values().next().unwrap().slow_down, None);
    assert_eq!(off.gateway.unwrap().routes[0].slow_down, None);

    let said = "slow_down: { window: 1min, over: 2h, times: 3, least: 5, delay: 500ms, waiting: 8 }";
    let on = parse(&fleet("http", said, "slow_down: {}"), "f").unwrap();
    let (window_ms, over_ms) = (60_000, 7_200_000);
    let all = SlowDown { per: vec![Per::Caller], window_ms, over_ms, times: 3, least: 5, delay_ms: 500, waiting: 8 };
    assert_eq!(on.services.values().next().unwrap().slow_down, Some(all));
    assert_eq!(on.gateway.unwrap().routes[0].slow_down, Some(SlowDown::per(Per::Client)));
}
