//! Three commands to try: a call that works, a call that policy denies, a call from a stranger.
//!
//! A file `TRY` beside the fleet file may say the first two, since only its author knows what makes sense there;
//! otherwise they are derived from routes, edges and policies.

use crate::limits::TRY_BYTES_MAX;
use bartizan_core::fleet::{Fleet, NamedRoute, Protocol};
use bartizan_core::path::PathPattern;
use bartizan_core::plan::{Isolation, Plan};
use bartizan_core::{Action, Decision, Member, ServiceName};
use bartizan_runtime::files;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The commands. `None` where this fleet has no such call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tries {
    /// A call that works.
    pub(crate) works: Option<String>,
    /// A call that policy denies.
    pub(crate) denied: Option<String>,
    /// Why it does.
    pub(crate) reason: Option<String>,
    /// A call to a sidecar without an identity.
    pub(crate) stranger: Option<String>,
}

/// What the commands are made of.
pub(crate) struct Ground<'a> {
    /// The fleet.
    pub(crate) fleet: &'a Fleet,
    /// Where everything listens.
    pub(crate) plan: &'a Plan,
    /// Where clients reach the gateway.
    pub(crate) gateway: Option<SocketAddr>,
    /// The certificate file by which they recognise it.
    pub(crate) ca: &'a Path,
    /// What policy says; `None` where policies are off.
    pub(crate) decide: Option<&'a dyn Fn(&Question<'_>) -> Decision>,
}

/// A call that could be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    /// Who.
    pub(crate) from: &'a ServiceName,
    /// Whom.
    pub(crate) to: &'a ServiceName,
    /// Which named part.
    pub(crate) route: Option<&'a str>,
    /// How.
    pub(crate) method: &'a str,
    /// Where.
    pub(crate) path: &'a str,
}

impl Question<'_> {
    /// The class of its method.
    pub(crate) fn action(&self) -> Action {
        Action::of_method(self.method)
    }
}

/// One line of the file `TRY`: `works: curl …` or `denied: curl …`; `#` begins a comment.
///
/// # Errors
/// A text with file and line, for anything else and for unknown placeholders.
pub(crate) fn read(file: &Path, ground: &Ground<'_>) -> Result<Tries, String> {
    let mut tries = Tries::default();
    let bytes = match files::read_bounded(file, TRY_BYTES_MAX) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(tries),
        bytes => bytes.map_err(|error| format!("`{}`: {error}", file.display()))?,
    };
    let text = String::from_utf8(bytes).map_err(|_| format!("`{}` is not UTF-8", file.display()))?;
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
    {
        let at = |why: String| format!("{}:{}: {why}", file.display(), number + 1);
        let Some((key, command)) = line.split_once(':') else {
            return Err(at("expected `works: COMMAND` or `denied: COMMAND`".to_owned()));
        };
        let command = Some(fill(command.trim(), ground).map_err(at)?);
        match key.trim() {
            "works" => tries.works = command,
            "denied" => tries.denied = command,
            other => return Err(at(format!("`{other}` is neither `works` nor `denied`"))),
        }
    }
    Ok(tries)
}

