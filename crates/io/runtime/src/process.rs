//! This process: what it uses, and that it does not outlive its parent.

use rustix::process::{Resource, Signal, getppid, getrlimit, set_parent_process_death_signal, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use std::io::{Error, Result};

/// Asks the kernel for SIGTERM once the parent is gone (PR_SET_PDEATHSIG).
///
/// The kernel means the *thread* that started us: a parent must start children from a thread that lives as long as
/// itself. It is a second line behind [`crate::stop::when_parent_goes`], for a parent that was killed.
///
/// # Errors
/// Where the kernel refuses, and where the parent is gone already; end the process then.
pub fn die_with_parent() -> Result<()> {
    let parent = getppid();
    set_parent_process_death_signal(Some(Signal::TERM))?;
    // It may have gone before the kernel was asked, and then nothing is sent.
    if getppid() != parent {
        return Err(Error::other("the parent process ended while this one started"));
    }
    Ok(())
}

/// Raises the bound on open descriptors to what the kernel allows without privilege: the usual soft bound of 1024 is for
/// programs that use `select`. Returns the bound now in force.
pub fn raise_descriptors() -> u64 {
    let mut bound = getrlimit(Resource::Nofile);
    bound.current = bound.maximum;
    // A refusal leaves the lower bound, which is still a bound.
    let _ = setrlimit(Resource::Nofile, bound);
    descriptors_max()
}

/// Asks the kernel for pages of 4 KiB from now on. An allocator that takes 2 MiB at a time keeps ten megabytes which it does
/// not use, and there is a guard beside every program.
pub fn use_small_pages() {
    // A refusal costs memory alone.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// Most descriptors that this process may have open, a count.
pub fn descriptors_max() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Resident memory in bytes; 0 where /proc cannot be read. A metric, so it fails open.
pub fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// CPU time used so far, user and system, all threads, in microseconds.
pub fn cpu_us() -> u64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    u64::try_from(used.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(used.tv_nsec).unwrap_or(0) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_time_are_counted() {
        let before = (resident_bytes(), cpu_us());
        let block = std::hint::black_box(vec![1_u8; 32 << 20]);
        assert!(resident_bytes() >= before.0 + (16 << 20), "32 MiB were written to and not seen");
        while cpu_us() == before.1 {
            std::hint::black_box(&block);
        }
    }
}
