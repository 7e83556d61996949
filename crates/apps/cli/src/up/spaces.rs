//! The network namespaces of programs: which program gets one, and the porters that are there now.

use crate::failure::chain;
use bartizan_core::capture::Means;
use bartizan_core::fleet::{Capture, Fleet};
use bartizan_core::plan::Isolation;
use bartizan_core::{Member, ServiceName};
use bartizan_node::netns::{self, Started, Way};
use bartizan_runtime::descriptors;
use bartizan_runtime::inside::Inside;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio_util::sync::CancellationToken;

/// What the kernel gives here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Can {
    /// Namespaces, in this way.
    Isolate(Way),
    /// None, and why.
    Not(String),
}

/// A namespace with its porter.
#[derive(Debug)]
pub(crate) struct Space {
    /// The porter's process.
    pub(crate) porter: u32,
    /// How it was made.
    pub(crate) way: Way,
    /// The porter, to be asked.
    pub(crate) inside: Inside,
    /// Cancelled once the porter is gone: then who runs in there has to be started anew, in another one.
    pub(crate) gone: CancellationToken,
}

/// Who makes the rules by which calls by name come to guards, and of what kind where the fleet file names none.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// The program `nft`.
    pub(crate) nft: PathBuf,
    /// The first kind that the kernel takes.
    pub(crate) usual: Means,
}

