//! What a reload changes of what runs: what it cannot change, and what whoever started the fleet does about the rest.

use bartizan_core::ServiceName;
use bartizan_core::capture::Means;
use bartizan_core::fleet::{Capture, Fleet, Isolate, Program, Service};
use bartizan_core::plan::Plan;
use bartizan_core::status::Programs;

/// The first part of two fleets that only whoever started them can change, where they differ in one. A service may be taken
/// out: its guard is sent away, and nobody reaches it any more.
///
/// Programs and listeners follow their supervisor, not us: a guard that forwarded to a new port while the program stays at
/// the old one could reach another service's program there.
pub(crate) fn moved(held: &Fleet, wanted: &Fleet) -> Option<(String, String)> {
    let services = wanted.services.iter().find_map(|(name, after)| {
        let before = held.services.get(name)?;
        let both = usize::from(before.count().min(after.count()));
        let places = (place(name, before, both), place(name, after, both));
        Some(places).filter(|(before, after)| before != after)
    });
    let gateway = |fleet: &Fleet| {
        fleet.gateway.as_ref().map_or_else(|| "no gateway".to_owned(), |it| format!("gateway at {}", it.listen))
    };
    services
        .or_else(|| bare(held, wanted))
        .or_else(|| Some((gateway(held), gateway(wanted))).filter(|(held, wanted)| held != wanted))
}

/// Instances beyond the first `count` came or went: those who are there stay where they are.
fn place(name: &ServiceName, service: &Service, count: usize) -> String {
    let via = service.calls.iter().filter_map(|call| Some(format!(", {} via {}", call.to, call.via?)));
    let more = service.instances.more.iter().take(count - 1).filter_map(|it| Some(format!(", {}", it.listen?)));
    let apart = match service.isolate {
        Isolate::WhereItCan => "",
        Isolate::Required => ", isolated",
        Isolate::Never => ", not isolated",
    };
    let captured = match service.capture {
        Capture::WhereItCan => "",
        Capture::Required => ", captured",
        Capture::By(Means::Redirect) => ", captured by redirect",
        Capture::By(Means::Tproxy) => ", captured by tproxy",
        Capture::Never => ", not captured",
    };
    let egress = service.egress.iter().flat_map(|it| [it.proxy, it.dns]).flatten().map(|at| format!(", out by {at}"));
    let guard = if service.guarded { "" } else { ", without a guard" };
    let run = if service.is_run() { "" } else { ", started by somebody else" };
    format!(
        "{name} at {}{}{apart}{captured}{guard}{run}",
        service.listen,
        more.chain(via).chain(egress).collect::<String>()
    )
}

/// A service without a guard that came or went: nobody would be told of it, since those who call it were told when they were
/// started.
fn bare(held: &Fleet, wanted: &Fleet) -> Option<(String, String)> {
    let (with, without) = (|name: &ServiceName| format!("with {name}"), |name: &ServiceName| format!("without {name}"));
    let added = wanted.unguarded().find(|name| !held.services.contains_key(*name));
    let gone = held.unguarded().find(|name| !wanted.services.contains_key(*name));
    added.map(|name| (without(name), with(name))).or_else(|| gone.map(|name| (with(name), without(name))))
}

/// What becomes of programs.
pub(crate) fn programs(before: &Fleet, after: &Fleet, plan: &Plan) -> Programs {
    let names = |of: &Fleet, but: &Fleet| {
        let names = of.services.keys().filter(|name| !but.services.contains_key(*name));
        names.cloned().collect()
    };
    let both = after.services.iter().filter_map(|(name, now)| Some((name, before.services.get(name)?, now)));
    let anew = both.filter(|(name, then, now)| is_started_anew(name, then, now, plan)).map(|(name, ..)| name.clone());
    Programs { added: names(after, before), removed: names(before, after), started_anew: anew.collect() }
}

