//! What the program opens to addresses that stand for names is brought to its guard, by a rule of nftables. `nft` makes it: it
//! speaks for every kernel that has nftables.

use crate::limits::NFT_WORDS_BYTES_MAX;
use bartizan_core::capture::{ADDRESSES, Means};
use bartizan_runtime::listen;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::thread::{CapabilitySet, clear_ambient_capability_set, configure_capability_in_ambient_set};
use std::io::{Error, Result, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};

/// Puts the rule in force in the namespace of this thread, for a guard that listens at `port` in there.
pub(super) fn put_in_force(nft: &Path, means: Means, port: u16) -> Result<()> {
    if means == Means::Tproxy {
        // Without it the kernel would drop what the rule leads there, and say nothing.
        led_socket().map_err(|error| Error::other(format!("IP_TRANSPARENT cannot be had (CAP_NET_ADMIN): {error}")))?;
    }
    lend_net_admin().map_err(|error| Error::other(format!("`nft` cannot be given CAP_NET_ADMIN: {error}")))?;
    let ran = run(nft, &rules(means, port));
    clear_ambient_capability_set()?;
    ran
}

/// A socket that takes what a rule of TPROXY leads to it.
pub(super) fn led_socket() -> Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    listen::may_be_led_here(&socket, false)?;
    Ok(socket)
}

fn rules(means: Means, port: u16) -> String {
    let (chain, kind, verdict) = match means {
        Means::Redirect => ("output", "nat hook output priority -100", format!("redirect to :{port}")),
        // What is opened to loopback goes out there and comes in again, where it is led; the addresses are loopback's own, so it
        // takes neither a mark nor a route.
        Means::Tproxy => {
            ("before", "filter hook prerouting priority mangle", format!("tproxy to 127.0.0.1:{port} accept"))
        }
    };
    format!(
        "table ip bartizan {{\n  chain {chain} {{\n    type {kind}; policy accept;\n    ip daddr {ADDRESSES} meta l4proto tcp \
         {verdict}\n  }}\n}}\n"
    )
}

/// Who is not root in its user namespace loses its rights with `exec`, unless they are ambient (capabilities(7)).
fn lend_net_admin() -> Result<()> {
    let mut sets = rustix::thread::capabilities(None)?;
    sets.inheritable |= CapabilitySet::NET_ADMIN;
    rustix::thread::set_capabilities(None, sets)?;
    Ok(configure_capability_in_ambient_set(CapabilitySet::NET_ADMIN, true)?)
}

fn run(nft: &Path, rules: &str) -> Result<()> {
    let mut command = Command::new(nft);
    command.args(["-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let cannot = |error: Error| Error::other(format!("cannot run `{}`: {error}", nft.display()));
    let mut child = command.spawn().map_err(cannot)?;
    if let Some(mut input) = child.stdin.take() {
        // Where it ends before it has read all, what it says is worth more than the broken pipe.
        let _ = input.write_all(rules.as_bytes());
    }
    let output = child.wait_with_output().map_err(cannot)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr[..output.stderr.len().min(NFT_WORDS_BYTES_MAX)]).into_owned();
    Err(Error::other(format!("`nft` refused the rule: {}", said.trim().replace('\n', " "))))
}