/// `${gateway}` (URL), `${ca}` (file), `${mesh.NAME}` (address of a sidecar), `${out.CALLER.CALLEE}` (URL of a listener).
fn fill(command: &str, ground: &Ground<'_>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = command;
    while let Some(at) = rest.find("${") {
        out.push_str(&rest[..at]);
        let len = rest[at..].find('}').ok_or_else(|| "a `${` has no `}`".to_owned())?;
        let name = &rest[at + 2..at + len];
        out.push_str(&value(name, ground).ok_or_else(|| {
            format!(
                "`${{{name}}}` stands for nothing; known are `gateway`, `ca`, `mesh.SERVICE` and `out.CALLER.CALLEE`"
            )
        })?);
        rest = &rest[at + len + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

fn value(name: &str, ground: &Ground<'_>) -> Option<String> {
    let parts: Vec<_> = name.split('.').collect();
    let service = |text: &str| ServiceName::parse(text).ok();
    match parts.as_slice() {
        ["gateway"] => ground.gateway.map(|addr| format!("https://{addr}")),
        ["ca"] => Some(quoted(&ground.ca.to_string_lossy())),
        ["mesh", name] => ground.plan.mesh.get(&service(name)?.into()).map(ToString::to_string),
        ["out", caller, callee] => {
            let addr = ground.plan.outbound.get(&service(caller)?.into())?.get(&service(callee)?)?;
            Some(format!("http://{addr}"))
        }
        _ => None,
    }
}

/// Fills in what `given` leaves open.
pub(crate) fn complete(given: Tries, ground: &Ground<'_>) -> Tries {
    let mut tries = given;
    if tries.works.is_none() {
        tries.works = works(ground);
    }
    if ground.decide.is_none() {
        // Whatever the author says: where nothing is decided, nothing is denied.
        (tries.denied, tries.reason) = (None, None);
    } else if tries.denied.is_none() {
        (tries.denied, tries.reason) = denied(ground).map_or((None, None), |(command, reason)| (Some(command), reason));
    }
    // Any sidecar does; the first whose service speaks HTTP makes the clearest command.
    let speaks_http =
        |member: &&Member| ground.fleet.services.get(member.service()).is_some_and(|s| s.protocol != Protocol::Tcp);
    let mesh = &ground.plan.mesh;
    let victim = mesh.keys().find(speaks_http).or_else(|| mesh.keys().next());
    tries.stranger = victim.map(|name| format!("curl -k https://{}/", mesh[name]));
    tries
}

/// A call from outside or, where there is no gateway, from one service to another.
struct Candidate {
    from: ServiceName,
    to: ServiceName,
    path: String,
    base: String,
}

fn candidates(ground: &Ground<'_>) -> Vec<Candidate> {
    let mut all = Vec::new();
    if let (Some(gateway), Some(addr)) = (&ground.fleet.gateway, ground.gateway) {
        let base = format!("curl --cacert {}", quoted(&ground.ca.to_string_lossy()));
        for route in gateway.routes.iter().filter(|route| route.takes_plain_get()) {
            let named = ground.fleet.services.get(&route.to).map(|s| s.routes.as_slice()).unwrap_or_default();
            // A named part of the service that the route lets through is a better example than the route's bare prefix.
            let paths = named.iter().map(|r| example(&r.path)).filter(|p| route.path.matches(p));
            for path in paths.chain([example(&route.path)]) {
                all.push(Candidate {
                    from: ServiceName::gateway(),
                    to: route.to.clone(),
                    path,
                    base: format!("{base} https://{addr}"),
                });
            }
        }
    }
    for (from, edges) in &ground.plan.outbound {
        // Its listeners are in the program's network namespace.
        let isolated = ground.plan.isolation.get(from.service()) == Some(&Isolation::Own);
        let inside = if isolated { format!("bartizan inside {from} -- ") } else { String::new() };
        for (to, addr) in edges {
            let Some(callee) = ground.fleet.services.get(to).filter(|s| s.protocol != Protocol::Tcp) else { continue };
            let paths = callee.routes.iter().map(|r| example(&r.path)).chain(["/".to_owned()]);
            all.extend(paths.map(|path| Candidate {
                from: from.service().clone(),
                to: to.clone(),
                path,
                base: format!("{inside}curl http://{addr}"),
            }));
        }
    }
    all
}

fn ask(ground: &Ground<'_>, candidate: &Candidate, method: &str) -> Option<Decision> {
    let decide = ground.decide?;
    let routes = ground.fleet.services.get(&candidate.to).map(|s| s.routes.as_slice()).unwrap_or_default();
    let fits = |r: &&NamedRoute| r.method.as_deref().is_none_or(|m| m == method) && r.path.matches(&candidate.path);
    let route = routes.iter().find(fits).map(|r| r.name.as_str());
    Some(decide(&Question { from: &candidate.from, to: &candidate.to, route, method, path: &candidate.path }))
}

fn works(ground: &Ground<'_>) -> Option<String> {
    let allowed = |candidate: &Candidate| ask(ground, candidate, "GET").is_none_or(|decision| decision.is_allow());
    candidates(ground).into_iter().find(allowed).map(|c| format!("{}{}", c.base, c.path))
}

fn denied(ground: &Ground<'_>) -> Option<(String, Option<String>)> {
    let all = candidates(ground);
    for method in ["GET", "POST", "DELETE"] {
        for candidate in &all {
            let Some(decision) = ask(ground, candidate, method).filter(|decision| !decision.is_allow()) else {
                continue;
            };
            let method = if method == "GET" { String::new() } else { format!(" -X {method}") };
            let command = candidate.base.replacen("curl", &format!("curl{method}"), 1);
            return Some((format!("{command}{}", candidate.path), decision.reason.map(|reason| reason.to_string())));
        }
    }
    None
}

/// A path that fits a pattern: `1` for `*`, nothing for `**`.
fn example(pattern: &PathPattern) -> String {
    let text = String::from(pattern.clone());
    let text = text.strip_suffix("/**").unwrap_or(&text);
    let path = text.split('/').map(|s| if s == "*" { "1" } else { s }).collect::<Vec<_>>().join("/");
    if path.is_empty() { "/".to_owned() } else { path }
}

/// For a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// A path as short as it can be written from `here`.
pub(crate) fn short(path: &Path, here: &Path) -> PathBuf {
    path.strip_prefix(here).map_or_else(|_| path.to_owned(), Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::fleet::{Call, Gateway, GatewayRoute, Program, Service};
    use bartizan_core::snapshot::{Epoch, Mode};
    use bartizan_core::{Denial, TrustDomain, Verdict};
    use std::collections::BTreeMap;

    fn name(text: &str) -> ServiceName {
        ServiceName::parse(text).unwrap()
    }

    fn loopback(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn fleet() -> Fleet {
        let service = |protocol, calls: &[&str], routes| Service {
            program: Program::Already,
            mesh: None,
            isolate: Default::default(),
            capture: Default::default(),
            guarded: true,
            listen: loopback(1),
            protocol,
            owner: None,
            data: Vec::new(),
            software: Default::default(),
            calls: calls
                .iter()
                .map(|to| Call { to: name(to), via: None, edge: Default::default(), narrow: None })
                .collect(),
            routes,
            ext_authz: None,
            egress: None,
            instances: Default::default(),
            versions: Default::default(),
            mtls: Default::default(),
            limits: Vec::new(),
            slow_down: None,
            api: None,
        };
        let balance = NamedRoute {
            name: name("balance"),
            method: None,
            path: PathPattern::parse("/accounts/*/balance").unwrap(),
        };
        Fleet {
            name: name("bank"),
            trust_domain: TrustDomain::parse("bank.test").unwrap(),
            services: BTreeMap::from([
                (name("accounts"), service(Protocol::Http, &["db"], vec![balance])),
                (name("db"), service(Protocol::Tcp, &[], Vec::new())),
            ]),
            gateway: Some(Gateway::new(
                loopback(8443),
                vec![GatewayRoute::new(PathPattern::parse("/accounts/**").unwrap(), name("accounts"))],
            )),
            users: None,
            authorization: None,
            policies: None,
            trust: Default::default(),
            tls: Default::default(),
            tuning: Default::default(),
            drain_ms: None,
            guard_p99_us: None,
            events: Default::default(),
            ledger: None,
            objectives: None,
            alerts: Default::default(),
            intake: None,
            outputs: Default::default(),
            counts: None,
            console: Default::default(),
            control: Default::default(),
            profile: Default::default(),
            synthetic: Default::default(),
            workloads: Default::default(),
            others: Default::default(),
            federation: Default::default(),
            warnings: Vec::new(),
        }
    }

    fn plan() -> Plan {
        Plan {
            mode: Mode::Full,
            control: loopback(9000),
            console: None,
            mesh: BTreeMap::from([(name("accounts").into(), loopback(9001)), (name("db").into(), loopback(9002))]),
            outbound: BTreeMap::from([(name("accounts").into(), BTreeMap::from([(name("db"), loopback(9003))]))]),
            programs: BTreeMap::new(),
            isolation: BTreeMap::new(),
            added: None,
            names: None,
            captured: BTreeMap::new(),
            egress: BTreeMap::new(),
        }
    }

    fn nothing_but_reads(question: &Question<'_>) -> Decision {
        let verdict = if question.action() == Action::Read { Verdict::Allow } else { Verdict::Deny };
        Decision {
            verdict,
            policies: Vec::new(),
            reason: Some("read only".into()),
            public: true,
            denial: Denial::Unexpected,
            epoch: Epoch(1),
        }
    }

    #[test]
    fn derives_commands_from_routes_and_policies() {
        let (fleet, plan) = (fleet(), plan());
        let mut ground = Ground {
            fleet: &fleet,
            plan: &plan,
            gateway: Some(loopback(8443)),
            ca: Path::new("d/roots.pem"),
            decide: Some(&nothing_but_reads),
        };
        let tries = complete(Tries::default(), &ground);
        assert_eq!(tries.works.as_deref(), Some("curl --cacert d/roots.pem https://127.0.0.1:8443/accounts/1/balance"));
        assert_eq!(
            tries.denied.as_deref(),
            Some("curl -X POST --cacert d/roots.pem https://127.0.0.1:8443/accounts/1/balance")
        );
        assert_eq!(tries.reason.as_deref(), Some("read only"));
        assert_eq!(tries.stranger.as_deref(), Some("curl -k https://127.0.0.1:9001/"));

        ground.decide = None;
        assert_eq!(complete(Tries::default(), &ground).denied, None, "nothing is denied where nothing is decided");
    }

    #[test]
    fn the_authors_own_commands_come_first() {
        let (fleet, plan) = (fleet(), plan());
        let ground = Ground {
            fleet: &fleet,
            plan: &plan,
            gateway: Some(loopback(8443)),
            ca: Path::new("a b/roots.pem"),
            decide: Some(&nothing_but_reads),
        };
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("TRY");
        assert_eq!(read(&file, &ground), Ok(Tries::default()), "it need not be there");
        std::fs::write(
            &file,
            "# two\nworks: curl --cacert ${ca} ${gateway}/x\n\ndenied: curl ${out.accounts.db} ${mesh.db}\n",
        )
        .unwrap();
        let tries = complete(read(&file, &ground).unwrap(), &ground);
        assert_eq!(tries.works.as_deref(), Some("curl --cacert 'a b/roots.pem' https://127.0.0.1:8443/x"));
        assert_eq!(tries.denied.as_deref(), Some("curl http://127.0.0.1:9003 127.0.0.1:9002"));
        for (text, part) in [
            ("works curl", ":1: expected"),
            ("\nmaybe: x", ":2: `maybe` is neither"),
            ("works: ${gatway}", "`${gatway}` stands for nothing"),
            ("works: ${mesh.nobody}", "stands for nothing"),
            ("works: ${ca", "has no `}`"),
        ] {
            std::fs::write(&file, text).unwrap();
            let error = read(&file, &ground).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn without_policies_the_authors_denied_call_is_not_shown() {
        let (fleet, plan) = (fleet(), plan());
        let ground = Ground { fleet: &fleet, plan: &plan, gateway: None, ca: Path::new("r"), decide: None };
        let given = Tries { denied: Some("curl".to_owned()), ..Tries::default() };
        assert_eq!(complete(given, &ground).denied, None);
    }

    #[test]
    fn examples_fit_their_patterns() {
        for pattern in ["/", "/**", "/a/**", "/a/*", "/a/*/b", "/a/*/b/**"] {
            let pattern = PathPattern::parse(pattern).unwrap();
            assert!(pattern.matches(&example(&pattern)), "{pattern:?}");
        }
    }
}
