//! Hashes of RFC 6962 section 2.1, and a tree that only grows.

use bartizan_crypto::hash::sha256;

/// A hash of a leaf, a node or a whole tree.
pub type Hash = [u8; 32];

/// In front of a leaf and of a node, so that none can be taken for the other.
const LEAF: u8 = 0;
const NODE: u8 = 1;

/// The hash of an entry.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    let mut bytes = Vec::with_capacity(entry.len() + 1);
    bytes.push(LEAF);
    bytes.extend_from_slice(entry);
    sha256(&bytes)
}

pub(crate) fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [NODE; 65];
    bytes[1..33].copy_from_slice(left);
    bytes[33..].copy_from_slice(right);
    sha256(&bytes)
}

/// The root of a tree with these leaves.
pub fn root_of(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => sha256(&[]),
        [leaf] => *leaf,
        more => {
            let (left, right) = more.split_at(split(more.len()));
            node_hash(&root_of(left), &root_of(right))
        }
    }
}

/// The largest power of two below `leaves`, which are two at least.
pub(crate) fn split(leaves: usize) -> usize {
    1 << (usize::BITS - 1 - (leaves - 1).leading_zeros())
}

/// A tree without its leaves: the roots of the whole trees that it is made of, from the left, one for each bit of its size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    peaks: Vec<Hash>,
}

impl Tree {
    /// A tree as it was taken apart by [`Tree::peaks`]; `None` where they are too few or too many.
    pub fn from_peaks(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (peaks.len() == size.count_ones() as usize).then_some(Self { size, peaks })
    }

    /// Leaves, a count.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// See [`Tree::from_peaks`].
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Adds the hash of an entry.
    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        // As many whole trees become one as the size has ones at its end.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// The tree of the leaves from `from` to before `to`, where whole trees that this one is made of are just these.
    pub(crate) fn part(&self, from: u64, to: u64) -> Option<Self> {
        let (mut begin, mut peaks) = (0, Vec::new());
        let sizes = (0..u64::BITS).rev().map(|bit| 1 << bit).filter(|size| self.size & size != 0);
        for (size, peak) in sizes.zip(&self.peaks) {
            if from <= begin && begin + size <= to {
                peaks.push(*peak);
            } else if begin < to && from < begin + size {
                return None; // a part of it alone is asked for
            }
            begin += size;
        }
        Self::from_peaks(to.checked_sub(from).filter(|_| to <= self.size)?, peaks)
    }

    /// The root.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return sha256(&[]) };
        peaks.fold(*last, |right, left| node_hash(left, &right))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use bartizan_crypto::hash::{hex, unhex};
    use proptest::prelude::*;

    /// The entries and roots by which implementations of Certificate Transparency are tested
    /// (google/certificate-transparency, cpp/merkletree/merkle_tree_test.cc).
    const ENTRIES: [&str; 8] =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    const ROOTS: [&str; 8] = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    pub(crate) fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|n| leaf_hash(format!("entry {n}").as_bytes())).collect()
    }

    #[test]
    fn roots_are_those_of_certificate_transparency() {
        let mut tree = Tree::default();
        assert_eq!(hex(&tree.root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        for (entry, root) in ENTRIES.into_iter().zip(ROOTS) {
            tree.push(leaf_hash(&unhex(entry).unwrap()));
            assert_eq!(hex(&tree.root()), root, "after {} leaves", tree.size());
        }
    }

    #[test]
    fn an_entry_is_no_node() {
        let two = leaves(2);
        assert_ne!(leaf_hash(&[two[0], two[1]].concat()), node_hash(&two[0], &two[1]));
    }

    proptest! {
        #[test]
        fn a_tree_that_grew_has_the_root_of_its_leaves(count in 0u64..200, cut in 0u64..200) {
            let leaves = leaves(count);
            let mut tree = Tree::default();
            for (n, leaf) in (0..).zip(&leaves) {
                if n == cut {
                    // As after a start.
                    tree = Tree::from_peaks(tree.size(), tree.peaks().to_vec()).unwrap();
                }
                tree.push(*leaf);
            }
            prop_assert_eq!(tree.root(), root_of(&leaves));
            prop_assert_eq!(tree.size(), count);
            prop_assert!(Tree::from_peaks(count + 1, tree.peaks().to_vec()).is_none_or(|it| it.size().count_ones() == count.count_ones()));
        }
    }
}
