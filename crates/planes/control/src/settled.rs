//! Where others keep what is in the data folder, too: nobody is told of a change before they have it.
//!
//! How they do is not known here; see `bartizan_quorum::folder`. A control that is alone has nobody to wait for.

use crate::app::App;
use crate::error::ControlError;
use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bartizan_core::group::GroupStatus;
use bartizan_runtime::files;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

/// What waits until others have what was changed.
pub type Settling<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// The others.
pub trait Elsewhere: fmt::Debug + Send + Sync {
    /// Returns well once they have what was changed in the data folder before; else says why they have not.
    fn settle(&self) -> Settling<'_>;

    /// How they stand.
    fn status(&self) -> GroupStatus;
}

/// What the leader of a group of controls is started with.
#[derive(Clone, Debug)]
pub struct Leading {
    /// The others.
    pub elsewhere: Arc<dyn Elsewhere>,
    /// Where this one listens for guards and nodes.
    pub listen: SocketAddr,
    /// Whether its files are put in force also where they are not those that the leader before had in force.
    pub takes_files: bool,
    /// A folder in which the socket and the roots of whoever leads are to be found.
    pub front: Option<PathBuf>,
}

/// Which files are in force, in the data folder.
const DIGEST: &str = "files.sha256";

/// Returns once all members have what was changed; at once where there is one alone.
///
/// # Errors
/// [`ControlError::NotSettled`].
pub(crate) async fn settle(leading: Option<&Leading>) -> Result<(), ControlError> {
    let Some(leading) = leading else { return Ok(()) };
    leading.elsewhere.settle().await.map_err(ControlError::NotSettled)
}

/// Lets an answer to something that changes anything go out once all have the change.
pub(crate) async fn before_answers(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    // What is asked with a token is who somebody is: nobody says so who does not lead any more.
    let may_change = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS)
        || request.headers().contains_key(AUTHORIZATION);
    let answer = next.run(request).await;
    // Where a browser is sent on, it carries something that is stored here.
    if !may_change && !answer.status().is_redirection() {
        return answer;
    }
    match settle(app.options.leading.as_ref()).await {
        Ok(()) => answer,
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

/// A leader whose files are others than those in force would put an earlier state in force without anybody asking for it.
///
/// # Errors
/// [`ControlError::OtherFiles`].
pub(crate) fn check_files(leading: Option<&Leading>, data: &Path, digest: &str) -> Result<(), ControlError> {
    let Some(leading) = leading.filter(|leading| !leading.takes_files) else { return Ok(()) };
    match std::fs::read_to_string(data.join(DIGEST)) {
        Ok(in_force) if in_force != digest => Err(ControlError::OtherFiles {
            in_force,
            here: digest.to_owned(),
            member: leading.elsewhere.status().member,
        }),
        _ => Ok(()),
    }
}

/// Notes which files are to be in force.
///
/// # Errors
/// [`ControlError::NotSettled`] where that cannot be written.
pub(crate) fn note_files(leading: Option<&Leading>, data: &Path, digest: &str) -> Result<(), ControlError> {
    if leading.is_none() {
        return Ok(());
    }
    let path = data.join(DIGEST);
    let written = files::write_atomic(&path, digest.as_bytes(), 0o600);
    written.map_err(|error| ControlError::NotSettled(format!("cannot write `{}`: {error}", path.display())))
}

/// Puts socket and roots of this control where whoever leads is found.
///
/// # Errors
/// [`ControlError::Socket`].
pub(crate) fn stand_in_front(leading: Option<&Leading>, data: &Path, names: &[&str]) -> Result<(), ControlError> {
    let Some(front) = leading.and_then(|leading| leading.front.as_ref()) else { return Ok(()) };
    let data = std::fs::canonicalize(data).map_err(|source| ControlError::Socket { source })?;
    for name in names {
        let beside = front.join(format!(".{name}.{}", std::process::id()));
        let _ = std::fs::remove_file(&beside); // left by one that had our number
        let put = std::os::unix::fs::symlink(data.join(name), &beside)
            .and_then(|()| std::fs::rename(&beside, front.join(name)));
        put.map_err(|source| ControlError::Socket { source })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Others;

    impl Elsewhere for Others {
        fn settle(&self) -> Settling<'_> {
            Box::pin(async { Err("no majority answers".to_owned()) })
        }

        fn status(&self) -> GroupStatus {
            GroupStatus { member: 2, leader: Some(2), term: 1, applied: 1, state_bytes: 0, others: Vec::new() }
        }
    }

    fn leading(takes_files: bool) -> Leading {
        let listen = SocketAddr::from(([127, 0, 0, 1], 1));
        Leading { elsewhere: Arc::new(Others), listen, takes_files, front: None }
    }

    #[test]
    fn a_leader_with_other_files_than_those_in_force_is_refused_unless_it_is_to_take_them() {
        let dir = tempfile::tempdir().unwrap();
        let (careful, taking) = (leading(false), leading(true));
        check_files(Some(&careful), dir.path(), "first").unwrap();
        note_files(Some(&careful), dir.path(), "first").unwrap();
        let error = check_files(Some(&careful), dir.path(), "second").unwrap_err();
        assert!(matches!(error, ControlError::OtherFiles { member: 2, .. }), "{error}");
        assert!(error.to_string().contains("--take-files"), "it says the way out: {error}");
        check_files(Some(&careful), dir.path(), "first").unwrap();
        check_files(Some(&taking), dir.path(), "second").unwrap();
        check_files(None, dir.path(), "second").unwrap();
        note_files(None, dir.path(), "third").unwrap();
        check_files(Some(&careful), dir.path(), "first").unwrap(); // one that is alone notes nothing
    }

    #[tokio::test]
    async fn who_cannot_settle_confirms_nothing_and_who_is_alone_waits_for_nobody() {
        let error = settle(Some(&leading(false))).await.unwrap_err();
        assert!(matches!(&error, ControlError::NotSettled(why) if why == "no majority answers"), "{error}");
        settle(None).await.unwrap();
    }
}
