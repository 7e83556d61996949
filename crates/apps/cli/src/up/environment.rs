//! What a program gets to know: its arguments filled in, its environment, its working folder.

use super::placeholders::{FillError, Place, Scope, fill};
use bartizan_core::fleet::{Fleet, Program, Service};
use bartizan_core::plan::{EgressPlace, Plan};
use bartizan_core::snapshot::Mode;
use bartizan_core::{Member, ServiceName};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Where programs find their callees and themselves: not outside.
const NOT_OUT: &str = "127.0.0.1,localhost,::1,[::1]";

/// A program, ready to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    /// Executable, absolute.
    pub(crate) executable: PathBuf,
    /// Arguments after it.
    pub(crate) args: Vec<String>,
    /// What is added to the environment that `up` has itself.
    pub(crate) env: BTreeMap<String, String>,
    /// Names of the variables among these that say where callees are, and of nothing that the fleet file says.
    pub(crate) of_callees: BTreeSet<String>,
    /// Working folder.
    pub(crate) dir: PathBuf,
}

impl Ready {
    /// Whether a program that was started with this would have to be started anew to be as `wanted`. Where a callee is, it need not be
    /// told where it finds it by name, and that one is gone it need not be told at all.
    pub(crate) fn lacks(&self, wanted: &Self, by_name: bool) -> bool {
        let rest = |it: &Self| -> BTreeMap<String, String> {
            it.env.clone().into_iter().filter(|(name, _)| !it.of_callees.contains(name)).collect()
        };
        let told = |name: &String| self.env.get(name) == wanted.env.get(name);
        let same = (&self.executable, &self.args, &self.dir) == (&wanted.executable, &wanted.args, &wanted.dir);
        !same || rest(self) != rest(wanted) || !(by_name || wanted.of_callees.iter().all(told))
    }
}

/// Why a program cannot be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadyError {
    /// A placeholder stands for nothing.
    #[error("services.{service}.{key}: {source}")]
    Placeholder {
        /// Whose.
        service: ServiceName,
        /// Where in the fleet file.
        key: String,
        /// Which.
        source: FillError,
    },
    /// There is no such executable.
    #[error("services.{service}.run[0] = `{program}`: {why}")]
    NoProgram {
        /// Whose.
        service: ServiceName,
        /// As the fleet file has it.
        program: String,
        /// Where it was looked for, and what to do.
        why: String,
    },
    /// There is no such folder.
    #[error("services.{service}.dir = `{dir}`: no such folder; it is looked for beside the fleet file")]
    NoFolder {
        /// Whose.
        service: ServiceName,
        /// The folder.
        dir: String,
    },
}

/// Where things are looked for.
#[derive(Clone, Debug)]
pub(crate) struct Around<'a> {
    /// Folder of the fleet file, absolute.
    pub(crate) fleet_dir: &'a Path,
    /// Folders searched for a program named without `/`, in order.
    pub(crate) search: &'a [PathBuf],
    /// The service's own folder.
    pub(crate) data: &'a Path,
}

/// Where the callees of `caller` are to be found: at its own sidecar; without one at the callees themselves, or at their guards,
/// which take it in plain then; and at the programs themselves where `plan` is `None`.
pub(crate) fn callees(
    fleet: &Fleet,
    caller: &Service,
    member: &Member,
    plan: Option<&Plan>,
) -> BTreeMap<ServiceName, Place> {
    let place = |to: &ServiceName| {
        let addr = match plan.filter(|plan| plan.mode != Mode::Off) {
            Some(plan) if caller.guarded => *plan.outbound.get(member)?.get(to)?,
            Some(plan) => in_plain(fleet, plan, to)?,
            // Without guards nobody speaks mutual TLS for the program: who expects that cannot be reached.
            None => {
                fleet.services.get(to).map(|callee| callee.listen).or_else(|| Some(fleet.others.get(to)?.at?.mesh))?
            }
        };
        Some((to.clone(), Place { addr, protocol: fleet.protocol_of(to)? }))
    };
    caller.calls.iter().filter_map(|call| place(&call.to)).collect()
}

/// Where a program without a guard finds a callee.
fn in_plain(fleet: &Fleet, plan: &Plan, callee: &ServiceName) -> Option<SocketAddr> {
    let first = Member::from(callee.clone());
    match fleet.has_guard(callee) {
        true => Some(super::wait::loopback_of(*plan.mesh.get(&first)?)),
        false => plan.program(fleet, &first),
    }
}

