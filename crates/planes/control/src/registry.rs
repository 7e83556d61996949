//! Which proxy is there, and what it says of itself.

mod standing; // what a rotation has to know of each

pub(crate) use standing::{Issued, Seen, Standing};

use self::standing::Certificates;
use crate::fleet::{id_of, members};
use crate::presence::Heard;
use crate::rates::Window;
use bartizan_core::deny::Denied;
use bartizan_core::fleet::Fleet;
use bartizan_core::snapshot::{Epoch, Freshness, Kind};
use bartizan_core::stats::{EdgeStats, ProxyStats};
use bartizan_core::status::{EventFlow, Handshakes, ProxyStatus};
use bartizan_core::{Member, Role, ServiceName, SpiffeId, Timestamp, TrustDomain};
use bartizan_identity::DenyIndex;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;

/// One stream, for as long as it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamId(u64);

impl StreamId {
    /// The one with this number within its registry.
    pub(crate) fn of(number: u64) -> Self {
        Self(number)
    }
}

/// What a proxy says of itself when it comes.
#[derive(Clone, Debug)]
pub(crate) struct Introduction {
    pub(crate) instance: u64,
    pub(crate) pid: u32,
    pub(crate) version: String,
    pub(crate) held: BTreeMap<Kind, Epoch>,
    pub(crate) svid_not_after: Timestamp,
    pub(crate) certificate: Certificate,
    /// Who vouched for it; `None` where it came with a certificate to a control that did not see it come the first time.
    pub(crate) node: Option<ServiceName>,
    /// Who issued the identity that it came with; `None` for one that is on its way to it.
    pub(crate) issuer: Option<String>,
}

/// The short of a proxy, or of the place of one that has not come.
#[derive(Clone, Debug)]
pub(crate) struct Glance {
    pub(crate) service: ServiceName,
    pub(crate) attached: bool,
    pub(crate) last_heard: Option<Timestamp>,
    pub(crate) svid_not_after: Option<Timestamp>,
    /// Kinds of snapshots that it refuses.
    pub(crate) refused: usize,
    /// Events that it dropped since it started.
    pub(crate) events_dropped: u64,
}

/// What the certificate that a proxy shows can be denied by, lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certificate {
    pub(crate) serial: String,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub(crate) key: String,
}

/// Proxies by the node that vouched for them; see [`Registry::vouched_by`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Placed {
    /// Keys of those that are the node's.
    pub(crate) keys: Vec<String>,
    /// Attached ones of which it is not known whose they are.
    pub(crate) unplaced: Vec<ServiceName>,
}

/// Calls into one instance from one caller.
#[derive(Clone, Debug)]
pub(crate) struct EdgeNow {
    pub(crate) member: Member,
    /// As in [`ProxyStats::inbound`].
    pub(crate) from: String,
    pub(crate) totals: EdgeStats,
    pub(crate) calls_per_s: f64,
    pub(crate) denied_per_s: f64,
    pub(crate) failed_per_s: f64,
    /// Microseconds that the guard adds, at the median and the 99th percentile of the last seconds.
    pub(crate) added_us: Option<[u64; 2]>,
    /// When somebody called last, to some seconds.
    pub(crate) last: Option<Timestamp>,
}

/// All proxies that came since control started, those that left among them.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    inner: Mutex<Inner>,
    came_or_left: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Inner {
    last_stream: u64,
    places: BTreeMap<Member, Place>,
}

/// The proxy of one instance. A second stream beside an open one waits: it is shown as soon as the first one ends, or says
/// itself that another took over, so that somebody who comes with a stolen identity does not simply take its place.
#[derive(Debug)]
struct Place {
    shown: Proxy,
    attached: bool,
    others: Vec<Proxy>,
}

#[derive(Debug)]
struct Proxy {
    stream: StreamId,
    /// A successor took over from it.
    retiring: bool,
    introduction: Introduction,
    refused: BTreeMap<Kind, String>,
    certificates: Certificates,
    last_heard: Timestamp,
    window: Window,
    totals: ProxyStats,
}

impl Place {
    /// Where the one that is shown is retiring, the first that is not takes its place.
    fn show_the_one_in_charge(&mut self) {
        if !self.shown.retiring {
            return;
        }
        if let Some(at) = self.others.iter().position(|other| !other.retiring) {
            let retiring = std::mem::replace(&mut self.shown, self.others.remove(at));
            self.others.push(retiring);
        }
    }
}

