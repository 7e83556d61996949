//! The console in the fleet file: what is taken, what is refused, and in which words.

use bartizan_core::console::{Console, ConsoleRole};
use bartizan_core::fleet::{FleetErrors, parse};

fn fleet(console: &str) -> String {
    format!(
        "fleet: bank
trust_domain: bank.example
services:
  a: {{ listen: \"127.0.0.1:7001\", protocol: http, owner: o }}
console: {console}
"
    )
}

fn told(console: &str) -> String {
    parse(&fleet(console), "f").map_or_else(|errors: FleetErrors| errors.to_string(), |_| "no error".to_owned())
}

fn said(console: &str) -> Console {
    parse(&fleet(console), "f").unwrap_or_else(|errors| panic!("{errors}")).console
}

#[test]
fn refuses_a_console_in_plain_where_others_hear_it_and_what_makes_no_sense() {
    for (console, report) in [
        (
            "{ listen: \"0.0.0.0:8444\" }",
            "f:5:20: console.listen = `0.0.0.0:8444`: not a loopback address, and the console would be in plain; name its `certificate` and \
             `key`, or listen on loopback, such as `127.0.0.1:8444`, behind something that has one",
        ),
        (
            "{ listen: \"127.0.0.1:7001\" }",
            "f:5:20: console.listen = `127.0.0.1:7001`: the address is taken by services.a.listen (line 4); give each a port of its own",
        ),
        (
            "{ listen: \"127.0.0.1:0\" }",
            "f:5:20: console.listen = `127.0.0.1:0`: port 0 is no port to be found at; choose one from 1 to 65535",
        ),
        ("{ certificate: c.pem }", "f:5:10: console.key: is missing; name a PEM file, or delete `certificate`"),
        ("{ key: c.pem }", "f:5:10: console.certificate: is missing; name a PEM file, or delete `key`"),
        (
            "on",
            "f:5:10: console = `on`: neither `off` nor a map; write `off`, or a map such as `{ listen: \"127.0.0.1:8444\" }`; delete the line for the default",
        ),
        ("{ port: 8444 }", "f:5:12: console.port: unknown key; known here: listen, certificate, key, hosts, roles"),
        (
            "{ hosts: [\"https://c.bank.example\"] }",
            "f:5:20: console.hosts[0] = `https://c.bank.example`: not the name of a host; write it as `console.bank.example`, with a port or without",
        ),
        ("{ hosts: [] }", "f:5:19: console.hosts: there have to be 1 to 16; or delete the line"),
        (
            "{ roles: { admins: administratr } }",
            "f:5:29: console.roles.admins = `administratr`: nothing that somebody may be here; did you mean `administrator`? known are viewer, operator, administrator",
        ),
    ] {
        assert_eq!(told(console), report, "{console}");
    }
}

#[test]
fn a_console_is_where_it_is_said_to_be_or_nowhere() {
    assert_eq!(parse(&fleet("off").replace("console: off\n", ""), "f").unwrap().console, Console::default());
    assert!(said("off").off && said("off").listen.is_none());
    let whole = said(
        "{ listen: \"0.0.0.0:8444\", certificate: c.pem, key: c.key, hosts: [Console.Bank.example, \"c:8444\"], roles: { admins: administrator } }",
    );
    assert!(!whole.off);
    assert_eq!(whole.listen.map(|at| at.to_string()).as_deref(), Some("0.0.0.0:8444"));
    assert_eq!(whole.web.map(|web| web.certificate).as_deref(), Some("c.pem"));
    assert_eq!(whole.hosts, ["console.bank.example", "c:8444"]);
    assert_eq!(whole.roles.get("admins"), Some(&ConsoleRole::Administrator));
    assert!(said("{ hosts: [console.bank.example] }").listen.is_none(), "chosen at start");
}
