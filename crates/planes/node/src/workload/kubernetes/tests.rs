//! Pods, by the word of a stub of the Kubernetes API server: no cluster can run where this is tested. The stub speaks HTTPS with
//! a CA of its own and lists pods as Kubernetes 1.30 does. The process in a pod is a real one, in a cgroup of the kernel's, where
//! the machine lets us make one.

use super::*;
use crate::workload::caller::Caller;
use crate::workload::process::Eyes;
use bartizan_core::event::HandshakeFailure;
use bartizan_core::workload::{Entry, PodSelector, Selectors};
use bartizan_core::{ServiceName, SpiffeId};
use bartizan_crypto::forge::{Forged, Recipe};
use bartizan_identity::container::container_of;
use bartizan_runtime::tls::{self, ClientAuth, Identity, Judge, JudgeError};
use bartizan_runtime::{clock, listen};
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};

const UID: &str = "0f3a8b1c-52a7-4d3e-9b1a-2f6d0c9e7a11";
const OTHER_UID: &str = "1f3a8b1c-52a7-4d3e-9b1a-2f6d0c9e7a11";
const NODE: &str = "worker-1.test";

/// What the stub says next.
#[derive(Clone)]
struct Said {
    head: String,
    body: Vec<u8>,
    /// Waits so long before that.
    after: Duration,
}

/// A stub of a Kubernetes API server.
struct Api {
    dir: tempfile::TempDir,
    url: String,
    said: Arc<Mutex<Said>>,
    /// Heads of the requests that came.
    heard: Arc<Mutex<Vec<String>>>,
    serving: tokio::task::JoinHandle<()>,
}

fn id(digit: char) -> String {
    digit.to_string().repeat(64)
}

fn container(uid: &str, digit: char) -> Container {
    container_of(&format!("0::/kubepods/pod{uid}/{}", id(digit))).unwrap()
}

/// A pod whose container `digit` runs.
fn pod(uid: &str, namespace: &str, digit: char) -> Value {
    json!({
        "metadata": { "uid": uid, "namespace": namespace, "labels": { "app": "ledger" } },
        "spec": { "nodeName": NODE, "serviceAccountName": "ledger" },
        "status": { "containerStatuses": [{
            "containerID": format!("containerd://{}", id(digit)),
            "state": { "running": { "startedAt": "2026-01-01T00:00:00Z" } },
        }] },
    })
}

fn pods() -> Vec<Value> {
    vec![pod(UID, "pay", 'a'), pod(OTHER_UID, "web", 'b')]
}

impl Said {
    fn list(items: &[Value]) -> Self {
        Self::body(json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items }).to_string())
    }

    fn body(body: impl Into<Vec<u8>>) -> Self {
        Self { head: "HTTP/1.1 200 OK".to_owned(), body: body.into(), after: Duration::ZERO }
    }

    fn head(head: &str) -> Self {
        Self { head: head.to_owned(), ..Self::list(&pods()) }
    }
}

impl Api {
    /// With a certificate for `host`.
    async fn start(host: &str) -> Self {
        let now = clock::now();
        let ca = Recipe::ca("kubernetes", now).self_signed();
        let leaf = Recipe::leaf("", now).with(|it| {
            it.uris.clear();
            it.dns_names = vec![host.to_owned()];
        });
        let leaf = leaf.signed_by(&ca);
        let server = tls::Server::new(&Identity::new(&[leaf.der], &leaf.key).unwrap(), ClientAuth::None, &["http/1.1"]);
        let listener = listen::bind("127.0.0.1:0".parse::<SocketAddr>().unwrap()).unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let (said, heard) = (Arc::new(Mutex::new(Said::list(&pods()))), Arc::default());
        let serving = tokio::spawn(serve(listener, server.unwrap(), Arc::clone(&said), Arc::clone(&heard)));
        let api = Self { dir: tempfile::tempdir().unwrap(), url, said, heard, serving };
        api.trusts(&ca);
        fs::write(api.dir.path().join("token"), "our-own-token\n").unwrap();
        api
    }

    /// What is written into the file of roots.
    fn trusts(&self, ca: &Forged) {
        fs::write(self.dir.path().join("ca.pem"), cert::pem(&ca.der)).unwrap();
    }

    fn say(&self, said: Said) {
        *self.said.lock().unwrap() = said;
    }

    fn asked(&self) -> usize {
        self.heard.lock().unwrap().len()
    }

    fn options(&self) -> Kubernetes {
        let path = |name: &str| self.dir.path().join(name);
        Kubernetes { api: self.url.clone(), ca: path("ca.pem"), token: path("token"), node: NODE.to_owned() }
    }

    /// Asked by somebody who remembers nothing.
    fn cluster(&self) -> Arc<Cluster> {
        Arc::new(Cluster::open(&self.options()).unwrap())
    }

