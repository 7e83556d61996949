//! Chooses where everything listens that the fleet file leaves open.

use bartizan_core::ServiceName;
use bartizan_core::fleet::Fleet;
use bartizan_core::plan::{Isolation, Plan};
use bartizan_core::snapshot::Mode;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// How many ports [`plan`] needs.
pub(crate) fn ports_needed(fleet: &Fleet, given: &Given) -> usize {
    1 + usize::from(wants_console(fleet)) + empty(Mode::Full, SocketAddr::from(([127, 0, 0, 1], 0)), given).lacks(fleet)
}

/// What was found out about this machine before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    /// Which programs are kept apart.
    pub(crate) isolation: BTreeMap<ServiceName, Isolation>,
    /// What those that are added later can have.
    pub(crate) added: Option<Isolation>,
    /// Whether those can find their callees by name.
    pub(crate) by_name: bool,
}

/// Whether a place for the console is to be chosen.
fn wants_console(fleet: &Fleet) -> bool {
    !fleet.console.off && fleet.console.listen.is_none()
}

fn empty(mode: Mode, control: SocketAddr, given: &Given) -> Plan {
    let (mesh, outbound, programs) = Default::default();
    let (egress, captured) = Default::default();
    let (isolation, added) = (given.isolation.clone(), given.added.clone());
    let names = given.by_name.then(BTreeMap::new);
    Plan { mode, control, console: None, mesh, outbound, programs, egress, isolation, added, names, captured }
}

/// Ports that the fleet file names itself; a chosen one must not be among them, though they may be free still.
pub(crate) fn ports_named(fleet: &Fleet) -> BTreeSet<u16> {
    let services = fleet.services.values();
    let own = services.clone().flat_map(|s| std::iter::once(s.listen).chain(s.ext_authz)).map(|at| at.port());
    let more = services.clone().flat_map(|s| &s.instances.more).flat_map(|it| [it.listen, it.mesh]).flatten();
    let vias = services.flat_map(|s| s.calls.iter()).filter_map(|c| c.via).map(|via| via.port());
    let meshes =
        fleet.services.values().filter_map(|s| s.mesh).chain(fleet.others.values().filter_map(|it| Some(it.at?.mesh)));
    let meshes = meshes.chain(more).chain(fleet.federation.endpoint.iter().map(|it| it.listen));
    let meshes = meshes.chain(fleet.authorization.iter().map(|it| it.listen));
    let meshes = meshes.chain(fleet.console.listen).map(|at| at.port());
    let ways_out = fleet.services.values().filter_map(|service| service.egress.as_ref());
    let ways_out = ways_out.flat_map(|it| [it.proxy, it.dns]).flatten().map(|at| at.port());
    let controls = fleet.control.values().flat_map(|place| [place.listen.port(), place.group.port()]);
    own.chain(controls)
        .chain(vias)
        .chain(meshes)
        .chain(ways_out)
        .chain(fleet.gateway.iter().map(|g| g.listen.port()))
        .collect()
}

