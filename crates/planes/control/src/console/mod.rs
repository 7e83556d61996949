//! The console: pages for whoever watches the fleet, and the API that they live on, over HTTP.
//!
//! In: requests of browsers, with a session or without. Out: pages, the endpoints of [`crate::api::ENDPOINTS`] below `/api`, and those
//! of [`door::ENDPOINTS`], by which people sign in.
//! How much: bodies, requests a second, sessions, links and connections are bounded.
//! Absent on purpose: what the endpoints answer, which is the same as at the socket; passwords, which are for `people`.

mod door; // what somebody who is not signed in may ask
mod gate; // start here: what every request goes through
mod headers; // what a browser is told
mod keep; // as long as the fleet file says, and where
mod kept; // sessions and links on disk
mod names; // under which a browser finds us
mod pages;
mod refusal; // how an answer says that it is none
mod sessions;

pub(crate) use door::ENDPOINTS;
pub(crate) use gate::{BY_ITSELF, Session, still_may, tell};
pub use keep::check;
pub(crate) use keep::keep;
pub(crate) use kept::Row;
pub(crate) use sessions::{Book, BookError};

use crate::authorization::Rates;
use crate::people::Tries;
use crate::web_certificate::{Door, Standings};
use arc_swap::ArcSwapOption;
use bartizan_core::Timestamp;
use bartizan_core::console::ConsoleStatus;
use std::path::Path;
use std::sync::Arc;

/// What the console holds, whether it is served or not.
#[derive(Debug)]
pub(crate) struct Desk {
    /// Sessions and links.
    pub(crate) book: Arc<Book>,
    /// Guesses at links.
    tries: Tries,
    rates: Rates,
    /// How it is served now.
    at: ArcSwapOption<Place>,
}

/// See [`Desk::at`].
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// At this address.
    Here(String),
    /// It cannot be.
    Nowhere(String),
}

impl Desk {
    pub(crate) fn open(data: &Path, now: Timestamp) -> Self {
        Self {
            book: Arc::new(Book::open(data, now)),
            tries: Tries::default(),
            rates: Rates::default(),
            at: ArcSwapOption::empty(),
        }
    }

    /// Ends the sessions of a person, who lost everything.
    pub(crate) fn end_of_person(&self, subject: &str) {
        if self.book.end(|session| session.subject.as_deref() == Some(subject)) > 0 {
            let book = Arc::clone(&self.book);
            tokio::spawn(async move {
                if let Err(error) = book.save().await {
                    tracing::error!(%error, "sessions of the console that ended are still on disk");
                }
            });
        }
    }

    /// Where browsers find it.
    pub(crate) fn url(&self) -> Option<String> {
        match self.at.load().as_deref() {
            Some(Place::Here(url)) => Some(url.clone()),
            _ => None,
        }
    }

    /// How it stands.
    pub(crate) fn status(&self, certificates: &Standings, now: Timestamp) -> ConsoleStatus {
        let at = self.at.load();
        let (url, problem) = match at.as_deref() {
            None => (None, None),
            Some(Place::Here(url)) => (Some(url.clone()), certificates.problem(Door::Console)),
            Some(Place::Nowhere(why)) => (None, Some(why.clone())),
        };
        let (first_run, sessions) = (self.book.is_new(), self.book.list(now).len());
        ConsoleStatus { url, built: pages::BUILT, first_run, sessions, problem }
    }
}

#[cfg(test)]
mod tests;
