//! A trust domain with its CA, and proxies in it whose picture is set by hand.

use bartizan_core::event::{Event, What};
use bartizan_core::fleet::{self, GatewayRoute, NamedRoute, Protocol};
use bartizan_core::path::PathPattern;
use bartizan_core::snapshot::{Directory, Epoch, GatewaySide, Inbound, Mode, Own, Peer, Policies, Trust};
use bartizan_core::{Role, ServiceName, SpiffeId, TrustDomain};
use bartizan_crypto::forge::Recipe;
use bartizan_crypto::key::KeyPair;
use bartizan_crypto::{csr, random};
use bartizan_identity::{IssuingCa, RootCa, Svid, TrustBundles, verify_peer};
use bartizan_policy::{Engine, from_fleet};
use bartizan_proxy::listeners::Listeners;
use bartizan_proxy::live::{EdgeIdentity, OwnIdentity, Proxy};
use bartizan_proxy::worker::{self, Handle};
use bartizan_runtime::{clock, ports, tls};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Who may call whom in these tests. `stranger` is a service of the fleet that may call nobody.
const FLEET: &str = r#"
fleet: test
trust_domain: bank.test
services:
  web: { at: 127.0.0.1:9001, protocol: http, calls: [api, api-v2, rpc, db, any] }
  api: { at: 127.0.0.1:9002, protocol: http }
  rpc: { at: 127.0.0.1:9003, protocol: grpc }
  db: { at: 127.0.0.1:9004, protocol: tcp }
  any: { at: 127.0.0.1:9005, protocol: auto }
  stranger: { at: 127.0.0.1:9006, protocol: http }
  api-v2: { at: 127.0.0.1:9008, protocol: http }
  open: { at: 127.0.0.1:9009, protocol: http, mtls: permissive }
  open-db: { at: 127.0.0.1:9010, protocol: tcp, mtls: permissive }
users:
  audience: https://api.test
  issuers: [{ issuer: "https://login.test", keys: login.jwks }]