impl Registry {
    /// A stream was let in.
    pub(crate) fn attach(&self, member: &Member, introduction: Introduction, now: Timestamp) -> StreamId {
        let mut inner = self.lock();
        inner.last_stream += 1;
        let stream = StreamId(inner.last_stream);
        let (refused, certificates, window, totals) = Default::default();
        let (retiring, last_heard) = (false, now);
        let mut proxy = Proxy { stream, retiring, introduction, refused, certificates, last_heard, window, totals };
        match inner.places.get_mut(member) {
            None => {
                drop(inner.places.insert(member.clone(), Place { shown: proxy, attached: true, others: Vec::new() }))
            }
            Some(place) if place.attached => {
                place.others.push(proxy);
                place.show_the_one_in_charge();
            }
            Some(place) => {
                // The same process came back: its counters went on meanwhile.
                if place.shown.introduction.instance == proxy.introduction.instance {
                    proxy.window = std::mem::take(&mut place.shown.window);
                    proxy.totals = std::mem::take(&mut place.shown.totals);
                    let node = proxy.introduction.node.take();
                    proxy.introduction.node = node.or_else(|| place.shown.introduction.node.take());
                    proxy.certificates = std::mem::take(&mut place.shown.certificates);
                }
                (place.shown, place.attached) = (proxy, true);
            }
        }
        self.came_or_left.notify_one();
        stream
    }

    /// Told when somebody came or left. One task listens.
    pub(crate) fn came_or_left(&self) -> Arc<Notify> {
        Arc::clone(&self.came_or_left)
    }

    /// When the proxy of an instance was there last.
    pub(crate) fn last_heard(&self, member: &Member) -> Heard {
        match self.lock().places.get(member) {
            None => Heard::Never,
            Some(place) if place.attached => Heard::Now,
            Some(place) => Heard::At(place.shown.last_heard),
        }
    }

    /// A stream has ended.
    pub(crate) fn detach(&self, member: &Member, stream: StreamId) {
        let mut inner = self.lock();
        let Some(place) = inner.places.get_mut(member) else { return };
        if place.shown.stream != stream {
            place.others.retain(|proxy| proxy.stream != stream);
        } else if place.others.is_empty() {
            place.attached = false;
        } else {
            place.shown = place.others.remove(0);
            place.show_the_one_in_charge();
        }
    }

    /// The proxy says that a successor took over.
    pub(crate) fn retires(&self, member: &Member, stream: StreamId) {
        self.with(member, stream, |proxy| proxy.retiring = true);
        if let Some(place) = self.lock().places.get_mut(member) {
            place.show_the_one_in_charge();
        }
    }

    /// The proxy said something.
    pub(crate) fn heard(&self, member: &Member, stream: StreamId, now: Timestamp) {
        self.with(member, stream, |proxy| proxy.last_heard = now);
    }

    /// The proxy enforces `epoch` of `kind` now.
    pub(crate) fn took_up(&self, member: &Member, stream: StreamId, kind: Kind, epoch: Epoch) {
        self.with(member, stream, |proxy| {
            proxy.introduction.held.insert(kind, epoch);
            proxy.refused.remove(&kind);
        });
    }

    /// The proxy refused what it was sent of `kind`.
    pub(crate) fn refused(&self, member: &Member, stream: StreamId, kind: Kind, why: String) {
        self.with(member, stream, |proxy| drop(proxy.refused.insert(kind, why)));
    }

    /// The proxy was given another identity.
    pub(crate) fn renewed(&self, member: &Member, stream: StreamId, not_after: Timestamp, certificate: Certificate) {
        self.with(member, stream, |proxy| {
            proxy.introduction.svid_not_after = not_after;
            proxy.introduction.certificate = certificate;
        });
    }

    /// The node that vouched for the proxy of this stream, where it is known.
    pub(crate) fn node_of(&self, member: &Member, stream: StreamId) -> Option<ServiceName> {
        let mut node = None;
        self.with(member, stream, |proxy| node.clone_from(&proxy.introduction.node));
        node
    }

    /// What tells this life of the proxy from others.
    pub(crate) fn process_of(&self, member: &Member, stream: StreamId) -> Option<u64> {
        let mut process = None;
        self.with(member, stream, |proxy| process = Some(proxy.introduction.instance));
        process
    }

