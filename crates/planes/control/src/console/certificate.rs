//! The certificate that browsers are shown: of the files that the fleet file names, read anew where they changed. What cannot be used
//! leaves the one of before in its place, and that is said.

use crate::app::App;
use crate::error::chain;
use crate::federation::own_web;
use crate::limits::{CONSOLE_CERTIFICATE_EVERY, WEB_ROOTS_BYTES_MAX};
use arc_swap::ArcSwap;
use bartizan_core::event::{Change, Config, What};
use bartizan_core::federation::WebFiles;
use bartizan_core::snapshot::Kind;
use bartizan_crypto::cert;
use bartizan_runtime::tls::{ClientAuth, Server};
use bartizan_runtime::{clock, files, https};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// See above.
#[derive(Clone)]
pub(super) struct Certificate {
    web: WebFiles,
    dir: PathBuf,
    shown: Arc<ArcSwap<Server>>,
    /// What the files looked like when they were read last.
    stamp: Stamp,
}

/// What a look at both files tells without reading them; `None` where one is not there.
type Stamp = Option<[[i64; 6]; 2]>;

impl Certificate {
    /// Reads it for the first time.
    pub(super) async fn read(app: &App, web: &WebFiles) -> Result<Self, String> {
        let dir = app.options.fleet.parent().unwrap_or(Path::new("")).to_owned();
        let (stamp, server) = look(web.clone(), dir.clone(), None).await;
        let server = server.unwrap_or_else(|| Err("its files are not there".to_owned()))?;
        Ok(Self { web: web.clone(), dir, shown: Arc::new(ArcSwap::from_pointee(server)), stamp })
    }

    /// For the next connection.
    pub(super) fn now(&self) -> Arc<Server> {
        self.shown.load_full()
    }

    /// Looks again and again, until `stop` fires.
    pub(super) async fn keep(mut self, app: Arc<App>, stop: CancellationToken) {
        let mut refused: Option<(Stamp, bool)> = None;
        while stop.run_until_cancelled(tokio::time::sleep(CONSOLE_CERTIFICATE_EVERY)).await.is_some() {
            let (stamp, read) = look(self.web.clone(), self.dir.clone(), Some(self.stamp)).await;
            match read {
                // As they were when they were read last.
                None => {
                    if refused.take().is_some_and(|(_, told)| told) {
                        app.console.certificate.store(None);
                    }
                }
                Some(Ok(server)) => {
                    self.shown.store(Arc::new(server));
                    (self.stamp, refused) = (stamp, None);
                    app.console.certificate.store(None);
                    tracing::info!(
                        certificate = self.web.certificate,
                        "the console shows the certificate that its files hold now"
                    );
                }
                Some(Err(why)) => {
                    // Whoever replaces two files does it one after the other: only what stays wrong is said, and once.
                    let told = match refused {
                        Some((then, told)) if then == stamp => {
                            if !told {
                                tell(&app, &self.web, &why);
                            }
                            true
                        }
                        _ => false,
                    };
                    refused = Some((stamp, told));
                }
            }
        }
        app.console.certificate.store(None);
    }
}

/// What the files look like now and, where that is not as `before`, what they hold.
async fn look(web: WebFiles, dir: PathBuf, before: Option<Stamp>) -> (Stamp, Option<Result<Server, String>>) {
    let work = move || {
        let stamp = stamp_of(&web, &dir);
        if before == Some(stamp) {
            return (stamp, None);
        }
        let identity = own_web(&web, &dir).map_err(|error| chain(&error));
        // The one that is shown counts for longer, or for as long: nobody is served worse by staying with it.
        let identity = match identity {
            Ok(_) if before.is_some() && ran_out(&dir.join(&web.certificate)) => Err("it has run out".to_owned()),
            identity => identity,
        };
        let server = identity
            .and_then(|identity| Server::new(&identity, ClientAuth::None, https::ALPN).map_err(|error| chain(&error)));
        (stamp, Some(server))
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| (None, Some(Err(error.to_string()))))
}

/// Whether that is known of the leaf; of keys that we do not use ourselves it is not.
fn ran_out(path: &Path) -> bool {
    let bytes = files::read_bounded(path, WEB_ROOTS_BYTES_MAX).unwrap_or_default();
    let chain = std::str::from_utf8(&bytes).ok().and_then(|text| cert::from_pem(text).ok()).unwrap_or_default();
    let leaf = chain.first().and_then(|der| cert::read(der).ok());
    leaf.is_some_and(|leaf| clock::now() > leaf.not_after())
}

fn stamp_of(web: &WebFiles, dir: &Path) -> Stamp {
    let of = |file: &str| {
        let about = std::fs::metadata(dir.join(file)).ok()?;
        let [length, inode] = [about.len(), about.ino()].map(|it| i64::try_from(it).unwrap_or(i64::MAX));
        Some([about.mtime(), about.mtime_nsec(), about.ctime(), about.ctime_nsec(), length, inode])
    };
    Some([of(&web.certificate)?, of(&web.key)?])
}

fn tell(app: &App, web: &WebFiles, why: &str) {
    let detail = format!(
        "the console's new certificate cannot be used, and the one of before is shown: {why}; `{}` and `{}` have to hold a chain in date and its key",
        web.certificate, web.key
    );
    tracing::error!("{detail}");
    app.console.certificate.store(Some(Arc::new(detail.clone())));
    // Files say something else than what is in force.
    let (kind, change) = (Kind::Directory, Change::Drifted);
    let epoch = app.in_force().epoch(kind);
    app.own_events.write(None, What::Config(Config { kind, epoch, change, detail: Some(detail.into()) }));
}
