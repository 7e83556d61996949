//! Files written whole, read bounded; the fleet's files.

use bartizan_core::limits::POLICY_FILE_BYTES_MAX;
use bartizan_runtime::files::{LoadError, load_fleet, load_policies, read_bounded, write_atomic};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;

fn names_in(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = dir.read_dir().unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_is_replaced_whole_and_gets_its_mode() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("policies.snap");
    for (bytes, mode) in [(&b"first, and longer"[..], 0o644), (b"second", 0o600), (b"", 0o640)] {
        write_atomic(&path, bytes, mode).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, mode);
    }
    assert_eq!(names_in(dir.path()), ["policies.snap"], "nothing else is left behind");
}

#[test]
fn a_failed_write_leaves_everything_as_it_was() {
    let dir = TempDir::new().unwrap();
    let occupied = dir.path().join("occupied");
    std::fs::create_dir(&occupied).unwrap();
    std::fs::write(occupied.join("inside"), "x").unwrap();
    assert!(write_atomic(&occupied, b"bytes", 0o600).is_err());
    assert_eq!(names_in(dir.path()), ["occupied"]);
    assert!(write_atomic(&dir.path().join("no/such/folder"), b"bytes", 0o600).is_err());
    assert!(write_atomic(Path::new("/"), b"bytes", 0o600).is_err());
}

#[test]
fn many_writers_never_mix() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("state");
    write_atomic(&path, &[b'0'; 8192], 0o600).unwrap();
    std::thread::scope(|scope| {
        for writer in b'1'..=b'4' {
            let path = &path;
            scope.spawn(move || (0..20).for_each(|_| write_atomic(path, &[writer; 8192], 0o600).unwrap()));
        }
        for _ in 0..200 {
            let bytes = std::fs::read(&path).unwrap();
            assert!(bytes.len() == 8192 && bytes.iter().all(|b| *b == bytes[0]), "a mixture was read");
        }
    });
    assert_eq!(names_in(dir.path()), ["state"]);
}

#[test]
fn reading_stops_at_the_limit_and_at_what_is_no_file() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, b"12345").unwrap();
    assert_eq!(read_bounded(&path, 5).unwrap(), b"12345");
    assert_eq!(read_bounded(&path, 4).unwrap_err().kind(), ErrorKind::FileTooLarge);
    assert_eq!(read_bounded(&dir.path().join("none"), 4).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(read_bounded(Path::new("/dev/zero"), 4).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(read_bounded(dir.path(), 4).is_err(), "a folder");

    // A pipe without a writer would make a plain open wait for ever.
    let pipe = dir.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    assert_eq!(read_bounded(&pipe, 4).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn policies_come_by_name_and_whole() {
    let dir = TempDir::new().unwrap();
    for (name, text) in [("b.cedar", "bb"), ("a.cedar", "a"), ("notes.md", "x"), (".a.cedar", "editor")] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let files = load_policies(dir.path()).unwrap();
    let read: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(read, [("a.cedar", "a"), ("b.cedar", "bb")]);
}

#[test]
fn one_bad_policy_file_refuses_the_folder() {
    let bad: [(&str, &[u8], &str); 3] = [
        ("c.cedar", b"\xff", "is not UTF-8"),
        ("fleet:calls.cedar", b"", "rename it"),
        ("d.cedar", &vec![b' '; POLICY_FILE_BYTES_MAX + 1], "is longer than"),
    ];
    for (name, text, message) in bad {
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("good.cedar"), "good").unwrap();
        std::fs::write(dir.path().join(name), text).unwrap();
        let error = load_policies(dir.path()).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(message), "{error}");
    }
    // What its author takes for a policy must not be left out in silence.
    for name in ["prod/", "deny.CEDAR", "deny.cedar.txt", "cedar"] {
        let dir = TempDir::new().unwrap();
        match name.strip_suffix('/') {
            Some(folder) => std::fs::create_dir(dir.path().join(folder)).unwrap(),
            None => std::fs::write(dir.path().join(name), "forbid (principal, action, resource);").unwrap(),
        }
        let error = load_policies(dir.path()).unwrap_err();
        assert!(matches!(error, LoadError::NotRead { .. }), "{name}: {error}");
    }
    let missing = load_policies(Path::new("/nonexistent")).unwrap_err();
    assert!(matches!(missing, LoadError::Read { .. }), "{missing}");
}

#[test]
fn a_fleet_comes_with_its_policies() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("fleet.yaml");
    let text = "fleet: bank\n\
                trust_domain: bank.example\n\
                policies: rules/\n\
                services:\n  accounts:\n    at: 127.0.0.1:7102\n    owner: core\n";
    std::fs::write(&path, text).unwrap();
    let error = load_fleet(&path).unwrap_err().to_string();
    assert!(error.contains("rules"), "the folder is missing: {error}");

    std::fs::create_dir(dir.path().join("rules")).unwrap();
    std::fs::write(dir.path().join("rules/own.cedar"), "permit").unwrap();
    let (fleet, policies) = load_fleet(&path).unwrap();
    assert_eq!(fleet.name.as_str(), "bank");
    assert_eq!(policies.keys().collect::<Vec<_>>(), ["own.cedar"]);

    std::fs::write(&path, text.replace("fleet: bank", "fleet: Bank!")).unwrap();
    let error = load_fleet(&path).unwrap_err().to_string();
    assert!(error.contains("fleet.yaml:1:"), "file and line: {error}");
}
