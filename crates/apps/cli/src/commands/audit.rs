//! `bartizan audit`: all of it works on files.

use super::{place, print, print_json};
use crate::args::{AuditCommand, AuditLedgerArgs, AuditProveArgs, AuditShowArgs, AuditVerifyArgs};
use crate::failure::{Failure, chain};
use crate::limits::{AUDIT_CHECKPOINT_BYTES_MAX, AUDIT_KEY_BYTES_MAX};
use crate::render;
use bartizan_audit::{Audit, Checkpoint, Hash, Mark, Report, VerifierKey, inclusion, leaf_hash};
use bartizan_crypto::{base64, hash};
use bartizan_events::record;
use bartizan_ledger::{Piece, read};
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
        AuditCommand::Prove(args) => prove(&args),
    }
}

fn verify(args: &AuditVerifyArgs) -> Result<(), Failure> {
    let key = key(&args.at)?;
    let mut files = args.checkpoints.clone();
    files.extend(args.remember.clone().filter(|file| file.exists()));
    let expected = files.iter().map(|file| checkpoint(file, &key)).collect::<Result<Vec<_>, _>>()?;
    let report = audit(&dir(&args.at)?, Audit::new(&key).expect(expected.clone()))?;
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

fn audit(dir: &Path, mut audit: Audit<'_>) -> Result<Report, Failure> {
    read(dir, |place, piece| match piece {
        Piece::Entry(entry) => audit.entry(entry),
        Piece::Mark(mark) => audit.mark(place, mark),
        Piece::Damaged => audit.damaged(place),
        // It was being written, or never confirmed; that it was cut off is seen against a checkpoint.
        Piece::Torn => {}
    })
    .map_err(|error| Failure::new(error.to_string()))?;
    Ok(audit.finish())
}

fn as_json(report: &Report, key: &VerifierKey, expected: &[Checkpoint]) -> serde_json::Value {
    let Report { entries, unsigned, checkpoints, last, findings, more } = report;
    json!({
        "ledger": key.name(),
        "good": report.is_good(),
        "entries": entries,
        "unsigned": unsigned,
        "checkpoints": checkpoints,
        "root": last.as_ref().map(|last| hash::hex(&last.root)),
        "compared_with": expected.iter().map(|it| it.size).collect::<Vec<_>>(),
        "findings": findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "further_findings": more,
    })
}

fn as_text(report: &Report, key: &VerifierKey, expected: &[Checkpoint], args: &AuditVerifyArgs) -> String {
    let Report { entries, unsigned, checkpoints, last, findings, more } = report;
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
    text.push_str("all of it is as it was signed\n");
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
    read(&dir(&args.at)?, |_, piece| {
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

fn prove(args: &AuditProveArgs) -> Result<(), Failure> {
    let newest = newest(&args.at)?;
    let (size, number) = (newest.tree.size(), args.entry);
    let (mut leaves, mut entry): (Vec<Hash>, _) = (Vec::new(), Vec::new());
    read(&dir(&args.at)?, |_, piece| {
        let Piece::Entry(bytes) = piece else { return };
        if leaves.len() as u64 == number {
            entry = bytes.to_vec();
        }
        leaves.push(leaf_hash(bytes));
    })
    .map_err(|error| Failure::new(error.to_string()))?;
    leaves.truncate(usize::try_from(size).unwrap_or(usize::MAX));
    let path = usize::try_from(number)
        .ok()
        .and_then(|number| inclusion(&leaves, number))
        .ok_or_else(|| Failure::new(format!("there is no entry {number}: the ledger has {size}, counted from 0")))?;
    if args.json {
        return print_json(&json!({
            "index": number,
            "entry": base64::encode(&entry),
            "path": path.iter().map(|hash| base64::encode(hash)).collect::<Vec<_>>(),
            "checkpoint": newest.note,
        }));
    }
    let mut text = format!("entry {number}: {}", line(&entry));
    let _ = writeln!(text, "leaf {}", hash::hex(&leaf_hash(&entry)));
    for hash in &path {
        let _ = writeln!(text, "with {}", hash::hex(hash));
    }
    let _ = write!(text, "\n{}", newest.note);
    print(&text)
}

/// The newest mark, if it is signed by the ledger.
fn newest(args: &AuditLedgerArgs) -> Result<Mark, Failure> {
    let (dir, key) = (dir(args)?, key(args)?);
    let mut last = None;
    read(&dir, |_, piece| {
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
    let read = |file: &Path| {
        let bytes = files::read_bounded(file, AUDIT_KEY_BYTES_MAX)
            .map_err(|error| Failure::new(format!("cannot read the key `{}`: {error}", file.display())))?;
        Ok::<_, Failure>(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = match &args.key {
        Some(text) if text.contains('+') => text.clone(),
        Some(file) => read(Path::new(file))?,
        None => read(&dir(args)?.with_extension("pub"))?,
    };
    VerifierKey::parse(text.trim()).map_err(|error| Failure::new(chain(&error)))
}

fn checkpoint(file: &Path, key: &VerifierKey) -> Result<Checkpoint, Failure> {
    let bytes = files::read_bounded(file, AUDIT_CHECKPOINT_BYTES_MAX)
        .map_err(|error| Failure::new(format!("cannot read the checkpoint `{}`: {error}", file.display())))?;
    Checkpoint::open(&String::from_utf8_lossy(&bytes), key)
        .map_err(|error| Failure::new(format!("`{}` cannot be believed: {error}", file.display())))
}