impl Rules {
    /// Of what kind they are for a service.
    pub(crate) fn means_for(&self, wanted: Capture) -> Means {
        match wanted {
            Capture::By(means) => means,
            Capture::WhereItCan | Capture::Required | Capture::Never => self.usual,
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Spaces {
    /// What a program has of which the fleet file says nothing; `None` where nobody was asked.
    pub(crate) can: Option<Isolation>,
    /// Of which services programs are kept apart, and why others are not.
    isolation: RwLock<BTreeMap<ServiceName, Isolation>>,
    way: Option<Way>,
    /// Of the rules by which calls by name come to guards; `None` where there are none.
    pub(crate) rules: Option<Rules>,
    now: Mutex<BTreeMap<Member, Arc<Space>>>,
    /// The kernel's numbers of all that there were.
    numbers: Mutex<BTreeMap<Member, Vec<u64>>>,
}

impl Spaces {
    /// For the programs of `fleet` that are started here.
    pub(crate) fn of(fleet: &Fleet, can: &Can, rules: Option<Rules>) -> Self {
        let (way, can) = match can {
            Can::Isolate(way) => (Some(*way), Isolation::Own),
            Can::Not(why) => (None, Isolation::Shared { why: why.clone() }),
        };
        let each = fleet.services.iter().filter_map(|(name, it)| Some((name.clone(), Isolation::of(it, &can)?)));
        Self { isolation: RwLock::new(each.collect()), can: Some(can), way, rules, ..Self::default() }
    }

    /// Of which services programs are kept apart.
    pub(crate) fn isolation(&self) -> BTreeMap<ServiceName, Isolation> {
        self.isolation.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Services came or went.
    pub(crate) fn set_isolation(&self, isolation: BTreeMap<ServiceName, Isolation>) {
        *self.isolation.write().unwrap_or_else(PoisonError::into_inner) = isolation;
    }

    /// Whether the programs of `service` have a namespace each, or are to have one.
    pub(crate) fn has_service(&self, service: &ServiceName) -> bool {
        let isolation = self.isolation.read().unwrap_or_else(PoisonError::into_inner);
        isolation.get(service) == Some(&Isolation::Own)
    }

    /// Whether the program of an instance has a namespace, or is to have one.
    pub(crate) fn has(&self, member: &Member) -> bool {
        self.has_service(member.service())
    }

    /// In which way they are made.
    pub(crate) fn way(&self) -> Result<Way, String> {
        self.way.ok_or_else(|| "there are no network namespaces here".to_owned())
    }

    /// The namespace of `member`; `None` for a program that is to have none.
    ///
    /// # Errors
    /// Where it is to have one and it is not there now.
    pub(crate) fn get(&self, member: &Member) -> Result<Option<Arc<Space>>, String> {
        if !self.has(member) {
            return Ok(None);
        }
        let space = self.now.lock().unwrap_or_else(PoisonError::into_inner).get(member).cloned();
        space.map(Some).ok_or_else(|| format!("the network namespace of `{member}` is not there"))
    }

    /// Takes up a porter that was just started as process `pid`: sees it through its beginning.
    ///
    /// # Errors
    /// Why it did not start.
    pub(crate) async fn add(&self, member: &Member, porter: u32, ours: OwnedFd) -> Result<(), String> {
        let way = self.way()?;
        let begun = tokio::task::spawn_blocking(move || {
            let started = netns::start(ours.as_fd(), porter).map_err(|error| error.to_string())?;
            Inside::new(ours).map(|inside| (started, inside)).map_err(|error| error.to_string())
        });
        let (Started { namespace }, inside) = begun.await.map_err(|error| error.to_string())??;
        let space = Arc::new(Space { porter, way, inside, gone: CancellationToken::new() });
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner).entry(member.clone()).or_default().push(namespace);
        let before = self.now.lock().unwrap_or_else(PoisonError::into_inner).insert(member.clone(), space);
        if let Some(before) = before {
            before.gone.cancel();
        }
        Ok(())
    }

    /// The porter of `member` is gone.
    pub(crate) fn remove(&self, member: &Member) {
        let space = self.now.lock().unwrap_or_else(PoisonError::into_inner).remove(member);
        if let Some(space) = space {
            space.gone.cancel();
        }
    }

    /// Processes that are still in a namespace that `member` had: whatever else they left, they cannot leave that.
    pub(crate) fn left_in(&self, member: &Member) -> Vec<u32> {
        let numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted: Vec<_> = numbers.get(member).into_iter().flatten().map(|it| format!("net:[{it}]")).collect();
        let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
        let is_in = |pid: &u32| {
            let link = std::fs::read_link(format!("/proc/{pid}/ns/net")).unwrap_or_default();
            wanted.iter().any(|it| link == Path::new(it))
        };
        let pids = entries.filter_map(Result::ok).filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(is_in).collect()
    }
}

/// Tries what the kernel gives, by making one namespace and letting it go. Some milliseconds.
pub(crate) fn probe(bartizan: &Path) -> Can {
    let mut why = Vec::new();
    for way in Way::ALL {
        match probe_one(bartizan, way, None) {
            Ok(()) => return Can::Isolate(way),
            Err(error) => why.push(error),
        }
    }
    Can::Not(why.join("; "))
}

/// Tries whether calls by name can be brought to a guard by `means` in a namespace that is made in this way, in the same manner.
///
/// # Errors
/// Why not.
pub(crate) fn probe_rules(bartizan: &Path, way: Way, nft: &Path, means: Means) -> Result<(), String> {
    probe_one(bartizan, way, Some((nft, means)))
}

fn probe_one(bartizan: &Path, way: Way, rules: Option<(&Path, Means)>) -> Result<(), String> {
    let (ours, theirs) = descriptors::pair().map_err(|error| error.to_string())?;
    let mut command = Command::new(bartizan);
    command.args(["porter", "--way", way.as_str()]).stdin(theirs).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some((nft, means)) = rules {
        command.arg("--nft").arg(nft).args(["--redirect-to", "1", "--by", means.as_str()]);
    }
    let mut porter = command.spawn().map_err(|error| format!("a porter cannot be started: {error}"))?;
    // Our copy of its end goes with the command; else its end would never be seen.
    drop(command);
    let begun = netns::start(ours.as_fd(), porter.id()).map_err(|error| chain(&error));
    drop(ours);
    if begun.is_err() {
        // It may hang in the kernel's refusal; the only error left is that it ended.
        let _ = porter.kill();
    }
    let _ = porter.wait();
    begun.map(|_started| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::fleet::parse;

    #[test]
    fn says_of_every_program_that_is_started_whether_it_is_kept_apart() {
        let text = "fleet: shop\ntrust_domain: shop.test\nservices:\n  a: { run: [x], listen: \"127.0.0.1:1\", protocol: http }\n  b: { run: [x], listen: \"127.0.0.1:2\", protocol: http, isolate: false }\n  c: { at: \"127.0.0.1:3\", protocol: http }\n";
        let fleet = parse(text, "fleet.yaml").unwrap();
        let name = |text: &str| ServiceName::parse(text).unwrap();
        let first = |text: &str| Member::from(name(text));
        let can = Spaces::of(&fleet, &Can::Isolate(Way::WithUsers), None);
        assert!(can.has(&first("a")) && !can.has(&first("b")) && !can.has(&first("c")));
        assert!(can.has(&Member::new(name("a"), 2)), "each instance has one of its own");
        assert!(matches!(&can.isolation()[&name("b")], Isolation::Shared { why } if why.contains("isolate: false")));
        assert!(!can.isolation().contains_key(&name("c")), "nobody here starts it");
        assert!(can.get(&first("a")).unwrap_err().contains("is not there"), "without a porter nothing is started");
        assert!(can.get(&first("b")).unwrap().is_none());
        let cannot = Spaces::of(&fleet, &Can::Not("no such luck".to_owned()), None);
        assert_eq!(cannot.isolation()[&name("a")], Isolation::Shared { why: "no such luck".to_owned() });
    }
}