/// Whether its programs have to be told something that only a start tells.
fn is_started_anew(name: &ServiceName, then: &Service, now: &Service, plan: &Plan) -> bool {
    let by_name = plan.captured.keys().any(|member| member.service() == name);
    let new_callee = now.calls.iter().any(|call| then.calls.iter().all(|before| before.to != call.to));
    let way_out = then.egress.is_some() != now.egress.is_some();
    matches!(now.program, Program::Run { .. }) && (then.program != now.program || way_out || (new_callee && !by_name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::fleet::parse;

    fn fleet(services: &str) -> Fleet {
        parse(&format!("fleet: shop\ntrust_domain: shop.test\nservices:\n{services}"), "fleet.yaml").unwrap()
    }

    fn service(name: &str, port: u16, more: &str) -> String {
        format!("  {name}: {{ run: [x], listen: \"127.0.0.1:{port}\", protocol: http{more} }}\n")
    }

    fn plan(text: &str) -> Plan {
        let more = r#""mode":"full","control":"127.0.0.1:1","mesh":{},"outbound":{}"#;
        serde_json::from_str(&format!("{{{more}{text}}}")).unwrap()
    }

    fn names(programs: &Programs) -> [Vec<String>; 3] {
        let text = |names: &Vec<ServiceName>| names.iter().map(ToString::to_string).collect();
        [text(&programs.added), text(&programs.removed), text(&programs.started_anew)]
    }

    #[test]
    fn places_stay_and_whoever_started_a_program_goes_on_to() {
        let before = fleet(&(service("a", 1, "") + &service("b", 2, "")));
        for (after, word) in [
            (service("a", 9, ""), "a at 127.0.0.1:9"),
            (service("a", 1, ", isolate: false"), "not isolated"),
            (service("a", 1, ", capture: false"), "not captured"),
            ("  a: { at: \"127.0.0.1:1\", protocol: http }\n".to_owned(), "started by somebody else"),
        ] {
            let (_, wanted) = moved(&before, &fleet(&(after + &service("b", 2, "")))).unwrap();
            assert!(wanted.contains(word), "{wanted}");
        }
        assert_eq!(moved(&before, &fleet(&service("a", 1, ""))), None, "one may go");
        assert_eq!(moved(&before, &fleet(&(service("a", 1, ", env: { X: y }") + &service("c", 3, "")))), None);
    }

    #[test]
    fn nobody_comes_or_goes_without_a_guard() {
        let some = |guards: &str, services: &str| {
            let text = format!("fleet: shop\ntrust_domain: shop.test\nguards: {guards}\nservices:\n{services}");
            parse(&text, "fleet.yaml").unwrap()
        };
        let (one, two) = (service("a", 1, ""), service("a", 1, "") + &service("b", 2, ""));
        let (alone, both) = (some("[a]", &one), some("[a]", &two));
        assert_eq!(moved(&alone, &both), Some(("without b".to_owned(), "with b".to_owned())));
        assert_eq!(moved(&both, &alone), Some(("with b".to_owned(), "without b".to_owned())));
    }

    #[test]
    fn who_learns_only_by_a_start_is_started_anew() {
        let before = fleet(&(service("a", 1, ", calls: [b]") + &service("b", 2, "")));
        let added = fleet(&(service("a", 1, ", calls: [b, c]") + &service("b", 2, "") + &service("c", 3, "")));
        let (by_variables, by_name) = (plan(""), plan(r#","captured":{"a":"127.0.0.1:5"}"#));
        assert_eq!(names(&programs(&before, &added, &by_name)), [vec!["c".to_owned()], vec![], vec![]]);
        let told = programs(&before, &added, &by_variables);
        assert_eq!(names(&told), [vec!["c".to_owned()], vec![], vec!["a".to_owned()]]);
        assert_eq!(names(&programs(&added, &before, &by_variables)), [vec![], vec!["c".to_owned()], vec![]]);
        let other = fleet(&(service("a", 1, ", calls: [b]") + &service("b", 2, ", env: { X: y }")));
        assert_eq!(names(&programs(&before, &other, &by_name)), [vec![], vec![], vec!["b".to_owned()]]);
        let out = fleet(&(service("a", 1, ", calls: [b]") + &service("b", 2, ", egress: [api.partner.example]")));
        for (then, now) in [(&before, &out), (&out, &before)] {
            assert_eq!(names(&programs(then, now, &by_name)), [vec![], vec![], vec!["b".to_owned()]], "its variables");
        }
    }
}
