//! The one list of what `cargo xtask tidy` checks.

use crate::{layers, licences, paths, rust_files, web_files};
use std::path::Path;

/// A check returns its complaints; none means it is content.
type Check = fn(&Path) -> Vec<String>;

const CHECKS: &[(&str, Check)] = &[
    ("a crate imports only from layers above it", layers::imports),
    ("an outside library has one door", layers::doors),
    ("every crate takes the workspace's lints", layers::lints),
    ("unsafe code is allowed in two files alone", rust_files::unsafe_only_in_its_files),
    ("every Rust file begins with a header", rust_files::headers),
    ("no unwrap and no bare expect outside tests", rust_files::unwraps),
    ("files of the console say what they are for, make no markup of text, name no address outside", web_files::shape),
    ("every path that a document names exists", paths::live),
    ("licences are allowed, no second TLS or async stack, no doubled core crates", licences::check),
];

/// Runs every check, prints what is wrong, and answers whether all is well.
pub(crate) fn run(root: &Path) -> bool {
    let mut wrong = 0;
    for (rule, check) in CHECKS {
        let complaints = check(root);
        println!("{} {rule}", if complaints.is_empty() { "ok  " } else { "FAIL" });
        for complaint in &complaints {
            println!("       {complaint}");
        }
        wrong += complaints.len();
    }
    if wrong > 0 {
        println!("tidy: {wrong} complaints");
    }
    wrong == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_tree_is_tidy() {
        for (rule, check) in CHECKS {
            assert_eq!(check(&crate::root()), Vec::<String>::new(), "{rule}");
        }
    }
}
