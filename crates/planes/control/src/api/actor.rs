//! Who asks, whichever door that one came by.

use crate::app::App;
use crate::console::Session;
use axum::http::Extensions;
use bartizan_core::console::ConsoleRole;
use bartizan_runtime::local::Caller;
use std::sync::Arc;

/// See above. Only what looked at who it is makes one.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    /// What that one may do.
    pub(crate) role: ConsoleRole,
    /// How that one is called in events: `uid 0`, or the name at the console.
    pub(crate) by: Arc<str>,
    /// Whether the kernel says who it is: somebody at the socket.
    pub(super) is_local: bool,
}

impl Actor {
    /// Somebody with a session of the console.
    pub(crate) fn of_session(session: &Session) -> Self {
        Self { role: session.role, by: session.name.as_str().into(), is_local: false }
    }

    /// Who sent the request with these extensions: the console's gate put it there, or the kernel says who is at the socket. The user that
    /// control runs as, and root, may do everything: they could read its data folder anyway.
    pub(super) fn of(extensions: &Extensions, app: &App) -> Option<Self> {
        if let Some(actor) = extensions.get::<Self>() {
            return Some(actor.clone());
        }
        let caller = extensions.get::<Caller>()?;
        let may = caller.uid == app.uid || caller.uid == 0;
        let by = format!("uid {}", caller.uid).into();
        may.then_some(Self { role: ConsoleRole::Administrator, by, is_local: true })
    }
}
