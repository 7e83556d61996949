//! `bartizan ca`: the root, which can stay on a machine of its own.

use super::{ca_issued, ca_rotation, print, print_json, waiting};
use crate::args::{CaCommand, CaDistrustArgs, CaInitArgs, CaShowArgs, CaSignArgs, DistrustedArg};
use crate::data_dir::make_private;
use crate::failure::{Failure, chain};
use crate::limits::CA_FILE_BYTES_MAX;
use crate::prompt;
use crate::render::{left, utc};
use bartizan_control::ca::{
    CaError, ROOT_PASSPHRASE, ROOTS_PEM, TokenPlace, init, init_on_token, is_on_token, read_passphrase, sign,
    sign_on_token,
};
use bartizan_core::{Secret, Timestamp};
use bartizan_crypto::cert::{self, Cert};
use bartizan_crypto::hash;
use bartizan_quorum::GroupKey;
use bartizan_runtime::{clock, files};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;

/// Does what is asked of the CA.
pub(crate) fn run(command: CaCommand) -> Result<(), Failure> {
    match command {
        CaCommand::Init(args) => make(&args),
        CaCommand::Sign(args) => sign_request(&args),
        CaCommand::Group(args) => GroupKey::make(&args.file).map_err(|error| Failure::new(chain(&error))),
        CaCommand::Show(args) => show(&args),
        CaCommand::Crl(args) => waiting(ca_rotation::crl(&args)),
        CaCommand::Issued(args) => waiting(ca_issued::run(&args)),
        CaCommand::Status(args) => waiting(ca_rotation::status(&args)),
        CaCommand::Rotate(args) => waiting(ca_rotation::rotate(&args)),
        CaCommand::Revert(args) => waiting(ca_rotation::turn(&args, "revert")),
        CaCommand::Continue(args) => waiting(ca_rotation::turn(&args, "continue")),
        CaCommand::Retire(args) => waiting(ca_rotation::retire(&args)),
        CaCommand::Distrust(CaDistrustArgs { what: DistrustedArg::Issuing, data }) => {
            waiting(ca_rotation::turn(&data, "distrust"))
        }
    }
}

fn make(args: &CaInitArgs) -> Result<(), Failure> {
    if let (Some(module), Some(token), Some(key)) = (&args.pkcs11_module, &args.pkcs11_token, &args.pkcs11_key) {
        let place = TokenPlace { module: module.clone(), token: token.clone(), key: key.clone() };
        return make_on_token(args, &place);
    }
    let Some(file) = &args.root_passphrase_file else {
        return Err(Failure::Usage("name a passphrase file or a PKCS#11 token".to_owned()));
    };
    let passphrase = read_passphrase(file).map_err(failed)?;
    make_private(&args.dir)?;
    init(&args.dir, &passphrase, &args.trust_domain).map_err(failed)?;
    print(&format!(
        "made the root of `{}` in `{}`: keep `root.sealed` and its passphrase apart; give `{ROOTS_PEM}` to everybody\n",
        args.trust_domain,
        args.dir.display()
    ))
}

fn make_on_token(args: &CaInitArgs, place: &TokenPlace) -> Result<(), Failure> {
    let pin = pin(args.pin_file.as_deref())?;
    make_private(&args.dir)?;
    init_on_token(&args.dir, place, &pin, &args.trust_domain).map_err(failed)?;
    print(&format!(
        "made the root of `{}` on token `{}`, key `{}`: it cannot be copied, so mind the token; give `{ROOTS_PEM}` to everybody\n",
        args.trust_domain, place.token, place.key
    ))
}

fn pin(file: Option<&Path>) -> Result<Secret<String>, Failure> {
    match file {
        Some(path) => read_passphrase(path).map_err(failed),
        None => prompt::secret("PIN of the token"),
    }
}

fn sign_request(args: &CaSignArgs) -> Result<(), Failure> {
    if is_on_token(&args.dir) {
        let pin = pin(args.pin_file.as_deref())?;
        return print(&sign_on_token(&args.dir, &pin, &read(&args.csr)?).map_err(failed)?);
    }
    let default = args.dir.join(ROOT_PASSPHRASE);
    let passphrase = read_passphrase(args.root_passphrase_file.as_deref().unwrap_or(&default)).map_err(failed)?;
    let request = read(&args.csr)?;
    print(&sign(&args.dir, &passphrase, &request).map_err(failed)?)
}

/// What people want to know of a certificate.
#[derive(Debug, Serialize)]
struct Shown {
    uris: Vec<String>,
    is_ca: bool,
    serial: String,
    not_before: Timestamp,
    not_after: Timestamp,
    sha256: String,
}

fn show(args: &CaShowArgs) -> Result<(), Failure> {
    let path = match (&args.pem, &args.dir) {
        (Some(pem), _) => pem.clone(),
        (None, Some(dir)) => dir.join(ROOTS_PEM),
        (None, None) => return Err(Failure::Usage("name a folder with --dir or a file with --pem".to_owned())),
    };
    let unreadable =
        |why: &dyn std::fmt::Display| Failure::new(format!("`{}` holds no certificates: {why}", path.display()));
    let text = String::from_utf8(read(&path)?).map_err(|_| unreadable(&"it is not PEM"))?;
    let ders = cert::from_pem(&text).map_err(|error| unreadable(&error))?;
    let mut shown = Vec::new();
    for der in &ders {
        let read = cert::read(der).map_err(|error| unreadable(&error))?;
        shown.push(of(&read, der));
    }
    if args.json { print_json(&shown) } else { print(&told(&shown, clock::now())) }
}

fn of(read: &Cert, der: &[u8]) -> Shown {
    Shown {
        uris: read.uris().to_vec(),
        is_ca: read.is_ca(),
        serial: read.serial_hex().to_owned(),
        not_before: read.not_before(),
        not_after: read.not_after(),
        sha256: hash::hex(&hash::sha256(der)),
    }
}

fn told(certificates: &[Shown], now: Timestamp) -> String {
    let mut text = String::new();
    for shown in certificates {
        let Shown { uris, is_ca, serial, not_before, not_after, sha256 } = shown;
        let what = if *is_ca { "CA" } else { "leaf" };
        let _ = writeln!(text, "{what} {}", uris.join(" "));
        let _ = writeln!(text, "  serial   {serial}");
        let _ = writeln!(
            text,
            "  valid    {} to {} ({} left)",
            utc(*not_before),
            utc(*not_after),
            left(not_after.since(now))
        );
        let _ = writeln!(text, "  sha256   {sha256}");
    }
    text
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    files::read_bounded(path, CA_FILE_BYTES_MAX)
        .map_err(|error| Failure::new(format!("cannot read `{}`: {error}", path.display())))
}

fn failed(error: CaError) -> Failure {
    Failure::new(chain(&error))
}
