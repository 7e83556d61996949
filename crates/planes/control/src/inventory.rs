//! Which operations services really have: what guards saw, held against the documents of their APIs. Kept in a file, so that
//! counts and first times outlive the process.

use crate::app::App;
use crate::limits::{
    INVENTORY_BOOK_BYTES_MAX, INVENTORY_CALLERS_MAX, INVENTORY_FORGOTTEN_AFTER, INVENTORY_KEEP_EVERY,
    INVENTORY_OPERATIONS_MAX, INVENTORY_OPERATIONS_OF_SERVICE_MAX,
};
use bartizan_core::event::{Event, Request, SeenBy, What};
use bartizan_core::fleet::Fleet;
use bartizan_core::name::{GATEWAY, Role};
use bartizan_core::redact::redact_all;
use bartizan_core::status::{ApiFinding, ApiInventory, ApiOperation, SeenOperation};
use bartizan_core::{ServiceName, Timestamp, Verdict, path};
use bartizan_runtime::{clock, files};
use bartizan_waf::Api;
use bartizan_waf::api::Found;
use bartizan_waf::infer::inferred;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Documents by the service that they describe.
pub(crate) type Declared = BTreeMap<ServiceName, Vec<Arc<Api>>>;
/// Service, method, template.
type Key = (ServiceName, String, String);

/// What guards told of.
#[derive(Debug)]
pub(crate) struct Book {
    path: PathBuf,
    seen: Mutex<Seen>,
    changed: AtomicBool,
}

/// What is in the file.
#[derive(Debug, Default)]
struct Seen {
    since: Timestamp,
    operations: BTreeMap<Key, SeenOperation>,
    /// Calls that were counted under a coarser path, since there were too many operations.
    coarse: u64,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    since: Timestamp,
    coarse: u64,
    operations: Vec<SeenOperation>,
}

impl Book {
    /// What was kept. A file that cannot be read is set aside with a word: it is a memory, not a rule.
    pub(crate) fn open(data: &Path, now: Timestamp) -> Self {
        let path = data.join("inventory.json");
        let kept = files::read_bounded(&path, INVENTORY_BOOK_BYTES_MAX).ok().and_then(|bytes| {
            let read = serde_json::from_slice::<Kept>(&bytes);
            read.inspect_err(|error| {
                tracing::warn!(%error, path = %path.display(), "the operations that were seen are forgotten");
            })
            .ok()
        });
        let Kept { since, coarse, operations } = kept.unwrap_or(Kept { since: now, coarse: 0, operations: Vec::new() });
        let operations = operations.into_iter().take(INVENTORY_OPERATIONS_MAX).map(|it| (key(&it), it)).collect();
        Self { path, seen: Mutex::new(Seen { since, operations, coarse }), changed: AtomicBool::new(false) }
    }

    /// Takes in what a guard saw: at the service's own guard, or at the gateway where the service has none, so that no call counts
    /// twice.
    pub(crate) fn note(&self, event: &Event, fleet: &Fleet, declared: &Declared) {
        let What::Request(request) = &event.what else { return };
        let counts = match event.seen_by {
            SeenBy::Inbound => true,
            SeenBy::Gateway => !fleet.has_guard(&request.to),
            _ => false,
        };
        // What a guard refused, or nobody answered, says nothing of the service.
        let passed = request.error.is_none() && request.decision.as_ref().is_none_or(|it| it.verdict == Verdict::Allow);
        if !counts || !passed {
            return;
        }
        // What looks like a key or a token is no part of a path.
        let path = redact_all(&request.path);
        let path = path::canonical(&path);
        let method = if &*request.method == "HEAD" { "GET" } else { &request.method };
        let template = template(declared.get(&request.to), method, &path);
        let is_declared = template.is_some();
        // Whoever tries paths must not fill the book with what is not there.
        if !is_declared && matches!(request.status, 404 | 405 | 501) {
            return;
        }
        let template = template.unwrap_or_else(|| inferred(&path));
        let mut seen = self.lock();
        let mut key = (request.to.clone(), method.to_owned(), template);
        if !is_declared && !seen.operations.contains_key(&key) && seen.is_full(&request.to) {
            seen.coarse += 1;
            key.2 = "/**".to_owned();
            if seen.operations.len() >= INVENTORY_OPERATIONS_MAX && !seen.operations.contains_key(&key) {
                return;
            }
        }
        let (service, method, path) = key.clone();
        let entry = seen.operations.entry(key).or_insert_with(|| SeenOperation::new(service, method, path, event.at));
        count(entry, request, event.at, fleet);
        self.changed.store(true, Relaxed);
    }