    /// Whom the node `node` vouched for, among those that came since control started.
    pub(crate) fn vouched_by(&self, node: &ServiceName) -> Placed {
        let inner = self.lock();
        let mut placed = Placed::default();
        for (service, place) in &inner.places {
            for proxy in std::iter::once(&place.shown).chain(&place.others) {
                match &proxy.introduction.node {
                    Some(by) if by == node => placed.keys.push(proxy.introduction.certificate.key.clone()),
                    None if place.attached => placed.unplaced.push(service.service().clone()),
                    _ => {}
                }
            }
        }
        placed
    }

    /// The services whose present certificate is denied.
    pub(crate) fn denied(&self, denied: &DenyIndex, domain: &TrustDomain) -> Vec<ServiceName> {
        let inner = self.lock();
        let shown = inner.places.iter().map(|(service, place)| (service, &place.shown));
        let denied = shown.filter(|(member, proxy)| entry_against(denied, domain, member, proxy).is_some());
        let mut denied: Vec<_> = denied.map(|(member, _)| member.service().clone()).collect();
        denied.dedup(); // instances of one service follow each other
        denied
    }

    /// Serial numbers of the denied certificates of all proxies that came, and since when they are denied.
    pub(crate) fn denied_certificates(&self, denied: &DenyIndex, domain: &TrustDomain) -> Vec<(String, Timestamp)> {
        let inner = self.lock();
        let all = inner.places.iter().flat_map(|(service, place)| {
            std::iter::once(&place.shown).chain(&place.others).map(move |proxy| (service, proxy))
        });
        let serial = |proxy: &Proxy| proxy.introduction.certificate.serial.clone();
        all.filter_map(|(service, proxy)| Some((serial(proxy), entry_against(denied, domain, service, proxy)?.since)))
            .collect()
    }

    /// The proxy's counters.
    pub(crate) fn counted(&self, member: &Member, stream: StreamId, totals: ProxyStats, now: Timestamp) {
        self.with(member, stream, |proxy| {
            proxy.window.push(now, &totals);
            proxy.totals = totals;
        });
    }

    /// Everybody whom the fleet has, present or not.
    pub(crate) fn status(&self, fleet: &Fleet, now: Timestamp) -> Vec<ProxyStatus> {
        let inner = self.lock();
        members(fleet).map(|member| status_of(&member, inner.places.get(&member), fleet, now)).collect()
    }

    /// What rules about alerts look at, for everybody whom the fleet has.
    pub(crate) fn glances(&self, fleet: &Fleet) -> Vec<Glance> {
        let inner = self.lock();
        let glance = |member: Member| {
            let place = inner.places.get(&member);
            let proxy = place.map(|place| &place.shown);
            Glance {
                service: member.service().clone(),
                attached: place.is_some_and(|place| place.attached),
                last_heard: proxy.map(|it| it.last_heard),
                svid_not_after: proxy.map(|it| it.introduction.svid_not_after),
                refused: proxy.map_or(0, |it| it.refused.len()),
                events_dropped: proxy.map_or(0, |it| it.totals.events_dropped),
            }
        };
        members(fleet).map(glance).collect()
    }

    /// Who calls whom, as guards count it.
    pub(crate) fn edges(&self, now: Timestamp) -> Vec<EdgeNow> {
        let inner = self.lock();
        let of_place = |(member, place): (&Member, &Place)| {
            let Proxy { totals, window, .. } = &place.shown;
            let edge = |(from, totals): (&String, &EdgeStats)| {
                let rates = if place.attached { window.of_edge(from, now) } else { Default::default() };
                let (calls_per_s, denied_per_s, failed_per_s) = rates;
                let added_us = if place.attached { window.added_of_edge(from, now) } else { None };
                let (member, last, from) = (member.clone(), window.last(from), from.clone());
                EdgeNow { member, from, totals: *totals, calls_per_s, denied_per_s, failed_per_s, added_us, last }
            };
            totals.inbound.iter().map(edge).collect::<Vec<_>>()
        };
        inner.places.iter().flat_map(of_place).collect()
    }

    /// The last counters of every proxy that came.
    pub(crate) fn totals(&self) -> Vec<(Member, ProxyStats)> {
        self.lock().places.iter().map(|(service, place)| (service.clone(), place.shown.totals.clone())).collect()
    }

