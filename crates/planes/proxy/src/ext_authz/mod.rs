//! The door for an Envoy that takes the guard's place in front of the program: it asks here before it lets a request in, and is
//! answered by the same path rules, deny list and policies as the guard's own callers (`ext_authz`, version 3).
//!
//! In: who called, by Envoy's word, and method and path. Out: let in or denied, with an event as for an own request. The door is
//! on loopback and gives nothing but answers; that the caller is who Envoy says is Envoy's to verify, by the certificates
//! and roots that it has from the node. What is missing, unknown or ambiguous is denied.

mod ask; // what is asked, and by whom
mod certificate; // the caller's, where Envoy sends it along
mod grpc; // asked and answered over gRPC
mod judge; // start here: the answer
mod plain; // asked and answered over plain HTTP

use crate::conn::Fresh;
use crate::counters::Counters;
use crate::live::Proxy;
use bartizan_policy::Memo;
use bartizan_runtime::ext_authz;
use bartizan_runtime::ext_authz_v3::{CheckRequest, CheckResponse};
use http::Response;
use http::request::Parts;
use std::sync::{Arc, Mutex};

/// Serves one connection of an Envoy to its end. Dropping the future cuts it off.
pub async fn serve(fresh: Fresh) {
    let Fresh { worker, stream, slot: _slot, stop, .. } = fresh;
    let desk = Desk {
        proxy: Arc::clone(&worker.proxy),
        counters: Arc::clone(&worker.counters),
        memo: Arc::new(Mutex::default()),
    };
    Box::pin(ext_authz::serve(stream, desk, &stop)).await;
}

/// What answering one connection's questions takes.
#[derive(Clone)]
struct Desk {
    proxy: Arc<Proxy>,
    counters: Arc<Counters>,
    /// Decisions made on the connection. Its questions are answered one after the other, so nobody waits for it.
    memo: Arc<Mutex<Memo>>,
}

impl ext_authz::Desk for Desk {
    fn check(&self, question: CheckRequest) -> CheckResponse {
        grpc::answer(self, &question)
    }

    fn check_head(&self, head: &Parts) -> Response<String> {
        plain::answer(self, head)
    }
}
