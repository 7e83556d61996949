//! Who the users of a new user namespace are: everybody stays who they are (user_namespaces(7)).

use std::io::{Error, ErrorKind, Result};
use std::path::Path;

/// Lines of a map that are taken over, a count; the kernel takes 340.
const LINES_MAX: usize = 340;

/// Writes the maps of process `pid`, which has just made a user namespace below ours. Root maps all that it has itself;
/// others can map themselves alone.
pub(super) fn write(pid: u32) -> Result<()> {
    let process = Path::new("/proc").join(pid.to_string());
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    let (users, groups) = if user.is_root() {
        (
            identity(&std::fs::read_to_string("/proc/self/uid_map")?)?,
            identity(&std::fs::read_to_string("/proc/self/gid_map")?)?,
        )
    } else {
        // The kernel's condition for a group map by somebody without rights: nobody in there may drop groups.
        std::fs::write(process.join("setgroups"), "deny")?;
        (format!("{0} {0} 1\n", user.as_raw()), format!("{0} {0} 1\n", group.as_raw()))
    };
    std::fs::write(process.join("uid_map"), users)?;
    std::fs::write(process.join("gid_map"), groups)
}

/// Every extent that we have, under the same numbers.
fn identity(own: &str) -> Result<String> {
    let malformed = || Error::new(ErrorKind::InvalidData, "a user map of ours is not readable");
    let extent = |line: &str| {
        let mut numbers = line.split_ascii_whitespace().map(|number| number.parse::<u32>().ok());
        let (first, _outside, count) = (numbers.next()??, numbers.next()??, numbers.next()??);
        Some(format!("{first} {first} {count}\n"))
    };
    own.lines()
        .take(LINES_MAX)
        .map(extent)
        .collect::<Option<String>>()
        .filter(|map| !map.is_empty())
        .ok_or_else(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_stays_who_they_are() {
        assert_eq!(identity("         0          0 4294967295\n").unwrap(), "0 0 4294967295\n");
        assert_eq!(identity("0 100000 65536\n70000 300000 1\n").unwrap(), "0 0 65536\n70000 70000 1\n");
        for malformed in ["", "0 0\n", "0 x 1\n", "0 0 4294967296\n"] {
            assert!(identity(malformed).is_err(), "{malformed}");
        }
    }
}
