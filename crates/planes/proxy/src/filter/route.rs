//! Which service a request is for, and which of its named routes.

use super::{Exchange, Filter};
use crate::answer::Answer;
use crate::conn::{Caller, Side};
use bartizan_core::ServiceName;
use bartizan_core::fleet::{GatewayRoute, NamedRoute};

pub(super) const IT: Filter = Filter { name: "route", run };

fn run(x: &mut Exchange<'_>) -> Result<(), Answer> {
    let Some(directory) = &x.live.directory else { return Err(unknown()) };
    let path = x.path();
    match &x.conn.side {
        Side::Gateway => {
            let routes = directory.own.gateway.as_ref().map_or(&[][..], |g| &g.routes);
            let found = gateway_route(routes, path).ok_or_else(unknown)?;
            let GatewayRoute { to, from, .. } = found;
            check_client(from, x.conn.caller.as_ref())?;
            let routes = directory.peers.get(to).map_or(&[][..], |peer| &peer.routes);
            let route = named(routes, x.head.method.as_str(), path).map(|name| name.as_str().into());
            (x.to, x.route, x.edge_route) = (Some(to.clone()), route, Some(found));
        }
        Side::Inbound => {
            let routes = directory.own.inbound.as_ref().map_or(&[][..], |i| &i.routes);
            x.route = named(routes, x.head.method.as_str(), path).map(|name| name.as_str().into());
        }
        Side::Outbound(callee) if directory.own.outbound.contains_key(callee) => {}
        Side::Outbound(callee) => {
            x.to = Some(callee.clone());
            return Err(Answer::new(
                403,
                "undeclared",
                "this is not among the calls that the fleet file declares for this service",
            ));
        }
    }
    Ok(())
}

fn unknown() -> Answer {
    Answer::new(404, "no_route", "there is nothing here")
}

/// The most exact pattern that fits; the first of equals.
fn gateway_route<'a>(routes: &'a [GatewayRoute], path: &str) -> Option<&'a GatewayRoute> {
    let fits = routes.iter().filter(|r| r.path.matches(path));
    fits.reduce(|best, r| if r.path.rank() > best.path.rank() { r } else { best })
}

/// Whether `client` may still use what `path` leads to at the gateway.
pub fn is_for(routes: &[GatewayRoute], path: &str, client: Option<&ServiceName>) -> bool {
    let route = gateway_route(routes, path);
    route.is_some_and(|route| route.from.is_empty() || client.is_some_and(|client| route.from.contains(client)))
}

/// Whether the client is one of those that a route is for.
fn check_client(from: &[ServiceName], client: Option<&Caller>) -> Result<(), Answer> {
    match client {
        _ if from.is_empty() => Ok(()),
        Some(client) if from.contains(&client.name) => Ok(()),
        Some(_) => Err(Answer::new(403, "not_for_client", "this is for other clients")),
        None => Err(Answer::new(403, "certificate_required", "this is for clients that show their certificate")),
    }
}

/// As [`gateway_route`]; a route for exactly this method goes before one for any.
pub fn named<'a>(routes: &'a [NamedRoute], method: &str, path: &str) -> Option<&'a ServiceName> {
    let rank = |r: &NamedRoute| (r.path.rank(), r.method.is_some());
    // HEAD is GET without the body (RFC 9110 section 9.3.2).
    let is_for = |m: &str| m == method || (m == "GET" && method == "HEAD");
    let fits = routes.iter().filter(|r| r.method.as_deref().is_none_or(is_for) && r.path.matches(path));
    fits.reduce(|best, r| if rank(r) > rank(best) { r } else { best }).map(|r| &r.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::path::PathPattern;

    fn name(text: &str) -> ServiceName {
        ServiceName::parse(text).unwrap()
    }

    #[test]
    fn the_most_exact_gateway_route_wins() {
        let route = |path: &str, to: &str| GatewayRoute {
            path: PathPattern::parse(path).unwrap(),
            to: name(to),
            from: Vec::new(),
            auth: Default::default(),
            scopes: Vec::new(),
            limits: Vec::new(),
        };
        let routes = [route("/**", "web"), route("/api/**", "api"), route("/api/*", "one"), route("/api/pay", "pay")];
        for (path, to) in [("/", "web"), ("/api/a/b", "api"), ("/api/a", "one"), ("/api/pay", "pay")] {
            assert_eq!(gateway_route(&routes, path).map(|route| &route.to), Some(&name(to)), "{path}");
        }
        assert_eq!(gateway_route(&routes[1..], "/other"), None);
    }

    #[test]
    fn a_route_for_some_clients_is_for_nobody_else() {
        let route = |path: &str, from: &[&str]| GatewayRoute {
            path: PathPattern::parse(path).unwrap(),
            to: name("web"),
            from: from.iter().map(|client| name(client)).collect(),
            auth: Default::default(),
            scopes: Vec::new(),
            limits: Vec::new(),
        };
        let routes = [route("/**", &[]), route("/private/**", &["report"]), route("/private/open", &[])];
        let (report, other) = (name("report"), name("other"));
        for (path, client, is_one) in [
            ("/", None, true),
            ("/private", None, false),
            ("/private/x", None, false),
            ("/private/x", Some(&other), false),
            ("/private/x", Some(&report), true),
            ("/private/open", None, true),
        ] {
            assert_eq!(is_for(&routes, path, client), is_one, "{path} {client:?}");
        }
        assert!(!is_for(&routes[1..], "/elsewhere", Some(&report)), "no route at all");
    }

    #[test]
    fn a_named_route_for_the_method_goes_before_one_for_any() {
        let route = |n: &str, method: Option<&str>, path: &str| NamedRoute {
            name: name(n),
            method: method.map(str::to_owned),
            path: PathPattern::parse(path).unwrap(),
        };
        let routes = [route("any", None, "/a/*"), route("read", Some("GET"), "/a/*")];
        assert_eq!(named(&routes, "GET", "/a/1"), Some(&name("read")));
        assert_eq!(named(&routes, "HEAD", "/a/1"), Some(&name("read")));
        assert_eq!(named(&routes, "POST", "/a/1"), Some(&name("any")));
        assert_eq!(named(&routes, "POST", "/b"), None);
    }
}
