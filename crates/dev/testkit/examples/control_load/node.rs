//! A stand-in for a node: joins, renews, holds a stream open. The wire is the real one.

use crate::control::Control;
use bartizan_core::event::HandshakeFailure;
use bartizan_core::{Role, SpiffeId, Timestamp, TrustDomain};
use bartizan_crypto::{KeyPair, cert, csr};
use bartizan_identity::{TrustBundles, expect_peer, verify_peer};
use bartizan_runtime::clock;
use bartizan_runtime::control_stream::{self, Client, Request, Streaming};
use bartizan_runtime::control_v1::{JoinNodeRequest, NodeDown, NodeHello, NodeUp, node_up};
use bartizan_runtime::tls::{self, Judge, JudgeError};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Where control is, and how it is recognised.
#[derive(Clone)]
pub(crate) struct Target {
    listen: SocketAddr,
    domain: TrustDomain,
    bundles: Arc<TrustBundles>,
}

impl Target {
    pub(crate) fn of(control: &Control) -> Self {
        Self { listen: control.listen, domain: control.domain.clone(), bundles: Arc::clone(&control.bundles) }
    }

    async fn connect(&self, own: Option<&Node>) -> Result<Client, Failure> {
        let identity = own.map(|own| tls::Identity::new(&own.chain, &own.key)).transpose()?;
        let tls = tls::Client::new(identity.as_ref(), control_stream::ALPN)?;
        let (bundles, expected) = (Arc::clone(&self.bundles), SpiffeId::of(&self.domain, &Role::Control));
        let judge: Judge<()> = Arc::new(move |chain| {
            let judged = verify_peer(chain, &bundles, clock::now()).and_then(|peer| expect_peer(peer, &expected));
            judged
                .map(drop)
                .map_err(|refusal| JudgeError { failure: HandshakeFailure::WrongPeer, detail: refusal.detail })
        });
        Ok(control_stream::connect(self.listen, tls, judge).await?)
    }
}

pub(crate) struct Node {
    name: String,
    key: KeyPair,
    chain: Vec<Vec<u8>>,
}

/// An open stream of a node.
pub(crate) struct Stream {
    pub(crate) ups: mpsc::Sender<NodeUp>,
    pub(crate) downs: Streaming<NodeDown>,
}

impl Node {
    pub(crate) async fn join(target: &Target, name: &str, token: String) -> Result<Self, Failure> {
        let client = target.connect(None).await?;
        Self::ask(client, name, token).await
    }

    async fn ask(mut client: Client, name: &str, token: String) -> Result<Self, Failure> {
        let key = KeyPair::generate()?;
        let request = JoinNodeRequest {
            token,
            name: name.to_owned(),
            csr: csr::make(&key)?,
            machine: None,
            kubernetes_token: String::new(),
        };
        let chain = client.join_node(Request::new(request)).await?.into_inner().svid.ok_or("no identity")?.chain;
        Ok(Self { name: name.to_owned(), key, chain })
    }

    /// The next identity, as at half of the life of the one before.
    pub(crate) async fn renew(&self, target: &Target) -> Result<Self, Failure> {
        Self::ask(target.connect(Some(self)).await?, &self.name, String::new()).await
    }

    pub(crate) async fn attach(&self, target: &Target) -> Result<Stream, Failure> {
        let mut client = target.connect(Some(self)).await?;
        let (ups, queue) = mpsc::channel(8);
        let hello = NodeHello {
            name: self.name.clone(),
            instance: 1,
            pid: 1,
            version: "0.1.0".to_owned(),
            held: Vec::new(),
            workload_socket: String::new(),
        };
        ups.send(NodeUp { message: Some(node_up::Message::Hello(hello)) }).await?;
        let downs = client.attach_node(ReceiverStream::new(queue)).await?.into_inner();
        Ok(Stream { ups, downs })
    }

    pub(crate) fn not_after(&self) -> Timestamp {
        cert::read(&self.chain[0]).unwrap().not_after()
    }
}
