//! What a cache gives back, and when it gives nothing.

use super::*;
use bartizan_core::limits::LEAF_TTL;
use bartizan_core::workload::Selectors;
use bartizan_crypto::{csr, random};
use bartizan_identity::{IssuingCa, RootCa};
use proptest::prelude::*;
use std::sync::OnceLock;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_secs(1_000_000_000);
const HOUR: Duration = Duration::from_secs(3600);

fn domain() -> TrustDomain {
    TrustDomain::parse("bank.test").unwrap()
}

fn name(text: &str) -> ServiceName {
    ServiceName::parse(text).unwrap()
}

/// A root, and what issues below it.
struct Authority {
    bundles: Arc<TrustBundles>,
    issuing: IssuingCa,
}

impl Authority {
    fn new() -> Self {
        let before = NOW.minus(HOUR);
        let root = RootCa::create(&domain(), KeyPair::generate().unwrap(), random::bytes(), before).unwrap();
        let key = KeyPair::generate().unwrap();
        let request = csr::check(&csr::make(&key).unwrap()).unwrap();
        let certificate = root.sign_issuing(&request, random::bytes(), before).unwrap();
        let issuing = IssuingCa::new(key, &certificate, &domain()).unwrap();
        let bundles = Arc::new(TrustBundles::of(&domain(), vec![root.certificate().to_vec()]).unwrap());
        Self { bundles, issuing }
    }

    fn own(&self, id: &SpiffeId, at: Timestamp) -> Own {
        let key = KeyPair::generate().unwrap();
        let spki = key.public_spki();
        let issued = match id.role_in(&domain()) {
            Some(_) => self.issuing.issue(spki, id, random::bytes(), at),
            None => self.issuing.issue_workload(spki, id, &[], LEAF_TTL, random::bytes(), at),
        };
        let chain = issued.unwrap().chain;
        Own::check(key, chain, id, &self.bundles, at).unwrap()
    }

    /// The roots of `published` in a snapshot that this authority's control signed.
    fn evidence(&self, published: &TrustBundles) -> Evidence {
        let control = self.own(&SpiffeId::of(&domain(), &Role::Control), NOW);
        let signed = Signed {
            kind: Kind::Bundles,
            epoch: Epoch(7),
            issued_at: NOW,
            trust_domain: domain(),
            payload: published.snapshot(),
        };
        let envelope = envelope::sign(&signed, control.key(), control.chain()).unwrap();
        Evidence { envelope: envelope::to_json(&envelope), anchors: Arc::clone(&self.bundles) }
    }
}

fn node_id() -> SpiffeId {
    SpiffeId::of(&domain(), &Role::Node(name("local")))
}

fn entry(text: &str) -> Entry {
    let id = SpiffeId::parse(&format!("spiffe://bank.test/workload/{text}")).unwrap();
    let selectors = Selectors { uid: Some(1000), ..Selectors::default() };
    Entry { name: name(text), id, node: None, selectors, ttl_s: Some(60), jwt: true, dns: Vec::new(), sole: false }
}

/// A folder with a cache in it: an own identity, two entries, the identity of one.
struct Place {
    dir: tempfile::TempDir,
    authority: Authority,
    own: Own,
}

const GIVEN: [u8; 32] = [1; 32];

impl Place {
    fn new() -> Self {
        let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new());
        let own = authority.own(&node_id(), NOW);
        let place = Self { dir, authority, own };
        place.cache("local", GIVEN).store(&place.own, &place.view(), NOW).unwrap();
        place
    }

    fn view(&self) -> View {
        let evidence = Arc::new(self.authority.evidence(&self.authority.bundles));
        let (one, two) = (entry("one"), entry("two"));
        let svid = WorkloadSvid { own: self.authority.own(&one.id, NOW), entry: one.clone() };
        let mut view = View::of(Arc::clone(&self.authority.bundles));
        (view.epoch, view.evidence) = (Epoch(7), Some(evidence));
        view.svids.insert(one.name.clone(), Arc::new(svid));
        view.entries = Arc::new(vec![one, two]);
        view
    }

    fn secret(&self) -> NodeSecret {
        NodeSecret::in_file(&self.dir.path().join("secret")).unwrap()
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    fn cache(&self, node: &str, given: [u8; 32]) -> Cache {
        Cache::new(self.path(), &self.secret(), name(node), domain(), given)
    }

    fn open(&self, now: Timestamp) -> Result<Held, CacheError> {
        self.cache("local", GIVEN).open(&self.authority.bundles, now)
    }
}

#[test]
fn gives_back_what_it_was_given() {
    let place = Place::new();
    let held = place.open(NOW.plus(Duration::from_secs(1200))).unwrap();
    assert_eq!((held.own.id(), held.own.chain()), (&node_id(), place.own.chain()));
    assert_eq!(held.own.key().public_spki(), place.own.key().public_spki());
    assert_eq!(held.own.not_before(), NOW, "half of its life is counted from when it was issued");
    assert_eq!((held.view.epoch, &held.view.bundles), (Epoch(7), &place.authority.bundles));
    assert_eq!(*held.view.entries, [entry("one"), entry("two")]);
    assert_eq!(held.view.svids[&name("one")].entry, entry("one"));
    // Again what came out of it, as after a second restart.
    place.cache("local", GIVEN).store(&held.own, &held.view, NOW).unwrap();
    assert_eq!(place.open(NOW).unwrap().view.epoch, Epoch(7));
}

