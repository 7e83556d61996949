//! Other trust domains, and those beside the services who take part in calls: what is refused, and what comes out.

use bartizan_core::federation::Profile;
use bartizan_core::fleet::{Fleet, Protocol, parse};
use bartizan_core::{ServiceName, TrustDomain};

const HEAD: &str = "fleet: bank\ntrust_domain: bank.test\nservices:\n  accounts: { at: 127.0.0.1:7102, protocol: http, owner: me }\n  web: { at: 127.0.0.1:7103, protocol: http, owner: me";

fn file(web: &str, rest: &str) -> String {
    format!("{HEAD}{web} }}\n{rest}")
}

fn name(text: &str) -> ServiceName {
    ServiceName::parse(text).unwrap()
}

/// A file with one other domain, whose keys are `domain`.
fn with_domain(domain: &str) -> String {
    file("", &format!("federation:\n  domains:\n    partner.test: {{ {domain} }}\n"))
}

const WEB: &str = "url: \"https://partner.test/\", profile: https_web";

#[test]
fn refuses_domains_that_make_no_sense_and_names_the_place() {
    let spiffe = "url: \"https://partner.test/\", profile: https_spiffe";
    for (domain, place, why) in [
        ("profile: https_web", ".url: is missing", "no address"),
        ("url: \"https://partner.test/\"", ".profile: is missing", "no profile"),
        ("url: \"http://partner.test/\", profile: https_web", ".url", "no TLS"),
        ("url: \"https://partner.test/?x\", profile: https_web", ".url", "a query"),
        ("url: \"https://partner.test/\", profile: web", ".profile", "unknown"),
        (spiffe, ".endpoint_id: is missing", "whose SVID?"),
        (&format!("{spiffe}, endpoint_id: partner, bundle: b.json"), ".endpoint_id", "no SPIFFE ID"),
        (&format!("{spiffe}, endpoint_id: \"spiffe://partner.test/x\""), ".bundle: is missing", "by what root?"),
        (
            &format!("{spiffe}, endpoint_id: \"spiffe://third.test/x\", bundle: b"),
            "nobody here knows the roots",
            "whose?",
        ),
        (&format!("{spiffe}, endpoint_id: \"spiffe://partner.test/x\", bundle: b, roots: r"), ".roots", "of the web"),
        (&format!("{WEB}, bundle: b.json"), ".bundle", "of the other profile"),
        (&format!("{WEB}, paths: []"), ".paths", "none at all"),
        (&format!("{WEB}, paths: [svc]"), ".paths[0]", "no pattern"),
        (&format!("{WEB}, workloads: {{ a: {{}} }}"), ".workloads.a.id: is missing", "who?"),
        (&format!("{WEB}, workloads: {{ a: {{ id: a }} }}"), ".workloads.a.id", "no path"),
        (&format!("{WEB}, workloads: {{ a: {{ id: /a/ }} }}"), ".workloads.a.id", "a trailing slash"),
        (&format!("{WEB}, paths: [/svc/*], workloads: {{ a: {{ id: /a }} }}"), ".workloads.a.id", "outside the paths"),
        (
            &format!("{WEB}, workloads: {{ a: {{ id: /a, calls: [nobody] }} }}"),
            ".calls[0] = `nobody`: no such service",
            "nobody",
        ),
        (&format!("{WEB}, workloads: {{ a: {{ id: /a, calls: [web, web] }} }}"), ".calls[1]", "twice"),
        (&format!("{WEB}, workloads: {{ a: {{ id: /a, calls: [gateway] }} }}"), ".calls[0]", "the gateway"),
        (&format!("{WEB}, workloads: {{ web: {{ id: /a }} }}"), "workloads.web: the name is taken", "a service's name"),
        (
            &format!("{WEB}, workloads: {{ gateway: {{ id: /a }} }}"),
            "workloads.gateway: the name is taken",
            "the gateway's",
        ),
        (
            &format!("{WEB}, workloads: {{ a: {{ id: /a, mesh: \"10.0.0.1:1\" }} }}"),
            ".protocol: is missing",
            "what is spoken?",
        ),
        (&format!("{WEB}, workloads: {{ a: {{ id: /a, protocol: http }} }}"), ".protocol", "nobody calls it"),
        (
            &format!("{WEB}, workloads: {{ a: {{ id: /a, mesh: \"0.0.0.0:1\", protocol: http }} }}"),
            ".mesh",
            "nowhere to dial",
        ),
        (
            &format!("{WEB}, workloads: {{ a: {{ id: /a, mesh: \"127.0.0.1:7102\", protocol: http }} }}"),
            ".mesh",
            "taken",
        ),
        (
            &format!("{WEB}, workloads: {{ a: {{ id: /a }}, b: {{ id: /a }} }}"),
            "the same identity as `a`",
            "two names for one",
        ),
    ] {
        let errors = parse(&with_domain(domain), "f").expect_err(why).to_string();
        assert!(errors.contains(place), "{domain} ({why}): {errors}");
    }
    let own = file("", &format!("federation:\n  domains:\n    bank.test: {{ {WEB} }}\n"));
    assert!(parse(&own, "f").unwrap_err().to_string().contains("that is the fleet's own trust domain"));
    for (endpoint, place) in [
        ("{}", ".listen: is missing"),
        ("{ listen: \"127.0.0.1:7102\" }", "the address is taken"),
        ("{ listen: \"0.0.0.0:8444\", certificate: a }", "only `https_web` has a certificate"),
        ("{ listen: \"0.0.0.0:8444\", profile: https_web, certificate: a }", ".key: is missing"),
        ("{ listen: \"0.0.0.0:8444\", refresh_seconds: 4 }", "not a number of seconds from 5 to 3600"),
    ] {
        let errors = parse(&file("", &format!("federation:\n  endpoint: {endpoint}\n")), "f").unwrap_err().to_string();
        assert!(errors.contains(place), "{endpoint}: {errors}");
    }
}

