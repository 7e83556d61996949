//! The way out of the fleet: a guard whose rules and names are set by hand, and servers outside that keep what they hear.

mod captured; // as if the kernel had led connections here
mod corpus; // one attempt for each way round it
mod credential; // what the program never holds
mod names; // DNS
mod namespace; // the same with a program that has no other network
mod token; // who the service is
mod tunnels; // what works, and its events

use crate::client::{plain, talk};
use crate::world::{Guard, PATIENCE, World, free_addr, policies};
use bartizan_core::egress::{Egress, Refusal};
use bartizan_core::event::{self, Event, Outcome, What};
use bartizan_core::fleet;
use bartizan_core::snapshot::EgressSide;
use bartizan_crypto::key::KeyPair;
use bartizan_crypto::{cert, random};
use bartizan_proxy::egress::doors::{Doors, Sockets};
use bartizan_proxy::egress::resolve::{Resolver, Table};
use bartizan_runtime::tls::{ClientAuth, Identity, JudgeError, Server, WebClient};
use bartizan_runtime::{clock, tls};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// The rules of service `web`, as the fleet file has them; `{port}` stands for the ports of servers.
pub fn rules(egress: &str, origins: &[&Origin]) -> Egress {
    let mut egress = egress.to_owned();
    for (n, origin) in origins.iter().enumerate() {
        egress = egress.replace(&format!("{{{n}}}"), &origin.addr.port().to_string());
    }
    let text =
        format!("fleet: f\ntrust_domain: bank.test\nservices:\n  web:\n    at: 127.0.0.1:9001\n    egress: {egress}\n");
    let fleet = fleet::parse(&text, "fleet.yaml").unwrap_or_else(|error| panic!("{error}\n{text}"));
    fleet.services.into_values().next().unwrap().egress.unwrap().rules
}

/// A guard with a way out.
pub struct Out {
    pub guard: Guard,
    pub side: EgressSide,
    pub names: Table,
    _doors: Doors,
}

impl Out {
    pub async fn start(world: &World, rules: Egress) -> Self {
        let side = EgressSide { proxy: free_addr(), dns: free_addr(), rules };
        let sockets = Sockets::open(&side).unwrap();
        Self::on(world, side, sockets).await
    }

    /// On sockets that are open already.
    pub async fn on(world: &World, side: EgressSide, sockets: Sockets) -> Self {
        let mut directory = world.directory("web");
        directory.own.egress = Some(side.clone());
        let guard = Guard::start(world, directory, &policies("")).await;
        let names = Table::default();
        let mut doors = Doors::new(Arc::clone(&guard.proxy), Resolver::Table(names.clone()), guard.stop.child_token());
        doors.serve(sockets, [side.proxy, side.dns]).unwrap();
        Self { guard, side, names, _doors: doors }
    }

    /// Other rules, as control would send them.
    pub fn change(&mut self, rules: Egress) {
        self.side.rules = rules;
        let side = self.side.clone();
        self.guard.redirect(|directory| directory.own.egress = Some(side));
    }

    /// Sends bytes to the forward proxy and reads to the end.
    pub async fn ask(&self, request: impl AsRef<[u8]>) -> String {
        talk(plain(self.side.proxy).await, request).await
    }

    /// A tunnel to `authority`, or the answer that there is none.
    pub async fn tunnel(&self, authority: &str) -> Result<TcpStream, String> {
        let mut stream = plain(self.side.proxy).await;
        let request = format!("CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => break,
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        if head.starts_with("HTTP/1.1 200") {
            return Ok(stream);
        }
        let mut body = String::new();
        let length =
            head.to_lowercase().split("content-length: ").nth(1).and_then(|it| it.split("\r\n").next()?.parse().ok());
        let mut bytes = vec![0; length.unwrap_or(0)];
        if stream.read_exact(&mut bytes).await.is_ok() {
            body = String::from_utf8_lossy(&bytes).into_owned();
        }
        Err(head + &body)
    }

    /// The event that `pick` wants, among those of the way out.
    pub async fn event(&self, pick: impl Fn(&event::Egress) -> bool) -> event::Egress {
        self.guard
            .event(|event: &Event| match &event.what {
                What::Egress(it) if pick(it) => Some(it.clone()),
                _ => None,
            })
            .await
    }

    /// The next refusal for that reason.
    pub async fn refused(&self, refusal: Refusal) -> event::Egress {
        self.event(|it| it.outcome == Outcome::Refused(refusal)).await
    }
}

/// A server outside: it keeps what it hears, answers HTTP with `hello`, and echoes everything else.
pub struct Origin {
    pub addr: SocketAddr,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
    stop: CancellationToken,
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

impl Origin {
    pub async fn plain() -> Self {
        Self::at(free_addr(), None).await
    }

