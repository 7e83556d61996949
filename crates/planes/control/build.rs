//! Puts the console's pages into this crate, where they were built: every file of `console/dist`, as it is and compressed.
//!
//! Without that folder the crate compiles all the same, so that Rust alone is enough; the console then says how it comes to its pages.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::fmt::Write as _;
use std::io::{Result, Write as _};
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Where the pages are, from this crate.
const DIST: &str = "../../../console/dist";
/// Below which a file is not compressed, in bytes: it fits one packet anyway.
const COMPRESSED_FROM: usize = 1024;
/// Largest of all pages together, in bytes: a mistake is not to end up in the program.
const BYTES_MAX: u64 = 16 << 20;

fn main() -> Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    let var = |name: &str| env::var_os(name).map(PathBuf::from).unwrap_or_default();
    let (dist, out) = (var("CARGO_MANIFEST_DIR").join(DIST), var("OUT_DIR"));
    let mut files = Vec::new();
    // Where it is not there, cargo cannot watch it: `make console` touches this file.
    if dist.join("index.html").is_file() {
        println!("cargo:rerun-if-changed={}", dist.display());
        collect(&dist, &mut files)?;
        files.sort();
    }
    let sizes: u64 = files.iter().filter_map(|file| Some(fs::metadata(file).ok()?.len())).sum();
    assert!(sizes <= BYTES_MAX, "console/dist has {sizes} bytes, more than {BYTES_MAX}; build it anew");
    let mut code = String::from("pub(super) static FILES: &[File] = &[\n");
    for (number, file) in files.iter().enumerate() {
        let bytes = fs::read(file)?;
        let name = file.strip_prefix(&dist).unwrap_or(file).to_string_lossy().replace('\\', "/");
        let packed = match bytes.len() >= COMPRESSED_FROM {
            true => Some(compress(&bytes)?).filter(|packed| packed.len() < bytes.len()),
            false => None,
        };
        let packed = match packed {
            None => "None".to_owned(),
            Some(packed) => {
                let path = out.join(format!("{number}.gz"));
                fs::write(&path, packed)?;
                format!("Some(include_bytes!({:?}))", path.display().to_string())
            }
        };
        let plain = fs::canonicalize(file)?.display().to_string();
        let _ = writeln!(code, "    File {{ name: {name:?}, plain: include_bytes!({plain:?}), gzip: {packed} }},");
    }
    code.push_str("];\n");
    fs::write(out.join("pages.rs"), code)
}

/// Every file below `dir` that a browser may ask for.
fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some() {
            files.push(path);
        }
    }
    Ok(())
}

fn compress(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}
