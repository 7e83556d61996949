//! Certificates of files that the fleet file names, shown at doors of control: read anew where the files changed. What cannot be used
//! leaves the one of before in its place, and that is said.

use crate::app::App;
use crate::error::chain;
use crate::federation::own_web;
use crate::limits::{WEB_CERTIFICATE_EVERY, WEB_ROOTS_BYTES_MAX};
use arc_swap::ArcSwap;
use bartizan_core::Timestamp;
use bartizan_core::event::{Change, Config, What};
use bartizan_core::federation::WebFiles;
use bartizan_core::snapshot::Kind;
use bartizan_crypto::cert;
use bartizan_runtime::tls::Identity;
use bartizan_runtime::{clock, files};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// At whose door it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Door {
    /// That of browsers.
    Console,
    /// Those of telemetry.
    Intake,
}

impl Door {
    /// The key of the fleet file.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Intake => "intake",
        }
    }
}

/// How the certificates stand that are shown now.
#[derive(Debug, Default)]
pub(crate) struct Standings(Mutex<BTreeMap<Door, Standing>>);

/// See [`Standings`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    /// From when until when it counts, where that can be read.
    pub(crate) validity: Option<(Timestamp, Timestamp)>,
    /// Why the files do not replace it.
    pub(crate) problem: Option<String>,
}

impl Standings {
    /// Of each door at which one is shown.
    pub(crate) fn all(&self) -> Vec<(Door, Standing)> {
        self.lock().iter().map(|(door, standing)| (*door, standing.clone())).collect()
    }

    /// Why the files of a door do not replace what it shows.
    pub(crate) fn problem(&self, door: Door) -> Option<String> {
        self.lock().get(&door)?.problem.clone()
    }

    fn shows(&self, door: Door, validity: Option<(Timestamp, Timestamp)>) {
        self.lock().insert(door, Standing { validity, problem: None });
    }

    fn set_problem(&self, door: Door, problem: Option<String>) {
        if let Some(standing) = self.lock().get_mut(&door) {
            standing.problem = problem;
        }
    }

