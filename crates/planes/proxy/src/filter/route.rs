//! Which service a request is for, and which of its named routes.

use super::{Exchange, Filter, cors};
use crate::answer::Answer;
use crate::conn::{Caller, Side};
use crate::routes::Route;
use bartizan_core::ServiceName;
use bartizan_core::fleet::NamedRoute;
use bartizan_core::gateway::Asked;

pub(super) const IT: Filter = Filter { name: "route", run };

fn run(x: &mut Exchange<'_>) -> Result<(), Answer> {
    let Some(directory) = &x.live.directory else { return Err(unknown()) };
    let path = x.path();
    match &x.conn.side {
        Side::Gateway => {
            let routes = &x.live.routes;
            let find = |method| {
                let asked = Asked { host: x.host.as_deref(), path, method };
                routes.find(directory, asked, &x.head.fields)
            };
            // A browser that asks beforehand asks about another request, and shows neither headers nor certificate of that.
            let later = cors::preflight(&x.head.method, &x.head.fields).filter(|_| routes.shares());
            let shared = later.and_then(find).filter(|route| route.settings.cors.is_some());
            let preflight = shared.is_some();
            let found = shared.or_else(|| find(x.head.method.as_str())).ok_or_else(unknown)?;
            if !preflight {
                check_client(found, x.conn.caller.as_ref())?;
            }
            let to = &found.said.to;
            let routes = directory.peers.get(to).map_or(&[][..], |peer| &peer.routes);
            let route = named(routes, x.head.method.as_str(), path).map(|name| name.as_str().into());
            x.said = x.live.routes.said(x.host.as_deref(), &x.head.fields);
            (x.to, x.route, x.edge_route) = (Some(to.clone()), route, Some(found));
            x.preflight = preflight;
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

/// Whether the client is one of those that a route is for.
fn check_client(route: Route<'_>, client: Option<&Caller>) -> Result<(), Answer> {
    match client {
        _ if route.is_for(client) => Ok(()),
        Some(_) => Err(Answer::new(403, "not_for_client", "this is for other clients")),
        None => Err(Answer::new(403, "certificate_required", "this is for clients that show their certificate")),
    }
}

/// The most exact of the named routes that fit; one for exactly this method goes before one for any.
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
