//! What the machine says about this process and the disk.

use rustix::fs::{Advice, fadvise, statvfs};
use std::fs::File;
use std::path::Path;
use std::time::Duration;

/// Makes the kernel forget what it has in memory of the files of a folder, so that they are read from the disk again. What was never
/// written back stays, so it is written back first.
pub(crate) fn forget(dir: &Path) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let Ok(file) = File::open(entry.unwrap().path()) else { continue }; // packed away meanwhile
        file.sync_all().unwrap();
        fadvise(&file, 0, None, Advice::DontNeed).unwrap();
    }
}

/// Bytes that are free for this process where `dir` is.
pub(crate) fn free_bytes(dir: &Path) -> u64 {
    let about = statvfs(dir).unwrap();
    about.f_bavail * about.f_frsize
}

/// Bytes that this process had to have read from a disk so far (proc(5)).
pub(crate) fn read_bytes() -> u64 {
    field("/proc/self/io", "read_bytes:")
}

pub(crate) fn resident_mb() -> u64 {
    field("/proc/self/status", "VmRSS:") / 1024
}

fn field(file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// CPU of this process so far, of all threads: fields 14 and 15 of /proc/self/stat, in hundredths of a second (proc(5)).
pub(crate) fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}