    fn with(&self, member: &Member, stream: StreamId, change: impl FnOnce(&mut Proxy)) {
        let mut inner = self.lock();
        let Some(place) = inner.places.get_mut(member) else { return };
        let proxies = std::iter::once(&mut place.shown).chain(&mut place.others);
        if let Some(proxy) = proxies.into_iter().find(|proxy| proxy.stream == stream) {
            change(proxy);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing panics while it holds the registry")
    }
}

fn entry_against<'a>(
    denied: &'a DenyIndex,
    domain: &TrustDomain,
    member: &Member,
    proxy: &Proxy,
) -> Option<&'a Denied> {
    let id = SpiffeId::of(domain, &Role::Service(member.service().clone()));
    let Certificate { serial, key } = &proxy.introduction.certificate;
    denied.denies_certificate(&id, serial, key)
}

fn status_of(member: &Member, place: Option<&Place>, fleet: &Fleet, now: Timestamp) -> ProxyStatus {
    let service = member.service();
    let proxy = place.map(|place| &place.shown);
    let attached = place.is_some_and(|place| place.attached);
    let introduction = proxy.map(|proxy| &proxy.introduction);
    let nothing = ProxyStats::default();
    let silence = Duration::from_secs(fleet.trust.silence_s.into());
    let totals = proxy.map_or(&nothing, |proxy| &proxy.totals);
    let rates = proxy.filter(|_| attached).map(|proxy| proxy.window.rates(now)).unwrap_or_default();
    let sum = |count: fn(&bartizan_core::stats::EdgeStats) -> u64| totals.inbound.values().map(count).sum();
    ProxyStatus {
        service: service.clone(),
        number: member.number(),
        id: id_of(fleet, service),
        owner: fleet.services.get(service).and_then(|it| it.owner.clone()),
        data: fleet.services.get(service).map(|it| it.data.clone()).unwrap_or_default(),
        protocol: fleet.services.get(service).map(|it| it.protocol),
        attached,
        instance: introduction.map(|it| format!("{:016x}", it.instance)),
        pid: introduction.map(|it| it.pid),
        isolation: None, // the plan knows; see `api::status`
        version: introduction.map(|it| it.version.clone()),
        freshness: proxy.map(|proxy| match attached {
            true => Freshness::Fresh,
            false => Freshness::after_silence(now.since(proxy.last_heard), silence),
        }),
        last_heard: proxy.map(|proxy| proxy.last_heard),
        svid_not_after: introduction.map(|it| it.svid_not_after),
        held: introduction.map(|it| it.held.clone()).unwrap_or_default(),
        refused: proxy.map(|proxy| proxy.refused.clone()).unwrap_or_default(),
        calls_per_s: rates.calls_per_s,
        denied_per_s: rates.denied_per_s,
        calls: sum(|edge| edge.calls),
        denied: sum(|edge| edge.denied),
        failed: sum(|edge| edge.failed),
        input_refused: totals.refused,
        added_p50_us: rates.added_p50_us,
        added_p99_us: rates.added_p99_us,
        handshakes: Handshakes {
            attempted: totals.handshakes_attempted,
            completed: totals.handshakes_completed,
            failed: totals.handshakes_failed.clone(),
        },
        connections_open: totals.connections_open,
        sending: totals.sending.clone(),
        plaintext: totals.plaintext.clone(),
        mtls: fleet.services.get(service).map(|it| it.mtls).unwrap_or_default(),
        places: None, // whoever knows the plan puts it in
        resident_bytes: totals.resident_bytes,
        cpu_us: totals.cpu_us,
        events: EventFlow {
            offered: totals.events_offered,
            dropped: totals.events_dropped,
            delivered: totals.events_delivered,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::fleet;

    fn introduction(instance: u64) -> Introduction {
        let svid_not_after = Timestamp::from_secs(5000);
        let certificate = Certificate { serial: "01".to_owned(), key: format!("{instance:064x}") };
        let (version, held) = ("0.1.0".to_owned(), BTreeMap::new());
        Introduction { instance, pid: 1, version, held, svid_not_after, certificate, node: None, issuer: None }
    }

    fn at(s: u64) -> Timestamp {
        Timestamp::from_secs(1000 + s)
    }

    fn shown(registry: &Registry, s: u64) -> ProxyStatus {
        registry.status(&fleet(), at(s)).into_iter().find(|p| p.service.as_str() == "accounts").unwrap()
    }

    #[test]
    fn everybody_of_the_fleet_is_listed_before_anybody_came() {
        let names: Vec<_> = Registry::default().status(&fleet(), at(0)).iter().map(|p| p.service.to_string()).collect();
        assert_eq!(names, ["accounts", "ledger", "gateway"]);
        let absent = shown(&Registry::default(), 0);
        assert_eq!((absent.attached, absent.freshness, absent.instance), (false, None, None));
    }

    #[test]
    fn a_second_stream_is_shown_once_the_first_has_gone() {
        let registry = Registry::default();
        let service = Member::parse("accounts").unwrap();
        let first = registry.attach(&service, introduction(1), at(0));
        let second = registry.attach(&service, introduction(2), at(1));
        let third = registry.attach(&service, introduction(3), at(1));
        registry.took_up(&service, second, Kind::Policies, Epoch(9));
        let instance = |s| shown(&registry, s).instance.unwrap();
        assert!(instance(1).ends_with('1') && shown(&registry, 1).held.is_empty());
        registry.detach(&service, third);
        registry.detach(&service, first);
        assert!(instance(2).ends_with('2') && shown(&registry, 2).attached);
        assert_eq!(shown(&registry, 2).held, BTreeMap::from([(Kind::Policies, Epoch(9))]));
        registry.detach(&service, second);
        assert!(instance(3).ends_with('2') && !shown(&registry, 3).attached, "the last one is remembered");
    }

    #[test]
    fn a_successor_is_shown_once_the_one_before_says_so() {
        let registry = Registry::default();
        let service = Member::parse("accounts").unwrap();
        let instance = |s| shown(&registry, s).instance.unwrap();
        let first = registry.attach(&service, introduction(1), at(0));
        let second = registry.attach(&service, introduction(2), at(1));
        assert!(instance(1).ends_with('1'), "it may be anybody");
        registry.retires(&service, first);
        assert!(instance(1).ends_with('2'));
        registry.detach(&service, first);
        assert!(instance(2).ends_with('2') && shown(&registry, 2).attached);
        // Said before the next one has come.
        registry.retires(&service, second);
        assert!(instance(3).ends_with('2'));
        registry.attach(&service, introduction(3), at(4));
        assert!(instance(4).ends_with('3'));
        registry.detach(&service, second);
        assert!(instance(5).ends_with('3') && shown(&registry, 5).attached);
    }

    #[test]
    fn who_left_grows_stale() {
        let registry = Registry::default();
        let service = Member::parse("accounts").unwrap();
        let stream = registry.attach(&service, introduction(1), at(0));
        registry.heard(&service, stream, at(5));
        assert_eq!(shown(&registry, 500).freshness, Some(Freshness::Fresh), "attached");
        registry.detach(&service, stream);
        for (s, freshness) in [(6, Freshness::Fresh), (16, Freshness::Stale), (700, Freshness::Degraded)] {
            assert_eq!(shown(&registry, s).freshness, Some(freshness), "after {s} s");
        }
    }

    #[test]
    fn a_refusal_stands_until_something_newer_is_taken_up() {
        let registry = Registry::default();
        let service = Member::parse("accounts").unwrap();
        let stream = registry.attach(&service, introduction(1), at(0));
        registry.took_up(&service, stream, Kind::Policies, Epoch(1));
        registry.refused(&service, stream, Kind::Policies, "bad".to_owned());
        assert_eq!(shown(&registry, 1).refused[&Kind::Policies], "bad");
        assert_eq!(shown(&registry, 1).held[&Kind::Policies], Epoch(1), "the one before stays in force");
        registry.took_up(&service, stream, Kind::Policies, Epoch(3));
        assert!(shown(&registry, 1).refused.is_empty());
    }

    #[test]
    fn counters_of_a_process_that_came_back_go_on() {
        let registry = Registry::default();
        let service = Member::parse("accounts").unwrap();
        let totals = |calls| {
            let edge = bartizan_core::stats::EdgeStats { calls, ..Default::default() };
            ProxyStats { inbound: BTreeMap::from([(String::new(), edge)]), ..ProxyStats::default() }
        };
        let first = registry.attach(&service, introduction(1), at(0));
        registry.counted(&service, first, totals(100), at(0));
        registry.detach(&service, first);
        let back = registry.attach(&service, introduction(1), at(1));
        registry.counted(&service, back, totals(300), at(2));
        assert_eq!(shown(&registry, 2).calls_per_s, 100.0);
        registry.detach(&service, back);
        let other = registry.attach(&service, introduction(2), at(3));
        registry.counted(&service, other, totals(10), at(4));
        let now = shown(&registry, 4);
        assert_eq!((now.calls, now.calls_per_s), (10, 0.0), "another process counts from the start");
    }
}
