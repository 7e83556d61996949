//! Everything before the first process: the fleet is checked, its folder taken, its ports chosen, its programs found.

use super::capture;
use super::environment::{self, Around, Ready};
use super::launcher::Launcher;
use super::plan::{Given, plan, ports_named, ports_needed};
use super::screen::Screen;
use super::spaces::{self, Can, Rules, Spaces};
use crate::args::{ModeArg, UpArgs};
use crate::check::{Checked, check};
use crate::data_dir::{DataDir, Lock, folder_of, make_private};
use crate::failure::{Failure, chain};
use bartizan_core::capture::Means;
use bartizan_core::fleet::{Capture, Fleet, Isolate, Service};
use bartizan_core::plan::Plan;
use bartizan_core::snapshot::Mode;
use bartizan_core::{Member, ServiceName};
use bartizan_quorum::GroupKey;
use bartizan_runtime::limits::SOCKET_PATH_BYTES_MAX;
use bartizan_runtime::ports::Claimed;
use bartizan_runtime::{files, listen, ports};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A fleet that can be started.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// How its parts are started.
    pub(crate) launcher: Launcher,
    /// Its policy files.
    pub(crate) policy_files: BTreeMap<String, String>,
    /// What tells the fleet file that was read from another state of it.
    pub(crate) stamp: String,
    /// Which parts are on.
    pub(crate) mode: Mode,
    /// What this `up` has to itself while it lives.
    pub(crate) held: Held,
}

/// Let go when dropped.
#[derive(Debug)]
pub(crate) struct Held {
    /// The data folder.
    pub(crate) _data: Lock,
    /// The ports that were chosen.
    pub(crate) _ports: Option<Claimed>,
}

/// Prepares what `args` ask for, telling each step. Must be called within a tokio runtime.
///
/// # Errors
/// A [`Failure`] that says what is in the way; nothing runs then.
pub(crate) fn prepare(args: &UpArgs, screen: &Screen) -> Result<Prepared, Failure> {
    let step = screen.step("check");
    let stamp = files::stamp(&args.fleet).unwrap_or_default();
    let checked = check(&args.fleet).map_err(|findings| {
        let lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
        Failure::new(format!("{}\nnothing was started; mend the fleet and try again", lines.join("\n")))
    })?;
    let mode = match args.mode {
        ModeArg::Off => Mode::Off,
        ModeArg::Mtls => Mode::Mtls,
        ModeArg::Full => Mode::Full,
    };
    step.done(&checked.summary());
    for warning in &checked.warnings {
        screen.line(&format!("warning: {warning}"));
    }

    let step = screen.step("plan");
    let prepared = plan_all(args, checked, stamp, mode, screen)?;
    step.done(&format!("data in {}", prepared.launcher.data.path().display()));
    Ok(prepared)
}

fn plan_all(args: &UpArgs, checked: Checked, stamp: String, mode: Mode, screen: &Screen) -> Result<Prepared, Failure> {
    let Checked { fleet, files: policy_files, policies: _, warnings: _ } = checked;
    let fleet_file = std::fs::canonicalize(&args.fleet)
        .map_err(|error| Failure::new(format!("cannot use `{}`: {error}", args.fleet.display())))?;
    let bartizan = std::env::current_exe().map_err(|error| Failure::new(format!("cannot find myself: {error}")))?;
    let proxy = folder_of(&bartizan).join("bartizan-proxy");
    if mode != Mode::Off && !proxy.is_file() {
        let message = format!(
            "there is no `{}`; build it with `cargo build -p bartizan-proxy`, or install it beside `bartizan`",
            proxy.display()
        );
        return Err(Failure::new(message));
    }

    let path = args.data.clone().unwrap_or_else(|| DataDir::beside(&fleet_file, fleet.name.as_str()));
    let data = DataDir::create(&path)?;
    sockets_fit(&fleet, &data)?;
    let lock = data.lock()?;
    let spaces = Arc::new(spaces(&fleet, mode, &bartizan, screen)?);
    ports_are_free(&fleet, &spaces, mode)?;
    let (plan, ports) = if mode == Mode::Off { None } else { Some(choose(&fleet, &spaces, mode, &data)?) }.unzip();
    if mode == Mode::Off {
        warn_of_fixed_places(&fleet, screen);
    }
    let programs = programs(&fleet, plan.as_ref(), &fleet_file, &bartizan, &data)?;
    prepare_group(&fleet, &data)?;
    let fleet = Arc::new(fleet);
    let drain_ms = Arc::new(fleet.drain().into());
    let launcher = Launcher { bartizan, proxy, fleet_file, fleet, plan, data, programs, spaces, drain_ms };
    Ok(Prepared { launcher, policy_files, stamp, mode, held: Held { _data: lock, _ports: ports } })
}