    /// As after so long without a question.
    fn ages(cluster: &Cluster, by: Duration) {
        let mut last = cluster.last();
        let Last { list, failure } = &mut *last;
        let older = |at: &mut Instant| *at = at.checked_sub(by).unwrap();
        list.iter_mut().for_each(|(at, _)| older(at));
        failure.iter_mut().for_each(|(at, _)| older(at));
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, server: tls::Server, said: Arc<Mutex<Said>>, heard: Arc<Mutex<Vec<String>>>) {
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let (server, said, heard) = (server.clone(), Arc::clone(&said), Arc::clone(&heard));
        tokio::spawn(async move { answer(socket, &server, &said, &heard).await });
    }
}

async fn answer(socket: TcpStream, server: &tls::Server, said: &Mutex<Said>, heard: &Mutex<Vec<String>>) -> Option<()> {
    let nobody: Judge<()> =
        Arc::new(|_| Err(JudgeError { failure: HandshakeFailure::Protocol, detail: String::new() }));
    let mut stream = server.accept(socket, nobody, Duration::from_secs(5)).await.ok()?.stream;
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let Said { head, body, after } = said.lock().unwrap().clone();
    heard.lock().unwrap().push(String::from_utf8(bytes).unwrap());
    tokio::time::sleep(after).await;
    let head = format!("{head}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(&body).await.ok()?;
    stream.flush().await.ok()
}

async fn ask(cluster: &Arc<Cluster>, container: Container, known: Known) -> Result<Pod, ClusterError> {
    let cluster = Arc::clone(cluster);
    tokio::task::spawn_blocking(move || cluster.pod_of(&container, known)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuses_containers_that_no_pod_has() {
    let api = Api::start("localhost").await;
    let cluster = api.cluster();
    for (container, why) in [
        (container(OTHER_UID, 'a'), "the uid of another pod"),
        (container(UID, 'b'), "the container of another pod"),
        (container(UID, 'c'), "a container that nobody knows"),
    ] {
        for known in [Known::Not, Known::Before] {
            let answer = ask(&cluster, container.clone(), known).await;
            assert!(matches!(answer, Err(ClusterError::NotListed)), "{why}: {answer:?}");
        }
    }
    let asked = api.asked();
    for (text, why) in [
        (format!("0::/user.slice/user-1000.slice/kubepods/pod{UID}/{}", id('a')), "a cgroup that a user made"),
        (format!("0::/system.slice/docker-{}.scope", id('a')), "no pod's"),
    ] {
        let answer = ask(&cluster, container_of(&text).unwrap(), Known::Before).await;
        assert!(matches!(answer, Err(ClusterError::NotByKubelet)), "{why}: {answer:?}");
    }
    assert_eq!(api.asked(), asked, "nobody is asked about those");
    let mut ended = pod(UID, "pay", 'a');
    let state = json!({ "terminated": { "exitCode": 0, "containerID": format!("containerd://{}", id('a')) } });
    ended["status"]["containerStatuses"][0]["state"] = state;
    api.say(Said::list(&[ended]));
    let answer = ask(&api.cluster(), container(UID, 'a'), Known::Not).await;
    assert!(matches!(answer, Err(ClusterError::NotListed)), "it is over: {answer:?}");
}

/// An API server that is away, slow or odd is no yes, and is asked again another time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_answer_is_no_pod() {
    let api = Api::start("localhost").await;
    let trap = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let elsewhere = format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: https://{}/", trap.local_addr().unwrap());
    let mut moved = pod(UID, "pay", 'a');
    moved["spec"]["nodeName"] = json!("worker-2");
    let oversized = Said::body(vec![b' '; POD_LIST_BYTES_MAX + 1]);
    let silent = Said { after: Duration::from_secs(60), ..Said::list(&pods()) };
    for (said, why) in [
        (Said::head(&elsewhere), "sent elsewhere"),
        (Said::head("HTTP/1.1 403 Forbidden"), "we may not ask"),
        (Said::head("HTTP/1.1 500 Internal Server Error"), "it cannot"),
        (oversized, "more than we read"),
        (silent, "nothing for a minute"),
    ] {
        api.say(said);
        let began = Instant::now();
        let answer = ask(&api.cluster(), container(UID, 'a'), Known::Before).await;
        assert!(matches!(answer, Err(ClusterError::Api(_))), "{why}: {answer:?}");
        assert!(began.elapsed() < Duration::from_secs(9), "{why}: {:?}", began.elapsed());
    }
    for (said, why) in [(Said::body("<html>"), "garbage"), (Said::list(&[moved]), "of another node")] {
        api.say(said);
        let answer = ask(&api.cluster(), container(UID, 'a'), Known::Before).await;
        assert!(matches!(answer, Err(ClusterError::List(_))), "{why}: {answer:?}");
    }
    assert_eq!(trap.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "a redirect was followed");

    api.say(Said::list(&pods()));
    let cluster = api.cluster();
    let token = api.options().token;
    fs::rename(&token, token.with_extension("away")).unwrap();
    let answer = ask(&cluster, container(UID, 'a'), Known::Not).await;
    assert!(matches!(&answer, Err(ClusterError::File { path, .. }) if *path == token), "no token: {answer:?}");
    let asked = api.asked();
    fs::write(&token, "another-token\n").unwrap();
    assert!(ask(&cluster, container(UID, 'a'), Known::Not).await.is_err(), "not again at once");
    Api::ages(&cluster, PODS_TTL);
    ask(&cluster, container(UID, 'a'), Known::Not).await.expect("it is asked again");
    assert_eq!(api.asked(), asked + 1);
    let head = api.heard.lock().unwrap().last().unwrap().clone();
    assert!(head.starts_with("GET /api/v1/pods?fieldSelector=spec.nodeName%3Dworker-1.test%2C"), "{head}");
    assert!(head.to_lowercase().contains("authorization: bearer another-token\r\n"), "read anew: {head}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_configured_api_server_is_believed() {
    let (api, other) = (Api::start("localhost").await, Api::start("kube.test").await);
    let answer = ask(&other.cluster(), container(UID, 'a'), Known::Not).await;
    assert!(matches!(answer, Err(ClusterError::Api(_))), "with another name: {answer:?}");
    api.trusts(&Recipe::ca("other", clock::now()).self_signed());
    let answer = ask(&api.cluster(), container(UID, 'a'), Known::Not).await;
    assert!(matches!(answer, Err(ClusterError::Api(_))), "of another CA: {answer:?}");
    assert_eq!(api.asked() + other.asked(), 0, "it saw a token");
    for (options, why) in [
        (Kubernetes { ca: api.dir.path().join("absent"), ..api.options() }, "no roots"),
        (Kubernetes { ca: api.options().token, ..api.options() }, "roots that are none"),
        (Kubernetes { api: "http://localhost".to_owned(), ..api.options() }, "no TLS"),
        (Kubernetes { node: "a&limit=1".to_owned(), ..api.options() }, "no node's name"),
    ] {
        assert!(Cluster::open(&options).is_err(), "{why}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_nobody_answers_only_those_known_before_are_known_and_not_for_long() {
    let api = Api::start("localhost").await;
    let cluster = api.cluster();
    assert_eq!(ask(&cluster, container(UID, 'a'), Known::Not).await.unwrap().namespace, "pay");
    api.say(Said::head("HTTP/1.1 503 Service Unavailable"));
    Api::ages(&cluster, PODS_TTL);
    assert!(ask(&cluster, container(UID, 'a'), Known::Not).await.is_err(), "a new caller");
    assert_eq!(ask(&cluster, container(UID, 'a'), Known::Before).await.unwrap().namespace, "pay");
    assert!(ask(&cluster, container(UID, 'c'), Known::Before).await.is_err(), "who is in no list is not kept");
    Api::ages(&cluster, PODS_KEPT);
    assert!(ask(&cluster, container(UID, 'a'), Known::Before).await.is_err(), "a minute is enough");
    // Back again, it counts at once what it says.
    api.say(Said::list(&[pod(UID, "elsewhere", 'a')]));
    Api::ages(&cluster, PODS_TTL);
    assert_eq!(ask(&cluster, container(UID, 'a'), Known::Before).await.unwrap().namespace, "elsewhere");
    api.say(Said::list(&[]));
    Api::ages(&cluster, PODS_TTL);
    let answer = ask(&cluster, container(UID, 'a'), Known::Before).await;
    assert!(matches!(answer, Err(ClusterError::NotListed)), "an answer is not kept back: {answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_callers_is_one_question_and_some_wait_in_vain() {
    let api = Api::start("localhost").await;
    let slow = |said: Said| Said { after: Duration::from_millis(500), ..said };
    api.say(slow(Said::list(&pods())));
    let cluster = api.cluster();
    let flood = async |digit: char| {
        let all: Vec<_> = (0..200)
            .map(|_| {
                let cluster = Arc::clone(&cluster);
                tokio::task::spawn_blocking(move || cluster.pod_of(&container(UID, digit), Known::Not))
            })
            .collect();
        let mut answers = Vec::new();
        for one in all {
            answers.push(one.await.unwrap());
        }
        answers
    };
    let answers = flood('a').await;
    let busy = answers.iter().filter(|it| matches!(it, Err(ClusterError::Busy))).count();
    let good = answers.iter().filter(|it| it.is_ok()).count();
    assert!(good >= PODS_WAITING_MAX && busy > 0 && good + busy == 200, "{good} good, {busy} turned away");
    assert_eq!(api.asked(), 1, "all were told by one answer");
    flood('c').await;
    assert!(api.asked() <= 3, "unknown ones: {} questions", api.asked());
    Api::ages(&cluster, PODS_TTL);
    let asked = api.asked();
    api.say(slow(Said::head("HTTP/1.1 503 Service Unavailable")));
    assert!(flood('a').await.iter().all(Result::is_err));
    assert_eq!(api.asked(), asked + 1, "an answer that did not come is not asked for by everyone");
}

/// A cgroup as the kubelet makes them, with this very process in it until it is dropped.
struct InPod {
    procs: PathBuf,
    made: Vec<PathBuf>,
}

impl InPod {
    fn enter(uid: &str, digit: char) -> std::io::Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        let root = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).find(|it| it[2] == "cgroup2");
        let root = PathBuf::from(root.ok_or_else(|| std::io::Error::other("no cgroup2"))?[1]);
        let own = fs::read_to_string("/proc/self/cgroup")?;
        let own = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default().to_owned();
        // Not the kubelet's own folder, where there is one; nobody but root can make this one either.
        let top = root.join(format!("kubelet-test-{}", std::process::id()));
        let made = vec![top.clone(), top.join(format!("pod{uid}")), top.join(format!("pod{uid}")).join(id(digit))];
        let it = Self { procs: root.join(own).join("cgroup.procs"), made };
        for dir in &it.made {
            fs::create_dir(dir)?;
        }
        fs::write(it.made[2].join("cgroup.procs"), std::process::id().to_string())?;
        Ok(it)
    }
}

impl Drop for InPod {
    fn drop(&mut self) {
        let _ = fs::write(&self.procs, std::process::id().to_string());
        for dir in self.made.iter().rev() {
            let _ = fs::remove_dir(dir);
        }
    }
}

fn entry(name: &str, namespace: &str, uid: Option<u32>) -> Entry {
    let labels = [("app".to_owned(), "ledger".to_owned())].into();
    let pod = PodSelector { namespace: namespace.to_owned(), service_account: "ledger".to_owned(), labels };
    Entry {
        name: ServiceName::parse(name).unwrap(),
        id: SpiffeId::parse(&format!("spiffe://bank.test/workload/{name}")).unwrap(),
        node: None,
        selectors: Selectors { uid, kubernetes: Some(pod), ..Selectors::default() },
        ttl_s: None,
        jwt: false,
        dns: Vec::new(),
        sole: false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_is_what_its_pod_is_by_the_word_of_the_api_server() {
    let api = Api::start("localhost").await;
    let us = rustix::process::getuid().as_raw();
    let entries = [entry("ledger", "pay", None), entry("web", "web", None), entry("other", "pay", Some(us + 1))];
    let eyes = Arc::new(Eyes::with(None, Some(Cluster::open(&api.options()).unwrap())));
    let (socket, _other) = UnixStream::pair().unwrap();
    let caller = Arc::new(Caller::of(&socket).unwrap());
    let look = async |before| {
        let (eyes, caller, entries) = (Arc::clone(&eyes), Arc::clone(&caller), entries.to_vec());
        let looking = tokio::task::spawn_blocking(move || eyes.look(&caller, &entries, Option::as_ref(&before)));
        let (seen, mine) = looking.await.unwrap().unwrap();
        (seen, mine.iter().map(|it| it.name.to_string()).collect::<Vec<_>>())
    };
    assert_eq!(look(None).await.1, Vec::<String>::new(), "in no pod");
    assert_eq!(api.asked(), 0, "nobody is asked about who is in none");
    let in_pod = match InPod::enter(UID, 'a') {
        Ok(in_pod) => in_pod,
        Err(error) => return println!("no cgroup can be made here, nothing more is seen: {error}"),
    };
    let (first, mine) = look(None).await;
    assert_eq!(mine, ["ledger"], "by namespace, account, label, and not as another user");
    let cluster = eyes.cluster().unwrap();
    Api::ages(cluster, PODS_TTL);
    api.say(Said::head("HTTP/1.1 503 Service Unavailable"));
    assert_eq!(look(None).await.1, Vec::<String>::new(), "new, and nobody vouches");
    assert_eq!(look(Some(first.clone())).await.1, ["ledger"], "attested before");
    Api::ages(cluster, PODS_KEPT);
    assert_eq!(look(Some(first.clone())).await.1, Vec::<String>::new(), "and not for ever");
    api.say(Said::list(&[pod(UID, "web", 'a')]));
    Api::ages(cluster, PODS_TTL);
    assert_eq!(look(Some(first)).await.1, ["web"], "it is what the server says now");
    drop(in_pod);
    assert_eq!(look(None).await.1, Vec::<String>::new(), "out of the pod");
}
