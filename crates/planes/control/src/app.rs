//! What all parts of control share.

use crate::alerts;
use crate::algorithms::Algorithms;
use crate::attest::Attestation;
use crate::authorization::Server;
use crate::budget::Budgets;
use crate::ca::{Authority, CaError, OwnIdentity};
use crate::clocks::Clocks;
use crate::console;
use crate::drift::Drift;
use crate::egress;
use crate::error::ControlError;
use crate::events::{OwnEvents, Pipeline};
use crate::federation;
use crate::fleet::{Grown, changes, load_growing, write_plan};
use crate::glance::Glance;
use crate::holds;
use crate::indicators;
use crate::intake;
use crate::inventory;
use crate::issuers;
use crate::jwt::JwtSigner;
use crate::keys;
use crate::login;
use crate::node_registry::NodeRegistry;
use crate::options::Options;
use crate::outputs;
use crate::people::People;
use crate::promotion;
use crate::publish::{Current, republish};
use crate::registry::Registry;
use crate::rotation::{Book, Next, Orders};
use crate::series;
use crate::web_certificate::Standings;
use crate::workloads_until::WorkloadsUntil;
use arc_swap::{ArcSwap, ArcSwapOption};
use bartizan_core::Timestamp;
use bartizan_core::event::{Change, Config, HandshakeFailure, What};
use bartizan_core::fleet::Fleet;
use bartizan_core::group::GroupStatus;
use bartizan_core::snapshot::{Epoch, Kind};
use bartizan_core::status::{Handshakes, Programs};
use bartizan_events::Events;
use bartizan_identity::join::JoinTokens;
use bartizan_identity::voucher::Nonces;
use bartizan_runtime::{clock, tls};
use bartizan_store::{Journal, Store};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Shared by every task. What changes is behind a swap, a watch or a short lock.
pub(crate) struct App {
    pub(crate) options: Options,
    pub(crate) started_at: Timestamp,
    pub(crate) listen: SocketAddr,
    /// The user we run as: who may use the local API, beside root.
    pub(crate) uid: u32,
    pub(crate) store: Store,
    pub(crate) events: Events,
    pub(crate) journal: Journal,
    /// See [`crate::start`]: above whatever an earlier, lost database gave out.
    pub(crate) epoch_floor: Epoch,
    pub(crate) pipeline: Pipeline,
    pub(crate) own_events: OwnEvents,
    pub(crate) registry: Registry,
    pub(crate) nodes: NodeRegistry,
    pub(crate) workloads_until: WorkloadsUntil,
    pub(crate) clocks: Clocks,
    pub(crate) drift: Drift,
    pub(crate) budgets: Budgets,
    pub(crate) algorithms: Algorithms,
    pub(crate) egress: egress::Book,
    /// Which operations services have.
    pub(crate) inventory: inventory::Book,
    pub(crate) indicators: indicators::Book,
    pub(crate) alerts: Arc<alerts::Desk>,
    /// Whether something new may be put in force.
    pub(crate) promotion: promotion::Book,
    pub(crate) holds: holds::Book,
    /// Our own metrics, over time.
    pub(crate) series: series::Kept,
    /// What became of what went out.
    pub(crate) outputs: outputs::Counts,
    /// What became of our own metrics that went out.
    pub(crate) writes: outputs::Writes,
    /// What became of what others handed in.
    pub(crate) intake: intake::Counts,
    /// Certificates of the fleet file, as they are shown now.
    pub(crate) web_certificates: Standings,
    pub(crate) jwt: JwtSigner,
    pub(crate) authorization: Server,
    pub(crate) people: People,
    /// Pages and the API for browsers.
    pub(crate) console: console::Desk,
    /// What pages are shown again and again.
    pub(crate) glance: Glance,
    /// People who log in at the gateway.
    pub(crate) login: login::Desk,
    /// Keys of programs.
    pub(crate) keys: keys::Book,
    pub(crate) federation: federation::Book,
    pub(crate) issuers: issuers::Book,
    pub(crate) stop: CancellationToken,
    pub(crate) in_force: watch::Sender<Current>,
    authority: ArcSwap<Authority>,
    /// From whom some get their identities while a rotation is under way.
    next: ArcSwapOption<Next>,
    /// The rotation, and who is to renew when.
    pub(crate) rotation: Book,
    pub(crate) orders: watch::Sender<Orders>,
    /// How nodes prove who they are, beside the join token.
    pub(crate) attestation: Attestation,
    own: ArcSwap<OwnIdentity>,
    /// What the listener shows; follows `own`.
    pub(crate) tls: Arc<ArcSwap<tls::Server>>,
    /// One report of a week at a time is made: it reads a fortnight of events.
    pub(crate) making_report: tokio::sync::Mutex<()>,
    /// One reload at a time: each compares with what the one before made.
    pub(crate) reloading: tokio::sync::Mutex<()>,
    tokens: Mutex<JoinTokens>,
    nonces: Mutex<Nonces>,
    handshakes: Mutex<Handshakes>,
    identities_refused: std::sync::atomic::AtomicU64,
}

