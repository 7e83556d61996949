//! One process: a member whose machine is a table of texts, and a door for the test's questions.

use bartizan_consensus::Member;
use bartizan_core::{Role, Secret, SpiffeId, TrustDomain};
use bartizan_identity::{TrustBundles, expect_peer, verify_peer};
use bartizan_quorum::{Ends, Group, Machine, Options};
use bartizan_runtime::tls::{Identity, Judge, JudgeError};
use bartizan_runtime::{clock, listen};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

pub const DOMAIN: &str = "quorum.test";
pub const NAME: &str = "test";

/// What the parent tells a member, as lines of `key value` in a file.
pub struct Config(BTreeMap<String, String>);

impl Config {
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        Self(text.lines().filter_map(|line| line.split_once(' ')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
    }

    fn get(&self, key: &str) -> &str {
        &self.0[key]
    }
}

#[derive(Default)]
struct Table(BTreeMap<String, String>);

impl Machine for Table {
    fn apply(&mut self, index: u64, change: &[u8]) -> Vec<u8> {
        let (key, value): (String, String) = postcard::from_bytes(change).unwrap();
        self.0.insert(key, value);
        index.to_string().into_bytes()
    }

    fn look(&self, question: &[u8]) -> Vec<u8> {
        self.0.get(&*String::from_utf8_lossy(question)).cloned().unwrap_or_default().into_bytes()
    }

    fn save(&self) -> Vec<u8> {
        postcard::to_stdvec(&self.0).unwrap()
    }

    fn load(&mut self, state: &[u8]) -> Result<(), String> {
        self.0 = postcard::from_bytes(state).map_err(|error| error.to_string())?;
        Ok(())
    }
}

pub fn judge(roots: &str) -> Judge<()> {
    let domain = TrustDomain::parse(DOMAIN).unwrap();
    let bundles = TrustBundles::from_pem(&domain, roots).unwrap();
    let control = SpiffeId::of(&domain, &Role::Control);
    Arc::new(move |chain| {
        let judged = verify_peer(chain, &bundles, clock::now()).and_then(|peer| expect_peer(peer, &control));
        judged.map(|_| ()).map_err(|refusal| JudgeError { failure: refusal.failure, detail: refusal.detail })
    })
}

pub fn identity(dir: &Path, name: &str) -> Identity {
    let text = |end: &str| std::fs::read_to_string(dir.join(format!("{name}.{end}"))).unwrap();
    Identity::from_pem(&text("pem"), &Secret::new(text("key"))).unwrap()
}

/// Runs until it is killed; ends with 3 where the group has to.
pub fn run(config: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(serve(&Config::read(config)));
}

async fn serve(config: &Config) {
    let shared = Path::new(config.get("shared"));
    let members = config.get("members").split(',').map(|it| it.split_once('=').unwrap());
    let members: BTreeMap<Member, SocketAddr> =
        members.map(|(number, at)| (Member(number.parse().unwrap()), at.parse().unwrap())).collect();
    let me = Member(config.get("me").parse().unwrap());
    let listener = listen::bind(members[&me]).unwrap();
    let options = Options {
        name: NAME.to_owned(),
        me,
        members,
        dir: config.get("dir").into(),
        founding: config.get("founding") == "true",
        ends: Arc::new(arc_swap::ArcSwap::from_pointee(Ends::new(&identity(shared, "control")).unwrap())),
        judge: judge(&std::fs::read_to_string(shared.join("roots.pem")).unwrap()),
        log_bytes: Some(config.get("log_bytes").parse().unwrap()),
    };
    let (group, running) = Group::start(options, listener, Table::default(), CancellationToken::new()).await.unwrap();
    let asked = listen::bind(config.get("asked").parse().unwrap()).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = asked.accept().await {
            tokio::spawn(answer(group.clone(), stream));
        }
    });
    let ended = running.await.unwrap();
    eprintln!("the member ended: {ended:?}");
    std::process::exit(3);
}

async fn answer(group: Group, stream: TcpStream) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let words: Vec<&str> = line.split(' ').collect();
        let said = match words[..] {
            ["put", key, value] => group.change(postcard::to_stdvec(&(key, value)).unwrap()).await,
            ["get", key] => group.look(key).await,
            _ => Ok(format!("{:?}", group.status()).into_bytes()),
        };
        let text = match said {
            Ok(said) => format!("ok {}\n", String::from_utf8_lossy(&said)),
            Err(error) => format!("{error:?}\n"),
        };
        if write.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}
