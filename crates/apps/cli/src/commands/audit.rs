//! `bartizan audit`: all of it works on files.

mod proving;

use super::{place, print, print_json};
use crate::args::{AuditCommand, AuditLedgerArgs, AuditShowArgs, AuditVerifyArgs};
use crate::failure::{Failure, chain};
use crate::limits::{AUDIT_CHECKPOINT_BYTES_MAX, AUDIT_KEY_BYTES_MAX};
use crate::render;
use bartizan_audit::{Audit, Checkpoint, Mark, Report, Seal, VerifierKey};
use bartizan_crypto::hash;
use bartizan_events::record;
use bartizan_ledger::{Piece, read_with};
use bartizan_runtime::files;
use serde_json::json;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Runs one of the subcommands.
pub(crate) fn run(command: AuditCommand) -> Result<(), Failure> {
    match command {
        AuditCommand::Verify(args) => verify(&args),
        AuditCommand::Checkpoint(args) => print(&newest(&args)?.note),
        AuditCommand::Key(args) => print(&format!("{}\n", key(&args)?)),
        AuditCommand::Show(args) => show(&args),
        AuditCommand::Prove(args) => proving::prove(&args),
        AuditCommand::Check(args) => proving::check(&args),
    }
}

fn verify(args: &AuditVerifyArgs) -> Result<(), Failure> {
    let key = key(&args.at)?;
    let mut files = args.checkpoints.clone();
    files.extend(args.remember.clone().filter(|file| file.exists()));
    let expected = files.iter().map(|file| checkpoint(file, &key)).collect::<Result<Vec<_>, _>>()?;
    let audit = Audit::new(&key).expect(expected.clone());
    let report = read_all(&args.at, if args.at.archives.is_empty() { audit } else { audit.of_all() })?;
    if args.json {
        print_json(&as_json(&report, &key, &expected))?;
    } else {
        print(&as_text(&report, &key, &expected, args))?;
    }
    if !report.is_good() {
        return Err(Failure::Said(1));
    }
    let Some(file) = &args.remember else { return Ok(()) };
    let note = newest(&args.at)?.note;
    files::write_atomic(file, note.as_bytes(), 0o600)
        .map_err(|error| Failure::new(format!("cannot keep the checkpoint in `{}`: {error}", file.display())))
}

fn read_all(args: &AuditLedgerArgs, mut audit: Audit<'_>) -> Result<Report, Failure> {
    read_with(&dir(args)?, &args.archives, |place, piece| match piece {
        Piece::Entry(entry) => audit.entry(entry),
        Piece::Mark(mark) => audit.mark(place, mark),
        Piece::Seal(seal) => audit.seal(place, seal),
        Piece::Damaged => audit.damaged(place),
        // It was being written, or never confirmed; that it was cut off is seen against a checkpoint.
        Piece::Torn => {}
    })
    .map_err(|error| Failure::new(error.to_string()))?;
    Ok(audit.finish())
}

fn as_json(report: &Report, key: &VerifierKey, expected: &[Checkpoint]) -> serde_json::Value {
    let Report { entries, elsewhere, unsigned, checkpoints, last, findings, more } = report;
    json!({
        "ledger": key.name(),
        "good": report.is_good(),
        "entries": entries,
        "elsewhere": elsewhere,
        "unsigned": unsigned,
        "checkpoints": checkpoints,
        "root": last.as_ref().map(|last| hash::hex(&last.root)),
        "compared_with": expected.iter().map(|it| it.size).collect::<Vec<_>>(),
        "findings": findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "further_findings": more,
    })
}

fn as_text(report: &Report, key: &VerifierKey, expected: &[Checkpoint], args: &AuditVerifyArgs) -> String {
    let Report { entries, elsewhere, unsigned, checkpoints, last, findings, more } = report;
    let mut text = format!(
        "ledger {}: {} entries under {} signed checkpoints\n",
        key.name(),
        render::grouped(*entries),
        render::grouped(*checkpoints)
    );
    if let Some(last) = last {
        let _ = writeln!(text, "root {}", hash::hex(&last.root));
    }
    if *unsigned > 0 {
        let _ = writeln!(text, "{unsigned} more at the end that are just being written");
    }
    for finding in findings {
        let _ = writeln!(text, "WRONG  {finding}");
    }
    if *more > 0 {
        let _ = writeln!(text, "WRONG  and {more} more findings");
    }
    if !report.is_good() {
        return text;
    }
    if *elsewhere > 0 {
        let (elsewhere, rest) = (render::grouped(*elsewhere), render::grouped(entries.saturating_sub(*elsewhere)));
        let _ = writeln!(
            text,
            "{elsewhere} of them lie in an archive that was not read (see `--archive`): their seals are as they were signed, and so are the \
             other {rest} entries"
        );
    } else {
        text.push_str("all of it is as it was signed\n");
    }
    match expected {
        [] => text.push_str(
            "not compared with a checkpoint from elsewhere: a ledger that was cut at its end, set back or written anew looks good \
             by itself (see `--checkpoint` and `--remember`)\n",
        ),
        some => some.iter().for_each(|it| {
            let _ = writeln!(text, "it goes on from the checkpoint over {} entries that was kept elsewhere", it.size);
        }),
    }
    if args.at.key.is_none() {
        text.push_str(
            "the key was taken from beside the ledger; whoever can write there could have exchanged it (see `--key`)\n",
        );
    }
    text
}

