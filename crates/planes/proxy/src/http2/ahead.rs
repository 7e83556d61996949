//! Interim responses to a client of HTTP/2.

use super::send::said;
use crate::message::ResponseHead;
use bytes::Bytes;
use h2::server::SendResponse;
use std::cell::RefCell;
use std::rc::Rc;

/// Sends interim responses ahead of the one that is to come.
#[derive(Clone, Debug)]
pub struct Ahead(Rc<RefCell<SendResponse<Bytes>>>);

impl Ahead {
    /// On the stream of a request that is not answered yet.
    pub(super) fn new(reply: &Rc<RefCell<SendResponse<Bytes>>>) -> Self {
        Self(Rc::clone(reply))
    }

    /// Sends one. A client that is gone is seen by whoever answers.
    pub fn write(&self, head: &ResponseHead) {
        if let Err(error) = self.0.borrow_mut().send_informational(said(head)) {
            tracing::debug!(%error, "an interim response could not be sent");
        }
    }
}