/// Makes a program ready to be started; `None` where it runs already.
///
/// # Errors
/// [`ReadyError`] naming service and key.
pub(crate) fn ready(
    fleet: &Fleet,
    member: &Member,
    plan: Option<&Plan>,
    around: &Around<'_>,
) -> Result<Option<Ready>, ReadyError> {
    let name = member.service();
    let service = &fleet.services[name];
    let listen = plan.and_then(|plan| plan.program(fleet, member)).unwrap_or(service.listen);
    let Program::Run { argv, env, dir } = &service.program else { return Ok(None) };
    let callees = callees(fleet, service, member, plan);
    let data = around.data.to_string_lossy();
    let scope = Scope { callees: &callees, listen, data: &data };
    let filled = |key: String, text: &str| {
        fill(text, &scope).map_err(|source| ReadyError::Placeholder { service: name.clone(), key, source })
    };

    let mut args =
        argv.iter().enumerate().map(|(i, text)| filled(format!("run[{i}]"), text)).collect::<Result<Vec<_>, _>>()?;
    if args.is_empty() {
        return Err(ReadyError::NoProgram {
            service: name.clone(),
            program: String::new(),
            why: "name a program".to_owned(),
        });
    }
    let program = args.remove(0);
    let executable = find_executable(&program, around).map_err(|why| ReadyError::NoProgram {
        service: name.clone(),
        program: program.clone(),
        why,
    })?;

    let mut all = environment_of_callees(&callees);
    all.extend(not_out(member, plan, &callees, fleet.trust_domain.as_str()));
    let of_callees = all.keys().filter(|name| !env.contains_key(*name)).cloned().collect();
    all.extend(given_environment(name, listen));
    all.extend(way_out(member, plan));
    for (key, text) in env {
        // What the fleet file says wins over what we offer.
        all.insert(key.clone(), filled(format!("env.{key}"), text)?);
    }

    let folder = dir.as_deref().map_or_else(|| around.fleet_dir.to_owned(), |dir| around.fleet_dir.join(dir));
    if !folder.is_dir() {
        return Err(ReadyError::NoFolder { service: name.clone(), dir: folder.display().to_string() });
    }
    Ok(Some(Ready { executable, args, env: all, of_callees, dir: folder }))
}

/// Variables that every program gets.
fn given_environment(name: &ServiceName, listen: SocketAddr) -> [(String, String); 2] {
    [("BARTIZAN_SERVICE".to_owned(), name.to_string()), ("BARTIZAN_LISTEN".to_owned(), listen.to_string())]
}

/// Where callees are, so that most programs need no placeholder at all.
fn environment_of_callees(callees: &BTreeMap<ServiceName, Place>) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    for (callee, place) in callees {
        let prefix = callee.as_str().to_uppercase().replace('-', "_");
        env.insert(format!("{prefix}_URL"), place.url());
        env.insert(format!("{prefix}_ADDR"), place.addr.to_string());
        env.insert(format!("{prefix}_HOST"), place.addr.ip().to_string());
        env.insert(format!("{prefix}_PORT"), place.addr.port().to_string());
    }
    env
}

fn egress_place(member: &Member, plan: Option<&Plan>) -> Option<EgressPlace> {
    plan.filter(|plan| plan.mode != Mode::Off)?.egress.get(member).copied()
}

/// How a program finds the way out of the fleet: by the variables that HTTP clients of most languages follow. Both spellings,
/// since some read only one.
fn way_out(member: &Member, plan: Option<&Plan>) -> BTreeMap<String, String> {
    let Some(place) = egress_place(member, plan) else { return BTreeMap::new() };
    let proxy = format!("http://{}", place.proxy);
    let mut env: BTreeMap<_, _> =
        ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].iter().flat_map(|name| both(name, &proxy)).collect();
    env.insert("BARTIZAN_EGRESS_DNS".to_owned(), place.dns.to_string());
    env
}

/// What goes past the way out: loopback and the names of callees.
fn not_out(
    member: &Member,
    plan: Option<&Plan>,
    callees: &BTreeMap<ServiceName, Place>,
    domain: &str,
) -> BTreeMap<String, String> {
    if egress_place(member, plan).is_none() {
        return BTreeMap::new();
    }
    let names = plan.filter(|plan| plan.captured.contains_key(member)).map(|_| callees.keys()).into_iter().flatten();
    let more: String = names.map(|name| format!(",{name},{name}.{domain}")).collect();
    both("NO_PROXY", &format!("{NOT_OUT}{more}")).into()
}

fn both(name: &str, value: &str) -> [(String, String); 2] {
    [(name.to_owned(), value.to_owned()), (name.to_lowercase(), value.to_owned())]
}