    /// What there is, and what is odd about it. What was declared and not seen for `unseen` is called a zombie.
    pub(crate) fn report(&self, fleet: &Fleet, declared: &Declared, unseen: Duration, now: Timestamp) -> ApiInventory {
        let seen = self.lock();
        let mut operations: Vec<ApiOperation> = Vec::new();
        let mut described = BTreeSet::new();
        for (service, apis) in declared {
            for (api, operation) in apis.iter().flat_map(|api| api.operations().iter().map(move |it| (api, it))) {
                let key = (service.clone(), operation.method.to_owned(), operation.template.to_string());
                let mut it = described_by(fleet, seen.operations.get(&key), &key);
                it.declared = Some(format!("{}:{}", api.file(), operation.place.line));
                let silent_since = it.seen.as_ref().map_or(seen.since, |it| it.last_seen);
                let is_silent = now.since(silent_since) >= unseen;
                let is_used = it.seen.is_some() && !is_silent;
                it.findings.extend(is_silent.then_some(ApiFinding::Zombie));
                it.findings.extend((operation.deprecated && is_used).then_some(ApiFinding::DeprecatedUsed));
                operations.push(it);
                described.insert(key);
            }
        }
        for (key, entry) in seen.operations.iter().filter(|(key, _)| !described.contains(*key)) {
            let mut it = described_by(fleet, Some(entry), key);
            // Where nothing is described at all, nothing is missing from the description.
            it.findings.extend(declared.contains_key(&key.0).then_some(ApiFinding::Shadow));
            operations.push(it);
        }
        operations.sort_by(|a, b| (&a.service, &a.path, &a.method).cmp(&(&b.service, &b.path, &b.method)));
        let unseen_days = unseen.as_secs() / 86_400;
        ApiInventory { now, since: seen.since, unseen_days, coarse: seen.coarse, operations }
    }