/// The kernel takes short socket paths only; better said now than by a control that dies.
fn sockets_fit(fleet: &Fleet, data: &DataDir) -> Result<(), Failure> {
    let members = fleet.control.keys().map(|number| data.member(*number).control_socket());
    let own = [data.control_socket(), data.node_socket(), data.workload_socket(), data.up_socket()];
    for socket in own.into_iter().chain(members) {
        let bytes = socket.as_os_str().len();
        if bytes > SOCKET_PATH_BYTES_MAX {
            return Err(Failure::new(format!(
                "socket path `{}` has {bytes} bytes, the kernel takes {SOCKET_PATH_BYTES_MAX}; choose a shorter folder with --data",
                socket.display()
            )));
        }
    }
    Ok(())
}

/// Folders and key of several controls.
fn prepare_group(fleet: &Fleet, data: &DataDir) -> Result<(), Failure> {
    if fleet.control.is_empty() {
        return Ok(());
    }
    if data.path().join("bartizan.db").exists() {
        return Err(Failure::new(format!(
            "`{}` holds the state of a single control, and the fleet file has `control.members`; name another folder with --data, \
             or delete `control` from the fleet file",
            data.path().display()
        )));
    }
    for member in fleet.control.keys().map(|number| data.member(*number)) {
        make_private(member.path())?;
    }
    if !data.group_key().exists() {
        GroupKey::make(&data.group_key()).map_err(|error| Failure::new(chain(&error)))?;
    }
    Ok(())
}

/// Which programs get a network namespace; says aloud which do not, and why.
fn spaces(fleet: &Fleet, mode: Mode, bartizan: &Path, screen: &Screen) -> Result<Spaces, Failure> {
    let wanted = fleet.services.values().any(|service| service.is_run() && service.isolate != Isolate::Never);
    let can = match mode {
        // Where nothing guards, nothing leads in or out.
        Mode::Off => Can::Not("mode `off` has no guards to lead in and out".to_owned()),
        Mode::Mtls | Mode::Full if !wanted => Can::Not("the fleet file asks for none".to_owned()),
        Mode::Mtls | Mode::Full => spaces::probe(bartizan),
    };
    let Can::Not(why) = &can else {
        let rules = by_name(fleet, &can, bartizan, screen)?;
        return Ok(Spaces::of(fleet, &can, rules));
    };
    refuse_uncaptured(fleet, mode, why, None)?;
    if let Some((name, _)) = fleet.services.iter().find(|(_, it)| it.isolate == Isolate::Required) {
        return Err(Failure::new(format!(
            "service `{name}` is to be isolated (`isolate: true`), which is not possible here: {why}; delete the line to go \
             on without, or run as root"
        )));
    }
    if wanted && mode != Mode::Off {
        screen.line(&format!(
            "WARNING: programs are NOT ISOLATED: whatever runs on this machine reaches them past their guards, and they reach \
             what the machine reaches ({why}); run as root, allow user namespaces, or say `isolate: false` where that is meant"
        ));
    }
    Ok(Spaces::of(fleet, &can, None))
}