#[test]
fn of_another_node_domain_or_secret_it_does_not_open() {
    let place = Place::new();
    let roots = &place.authority.bundles;
    let other_node = place.cache("other", GIVEN).open(roots, NOW);
    assert!(matches!(other_node, Err(CacheError::Seal(_))), "{other_node:?}");
    let elsewhere = TrustDomain::parse("shop.test").unwrap();
    let cache = Cache::new(place.path(), &place.secret(), name("local"), elsewhere, GIVEN);
    assert!(matches!(cache.open(roots, NOW), Err(CacheError::Seal(_))), "another domain");
    std::fs::remove_file(place.dir.path().join("secret")).unwrap();
    assert!(matches!(place.open(NOW), Err(CacheError::Seal(_))), "another secret");
    std::fs::remove_file(place.path()).unwrap();
    assert!(matches!(place.open(NOW), Err(CacheError::Absent)));
}

#[test]
fn no_key_lies_in_it_in_plain_text() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let bytes = std::fs::read(place.path()).unwrap();
    let pkcs8 = place.own.key().pkcs8();
    let scalar = &pkcs8.expose()[36..68]; // where PKCS#8 of a P-256 key has the number itself
    assert!(!bytes.windows(32).any(|window| window == scalar));
    assert!(!bytes.windows(9).any(|window| window == b"bank.test"), "not even names");
    assert_eq!(std::fs::metadata(place.path()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_has_run_out_does_not_serve() {
    let place = Place::new();
    let expired = place.open(NOW.plus(LEAF_TTL + HOUR));
    assert!(matches!(expired, Err(CacheError::Identity(_))), "{expired:?}");
    // A workload's identity that has run out is left out, and the rest serves.
    let mut view = place.view();
    let old = place.authority.own(&entry("two").id, NOW.minus(Duration::from_secs(3000)));
    view.svids.insert(name("two"), Arc::new(WorkloadSvid { own: old, entry: entry("two") }));
    place.cache("local", GIVEN).store(&place.own, &view, NOW).unwrap();
    let held = place.open(NOW.plus(Duration::from_secs(1800))).unwrap();
    assert_eq!(held.view.svids.keys().collect::<Vec<_>>(), [&name("one")]);
}

/// Who sets the clock back would revive what has run out.
#[test]
fn a_clock_before_its_writing_is_not_believed() {
    let place = Place::new();
    place.open(NOW.minus(CLOCK_SKEW)).expect("a minute is nothing");
    let before = place.open(NOW.minus(2 * CLOCK_SKEW));
    assert!(matches!(before, Err(CacheError::Clock { .. })), "{before:?}");
}

/// The operator gave other roots since: what those do not vouch for is over, whatever the cache says.
#[test]
fn other_roots_given_at_the_start_count_instead() {
    let place = Place::new();
    let other = Authority::new();
    let cache = place.cache("local", [2; 32]);
    let foreign = cache.open(&other.bundles, NOW);
    assert!(matches!(foreign, Err(CacheError::Identity(_))), "{foreign:?}");
    cache.open(&place.authority.bundles, NOW).expect("another file with the same roots");

    // Signed by a control below roots that are gone, for an identity below roots that count.
    let both = [&place.authority, &other].map(|it| it.bundles.roots_of("bank.test").unwrap().to_vec()).concat();
    let both = TrustBundles::of(&domain(), both).unwrap();
    let mut view = place.view();
    view.evidence = Some(Arc::new(other.evidence(&both)));
    place.cache("local", GIVEN).store(&place.own, &view, NOW).unwrap();
    place.open(NOW).expect("the roots it was verified by are in the seal");
    let refused = cache.open(&place.authority.bundles, NOW);
    assert!(matches!(refused, Err(CacheError::Envelope(_))), "{refused:?}");
}

#[test]
fn a_snapshot_that_does_not_verify_is_refused_though_the_seal_is_good() {
    let place = Place::new();
    let mut view = place.view();
    let Evidence { mut envelope, anchors } = place.authority.evidence(&place.authority.bundles);
    let at = envelope.windows(12).position(|it| it == b"1000000000000").unwrap_or(40);
    envelope[at] ^= 1;
    view.evidence = Some(Arc::new(Evidence { envelope, anchors }));
    place.cache("local", GIVEN).store(&place.own, &view, NOW).unwrap();
    assert!(matches!(place.open(NOW), Err(CacheError::Envelope(_))));
}

#[test]
fn a_large_file_is_not_read() {
    let place = Place::new();
    std::fs::File::create(place.path()).unwrap().set_len(CACHE_BYTES_MAX as u64 + 1).unwrap();
    assert!(matches!(place.open(NOW), Err(CacheError::Read(_))));
}

fn shared() -> &'static Place {
    static PLACE: OnceLock<Place> = OnceLock::new();
    PLACE.get_or_init(Place::new)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn altered_or_cut_anywhere_it_does_not_open(at in any::<prop::sample::Index>(), flip in 1..=255_u8, cut in any::<bool>()) {
        let place = shared();
        let mut bytes = std::fs::read(place.path()).unwrap();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] ^= flip }
        let copy = tempfile::tempdir().unwrap();
        let path = copy.path().join("cache");
        std::fs::write(&path, bytes).unwrap();
        let cache = Cache::new(path, &place.secret(), name("local"), domain(), GIVEN);
        prop_assert!(matches!(cache.open(&place.authority.bundles, NOW), Err(CacheError::Seal(_))));
    }

    /// Sealed by us and yet not what we seal, as after an update.
    #[test]
    fn other_content_is_refused_whole(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let copy = tempfile::tempdir().unwrap();
        let path = copy.path().join("cache");
        let cache = Cache::new(path.clone(), &shared().secret(), name("local"), domain(), GIVEN);
        std::fs::write(&path, seal::seal(&cache.key, &cache.context(), &bytes)).unwrap();
        prop_assert!(cache.open(&shared().authority.bundles, NOW).is_err());
    }
}
