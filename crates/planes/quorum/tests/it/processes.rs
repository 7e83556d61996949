//! A group of processes, each this test's own program started anew.

use crate::member::{self, DOMAIN};
use bartizan_core::{Role, ServiceName, SpiffeId, TrustDomain};
use bartizan_crypto::{KeyPair, cert, csr, key, random};
use bartizan_identity::{IssuingCa, RootCa};
use bartizan_runtime::clock;
use bartizan_runtime::ports::{Claimed, claim_loopback_ports};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Names the file of a member to the process that is to be it.
const CONFIG: &str = "BARTIZAN_TEST_QUORUM";
/// How long something may take that a loaded machine takes a while for.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How long a question may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Not a test of its own: what a process is that was started as a member.
#[test]
fn be_a_member() {
    if let Some(config) = std::env::var_os(CONFIG) {
        member::run(Path::new(&config));
    }
}

pub struct Group {
    pub dir: tempfile::TempDir,
    pub members: Vec<SocketAddr>,
    asked: Vec<SocketAddr>,
    children: Vec<Option<Child>>,
    _claims: Claimed,
}

impl Drop for Group {
    fn drop(&mut self) {
        for child in self.children.iter_mut().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Group {
    /// Of three, none of which runs yet.
    pub fn new(log_bytes: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let claimed = claim_loopback_ports(6).unwrap();
        let at = |port: &u16| SocketAddr::from(([127, 0, 0, 1], *port));
        let (members, asked): (Vec<_>, Vec<_>) =
            (claimed.ports[..3].iter().map(at).collect(), claimed.ports[3..].iter().map(at).collect());
        certificates(dir.path());
        let list: Vec<String> = members.iter().enumerate().map(|(n, at)| format!("{n}={at}")).collect();
        let group = Self { dir, members, asked, children: vec![None, None, None], _claims: claimed };
        (0..3).for_each(|me| group.configure(me, &list.join(","), log_bytes, true));
        group
    }

    /// Writes the file that a member is started with.
    pub fn configure(&self, me: usize, list: &str, log_bytes: u64, founding: bool) {
        let text = format!(
            "me {me}\nmembers {list}\nasked {}\nshared {}\ndir {}\nlog_bytes {log_bytes}\nfounding {founding}\n",
            self.asked[me],
            self.dir.path().display(),
            self.folder(me).display()
        );
        std::fs::write(self.dir.path().join(format!("{me}.conf")), text).unwrap();
    }

    /// A member's disk is gone, and it is told so.
    pub fn lose_disk(&self, me: usize) {
        std::fs::remove_dir_all(self.folder(me)).unwrap();
        let file = self.dir.path().join(format!("{me}.conf"));
        let text = std::fs::read_to_string(&file).unwrap().replace("founding true", "founding false");
        std::fs::write(file, text).unwrap();
    }

    /// The same processes, to be asked by another thread; they are not its own to end.
    pub fn view(&self) -> Self {
        let claims = Claimed { ports: Vec::new(), claims: Vec::new() };
        let dir = tempfile::tempdir().unwrap();
        let (members, asked) = (self.members.clone(), self.asked.clone());
        Self { dir, members, asked, children: vec![None, None, None], _claims: claims }
    }

    pub fn started(log_bytes: u64) -> Self {
        let mut group = Self::new(log_bytes);
        (0..3).for_each(|me| group.start(me));
        group
    }

    pub fn folder(&self, me: usize) -> PathBuf {
        self.dir.path().join(format!("member{me}"))
    }

    pub fn start(&mut self, me: usize) {
        let log = std::fs::File::options().create(true).append(true).open(self.dir.path().join(format!("{me}.log")));
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["processes::be_a_member", "--exact", "--nocapture"])
            .env(CONFIG, self.dir.path().join(format!("{me}.conf")))
            .stdout(Stdio::null())
            .stderr(log.unwrap())
            .spawn();
        self.children[me] = Some(child.unwrap());
    }

    pub fn kill(&mut self, me: usize) {
        let mut child = self.children[me].take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub fn signal(&self, me: usize, signal: &str) {
        let pid = self.children[me].as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    pub fn runs(&mut self, me: usize) -> bool {
        self.children[me].as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    /// What a member says; where it cannot be asked, why.
    pub fn ask(&self, me: usize, line: &str) -> Result<String, String> {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect_timeout(&self.asked[me], ANSWER_WITHIN)?;
            stream.set_read_timeout(Some(ANSWER_WITHIN))?;
            stream.write_all(format!("{line}\n").as_bytes())?;
            let mut said = String::new();
            BufReader::new(stream).read_line(&mut said)?;
            Ok(said.trim_end().to_owned())
        };
        ask().map_err(|error| error.to_string())
    }

    /// Who answers, of these.
    pub fn leader(&self, among: &[usize]) -> usize {
        self.wait("a leader", || {
            among.iter().copied().find(|me| self.ask(*me, "get nothing").is_ok_and(|said| said.starts_with("ok")))
        })
    }

    /// Puts it wherever it is taken; the index that it got.
    pub fn put(&self, key: &str, value: &str, among: &[usize]) -> u64 {
        self.wait("a put to be taken", || {
            let put = |me: &usize| self.ask(*me, &format!("put {key} {value}")).ok()?.strip_prefix("ok ")?.parse().ok();
            among.iter().find_map(put)
        })
    }

    pub fn wait<T>(&self, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(said) = ask() {
                return said;
            }
            if began.elapsed() > PATIENCE {
                let stand: Vec<_> = (0..3).map(|me| self.ask(me, "who")).collect();
                let logs = (0..3).map(|me| std::fs::read_to_string(self.dir.path().join(format!("{me}.log"))));
                panic!("waited in vain for {what}: {stand:?}\n{:?}", logs.collect::<Vec<_>>());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A root, and identities of a control, of a service, and of a control with another root.
pub fn certificates(dir: &Path) {
    let domain = TrustDomain::parse(DOMAIN).unwrap();
    let service = Role::Service(ServiceName::parse("accounts").unwrap());
    let (root, issuing) = authority(&domain);
    let (_, other) = authority(&domain);
    std::fs::write(dir.join("roots.pem"), cert::pem(&root)).unwrap();
    for (name, issuing, role) in
        [("control", &issuing, &Role::Control), ("service", &issuing, &service), ("other", &other, &Role::Control)]
    {
        let key = KeyPair::generate().unwrap();
        let svid =
            issuing.issue(key.public_spki(), &SpiffeId::of(&domain, role), random::bytes(), clock::now()).unwrap();
        let chain: String = svid.chain.iter().map(|der| cert::pem(der)).collect();
        std::fs::write(dir.join(format!("{name}.pem")), chain).unwrap();
        std::fs::write(dir.join(format!("{name}.key")), key::pem(&key).expose()).unwrap();
    }
}

fn authority(domain: &TrustDomain) -> (Vec<u8>, IssuingCa) {
    let now = clock::now();
    let root = RootCa::create(domain, KeyPair::generate().unwrap(), random::bytes(), now).unwrap();
    let key = KeyPair::generate().unwrap();
    let request = csr::check(&csr::make(&key).unwrap()).unwrap();
    let certificate = root.sign_issuing(&request, random::bytes(), now).unwrap();
    (root.certificate().to_vec(), IssuingCa::new(key, &certificate, domain).unwrap())
}