fn show(args: &AuditShowArgs) -> Result<(), Failure> {
    let (mut n, mut shown) = (0, Ok(()));
    let to = args.from.saturating_add(args.limit);
    read_with(&dir(&args.at)?, &args.at.archives, |_, piece| {
        if let Some(after) = end_of_seal(piece) {
            n = n.max(after);
        }
        let Piece::Entry(entry) = piece else { return };
        if shown.is_ok() && (args.from..to).contains(&n) {
            let line = line(entry);
            let line = line.trim_end();
            shown = print(&if args.json {
                format!("{line}\n")
            } else {
                format!("{n:>8}  {}\n", render::event::line(line))
            });
        }
        n += 1;
    })
    .map_err(|error| Failure::new(error.to_string()))?;
    shown
}

/// The OCSF record of an entry.
fn line(entry: &[u8]) -> String {
    let unreadable = || json!({ "message": "written by another version of this program" });
    format!("{}\n", record::read_bytes(entry).map_or_else(unreadable, |record| record.ocsf()))
}

/// How many entries there are up to the end of a part that lies in an archive.
fn end_of_seal(piece: Piece<'_>) -> Option<u64> {
    let Piece::Seal(seal) = piece else { return None };
    Seal::read(seal).ok().map(|seal| seal.end.tree.size())
}

/// The newest mark, if it is signed by the ledger.
fn newest(args: &AuditLedgerArgs) -> Result<Mark, Failure> {
    let (dir, key) = (dir(args)?, key(args)?);
    let mut last = None;
    // Its newest file is never moved.
    read_with(&dir, &[], |_, piece| {
        if let Piece::Mark(mark) = piece {
            last = Some(mark.to_vec());
        }
    })
    .map_err(|error| Failure::new(error.to_string()))?;
    let bytes = last.ok_or_else(|| Failure::new(format!("the ledger in `{}` is empty", dir.display())))?;
    let mark = Mark::read(&bytes)
        .ok_or_else(|| Failure::new("the newest checkpoint is damaged: see `bartizan audit verify`"))?;
    mark.open(&key).map_err(|error| Failure::new(format!("the newest checkpoint cannot be believed: {error}")))?;
    Ok(mark)
}

fn dir(args: &AuditLedgerArgs) -> Result<PathBuf, Failure> {
    match &args.ledger {
        Some(dir) => Ok(dir.clone()),
        None => Ok(place(&args.place)?.path().join("ledger")),
    }
}

fn key(args: &AuditLedgerArgs) -> Result<VerifierKey, Failure> {
    match &args.key {
        Some(said) => key_of(said),
        None => key_in(&dir(args)?.with_extension("pub")),
    }
}

/// A key, or a file with it.
fn key_of(said: &str) -> Result<VerifierKey, Failure> {
    if said.contains('+') { key_by(said) } else { key_in(Path::new(said)) }
}

fn key_in(file: &Path) -> Result<VerifierKey, Failure> {
    let bytes = files::read_bounded(file, AUDIT_KEY_BYTES_MAX)
        .map_err(|error| Failure::new(format!("cannot read the key `{}`: {error}", file.display())))?;
    key_by(&String::from_utf8_lossy(&bytes))
}

fn key_by(text: &str) -> Result<VerifierKey, Failure> {
    VerifierKey::parse(text.trim()).map_err(|error| Failure::new(chain(&error)))
}

fn checkpoint(file: &Path, key: &VerifierKey) -> Result<Checkpoint, Failure> {
    let bytes = files::read_bounded(file, AUDIT_CHECKPOINT_BYTES_MAX)
        .map_err(|error| Failure::new(format!("cannot read the checkpoint `{}`: {error}", file.display())))?;
    Checkpoint::open(&String::from_utf8_lossy(&bytes), key)
        .map_err(|error| Failure::new(format!("`{}` cannot be believed: {error}", file.display())))
}
