//! A node: joins, renews, vouches.

use crate::support::{Connection, Running};
use bartizan_core::{Role, SpiffeId};
use bartizan_crypto::{KeyPair, csr, random};
use bartizan_identity::voucher;
use bartizan_runtime::clock;
use bartizan_runtime::control_stream::{Request, Status};
use bartizan_runtime::control_v1::JoinNodeRequest;

pub(crate) struct Node {
    pub(crate) key: KeyPair,
    pub(crate) chain: Vec<Vec<u8>>,
}

impl Node {
    pub(crate) async fn join(control: &Running, name: &str, token: &str) -> Result<Self, Status> {
        let key = KeyPair::generate().unwrap();
        let chain = Self::ask(control, None, name, token, csr::make(&key).unwrap()).await?;
        Ok(Self { key, chain })
    }

    /// Asks with any request, with the identity of `own` where given.
    pub(crate) async fn ask(
        control: &Running,
        own: Option<&Self>,
        name: &str,
        token: &str,
        csr: Vec<u8>,
    ) -> Result<Vec<Vec<u8>>, Status> {
        let mut client = Connection::open(control, own.map(|own| (&own.chain, &own.key))).await.client;
        let (token, name) = (token.to_owned(), name.to_owned());
        let request = JoinNodeRequest { token, name, csr, ..JoinNodeRequest::default() };
        let reply = client.join_node(Request::new(request)).await?;
        Ok(reply.into_inner().svid.unwrap().chain)
    }

    /// A voucher for whoever has `key`.
    pub(crate) fn vouch(&self, control: &Running, service: &str, key: &KeyPair) -> String {
        let service = service.split_once('.').map_or(service, |(service, _)| service); // whichever instance
        let id = SpiffeId::of(&control.domain, &Role::Service(crate::support::service(service)));
        voucher::make(&self.key, &self.chain, &id, key.public_spki(), random::bytes(), clock::now()).unwrap()
    }
}
