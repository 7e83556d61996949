//! Names that stand for callees: what a program finds as `/etc/hosts`, and who makes the rule that redirects what it opens there.

use crate::data_dir::{DataDir, folder_of, make_private};
use crate::failure::Failure;
use bartizan_core::fleet::Fleet;
use bartizan_core::plan::Plan;
use bartizan_core::{Member, ServiceName};
use bartizan_runtime::files;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where `nft` lies on most systems, beside what PATH names: users other than root often lack these.
const SYSTEM_FOLDERS: [&str; 2] = ["/usr/sbin", "/sbin"];

/// The program `nft`; `None` where there is none.
pub(crate) fn find_nft() -> Option<PathBuf> {
    let path = std::env::var_os("PATH");
    let named = path.iter().flat_map(std::env::split_paths);
    let folders = named.chain(SYSTEM_FOLDERS.map(PathBuf::from));
    let is_program = |path: &Path| path.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0);
    folders.map(|folder| folder.join("nft")).find(|path| is_program(path))
}

/// Writes the names down for the programs of each service that finds its callees by them.
pub(crate) fn write_hosts(fleet: &Fleet, plan: &Plan, data: &DataDir) -> Result<(), Failure> {
    each_hosts(plan, data, |service, names, path| {
        let text = hosts(service, names, fleet.trust_domain.as_str(), &of_machine());
        // Programs that run as another user read it too, once it is mounted.
        files::write_atomic(path, text.as_bytes(), 0o644)
    })
}

/// The same once programs run: what has its file is told of what is new, in the same file, since that is what they see.
pub(crate) fn add_hosts(fleet: &Fleet, plan: &Plan, data: &DataDir) -> Result<(), Failure> {
    each_hosts(plan, data, |service, names, path| {
        let there = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let text = hosts(service, names, fleet.trust_domain.as_str(), &of_machine());
                return files::write_atomic(path, text.as_bytes(), 0o644);
            }
            there => there?,
        };
        let more = further(&there, service, names, fleet.trust_domain.as_str());
        // At once, so that nobody reads half a line.
        if more.is_empty() { Ok(()) } else { OpenOptions::new().append(true).open(path)?.write_all(more.as_bytes()) }
    })
}

fn each_hosts(
    plan: &Plan,
    data: &DataDir,
    write: impl Fn(&ServiceName, &BTreeMap<ServiceName, Ipv4Addr>, &Path) -> io::Result<()>,
) -> Result<(), Failure> {
    let Some(names) = &plan.names else { return Ok(()) };
    let services: BTreeSet<_> = plan.captured.keys().map(Member::service).collect();
    for service in services {
        let path = data.hosts(service.as_str());
        make_private(&folder_of(&path))?;
        write(service, names, &path)
            .map_err(|error| Failure::new(format!("cannot write `{}`: {error}", path.display())))?;
    }
    Ok(())
}

fn of_machine() -> String {
    std::fs::read_to_string("/etc/hosts").unwrap_or_default()
}

/// The lines of names that are not `there`.
fn further(there: &str, own: &ServiceName, names: &BTreeMap<ServiceName, Ipv4Addr>, domain: &str) -> String {
    let lines = names.iter().map(|(name, addr)| line(own, name, *addr, domain));
    lines.filter(|line| !there.lines().any(|it| it == line.trim_end())).collect()
}

fn line(own: &ServiceName, name: &ServiceName, addr: Ipv4Addr, domain: &str) -> String {
    let addr = if name == own { Ipv4Addr::LOCALHOST } else { addr };
    format!("{addr} {name} {name}.{domain}\n")
}

/// What the machine's own file says, except of names of the fleet; then those, alone and under the trust domain. The service's
/// own name is its own loopback.
fn hosts(own: &ServiceName, names: &BTreeMap<ServiceName, Ipv4Addr>, domain: &str, of_machine: &str) -> String {
    let of_fleet = |name: &str| {
        let label = name.strip_suffix(domain).and_then(|rest| rest.strip_suffix('.')).unwrap_or(name);
        ServiceName::parse(label).is_ok_and(|name| names.contains_key(&name))
    };
    let mut text = String::new();
    for line in of_machine.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
        let Some(addr) = words.next() else { continue };
        let kept: Vec<_> = words.filter(|name| !of_fleet(name)).collect();
        if !kept.is_empty() {
            text.push_str(&format!("{addr} {}\n", kept.join(" ")));
        }
    }
    if !text.contains("localhost") {
        text.push_str("127.0.0.1 localhost\n");
    }
    for (name, addr) in names {
        text.push_str(&line(own, name, *addr, domain));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_fleet_stand_for_its_addresses_and_all_others_stay() {
        let name = |text: &str| ServiceName::parse(text).unwrap();
        let at = |n| Ipv4Addr::new(127, 98, 0, n);
        let names = BTreeMap::from([(name("web"), at(1)), (name("stock"), at(2))]);
        let of_machine =
            "# mine\n127.0.1.1 box # this one\n10.0.0.7 stock printer\n10.0.0.8 stock.shop.test\n::1 localhost\n";
        assert_eq!(
            hosts(&name("web"), &names, "shop.test", of_machine),
            "127.0.1.1 box\n10.0.0.7 printer\n::1 localhost\n127.98.0.2 stock stock.shop.test\n127.0.0.1 web web.shop.test\n",
        );
        let before = hosts(&name("web"), &names, "shop.test", "");
        assert!(before.starts_with("127.0.0.1 localhost\n"));
        assert_eq!(further(&before, &name("web"), &names, "shop.test"), "");
        let more = BTreeMap::from([(name("till"), at(3))]).into_iter().chain(names).collect();
        assert_eq!(further(&before, &name("web"), &more, "shop.test"), "127.98.0.3 till till.shop.test\n");
    }
}