gateway:
  listen: 127.0.0.1:9007
  routes:
    - { path: /api/**, to: api }
    - { path: /down/**, to: web }
"#;
/// How long anything is waited for.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct World {
    pub domain: TrustDomain,
    pub ca: IssuingCa,
    /// The CA's own key, for certificates that it would never issue.
    pub ca_key: KeyPair,
    pub bundles: Arc<TrustBundles>,
}

pub fn name(text: &str) -> ServiceName {
    ServiceName::parse(text).unwrap()
}

/// Ports that this process has to itself: other tests run at the same time.
static CLAIMED: Mutex<Vec<ports::Claimed>> = Mutex::new(Vec::new());

/// Whether this user may make networks; who may not looks at nothing, which continuous integration does not take for a pass.
pub fn may_make_networks() -> bool {
    let may = rustix::process::geteuid().is_root();
    assert!(
        may || std::env::var_os("CI").is_none(),
        "tests that make networks need root, and do not pass without it in CI"
    );
    if !may {
        eprintln!("not root: nothing is looked at");
    }
    may
}

pub fn free_addr() -> SocketAddr {
    let mut claimed = CLAIMED.lock().unwrap();
    if claimed.last().is_none_or(|block| block.ports.is_empty()) {
        claimed.push(ports::claim_loopback_ports(20).unwrap());
    }
    let port = claimed.last_mut().unwrap().ports.pop().unwrap();
    SocketAddr::from(([127, 0, 0, 1], port))
}

pub fn policies(extra: &str) -> Policies {
    let fleet = fleet::parse(FLEET, "fleet.yaml").unwrap();
    let files = if extra.is_empty() { BTreeMap::new() } else { BTreeMap::from([("extra.cedar".into(), extra.into())]) };
    from_fleet(&fleet, files)
}

impl World {
    pub fn new() -> Self {
        Self::of("bank.test")
    }

    pub fn of(domain: &str) -> Self {
        let (domain, now) = (TrustDomain::parse(domain).unwrap(), clock::now());
        let root = RootCa::create(&domain, KeyPair::generate().unwrap(), random::bytes(), now).unwrap();
        let key = KeyPair::generate().unwrap();
        let request = csr::check(&csr::make(&key).unwrap()).unwrap();
        let issuing = root.sign_issuing(&request, random::bytes(), now).unwrap();
        let ca_key = KeyPair::from_pkcs8(&key.pkcs8()).unwrap();
        let ca = IssuingCa::new(key, &issuing, &domain).unwrap();
        let bundles = Arc::new(TrustBundles::of(&domain, vec![root.certificate().to_vec()]).unwrap());
        Self { domain, ca, ca_key, bundles }
    }

    pub fn id(&self, service: &str) -> SpiffeId {
        SpiffeId::of(&self.domain, &Role::Service(name(service)))
    }

    pub fn svid(&self, id: &SpiffeId) -> (Svid, KeyPair) {
        let key = KeyPair::generate().unwrap();
        (self.ca.issue(key.public_spki(), id, random::bytes(), clock::now()).unwrap(), key)
    }

    /// What a client of this world shows that is `service`.
    pub fn shown(&self, service: &str) -> tls::Identity {
        let (svid, key) = self.svid(&self.id(service));
        tls::Identity::new(&svid.chain, &key).unwrap()
    }

    /// A leaf of our CA, right or wrong, with its key.
    pub fn forge(&self, recipe: &Recipe) -> (Vec<Vec<u8>>, KeyPair) {
        let forged = recipe.signed_with(self.ca.certificate(), &self.ca_key);
        (vec![forged.der, self.ca.certificate().to_vec()], forged.key)
    }

    /// A directory for `service` with nothing in it.
    pub fn directory(&self, service: &str) -> Directory {
        let own = Own {
            name: name(service),
            id: self.id(service),
            inbound: None,
            outbound: BTreeMap::new(),
            gateway: None,
            egress: None,
            captured: None,
            zone: None,
        };
        let (trust, peers) = (Trust::default(), BTreeMap::new());
        let (fleet, tls, tuning) = ("test".into(), Default::default(), Default::default());
        Directory { fleet, mode: Mode::Full, trust, tls, tuning, drain_ms: None, counts: None, own, peers }
    }

    /// A sidecar in front of `program`.
    pub async fn sidecar(&self, service: &str, program: SocketAddr, protocol: Protocol) -> Guard {
        self.sidecar_with(service, program, protocol, "").await
    }

    /// The same, under a policy file of the user's.
    pub async fn sidecar_with(&self, service: &str, program: SocketAddr, protocol: Protocol, extra: &str) -> Guard {
        let mut directory = self.directory(service);
        let orders = NamedRoute {
            name: name("orders"),
            method: Some("GET".into()),
            path: PathPattern::parse("/orders/*").unwrap(),
        };
        directory.own.inbound = Some(Inbound {
            mesh: free_addr(),
            program,
            protocol,
            routes: vec![orders],
            callers: Default::default(),
            ext_authz: None,
            mtls: Default::default(),
            limits: Vec::new(),
            slow_down: None,
            api: None,
        });
        Guard::start(self, directory, &policies(extra)).await
    }

    /// A sidecar that only calls, with one outbound listener for each callee.
    pub async fn caller(&self, service: &str, callees: &[(&Guard, Protocol)]) -> Guard {
        let mut directory = self.directory(service);
        for (callee, protocol) in callees {
            directory.own.outbound.insert(callee.proxy.name.clone(), free_addr());
            directory.peers.insert(callee.proxy.name.clone(), callee.as_peer(*protocol));
        }
        Guard::start(self, directory, &policies("")).await
    }

    /// A gateway that routes `/api/**` to `api`.
    pub async fn gateway(&self, api: &Guard, extra: &str) -> Guard {
        let mut directory = self.directory("gateway");
        let route = |path: &str, to: &str| GatewayRoute::new(PathPattern::parse(path).unwrap(), name(to));
        let routes = vec![route("/api/**", "api"), route("/down/**", "web")];
        directory.own.gateway = Some(GatewaySide::new(free_addr(), routes));
        directory.peers.insert(name("api"), api.as_peer(Protocol::Http));
        // Routed, but nobody listens there.
        directory.peers.insert(name("web"), Peer::alone(self.id("web"), free_addr(), Protocol::Http));
        Guard::start(self, directory, &policies(extra)).await
    }
}

/// A running proxy.
pub struct Guard {
    pub proxy: Arc<Proxy>,
    pub directory: Directory,
    pub listeners: Listeners,
    pub stop: CancellationToken,
    workers: Mutex<Vec<Handle>>,
    seen: Mutex<Vec<Event>>,
}

impl Guard {
    pub async fn start(world: &World, directory: Directory, policies: &Policies) -> Self {
        let proxy = Arc::new(Proxy::new(directory.own.name.clone(), world.domain.clone(), random::u64()));
        let (svid, key) = world.svid(&directory.own.id);
        let chain: Vec<&[u8]> = svid.chain.iter().map(Vec::as_slice).collect();
        let proof = verify_peer(&chain, &world.bundles, clock::now()).unwrap();
        let identity = OwnIdentity::new(&svid.chain, &key, svid.not_before, proof).unwrap();
        let engine = Engine::compile(policies, Epoch(1)).unwrap();
        let edge = directory.own.gateway.is_some().then(|| {
            let key = KeyPair::generate().unwrap();
            let ips = ["127.0.0.1".parse().unwrap()];
            let edge =
                world.ca.issue_edge(key.public_spki(), &["localhost".into()], &ips, random::bytes(), clock::now());
            let edge = edge.unwrap();
            Arc::new(EdgeIdentity::new(&edge.chain, &key, (edge.not_before, edge.not_after)).unwrap())
        });
        let now = proxy.clocks(clock::now());
        proxy.change(|live| {
            live.identity = Some(Arc::new(identity));
            live.edge = edge;
            live.bundles = Some(Arc::clone(&world.bundles));
            live.policies = Some(Arc::new(engine));
            live.take_up(Arc::new(directory.clone()), now);
            live.generation += 1;
        });
        proxy.heard.now();
        let stop = CancellationToken::new();
        let workers: Vec<_> = (0..2).map(|n| worker::start(&proxy, n, &stop).unwrap()).collect();
        let mut listeners = Listeners::new(workers.iter().map(|w| w.listen.clone()).collect(), stop.clone());
        let (bound, missing) = listeners.bind(&directory);
        assert!(missing.is_none(), "{missing:?}");
        listeners.serve(bound).await;
        let (workers, seen) = (Mutex::new(workers), Mutex::default());
        Self { proxy, directory, listeners, stop, workers, seen }
    }

    pub fn mesh(&self) -> SocketAddr {
        self.directory.own.inbound.as_ref().unwrap().mesh
    }

    pub fn outbound(&self, callee: &str) -> SocketAddr {
        self.directory.own.outbound[&name(callee)]
    }

    pub fn edge(&self) -> SocketAddr {
        self.directory.own.gateway.as_ref().unwrap().listen
    }

    pub fn as_peer(&self, protocol: Protocol) -> Peer {
        Peer::alone(self.proxy.id.clone(), self.mesh(), protocol)
    }

    /// Changes the directory, as control would.
    pub fn redirect(&mut self, change: impl FnOnce(&mut Directory)) {
        change(&mut self.directory);
        let directory = Arc::new(self.directory.clone());
        let now = self.proxy.clocks(clock::now());
        self.proxy.change(|live| {
            live.take_up(directory, now);
        });
    }

    /// The first event for which `pick` gives something; waited for.
    pub async fn event<T>(&self, pick: impl Fn(&Event) -> Option<T>) -> T {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let found = {
                let mut seen = self.seen.lock().unwrap();
                seen.extend(self.proxy.events.take());
                seen.iter().find_map(&pick)
            };
            if let Some(found) = found {
                return found;
            }
            assert!(Instant::now() < give_up, "no such event among {:#?}", self.seen.lock().unwrap());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The rule of the first refusal.
    pub async fn refused_rule(&self) -> String {
        self.event(|event| match &event.what {
            What::Refused(refused) => Some(refused.rule.to_string()),
            _ => None,
        })
        .await
    }

    /// Stops and waits for the threads, in bounded time.
    pub async fn stopped(&self) {
        self.stop.cancel();
        let workers = std::mem::take(&mut *self.workers.lock().unwrap());
        tokio::task::spawn_blocking(|| workers.into_iter().for_each(Handle::join)).await.unwrap();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