/// The parts that an [`App`] is made of.
pub(crate) struct Parts {
    pub(crate) options: Options,
    pub(crate) listen: SocketAddr,
    pub(crate) uid: u32,
    pub(crate) store: Store,
    pub(crate) events: Events,
    pub(crate) journal: Journal,
    pub(crate) epoch_floor: Epoch,
    pub(crate) pipeline: Pipeline,
    pub(crate) alerts: Arc<alerts::Desk>,
    pub(crate) promotion: promotion::Book,
    pub(crate) holds: holds::Book,
    pub(crate) in_force: watch::Sender<Current>,
    pub(crate) authority: Authority,
    pub(crate) own: OwnIdentity,
    pub(crate) workloads_until: WorkloadsUntil,
    pub(crate) jwt: JwtSigner,
    pub(crate) authorization: Server,
    /// Keys of programs.
    pub(crate) keys: keys::Book,
    pub(crate) federation: federation::Book,
    pub(crate) issuers: issuers::Book,
    pub(crate) rotation: Book,
    pub(crate) attestation: Attestation,
    pub(crate) stop: CancellationToken,
}

/// As somebody reads it who is told that they differ.
fn members(fleet: &Fleet) -> String {
    let all = fleet.control.iter().map(|(number, place)| format!("{number} at {} and {}", place.listen, place.group));
    let all: Vec<String> = all.collect();
    if all.is_empty() { "one alone".to_owned() } else { all.join(", ") }
}

impl App {
    pub(crate) fn new(parts: Parts) -> Result<Self, CaError> {
        let Parts {
            options,
            listen,
            uid,
            store,
            events,
            journal,
            epoch_floor,
            pipeline,
            alerts,
            promotion,
            holds,
            in_force,
            authority,
            own,
            workloads_until,
            jwt,
            authorization,
            keys,
            federation,
            issuers,
            rotation,
            attestation,
            stop,
        } = parts;
        let tls = Arc::new(ArcSwap::from_pointee(own.server()?));
        let egress = egress::Book::open(&options.data);
        let inventory = inventory::Book::open(&options.data, clock::now());
        let indicators = indicators::Book::open(&options.data, clock::now());
        let login = login::Desk::new(&options.data);
        let console = console::Desk::open(&options.data, clock::now());
        Ok(Self {
            options,
            started_at: clock::now(),
            listen,
            uid,
            store,
            events,
            journal,
            epoch_floor,
            own_events: OwnEvents::new(pipeline.clone()),
            pipeline,
            registry: Registry::default(),
            nodes: NodeRegistry::default(),
            workloads_until,
            clocks: Clocks::default(),
            drift: Drift::default(),
            budgets: Budgets::default(),
            algorithms: Algorithms::default(),
            egress,
            inventory,
            indicators,
            alerts,
            promotion,
            holds,
            series: series::Kept::default(),
            intake: intake::Counts::default(),
            web_certificates: Standings::default(),
            outputs: outputs::Counts::default(),
            writes: outputs::Writes::default(),
            jwt,
            authorization,
            people: People::default(),
            console,
            glance: Glance::default(),
            login,
            keys,
            federation,
            issuers,
            stop,
            in_force,
            authority: ArcSwap::from_pointee(authority),
            next: ArcSwapOption::empty(),
            rotation,
            orders: watch::Sender::new(Orders::default()),
            attestation,
            own: ArcSwap::from_pointee(own),
            tls,
            making_report: tokio::sync::Mutex::default(),
            reloading: tokio::sync::Mutex::default(),
            tokens: Mutex::default(),
            nonces: Mutex::default(),
            handshakes: Mutex::default(),
            identities_refused: Default::default(),
        })
    }

