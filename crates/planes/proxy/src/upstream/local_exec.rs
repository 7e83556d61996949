//! Lets hyper start its tasks on the thread it runs on.

use hyper::rt::Executor;
use std::future::Future;

/// Spawns on the current thread's `LocalSet`; its tasks need not be `Send`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalExec;

impl<F: Future + 'static> Executor<F> for LocalExec {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}