/// Who makes the rules by which programs find their callees by name; says aloud where nobody can, or not as usual.
fn by_name(fleet: &Fleet, can: &Can, bartizan: &Path, screen: &Screen) -> Result<Option<Rules>, Failure> {
    let wanted = |service: &&Service| service.is_run() && service.capture != Capture::Never;
    let wanted: Vec<_> = fleet.services.values().filter(wanted).map(|service| service.capture).collect();
    let (Can::Isolate(way), false) = (can, wanted.is_empty()) else { return Ok(None) };
    let Some(nft) = capture::find_nft() else {
        let why = "there is no program `nft`; install nftables";
        refuse_uncaptured(fleet, Mode::Full, why, None)?;
        note_uncaptured(screen, why);
        return Ok(None);
    };
    let (mut usual, mut lacking) = (None, Vec::new());
    for means in Means::ALL {
        if usual.is_some() && !wanted.contains(&Capture::By(means)) {
            continue; // each try takes some milliseconds
        }
        match spaces::probe_rules(bartizan, *way, &nft, means) {
            Ok(()) => usual = usual.or(Some(means)),
            Err(why) => {
                refuse_uncaptured(fleet, Mode::Full, &why, Some(means))?;
                lacking.push(why);
            }
        }
    }
    let lacking = lacking.join("; ");
    let Some(usual) = usual else {
        refuse_uncaptured(fleet, Mode::Full, &lacking, None)?;
        note_uncaptured(screen, &lacking);
        return Ok(None);
    };
    let is_usual = |capture: &Capture| matches!(capture, Capture::WhereItCan | Capture::Required);
    if usual != Means::ALL[0] && wanted.iter().any(is_usual) {
        screen.line(&format!(
            "note: what programs open to names is brought to their guards by {} ({lacking})",
            usual.as_str()
        ));
    }
    Ok(Some(Rules { nft, usual }))
}

fn note_uncaptured(screen: &Screen, why: &str) {
    screen.line(&format!(
        "note: programs find their callees by variables alone, not by name ({why}); say `capture: false` where that is meant"
    ));
}

/// Where the file wants names or nothing, it is nothing: names as such, or those by `means` where that alone cannot be had.
fn refuse_uncaptured(fleet: &Fleet, mode: Mode, why: &str, means: Option<Means>) -> Result<(), Failure> {
    let required = |service: &Service| match means {
        None => service.capture.is_required(),
        Some(means) => service.capture == Capture::By(means),
    };
    let refused = fleet.services.iter().find(|(_, service)| service.is_run() && required(service));
    let Some((name, service)) = refused.filter(|_| mode != Mode::Off) else { return Ok(()) };
    let (said, way_out) = match service.capture {
        Capture::By(means) => (means.as_str(), "delete the line for whatever there is"),
        Capture::WhereItCan | Capture::Required | Capture::Never => {
            ("true", "delete the line to go on by variables alone")
        }
    };
    Err(Failure::new(format!(
        "service `{name}` is to find its callees by name (`capture: {said}`), which is not possible here: {why}; {way_out}"
    )))
}

