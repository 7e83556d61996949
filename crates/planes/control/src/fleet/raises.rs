//! Which versions a change of the files would give a larger part of their service's calls.

use bartizan_core::ServiceName;
use bartizan_core::fleet::{Fleet, Program};
use bartizan_indicators::shares::{self, Raise};
use bartizan_indicators::versions::{Programs, Splits};

/// How calls are shared out.
pub(crate) fn splits(fleet: &Fleet) -> Splits {
    let split = fleet.services.iter().filter(|(_, service)| !service.versions.split.is_empty());
    split.map(|(name, service)| (name.clone(), service.versions.split.clone())).collect()
}

/// What tells a program from another one. Of those that somebody else starts it is what the file says of version and image.
pub(crate) fn programs(fleet: &Fleet) -> Programs {
    fleet
        .services
        .iter()
        .map(|(name, service)| (name.clone(), format!("{:?} {:?}", service.program, service.software)))
        .collect()
}

/// Versions that get more: by their weight, and those that come to all of it another way, by being run as the service itself, or being
/// called in its place.
pub(crate) fn raises(before: &Fleet, after: &Fleet) -> Vec<Raise> {
    let held = splits(before);
    let mut all = shares::raises(&held, &splits(after));
    for (service, split) in &held {
        for version in split.iter().map(|(version, _)| version).filter(|version| *version != service) {
            let has_all = shares::part(&held, service, version) >= 1.0;
            let is_listed = all.iter().any(|it| it.service == *service && it.version == *version);
            let is_whole = runs_as(before, after, service, version) || is_called_for(before, after, service, version);
            if is_whole && !has_all && !is_listed {
                all.push(Raise { service: service.clone(), version: version.clone(), part: 1.0, beside: Vec::new() });
            }
        }
    }
    all
}

/// The fleet, with calls shared out as they are.
pub(crate) fn with_splits_of(held: &Fleet, wanted: &Fleet) -> Fleet {
    let mut fleet = wanted.clone();
    for (name, service) in &mut fleet.services {
        if let Some(before) = held.services.get(name) {
            service.versions.split.clone_from(&before.versions.split);
        }
    }
    fleet
}

/// Whether the service comes to run what the version runs.
fn runs_as(before: &Fleet, after: &Fleet, service: &ServiceName, version: &ServiceName) -> bool {
    let program = |fleet: &Fleet, name: &ServiceName| fleet.services.get(name).map(|it| it.program.clone());
    let Some(new @ Program::Run { .. }) = program(before, version) else { return false };
    program(after, service).as_ref() == Some(&new) && program(before, service) != Some(new)
}

/// Whether somebody who called the service calls the version instead, or a route of the gateway leads there.
fn is_called_for(before: &Fleet, after: &Fleet, service: &ServiceName, version: &ServiceName) -> bool {
    let calls = |fleet: &Fleet, from: &ServiceName, to: &ServiceName| {
        fleet.services.get(from).is_some_and(|it| it.calls.iter().any(|call| call.to == *to))
    };
    let instead = |from: &ServiceName| {
        let (then, now) = ((before, from), (after, from));
        let of = |(fleet, from): (&Fleet, &ServiceName)| (calls(fleet, from, service), calls(fleet, from, version));
        of(then) == (true, false) && of(now) == (false, true)
    };
    let routes = |fleet: &Fleet| fleet.gateway.iter().flat_map(|it| it.routes.clone()).collect::<Vec<_>>();
    let were = routes(before);
    let leads_there = |it: &bartizan_core::fleet::GatewayRoute| {
        let is_same = |was: &bartizan_core::fleet::GatewayRoute| {
            was.to == *service
                && (&was.host, &was.path, &was.methods, &was.match_headers)
                    == (&it.host, &it.path, &it.methods, &it.match_headers)
        };
        it.to == *version && were.iter().any(is_same)
    };
    after.services.keys().any(instead) || routes(after).iter().any(leads_there)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::fleet::parse;

    /// `web` calls `to`; `api` runs one program, and shares its calls out.
    fn fleet(api: &str, split: &str, to: &str, route: &str) -> Fleet {
        let split = if split.is_empty() { String::new() } else { format!(", split: {split}") };
        let service = |name: &str, port: u16, run: &str, more: &str| {
            format!("  {name}: {{ run: [{run}], listen: \"127.0.0.1:{port}\", protocol: http{more} }}\n")
        };
        let text = format!(
            "fleet: shop\ntrust_domain: shop.test\nservices:\n{}{}{}gateway:\n  listen: 127.0.0.1:8443\n  routes:\n    - {{ path: /**, to: {route} }}\n",
            service("api", 1, api, &split),
            service("api-v2", 2, "new", ""),
            service("web", 3, "web", &format!(", calls: [{to}]")),
        );
        parse(&text, "fleet.yaml").unwrap_or_else(|errors| panic!("{errors}"))
    }

    fn found(before: &Fleet, after: &Fleet) -> Vec<(String, f64)> {
        raises(before, after).into_iter().map(|it| (it.version.to_string(), it.part)).collect()
    }

    #[test]
    fn a_version_comes_to_all_of_it_in_many_ways() {
        let split = "{ api: 90, api-v2: 10 }";
        let before = fleet("old", split, "api", "api");
        let whole = [("api-v2".to_owned(), 1.0)];
        for (after, why) in [
            (fleet("old", "{ api: 0, api-v2: 10 }", "api", "api"), "by its weight"),
            (fleet("new", split, "api", "api"), "run as the service"),
            (fleet("new", "", "api", "api"), "run as the service, without a split"),
            (fleet("old", split, "api-v2", "api"), "called instead"),
            (fleet("old", "", "api", "api-v2"), "by a route"),
        ] {
            assert_eq!(found(&before, &after), whole, "{why}");
        }
        for (after, why) in [
            (before.clone(), "nothing"),
            (fleet("old", "", "api", "api"), "a way back"),
            (fleet("other", split, "api", "api"), "another program, which is no version"),
            (fleet("old", split, "\"api\", \"api-v2\"", "api"), "called beside"),
        ] {
            assert_eq!(found(&before, &after), [], "{why}");
        }
        let all = fleet("old", "{ api: 0, api-v2: 1 }", "api", "api");
        assert_eq!(found(&all, &fleet("new", "", "api-v2", "api-v2")), [], "it has all of it");
    }

    #[test]
    fn weights_alone_are_put_back() {
        let (one, other) =
            (fleet("old", "{ api: 9, api-v2: 1 }", "api", "api"), fleet("old", "{ api: 1, api-v2: 0 }", "api", "api"));
        assert_ne!(one, other);
        assert_eq!(with_splits_of(&one, &other), one);
        assert_ne!(with_splits_of(&one, &fleet("new", "{ api: 9, api-v2: 1 }", "api", "api")), one);
    }
}
