//! A process that keeps entries and says so is killed in the middle of it: everything of which it said so is there.

use crate::refusals::append;
use bartizan_replica::{Change, Files, Place, Vote};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// Names the folder to the process that keeps.
const FOLDER: &str = "BARTIZAN_TEST_REPLICA";
/// Deaths.
const LIVES: u64 = 12;
/// Entries after which the state is written down.
const STATE_EVERY: u64 = 25;

/// What the child does: entries `1`, `2`, … each said on standard output once it is kept. The state is their count.
fn keep_on(dir: &Path) {
    let (mut files, found) = Files::open(dir, true).unwrap();
    let mut next = found.base.index + found.entries.len() as u64 + 1;
    let mut out = std::io::stdout();
    loop {
        files.keep(&Change { vote: None, ..append(next, &[&next.to_string()]) }).unwrap();
        writeln!(out, "kept {next}").unwrap();
        if next.is_multiple_of(STATE_EVERY) {
            let base = Place { term: 1, index: next };
            files.put_state(Vote { term: 1, member: None }, base, next.to_string().as_bytes(), &[]).unwrap();
        }
        next += 1;
    }
}

#[test]
fn what_was_said_to_be_kept_is_there_after_a_kill() {
    if let Ok(dir) = std::env::var(FOLDER) {
        return keep_on(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let mut last = 0;
    for life in 0..LIVES {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["killed::what_was_said_to_be_kept_is_there_after_a_kill", "--exact", "--nocapture"])
            .env(FOLDER, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Not always at the same place of a write.
        let enough = last + 3 + life * 7;
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for line in lines.map_while(Result::ok) {
            if let Some(number) = line.strip_prefix("kept ").and_then(|number| number.parse::<u64>().ok()) {
                last = last.max(number);
                if last == enough {
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();
        assert!(last >= enough, "life {life}: it kept {last} and should have kept {enough}");
        let (_, found) = Files::open(dir.path(), true).unwrap();
        let kept = found.base.index + found.entries.len() as u64;
        assert!(kept >= last && kept <= last + 1, "life {life}: {last} were said to be kept, {kept} are");
        let texts = found.entries.iter().map(|it| String::from_utf8_lossy(&it.data).into_owned());
        let expected = (found.base.index + 1..=kept).map(|it| it.to_string());
        assert!(texts.eq(expected), "life {life}: {found:?}");
        let state = if found.base.index == 0 { String::new() } else { found.base.index.to_string() };
        assert_eq!(String::from_utf8_lossy(&found.state), state);
    }
}