/// Where everything listens: control, a mesh port for each instance that names none, a listener for each edge, two for each
/// way out of the fleet, one for what is redirected.
///
/// `ports` are free ones, at least [`ports_needed`]; `None` where there are too few.
pub(crate) fn plan(fleet: &Fleet, mode: Mode, given: &Given, ports: &[u16]) -> Option<Plan> {
    let mut ports = ports.iter().map(|port| SocketAddr::from(([127, 0, 0, 1], *port)));
    let mut plan = empty(mode, ports.next()?, given);
    if wants_console(fleet) {
        plan.console = Some(ports.next()?);
    }
    plan.complete(fleet, || ports.next())?;
    Some(plan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::fleet::{self, Call, Gateway, Program, Protocol, Service, ServiceEgress};
    use bartizan_core::{Member, TrustDomain};

    fn name(text: &str) -> ServiceName {
        ServiceName::parse(text).unwrap()
    }

    fn loopback(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn fleet() -> Fleet {
        let service = |port, calls: &[(&str, Option<u16>)]| Service {
            program: Program::Already,
            mesh: None,
            isolate: Default::default(),
            capture: Default::default(),
            guarded: true,
            listen: loopback(port),
            protocol: Protocol::Auto,
            owner: None,
            data: Vec::new(),
            software: Default::default(),
            calls: calls
                .iter()
                .map(|(to, via)| Call { to: name(to), via: via.map(loopback), edge: Default::default(), narrow: None })
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
        };
        Fleet {
            name: name("shop"),
            trust_domain: TrustDomain::parse("shop.test").unwrap(),
            services: BTreeMap::from([
                (name("a"), service(1, &[("b", None), ("c", Some(9))])),
                (name("b"), service(2, &[("c", None)])),
                (name("c"), service(3, &[])),
            ]),
            gateway: Some(Gateway::new(loopback(8443), Vec::new())),
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

    #[test]
    fn gives_everybody_a_place_of_their_own_and_keeps_what_the_file_says() {
        let fleet = fleet();
        assert_eq!(
            ports_needed(&fleet, &Given::default()),
            7,
            "control, console, three services, two edges without `via`"
        );
        assert_eq!(ports_named(&fleet), BTreeSet::from([1, 2, 3, 9, 8443]));
        let plan = plan(&fleet, Mode::Full, &Given::default(), &[100, 101, 102, 103, 104, 105, 106]).unwrap();
        assert_eq!(plan.outbound[&name("a").into()][&name("c")], loopback(9));
        let mut all = vec![plan.control];
        all.extend(plan.console);
        all.extend(plan.mesh.values());
        all.extend(plan.outbound.values().flat_map(BTreeMap::values));
        let distinct: BTreeSet<_> = all.iter().collect();
        assert_eq!((all.len(), distinct.len()), (8, 8));
        assert_eq!(plan.mesh.len(), 3);
    }

    #[test]
    fn a_way_out_has_two_places_and_keeps_those_that_the_file_names() {
        let mut fleet = fleet();
        let way_out = ServiceEgress { proxy: Some(loopback(3128)), ..ServiceEgress::default() };
        fleet.services.get_mut(&name("c")).unwrap().egress = Some(way_out);
        fleet.services.get_mut(&name("b")).unwrap().egress = Some(ServiceEgress::default());
        assert_eq!(ports_needed(&fleet, &Given::default()), 7 + 3);
        assert!(ports_named(&fleet).contains(&3128));
        let ports: Vec<u16> = (100..110).collect();
        let plan = plan(&fleet, Mode::Full, &Given::default(), &ports).unwrap();
        assert_eq!(plan.egress.keys().map(ToString::to_string).collect::<Vec<_>>(), ["b", "c"]);
        let place = plan.egress[&name("c").into()];
        assert!(place.proxy == loopback(3128) && ports.contains(&place.dns.port()));
    }

    #[test]
    fn instances_have_places_of_their_own() {
        let mut fleet = fleet();
        let more = fleet::Instance { listen: Some(loopback(7)), ..fleet::Instance::default() };
        fleet.services.get_mut(&name("a")).unwrap().instances.more = vec![more, fleet::Instance::default()];
        let second = |n| Member::new(name("a"), n);
        assert_eq!(
            ports_needed(&fleet, &Given::default()),
            7 + 3 + 4,
            "mesh and both edges of two; one program is where the file says"
        );
        assert!(ports_named(&fleet).contains(&7));
        let mut plan = plan(&fleet, Mode::Full, &Given::default(), &(100..114).collect::<Vec<_>>()).unwrap();
        assert_eq!(plan.program(&fleet, &second(2)), Some(loopback(7)));
        assert!(plan.program(&fleet, &second(3)).is_some_and(|at| at.port() >= 100));
        assert_ne!(plan.outbound[&second(2)][&name("c")], loopback(9), "`via` is the first one's");
        let before = plan.clone();
        assert_eq!(plan.lacks(&fleet), 0);
        plan.complete(&fleet, || None).unwrap();
        assert_eq!(plan, before, "what has a place keeps it");
    }

    #[test]
    fn who_finds_callees_by_name_has_a_place_for_what_is_redirected() {
        let mut fleet = fleet();
        fleet.services.get_mut(&name("b")).unwrap().capture = fleet::Capture::Never;
        let isolation = ["a", "b"].map(|service| (name(service), Isolation::Own)).into();
        let given = Given { isolation, added: None, by_name: true };
        assert_eq!(ports_needed(&fleet, &given), 8, "`b` does not want it, `c` has no network of its own");
        let plan = plan(&fleet, Mode::Full, &given, &(100..108).collect::<Vec<_>>()).unwrap();
        assert_eq!(plan.captured.keys().map(ToString::to_string).collect::<Vec<_>>(), ["a"]);
        assert_eq!(plan.names.unwrap().len(), 3, "a name for everybody, so that who may not be called can be named");
        assert_eq!(ports_needed(&fleet, &Given { by_name: false, ..given }), 7);
    }

    #[test]
    fn too_few_ports_make_no_plan() {
        assert_eq!(plan(&fleet(), Mode::Full, &Given::default(), &[100, 101, 102, 103, 104, 105]), None);
    }
}
