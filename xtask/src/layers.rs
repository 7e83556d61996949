//! The import rule: the folder a crate lies in says what it may import.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Layers in order, each with the layers that it may import from besides its own rules below.
const LAYERS: &[(&str, &[&str])] = &[
    ("base", &["base"]), // core stands below crypto; cargo itself forbids the circle
    ("engines", &["base"]),
    ("io", &["base"]),
    ("planes", &["base", "engines", "io"]),
    ("apps", &["base", "engines", "io", "planes"]),
    ("dev", &["base", "engines", "io", "planes", "apps"]),
];

/// What may not be imported although the layer would allow it: the process that faces traffic carries least.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("bartizan-proxy", &["bartizan-store", "bartizan-control", "bartizan-scan", "bartizan-supply", "bartizan-detect"]),
    // The bank stands for programs that nobody will change.
    ("bank", &["bartizan-"]),
];

/// Outside libraries and the only crates that may name them as a dependency.
const DOORS: &[(&str, &[&str])] = &[
    ("aws-lc-rs", &["bartizan-crypto"]),
    ("cryptoki", &["bartizan-crypto"]),
    ("rcgen", &["bartizan-crypto"]),
    ("x509-parser", &["bartizan-crypto"]),
    ("rustls-webpki", &["bartizan-crypto"]),
    ("argon2", &["bartizan-crypto"]),
    // Bank and testkit are no part of the product; their load clients speak TLS to the gateway as any client does.
    ("rustls", &["bartizan-runtime", "bank", "bartizan-testkit"]),
    ("tokio-rustls", &["bartizan-runtime", "bank", "bartizan-testkit"]),
    ("tonic", &["bartizan-runtime", "bartizan-control", "bartizan-node", "bartizan-proxy"]),
    ("tonic-prost", &["bartizan-runtime"]),
    ("prost", &["bartizan-runtime"]),
    ("prost-types", &["bartizan-runtime"]),
    ("socket2", &["bartizan-runtime"]),
    // One system call without a safe wrapper each, in one file.
    ("libc", &["bartizan-node", "bartizan-proxy"]),
    ("sqlx", &["bartizan-store"]),
    ("cedar-policy", &["bartizan-policy"]),
    ("serde-saphyr", &["bartizan-core"]),
    ("qrcodegen", &["bartizan-control"]),
];

/// A crate as its manifest shows it.
struct Crate {
    name: String,
    layer: String,
    manifest: PathBuf,
    /// Dependencies of the product; those of tests may reach further.
    dependencies: Vec<String>,
    inherits_lints: bool,
}

/// Every crate of the workspace.
fn crates(root: &Path) -> Vec<Crate> {
    let mut manifests = Vec::new();
    for (layer, _) in LAYERS {
        for entry in std::fs::read_dir(root.join("crates").join(layer)).into_iter().flatten().flatten() {
            manifests.push(((*layer).to_owned(), entry.path().join("Cargo.toml")));
        }
    }
    manifests.push(("apart".into(), root.join("examples/bank/Cargo.toml")));
    manifests.push(("apart".into(), root.join("xtask/Cargo.toml")));
    manifests.into_iter().filter(|(_, m)| m.exists()).map(|(layer, manifest)| read(layer, manifest)).collect()
}

fn read(layer: String, manifest: PathBuf) -> Crate {
    let text = std::fs::read_to_string(&manifest).unwrap_or_default();
    let table: toml::Table = text.parse().unwrap_or_default();
    let text_at = |key: &str| table.get("package")?.get(key)?.as_str().map(str::to_owned);
    let mut dependencies: Vec<String> = Vec::new();
    for section in ["dependencies", "build-dependencies"] {
        dependencies.extend(table.get(section).and_then(|d| d.as_table()).into_iter().flat_map(|d| d.keys().cloned()));
    }
    let inherits_lints =
        table.get("lints").and_then(|l| l.get("workspace")).and_then(toml::Value::as_bool) == Some(true);
    Crate { name: text_at("name").unwrap_or_default(), layer, manifest, dependencies, inherits_lints }
}

/// Complaints about imports against the direction of the layers.
pub(crate) fn imports(root: &Path) -> Vec<String> {
    let crates = crates(root);
    let layer_of: BTreeMap<&str, &str> = crates.iter().map(|c| (c.name.as_str(), c.layer.as_str())).collect();
    let mut complaints = Vec::new();
    for it in &crates {
        let allowed = LAYERS.iter().find(|(layer, _)| *layer == it.layer).map_or(&[][..], |(_, allowed)| allowed);
        for dependency in &it.dependencies {
            if let Some(layer) = layer_of.get(dependency.as_str()).filter(|_| it.layer != "apart")
                && !allowed.contains(layer)
            {
                complaints.push(format!("{} (layer {}) imports {dependency} (layer {layer})", it.name, it.layer));
            }
            for (name, forbidden) in FORBIDDEN {
                if it.name == *name && forbidden.iter().any(|f| dependency.starts_with(f)) {
                    complaints.push(format!("{} must not import {dependency}", it.name));
                }
            }
        }
    }
    complaints
}

/// Complaints about libraries used by a crate that is not their door.
pub(crate) fn doors(root: &Path) -> Vec<String> {
    let mut complaints = Vec::new();
    for it in crates(root) {
        for (library, doors) in DOORS {
            if it.dependencies.iter().any(|d| d == library) && !doors.contains(&it.name.as_str()) {
                complaints.push(format!("{} names `{library}`, whose door is {}", it.name, doors.join(", ")));
            }
        }
    }
    complaints
}

/// Complaints about crates that do not take over the workspace's lints.
pub(crate) fn lints(root: &Path) -> Vec<String> {
    let without = crates(root).into_iter().filter(|c| !c.inherits_lints);
    without.map(|c| format!("{}: add `[lints] workspace = true`", c.manifest.display())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> PathBuf {
        let root = std::env::temp_dir().join(format!("tidy-layers-{}-{}", std::process::id(), files.len()));
        for (path, text) in files {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn complains_of_every_kind_of_wrong_manifest() {
        let root = tree(&[
            ("crates/base/core/Cargo.toml", "[package]\nname = \"bartizan-core\"\n[lints]\nworkspace = true"),
            (
                "crates/engines/waf/Cargo.toml",
                "[package]\nname = \"bartizan-waf\"\n[lints]\nworkspace = true\n[dependencies]\nbartizan-policy = {}\nsqlx = {}",
            ),
            (
                "crates/engines/policy/Cargo.toml",
                "[package]\nname = \"bartizan-policy\"\n[dependencies]\nbartizan-core = {}",
            ),
        ]);
        assert_eq!(imports(&root), ["bartizan-waf (layer engines) imports bartizan-policy (layer engines)"]);
        assert_eq!(doors(&root), ["bartizan-waf names `sqlx`, whose door is bartizan-store"]);
        assert_eq!(lints(&root).len(), 1);
        std::fs::remove_dir_all(root).unwrap();
    }
}
