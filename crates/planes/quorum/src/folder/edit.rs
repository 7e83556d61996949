//! What differs between the folder and what the group has of it, in parts that fit into an entry each.

use super::image::{File, Image};
use super::read::Found;
use crate::limits::{BLOCK_BYTES, PART_BYTES, PATH_BYTES_MAX};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Some of what changes in one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// Where the file is, relative to the folder.
    pub path: String,
    /// How long it is now, in bytes, and its permissions; `None` where it is gone.
    pub is: Option<(u64, u32)>,
    /// Blocks that are other ones, by their number, and what is in them; the last one of a file may be short.
    pub blocks: Vec<(u32, Vec<u8>)>,
}

/// One change of the group. Those from a first one to a last one are made together, or, where the last never comes, not at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// What came before it and was not finished never counts.
    pub first: bool,
    /// All since the first one counts now.
    pub last: bool,
    /// What changes.
    pub edits: Vec<Edit>,
}

/// Whether a path leads to a file in the folder and to nowhere else.
pub(super) fn is_inside(path: &str) -> bool {
    let is_name = |name: &str| !name.is_empty() && name != "." && name != ".." && !name.contains('\0');
    path.len() <= PATH_BYTES_MAX && path.split('/').all(is_name)
}

/// What has to change in `image` for it to be what was found.
pub(super) fn differences(image: &Image, found: &BTreeMap<String, Found>) -> Vec<Edit> {
    let gone = image.files().keys().filter(|path| !found.contains_key(*path));
    let gone = gone.map(|path| Edit { path: path.clone(), is: None, blocks: Vec::new() });
    let none = File::default();
    let changed = found.iter().filter_map(|(path, found)| {
        let before = image.files().get(path);
        let Some(bytes) = &found.bytes else {
            let file = before?;
            let is = Some((file.bytes.len() as u64, found.mode));
            return (file.mode != found.mode).then(|| Edit { path: path.clone(), is, blocks: Vec::new() });
        };
        let blocks = blocks(&before.unwrap_or(&none).bytes, bytes);
        let is = (bytes.len() as u64, found.mode);
        let is_other = before.is_none_or(|file| (file.bytes.len() as u64, file.mode) != is) || !blocks.is_empty();
        is_other.then(|| Edit { path: path.clone(), is: Some(is), blocks })
    });
    gone.chain(changed).collect()
}

fn blocks(before: &[u8], now: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let mut other = Vec::new();
    for (number, block) in (0..).zip(now.chunks(BLOCK_BYTES)) {
        let at = number as usize * BLOCK_BYTES;
        if before.get(at..at + block.len()) != Some(block) {
            other.push((number, block.to_vec()));
        }
    }
    other
}

/// The same edits in parts; none where there are none.
pub(super) fn parts(edits: Vec<Edit>) -> Vec<Part> {
    let mut parts: Vec<Vec<Edit>> = Vec::new();
    let mut room = 0;
    for Edit { path, is, blocks } in edits {
        let mut rest = blocks.into_iter().peekable();
        // Also an edit without blocks says something.
        loop {
            let mut some = Vec::new();
            let mut bytes = path.len() + BLOCK_BYTES / 8;
            while let Some(block) = rest.next_if(|block| bytes + block.1.len() <= PART_BYTES) {
                bytes += block.1.len() + size_of::<u32>();
                some.push(block);
            }
            if bytes > room {
                parts.push(Vec::new());
                room = PART_BYTES.max(bytes);
            }
            room -= bytes;
            if let Some(part) = parts.last_mut() {
                part.push(Edit { path: path.clone(), is, blocks: some });
            }
            if rest.peek().is_none() {
                break;
            }
        }
    }
    let count = parts.len();
    let parts = parts.into_iter().enumerate();
    parts.map(|(n, edits)| Part { first: n == 0, last: n + 1 == count, edits }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn folder() -> impl Strategy<Value = BTreeMap<String, (u32, Vec<u8>)>> {
        // Few names and few contents, so that they meet; lengths around those of blocks and parts.
        let length = prop_oneof![0_usize..20, BLOCK_BYTES - 1..BLOCK_BYTES + 2, 3 * BLOCK_BYTES..3 * BLOCK_BYTES + 9];
        let file = (prop_oneof![Just(0o600_u32), Just(0o644)], length, 0_u8..3);
        let file = file.prop_map(|(mode, length, seed)| (mode, vec![seed; length]));
        proptest::collection::btree_map("[ab](/[cd])?", file, 0..6)
    }

    fn found(files: &BTreeMap<String, (u32, Vec<u8>)>) -> BTreeMap<String, Found> {
        let found = |(path, (mode, bytes)): (&String, &(u32, Vec<u8>))| {
            (path.clone(), Found { mode: *mode, bytes: Some(bytes.clone()) })
        };
        files.iter().map(found).collect()
    }

    proptest! {
        #[test]
        fn an_image_follows_whatever_was_found(folders in proptest::collection::vec(folder(), 1..5)) {
            let mut image = Image::default();
            for folder in folders {
                for part in parts(differences(&image, &found(&folder))) {
                    let bytes = postcard::to_stdvec(&part).unwrap();
                    image.take(postcard::from_bytes(&bytes).unwrap());
                }
                let has: BTreeMap<_, _> =
                    image.files().iter().map(|(path, file)| (path.clone(), (file.mode, file.bytes.clone()))).collect();
                prop_assert_eq!(has, folder.clone());
                prop_assert_eq!(differences(&image, &found(&folder)), Vec::new());
                // What was not read again is as it was.
                let unread: BTreeMap<_, _> =
                    folder.iter().map(|(path, (mode, _))| (path.clone(), Found { mode: *mode, bytes: None })).collect();
                prop_assert_eq!(differences(&image, &unread), Vec::new());
            }
        }
    }

    #[test]
    fn no_part_is_longer_than_an_entry_may_be_and_all_together_say_everything() {
        let files = [("a", 5 << 20), ("b", 0), ("c", PART_BYTES), ("d", 3 * PART_BYTES + 1)];
        let files = files.map(|(path, bytes)| (path.to_owned(), (0o600, vec![7; bytes])));
        let all = parts(differences(&Image::default(), &found(&files.into())));
        assert!(all.len() > 5 && all[0].first && all[all.len() - 1].last);
        assert_eq!(all.iter().filter(|part| part.first || part.last).count(), 2);
        for part in &all {
            let bytes = postcard::to_stdvec(part).unwrap().len();
            assert!(bytes <= bartizan_consensus::limits::ENTRY_BYTES_MAX / 4, "{bytes}");
        }
    }
}