    /// With a certificate for these names.
    pub async fn tls(world: &World, names: &[&str]) -> Self {
        Self::tls_at(world, names, free_addr()).await
    }

    pub async fn tls_at(world: &World, names: &[&str], addr: SocketAddr) -> Self {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let svid = world.ca.issue_edge(key.public_spki(), &names, &[], random::bytes(), clock::now()).unwrap();
        let server = Server::new(&Identity::new(&svid.chain, &key).unwrap(), ClientAuth::None, &["http/1.1"]).unwrap();
        Self::at(addr, Some(server)).await
    }

    pub async fn at(addr: SocketAddr, tls: Option<Server>) -> Self {
        let listener = TcpListener::bind(addr).await.unwrap();
        let (heard, stop) = (Arc::<Mutex<Vec<Vec<u8>>>>::default(), CancellationToken::new());
        let (keep, stopping) = (Arc::clone(&heard), stop.clone());
        tokio::spawn(stopping.run_until_cancelled_owned(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let number = {
                    let mut heard = keep.lock().unwrap();
                    heard.push(Vec::new());
                    heard.len() - 1
                };
                let (keep, tls) = (Arc::clone(&keep), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => answer(stream, &keep, number).await,
                        Some(server) => {
                            let nobody: tls::Judge<()> = Arc::new(|_| {
                                let failure = event::HandshakeFailure::NoCertificate;
                                Err(JudgeError { failure, detail: String::new() })
                            });
                            if let Ok(accepted) = server.accept(stream, nobody, PATIENCE).await {
                                answer(accepted.stream, &keep, number).await;
                            }
                        }
                    }
                });
            }
        }));
        Self { addr, heard, stop }
    }

    /// What each connection said.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }

    /// Bytes of all connections.
    pub fn bytes(&self) -> usize {
        self.heard.lock().unwrap().iter().map(Vec::len).sum()
    }
}

async fn answer(
    mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    keep: &Mutex<Vec<Vec<u8>>>,
    number: usize,
) {
    let mut bytes = vec![0; 4096];
    while let Ok(n @ 1..) = stream.read(&mut bytes).await {
        let whole = {
            let mut heard = keep.lock().unwrap();
            heard[number].extend(&bytes[..n]);
            String::from_utf8_lossy(&heard[number]).into_owned()
        };
        let http = ["GET ", "POST ", "HEAD "].iter().any(|it| whole.contains(it));
        let reply = if http && whole.contains("\r\n\r\n") { HELLO.as_bytes() } else { &bytes[..n] };
        if http && !whole.contains("\r\n\r\n") {
            continue;
        }
        if stream.write_all(reply).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        if http && whole.to_lowercase().contains("connection: close") {
            let _ = stream.shutdown().await;
            return;
        }
    }
}

/// A client of the web that trusts the roots of `world`.
pub fn web(world: &World) -> WebClient {
    WebClient::new(&roots(world), &["http/1.1"]).unwrap()
}

pub fn roots(world: &World) -> String {
    let roots = world.bundles.roots_of(world.domain.as_str()).unwrap();
    roots.iter().map(|der| cert::pem(der)).collect()
}

/// GET over TLS with `host`, through a stream that leads there somehow.
pub async fn get_over_tls(world: &World, stream: TcpStream, host: &str) -> Result<String, String> {
    let stream = web(world).connect(stream, host, PATIENCE).await.map_err(|error| error.to_string())?;
    Ok(talk(stream, format!("GET /x HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")).await)
}