#[test]
fn a_service_calls_only_others_that_say_where_they_are() {
    let workloads = "workloads:\n  report: { selectors: { uid: 1 }, calls: [accounts] }\n  envoy: { selectors: { uid: 2 }, mesh: \"127.0.0.1:9000\", protocol: grpc }\n";
    let errors = parse(&file(", calls: [report]", workloads), "f").unwrap_err().to_string();
    assert!(errors.contains("services.web.calls[0] = `report`: no such service"), "{errors}");
    let fleet = parse(&file(", calls: [envoy]", workloads), "f").unwrap();
    assert_eq!(fleet.protocol_of(&name("envoy")), Some(Protocol::Grpc));
    assert_eq!(fleet.protocol_of(&name("report")), None);
    let edges: Vec<_> = fleet.edges().map(|(from, to)| format!("{from}>{to}")).collect();
    assert_eq!(edges, ["web>envoy", "report>accounts"]);
    assert_eq!(fleet.others[&name("report")].id.as_str(), "spiffe://bank.test/workload/report");
    assert!(!fleet.is_foreign(&fleet.others[&name("report")].id));
    // What takes no part in calls may be called what it likes.
    let harmless = "workloads:\n  web: { selectors: { uid: 1 } }\n";
    assert!(parse(&file("", harmless), "f").unwrap().others.is_empty());
}

#[test]
fn reads_everything_and_fills_in_the_rest() {
    let text = file(
        ", mesh: \"0.0.0.0:15443\"",
        "federation:\n  endpoint: { listen: \"0.0.0.0:8444\" }\n  domains:\n    partner.test:\n      url: https://[::1]:8444/b\n      profile: https_spiffe\n      endpoint_id: spiffe://web.test/x\n      bundle: b.json\n      paths: [/svc/**]\n      workloads: { p: { id: /svc/web, calls: [web] } }\n    web.test: { url: \"https://web.test\", profile: https_web }\n",
    );
    let Fleet { federation, services, others, .. } = parse(&text, "f").unwrap();
    assert_eq!(services[&name("web")].mesh, Some("0.0.0.0:15443".parse().unwrap()));
    let endpoint = federation.endpoint.unwrap();
    assert_eq!((endpoint.refresh_s, endpoint.web), (60, None));
    let domain = |text: &str| &federation.domains[&TrustDomain::parse(text).unwrap()];
    let partner = domain("partner.test");
    assert_eq!((partner.url.port, partner.paths.len()), (8444, 1));
    assert!(
        matches!(&partner.profile, Profile::Spiffe { id, bundle } if id.domain() == "web.test" && bundle == "b.json")
    );
    assert_eq!(domain("web.test").profile, Profile::Web(None));
    assert_eq!(others[&name("p")].id.as_str(), "spiffe://partner.test/svc/web");
}
