//! What is written is there, in order, and half a group never is.

use crate::support::{Ledger, all_entries, audit, entries, files, filled};
use bartizan_ledger::{ENTRY_BYTES_MAX, LedgerError};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

#[test]
fn a_ledger_goes_on_over_starts_and_files() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..12 {
        let mut ledger = Ledger::open(dir.path());
        assert_eq!(ledger.tree.size(), n * 5);
        assert!(ledger.seen.iter().all(|entry| all_entries(dir.path()).contains(entry)));
        ledger.append(&entries(n * 5..n * 5 + 5)).unwrap();
    }
    assert!(files(dir.path()).len() > 2, "{:?}", files(dir.path()));
    assert_eq!(all_entries(dir.path()), entries(0..60));
    let report = audit(dir.path(), vec![]);
    assert!(report.is_good() && report.entries == 60, "{report:?}");
}

#[test]
fn nobody_else_may_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("ledger");
    filled(&inner);
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&inner), 0o700);
    assert!(files(&inner).iter().all(|file| mode(file) == 0o600));
}

#[test]
fn what_is_too_long_is_refused_and_nothing_of_its_group_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(dir.path());
    let long = vec![b"short".to_vec(), vec![0; ENTRY_BYTES_MAX + 1]];
    assert!(matches!(ledger.append(&long), Err(LedgerError::TooLong { .. })));
    ledger.append(&entries(0..2)).unwrap();
    assert_eq!(all_entries(dir.path()), entries(0..2));
}

/// Every length that the newest file can have been cut to, as by a power cut.
#[test]
fn a_torn_end_is_cut_off_and_the_ledger_is_good() {
    let whole = tempfile::tempdir().unwrap();
    filled(whole.path());
    let files = files(whole.path());
    let newest = std::fs::read(files.last().unwrap()).unwrap();
    for cut in (0..=newest.len()).step_by(3).chain([newest.len()]) {
        let dir = tempfile::tempdir().unwrap();
        for file in &files {
            std::fs::copy(file, dir.path().join(file.file_name().unwrap())).unwrap();
        }
        let path = dir.path().join(files.last().unwrap().file_name().unwrap());
        std::fs::write(&path, &newest[..cut]).unwrap();
        let mut ledger = Ledger::open(dir.path());
        let size = ledger.tree.size();
        assert_eq!(size % 5, 0, "half a group at {cut}");
        ledger.append(&entries(100..102)).unwrap();
        let report = audit(dir.path(), vec![]);
        assert!(report.is_good(), "cut at {cut}: {report:?}");
        assert_eq!((report.entries, report.unsigned), (size + 2, 0), "cut at {cut}");
    }
}

/// The writing end of the test below.
#[test]
fn writer_that_is_killed() {
    let Some(dir) = std::env::var_os("BARTIZAN_TEST_LEDGER") else { return };
    let mut ledger = Ledger::open(std::path::Path::new(&dir));
    for n in ledger.tree.size() / 5.. {
        ledger.append(&entries(n * 5..n * 5 + 5)).unwrap();
        println!("written {}", n * 5 + 5);
    }
}

#[test]
fn a_kill_costs_nothing_that_was_confirmed() {
    let dir = tempfile::tempdir().unwrap();
    let mut confirmed = 0;
    for round in 0..6 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["writing::writer_that_is_killed", "--exact", "--nocapture"])
            .env("BARTIZAN_TEST_LEDGER", dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut count = |line: &str| {
            let number = line.rsplit_once("written ").and_then(|(_, number)| number.parse().ok());
            confirmed = number.unwrap_or(confirmed);
        };
        for line in lines.by_ref().take(10 + round * 7) {
            count(&line.unwrap());
        }
        child.kill().unwrap();
        lines.map_while(Result::ok).for_each(|line| count(&line));
        child.wait().unwrap();
        let size = Ledger::open(dir.path()).tree.size();
        assert!(size == confirmed || size == confirmed + 5, "round {round}: {size} there, {confirmed} confirmed");
        assert_eq!(all_entries(dir.path()), entries(0..size), "round {round}");
        let report = audit(dir.path(), vec![]);
        assert!(report.is_good(), "round {round}: {report:?}");
        confirmed = size;
    }
}