fn find_executable(program: &str, around: &Around<'_>) -> Result<PathBuf, String> {
    if program.contains('/') {
        let path = around.fleet_dir.join(program);
        return match is_executable(&path) {
            true => Ok(path),
            false if path.is_file() => Err(format!("`{}` is not executable; `chmod +x` it", path.display())),
            false => Err(format!("there is no `{}`; a path with `/` is relative to the fleet file", path.display())),
        };
    }
    let found = around.search.iter().map(|folder| folder.join(program)).find(|path| is_executable(path));
    found.ok_or_else(|| "no such program in PATH or beside `bartizan`; install it, or write its path".to_owned())
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::TrustDomain;
    use bartizan_core::fleet::{Call, Protocol};
    use std::os::unix::fs::PermissionsExt;

    fn name(text: &str) -> ServiceName {
        ServiceName::parse(text).unwrap()
    }

    fn loopback(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn service(program: Program, port: u16, calls: &[&str]) -> Service {
        Service {
            program,
            mesh: None,
            isolate: Default::default(),
            capture: Default::default(),
            guarded: true,
            listen: loopback(port),
            protocol: Protocol::Http,
            owner: None,
            data: Vec::new(),
            software: Default::default(),
            calls: calls
                .iter()
                .map(|to| Call { to: name(to), via: None, edge: Default::default(), narrow: None })
                .collect(),
            routes: Vec::new(),
            ext_authz: None,
            egress: None,
            instances: Default::default(),
            versions: Default::default(),
            mtls: Default::default(),
            limits: Vec::new(),
            slow_down: None,
            api: None,
        }
    }

    fn fleet(argv: &[&str], env: &[(&str, &str)], dir: Option<&str>) -> Fleet {
        let run = Program::Run {
            argv: argv.iter().map(ToString::to_string).collect(),
            env: env.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
            dir: dir.map(str::to_owned),
        };
        Fleet {
            name: name("shop"),
            trust_domain: TrustDomain::parse("shop.test").unwrap(),
            services: BTreeMap::from([
                (name("web"), service(run, 7001, &["price-list"])),
                (name("price-list"), service(Program::Already, 7002, &[])),
            ]),
            gateway: None,
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
            mesh: BTreeMap::from([(name("web").into(), loopback(9001)), (name("price-list").into(), loopback(9002))]),
            outbound: BTreeMap::from([(name("web").into(), BTreeMap::from([(name("price-list"), loopback(9003))]))]),
            programs: BTreeMap::new(),
            isolation: BTreeMap::new(),
            added: None,
            names: None,
            captured: BTreeMap::new(),
            egress: BTreeMap::new(),
        }
    }

    fn with_folder<T>(test: impl FnOnce(&Around<'_>) -> T) -> T {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(temp.path().join("bin")).unwrap();
        std::fs::write(temp.path().join("bin/web"), "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(temp.path().join("bin/web"), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(temp.path().join("notes.txt"), "").unwrap();
        let search = [temp.path().join("absent"), temp.path().join("bin")];
        test(&Around { fleet_dir: temp.path(), search: &search, data: Path::new("/data/web") })
    }

    #[test]
    fn a_program_calls_its_sidecar_or_in_mode_off_the_callee_itself() {
        let fleet =
            fleet(&["web", "--db", "${price-list.addr}"], &[("STORE", "${data}/x"), ("PRICE_LIST_PORT", "1")], None);
        with_folder(|around| {
            let full = ready(&fleet, &name("web").into(), Some(&plan()), around).unwrap().unwrap();
            assert_eq!(full.executable, around.search[1].join("web"));
            assert_eq!(full.args, ["--db", "127.0.0.1:9003"]);
            assert_eq!(full.dir, around.fleet_dir);
            let expected = [
                ("BARTIZAN_LISTEN", "127.0.0.1:7001"),
                ("BARTIZAN_SERVICE", "web"),
                ("PRICE_LIST_ADDR", "127.0.0.1:9003"),
                ("PRICE_LIST_HOST", "127.0.0.1"),
                ("PRICE_LIST_PORT", "1"), // the fleet file wins
                ("PRICE_LIST_URL", "http://127.0.0.1:9003"),
                ("STORE", "/data/web/x"),
            ];
            assert_eq!(full.env, expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into());

            let off = ready(&fleet, &name("web").into(), None, around).unwrap().unwrap();
            assert_eq!(off.args, ["--db", "127.0.0.1:7002"]);
            assert_eq!(ready(&fleet, &name("price-list").into(), None, around).unwrap(), None, "it runs already");
        });
    }

    #[test]
    fn what_cannot_start_is_named_with_service_and_key() {
        for (argv, env, dir, message) in [
            (&["nope"][..], &[][..], None, "services.web.run[0] = `nope`: no such program in PATH"),
            (&["./nope"], &[], None, "a path with `/` is relative to the fleet file"),
            (&["./notes.txt"], &[], None, "is not executable"),
            (
                &["web", "${users.url}"],
                &[],
                None,
                "services.web.run[1]: `users` is not among the service's declared calls",
            ),
            (&["web"], &[("A", "${x}")], None, "services.web.env.A: `${x}` stands for nothing"),
            (&["web"], &[], Some("absent"), "services.web.dir"),
            (&[], &[], None, "name a program"),
        ] {
            let fleet = fleet(argv, env, dir);
            let error = with_folder(|around| {
                ready(&fleet, &name("web").into(), Some(&plan()), around).unwrap_err().to_string()
            });
            assert!(error.contains(message), "{error}");
        }
        let here = fleet(&["bin/web"], &[], Some("bin"));
        with_folder(|around| {
            let found = ready(&here, &name("web").into(), None, around).unwrap().unwrap();
            assert_eq!((found.executable, found.dir), (around.fleet_dir.join("bin/web"), around.fleet_dir.join("bin")));
        });
    }
}