    /// How the others stand, where this control leads a group.
    pub(crate) fn group(&self) -> Option<GroupStatus> {
        self.options.leading.as_ref().map(|leading| leading.elsewhere.status())
    }

    /// What proxies are to enforce now.
    pub(crate) fn in_force(&self) -> Current {
        Arc::clone(&self.in_force.borrow())
    }

    /// Told whenever that changes.
    pub(crate) fn watch(&self) -> watch::Receiver<Current> {
        self.in_force.subscribe()
    }

    /// The issuing CA of now.
    pub(crate) fn authority(&self) -> Arc<Authority> {
        self.authority.load_full()
    }

    /// The issuing CA for this member (a service, or what [`crate::rotation::node_member`] calls a node).
    pub(crate) fn authority_for(&self, member: &str) -> Arc<Authority> {
        match &*self.next.load() {
            Some(next) if next.released.has(member) => Arc::clone(&next.authority),
            _ => self.authority(),
        }
    }

    /// The issuing CA that a rotation goes over to.
    pub(crate) fn next(&self) -> Option<Arc<Next>> {
        self.next.load_full()
    }

    /// From here on, those whom `next` names get their identities there.
    pub(crate) fn set_next(&self, next: Option<Next>) {
        self.next.store(next.map(Arc::new));
    }

    /// Our own identity of now.
    pub(crate) fn own(&self) -> Arc<OwnIdentity> {
        self.own.load_full()
    }

    /// From here on, identities come from `authority`. Those that were issued before stay good.
    pub(crate) fn replace_authority(&self, authority: Authority) {
        self.authority.store(Arc::new(authority));
    }

    /// From the next connection on, we show `own`.
    pub(crate) fn replace_own(&self, own: OwnIdentity) -> Result<(), CaError> {
        let server = own.server()?;
        self.own.store(Arc::new(own));
        self.tls.store(Arc::new(server));
        Ok(())
    }

    /// Reads the files again. What is wrong changes nothing; what is new goes to every proxy.
    ///
    /// Dropping the future may leave a new epoch unannounced until the next reload.
    pub(crate) async fn reload(&self) -> Result<(Vec<Kind>, Programs), ControlError> {
        // It holds a whole fleet, and whoever waits for it is not to carry that.
        let changed = Box::pin(self.read_again()).await;
        // One that came into force counts with its snapshots.
        // One that was held back did not fail.
        if changed.as_ref().is_err_and(|error| !matches!(error, ControlError::Locked(_) | ControlError::Held(_))) {
            self.indicators.reload_refused(clock::now());
        }
        changed
    }