/// Every address that the fleet file names and that we or its programs are going to open on the host, each once.
fn ports_are_free(fleet: &Fleet, spaces: &Spaces, mode: Mode) -> Result<(), Failure> {
    let mut opened: BTreeMap<SocketAddr, &ServiceName> = BTreeMap::new();
    let free = |what: String, addr: SocketAddr| match listen::bind(addr) {
        Ok(_closed_again) => Ok(()),
        Err(error) => Err(Failure::new(format!(
            "{what} cannot start: {}; stop what is in the way, or change the fleet file",
            chain(&error)
        ))),
    };
    for (name, service) in fleet.services.iter().filter(|(name, _)| !spaces.has_service(name)) {
        let via = service.calls.iter().filter_map(|call| call.via).filter(|_| mode != Mode::Off);
        for addr in via.chain([service.listen]) {
            if let Some(other) = opened.insert(addr, name) {
                return Err(Failure::new(format!(
                    "`{other}` and `{name}` both use {addr}, which takes a network namespace for each, and there is none here; \
                     give each a port of its own"
                )));
            }
        }
        if service.is_run() {
            free(format!("service `{name}`"), service.listen)?;
            // Further instances have chosen ports.
        }
        let way_out = service.egress.iter().flat_map(|it| [it.proxy, it.dns]).flatten();
        for via in service.calls.iter().filter_map(|call| call.via).chain(way_out).filter(|_| mode != Mode::Off) {
            free(format!("the sidecar of `{name}`"), via)?;
        }
    }
    for (number, place) in fleet.control.iter().filter(|_| mode != Mode::Off) {
        free(format!("control {number}"), place.listen)?;
        free(format!("control {number}"), place.group)?;
    }
    if let Some(listen) = fleet.console.listen.filter(|_| mode != Mode::Off && !fleet.console.off) {
        free("the console".to_owned(), listen)?;
    }
    match &fleet.gateway {
        Some(gateway) if mode != Mode::Off => free("the gateway".to_owned(), gateway.listen),
        _ => Ok(()),
    }
}

/// Chooses ports and writes the plan down for control.
fn choose(fleet: &Fleet, spaces: &Spaces, mode: Mode, data: &DataDir) -> Result<(Plan, Claimed), Failure> {
    let named = ports_named(fleet);
    let given = Given { isolation: spaces.isolation(), added: spaces.can.clone(), by_name: spaces.rules.is_some() };
    // A named port may be free still; with this many more there are enough others.
    let mut claimed = ports::claim_loopback_ports(ports_needed(fleet, &given) + named.len()).map_err(|error| {
        Failure::new(format!("cannot choose ports: {error}; end some of what listens on this machine"))
    })?;
    claimed.ports.retain(|port| !named.contains(port));
    let plan = plan(fleet, mode, &given, &claimed.ports)
        .ok_or_else(|| Failure::new("cannot choose ports: too few are free"))?;
    capture::write_hosts(fleet, &plan, data)?;
    let text =
        serde_json::to_vec_pretty(&plan).map_err(|error| Failure::new(format!("cannot write the plan: {error}")))?;
    let path = data.plan();
    files::write_atomic(&path, &text, 0o600)
        .map_err(|error| Failure::new(format!("cannot write `{}`: {error}", path.display())))?;
    Ok((plan, claimed))
}

/// In mode `off` nobody listens at a `via` address, and a program may know no other.
fn warn_of_fixed_places(fleet: &Fleet, screen: &Screen) {
    for (name, service) in &fleet.services {
        for call in service
            .calls
            .iter()
            .filter(|call| call.via.is_some_and(|via| fleet.services.get(&call.to).is_none_or(|s| s.listen != via)))
        {
            screen.line(&format!(
                "warning: `{name}` expects `{}` at its `via` address, where nothing listens in mode `off`; use a placeholder instead",
                call.to
            ));
        }
    }
}

pub(super) fn programs(
    fleet: &Fleet,
    plan: Option<&Plan>,
    fleet_file: &Path,
    bartizan: &Path,
    data: &DataDir,
) -> Result<BTreeMap<Member, Ready>, Failure> {
    let fleet_dir = folder_of(fleet_file);
    let mut search: Vec<PathBuf> = std::env::var_os("PATH").iter().flat_map(std::env::split_paths).collect();
    search.push(folder_of(bartizan));
    let mut programs = BTreeMap::new();
    // Without guards nobody would share the load: in mode `off` the first instance is all.
    let all = fleet.instances().filter(|member| plan.is_some() || member.number() == 1);
    for member in all {
        let folder = data.service(&member.to_string());
        let around = Around { fleet_dir: &fleet_dir, search: &search, data: &folder };
        let ready = environment::ready(fleet, &member, plan, &around)
            .map_err(|error| Failure::new(format!("{}: {error}", fleet_file.display())))?;
        if let Some(ready) = ready {
            make_private(&folder)?;
            programs.insert(member, ready);
        }
    }
    Ok(programs)
}
