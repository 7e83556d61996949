//! Pages of the program itself that were needed once, at the start, are given back: most of what an idle guard has resident is its
//! own code and constants. What is run again comes back from the kernel's page cache, without a disk, a few microseconds for each 64 KiB.
//!
//! One of the two places with `unsafe`: the call that says so to the kernel.
#![allow(unsafe_code)]

use std::io;
use std::ops::Range;
use std::path::Path;

/// Gives back what is resident of the program's own code and constants, and says how many bytes that was.
///
/// # Errors
/// Where `/proc` cannot be read, or the kernel refuses.
pub fn give_back() -> io::Result<u64> {
    let program = std::fs::read_link("/proc/self/exe")?;
    let smaps = std::fs::read_to_string("/proc/self/smaps")?;
    let mut given = 0;
    for Part { range, resident } in parts(&smaps, &program) {
        // SAFETY: the range is one mapping of a file, without write access and without a page that differs from the file, so that
        // whoever runs into it next finds the very same bytes. The program itself is never unmapped.
        let refused = unsafe { libc::madvise(range.start as *mut libc::c_void, range.len(), libc::MADV_DONTNEED) };
        if refused != 0 {
            return Err(io::Error::last_os_error());
        }
        given += resident;
    }
    Ok(given)
}

/// One mapping of the program, and how many bytes of it are resident.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    range: Range<usize>,
    resident: u64,
}

/// The mappings of `program` that cannot be written and are as they are in its file: where addresses were put in at the start, or
/// somebody put a breakpoint, a page of it is no longer the file's, and the whole mapping stays.
fn parts(smaps: &str, program: &Path) -> Vec<Part> {
    let mut found: Vec<(Part, bool)> = Vec::new();
    let mut is_part = false;
    for line in smaps.lines() {
        let mut words = line.split_ascii_whitespace();
        let first = words.next().unwrap_or_default();
        if let Some(range) = range(first) {
            let (access, path) = (words.next(), words.nth(3));
            is_part = matches!(access, Some("r-xp" | "r--p")) && path.is_some_and(|path| Path::new(path) == program);
            if is_part {
                found.push((Part { range, resident: 0 }, true));
            }
        } else if let Some((part, is_the_files)) = found.last_mut().filter(|_| is_part) {
            let bytes = words.next().and_then(|kib| kib.parse::<u64>().ok()).map_or(0, |kib| kib << 10);
            match first {
                "Rss:" => part.resident = bytes,
                "Anonymous:" | "Private_Dirty:" | "Shared_Dirty:" | "Swap:" => *is_the_files &= bytes == 0,
                _ => {}
            }
        }
    }
    found.into_iter().filter(|(_, is_the_files)| *is_the_files).map(|(part, _)| part).collect()
}

/// `55d0c0a00000-55d0c0b00000`.
fn range(word: &str) -> Option<Range<usize>> {
    let (start, end) = word.split_once('-')?;
    let address = |text: &str| usize::from_str_radix(text, 16).ok();
    Some(address(start)?..address(end)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
1000-3000 r--p 00000000 fe:00 7 /bin/guard
Rss: 8 kB
Anonymous: 0 kB
3000-9000 r-xp 00002000 fe:00 7 /bin/guard
Rss: 20 kB
Private_Dirty: 0 kB
Anonymous: 0 kB
VmFlags: rd ex mr mw me
9000-a000 r--p 00008000 fe:00 7 /bin/guard
Rss: 4 kB
Anonymous: 4 kB
b000-c000 r-xp 00000000 fe:00 8 /lib/libc.so.6
Rss: 4 kB
Anonymous: 0 kB
c000-d000 rw-p 00000000 00:00 0
Rss: 4 kB
d000-e000 r-xp 00000000 00:00 0 [vdso]
Rss: 4 kB
";

    #[test]
    fn only_what_is_of_the_program_itself_and_as_in_its_file_is_given_back() {
        let program = Path::new("/bin/guard");
        let constants = Part { range: 0x1000..0x3000, resident: 8 << 10 };
        let code = Part { range: 0x3000..0x9000, resident: 20 << 10 };
        assert_eq!(parts(SMAPS, program), [constants, code]);
        let probed = SMAPS.replacen("Private_Dirty: 0 kB\nAnonymous: 0 kB", "Private_Dirty: 4 kB\nAnonymous: 4 kB", 1);
        assert_eq!(parts(&probed, program), [Part { range: 0x1000..0x3000, resident: 8 << 10 }]);
        let swapped = SMAPS.replacen("Private_Dirty: 0 kB", "Swap: 4 kB", 1);
        assert_eq!(parts(&swapped, program), [Part { range: 0x1000..0x3000, resident: 8 << 10 }]);
        assert_eq!(parts("", program), []);
    }

    #[test]
    fn the_program_goes_on() {
        let before = give_back().unwrap();
        assert!(before > 0, "something of this test is code, and was resident");
        // What is run now has come back; how much comes with it is the kernel's affair.
        assert!(give_back().unwrap() > 0);
    }
}