    async fn read_again(&self) -> Result<(Vec<Kind>, Programs), ControlError> {
        let _one_at_a_time = self.reloading.lock().await;
        self.issuers.ask();
        let options = self.options.clone();
        let grown = tokio::task::spawn_blocking(move || load_growing(&options))
            .await
            .expect("loading does not panic, and nothing aborts the task")?;
        let Grown { desired, is_other_plan, _ports } = grown;
        let before = self.in_force();
        for (what, held, wanted) in [
            ("the fleet's name", before.desired.fleet.name.to_string(), desired.fleet.name.to_string()),
            (
                "the profile",
                before.desired.fleet.profile.as_str().to_owned(),
                desired.fleet.profile.as_str().to_owned(),
            ),
            ("the trust domain", before.desired.fleet.trust_domain.to_string(), desired.fleet.trust_domain.to_string()),
            ("the address of control", before.desired.plan.control.to_string(), desired.plan.control.to_string()),
            ("which controls there are", members(&before.desired.fleet), members(&desired.fleet)),
        ] {
            if held != wanted {
                return Err(ControlError::Fixed { what, held, wanted });
            }
        }
        if let Some((held, wanted)) = changes::moved(&before.desired.fleet, &desired.fleet) {
            return Err(ControlError::Fixed { what: "what runs, and where", held, wanted });
        }
        let admitted = self.promotion.admit(self, &desired, clock::now())?;
        if is_other_plan {
            // Whoever hears of a place finds it there.
            write_plan(&desired.plan, &self.options.plan)?;
        }
        let programs = changes::programs(&before.desired.fleet, &desired.fleet, &desired.plan);
        let changed = republish(self, desired).await?;
        let back = self.promotion.took(self, admitted, clock::now());
        let in_force = self.in_force();
        changed.iter().for_each(|kind| self.tell(*kind, in_force.epoch(*kind), back.as_deref()));
        Ok((changed, programs))
    }

    /// Publishes anew what is in force, where roots or signer have changed.
    pub(crate) async fn publish_again(&self) -> Result<Vec<Kind>, ControlError> {
        let _one_at_a_time = self.reloading.lock().await;
        let changed = republish(self, self.in_force().desired.clone()).await?;
        self.tell_published(&changed);
        Ok(changed)
    }

    /// Reports new epochs as events.
    pub(crate) fn tell_published(&self, kinds: &[Kind]) {
        let in_force = self.in_force();
        for kind in kinds {
            self.tell(*kind, in_force.epoch(*kind), None);
        }
    }

    /// Reports one new epoch as an event.
    pub(crate) fn tell(&self, kind: Kind, epoch: Epoch, detail: Option<&str>) {
        tracing::info!(kind = kind.as_str(), epoch = epoch.0, detail, "published");
        self.indicators.published(kind, epoch, clock::now());
        let (change, detail) = (Change::Published, detail.map(Into::into));
        self.own_events.write(None, What::Config(Config { kind, epoch, change, detail }));
    }

    pub(crate) fn tokens(&self) -> MutexGuard<'_, JoinTokens> {
        self.tokens.lock().expect("nothing panics while it holds the tokens")
    }

    pub(crate) fn nonces(&self) -> MutexGuard<'_, Nonces> {
        self.nonces.lock().expect("nothing panics while it holds the nonces")
    }

    /// Counts a handshake at our own port.
    pub(crate) fn count_handshake(&self, failure: Option<HandshakeFailure>) {
        let mut handshakes = self.handshakes.lock().expect("nothing panics while it holds the counters");
        handshakes.attempted += 1;
        match failure {
            None => handshakes.completed += 1,
            Some(failure) => *handshakes.failed.entry(failure).or_default() += 1,
        }
    }

    pub(crate) fn handshakes(&self) -> Handshakes {
        self.handshakes.lock().expect("nothing panics while it holds the counters").clone()
    }

    /// Counts an identity that was asked for and not given.
    pub(crate) fn count_refused_identity(&self) {
        self.identities_refused.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }

    pub(crate) fn identities_refused(&self) -> u64 {
        self.identities_refused.load(std::sync::atomic::Ordering::Relaxed)
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("listen", &self.listen).finish_non_exhaustive()
    }
}