    fn closed(&self, door: Door) {
        self.lock().remove(&door);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Door, Standing>> {
        // Every change leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a door makes of a certificate and its key.
type Make<T> = fn(Identity) -> Result<T, String>;

/// The certificate of one door, as a `T`.
#[derive(Debug)]
pub(crate) struct WebCertificate<T> {
    door: Door,
    make: Make<T>,
    web: WebFiles,
    dir: PathBuf,
    shown: Arc<ArcSwap<T>>,
    /// What the files looked like when they were read last.
    stamp: Stamp,
}

impl<T> Clone for WebCertificate<T> {
    fn clone(&self) -> Self {
        let Self { door, make, web, dir, shown, stamp } = self;
        let (web, dir, shown) = (web.clone(), dir.clone(), Arc::clone(shown));
        Self { door: *door, make: *make, web, dir, shown, stamp: *stamp }
    }
}

/// What a look at both files tells without reading them; `None` where one is not there.
type Stamp = Option<[[i64; 6]; 2]>;

/// What the files hold.
struct Read<T> {
    made: T,
    validity: Option<(Timestamp, Timestamp)>,
}

impl<T: Send + Sync + 'static> WebCertificate<T> {
    /// Reads it for the first time.
    pub(crate) async fn read(app: &App, door: Door, web: &WebFiles, make: Make<T>) -> Result<Self, String> {
        let dir = app.options.fleet.parent().unwrap_or(Path::new("")).to_owned();
        let (stamp, read) = look(web.clone(), dir.clone(), make, None).await;
        let read = read.unwrap_or_else(|| Err("its files are not there".to_owned()))?;
        app.web_certificates.shows(door, read.validity);
        Ok(Self { door, make, web: web.clone(), dir, shown: Arc::new(ArcSwap::from_pointee(read.made)), stamp })
    }

    /// For the next connection.
    pub(crate) fn now(&self) -> Arc<T> {
        self.shown.load_full()
    }

    /// Looks again and again, until `stop` fires.
    pub(crate) async fn keep(mut self, app: Arc<App>, stop: CancellationToken) {
        let mut refused: Option<(Stamp, bool)> = None;
        while stop.run_until_cancelled(tokio::time::sleep(WEB_CERTIFICATE_EVERY)).await.is_some() {
            let (stamp, read) = look(self.web.clone(), self.dir.clone(), self.make, Some(self.stamp)).await;
            match read {
                // As they were when they were read last.
                None => {
                    if refused.take().is_some_and(|(_, told)| told) {
                        app.web_certificates.set_problem(self.door, None);
                    }
                }
                Some(Ok(read)) => {
                    self.shown.store(Arc::new(read.made));
                    (self.stamp, refused) = (stamp, None);
                    app.web_certificates.shows(self.door, read.validity);
                    tracing::info!(
                        door = self.door.as_str(),
                        certificate = self.web.certificate,
                        "the certificate that its files hold now is shown"
                    );
                }
                Some(Err(why)) => {
                    // Whoever replaces two files does it one after the other: only what stays wrong is said, and once.
                    let told = match refused {
                        Some((then, told)) if then == stamp => {
                            if !told {
                                tell(&app, self.door, &self.web, &why);
                            }
                            true
                        }
                        _ => false,
                    };
                    refused = Some((stamp, told));
                }
            }
        }
        app.web_certificates.closed(self.door);
    }
}

/// What the files look like now and, where that is not as `before`, what they hold.
async fn look<T: Send + 'static>(
    web: WebFiles,
    dir: PathBuf,
    make: Make<T>,
    before: Option<Stamp>,
) -> (Stamp, Option<Result<Read<T>, String>>) {
    let work = move || {
        let stamp = stamp_of(&web, &dir);
        if before == Some(stamp) {
            return (stamp, None);
        }
        let identity = own_web(&web, &dir).map_err(|error| chain(&error));
        let validity = validity(&dir.join(&web.certificate));
        // The one that is shown counts for longer, or for as long: nobody is served worse by staying with it.
        let ran_out = validity.is_some_and(|(_, end)| clock::now() > end);
        let identity = match identity {
            Ok(_) if before.is_some() && ran_out => Err("it has run out".to_owned()),
            identity => identity,
        };
        (stamp, Some(identity.and_then(make).map(|made| Read { made, validity })))
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| (None, Some(Err(error.to_string()))))
}

/// That of the leaf, where it is known; of keys that we do not use ourselves it is not.
fn validity(path: &Path) -> Option<(Timestamp, Timestamp)> {
    let bytes = files::read_bounded(path, WEB_ROOTS_BYTES_MAX).ok()?;
    let chain = cert::from_pem(std::str::from_utf8(&bytes).ok()?).ok()?;
    let leaf = cert::read(chain.first()?).ok()?;
    Some((leaf.not_before(), leaf.not_after()))
}

fn stamp_of(web: &WebFiles, dir: &Path) -> Stamp {
    let of = |file: &str| {
        let about = std::fs::metadata(dir.join(file)).ok()?;
        let [length, inode] = [about.len(), about.ino()].map(|it| i64::try_from(it).unwrap_or(i64::MAX));
        Some([about.mtime(), about.mtime_nsec(), about.ctime(), about.ctime_nsec(), length, inode])
    };
    Some([of(&web.certificate)?, of(&web.key)?])
}

fn tell(app: &App, door: Door, web: &WebFiles, why: &str) {
    let detail = format!(
        "the new certificate of `{}:` cannot be used, and the one of before is shown: {why}; `{}` and `{}` have to hold a chain in date and its key",
        door.as_str(),
        web.certificate,
        web.key
    );
    tracing::error!("{detail}");
    app.web_certificates.set_problem(door, Some(detail.clone()));
    // Files say something else than what is in force.
    let (kind, change) = (Kind::Directory, Change::Drifted);
    let epoch = app.in_force().epoch(kind);
    app.own_events.write(None, What::Config(Config { kind, epoch, change, detail: Some(detail.into()) }));
}
