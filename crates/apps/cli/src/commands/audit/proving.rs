//! `bartizan audit prove` and `check`: proofs for whoever has nothing but them and the key.

use super::{checkpoint, dir, key, key_of, line, newest};
use crate::args::{AuditCheckArgs, AuditLedgerArgs, AuditProveArgs};
use crate::commands::{print, print_json};
use crate::failure::Failure;
use crate::render;
use bartizan_audit::{
    Checkpoint, ConsistencyProof, Hash, InclusionProof, Mark, PROOF_BYTES_MAX, Proof, Prover, Seal, VerifierKey,
    leaf_hash,
};
use bartizan_crypto::{base64, hash};
use bartizan_ledger::{Piece, read_with};
use bartizan_runtime::files;
use serde_json::json;
use std::path::Path;

pub(super) fn prove(args: &AuditProveArgs) -> Result<(), Failure> {
    let newest = newest(&args.at)?;
    match (&args.since, args.entry) {
        (Some(since), _) => since_then(args, since, newest),
        (None, Some(entry)) => entry_is_in(args, entry, newest),
        (None, None) => Err(Failure::new("which entry? say its number, or `--since` a checkpoint")),
    }
}

fn entry_is_in(args: &AuditProveArgs, index: u64, newest: Mark) -> Result<(), Failure> {
    let size = newest.tree.size();
    let none = || Failure::new(format!("there is no entry {index}: the ledger has {size}, counted from 0"));
    let prover = Prover::inclusion(index, size).ok_or_else(none)?;
    let (path, entry) = walk(&args.at, prover, Some(index))?;
    let Some(entry) = entry else {
        return Err(Failure::new(format!("entry {index} lies in an archive: name it by `--archive`")));
    };
    let proof = InclusionProof { entry, index, path, checkpoint: newest.note };
    if !args.json {
        return print(&proof.to_string());
    }
    print_json(&json!({
        "index": index,
        "entry": base64::encode(&proof.entry),
        "path": in_base64(&proof.path),
        "checkpoint": proof.checkpoint,
    }))
}

fn since_then(args: &AuditProveArgs, since: &Path, newest: Mark) -> Result<(), Failure> {
    let key = key(&args.at)?;
    let old = checkpoint(since, &key)?;
    let shorter = || {
        let (wanted, found) = (old.size, newest.tree.size());
        Failure::new(format!(
            "the checkpoint is over {wanted} entries and the ledger has {found}: its end is gone, or it is another one"
        ))
    };
    let prover = Prover::consistency(old.size, newest.tree.size()).ok_or_else(shorter)?;
    let (path, _) = walk(&args.at, prover, None)?;
    let proof = ConsistencyProof { old: old.size, path, checkpoint: newest.note };
    // What proves nothing is not handed out.
    proof.check(&old, &key).map_err(|error| Failure::new(format!("nothing is proven: {error}")))?;
    if !args.json {
        return print(&proof.to_string());
    }
    print_json(&json!({ "old": proof.old, "path": in_base64(&proof.path), "checkpoint": proof.checkpoint }))
}

/// The proof over the entries that are there, and entry `wanted`.
fn walk(
    args: &AuditLedgerArgs,
    mut prover: Prover,
    wanted: Option<u64>,
) -> Result<(Vec<Hash>, Option<Vec<u8>>), Failure> {
    let (mut at, mut entry) = (0, None);
    read_with(&dir(args)?, &args.archives, |_, piece| match piece {
        Piece::Entry(bytes) => {
            if wanted == Some(at) {
                entry = Some(bytes.to_vec());
            }
            prover.leaf(leaf_hash(bytes));
            at += 1;
        }
        Piece::Seal(seal) => {
            if let Ok(seal) = Seal::read(seal)
                && seal.end.tree.size() > at
            {
                at = seal.end.tree.size();
                prover.skip_to(&seal.end.tree);
            }
        }
        Piece::Mark(_) | Piece::Damaged | Piece::Torn => {}
    })
    .map_err(|error| Failure::new(error.to_string()))?;
    let lacking = |error: bartizan_audit::Missing| Failure::new(format!("{error}: name their archive by `--archive`"));
    Ok((prover.finish().map_err(lacking)?, entry))
}

pub(super) fn check(args: &AuditCheckArgs) -> Result<(), Failure> {
    let key = key_of(&args.key)?;
    let file = args.proof.display();
    let bytes = files::read_bounded(&args.proof, PROOF_BYTES_MAX)
        .map_err(|error| Failure::new(format!("cannot read the proof `{file}`: {error}")))?;
    let failed = |error: bartizan_audit::ProofError| Failure::new(format!("NOT PROVEN by `{file}`: {error}"));
    match (Proof::parse(&String::from_utf8_lossy(&bytes)).map_err(failed)?, &args.since) {
        (Proof::Inclusion(_), Some(_)) => Err(Failure::new(format!(
            "`{file}` proves that an entry is in the ledger; `--since` says nothing about that"
        ))),
        (Proof::Inclusion(proof), None) => {
            let under = proof.check(&key).map_err(failed)?;
            is_in(args, &key, &proof, &under)
        }
        (Proof::Consistency(_), None) => Err(Failure::new(format!(
            "`{file}` proves that the ledger goes on from a checkpoint: say by `--since` from which"
        ))),
        (Proof::Consistency(proof), Some(since)) => {
            let old = checkpoint(since, &key)?;
            let now = proof.check(&old, &key).map_err(failed)?;
            goes_on(args, &key, &old, &now)
        }
    }
}

fn is_in(args: &AuditCheckArgs, key: &VerifierKey, proof: &InclusionProof, under: &Checkpoint) -> Result<(), Failure> {
    let record = line(&proof.entry);
    if args.json {
        let event: serde_json::Value = serde_json::from_str(&record).unwrap_or_default();
        return print_json(&json!({
            "proven": true, "ledger": key.name(), "index": proof.index, "entries": under.size, "root": hash::hex(&under.root), "event": event,
        }));
    }
    print(&format!(
        "proven: entry {} of ledger {}, under its checkpoint over {} entries\n{}\n",
        proof.index,
        key.name(),
        render::grouped(under.size),
        render::event::line(record.trim_end())
    ))
}

fn goes_on(args: &AuditCheckArgs, key: &VerifierKey, old: &Checkpoint, now: &Checkpoint) -> Result<(), Failure> {
    if args.json {
        return print_json(&json!({
            "proven": true, "ledger": key.name(), "old": old.size, "entries": now.size, "root": hash::hex(&now.root),
        }));
    }
    print(&format!(
        "proven: ledger {} with {} entries goes on from the one with {}\n",
        key.name(),
        render::grouped(now.size),
        render::grouped(old.size)
    ))
}

fn in_base64(path: &[Hash]) -> Vec<String> {
    path.iter().map(|hash| base64::encode(hash)).collect()
}