    /// Writes the file, where there is something new, without what was not seen for very long. Blocks.
    fn keep(&self, now: Timestamp) {
        if !self.changed.swap(false, Relaxed) {
            return;
        }
        let kept = {
            let mut seen = self.lock();
            seen.operations.retain(|_, it| now.since(it.last_seen) < INVENTORY_FORGOTTEN_AFTER);
            Kept { since: seen.since, coarse: seen.coarse, operations: seen.operations.values().cloned().collect() }
        };
        let written = serde_json::to_vec(&kept).map_err(std::io::Error::other);
        if let Err(error) = written.and_then(|bytes| files::write_atomic(&self.path, &bytes, 0o600)) {
            self.changed.store(true, Relaxed);
            tracing::warn!(%error, path = %self.path.display(), "operations that were seen cannot be kept");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        // Entries are changed field by field; each field is good by itself.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn is_full(&self, service: &ServiceName) -> bool {
        let first = (service.clone(), String::new(), String::new());
        let own = self.operations.range(first..).take_while(|((it, ..), _)| it == service);
        self.operations.len() >= INVENTORY_OPERATIONS_MAX || own.count() >= INVENTORY_OPERATIONS_OF_SERVICE_MAX
    }
}

fn key(it: &SeenOperation) -> Key {
    (it.service.clone(), it.method.clone(), it.path.clone())
}

/// The template of the operation that a document describes.
fn template(apis: Option<&Vec<Arc<Api>>>, method: &str, path: &str) -> Option<String> {
    apis?.iter().find_map(|api| match api.find(method, path) {
        Found::Operation(found) => Some(found.operation.template.to_string()),
        Found::OtherMethods(_) | Found::Nothing => None,
    })
}

fn count(entry: &mut SeenOperation, request: &Request, at: Timestamp, fleet: &Fleet) {
    entry.last_seen = entry.last_seen.max(at);
    entry.first_seen = entry.first_seen.min(at);
    entry.calls += 1;
    entry.failed += u64::from(request.status >= 400);
    let caller = request.peer.as_ref().map(|peer| match peer.role_in(&fleet.trust_domain) {
        Some(Role::Service(name)) => name.to_string(),
        _ => peer.to_string(),
    });
    let from_outside = caller.as_deref().is_none_or(|caller| caller == GATEWAY);
    entry.anonymous += u64::from(from_outside && request.user.is_none());
    let caller = caller.unwrap_or_else(|| "outside".to_owned());
    if entry.callers.len() < INVENTORY_CALLERS_MAX && !entry.callers.contains(&caller) {
        entry.callers.push(caller);
    }
}

/// An operation with what the fleet file says of its service, and what any may be found to be.
fn described_by(fleet: &Fleet, seen: Option<&SeenOperation>, (service, method, path): &Key) -> ApiOperation {
    let said = fleet.services.get(service);
    let findings = seen.filter(|it| it.anonymous > 0).map(|_| ApiFinding::Unauthenticated);
    ApiOperation {
        service: service.clone(),
        method: method.clone(),
        path: path.clone(),
        declared: None,
        owner: said.and_then(|it| it.owner.clone()),
        data: said.map(|it| it.data.clone()).unwrap_or_default(),
        seen: seen.cloned(),
        findings: findings.into_iter().collect(),
    }
}

/// Keeps the book until the app stops, and once more then.
pub(crate) async fn keep(app: Arc<App>) {
    loop {
        let stopped = app.stop.run_until_cancelled(tokio::time::sleep(INVENTORY_KEEP_EVERY)).await.is_none();
        let keeper = Arc::clone(&app);
        let kept = tokio::task::spawn_blocking(move || keeper.inventory.keep(clock::now())).await;
        if kept.is_err() || stopped {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::Action;
    use bartizan_core::event::EventId;
    use bartizan_core::fleet::parse;

    const FLEET: &str = "fleet: shop\ntrust_domain: shop.test\nservices:\n  orders: { at: \"127.0.0.1:9001\", protocol: http, owner: ann, data: [pii] }\n  bare: { at: \"127.0.0.1:9002\", protocol: http, owner: bob }\ngateway:\n  listen: 127.0.0.1:8443\n  routes:\n    - { path: /o/**, to: orders }\n    - { path: /b/**, to: bare }\nguards: [orders]\n";
    const DOCUMENT: &str = "openapi: 3.1.0\npaths:\n  /o/{id}:\n    parameters: [{ name: id, in: path, required: true, schema: {} }]\n    get: { responses: { '200': { description: d } } }\n    delete: { deprecated: true, responses: { '200': { description: d } } }\n    put: { responses: { '200': { description: d } } }\n";
    const DAY: u64 = 86_400;

    fn name(text: &str) -> ServiceName {
        ServiceName::parse(text).unwrap()
    }

    fn scene() -> (Fleet, Declared) {
        let api = Arc::new(Api::compile(DOCUMENT, "orders.yaml", None).unwrap());
        (parse(FLEET, "fleet.yaml").unwrap(), Declared::from([(name("orders"), vec![api])]))
    }

    fn event(seen_by: SeenBy, to: &str, (method, path, status): (&str, &str, u16), at_s: u64) -> Event {
        let what = What::Request(Request {
            peer: (seen_by == SeenBy::Inbound)
                .then(|| bartizan_core::SpiffeId::parse("spiffe://shop.test/svc/gateway").unwrap()),
            to: name(to),
            method: method.into(),
            path: path.into(),
            route: None,
            action: Action::of_method(method),
            decision: None,
            status,
            error: None,
            took_us: 1,
            added_us: 1,
            client: None,
            user: None,
            span: 1,
            parent_span: 0,
        });
        let at = Timestamp::from_secs(at_s);
        Event { id: EventId(1, 1), at, service: Some(name(to)), seen_by, request: None, what }
    }

    fn found(report: &ApiInventory, method: &str, path: &str) -> Vec<ApiFinding> {
        let it = report.operations.iter().find(|it| it.method == method && it.path == path);
        it.unwrap_or_else(|| panic!("{method} {path} is not among {:#?}", report.operations)).findings.clone()
    }

    #[test]
    fn tells_shadows_zombies_and_the_deprecated_apart() {
        let (fleet, declared) = scene();
        let dir = tempfile::tempdir().unwrap();
        let book = Book::open(dir.path(), Timestamp::from_secs(0));
        let note = |seen_by, to, what, at| book.note(&event(seen_by, to, what, at), &fleet, &declared);
        note(SeenBy::Inbound, "orders", ("GET", "/o/17", 200), 40 * DAY);
        note(SeenBy::Inbound, "orders", ("HEAD", "/o/18", 200), 40 * DAY);
        note(SeenBy::Inbound, "orders", ("DELETE", "/o/18", 500), 40 * DAY);
        note(SeenBy::Inbound, "orders", ("POST", "/admin/17/reset", 200), 40 * DAY);
        note(SeenBy::Inbound, "orders", ("POST", "/admin/18/reset", 200), 40 * DAY);
        note(SeenBy::Inbound, "orders", ("GET", "/wp-login.php", 404), 40 * DAY);
        note(SeenBy::Gateway, "orders", ("GET", "/o/17", 200), 40 * DAY); // seen by its own guard already
        note(SeenBy::Gateway, "bare", ("GET", "/b/x", 200), 40 * DAY);
        note(SeenBy::Outbound, "bare", ("GET", "/b/y", 200), 40 * DAY);
        let now = Timestamp::from_secs(41 * DAY);
        let report = book.report(&fleet, &declared, Duration::from_secs(30 * DAY), now);
        use ApiFinding::{DeprecatedUsed, Shadow, Unauthenticated, Zombie};
        assert_eq!(found(&report, "GET", "/o/{id}"), [Unauthenticated]);
        assert_eq!(found(&report, "DELETE", "/o/{id}"), [Unauthenticated, DeprecatedUsed]);
        assert_eq!(found(&report, "PUT", "/o/{id}"), [Zombie]);
        assert_eq!(found(&report, "POST", "/admin/{id}/reset"), [Unauthenticated, Shadow]);
        assert_eq!(found(&report, "GET", "/b/x"), [Unauthenticated]);
        assert_eq!(report.operations.len(), 5);
        let get = report.operations.iter().find(|it| it.method == "GET" && it.path == "/o/{id}").unwrap();
        let seen = get.seen.as_ref().unwrap();
        assert_eq!((seen.calls, seen.failed, seen.callers.as_slice()), (2, 0, &["gateway".to_owned()][..]));
        assert_eq!((get.owner.as_deref(), get.data.as_slice()), (Some("ann"), &["pii".to_owned()][..]));
        assert_eq!(get.declared.as_deref(), Some("orders.yaml:5"));
        let later = book.report(&fleet, &declared, Duration::from_secs(30 * DAY), Timestamp::from_secs(80 * DAY));
        assert_eq!(found(&later, "DELETE", "/o/{id}"), [Unauthenticated, Zombie]);
    }

    #[test]
    fn counts_outlive_the_process_and_are_bounded() {
        let (fleet, declared) = scene();
        let dir = tempfile::tempdir().unwrap();
        let book = Book::open(dir.path(), Timestamp::from_secs(5));
        for n in 0..INVENTORY_OPERATIONS_OF_SERVICE_MAX + 50 {
            let path = format!("/p{}/x", words(n));
            book.note(&event(SeenBy::Inbound, "orders", ("GET", &path, 200), 9), &fleet, &declared);
        }
        book.note(&event(SeenBy::Inbound, "orders", ("GET", "/o/17", 200), 9), &fleet, &declared);
        // Those, the one that is described, and one for all the others.
        assert_eq!(book.lock().operations.len(), INVENTORY_OPERATIONS_OF_SERVICE_MAX + 2);
        assert_eq!(book.lock().coarse, 50);
        book.keep(Timestamp::from_secs(10));
        let again = Book::open(dir.path(), Timestamp::from_secs(99));
        assert_eq!(again.lock().since, Timestamp::from_secs(5));
        assert_eq!(again.lock().operations, book.lock().operations);
        std::fs::write(dir.path().join("inventory.json"), "{").unwrap();
        let broken = Book::open(dir.path(), Timestamp::from_secs(99));
        assert!(broken.lock().operations.is_empty(), "a broken file is no reason not to start");
    }

    /// A number in letters: digits would be taken for an id.
    fn words(n: usize) -> String {
        n.to_string().bytes().map(|digit| char::from(digit - b'0' + b'g')).collect()
    }
}
