//! What is asked for: paths of the gateway, and where the same is to be had without one.

use crate::failure::Failure;
use bartizan_core::fleet::Fleet;
use std::net::SocketAddr;

/// One path, with the two places where it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) path: String,
    gateway: SocketAddr,
    program: SocketAddr,
}

/// One path and where to ask for it in one mode.
#[derive(Clone, Debug)]
pub(super) struct Door {
    pub(super) path: String,
    pub(super) at: SocketAddr,
}

/// The given paths, or one for each route of the gateway.
pub(super) fn of(fleet: &Fleet, paths: &[String], method: &str) -> Result<Vec<Target>, Failure> {
    let none = || Failure::new("this fleet has no gateway, and `bench` comes in there; add `gateway:` with a route");
    let gateway = fleet.gateway.as_ref().ok_or_else(none)?;
    let open = || gateway.routes.iter().filter(|route| route.from.is_empty() && route.takes_plain(method));
    let paths =
        if paths.is_empty() { open().map(|route| example(route.path.as_str())).collect() } else { paths.to_vec() };
    if paths.is_empty() {
        return Err(Failure::new(
            "every route of the gateway is for clients with a certificate, or for certain hosts, methods or headers; `bench` asks by path alone",
        ));
    }
    let at = crate::up::loopback_of(gateway.listen);
    let target = |path: String| {
        let bare = path.split_once('?').map_or(&*path, |(bare, _)| bare);
        let route = open()
            .filter(|route| bare.starts_with('/') && route.path.matches(bare))
            .reduce(|best, route| if route.path.rank() > best.path.rank() { route } else { best });
        let service = route.and_then(|route| fleet.services.get(&route.to));
        let unknown =
            || Failure::new(format!("no open route of the gateway fits `{path}`; name another with `--path`"));
        let program = service.ok_or_else(unknown)?.listen;
        Ok(Target { path, gateway: at, program })
    };
    paths.into_iter().map(target).collect()
}

/// A path that a pattern fits.
pub(crate) fn example(pattern: &str) -> String {
    pattern.trim_end_matches("/**").replace('*', "1") + if pattern == "/**" { "/" } else { "" }
}

/// Where to ask in a mode with or without guards.
pub(super) fn doors(targets: &[Target], guarded: bool) -> Vec<Door> {
    let door = |it: &Target| Door { path: it.path.clone(), at: if guarded { it.gateway } else { it.program } };
    targets.iter().map(door).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::fleet::parse;

    const FLEET: &str = "fleet: shop\ntrust_domain: shop.test\nservices:\n  web: { at: \"127.0.0.1:7001\", protocol: http, owner: o }\n  \
                         api: { at: \"127.0.0.1:7002\", protocol: http, owner: o }\n";

    #[test]
    fn each_path_is_asked_where_it_is_answered() {
        let routes =
            "gateway:\n  listen: 0.0.0.0:8443\n  routes: [{ path: /**, to: web }, { path: /api/*/items, to: api }]\n";
        let fleet = parse(&format!("{FLEET}{routes}"), "f").unwrap();
        let all = of(&fleet, &[], "GET").unwrap();
        let shown: Vec<_> = all.iter().map(|it| (it.path.as_str(), it.program.port())).collect();
        assert_eq!(shown, [("/", 7001), ("/api/1/items", 7002)]);
        assert_eq!(
            doors(&all, true)[0].at.to_string(),
            "127.0.0.1:8443",
            "one that listens everywhere is found on loopback"
        );
        assert_eq!(of(&fleet, &["/api/7/items?x=1".to_owned()], "POST").unwrap()[0].program.port(), 7002);
    }

    #[test]
    fn refuses_what_cannot_be_asked() {
        assert!(of(&parse(FLEET, "f").unwrap(), &[], "GET").unwrap_err().to_string().contains("no gateway"));
        let narrow = "gateway:\n  listen: 127.0.0.1:8443\n  routes: [{ path: /api/**, to: api }]\n";
        let fleet = parse(&format!("{FLEET}{narrow}"), "f").unwrap();
        let posts = "gateway:\n  listen: 127.0.0.1:8443\n  routes: [{ path: /api/**, to: api, methods: [POST] }]\n";
        let posts = parse(&format!("{FLEET}{posts}"), "f").unwrap();
        assert!(
            of(&posts, &["/api/x".to_owned()], "GET").is_err() && of(&posts, &["/api/x".to_owned()], "POST").is_ok()
        );
        assert!(of(&fleet, &["/other".to_owned()], "GET").unwrap_err().to_string().contains("`/other`"));
    }
}
